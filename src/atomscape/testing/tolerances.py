"""How far a law may be missed, in one place.

Errors of features are relative to the largest feature of the same layer, errors of derivatives to the
largest derivative (never below ``FLOOR``: a perfect crystal has none). A law that holds exactly is missed by
rounding only; derivatives sum more terms, so they get ten times more room. float32 keeps about seven digits,
of which a few layers cost two.
"""

from __future__ import annotations

import torch

# Laws that hold exactly in real arithmetic.
EXACT = {torch.float64: 1e-10, torch.float32: 2e-4}
# A back-end of an operation against its reference: they only round differently.
BACKEND = {torch.float64: 1e-12, torch.float32: 1e-5}
# First derivatives in the same laws.
DERIVATIVE = {torch.float64: 1e-9, torch.float32: 2e-3}
# Four-point differences with FINITE_STEP (Å, or strain) against the derivative: O(step⁴) + rounding / step.
FINITE_STEP = 5e-4
FINITE_DIFFERENCE = 1e-6
# float32 against float64 arithmetic of the same network.
SINGLE_PRECISION = 1e-3
# Jump of a value and of its derivative over a step of 2·CUTOFF_STEP (Å) across the cutoff. A cutoff function
# with a continuous first derivative jumps by O(step); one that is only continuous, in its derivative by O(1).
CUTOFF_STEP = 1e-7
CUTOFF_JUMP = 1e-4
# Below this a scale does not count as one.
FLOOR = 1e-6
# A block is alive if it reaches this share of the largest block of its layer on a structure without symmetry:
# far above EXACT, so that a wrong sign or frame in it cannot pass. Pseudoscalars are small by nature.
ALIVE = 1e-6
