"""Losses: known labels only, and a mixed batch is the sum of its parts."""

from __future__ import annotations

import math

import numpy as np
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


def test_a_loss_of_a_head_ignores_other_datasets(toy_structures):
    """Structures of which nothing is missing, or of another dataset, add nothing to value and gradient."""
    from atomscape.data.corruptions import remove_atoms
    from atomscape.heads import complete
    from atomscape.nn.embedding import Embedding
    from atomscape.o3.irreps import Irreps
    from atomscape.testing.head_laws import random_embedding

    irreps = Irreps("3x0e+3x1o")
    with torch.random.fork_rng():
        torch.manual_seed(0)
        config = complete.Config(elements=("H", "C", "O"), hidden=4)
        head = complete.build(config, irreps, (PROPERTIES["missing_atoms"],)).double()
    s = remove_atoms.build(remove_atoms.Config())(toy_structures(6), np.random.default_rng(0))
    missing = s.labels["missing_numbers"].clone()
    missing[[1, 4]] = math.nan
    s = s.with_labels(missing_numbers=missing)
    dataset = torch.tensor([0, 0, 1, 0, 0, 1])
    mine = [0, 3]
    losses = []
    for chosen in (range(6), mine):
        part = s[list(chosen)]
        graph = neighbour_graph(part, 2.0)
        atoms = torch.isin(s.structure, torch.tensor(list(chosen)))
        features = random_embedding(irreps, s.n_atoms, seed=1)
        features = Embedding({k: block[atoms] for k, block in features.blocks.items()})
        own = Term(PROPERTIES["missing_atoms"], 0, "own", 1.0, 1.0, "missing_atoms", head)
        predictions = head(features, graph)
        loss = total_loss([own], term_sums([own], predictions, graph, dataset[list(chosen)]))
        losses.append((loss, torch.autograd.grad(loss, tuple(head.parameters()))))
    (all_, gradients), (alone, expected) = losses
    torch.testing.assert_close(all_, alone)
    for g, e in zip(gradients, expected, strict=True):
        assert g.isfinite().all()
        torch.testing.assert_close(g, e)
