"""Removing atoms: what is gone stands in the labels, the rest is as it was."""

import numpy as np
import pytest
import torch

from atomscape.atoms.structures import Structures
from atomscape.data.corruptions import remove_atoms
from atomscape.testing import cases


def batch():
    return cases.mixed_batch()


def put_back(s: Structures, i: int) -> set:
    """Atoms of structure i, and those that its labels say are missing, as a set."""
    one = s[i]
    z, x = one.labels["missing_numbers"][0], one.labels["missing_positions"][0]
    known = z.isfinite()
    atoms = torch.cat([one.positions, x[known]]), torch.cat([one.numbers.double(), z[known].double()])
    return {(*(round(c, 9) for c in p), n) for p, n in zip(atoms[0].tolist(), atoms[1].tolist(), strict=True)}


@pytest.mark.parametrize("settings", [{}, {"most": 3}, {"least": 2, "most": 2, "together": 1.0}])
def test_rest_and_labels_are_the_whole(settings):
    s = batch()
    corrupt = remove_atoms.build(remove_atoms.Config(**settings))
    broken = corrupt(s, np.random.default_rng(0))
    gone = broken.labels["missing_numbers"].isfinite().sum(1)
    most = torch.minimum(torch.full_like(s.counts, corrupt.config.most), s.counts - 1)
    assert (broken.counts >= 1).all()
    assert (gone <= most).all()
    assert (gone >= torch.minimum(most, torch.tensor(corrupt.config.least))).all()
    torch.testing.assert_close(broken.counts + gone, s.counts)
    for i in range(len(s)):
        whole = {
            (*(round(c, 9) for c in p), float(n))
            for p, n in zip(s[i].positions.tolist(), s[i].numbers.tolist(), strict=True)
        }
        assert put_back(broken, i) == whole


def test_the_same_draw_twice_and_others_differ():
    s, corrupt = batch(), remove_atoms.build(remove_atoms.Config())
    first, again, other = (corrupt(s, np.random.default_rng(k)) for k in (3, 3, 4))
    torch.testing.assert_close(first.positions, again.positions)
    assert not torch.equal(first.labels["missing_positions"], other.labels["missing_positions"])


def test_labels_of_the_whole_do_not_hold_for_the_rest():
    s = batch()
    s = s.with_labels(energy=torch.ones(len(s)), charges=torch.ones(s.n_atoms))
    broken = remove_atoms.build(remove_atoms.Config())(s, np.random.default_rng(0))
    assert broken.labels["energy"].isnan().all()
    assert len(broken.labels["charges"]) == broken.n_atoms


def test_a_group_is_an_atom_with_its_nearest_neighbours():
    line = Structures.of([[x, 0, 0] for x in (0.0, 1.0, 2.1, 3.3, 9.0)], [6] * 5)
    corrupt = remove_atoms.build(remove_atoms.Config(least=2, most=2, together=1.0))
    pairs = set()
    for seed in range(40):
        x = corrupt(line, np.random.default_rng(seed)).labels["missing_positions"][0, :, 0]
        pairs.add(tuple(sorted(x.tolist())))
    assert pairs == {(0.0, 1.0), (1.0, 2.1), (2.1, 3.3), (3.3, 9.0)}


def test_more_at_least_than_at_most_is_refused():
    with pytest.raises(ValueError, match=r"least \(3\) is more than most \(2\)"):
        remove_atoms.build(remove_atoms.Config(least=3, most=2))
