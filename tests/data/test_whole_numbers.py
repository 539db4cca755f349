"""Structures written as whole numbers are read back to the last digit."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from atomscape.atoms.structures import Structures
from atomscape.data.whole_numbers import read_parts, read_whole_numbers, write_whole_numbers

DECIMALS = {"positions": 4, "cell": 4, "energy": 6, "charges": 3}


def batch(rng: np.random.Generator, periodic: bool) -> Structures:
    structure = torch.tensor([0, 0, 0, 1, 2, 2])
    cell = 5 * torch.eye(3, dtype=torch.float64).expand(3, 3, 3) * float(periodic)
    return Structures(
        torch.from_numpy(rng.uniform(-9, 9, (6, 3)).round(4)),
        torch.tensor([8, 1, 1, 92, 6, 8]),
        cell.contiguous(),
        torch.full((3, 3), periodic),
        structure,
        {
            "energy": torch.from_numpy(rng.uniform(-5e3, 0, 3).round(6)),  # more than 32 bits
            "charges": torch.from_numpy(rng.uniform(-1, 1, 6).round(3)),
        },
        ("water", "Übermaß", "C=O"),
    )


@pytest.mark.parametrize("periodic", [False, True])
@pytest.mark.parametrize("size", [1, 2, 10])
def test_what_is_written_is_read(tmp_path, rng, periodic, size):
    given, part = batch(rng, periodic), np.array([0, 2, 0])
    write_whole_numbers(tmp_path / "a.npz", given, part, DECIMALS)
    batches = list(read_whole_numbers(tmp_path / "a.npz", size))
    assert [len(b) for b in batches] == [min(size, 3 - k) for k in range(0, 3, size)]
    found = Structures.concatenate(batches)
    for field in ("positions", "numbers", "cell", "pbc", "structure"):
        assert torch.equal(getattr(found, field), getattr(given, field)), field
    assert all(torch.equal(found.labels[k], v) for k, v in given.labels.items())
    assert found.ids == given.ids
    assert {k: v.tolist() for k, v in read_parts(tmp_path / "a.npz").items()} == {
        "train": [0, 2],
        "val": [],
        "test": [1],
    }


@pytest.mark.parametrize("value", [0.12345, float("nan")])
def test_values_that_would_change_are_refused(tmp_path, rng, value):
    given = batch(rng, False)
    given.labels["charges"][2] = value
    with pytest.raises(ValueError, match="charges"):
        write_whole_numbers(tmp_path / "a.npz", given, np.zeros(3), DECIMALS)
    assert not (tmp_path / "a.npz").exists()


def test_same_structures_give_the_same_bytes(tmp_path, rng):
    given = batch(rng, True)
    for name in ("a.npz", "b.npz"):
        write_whole_numbers(tmp_path / name, given, np.zeros(3), DECIMALS)
    assert (tmp_path / "a.npz").read_bytes() == (tmp_path / "b.npz").read_bytes()
