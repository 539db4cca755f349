"""Scores where several atoms are missing: are all of them put back, at their places, as their elements?"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import torch
from scipy.optimize import linear_sum_assignment

from atomscape.atoms.nearest_image import nearest_image
from atomscape.atoms.structures import Structures
from atomscape.data.corruptions.remove_atoms import Config, build
from atomscape.data.store import Store
from atomscape.generate.calibration import reliability
from atomscape.generate.complete import Completion, complete
from atomscape.generate.scoring import NEAR, Propose

FAR = 1e3


def score_several(
    propose: Propose,
    data: Store | Structures,
    rows: Sequence[int] | np.ndarray,
    missing: int,
    together: bool,
    seed: int = 0,
    ranks: int = 5,
    progress: Callable[[int], None] = lambda done: None,
) -> dict[str, Any]:
    """Remove ``missing`` atoms of each structure, at random or as a group, complete it, and compare.

    A completion is right if each of its atoms can be paired with a removed one of its element within 0.5 Å.
    ``accuracy`` counts first completions, ``top_5_accuracy`` those with a right one among ``ranks``,
    ``atoms_right`` single atoms of first completions; the probabilities that were given are compared with
    the share that was right. Structures with no more than ``missing`` atoms are left out.
    """
    corrupt = build(Config(least=missing, most=missing, together=float(together)))
    rng, first, among, atoms, sure = np.random.default_rng(seed), [], [], [], []
    for done, row in enumerate(np.asarray(rows).tolist(), start=1):
        whole = data[[row]].to(dtype=torch.float64)
        if whole.n_atoms <= missing:
            continue
        broken = corrupt(whole, rng)
        found = complete(propose, broken, missing, ranks)
        hits = [matched(c, broken) for c in found]
        first.append(bool(hits) and hits[0] == missing)
        among.append(missing in hits)
        atoms.append(hits[0] if hits else 0)
        sure.append(found[0].probability if found else 0.0)
        progress(done)
    if not first:
        raise ValueError(f"no structure has more than {missing} atoms: none can be completed")
    return {
        "missing": missing,
        "together": together,
        "structures": len(first),
        "accuracy": float(np.mean(first)),
        "top_5_accuracy": float(np.mean(among)),
        "atoms_right": float(np.mean(atoms)) / missing,
        "calibration": reliability(np.array(sure), np.array(first)),
    }


def matched(completion: Completion, broken: Structures) -> int:
    """How many atoms of a completion can be paired with missing ones of their element within 0.5 Å."""
    x, z = broken.labels["missing_positions"][0], broken.labels["missing_numbers"][0]
    known = z.isfinite()
    x, z = x[known], z[known]
    a, b = len(completion.numbers), len(z)
    away = (completion.positions.unsqueeze(1) - x.unsqueeze(0)).reshape(-1, 3)
    away = nearest_image(away, broken.cell.expand(a * b, 3, 3), broken.pbc.expand(a * b, 3)).norm(dim=1)
    cost = torch.where(completion.numbers.unsqueeze(1) == z, away.view(a, b), FAR)
    cost = torch.where(cost <= NEAR, cost, FAR).numpy()
    return int((cost[linear_sum_assignment(cost)] < FAR).sum())
