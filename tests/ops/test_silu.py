"""The sigmoid linear unit on CPUs: to rounding over all numbers, its derivatives, its limits."""

from __future__ import annotations

import mpmath
import pytest
import torch

from atomscape.ops.activation import silu
from atomscape.testing import op_laws

LARGE = [
    0.0,
    -0.0,
    1e-300,
    -1e-300,
    1e-8,
    0.5,
    -0.5,
    19.0,
    -19.0,
    88.0,
    -88.0,
    700.0,
    -700.0,
    746.0,
    -746.0,
    1e300,
]


def exact(z: float) -> list[float]:
    with mpmath.workdps(60):
        z = mpmath.mpf(z)
        s = 1 / (1 + mpmath.exp(-z))
        first = s * (1 + z * (1 - s))
        second = s * (1 - s) * (2 + z * (1 - 2 * s))
        return [float(v) for v in (z * s, first, second)]


def on_cpu(z):
    leaf = z.clone().requires_grad_()
    with silu.force("cpu"):
        f = silu(leaf)
    (first,) = torch.autograd.grad(f.sum(), leaf, create_graph=True)
    (second,) = torch.autograd.grad(first.sum(), leaf)
    return torch.stack([f.detach(), first.detach(), second], -1).double()


@pytest.mark.parametrize(("dtype", "tolerance"), [(torch.float64, 4e-15), (torch.float32, 2e-6)])
def test_value_and_two_derivatives_to_rounding(dtype, tolerance):
    limit = 1e30 if dtype == torch.float32 else 1e300
    z = torch.cat([torch.linspace(-40, 40, 301, dtype=torch.float64), torch.tensor(LARGE).double()])
    z = z.clamp(-limit, limit).to(dtype)
    expected = torch.tensor([exact(v) for v in z.tolist()], dtype=torch.float64)
    found = on_cpu(z)
    assert torch.isfinite(found).all()
    assert ((found - expected).abs() / expected.abs().clamp(min=1)).max() < tolerance


def test_what_is_not_finite():
    z = torch.tensor([torch.inf, torch.nan, 1.0], dtype=torch.float64)
    with silu.force("cpu"):
        found = silu(z)
    assert found[0] == torch.inf
    assert found[1].isnan()
    assert found[2] == silu.reference(z)[2]


@pytest.mark.parametrize("shape", [(), (0,), (1,), (3, 0, 2), (17,), (5, 3), (2, 3, 4)], ids=str)
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_shapes(shape, dtype):
    z = torch.randn(shape, dtype=dtype, generator=torch.Generator().manual_seed(1))
    assert "cpu" in op_laws.able(silu, (z,))
    op_laws.check_backends(silu, (z,))
    op_laws.check_layouts(silu, (z,))


def test_third_derivative_and_what_declines():
    z = torch.randn(9, dtype=torch.float64, generator=torch.Generator().manual_seed(1))
    op_laws.check_third_derivative(silu, (z,))
    assert "bfloat16" in str(silu.explain(z.bfloat16()))
    assert silu(z.half()).dtype == torch.float16
