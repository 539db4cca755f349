"""A vector as the gradient of a potential: the laws of heads with a network of scalars under it."""

from __future__ import annotations

from itertools import pairwise

import pytest
import torch

from atomscape.atoms.neighbours import neighbour_graph
from atomscape.atoms.properties import PROPERTIES
from atomscape.atoms.transform import permuted, rotated
from atomscape.data.card import PropertyRecord
from atomscape.encoders import schnet
from atomscape.find import find
from atomscape.learn.architecture import Architecture
from atomscape.learn.model import Model
from atomscape.o3.irreps import Irreps
from atomscape.o3.rotation import random_rotation
from atomscape.testing import cases

NOISE = {"dataset": "shared", "head": {"kind": "gradient", "hidden": 8}}


@pytest.fixture(scope="module")
def model():
    heads = [NOISE | {"predicts": {"name": "position_noise"}}]
    return built(heads)


def built(heads) -> Model:
    for h in heads:
        h["predicts"] = PropertyRecord.of(PROPERTIES[h["predicts"]["name"]]).model_dump()
    encoder = {"kind": "schnet", "channels": 6, "layers": 2, "cutoff": 3.4, "n_radial": 6}
    made = Architecture.model_validate(
        {"encoder": encoder, "heads": heads, "datasets": ["a"], "dtype": "float64"}
    )
    with torch.random.fork_rng():
        torch.manual_seed(2)
        return Model(made).eval()


def vectors(model, s):
    return model(neighbour_graph(s, model.cutoff))["position_noise"]


CASES = ("ethanol", "rattled_rocksalt", "slab", "mixed_batch")


@pytest.mark.parametrize("case", CASES)
def test_it_turns_with_the_structure_and_ignores_order_and_mates(model, case):
    s = cases.everything[case]()
    here = vectors(model, s)
    assert float(here.abs().max()) > 1e-3
    R = random_rotation(1, generator=torch.Generator().manual_seed(0))[0]
    for Q in (R, -R):
        torch.testing.assert_close(vectors(model, rotated(s, Q)), here @ Q.T)
    order = torch.cat([torch.arange(a, b).flip(0) for a, b in pairwise(s.offsets.tolist())])
    torch.testing.assert_close(vectors(model, permuted(s, order)), here[order])
    torch.testing.assert_close(torch.cat([vectors(model, one) for one in s]), here)


@pytest.mark.parametrize("case", CASES)
def test_it_moves_and_turns_nothing_as_a_whole(model, case):
    """What the noise of positions lacks, it lacks too."""
    for one in cases.everything[case]():
        y, r = vectors(model, one), one.positions - one.positions.mean(0)
        assert float(y.sum(0).abs().max()) < 1e-12
        if not bool(one.pbc.any()):
            assert float(torch.linalg.cross(r, y).sum(0).abs().max()) < 1e-12


@pytest.mark.parametrize("case", cases.perfect_crystals)
def test_perfect_crystals_have_none(model, case):
    assert float(vectors(model, cases.everything[case]()).abs().max()) < 1e-12


def test_it_is_the_slope_of_one_potential(model):
    """Symmetric second derivatives, ∂y_i/∂x_j = ∂y_j/∂x_i, by finite differences of y."""
    s, h = cases.water(), 1e-5
    columns = []
    for i in range(9):
        step = torch.zeros(9, dtype=torch.float64)
        step[i] = h
        moved = [
            type(s)(s.positions + k * step.view(3, 3), s.numbers, s.cell, s.pbc, s.structure) for k in (1, -1)
        ]
        columns.append(((vectors(model, moved[0]) - vectors(model, moved[1])) / (2 * h)).flatten())
    hessian = torch.stack(columns, 1)
    torch.testing.assert_close(hessian, hessian.T, rtol=1e-6, atol=1e-8)


def test_it_is_learned_and_stands_beside_an_energy():
    """In training it has gradients for the encoder, also where the energy has derivatives of its own."""
    heads = [
        NOISE | {"predicts": {"name": "position_noise"}},
        {"dataset": "shared", "head": {"kind": "scalar"}, "predicts": {"name": "energy"}},
    ]
    model = built(heads).train()
    graph = neighbour_graph(cases.ethanol(), model.cutoff)
    for derivatives in ((), ("forces",)):
        model.zero_grad()
        model(graph, derivatives=derivatives)["position_noise"].square().sum().backward()
        moved = [n for n, p in model.encoder.named_parameters() if p.grad is not None and bool(p.grad.any())]
        assert len(moved) > 5
    both = model.eval()(graph, derivatives=("forces",))
    torch.testing.assert_close(both["position_noise"], model(graph, derivatives=())["position_noise"])
    assert both["forces"].shape == (9, 3)


def test_slips_are_named():
    irreps = Irreps("4x0e")
    module = find("heads", "gradient")
    with pytest.raises(ValueError, match="one vector per atom"):
        module.build(module.Config(), irreps, (PROPERTIES["dipole"],))
    head = module.build(module.Config(), irreps, (PROPERTIES["forces"],))
    graph = neighbour_graph(cases.water(), 3.0)
    encoder = schnet.build(schnet.Config(channels=4, layers=1, cutoff=3.0, n_radial=4))
    with pytest.raises(ValueError, match="positions require gradients"):
        head(encoder(graph), graph)
