"""Scores of several missing atoms: all have to come back, whatever the order, none counts twice."""

import pytest
import torch

from atomscape.generate.complete import Completion
from atomscape.generate.several import matched, score_several
from atomscape.nn.proposals import Proposals
from atomscape.testing import cases

WHOLE = cases.ethanol()


def knows(structures):
    """Proposes the atoms of ethanol that are not there."""
    places, numbers = [], []
    for s in structures:
        away = (WHOLE.positions.unsqueeze(1) - s.positions.unsqueeze(0)).norm(dim=-1).amin(1)
        gone = (away > 0.1).nonzero().squeeze(1)[:3]
        x = torch.full((3, 3), torch.nan, dtype=torch.float64)
        z = torch.zeros(3, dtype=torch.int64)
        x[: len(gone)], z[: len(gone)] = WHOLE.positions[gone], WHOLE.numbers[gone]
        places.append(x)
        numbers.append(z)
    probabilities = torch.full((len(places), 3), 0.3, dtype=torch.float64)
    return Proposals(torch.stack(places), torch.stack(numbers), probabilities)


def knows_nothing(structures):
    found = knows(structures)
    return Proposals(found.positions + 5.0, found.numbers, found.probabilities)


@pytest.mark.parametrize("together", [False, True])
@pytest.mark.parametrize("missing", [1, 2, 3])
def test_who_knows_is_right_and_who_does_not_is_not(missing, together):
    right = score_several(knows, WHOLE, [0], missing, together)
    wrong = score_several(knows_nothing, WHOLE, [0], missing, together)
    assert (right["accuracy"], right["atoms_right"], right["structures"]) == (1.0, 1.0, 1)
    assert (wrong["accuracy"], wrong["top_5_accuracy"], wrong["atoms_right"]) == (0.0, 0.0, 0.0)


def test_one_place_does_not_answer_two_questions():
    x = torch.tensor([[0.0, 0.0, 0.0], [0.3, 0.0, 0.0]], dtype=torch.float64)
    labels = {"missing_positions": x.unsqueeze(0), "missing_numbers": torch.tensor([[1.0, 1.0]])}
    broken = WHOLE.with_labels(**labels)
    same = Completion(torch.zeros(2, 3, dtype=torch.float64), torch.tensor([1, 8]), 1.0)
    assert matched(same, broken) == 1
    both = Completion(torch.zeros(2, 3, dtype=torch.float64), torch.tensor([1, 1]), 1.0)
    assert matched(both, broken) == 2


def test_nothing_to_remove_is_told():
    with pytest.raises(ValueError, match="more than 9 atoms"):
        score_several(knows, WHOLE, [0], 9, False)
