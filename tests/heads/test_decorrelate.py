"""The regulariser of features: what it rewards, what it leaves alone, and its derivatives."""

from __future__ import annotations

import pytest
import torch

from atomscape.atoms.neighbours import neighbour_graph
from atomscape.atoms.properties import PROPERTIES
from atomscape.encoders import tfn
from atomscape.heads import decorrelate
from atomscape.heads.decorrelate import EPSILON, spread_and_covariance
from atomscape.nn.embedding import Embedding
from atomscape.o3.irreps import Irreps
from atomscape.o3.rotation import random_rotation
from atomscape.testing import cases
from atomscape.testing.compare import turned


def head(irreps="4x0e+4x1o+4x2e", **settings):
    config = decorrelate.Config(**settings)
    return decorrelate.build(config, Irreps(irreps), (PROPERTIES["feature_decorrelation"],))


def value(module, blocks) -> torch.Tensor:
    return module(Embedding(blocks), neighbour_graph(cases.water(), 3.0))["feature_decorrelation"][0]


def drawn(n: int, l: int, channels: int = 4, seed: int = 0) -> torch.Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(n, 2 * l + 1, channels, generator=generator, dtype=torch.float64)


def whitened(l: int) -> torch.Tensor:
    """Features whose covariance over atoms and orders is exactly 4 times the unit matrix."""
    x = drawn(200, l)
    x = x - x.mean(0) if l == 0 else x
    rows = x.flatten(0, 1)
    covariance = rows.T @ rows / (len(rows) - (l == 0))
    return (2 * rows @ torch.linalg.inv(torch.linalg.cholesky(covariance)).T).view_as(x)


def test_uncorrelated_features_that_vary_cost_nothing():
    blocks = {(l, (-1) ** l): whitened(l) for l in range(3)}
    assert float(value(head(), blocks)) < 1e-20
    norms = float(value(head(variance_of="norms"), blocks))
    assert norms < 1e-20  # mean squares over m vary by more than 1 as well


def test_values_of_known_features():
    """Two equal channels, s = 4: k = 2 · 16 / 2. A channel of zeros: half of 1 − √ε."""
    x = whitened(0)[..., :1]
    v, k = spread_and_covariance(torch.cat([x, x], 2), (0, 1), 1.0)
    assert (float(v), float(k)) == pytest.approx((0.0, 16.0))
    v, k = spread_and_covariance(torch.cat([x, 0 * x], 2), (0, 1), 1.0)
    assert (float(v), float(k)) == pytest.approx(((1 - EPSILON**0.5) / 2, 0.0))
    same = torch.ones(50, 1, 3, dtype=torch.float64)
    v, _ = spread_and_covariance(same, (0, 1), 1.0)
    assert float(v) == pytest.approx(1 - EPSILON**0.5)  # all atoms alike: scalars count about their mean
    v, _ = spread_and_covariance(same, (0, -1), 1.0)
    assert float(v) == pytest.approx(0.0)  # pseudoscalars: seen in a mirror as often, their mean is zero


@pytest.mark.parametrize("settings", [{}, {"variance_of": "norms"}])
def test_each_structure_may_be_turned_alone(settings):
    """Not only all together: C of l > 0 is about zero and not about the mean over atoms."""
    module, blocks = head(**settings), {(l, (-1) ** l): 0.3 * drawn(3, l) for l in range(3)}
    R = random_rotation(3, generator=torch.Generator().manual_seed(2))
    separately = {
        (l, p): torch.cat([turned(b[i : i + 1], l, p, R[i]) for i in range(3)])
        for (l, p), b in blocks.items()
    }
    torch.testing.assert_close(value(module, separately), value(module, blocks))


@pytest.mark.parametrize("settings", [{}, {"variance_of": "norms"}])
@pytest.mark.parametrize("case", [*cases.perfect_crystals, "isolated_atom", "ethanol", "empty"])
def test_gradients_are_finite_where_features_vanish(case, settings):
    """Perfect crystals: what symmetry makes zero gets no gradient at all, by features and by positions."""
    with torch.random.fork_rng():
        torch.manual_seed(0)
        config = tfn.Config(l_max=2, channels=4, layers=2, cutoff=4.0, average_neighbours=10.0)
        encoder = tfn.build(config).double()
    graph = neighbour_graph(cases.everything[case](), 4.0)
    x = graph.structures.positions.clone().requires_grad_()
    moved = type(graph.structures)(
        x, graph.structures.numbers, graph.structures.cell, graph.structures.pbc, graph.structures.structure
    )
    embedding = encoder(graph.with_structures(moved))
    blocks = list(embedding.blocks.values())
    loss = head(**settings)(embedding, graph)["feature_decorrelation"].sum()
    gradients = torch.autograd.grad(loss, [*blocks, x], allow_unused=True, materialize_grads=True)
    assert all(bool(g.isfinite().all()) for g in gradients)
    if case in cases.perfect_crystals:
        for (l, _), block, g in zip(embedding.blocks, blocks, gradients, strict=False):
            if l and float(block.detach().abs().max()) < 1e-10:
                assert float(g.abs().max()) < 1e-6
        assert float(gradients[-1].abs().max()) < 1e-7


@pytest.mark.parametrize("settings", [{}, {"variance_of": "norms"}, {"degrees": {1: 0.0}}])
def test_derivatives_are_those_of_finite_differences(settings):
    module = head(**settings)
    inputs = tuple(0.4 * drawn(6, l, seed=l + 5).requires_grad_() for l in range(3))

    def loss(*blocks):
        return value(module, {(l, (-1) ** l): b for l, b in enumerate(blocks)})

    assert torch.autograd.gradcheck(loss, tuple(b.detach().requires_grad_() for b in inputs))


def test_a_degree_of_weight_zero_is_left_out_and_an_absent_one_refused():
    blocks = {(l, (-1) ** l): 0.3 * drawn(9, l) for l in range(3)}
    whole, without = value(head(), blocks), value(head(degrees={1: 0.0}), blocks)
    one = value(head(degrees={0: 0.0, 2: 0.0}), blocks)
    torch.testing.assert_close(whole, without + one)
    with pytest.raises(ValueError, match="weight for degree 3"):
        head(degrees={3: 1.0})
