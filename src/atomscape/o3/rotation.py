"""Rotations of three-dimensional space: matrices, quaternions, axis and angle, Euler angles, random draws.

All rotations are active and act on column vectors: r ↦ R r (for rows of positions, ``positions @ R.mT``).
Angles are radians. Quaternions are unit (w, x, y, z), and q and −q are the same rotation. Euler angles follow
z-y-z: R = R_z(α) R_y(β) R_z(γ), so that R ẑ has polar angles (β, α). Every leading axis is a batch axis.
"""

from __future__ import annotations

import torch

from atomscape.shapes import Float, Tensor


def matrix_from_quaternion(q: Float[Tensor, "*batch 4"]) -> Float[Tensor, "*batch 3 3"]:
    """Rotation matrix of a quaternion (w, x, y, z) of any length but zero."""
    w, x, y, z = q.unbind(-1)
    s = 2 / (q * q).sum(-1)
    rows = (
        1 - s * (y * y + z * z), s * (x * y - w * z), s * (x * z + w * y),
        s * (x * y + w * z), 1 - s * (x * x + z * z), s * (y * z - w * x),
        s * (x * z - w * y), s * (y * z + w * x), 1 - s * (x * x + y * y),
    )  # fmt: skip
    return torch.stack(rows, -1).unflatten(-1, (3, 3))


def quaternion_from_matrix(R: Float[Tensor, "*batch 3 3"]) -> Float[Tensor, "*batch 4"]:
    """Unit quaternion (w, x, y, z), w ≥ 0, of a rotation matrix.

    Of the four rows of 4 q qᵀ the one with the largest diagonal is normalised (Shepperd 1978): no loss of
    digits and no singular derivative at any angle.
    """
    xx, yy, zz = R.diagonal(dim1=-2, dim2=-1).unbind(-1)
    xw, yw, zw = R[..., 2, 1] - R[..., 1, 2], R[..., 0, 2] - R[..., 2, 0], R[..., 1, 0] - R[..., 0, 1]
    xy, xz, yz = R[..., 1, 0] + R[..., 0, 1], R[..., 0, 2] + R[..., 2, 0], R[..., 2, 1] + R[..., 1, 2]
    rows = (
        1 + xx + yy + zz, xw, yw, zw,
        xw, 1 + xx - yy - zz, xy, xz,
        yw, xy, 1 - xx + yy - zz, yz,
        zw, xz, yz, 1 - xx - yy + zz,
    )  # fmt: skip
    outer = torch.stack(rows, -1).unflatten(-1, (4, 4))
    best = outer.diagonal(dim1=-2, dim2=-1).argmax(-1, keepdim=True)
    q = outer.gather(-2, best.unsqueeze(-1).expand(*best.shape, 4)).squeeze(-2)
    q = q / (q * q).sum(-1, keepdim=True).sqrt()
    return torch.where(q[..., :1] < 0, -q, q)


def compose_quaternions(
    p: Float[Tensor, "*batch 4"], q: Float[Tensor, "*batch 4"]
) -> Float[Tensor, "*batch 4"]:
    """Hamilton product p q: first rotate by q, then by p."""
    a, u = p[..., :1], p[..., 1:]
    b, v = q[..., :1], q[..., 1:]
    return torch.cat([a * b - (u * v).sum(-1, keepdim=True), a * v + b * u + torch.linalg.cross(u, v)], -1)


def matrix_from_axis_angle(
    axis: Float[Tensor, "*batch 3"], angle: Float[Tensor, "*batch"]
) -> Float[Tensor, "*batch 3 3"]:
    """Right-handed rotation by ``angle`` about ``axis`` (any length but zero).

    Raises
    ------
    ValueError
        An axis is the zero vector.
    """
    length = (axis * axis).sum(-1, keepdim=True).sqrt()
    if (length == 0).any():
        raise ValueError(
            "the zero vector is no rotation axis; for the identity give any axis and the angle 0"
        )
    half = angle.unsqueeze(-1) / 2
    return matrix_from_quaternion(torch.cat([half.cos(), half.sin() * axis / length], -1))


def axis_angle_from_matrix(
    R: Float[Tensor, "*batch 3 3"],
) -> tuple[Float[Tensor, "*batch 3"], Float[Tensor, "*batch"]]:
    """Unit axis and angle in [0, π]; the axis of the identity is z by choice."""
    q = quaternion_from_matrix(R)
    w, v = q[..., 0], q[..., 1:]
    square = (v * v).sum(-1, keepdim=True)
    turned = square > 0
    sine = torch.where(turned, square, 1).sqrt()
    axis = torch.where(turned, v / sine, torch.tensor([0, 0, 1], dtype=R.dtype, device=R.device))
    return axis, 2 * torch.atan2(torch.where(turned, sine, 0).squeeze(-1), w)


def matrix_from_euler(
    alpha: Float[Tensor, "*batch"], beta: Float[Tensor, "*batch"], gamma: Float[Tensor, "*batch"]
) -> Float[Tensor, "*batch 3 3"]:
    """R_z(α) R_y(β) R_z(γ)."""
    return _about_z(alpha) @ _about_y(beta) @ _about_z(gamma)


def euler_from_matrix(
    R: Float[Tensor, "*batch 3 3"],
) -> tuple[Float[Tensor, "*batch"], Float[Tensor, "*batch"], Float[Tensor, "*batch"]]:
    """Angles α, γ in (−π, π] and β in [0, π] with R = R_z(α) R_y(β) R_z(γ).

    Where β is 0 or π only α ± γ is defined; then γ = 0.
    """
    sine = torch.hypot(R[..., 0, 2], R[..., 1, 2])
    tilted = sine > 4 * torch.finfo(R.dtype).eps
    beta = torch.atan2(sine, R[..., 2, 2])
    alpha = torch.where(
        tilted, torch.atan2(R[..., 1, 2], R[..., 0, 2]), torch.atan2(-R[..., 0, 1], R[..., 1, 1])
    )
    gamma = torch.where(tilted, torch.atan2(R[..., 2, 1], -R[..., 2, 0]), 0)
    return alpha, beta, gamma


def _about_z(angle: Tensor) -> Tensor:
    c, s, o, i = angle.cos(), angle.sin(), torch.zeros_like(angle), torch.ones_like(angle)
    return torch.stack([c, -s, o, s, c, o, o, o, i], -1).unflatten(-1, (3, 3))


def _about_y(angle: Tensor) -> Tensor:
    c, s, o, i = angle.cos(), angle.sin(), torch.zeros_like(angle), torch.ones_like(angle)
    return torch.stack([c, o, s, o, i, o, -s, o, c], -1).unflatten(-1, (3, 3))


def random_quaternion(
    n: int, generator: torch.Generator | None = None, dtype: torch.dtype = torch.float64
) -> Float[Tensor, "rotations 4"]:
    """Unit quaternions of n rotations drawn uniformly (Haar), on the generator's device."""
    device = generator.device if generator is not None else None
    q = torch.randn(n, 4, generator=generator, dtype=torch.float64, device=device)
    return (q / (q * q).sum(-1, keepdim=True).sqrt()).to(dtype)


def random_rotation(
    n: int, generator: torch.Generator | None = None, dtype: torch.dtype = torch.float64
) -> Float[Tensor, "rotations 3 3"]:
    """Matrices of n rotations drawn uniformly (Haar measure of SO(3)), on the generator's device."""
    return matrix_from_quaternion(random_quaternion(n, generator)).to(dtype)
