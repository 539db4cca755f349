"""Native radial functions: against fifty digits, at zero, at and beyond the cutoff; layouts, threads."""

from __future__ import annotations

import mpmath
import pytest
import torch

from atomscape.ops.radial import lengths, radial_basis
from atomscape.testing import op_laws

C = 4.0
SPECIAL = [0.0, 1e-12, 1e-5, 1e-2, 0.99 * C, C * (1 - 1e-9), C, C * (1 + 1e-9), 10 * C, 1e6]


def exact(r: float, n: int) -> list[float]:
    """Value and two derivatives of the n-th function with power 6."""
    with mpmath.workdps(50):
        c = mpmath.mpf(C)

        def f(r):
            x = r / c
            cut = 1 - 28 * x**6 + 48 * x**7 - 21 * x**8
            return mpmath.sqrt(2 / c) * mpmath.pi / c * n * mpmath.sincpi(n * x) * cut

        if r >= C:
            return [0.0, 0.0, 0.0]
        r, h = mpmath.mpf(r), mpmath.mpf(10) ** -12
        left, middle, right = f(r - h), f(r), f(r + h)
        return [float(v) for v in (middle, (right - left) / (2 * h), (left - 2 * middle + right) / h**2)]


def with_derivatives(r: torch.Tensor, n: int, count: int) -> torch.Tensor:
    leaf = r.clone().requires_grad_()
    with radial_basis.force("cpu"):
        f = radial_basis(leaf, C, count)[:, n - 1]
    (first,) = torch.autograd.grad(f.sum(), leaf, create_graph=True)
    (second,) = torch.autograd.grad(first.sum(), leaf)
    return torch.stack([f, first, second], -1).detach().double()


@pytest.mark.parametrize(
    ("dtype", "tolerance"), [(torch.float64, 1e-14), (torch.float32, 3e-6)], ids=["float64", "float32"]
)
@pytest.mark.parametrize(("n", "count"), [(1, 1), (5, 8), (8, 8), (32, 32)])
def test_value_and_two_derivatives_to_rounding(n, count, dtype, tolerance):
    r = torch.cat([torch.linspace(0, 1.2 * C, 41), torch.tensor(SPECIAL)]).to(dtype)
    expected = torch.tensor([exact(x, n) for x in r.tolist()], dtype=torch.float64)
    error = (with_derivatives(r, n, count) - expected).abs() / expected.abs().amax(0)
    assert error.max() < tolerance


def test_exactly_zero_from_the_cutoff_on():
    r = torch.tensor([C, C * (1 + 1e-15), 2 * C, 1e30, torch.inf], dtype=torch.float64)
    assert not with_derivatives(r, 3, 8).any()


def test_what_is_not_a_number_stays_so():
    with radial_basis.force("cpu"):
        assert radial_basis(torch.tensor([torch.nan, 1.0]), C, 3).isnan().any(-1).tolist() == [True, False]


@pytest.mark.parametrize("points", [1, 7, 8, 9, 17, 40])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_agree_with_the_reference(points, dtype):
    generator = torch.Generator().manual_seed(points)
    widest = 4.5 if dtype == torch.float64 else 3.0  # nearer to the cutoff the reference itself loses digits
    r = torch.rand(points, generator=generator, dtype=dtype) * (widest - 0.3) + 0.3
    for count, power in ((1, 6), (3, 1), (4, 2), (8, 6), (21, 5)):
        op_laws.check_backends(radial_basis, (r, C, count, power), case=f"{points} {count} {power}")
    vectors = torch.randn(points, 3, generator=generator, dtype=dtype)
    op_laws.check_backends(lengths, (vectors,), case=f"{points}")


def test_layouts_and_derivatives():
    r = torch.rand(11, dtype=torch.float64, generator=torch.Generator().manual_seed(0)) * 3.5 + 0.2
    vectors = torch.randn(11, 3, dtype=torch.float64, generator=torch.Generator().manual_seed(1))
    for op, arguments in ((radial_basis, (r, C, 5)), (lengths, (vectors,))):
        op_laws.check_layouts(op, arguments)
        op_laws.check_op_derivatives(op, arguments)


def test_third_derivative():
    r = torch.linspace(0.5, 3.5, 7, dtype=torch.float64)
    found = []
    for name in ("reference", "cpu"):
        with radial_basis.force(name):
            leaf = r.clone().requires_grad_()
            y = radial_basis(leaf, C, 4)[:, 2]
            for order in range(3):
                (y,) = torch.autograd.grad(y.sum(), leaf, create_graph=order < 2)
        found.append(y)
    torch.testing.assert_close(found[1], found[0], rtol=1e-10, atol=1e-8)


def test_zero_vectors_and_nothing():
    v = torch.tensor([[0.0, 0.0, 0.0], [3.0, 0.0, 4.0]], requires_grad=True)
    with lengths.force("cpu"), radial_basis.force("cpu"):
        r = lengths(v)
        (first,) = torch.autograd.grad(r.square().sum() + r.sum(), v, create_graph=True)
        (second,) = torch.autograd.grad(first.sum(), v)
        assert r.tolist() == [0, 5]
        assert not first[0].any()
        assert not second[0].any()
        assert lengths(v[:0]).shape == (0,)
        assert radial_basis(lengths(v[:0]), C, 3).shape == (0, 3)


def test_results_do_not_depend_on_threads():
    r = torch.rand(9_001, generator=torch.Generator().manual_seed(0)) * 5
    results = []
    for threads in (1, 2):
        torch.set_num_threads(threads)
        results.append(with_derivatives(r, 7, 8))
    torch.set_num_threads(1)
    assert torch.equal(*results)


def test_what_is_not_served_says_why():
    kernel = radial_basis.backends["cpu"]
    r = torch.ones(2)
    assert "65 functions" in kernel.serves(r, C, 65)
    assert "power 0" in kernel.serves(r, C, 3, 0)
    assert "cutoff 0" in kernel.serves(r, 0, 3)
    assert "int64" in kernel.serves(r.long(), C, 3)
    assert "not x, y, z" in lengths.backends["cpu"].serves(r)
