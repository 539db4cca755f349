"""Back-ends of the two convolutions against their references: channels, couplings, graphs, precisions."""

from __future__ import annotations

import pytest
import torch

from atomscape.ops.convolution import Coupling, convolution
from atomscape.ops.radial_convolution import radial_convolution
from atomscape.testing import op_laws
from atomscape.testing.op_laws import Constant

SMALL = Coupling(1, 1, 1)
GRAPHS = ("unsorted", "one edge", "one atom with itself", "no edges", "no atoms")
CHANNELS = (1, 2, 3, 7, 16, 17, 33, 64, 100, 200)
DTYPES = pytest.mark.parametrize("dtype", [torch.float64, torch.float32], ids=["float64", "float32"])
COUPLINGS = [
    Coupling(2, 2, 2),
    Coupling(2, 3, 1),
    Coupling(1, 2, 1, "so3"),
    Coupling(1, 2, 1, "both"),
    Coupling(1, 1, 2, "both", pseudo_in=True),
    Coupling(0, 3, 3),
    Coupling(1, 1, 0),
    Coupling(0, 0, 0, "so3"),
    Coupling(0, 0, 2),  # nothing makes degrees 1 and 2
]
HIGH = [Coupling(0, 6, 6), Coupling(6, 1, 5), Coupling(6, 6, 0)]


def served(op, arguments) -> bool:
    return "cpu" in op_laws.able(op, arguments)


@pytest.mark.parametrize(
    ("channels", "dtype"),
    [(c, torch.float64) for c in CHANNELS] + [(c, torch.float32) for c in (1, 7, 16, 33, 200)],
)
def test_channels(problem, factored, channels, dtype):
    arguments = problem(SMALL, channels, dtype=dtype)
    assert served(convolution, arguments)
    op_laws.check_backends(convolution, arguments)
    op_laws.check_backends(radial_convolution, factored(SMALL, channels, 5, dtype=dtype))


@pytest.mark.parametrize("coupling", COUPLINGS, ids=str)
def test_couplings(problem, factored, coupling):
    op_laws.check_backends(convolution, problem(coupling, 3))
    op_laws.check_backends(radial_convolution, factored(coupling, 3, 2))


@pytest.mark.parametrize("coupling", HIGH, ids=str)
def test_high_degrees(problem, coupling):
    assert served(convolution, problem(coupling, 2))
    op_laws.check_backends(convolution, problem(coupling, 2))


@pytest.mark.parametrize("graph", GRAPHS)
def test_graphs(problem, factored, graph):
    op_laws.check_backends(convolution, problem(SMALL, 3, graph))
    op_laws.check_layouts(convolution, problem(SMALL, 3, graph))
    op_laws.check_backends(radial_convolution, factored(SMALL, 3, 2, graph=graph))
    op_laws.check_layouts(radial_convolution, factored(SMALL, 3, 2, graph=graph))
    table = list(factored(SMALL, 3, 4, 9, graph=graph))
    table[3] = Constant(table[3])
    op_laws.check_backends(radial_convolution, tuple(table))


def test_no_channels(problem, factored):
    op_laws.check_backends(convolution, problem(SMALL, 0))
    op_laws.check_backends(radial_convolution, factored(SMALL, 0, 2))


@pytest.mark.parametrize("rank", [0, 1, 31, 128])
def test_numbers_of_radial_factors(factored, rank):
    op_laws.check_backends(radial_convolution, factored(SMALL, 9, rank))


@pytest.mark.parametrize("channels", [1, 16, 33])
@pytest.mark.parametrize(("rank", "rows"), [(4, 12), (1, 1), (3, 3)])
def test_tables(factored, channels, rank, rows):
    *head, W, centre, neighbour, coupling, start = factored(SMALL, channels, rank, rows)
    arguments = (*head, Constant(W), centre, neighbour, coupling, start)
    assert served(radial_convolution, arguments)
    op_laws.check_backends(radial_convolution, arguments)


@DTYPES
def test_more_edges_than_one_slice(problem, factored, dtype):
    """Sums of several slices, each with a window of its own; more atoms than a slice sees."""
    for graph in ((1100, 90), (700, 2000)):
        op_laws.check_backends(convolution, problem(SMALL, 3, graph, dtype))
        op_laws.check_backends(radial_convolution, factored(SMALL, 3, 2, graph=graph, dtype=dtype))


def test_results_too_large_for_the_caches(problem):
    """Gradients of weights of more than four MiB go past the caches."""
    op_laws.check_backends(convolution, problem(SMALL, 64, (2100, 40)))
    op_laws.check_backends(convolution, problem(SMALL, 128, (2100, 40), torch.float32))


def test_two_degrees_in_turns(problem):
    """Nothing that a kernel keeps belongs to the operation as a whole."""
    low, high = problem(Coupling(1, 1, 1), 4), problem(Coupling(2, 2, 2), 4)
    expected = [op_laws.derivatives(convolution, a) for a in (low, high)]
    leaves = [[t.clone().requires_grad_() for t in a[:3]] for a in (low, high)]
    values = [convolution(*t, *a[3:]) for t, a in zip(leaves, (low, high), strict=True)]
    cotangents = [torch.ones_like(v) for v in values]
    first = [torch.autograd.grad(v, t, c) for v, t, c in zip(values, leaves, cotangents, strict=True)]
    for value, kept in zip(values, expected, strict=True):
        assert torch.equal(value.detach(), kept["value"])
    again = [convolution.reference(*t, *a[3:]) for t, a in zip(leaves, (low, high), strict=True)]
    for v, t, c, found in zip(again, leaves, cotangents, first, strict=True):
        for a, b in zip(torch.autograd.grad(v, t, c), found, strict=True):
            torch.testing.assert_close(b, a, rtol=0, atol=1e-12 * a.abs().max().item())


def test_layouts_of_wide_channels(problem, factored):
    op_laws.check_layouts(convolution, problem(SMALL, 17))
    op_laws.check_layouts(radial_convolution, factored(SMALL, 17, 3))


def test_indices_of_any_integer_and_layout(problem):
    x, Y, w, centre, neighbour, c = problem(SMALL, 3)
    expected = convolution(x, Y, w, centre, neighbour, c)
    assert torch.equal(convolution(x, Y, w, centre.int(), neighbour.int(), c), expected)
    i, j = torch.stack([centre, neighbour], 1).unbind(1)  # strides of two
    assert torch.equal(convolution(x, Y, w, i, j, c), expected)
