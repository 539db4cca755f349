"""The committed splits of the missing-atom experiment name molecules of the sizes that they say."""

from __future__ import annotations

from itertools import combinations
from pathlib import Path

import numpy as np
import pytest

from atomscape.data.load import load
from atomscape.data.splits import index_file_split

SPLITS = Path(__file__).parents[2] / "experiments" / "splits"
SIZES = {
    "train": (1000, 5, 18),
    "val": (200, 5, 18),
    "test": (1000, 5, 18),
    "test_19": (1000, 19, 19),
    "test_23": (1000, 23, 23),
    "test_25_29": (1000, 25, 29),
}


@pytest.mark.real
@pytest.mark.usefixtures("data_root")
def test_sizes():
    """Numbers and atoms of each part, and three draws that differ; no molecule stands in two parts."""
    qm9 = load("qm9")
    counts, draws = np.asarray(qm9.counts), []
    for seed in range(3):
        split = index_file_split(SPLITS / f"qm9_missing_atom_seed{seed}.json", qm9)
        found = {k: (len(rows), counts[rows].min(), counts[rows].max()) for k, rows in split.items()}
        assert found.keys() == SIZES.keys()
        for part, (n, low, high) in SIZES.items():
            assert found[part][0] == n
            assert low <= found[part][1] <= found[part][2] <= high
        draws.append(set(split["train"].tolist()))
    assert all(len(a & b) < 200 for a, b in combinations(draws, 2))
