"""Completion: atoms are put back one after the other, the most probable ways first, none twice."""

import pytest
import torch

from atomscape.atoms.nearest_image import nearest_image
from atomscape.atoms.structures import Structures
from atomscape.generate.complete import added, complete
from atomscape.nn.proposals import Proposals
from atomscape.testing import cases

SITES = torch.tensor([[2.0, 0.0, 0.0], [0.0, 2.0, 0.0], [0.0, 0.0, 2.0]], dtype=torch.float64)
NUMBERS = torch.tensor([8, 1, 7])
SHARES = torch.tensor([0.5, 0.3, 0.2], dtype=torch.float64)


def knows_three_sites(structures: Structures) -> Proposals:
    """Proposes those of three sites that are empty, by what is left of their shares."""
    ranks = []
    for s in structures:
        full = (s.positions.unsqueeze(0) - SITES.unsqueeze(1)).norm(dim=-1).amin(1) < 0.1
        share = torch.where(full, 0.0, SHARES)
        order = share.argsort(descending=True)
        known = share[order] > 0
        x = torch.where(known.unsqueeze(1), SITES[order], torch.nan)
        ranks.append((x, torch.where(known, NUMBERS[order], 0), share[order] / share.sum().clamp(min=1e-9)))
    return Proposals(*(torch.stack(column) for column in zip(*ranks, strict=True)))


def carbon() -> Structures:
    return Structures.of([[0.0, 0.0, 0.0]], [6])


def test_one_atom_is_ranked_by_its_probability():
    found = complete(knows_three_sites, carbon(), 1, ranks=2)
    assert [c.numbers.tolist() for c in found] == [[8], [1]]
    assert [round(c.probability, 6) for c in found] == [0.5, 0.3]


def test_ways_to_the_same_structure_are_one():
    found = complete(knows_three_sites, carbon(), 2, ranks=10)
    assert [sorted(c.numbers.tolist()) for c in found] == [[1, 8], [7, 8], [1, 7]]
    first = 0.5 * (0.3 / 0.5) + 0.3 * (0.5 / 0.7)  # oxygen, then hydrogen; or the other way round
    assert found[0].probability == pytest.approx(first)
    assert sum(c.probability for c in found) == pytest.approx(1.0)


def test_all_atoms_come_back():
    (best, *others) = complete(knows_three_sites, carbon(), 3, ranks=4)
    assert not others
    whole = added(carbon(), best)
    assert sorted(whole.numbers.tolist()) == [1, 6, 7, 8]
    assert torch.equal(whole.structure, torch.zeros(4, dtype=torch.int64))


def test_cells_are_kept_and_images_are_the_same_place():
    s = cases.rattled_rocksalt()
    x = s.positions[:1]

    def twice(structures: Structures) -> Proposals:
        """The same place, in two cells."""
        n = len(structures)
        places = torch.stack([x + 1.0, x + 1.0 + s.cell[0, 0]], 1).expand(n, 2, 3)
        return Proposals(places, torch.full((n, 2), 8), torch.tensor([[0.6, 0.4]]).double().expand(n, 2))

    found = complete(twice, s, 1)
    assert len(found) == 1
    whole = added(s, found[0])
    assert torch.equal(whole.cell, s.cell)
    away = nearest_image(whole.positions[-1:] - x - 1.0, s.cell, s.pbc)
    assert float(away.norm()) < 1e-9


def test_where_nothing_more_is_proposed_there_is_no_completion():
    assert complete(knows_three_sites, carbon(), 5) == []


def test_proposals_that_are_worth_nothing_stay_so():
    def worthless(structures: Structures) -> Proposals:
        given = knows_three_sites(structures)
        return Proposals(given.positions, given.numbers, torch.zeros_like(given.probabilities))

    assert {c.probability for c in complete(worthless, carbon(), 2)} == {0.0}


def test_what_lies_beside_a_proposal_does_not_make_it_likelier():
    def beside(structures: Structures) -> Proposals:
        """A place, and one of the same element 0.4 Å from it: masses of two balls."""
        n = len(structures)
        places = torch.tensor([[2.0, 0.0, 0.0], [2.4, 0.0, 0.0]]).double().expand(n, 2, 3)
        return Proposals(places, torch.full((n, 2), 8), torch.tensor([[0.6, 0.3]]).double().expand(n, 2))

    (found,) = complete(beside, carbon(), 1)
    assert found.probability == pytest.approx(0.6)


@pytest.mark.parametrize("settings", [{"missing": 0}, {"ranks": 0}, {"beams": 0}])
def test_nonsense_is_refused(settings):
    with pytest.raises(ValueError, match="has to be 1 or more"):
        complete(knows_three_sites, carbon(), **settings)


def test_one_structure_at_a_time():
    with pytest.raises(ValueError, match="give one structure that has atoms"):
        complete(knows_three_sites, Structures.concatenate([carbon(), carbon()]))
