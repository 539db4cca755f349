"""Losses: known labels only, and a mixed batch is the sum of its parts."""

from __future__ import annotations

import math

import pytest
import torch

from atomscape.atoms.neighbours import neighbour_graph
from atomscape.atoms.properties import PROPERTIES
from atomscape.atoms.structures import Structures
from atomscape.learn.objectives import Term, term_sums, total_loss


def term(name: str, dataset: int | None = None, loss: str = "mae", weight: float = 1.0, scale: float = 1.0):
    return Term(PROPERTIES[name], dataset, loss, weight, scale, name)


def loss_of(terms, predictions, s, dataset=None):
    graph = neighbour_graph(s, 2.0)
    dataset = torch.zeros(len(s), dtype=torch.int64) if dataset is None else dataset
    return total_loss(terms, term_sums(terms, predictions, graph, dataset))


@pytest.mark.parametrize(("loss", "value"), [("mae", 1.5), ("mse", 2.5), ("huber", 1.0)])
def test_values(toy_structures, loss, value):
    s = toy_structures(2)
    predictions = {"gap": s.labels["gap"] + torch.tensor([1.0, -2.0])}
    assert float(loss_of([term("gap", loss=loss)], predictions, s)) == pytest.approx(value)


def test_weight_scale_and_per_atom_energy(toy_structures):
    s = toy_structures(3)
    predictions = {"energy": s.labels["energy"] + 0.3 * s.counts}
    assert float(loss_of([term("energy", weight=2.0, scale=0.1)], predictions, s)) == pytest.approx(6.0)


@pytest.mark.parametrize("name", ["gap", "forces", "charges", "stress"])
def test_unknown_labels_contribute_nothing(toy_structures, name):
    s = toy_structures(4, periodic=True)
    target = s.labels[name].clone()
    target[1:] = math.nan
    s = s.with_labels(**{name: target})
    prediction = (torch.zeros_like(target) + 0.5).requires_grad_()
    loss = loss_of([term(name, loss="mse")], {name: prediction}, s)
    loss.backward()
    assert float(loss.detach()) == pytest.approx(float((0.5 - target[0]).square().mean()))
    assert prediction.grad is not None
    assert prediction.grad[0].ne(0).all()
    assert torch.equal(prediction.grad[1:], torch.zeros_like(target[1:]))


def test_label_wholly_unknown_gives_exactly_zero(toy_structures):
    s = toy_structures(3)
    s = s.with_labels(gap=torch.full((3,), math.nan, dtype=torch.float64))
    prediction = torch.ones(3, dtype=torch.float64, requires_grad=True)
    loss = loss_of([term("gap")], {"gap": prediction}, s)
    loss.backward()
    assert float(loss.detach()) == 0.0
    assert torch.equal(prediction.grad, torch.zeros(3, dtype=torch.float64))


def test_mixed_batch_is_the_sum_of_its_parts(toy_structures, generator):
    a, b = toy_structures(4, seed=1), toy_structures(3, seed=2)
    both = Structures.concatenate([a, b])
    dataset = torch.tensor([0] * 4 + [1] * 3)
    terms = [term("gap", 0), term("energy", 1, weight=3.0), term("forces", 1)]
    noise = {
        k: torch.randn(both.labels[k].shape, generator=generator).double()
        for k in ("gap", "energy", "forces")
    }
    predictions = {k: both.labels[k] + noise[k] for k in noise}
    order = torch.tensor([5, 0, 4, 1, 6, 2, 3])
    shuffled = both.with_labels(**{f"p_{k}": v for k, v in predictions.items()})[order]
    mixed = loss_of(terms, {k: shuffled.labels[f"p_{k}"] for k in predictions}, shuffled, dataset[order])
    alone = loss_of(
        terms, {k: v[: len(a) if k != "forces" else a.n_atoms] for k, v in predictions.items()}, a
    )
    rest = {k: v[len(a) if k != "forces" else a.n_atoms :] for k, v in predictions.items()}
    alone = alone + loss_of(terms, rest, b, torch.ones(3, dtype=torch.int64))
    assert float(mixed) == pytest.approx(float(alone), rel=1e-12)


def test_a_prediction_that_is_not_a_number_is_not_hidden(toy_structures):
    s = toy_structures(2)
    assert math.isnan(float(loss_of([term("gap")], {"gap": torch.full((2,), math.nan).double()}, s)))
