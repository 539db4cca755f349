"""Weights of the terms: learned from noise, balanced by gradients; both heed what is absent, both resume."""

from __future__ import annotations

import json
import math

import pytest
import torch
from pydantic import ValidationError

from atomscape.atoms.properties import PROPERTIES
from atomscape.learn import train as loop
from atomscape.learn.checkpoint import read_tensors
from atomscape.learn.objectives import Term
from atomscape.learn.train import train
from atomscape.learn.weighting.balanced import BalancedWeights
from atomscape.learn.weighting.learned import LearnedWeights
from atomscape.learn.weighting.options import Weighting


def term(name: str, loss: str = "mse", weight: float = 1.0) -> Term:
    return Term(PROPERTIES[name], None, loss, weight, 1.0, f"all:{name}")


def sums(*values, known=None):
    """Sums of losses with one known label each, or as many as ``known`` says."""
    known = known or [1] * len(values)
    return [
        (torch.as_tensor(v, dtype=torch.float64), torch.tensor(n)) for v, n in zip(values, known, strict=True)
    ]


@pytest.mark.parametrize(("loss", "noise"), [("mse", 0.09), ("mae", 0.09), ("huber", 0.18)])
def test_learned_noise_becomes_the_error(loss, noise):
    """At the minimum σ² is the mean square error, and the scale of a Laplace the mean absolute one."""
    terms = [term("gap", loss)]
    weights = LearnedWeights(terms)
    optimiser = torch.optim.LBFGS(weights.parameters(), max_iter=100, line_search_fn="strong_wolfe")

    def closure():
        optimiser.zero_grad()
        value = weights(terms, sums(0.09))
        value.backward()
        return value

    optimiser.step(closure)
    assert math.exp(float(weights.log_noise.detach())) == pytest.approx(noise, rel=1e-4)


def test_an_absent_term_moves_no_noise_and_adds_no_loss():
    terms = [term("gap"), term("energy", "mae", weight=3.0)]
    weights = LearnedWeights(terms)
    with torch.no_grad():
        weights.log_noise.copy_(torch.tensor([0.7, -1.3]))
    loss = weights(terms, sums(0.4, 0.0, known=[2, 0]))
    loss.backward()
    assert float(loss.detach()) == pytest.approx(0.5 * math.exp(-0.7) * 0.2 + 0.35)
    assert weights.log_noise.grad is not None
    assert weights.log_noise.grad[0] != 0 == weights.log_noise.grad[1]


def balanced(terms, shared, asymmetry=0.0, every=1):
    return BalancedWeights(terms, (shared,), every, asymmetry, lambda x: x)


def test_balanced_terms_pull_alike_whatever_their_size():
    """Losses whose gradients differ by a factor of 10,000; the sum of the weights stays."""
    w = torch.nn.Parameter(torch.tensor([1.0, -2.0], dtype=torch.float64))
    terms = [term("gap", weight=2.0), term("energy")]
    weights = balanced(terms, w)
    losses = [1e-2 * w.square().sum(), 1e2 * w.square().sum()]
    weights(terms, sums(*losses))
    factors = weights.weights(terms)
    assert sum(factors.values()) == pytest.approx(3.0)
    pulls = [
        factors[t.name] * float(2 * c * w.detach().norm()) for t, c in zip(terms, (1e-2, 1e2), strict=True)
    ]
    assert pulls[0] == pytest.approx(2 * pulls[1])


def test_a_term_that_lags_behind_pulls_harder():
    w = torch.nn.Parameter(torch.ones(1, dtype=torch.float64))
    terms = [term("gap"), term("energy")]
    even, uneven = balanced(terms, w), balanced(terms, w, asymmetry=1.0)
    for weights in (even, uneven):
        for fast in (1.0, 0.1, 0.1, 0.1):
            weights(terms, sums(w[0] * 1.0, w[0] * fast + (1 - fast) * w[0].detach() * 0.0))
    a, b = even.weights(terms), uneven.weights(terms)
    assert b["all:gap"] / b["all:energy"] > 1.5 * a["all:gap"] / a["all:energy"]


def test_a_term_that_was_never_met_keeps_its_weight_until_it_comes():
    w = torch.nn.Parameter(torch.ones(1, dtype=torch.float64))
    terms = [term("gap"), term("energy", weight=0.3)]
    weights = balanced(terms, w)
    weights(terms, sums(w[0] * 5.0, w[0] * 0.0, known=[1, 0]))
    assert weights.weights(terms) == {"all:gap": 1.0, "all:energy": 0.3}
    before = weights.norms.clone()
    weights(terms, sums(w[0] * 0.0, w[0] * 7.0, known=[0, 1]))
    assert weights.norms[0] == before[0]
    factors = weights.weights(terms)
    assert factors["all:gap"] * 5 / 1.0 == pytest.approx(factors["all:energy"] * 7 / 0.3)


TWO = "objectives=[{property: energy}, {property: forces, loss: mse}, {property: gap, loss: huber}]"


@pytest.mark.parametrize("kind", ["learned", "{kind: gradient, every: 2}"])
def test_a_weighted_run_shows_its_weights_and_resumes_to_the_same_bits(
    make_config, tmp_path, quiet, monkeypatch, kind
):
    config = make_config(f"training.weighting={kind}", TWO, "dtype=float64")
    results = train(config, tmp_path / "whole", console=quiet)
    assert results is not None
    assert set(results.weights) == {"all:energy", "all:forces", "all:gap"}
    assert len(set(results.weights.values())) == 3
    log = [json.loads(x) for x in (tmp_path / "whole" / "metrics.jsonl").read_text().splitlines()]
    assert log[-1]["weights"] == results.weights != log[0]["weights"]
    original = loop._step

    def stopping(run, index, done):
        loss = original(run, index, done)
        run.stop.asked = run.state.progress.step == 5
        return loss

    with monkeypatch.context() as patch:
        patch.setattr(loop, "_step", stopping)
        assert train(config, tmp_path / "parts", console=quiet) is None
    train(config, tmp_path / "parts", resume=True, console=quiet)
    one, two = (read_tensors(tmp_path / x / "last.safetensors")[0] for x in ("whole", "parts"))
    assert any(k.startswith("weighting.") for k in one)
    assert one.keys() == two.keys()
    assert all(torch.equal(one[k].nan_to_num(), two[k].nan_to_num()) for k in one)


def test_learned_noise_does_not_decay_and_learns_at_its_own_rate(make_config, tmp_path, quiet):
    """The moments of its optimiser are its own, and a weight decay that empties the network leaves it."""
    settings = ["training.weighting={kind: learned, rate: 1e-9}", "training.weight_decay=50", TWO]
    train(make_config(*settings), tmp_path / "run", console=quiet)
    noise = read_tensors(tmp_path / "run" / "last.safetensors")[0]["weighting.log_noise"]
    assert 0 < noise.abs().max() < 1e-8


def test_fixed_weights_leave_no_trace(make_config, tmp_path, quiet):
    results = train(make_config(), tmp_path / "run", console=quiet)
    assert results is not None
    assert "weights" not in results.as_dict()
    assert not [
        k for k in read_tensors(tmp_path / "run" / "last.safetensors")[0] if k.startswith("weighting")
    ]


def test_gradients_of_a_frozen_encoder_cannot_be_balanced(make_config, tmp_path, quiet):
    config = make_config("training.weighting=gradient", "training.freeze=[encoder]")
    with pytest.raises(ValueError, match="all of it is frozen"):
        train(config, tmp_path / "run", console=quiet)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"kind": "learned", "every": 3}, r"every is an option of kind: gradient.* options of learned: rate"),
        ({"kind": "gradient", "rate": 2}, r"rate is an option of kind: learned.*: every, asymmetry"),
        ({"asymmetry": 1}, r"asymmetry is an option of kind: gradient, and fixed .* of fixed: none"),
    ],
)
def test_an_option_of_another_kind_is_refused(given, message):
    with pytest.raises(ValidationError, match=message):
        Weighting.model_validate(given)


@pytest.mark.parametrize("given", ["learned", {"kind": "gradient", "every": 3}, "fixed"])
def test_a_weighting_is_read_again_as_it_is_written(given):
    """Written out it has the defaults of every kind."""
    made = Weighting.model_validate(given)
    assert Weighting.model_validate(made.model_dump()) == made
