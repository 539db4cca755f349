"""Twenty copies of a structure at a temperature, side by side, and the mean distance of two of its atoms."""

from __future__ import annotations

import torch

from atomscape.atoms.structures import Structures
from atomscape.simulate.dynamics import advance, started
from atomscape.simulate.integrators import Langevin
from atomscape.simulate.potential import Potential
from atomscape.simulate.relax import relax


def mean_distance(potential: Potential, s: Structures, kelvin: float, steps: int, copies: int = 20) -> float:
    """Å between atoms 0 and 1, over all copies and the second half of the steps."""
    rest = relax(potential, s, fmax=0.01).structures
    many = Structures.concatenate([rest] * copies)
    rule, seen = Langevin(kelvin, dt=1.0, friction=0.02), []
    first = many.offsets[:-1]

    def watch(motion) -> None:
        x = motion.structures.positions
        if motion.step > steps / 2:
            seen.append((x[first + 1] - x[first]).square().sum(1).sqrt())

    motion = started(potential, many, rule, seeds=range(copies), temperature=kelvin)
    advance(potential, motion, rule, steps, observe=watch)
    return float(torch.cat(seen).mean())
