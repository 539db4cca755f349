"""How far training on forces is from ten times the speed of e3nn, and why, as one paragraph.

All numbers are those of ``results.jsonl``: the step of a layer, the passes of the convolution alone, and what
the same machine can do at most. Each layer of the radial network, h ↦ h W, is met in six products of
matrices: h W and, for forces, g Wᵀ with the cotangent g; then, for the gradient of the loss, d W and dᵀ g
with the cotangent d of g Wᵀ, and again g' Wᵀ and hᵀ g'.
"""

from __future__ import annotations

import json
import re
from itertools import pairwise
from pathlib import Path

from speed_tables import missing, shown

STEP = "l_max 2, 64 channels, crystal, force-training step, 1 thread, exact"
ALONE = "l_max 2, 64 channels, float32, second order, 1 thread"
MACHINE = "machine, 1 thread"
NETWORK, PRODUCTS = (8, 64, 64, 64, 11 * 64), 6
GOAL = 10.0


def text(file: Path) -> str:
    """Return the paragraph, or which command would measure what it needs."""
    lines = file.read_text(encoding="utf-8").splitlines() if file.is_file() else []
    rows = [json.loads(line) for line in lines]
    step = _last(rows, "layer", STEP)
    if step is None:
        return missing("layer")
    here = [row for row in rows if row["machine"] == step["machine"]]
    alone, machine = _last(here, "convolution", ALONE), _last(here, "convolution", MACHINE)
    if alone is None or machine is None:
        return missing("convolution")
    rate = float(re.findall(r"(\d+) GFLOP/s float32", machine["note"])[0])
    weights = sum(a * b for a, b in pairwise(NETWORK))
    goal, products = step["peer_s"] / GOAL, 2 * PRODUCTS * weights / (1e9 * rate)
    left = goal - products - alone["ours_s"]
    reached = (
        "which is reached."
        if step["ours_s"] <= goal
        else f"which is {step['ours_s'] / goal:.2g} times less than we need."
    )
    s = {name: shown(value, "s") for name, value in (("goal", goal), ("products", products), ("left", left))}
    return (
        f"At l_max 2 with 64 channels, on one thread, e3nn needs {shown(step['peer_s'], 's')} per edge and "
        f"we {shown(step['ours_s'], 's')}: {step['ratio']:.2g} ×. Ten times would be {s['goal']}, {reached} "
        f"The convolution's own passes, alone, take {shown(alone['ours_s'], 's')}. The radial network, "
        f"{'-'.join(map(str, NETWORK))}, takes part in {PRODUCTS} products of matrices per layer, "
        f"{s['products']} at the {rate:.0f} GFLOP/s that this machine ({step['machine']}) does at most. "
        + (f"That leaves {s['left']} for everything else." if left > 0 else "Together that is more already.")
    )


def _last(rows: list[dict], question: str, case: str) -> dict | None:
    found = [row for row in rows if row["question"] == question and row["case"] == case]
    return found[-1] if found else None
