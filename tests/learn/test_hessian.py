"""Hessians: forces that change, symmetric, blind to a shift of everything; of crystals and of batches too."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from atomscape.atoms.neighbours import neighbour_graph
from atomscape.atoms.properties import PROPERTIES
from atomscape.atoms.structures import Structures
from atomscape.data.card import PropertyRecord
from atomscape.learn.architecture import Architecture, HeadRecord
from atomscape.learn.config import PlugIn
from atomscape.learn.hessian import hessian_vector_product, hessians
from atomscape.learn.model import Model
from atomscape.testing import cases

ENCODERS = {
    "schnet": PlugIn.model_validate(
        {"kind": "schnet", "channels": 6, "layers": 2, "cutoff": 3.0, "n_radial": 5}
    ),
    "tfn": PlugIn.model_validate({"kind": "tfn", "l_max": 2, "channels": 4, "layers": 1, "cutoff": 3.0}),
}


def model_of(encoder: str, name: str = "energy") -> Model:
    head = HeadRecord(
        dataset="shared", predicts=PropertyRecord.of(PROPERTIES[name]), head=PlugIn(kind="scalar")
    )
    with torch.random.fork_rng():
        torch.manual_seed(3)
        return Model(Architecture(encoder=ENCODERS[encoder], heads=(head,), datasets=("a",), dtype="float64"))


def forces(model: Model, s: Structures, positions) -> torch.Tensor:
    model.eval()
    moved = replace(s, positions=positions)
    return model(neighbour_graph(moved, model.cutoff), derivatives=("forces",))["forces"]


@pytest.mark.parametrize("case", ["ethanol", "rattled_rocksalt", "isolated_atom"])
@pytest.mark.parametrize("encoder", ENCODERS)
def test_products_are_differences_of_forces(encoder, case):
    model, s = model_of(encoder), cases.everything[case]()
    g = torch.Generator().manual_seed(0)
    v = torch.randn(2, s.n_atoms, 3, generator=g, dtype=torch.float64)
    found = hessian_vector_product(model, neighbour_graph(s, model.cutoff), v)
    for direction, product in zip(v, found, strict=True):
        step = 1e-4 * direction
        there = forces(model, s, s.positions + step) - forces(model, s, s.positions - step)
        torch.testing.assert_close(product, -there / 2e-4, rtol=1e-5, atol=1e-7)
    assert (float(found.abs().max()) > 1e-4) == (case != "isolated_atom")


@pytest.mark.parametrize("encoder", ENCODERS)
def test_hessians_of_a_batch_are_symmetric_and_blind_to_shifts(encoder):
    """Also of a crystal, whose atoms stand for their images."""
    s = Structures.concatenate([cases.water(), cases.rattled_rocksalt(), cases.isolated_atom()])
    model = model_of(encoder)
    graph = neighbour_graph(s, model.cutoff)
    for k, (H, one) in enumerate(zip(hessians(model, s), s, strict=True)):
        n = one.n_atoms
        assert H.shape == (3 * n, 3 * n)
        (alone,) = hessians(model, one)
        torch.testing.assert_close(H, alone)
        moved = H.view(n, 3, n, 3).sum(2)
        torch.testing.assert_close(moved, torch.zeros_like(moved), atol=1e-10, rtol=0)
        v = torch.zeros(s.n_atoms, 3, dtype=torch.float64)
        v[int(s.offsets[k]), 1] = 1.0
        column = hessian_vector_product(model, graph, v)[s.structure == k].reshape(-1)
        torch.testing.assert_close(H[:, 1], column, atol=1e-10, rtol=0)


def test_a_turn_of_two_atoms_is_as_stiff_as_the_push_between_them():
    """Two atoms turned about each other: the stiffness is the push along the bond over its length, twice."""
    model = model_of("schnet")
    s = cases.diatomic()
    axis = s.positions[1] - s.positions[0]
    axis = axis / axis.square().sum().sqrt()
    (H,) = hessians(model, s)
    push = forces(model, s, s.positions)[0] @ axis
    across = torch.linalg.cross(axis, torch.tensor([1.0, 0.0, 0.0]).double())
    across = torch.cat([across, -across]) / (2 * across.square().sum()).sqrt()
    length = float((s.positions[1] - s.positions[0]).square().sum().sqrt())
    assert float(across @ H @ across) == pytest.approx(float(2 * push / length), rel=1e-6)


def test_what_cannot_be():
    with pytest.raises(LookupError, match="needs an energy head; this model predicts gap"):
        hessians(model_of("schnet", "gap"), cases.water())
    graph = neighbour_graph(cases.water(), 3.0)
    with pytest.raises(ValueError, match=r"3 atoms need \(…, 3, 3\)"):
        hessian_vector_product(model_of("schnet"), graph, torch.zeros(2, 3))
