"""The convolution with factored weights: its formula, what is refused, what is not made."""

from __future__ import annotations

import inspect
import subprocess
import sys

import pytest
import torch

from atomscape.ops.convolution import Coupling, convolution
from atomscape.ops.jit import edge_kernels
from atomscape.ops.kernels import radial_convolution_cpu
from atomscape.ops.radial_convolution import radial_convolution, radial_weights

C = Coupling(1, 1, 1)


def random(*shape, seed=0):
    return torch.randn(shape, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))


def problem(rank=5, rows=None, channels=3, edges=6):
    centre, neighbour = torch.tensor([3, 0, 1, 0, 3, 3])[:edges], torch.tensor([1, 3, 3, 0, 0, 1])[:edges]
    W = random(rows or rank, len(C.paths), channels, seed=3)
    arguments = random(4, 4, channels), random(edges, 4, seed=1), random(edges, rank, seed=2), W
    if rows is None:
        return *arguments, centre, neighbour, C
    return *arguments, centre, neighbour, C, torch.tensor([0, rows - rank, 1, 1, 0, 1])[:edges]


@pytest.fixture(params=["reference", "cpu"])
def backend(request):
    with radial_convolution.force(request.param):
        yield request.param


def test_it_is_the_convolution_with_weights_written_out(backend):
    for arguments in (problem(), problem(4, 9)):
        x, Y, h, W, centre, neighbour, c, *start = arguments
        if start:
            w = torch.stack([torch.einsum("k,kpc->pc", h[e], W[s : s + 4]) for e, s in enumerate(start[0])])
        else:
            w = torch.einsum("ek,kpc->epc", h, W)
        torch.testing.assert_close(radial_weights(h, W, *start), w)
        torch.testing.assert_close(
            radial_convolution(*arguments), convolution.reference(x, Y, w, centre, neighbour, c)
        )


def test_rows_that_do_not_fit():
    x, Y, h, W, *rest = problem()
    with (
        radial_convolution.force("cpu"),
        pytest.raises(ValueError, match="5 radial factors per edge, but W has 4"),
    ):
        radial_convolution(x, Y, h, W[:4], *rest)


@pytest.mark.parametrize(("wrong", "seen"), [(6, "0 to 6"), (-1, "-1 to 5")])
def test_a_table_that_ends_before(wrong, seen):
    *arguments, start = problem(4, 9)
    start[2] = wrong
    message = (
        f"start runs from {seen}; with 4 factors per edge and a table of 9 rows it must stay within 0 … 5"
    )
    with radial_convolution.force("cpu"), pytest.raises(IndexError, match=message):
        radial_convolution(*arguments, start)


def test_a_table_that_is_too_small():
    *arguments, start = problem(4, 9)
    arguments[3] = arguments[3][:3]
    with radial_convolution.force("cpu"), pytest.raises(IndexError, match="a table of 3 rows"):
        radial_convolution(*arguments, start)


def test_an_atom_that_is_not_there():
    x, *rest = problem()
    with radial_convolution.force("cpu"), pytest.raises(IndexError, match="features are given for 3 atoms"):
        radial_convolution(x[:3], *rest)


@pytest.mark.parametrize(("place", "name"), [(3, "W"), (4, "start"), (6, "neighbour")])
def test_arguments_that_do_not_fit(place, name):
    """Asked below the shape checks of the tests, which users do not have."""
    x, Y, h, W, centre, neighbour, _, start = problem(4, 9)
    arguments = [x, Y, h, W, start, centre, neighbour]
    arguments[place] = arguments[place][:, :2] if name == "W" else arguments[place][:5]
    with pytest.raises(ValueError, match=f"{name} has shape .* it must be"):
        torch.ops.atomscape.radial_convolution_cpu(*arguments, edge_kernels.numbers_of(C))


@pytest.mark.parametrize("rows", [0, 5])
def test_starts_that_are_not_those_of_the_edges(rows):
    """None at all would else mean that there is no table."""
    *arguments, start = problem(4, 4)
    with pytest.raises(ValueError, match=rf"start has shape \[{rows}\]; it must be \[edges = 6\]"):
        inspect.unwrap(radial_convolution_cpu.run)(*arguments, start[:rows])


def test_what_is_declined_says_why():
    x, Y, h, W, *rest = problem(4, 9)
    assert radial_convolution.explain(x, Y, h, W, *rest).chosen == "cpu"
    trained = W.clone().requires_grad_()
    assert "a table that is trained" in str(radial_convolution.explain(x, Y, h, trained, *rest))
    with torch.no_grad():
        assert radial_convolution.explain(x, Y, h, trained, *rest).chosen == "cpu"
    assert "129 radial factors; kernels hold 1 to 128" in str(radial_convolution.explain(*problem(129)))
    x, Y, h, W, *rest = problem()
    half = radial_convolution.explain(x, Y, h.half(), W, *rest)
    assert "float16" in str(half)
    assert half.chosen == "reference"


def test_a_table_that_is_trained_gets_its_gradient():
    x, Y, h, W, *rest = problem(4, 9)
    W.requires_grad_()
    (found,) = torch.autograd.grad(radial_convolution(x, Y, h, W, *rest).square().sum(), W)
    (expected,) = torch.autograd.grad(radial_convolution.reference(x, Y, h, W, *rest).square().sum(), W)
    torch.testing.assert_close(found, expected, rtol=0, atol=1e-11)


def test_gradgradcheck_by_every_argument():
    x, Y, h, W, *rest = problem(rank=2, channels=2, edges=4)
    inputs = tuple(t.requires_grad_() for t in (x, Y, h, W))

    def value(*t):
        with radial_convolution.force("cpu"):
            return radial_convolution(*t, *rest)

    assert torch.autograd.gradcheck(value, inputs)
    assert torch.autograd.gradgradcheck(value, inputs)


def test_derivatives_do_not_wait_for_the_other_convolution():
    """Those of a table are composed of operators of the plain convolution, perhaps not called yet."""
    code = """
import torch
from atomscape.ops.convolution import Coupling
from atomscape.ops.radial_convolution import radial_convolution
c, e = Coupling(0, 0, 0), torch.zeros(1, dtype=torch.int64)
x, Y, h = (torch.ones(s, requires_grad=True) for s in ((1, 1, 1), (1, 1), (1, 2)))
with radial_convolution.force("cpu"):
    y = radial_convolution(x, Y, h, torch.ones(3, 1, 1), e, e, c, e)
(d,) = torch.autograd.grad(y.sum(), x, create_graph=True)
torch.autograd.grad(d.sum(), h)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
