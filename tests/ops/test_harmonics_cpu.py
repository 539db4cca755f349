"""Native harmonics against the recursion: degrees to 12, all derivatives, layouts, remainders, threads."""

from __future__ import annotations

import subprocess
import sys

import pytest
import torch

from atomscape.ops.harmonics import solid_harmonics, spherical_harmonics
from atomscape.testing import op_laws

BOTH = pytest.mark.parametrize("op", [solid_harmonics, spherical_harmonics], ids=lambda op: op.name)


def vectors(*shape, dtype=torch.float64, seed=0):
    return torch.randn(*shape, 3, dtype=dtype, generator=torch.Generator().manual_seed(seed))


def on_cpu(op, r, l_max):
    with op.force("cpu"):
        return op(r, l_max)


@BOTH
@pytest.mark.parametrize("l_max", [1, 2, 3, 4, 6, 9, 12])
def test_values_and_two_derivatives_are_those_of_the_reference(op, l_max):
    r = vectors(37)
    op_laws.check_backends(op, (r, l_max), case=f"l={l_max}")
    expected = op.reference(r, l_max)
    torch.testing.assert_close(
        on_cpu(op, r, l_max), expected, rtol=0, atol=1e-12 * expected.abs().max().item()
    )
    single = on_cpu(op, r.float(), l_max).double()
    assert (single - expected).abs().max() < 4e-6 * expected.abs().max()


@BOTH
@pytest.mark.parametrize("points", [1, 2, 7, 8, 9, 16, 17, 33])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_numbers_of_points_that_do_not_fill_the_lanes(op, points, dtype):
    for l_max in (1, 2, 3, 4):
        op_laws.check_backends(op, (vectors(points, dtype=dtype), l_max), case=f"{points} points, l={l_max}")


@BOTH
@pytest.mark.parametrize("l_max", [1, 3, 4])
def test_layouts_and_cotangents(op, l_max):
    op_laws.check_layouts(op, (vectors(19), l_max))
    op_laws.check_layouts(op, (vectors(2, 3), l_max))


@BOTH
@pytest.mark.parametrize("l_max", [1, 2, 5])
def test_derivatives(op, l_max):
    op_laws.check_op_derivatives(op, (vectors(5), l_max))


@BOTH
def test_expanded_vectors(op):
    r = vectors(1).expand(20, 3)
    torch.testing.assert_close(on_cpu(op, r, 4), op.reference(r, 4), rtol=0, atol=1e-11)


def test_directions_are_rounded_once_whatever_the_length_and_the_number_of_points():
    r = vectors(100, dtype=torch.float32)
    r *= torch.logspace(-18, 18, 100)[:, None]
    Y = on_cpu(spherical_harmonics, r, 1)
    expected = spherical_harmonics.reference(r.double(), 1)
    assert (Y - expected).abs().max() < 4 * torch.finfo(torch.float32).eps
    for points in (1, 2, 3, 5, 17):
        assert torch.equal(on_cpu(spherical_harmonics, r[:points], 1), Y[:points])


def test_lengths_whose_square_overflows_have_no_direction():
    r = torch.tensor([[1e20, 2e20, 0.0], [torch.inf, 1.0, 1.0]])
    Y = on_cpu(spherical_harmonics, r, 1)
    torch.testing.assert_close(Y, spherical_harmonics.reference(r, 1), equal_nan=True)


@BOTH
def test_batch_shapes(op):
    assert on_cpu(op, torch.ones(3), 2).shape == (9,)
    assert on_cpu(op, torch.ones(2, 5, 3), 1).shape == (2, 5, 4)
    for shape in ((0, 3), (2, 0, 3)):
        r = torch.ones(shape, requires_grad=True)
        Y = on_cpu(op, r, 2)
        assert Y.shape == (*shape[:-1], 9)
        (first,) = torch.autograd.grad(Y.square().sum(), r, create_graph=True)
        (second,) = torch.autograd.grad(first.sum(), r)
        assert first.shape == second.shape == shape


@BOTH
def test_the_zero_vector(op):
    """Alone and among others: values, first, second derivatives are those of the reference, exactly."""
    r = vectors(5)
    r[3] = 0
    for l_max in (1, 4):
        op_laws.check_backends(op, (r, l_max))
        Y = on_cpu(op, r, l_max)
        assert torch.equal(Y[3], torch.eye((l_max + 1) ** 2, dtype=torch.float64)[0])
    assert not torch.isnan(on_cpu(op, torch.zeros(1, 3), 6)).any()


def test_the_zero_vector_has_no_derivative():
    r = torch.zeros(2, 3, requires_grad=True)
    Y = on_cpu(spherical_harmonics, r, 4)
    (first,) = torch.autograd.grad(Y.square().sum() + Y.sum(), r, create_graph=True)
    (second,) = torch.autograd.grad(first.sum(), r)
    assert not first.any()
    assert not second.any()


def test_direction_does_not_depend_on_the_length():
    r = vectors(9)
    for scale in (1e-100, 1e-3, 1e100):
        torch.testing.assert_close(
            on_cpu(spherical_harmonics, r * scale, 6),
            on_cpu(spherical_harmonics, r, 6),
            rtol=0,
            atol=1e-12,
        )


@BOTH
def test_third_derivative(op):
    r = vectors(4)
    found = []
    for name in ("reference", "cpu"):
        leaf = r.clone().requires_grad_()
        with op.force(name):
            y = op(leaf, 4)
            for order in range(3):
                weight = torch.linspace(-1, 2, y.numel(), dtype=y.dtype).view_as(y).cos() + order
                (y,) = torch.autograd.grad((y * weight).sum(), leaf, create_graph=order < 2)
        found.append(y)
    torch.testing.assert_close(found[1], found[0], rtol=1e-11, atol=1e-11 * found[0].abs().max().item())


@BOTH
def test_gradients_of_the_gradient_by_the_cotangent_alone(op):
    """As in training on forces: the second derivative is not asked for by the vectors."""
    r, g = vectors(21).requires_grad_(), vectors(21, 3, seed=1).reshape(21, 9).requires_grad_()
    v = vectors(21, seed=2)
    found = []
    for name in ("reference", "cpu"):
        with op.force(name):
            (dr,) = torch.autograd.grad(op(r, 2), r, g, create_graph=True)
        found.append((dr.detach(), torch.autograd.grad(dr, g, v)[0]))
    torch.testing.assert_close(found[1], found[0], rtol=0, atol=1e-12 * 30)


@BOTH
def test_two_degrees_in_turns(op):
    r = vectors(10).requires_grad_()
    Y2, Y5 = on_cpu(op, r, 2), on_cpu(op, r, 5)
    assert torch.equal(Y2, Y5[:, :9])
    (first,) = torch.autograd.grad(Y2.sum(), r)
    (other,) = torch.autograd.grad(Y5[:, :9].sum(), r)
    torch.testing.assert_close(first, other, rtol=0, atol=1e-12)


@BOTH
def test_results_do_not_depend_on_threads(op):
    """Nor on whether large results go past the caches."""
    r = vectors(5_003, dtype=torch.float32)
    g, v = torch.randn(5_003, 25, generator=torch.Generator().manual_seed(1)), vectors(5_003).float()
    results = []
    for threads in (1, 2):
        torch.set_num_threads(threads)
        leaf, cotangent = r.clone().requires_grad_(), g.clone().requires_grad_()
        Y = on_cpu(op, leaf, 4)
        (dr,) = torch.autograd.grad(Y, leaf, cotangent, create_graph=True)
        results.append((Y, dr, *torch.autograd.grad(dr, (cotangent, leaf), v)))
    torch.set_num_threads(1)
    for one, two in zip(*results, strict=True):
        assert torch.equal(one, two)


@BOTH
def test_results_too_large_for_the_caches(op):
    r = vectors(20_005, dtype=torch.float32)
    Y = on_cpu(op, r, 12)
    parts = torch.cat([on_cpu(op, part, 12) for part in r.split(3_200)])
    assert Y.nbytes > 12 << 20
    assert torch.equal(Y, parts)


@BOTH
def test_what_is_not_served_says_why(op):
    kernel = op.backends["cpu"]
    assert "degree 13" in kernel.serves(vectors(1), 13)
    assert "degree 0" in kernel.serves(vectors(1), 0)
    assert "not x, y, z" in kernel.serves(torch.ones(3, 4), 2)
    assert "float16" in kernel.serves(torch.ones(3, 3, dtype=torch.float16), 2)
    assert op(vectors(2), 0).shape == (2, 1)
    with pytest.raises(ValueError, match="l_max is -1"):
        op(vectors(2), -1)


def test_compiled_and_exported_are_eager():
    """In a process of its own: the shape checks of the tests cannot be compiled."""
    code = """
import torch
from atomscape.ops.harmonics import solid_harmonics, spherical_harmonics

class Layer(torch.nn.Module):
    def forward(self, r):
        return spherical_harmonics(r, 3).square().sum(-1) + solid_harmonics(r, 2)[:, 3]

r = torch.randn(9, 3, dtype=torch.float64, generator=torch.Generator().manual_seed(0), requires_grad=True)
layer = Layer()
assert "cpu" == spherical_harmonics.explain(r, 3).chosen
expected = layer(r)
(gradient,) = torch.autograd.grad(expected.square().sum(), r)
compiled = torch.compile(layer, backend="aot_eager", fullgraph=True)
for n in (9, 5):
    torch.testing.assert_close(compiled(r[:n]), expected[:n])
(found,) = torch.autograd.grad(compiled(r).square().sum(), r)
torch.testing.assert_close(found, gradient)
points = torch.export.Dim("points")
program = torch.export.export(layer, (r.detach(),), dynamic_shapes={"r": {0: points}})
torch.testing.assert_close(program.module()(r.detach()[:4]), expected.detach()[:4])
print("agree")
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=300)
    assert done.stdout.strip() == "agree", done.stderr
