"""Every encoder on a GPU against itself on the CPU: features, forces, and gradients of forces."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from ase import Atoms
from ase.build import bulk, molecule

from atomscape.atoms.ase import from_ase
from atomscape.atoms.neighbours import neighbour_graph
from atomscape.find import available, find

pytestmark = pytest.mark.skipif(not torch.cuda.is_available(), reason="no GPU")


def derivatives(network: torch.nn.Module, device: str) -> list[torch.Tensor]:
    """Invariants, forces of a sum of them, and gradients of squared forces by all weights."""
    crystal = bulk("NaCl", "rocksalt", a=5.64) * (2, 1, 1)
    crystal.rattle(0.1, seed=1)
    structures = from_ase([molecule("CH4"), crystal, Atoms("He"), molecule("CH3CH2OH")]).to(device)
    graph = neighbour_graph(structures, 5.0)
    positions = graph.structures.positions.double().detach().requires_grad_()
    graph = replace(graph, structures=replace(graph.structures, positions=positions))
    value = network.to(device)(graph).invariants()
    weights = torch.sin(torch.arange(value.numel(), dtype=value.dtype, device=device)).view_as(value)
    (forces,) = torch.autograd.grad((value * weights).sum(), positions, create_graph=True)
    parameters = [p for p in network.parameters() if p.requires_grad and p.numel()]
    if not parameters:
        return [value, forces]
    second = torch.autograd.grad(forces.square().sum(), parameters, allow_unused=True)
    return [value, forces, *(g for g in second if g is not None)]


@pytest.mark.parametrize("name", available("encoders"))
def test_the_same_as_on_the_cpu(name):
    module = find("encoders", name)
    torch.manual_seed(0)
    network = module.build(module.Config()).double().eval()
    expected = [t.detach().clone() for t in derivatives(network, "cpu")]
    found = derivatives(network, "cuda")
    assert len(found) == len(expected)
    for a, b in zip(expected, found, strict=True):
        scale = float(a.abs().max())
        torch.testing.assert_close(b.detach().cpu(), a, atol=1e-11 * scale, rtol=0)
