"""Particles that attract or repel one another by 1/r² forces, many systems at once, in float64.

Potential of a pair, with a Plummer softening ε against the singularity: V = k / √(r² + ε²), where k is the
product of the charges (like charges repel), or −1 for gravity of unit masses. Time is stepped by velocity
Verlet: second order, time-reversible, symplectic; energies oscillate and do not drift.
"""

from __future__ import annotations

import torch

from atomscape.shapes import Float, Tensor

Positions = Float[Tensor, "systems particles 3"]


def pair_strengths(charges: Float[Tensor, "systems particles"] | None, like: Tensor) -> Tensor:
    """Strength k of each pair [systems, particles, particles]; without charges, gravity. None with itself."""
    systems, particles = like.shape[:2]
    between = 1 - torch.eye(particles, dtype=like.dtype)
    if charges is None:
        return (-between).expand(systems, -1, -1)
    return charges[:, :, None] * charges[:, None] * between


def forces(positions: Positions, strengths: Tensor, softening: float) -> Positions:
    """−∂V/∂r of each particle: Σ_b k_ab (r_a − r_b) / (r² + ε²)^{3/2}."""
    apart = positions[:, :, None] - positions[:, None]
    inverse = (apart.square().sum(-1) + softening**2).rsqrt()
    weights = strengths * inverse * inverse * inverse
    return weights.sum(-1, keepdim=True) * positions - weights @ positions


def energy(positions: Positions, velocities: Positions, strengths: Tensor, softening: float) -> Tensor:
    """Kinetic and potential energy [systems] of unit masses."""
    apart = positions[:, :, None] - positions[:, None]
    potential = 0.5 * (strengths * (apart.square().sum(-1) + softening**2) ** -0.5).sum((1, 2))
    return 0.5 * velocities.square().sum((1, 2)) + potential


def advance(
    positions: Positions, velocities: Positions, strengths: Tensor, softening: float, step: float, steps: int
) -> tuple[Positions, Positions]:
    """Positions and velocities after ``steps`` steps of velocity Verlet."""
    r, v = positions, velocities
    f = forces(r, strengths, softening)
    for _ in range(steps):
        v = v + 0.5 * step * f
        r = r + step * v
        f = forces(r, strengths, softening)
        v = v + 0.5 * step * f
    return r, v
