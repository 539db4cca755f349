"""Scores of proposals: known proposers get known scores; every atom is asked for once, as in a crystal."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from atomscape.atoms.structures import Structures
from atomscape.generate.removals import removals
from atomscape.generate.scoring import Answers, ask, report
from atomscape.nn.proposals import Proposals
from atomscape.testing import cases

MOLECULES = Structures.concatenate([cases.water(), cases.ethanol(), cases.isolated_atom(), cases.diatomic()])


def fixed(position, numbers, probabilities):
    """Propose the same for every structure."""

    def propose(s: Structures) -> Proposals:
        n, k = len(s), len(numbers)
        return Proposals(
            torch.tensor(position, dtype=torch.float64).expand(n, k, 3),
            torch.tensor(numbers).expand(n, k),
            torch.tensor(probabilities).expand(n, k),
        )

    return propose


def knowing(structures: Structures, off=0.0, rank=0, probability=1.0):
    """Propose the truth, ``off`` Å beside it, at place ``rank`` of three; the others are nonsense."""
    truth = list(removals(structures, atoms=10**9))
    (whole,) = truth
    done = 0

    def propose(s: Structures) -> Proposals:
        nonlocal done
        n = len(s)
        positions = torch.full((n, 3, 3), 99.0, dtype=torch.float64)
        numbers = torch.ones(n, 3, dtype=torch.int64)
        positions[:, rank] = whole.positions[done : done + n] + torch.tensor([off, 0, 0])
        numbers[:, rank] = whole.numbers[done : done + n]
        done += n
        return Proposals(positions, numbers, torch.full((n, 3), probability))

    return propose


def test_each_atom_is_removed_once():
    """All removals, whatever the size of the batch; a single atom has none; labels are gone."""
    labelled = MOLECULES.with_labels(energy=torch.ones(4, dtype=torch.float64))
    (whole,) = removals(labelled, atoms=10**9)
    assert list(zip(whole.row.tolist(), whole.atom.tolist(), strict=True)) == [
        *((0, a) for a in range(3)),
        *((1, a) for a in range(9)),
        *((3, a) for a in range(2)),
    ]
    assert whole.structures.labels == {}
    for k, left in enumerate(whole.structures):
        full = MOLECULES[int(whole.row[k])]
        stays = [i for i in range(full.n_atoms) if i != int(whole.atom[k])]
        assert torch.equal(left.positions, full.positions[stays])
        assert torch.equal(left.numbers, full.numbers[stays])
        assert torch.equal(whole.positions[k], full.positions[int(whole.atom[k])])
    for atoms in (1, 10, 30):
        parts = list(removals(MOLECULES, atoms=atoms))
        assert torch.equal(torch.cat([p.positions for p in parts]), whole.positions)
        assert max(p.structures.n_atoms for p in parts) <= max(atoms, 8)
    (some,) = removals(MOLECULES, rows=[3, 0])
    assert some.row.tolist() == [3, 3, 0, 0, 0]


@pytest.mark.parametrize("atoms", [5, 4096])
def test_who_knows_scores_everything(atoms):
    """All right; 0.2 Å off is still right, and is the distance."""
    found = report(ask(knowing(MOLECULES, off=0.2), MOLECULES, atoms=atoms))
    assert found["accuracy"] == found["within_0.5"] == found["top_3_accuracy"] == {"value": 1.0, "count": 14}
    assert found["distance_mae"] == {"value": pytest.approx(0.2), "count": 14}
    assert found["structures"] == 3
    assert found["balanced_accuracy"] == {"value": 1.0, "count": 3}
    assert {k: v["accuracy"]["count"] for k, v in found["elements"].items()} == {"H": 8, "C": 3, "O": 3}
    assert found["nll"] is None
    assert found["calibration"]["expected_error"] == 0


def test_too_far_is_wrong():
    """The element is right, the place is not."""
    found = report(ask(knowing(MOLECULES, off=0.6), MOLECULES))
    assert found["accuracy"]["value"] == found["within_0.5"]["value"] == 0
    assert found["element_accuracy"]["value"] == 1
    assert found["calibration"]["expected_error"] == 1


def test_a_later_proposal_counts_among_three():
    """Right at the third place: wrong, but among the first three."""
    found = report(ask(knowing(MOLECULES, rank=2), MOLECULES))
    assert found["accuracy"]["value"] == 0
    assert found["top_3_accuracy"]["value"] == 1


def test_always_hydrogen():
    """Elements right as often as hydrogen is missing; the mean over elements is not taken in."""
    found = report(ask(fixed([0.0, 0.0, 0.0], [1], [0.6]), MOLECULES))
    assert found["element_accuracy"] == {"value": 8 / 14, "count": 14}
    assert found["balanced_element_accuracy"] == {"value": pytest.approx(1 / 3), "count": 3}
    assert found["elements"]["C"]["element_accuracy"]["value"] == 0


def test_density_is_asked_for_the_truth():
    """−log p at the place and element that were removed."""

    def propose(s: Structures) -> Proposals:
        given = fixed([0.0, 0.0, 0.0], [1], [float("nan")])(s)
        return replace(given, log_density=lambda r, z: -z.double() - r[:, 0])

    found = report(ask(propose, cases.diatomic()))
    assert found["nll"] == {"value": pytest.approx((6.0 + 8.0 + 0.7) / 2), "count": 2}
    assert found["calibration"] is None


def test_crystals_by_the_nearest_image():
    """A place moved by lattice vectors is the same place."""
    crystal = cases.rattled_rocksalt()
    step = torch.tensor([2.0, -1.0, 3.0], dtype=torch.float64) @ crystal.cell[0]
    inner = knowing(crystal)

    def propose(s: Structures) -> Proposals:
        given = inner(s)
        return replace(given, positions=given.positions + step)

    answers = ask(propose, crystal)
    assert answers.right.all()
    assert answers.distance.max() < 1e-9


def test_nothing_to_ask():
    """A single atom leaves nothing to look at."""
    with pytest.raises(ValueError, match="no atom can be removed"):
        ask(fixed([0.0, 0.0, 0.0], [1], [1.0]), cases.isolated_atom())


def test_fewer_proposals_than_asked():
    """Padding (element 0, no place) is wrong and not near."""
    nan = float("nan")
    answers = ask(fixed([nan, nan, nan], [0, 0], [0.0, 0.0]), cases.water())
    assert not answers.right.any()
    assert isinstance(answers, Answers)
    assert np.isnan(answers.distance).all()
