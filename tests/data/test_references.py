"""Reference energies: recovered exactly where they are determined, honest where they are not."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from atomscape.atoms.formulas import N_ELEMENTS, composition_of
from atomscape.atoms.structures import Structures
from atomscape.data.references import fit_references


def molecules(formulas: list[dict[int, int]]) -> Structures:
    """Structures with these compositions (positions do not matter here)."""
    numbers = [z for f in formulas for z, n in f.items() for _ in range(n)]
    counts = [sum(f.values()) for f in formulas]
    n = len(formulas)
    return Structures(
        torch.zeros(len(numbers), 3, dtype=torch.float64),
        torch.tensor(numbers),
        torch.zeros(n, 3, 3, dtype=torch.float64),
        torch.zeros(n, 3, dtype=torch.bool),
        torch.repeat_interleave(torch.arange(n), torch.tensor(counts)),
    )


def random_formulas(n: int, elements: list[int], rng: np.random.Generator) -> list[dict[int, int]]:
    return [
        {z: int(k) for z, k in zip(elements, rng.integers(1, 9, len(elements)), strict=True)}
        for _ in range(n)
    ]


def test_composition() -> None:
    s = molecules([{1: 2, 8: 1}, {6: 1, 1: 4}])
    counts = composition_of(s)
    assert counts.shape == (2, N_ELEMENTS)
    assert counts[:, [1, 6, 8]].tolist() == [[2, 0, 1], [4, 1, 0]]
    assert counts.sum() == 8
    assert composition_of(s, (8, 6)).tolist() == [[1, 0], [0, 1]]


def test_exact_references_are_recovered(rng) -> None:
    elements = [1, 6, 7, 8, 79]
    s = molecules(random_formulas(40, elements, rng))
    true = torch.zeros(N_ELEMENTS, dtype=torch.float64)
    true[elements] = torch.tensor([-13.6, -1029.9, -1485.3, -2042.6, -5e5], dtype=torch.float64)
    counts = composition_of(s)
    e0, condition = fit_references(counts, counts @ true)
    assert torch.allclose(e0, true, rtol=1e-11, atol=1e-8)
    assert (condition.used, condition.elements, condition.rank) == (40, 5, 5)
    assert condition.rmse < 1e-7
    assert "5 elements from 40 structures" in str(condition)


def test_unknown_energies_are_left_out(rng) -> None:
    s = molecules([*random_formulas(20, [1, 6], rng), {2: 3}])
    counts = composition_of(s)
    true = torch.arange(N_ELEMENTS, dtype=torch.float64)
    y = counts @ true
    y[::4] = torch.nan
    e0, condition = fit_references(counts, y)
    assert condition.used == 15
    assert e0[2] == 0.0, "helium stands only where no energy is known"
    assert torch.allclose(e0[[1, 6]], true[[1, 6]])


def test_fixed_proportions_are_not_told_apart() -> None:
    s = molecules([{11: 1, 17: 1}, {11: 3, 17: 3}, {1: 2}])
    counts = composition_of(s)
    y = torch.tensor([-6.0, -18.0, -4.0], dtype=torch.float64)
    e0, condition = fit_references(counts, y)
    assert (condition.elements, condition.rank) == (3, 2)
    assert torch.allclose(counts @ e0, y), "the energies are predicted all the same"
    assert torch.allclose(e0[11], e0[17]), "least norm"
    assert "only 2 combinations" in str(condition)


def test_least_squares_against_numpy(rng) -> None:
    counts = composition_of(molecules(random_formulas(60, [3, 8, 26], rng)))
    y = torch.from_numpy(rng.normal(size=60))
    e0, condition = fit_references(counts, y)
    a = counts[:, [3, 8, 26]].numpy()
    expected, *_ = np.linalg.lstsq(a, y.numpy(), rcond=None)
    np.testing.assert_allclose(e0[[3, 8, 26]].numpy(), expected, rtol=1e-10)
    np.testing.assert_allclose(condition.number, np.linalg.cond(a), rtol=1e-10)


def test_nothing_known() -> None:
    counts = composition_of(molecules([{1: 1}]))
    with pytest.raises(ValueError, match="none of 1 has one"):
        fit_references(counts, torch.tensor([torch.nan], dtype=torch.float64))
