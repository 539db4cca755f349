"""The kernel of the page "Add a kernel" agrees with the reference and is found through an entry point."""

from __future__ import annotations

import sys

# --8<-- shown
import pytest
import torch
from my_package import power_spectrum_lanes, power_spectrum_numba
from torch.autograd import gradcheck, gradgradcheck

from atomscape.ops.invariants import power_spectrum

KERNELS = pytest.mark.parametrize("kernel", [power_spectrum_numba, power_spectrum_lanes])


@KERNELS
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("atoms", [0, 1, 7])
def test_agrees_with_the_reference(kernel, atoms, dtype, generator):
    """Values and gradients, for a block that is a strided view and a cotangent that is not constant."""
    block = torch.randn(atoms, 3, 5, 2, generator=generator, dtype=dtype)[..., 0].requires_grad_()
    cotangent = torch.randn(atoms, 3, generator=generator, dtype=dtype)
    block = block.transpose(1, 2)
    expected, found = power_spectrum.reference(block), kernel.run(block)
    torch.testing.assert_close(found, expected)
    cotangent = cotangent[:, :1].expand_as(expected)
    torch.testing.assert_close(
        torch.autograd.grad(found, block, cotangent), torch.autograd.grad(expected, block, cotangent)
    )


@KERNELS
def test_derivatives(kernel, generator):
    """First and second derivatives against finite differences."""
    block = torch.randn(2, 3, 4, generator=generator, dtype=torch.float64, requires_grad=True)
    assert gradcheck(kernel.run, block)
    assert gradgradcheck(kernel.run, block)


# --8<-- end


@KERNELS
def test_declines_with_a_reason(kernel):
    """What it cannot serve it says."""
    assert kernel.serves(torch.zeros(1, 3, 2)) is None
    assert "float16" in kernel.serves(torch.zeros(1, 3, 2, dtype=torch.float16))
    assert "meta" in kernel.serves(torch.zeros(1, 3, 2, device="meta"))


@pytest.mark.parametrize("channels", [1, 5, 16, 33])
def test_any_number_of_channels(channels, generator):
    """The tail of the lanes is neither read nor written."""
    block = torch.randn(6, 5, channels, generator=generator)
    torch.testing.assert_close(power_spectrum_lanes.run(block), power_spectrum.reference(block))


def test_found_through_an_entry_point(tmp_path, monkeypatch, generator):
    """An installed package that names the file in an entry point serves the operation."""
    info = tmp_path / "my_package-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: my-package\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text(
        "[atomscape.ops.kernels]\npower_spectrum_numba = my_package.power_spectrum_numba\n"
    )
    monkeypatch.setattr(sys, "path", [str(tmp_path), *sys.path])
    monkeypatch.setattr(power_spectrum, "_backends", None)
    block = torch.randn(4, 3, 2, generator=generator)
    assert power_spectrum.explain(block).chosen == "numba"
    assert str(power_spectrum.explain(block.half())).startswith(
        "power_spectrum → reference (numba: the block is"
    )
    torch.testing.assert_close(power_spectrum(block), power_spectrum.reference(block))
    with power_spectrum.force("numba"), pytest.raises(RuntimeError, match="cannot serve"):
        power_spectrum(block.half())
    monkeypatch.setattr(power_spectrum, "_backends", None)
