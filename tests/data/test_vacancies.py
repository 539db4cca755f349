"""Vacancies: an atom of a supercell, or of the cell as it is, is gone; rest and labels are the whole."""

import numpy as np
import pytest
import torch

from atomscape.atoms.cells import heights
from atomscape.atoms.structures import Structures
from atomscape.atoms.transform import repeated, repeats_for
from atomscape.data.corruptions import vacancies
from atomscape.testing import cases


def crystals() -> Structures:
    flat = Structures.of([[0.0, 0, 0], [1.5, 1.5, 9.0]], [11, 17], cell=[3.0, 3.0, 20.0])
    skewed = Structures.of([[0.0, 0, 0]], [29], cell=[[2.5, 0, 0], [2.2, 1.2, 0], [0.4, 0.3, 2.4]])
    return Structures.concatenate([flat, skewed, cases.water()])


def test_opposite_faces_are_as_far_apart_as_asked_and_no_farther():
    s = crystals()
    times = repeats_for(s, 8.0)
    assert (times[~s.pbc] == 1).all()
    for i in range(2):
        large = repeated(s[i], tuple(times[i].tolist()))[0]
        apart, single = (heights(x.cell.numpy(), x.pbc.numpy())[0] for x in (large, s[i]))
        assert (apart > 8.0 - 1e-6).all()
        assert ((apart - single < 8.0) | (times[i].numpy() == 1)).all()


def test_each_structure_can_be_repeated_in_its_own_way():
    s = crystals()
    times = torch.tensor([[2, 1, 1], [1, 3, 2], [5, 5, 5]])
    together, origin = repeated(s, times)
    assert together.counts.tolist() == [4, 6, 3]
    for i in range(3):
        alone = repeated(s[i], tuple(times[i].tolist()))[0]
        torch.testing.assert_close(together[i].positions, alone.positions)
        torch.testing.assert_close(together[i].cell, alone.cell)
    assert torch.equal(together.numbers, s.numbers[origin])


@pytest.mark.parametrize("share", [0.0, 1.0])
def test_one_atom_is_gone_from_a_supercell_or_from_the_cell(share):
    s = crystals()
    config = vacancies.Config(width=6.0, share=share, most=60)
    broken = vacancies.build(config)(s, np.random.default_rng(0))
    times = vacancies.supercells(s, config) if share else torch.ones_like(vacancies.supercells(s, config))
    whole = s.counts * times.prod(1)
    gone = broken.labels["missing_numbers"].isfinite().sum(1)
    assert torch.equal(broken.counts + gone, whole)
    assert torch.equal(gone, (whole > 1).long())
    torch.testing.assert_close(broken.volume[:2], s.volume[:2] * times.prod(1)[:2])


def test_supercells_that_would_be_too_large_are_not_made():
    s = crystals()
    times = vacancies.supercells(s, vacancies.Config(width=8.0, most=20))
    assert times.tolist() == [[3, 3, 1], [1, 1, 1], [1, 1, 1]]
