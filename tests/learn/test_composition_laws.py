"""Laws of composing tasks, on every encoder: what is learned together is the sum of what is learned apart."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import pytest
import torch

from atomscape.find import available, find
from atomscape.learn.architecture import architecture_of
from atomscape.learn.config import RunConfig
from atomscape.learn.constants.fit import fit_heads
from atomscape.learn.graphs import GraphSet
from atomscape.learn.labels.inputs import with_inputs
from atomscape.learn.model import Model
from atomscape.learn.objectives import Term, term_sums, total_loss
from atomscape.learn.prepare import prepare
from atomscape.learn.recipe import validate
from atomscape.learn.weighting.options import Weighting
from atomscape.learn.weighting.weights import weighting_of

SMALL = {"channels": 6, "layers": 2, "cutoff": 3.0, "n_radial": 5, "l_max": 1, "average_neighbours": 3.0}
OBJECTIVES = [
    {"property": "energy", "own_references": True, "loss": "mse"},
    {"property": "forces", "loss": "huber", "weight": 3.0},
    {"property": "gap", "dataset": "molecules", "weight": 0.5},
    {"property": "charges", "dataset": "molecules"},
    {"property": "charges", "dataset": "crystals", "loss": "mse"},
    {"property": "stress", "dataset": "crystals"},
]
MOLECULES, CRYSTALS = [3, 0, 7, 12], [45, 41, 50]
"""Structures of the training part: 40 molecules, then crystals."""


@dataclass(frozen=True, eq=False)
class Task:
    """An encoder with heads of two datasets, and the loss."""

    model: Model
    terms: list[Term]
    graphs: GraphSet

    def __call__(self, rows: list[int]) -> tuple[dict[str, torch.Tensor], dict[str, torch.Tensor], float]:
        """Predictions for some structures, gradients of the loss by parameter, and the loss."""
        self.model.train()
        self.model.zero_grad()
        graph, dataset = self.graphs.batch(rows)
        predictions = self.model(graph, dataset)
        loss = total_loss(self.terms, term_sums(self.terms, predictions, graph, dataset))
        loss.backward()
        gradients = {n: p.grad.clone() for n, p in self.model.named_parameters() if p.grad is not None}
        return {k: v.detach() for k, v in predictions.items()}, gradients, float(loss.detach())


def config_of(encoder: str, toy: Path, crystals: Path) -> RunConfig:
    fields = find("encoders", encoder).Config.model_fields
    data = [
        {"name": name, "source": str(source), "split": {"kind": "random", "train": n, "val": 8}}
        for name, source, n in (("molecules", toy, 40), ("crystals", crystals, 20))
    ]
    settings = {k: v for k, v in SMALL.items() if k in fields}
    return validate(
        {"data": data, "encoder": {"kind": encoder, **settings}, "objectives": OBJECTIVES, "dtype": "float64"}
    )


@pytest.fixture(scope="module", params=available("encoders"))
def task(request, toy, toy_crystals) -> Task:
    """One encoder with all heads, its buffers fitted."""
    config = config_of(request.param, toy, toy_crystals)
    prepared = prepare(config)
    architecture = architecture_of(config, prepared.properties)
    architecture = with_inputs(architecture, prepared.inputs, prepared.labelled)
    with torch.random.fork_rng():
        torch.manual_seed(2)
        model = Model(architecture)
    terms, _ = fit_heads(config, model, prepared)
    return Task(model, terms, prepared.graphs("train", model.cutoff, 1e9))


def test_a_mixed_batch_is_the_sum_of_its_parts(task):
    """Terms of one dataset exactly; of all datasets, where each label weighs as much as in its part."""
    apart = [t for t in task.terms if t.dataset is not None]
    own = Task(task.model, apart, task.graphs)
    (_, a, loss_a), (_, b, loss_b) = own(MOLECULES), own(CRYSTALS)
    _, mixed, loss = own([45, 3, 0, 41, 7, 50, 12])
    assert loss == pytest.approx(loss_a + loss_b, rel=1e-12)
    for name, value in mixed.items():
        alone = a.get(name, torch.zeros_like(value)) + b.get(name, torch.zeros_like(value))
        torch.testing.assert_close(value, alone, rtol=1e-9, atol=1e-12, msg=lambda m, n=name: f"{n}: {m}")


def test_a_prediction_does_not_depend_on_batch_mates(task):
    rows = [45, 3, 0, 41, 7, 50, 12]
    together, alone = task(rows)[0], [task([i])[0] for i in rows]
    for name, value in together.items():
        parts = torch.cat([p[name] for p in alone])
        torch.testing.assert_close(value, parts, rtol=1e-10, atol=1e-10, equal_nan=True)


def test_two_heads_of_one_property_stay_apart(task):
    for rows, mine, other in ((MOLECULES, "molecules", "crystals"), (CRYSTALS, "crystals", "molecules")):
        _, gradients, _ = task(rows)
        touched = {n for n, g in gradients.items() if g.any()}
        assert any(n.startswith(f"heads.{mine}:charges") for n in touched)
        assert not any(n.startswith(f"heads.{other}:") for n in touched)
        assert any(n.startswith("encoder.") for n in touched)


def test_the_encoder_runs_once_however_many_heads(task):
    calls = []
    hook = task.model.encoder.register_forward_hook(lambda *given: calls.append(1))
    try:
        task([45, 3, 0])
    finally:
        hook.remove()
    assert len(task.model.heads) == 4
    assert len(calls) == 1


def test_structures_without_labels_change_no_gradient(task):
    """Beside them the loss and every gradient are those of the labelled structures alone."""
    graphs = task.graphs
    labels = {k: v.clone() for k, v in graphs.structures.labels.items()}
    blank = torch.zeros(len(graphs.structures), dtype=torch.bool)
    blank[CRYSTALS] = True
    for name, values in labels.items():
        values[blank[graphs.structures.structure] if name in graphs.per_atom else blank] = torch.nan
    unlabelled = GraphSet(
        graphs.structures.with_labels(**labels), graphs.dataset, graphs.per_atom, graphs.cutoff, 0.0
    )
    other = Task(task.model, task.terms, unlabelled)
    _, alone, loss = other(MOLECULES)
    _, beside, same = other([45, 3, 0, 41, 7, 50, 12])
    assert same == pytest.approx(loss, rel=1e-12)
    for name, value in alone.items():
        torch.testing.assert_close(beside[name], value, rtol=1e-9, atol=1e-12)
    _, nothing, zero = other(CRYSTALS)
    assert zero == 0.0
    assert not any(g.any() for g in nothing.values())


def test_balanced_terms_pull_alike_at_the_encoder(task):
    """With forces as derivatives and heads of one dataset only: factor × gradient norm ∝ weight."""
    weights = weighting_of(Weighting(kind="gradient", asymmetry=0.0), task.terms, task.model.encoder)
    graph, dataset = task.graphs.batch([45, 3, 0, 41, 7])
    task.model.train()
    sums = term_sums(task.terms, task.model(graph, dataset), graph, dataset)
    weights(task.terms, sums)
    factors, parameters = weights.weights(task.terms), list(task.model.encoder.parameters())
    pulls = []
    for t, (value, known) in zip(task.terms, sums, strict=True):
        gradients = torch.autograd.grad(value / known, parameters, retain_graph=True, allow_unused=True)
        norm = sum(float(g.square().sum()) for g in gradients if g is not None) ** 0.5
        pulls.append(factors[t.name] * norm / t.weight)
    assert len(pulls) == len(OBJECTIVES)
    assert pulls == pytest.approx([pulls[0]] * len(pulls), rel=1e-6)
