"""Derivatives are the derivatives: against finite differences, and to second order."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import torch

from atomscape.atoms.neighbours import neighbour_graph
from atomscape.atoms.structures import Structures
from atomscape.shapes import Float, Tensor
from atomscape.testing import tolerances
from atomscape.testing.compare import compare, derivatives, readout, strained


def check_finite_difference(encoder, structures: Structures, *, case: str = "", seed: int = 0) -> float:
    """Forces and virial of a readout are its central differences, with neighbours searched anew each time.

    Float64 encoders only. One random direction for all atoms and one random strain, so that the cost does not
    grow with the structure.
    """
    law, h = "finite difference", tolerances.FINITE_STEP
    generator = torch.Generator().manual_seed(seed)
    d = derivatives(encoder, structures)
    scale = max(_largest(d.forces), _largest(d.virial))
    direction = torch.randn(structures.positions.shape, generator=generator, dtype=torch.float64)
    strain = torch.randn(structures.cell.shape, generator=generator, dtype=torch.float64)

    def along_atoms(t: float) -> Tensor:
        return _value(encoder, replace(structures, positions=structures.positions + t * direction))

    def along_strain(t: float) -> Tensor:
        return _value(encoder, _deformed(structures, t * strain))

    work = torch.zeros(len(structures), dtype=torch.float64)
    work = work.index_add(0, structures.structure, -(d.forces * direction).sum(1))
    slope = _slope(along_atoms, h)
    error = compare(law, case, "forces", slope, work, tolerances.FINITE_DIFFERENCE, scale)
    slope = _slope(along_strain, h)
    stretch = (d.virial * strain).sum((1, 2))
    return max(error, compare(law, case, "virial", slope, stretch, tolerances.FINITE_DIFFERENCE, scale))


def check_gradients(encoder, structures: Structures, *, second: bool = True, case: str = "") -> None:
    """First and second derivatives by positions and strain pass torch's gradcheck and gradgradcheck."""
    graph = neighbour_graph(structures, encoder.cutoff)
    x = structures.positions.clone().requires_grad_(True)
    strain = torch.zeros_like(structures.cell).requires_grad_(True)

    def value(positions: Tensor, deformation: Tensor) -> Tensor:
        return readout(encoder, strained(graph, positions, deformation))

    checks: list[tuple[str, Callable]] = [("gradcheck", torch.autograd.gradcheck)]
    if second:
        checks.append(("gradgradcheck", torch.autograd.gradgradcheck))
    for law, check in checks:
        try:
            check(value, (x, strain), fast_mode=True, atol=1e-6, rtol=1e-5)
        except RuntimeError as error:
            raise AssertionError(f"{law} law, case {case!r}: {error}") from error


def _slope(f: Callable[[float], Tensor], h: float) -> Tensor:
    """f'(0) from four points, to fourth order in the step."""
    return (8 * (f(h) - f(-h)) - (f(2 * h) - f(-2 * h))) / (12 * h)


def _value(encoder, structures: Structures) -> Float[Tensor, " structures"]:
    with torch.no_grad():
        return readout(encoder, neighbour_graph(structures, encoder.cutoff))


def _deformed(structures: Structures, strain: Float[Tensor, "structures 3 3"]) -> Structures:
    deformation = torch.eye(3, dtype=strain.dtype) + strain
    moved = torch.einsum("ai,aij->aj", structures.positions, deformation[structures.structure])
    return replace(structures, positions=moved, cell=structures.cell @ deformation)


def _largest(t: Tensor) -> float:
    return float(t.abs().max()) if t.numel() else 0.0
