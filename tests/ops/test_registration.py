"""Schema, fake tensors, autograd and tracing of every native operator, as torch itself checks them."""

from __future__ import annotations

import pytest
import torch

from atomscape.ops.convolution import Coupling
from atomscape.ops.jit.edge_kernels import numbers_of
from atomscape.ops.op import ops
from atomscape.ops.symmetric_contraction import SymmetricCoupling

COUPLING, PRODUCT = Coupling(1, 1, 1), SymmetricCoupling(1, 1, 2)
ATOMS, EDGES, CHANNELS, RANK = 4, 9, 3, 5
PATHS = len(COUPLING.paths)
generator = torch.Generator().manual_seed(0)


def random(*shape: int, gradient: bool = True) -> torch.Tensor:
    return torch.randn(shape, dtype=torch.float64, generator=generator).requires_grad_(gradient)


def index(most: int) -> torch.Tensor:
    return torch.randint(most, (EDGES,), generator=generator)


x, Y, w = (ATOMS, 4, CHANNELS), (EDGES, 4), (EDGES, PATHS, CHANNELS)
h, W, table = (EDGES, RANK), (RANK, PATHS, CHANNELS), (12, PATHS, CHANNELS)
weights = 5, len(PRODUCT.paths), CHANNELS
GRAPH = (index(ATOMS), index(ATOMS), numbers_of(COUPLING))
NONE = torch.zeros(0, dtype=torch.int64)
SPECIES = torch.tensor([0, 4, 4, 1]), [1, 1, 2, 0]


def floats(*shapes: tuple[int, ...]) -> tuple[torch.Tensor, ...]:
    return tuple(random(*shape) for shape in shapes)


# operator → argument tuples; the last list of booleans says which results are asked for.
ARGUMENTS: dict[str, list[tuple]] = {
    "convolution_cpu": [(*floats(x, Y, w), *GRAPH)],
    "convolution_cpu_backward": [
        (*floats(x, x, Y, w), *GRAPH, need) for need in ([True] * 3, [True, False, True])
    ],
    "convolution_cpu_second": [
        (*floats(x, x, Y, w, x, Y, w), *GRAPH, need) for need in ([True] * 4, [True, False, True, False])
    ],
    "radial_convolution_cpu": [
        (*floats(x, Y, h, W), NONE, *GRAPH),
        (*floats(x, Y, h), random(*table, gradient=False), index(12 - RANK + 1), *GRAPH),
    ],
    "radial_convolution_cpu_backward": [
        (*floats(x, x, Y, h, W), NONE, *GRAPH, need) for need in ([True] * 4, [True, True, False, True])
    ],
    "radial_convolution_cpu_second": [(*floats(x, x, Y, h, W, x, Y, h, W), NONE, *GRAPH, [True] * 5)],
    "symmetric_contraction_cpu": [(*floats(x, weights), *SPECIES)],
    "symmetric_contraction_cpu_backward": [(*floats(x, x, weights), *SPECIES, [True, True])],
    "silu_cpu": [floats((7,))],
    "silu_cpu_gradient": [floats((7,), (7,))],
    "silu_cpu_second": [(*floats((7,), (7,), (7,)), need) for need in ([True, True], [False, True])],
    "lengths_cpu": [floats((7, 3))],
    "radial_basis_cpu": [(torch.linspace(0.1, 3.5, 7).requires_grad_(), 3.0, 4, 6)],
    "solid_harmonics_cpu": [(random(7, 3), 2)],
    "spherical_harmonics_cpu": [(random(7, 3), 2)],
    "spherical_harmonics_cpu_gradient": [(*floats((7, 9), (7, 3)), 2)],
}


@pytest.mark.parametrize("name", ARGUMENTS)
@pytest.mark.filterwarnings("ignore:.*:DeprecationWarning", "ignore:.*:FutureWarning")
def test_an_operator_is_well_registered(name):
    for op in ops().values():
        _ = op.backends  # importing them registers their operators
    for arguments in ARGUMENTS[name]:
        torch.library.opcheck(getattr(torch.ops.atomscape, name), arguments)
