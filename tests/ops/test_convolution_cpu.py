"""The native convolution: what it refuses and why, derivatives, and constants of the right precision."""

from __future__ import annotations

import re
from dataclasses import replace

import pytest
import torch

from atomscape.ops.convolution import Coupling, convolution
from atomscape.ops.jit import convolve, edge_kernels
from atomscape.ops.jit.launch import lanes_for
from atomscape.testing import op_laws

C = Coupling(1, 1, 1)
OPERATOR = torch.ops.atomscape


def problem(coupling=C, channels=3, dtype=torch.float64):
    g = torch.Generator().manual_seed(0)
    shapes = (
        (4, coupling.lm_in, channels),
        (6, (coupling.l_edge + 1) ** 2),
        (6, len(coupling.paths), channels),
    )
    x, Y, w = (torch.randn(s, dtype=torch.float64, generator=g).to(dtype) for s in shapes)
    return x, Y, w, torch.tensor([3, 0, 1, 0, 3, 3]), torch.tensor([1, 3, 3, 0, 0, 1]), coupling


def on_cpu(*arguments):
    with convolution.force("cpu"):
        return convolution(*arguments)


@pytest.mark.parametrize("which", ["centre", "neighbour"])
@pytest.mark.parametrize(("wrong", "seen"), [(4, "0 … 4"), (-1, "-1 … 3"), (10**12, "0 … 1000000000000")])
def test_an_atom_that_is_not_there(which, wrong, seen):
    x, Y, w, *indices, c = problem()
    indices[("centre", "neighbour").index(which)][2] = wrong
    message = f"edges join atoms {seen}, but features are given for 4 atoms"
    with pytest.raises(IndexError, match=re.escape(message)):
        on_cpu(x, Y, w, *indices, c)


def test_edges_without_atoms():
    x, *rest = problem()
    with pytest.raises(IndexError, match="0 atoms"):
        on_cpu(x[:0], *rest)


@pytest.mark.parametrize(
    ("place", "cut", "message"),
    [
        (0, lambda x: x[:, :3], "x has shape [4, 3, 3]; it must be [atoms = 4, lm_in = 4, channels]"),
        (1, lambda Y: Y[:, :3], "Y has shape [6, 3]; it must be [edges = 6, lm_edge = 4]"),
        (2, lambda w: w[:, 1:], "w has shape [6, 3, 3]; it must be [edges = 6, paths = 4, channels = 3]"),
        (2, lambda w: w[:5], "w has shape [5, 4, 3]"),
        (2, lambda w: w[..., :2], "w has shape [6, 4, 2]"),
        (4, lambda j: j[:5], "neighbour has shape [5]; it must be [edges = 6]"),
    ],
)
def test_arguments_that_do_not_fit(place, cut, message):
    """Asked below the shape checks of the tests, which users do not have."""
    arguments = list(problem()[:5])
    arguments[place] = cut(arguments[place])
    with pytest.raises(ValueError, match=re.escape(message)):
        OPERATOR.convolution_cpu(*arguments, edge_kernels.numbers_of(C))


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_half_precisions_are_left_to_the_reference(dtype):
    arguments = problem(dtype=dtype)
    explained = convolution.explain(*arguments)
    assert explained.chosen == "reference"
    assert f"an argument is {str(dtype)[6:]}; kernels for CPUs are float32 and float64" in str(explained)
    double = convolution(*(a.double() if op_laws._floating(a) else a for a in arguments))
    assert (convolution(*arguments).double() - double).abs().max() < 0.05 * double.abs().max()


def test_mixed_precision_and_high_degrees_decline_with_a_reason():
    x, Y, w, *rest = problem()
    assert "float64 and float32; they must be of one precision" in str(
        convolution.explain(x, Y.float(), w, *rest)
    )
    with convolution.force("cpu"), pytest.raises(RuntimeError, match=r"cannot serve: .* one precision"):
        convolution(x, Y.float(), w, *rest)
    high = problem(Coupling(0, 7, 7))
    assert "degree 7; kernels are written up to degree 6" in str(convolution.explain(*high))
    assert convolution(*high).shape == (4, 64, 3)


def test_autocast_is_served():
    """In torch.autocast the kernels get what the layers before them made of it."""
    arguments = problem(dtype=torch.float32)
    with torch.autocast("cpu", torch.bfloat16):
        assert convolution.explain(*arguments).chosen == "cpu"
        torch.testing.assert_close(convolution(*arguments), on_cpu(*arguments))


def test_derivatives_of_an_operation_inside_torch_func_are_those_of_the_reference():
    x, Y, w, *rest = problem()
    assert "torch.func" in _inside_vmap(lambda x: convolution.explain(x, Y, w, *rest), x)
    with convolution.force("cpu"), pytest.raises(RuntimeError, match=r"torch\.func"):
        torch.func.grad(lambda x: convolution(x, Y, w, *rest).sum())(x)


def _inside_vmap(explain, x) -> str:
    said = []

    def call(x):
        said.append(str(explain(x)))
        return x

    torch.func.vmap(call)(x[None])
    return said[0]


def test_gradgradcheck_by_every_argument():
    x, Y, w, *rest = problem(channels=2)
    inputs = tuple(t.requires_grad_() for t in (x, Y, w))
    assert torch.autograd.gradcheck(lambda *t: on_cpu(*t, *rest), inputs)
    assert torch.autograd.gradgradcheck(lambda *t: on_cpu(*t, *rest), inputs)


def test_nothing_is_asked_for_that_nobody_wants():
    """Energies derived by positions through a layer with weights: no gradient of the weights is made."""
    x, Y, w, *rest = problem()
    leaves = [t.requires_grad_() for t in (x, Y, w)]
    with torch.profiler.profile(record_shapes=False) as profile:
        torch.autograd.grad(on_cpu(*leaves, *rest).sum(), Y)
    assert any("convolution_cpu_backward" in e.key for e in profile.key_averages())
    (found,) = torch.autograd.grad(on_cpu(*leaves, *rest).sum(), Y)
    with convolution.force("reference"):
        (expected,) = torch.autograd.grad(convolution(*leaves, *rest).sum(), Y)
    torch.testing.assert_close(found, expected, rtol=0, atol=1e-12 * expected.abs().max().item())


@pytest.mark.parametrize("write", [convolve.forward, convolve.backward])
@pytest.mark.parametrize("radial", ["memory", "dense", "banded"])
def test_a_kernel_knows_one_precision_only(write, radial):
    """A float32 constant in float64 code would be an error of 1e-8 that few tests see."""
    x = torch.zeros(1, 4, 3, dtype=torch.float64)
    rank = {"memory": 0, "dense": 3, "banded": 4}[radial]
    v = edge_kernels.variant(
        x, edge_kernels.numbers_of(C), radial=radial, rank=rank, need_W=radial == "dense"
    )
    for order in (1, 2):
        double = replace(v, order=order)
        assert not re.search(r"\bfloat\b|f32", write(double))
        single = replace(double, number="float", lanes=lanes_for(torch.float32, 3))
        assert not re.search(r"\bdouble\b|f64", write(single))
