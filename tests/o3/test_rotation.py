"""Rotations: every form goes to every other and back, on generic and on degenerate rotations."""

from __future__ import annotations

from math import pi

import pytest
import torch
from torch.autograd import gradcheck

from atomscape.o3 import rotation

X, Y, Z = torch.eye(3, dtype=torch.float64)


@pytest.fixture
def R(generator):
    """Generic rotations, the identity, and half turns about axes, diagonals and nearly so."""
    axes = torch.cat([torch.eye(3), torch.tensor([[1.0, 1, 0], [1, -1, 1], [0, -1, 1]])]).double()
    half = rotation.matrix_from_axis_angle(axes, torch.full((6,), pi, dtype=torch.float64))
    nearly = rotation.matrix_from_axis_angle(axes, torch.full((6,), pi - 1e-9, dtype=torch.float64))
    little = rotation.matrix_from_axis_angle(axes, torch.full((6,), 1e-9, dtype=torch.float64))
    one = torch.eye(3, dtype=torch.float64).unsqueeze(0)
    return torch.cat([rotation.random_rotation(50, generator), one, half, nearly, little])


def close(a, b, atol=1e-14):
    torch.testing.assert_close(a, b, rtol=0, atol=atol)


def test_matrices_are_proper_rotations(R):
    close(R @ R.mT, torch.eye(3, dtype=torch.float64).expand_as(R))
    close(torch.linalg.det(R), torch.ones(len(R), dtype=torch.float64))


def test_quaternions_round_trip(R):
    q = rotation.quaternion_from_matrix(R)
    close(rotation.matrix_from_quaternion(q), R)
    close(rotation.matrix_from_quaternion(-3 * q), R)
    close(q.square().sum(-1), torch.ones(len(q), dtype=torch.float64))
    assert q[:, 0].min() >= 0


def test_axis_and_angle_round_trip(R):
    axis, angle = rotation.axis_angle_from_matrix(R)
    close(rotation.matrix_from_axis_angle(axis, angle), R)
    close(axis.norm(dim=-1), torch.ones(len(R), dtype=torch.float64))
    assert angle.min() >= 0
    assert angle.max() <= pi + 1e-15


def test_euler_angles_round_trip(R):
    alpha, beta, gamma = rotation.euler_from_matrix(R)
    close(rotation.matrix_from_euler(alpha, beta, gamma), R)
    assert beta.min() >= 0


def test_turns_are_right_handed_and_active():
    quarter = torch.tensor(pi / 2, dtype=torch.float64)
    close(rotation.matrix_from_axis_angle(Z, quarter) @ X, Y)
    close(rotation.matrix_from_axis_angle(X, quarter) @ Y, Z)
    close(rotation.matrix_from_quaternion(torch.tensor([1.0, 0, 1, 0], dtype=torch.float64)) @ Z, X)


def test_euler_convention_is_zyz():
    a, b, c = torch.tensor([0.3, 1.1, -2.0], dtype=torch.float64)
    about = rotation.matrix_from_axis_angle
    close(rotation.matrix_from_euler(a, b, c), about(Z, a) @ about(Y, b) @ about(Z, c))
    image = rotation.matrix_from_euler(a, b, c) @ Z
    close(image, torch.stack([b.sin() * a.cos(), b.sin() * a.sin(), b.cos()]))


def test_quaternions_compose_as_matrices(generator):
    p, q = rotation.random_quaternion(20, generator), rotation.random_quaternion(20, generator)
    close(
        rotation.matrix_from_quaternion(rotation.compose_quaternions(p, q)),
        rotation.matrix_from_quaternion(p) @ rotation.matrix_from_quaternion(q),
    )


def test_random_rotations_are_uniform_and_belong_to_their_generator():
    def draw():
        return rotation.random_rotation(20_000, torch.Generator().manual_seed(3))

    R = draw()
    assert torch.equal(R, draw())
    assert R.mean(0).abs().max() < 0.02  # Haar: E[R] = 0, E[R_ij²] = 1/3, E[(tr R)²] = 1
    assert (R.square().mean(0) - 1 / 3).abs().max() < 0.02
    assert abs(R.diagonal(dim1=-2, dim2=-1).sum(-1).square().mean() - 1) < 0.05
    assert rotation.random_rotation(2, dtype=torch.float32).dtype == torch.float32


def test_derivatives(generator):
    q = rotation.random_quaternion(4, generator).requires_grad_()
    assert gradcheck(rotation.matrix_from_quaternion, q)
    axis = torch.randn(4, 3, generator=generator, dtype=torch.float64).requires_grad_()
    angle = torch.randn(4, generator=generator, dtype=torch.float64).requires_grad_()
    assert gradcheck(rotation.matrix_from_axis_angle, (axis, angle))
    identity = torch.eye(3, dtype=torch.float64, requires_grad=True)
    axis, angle = rotation.axis_angle_from_matrix(identity)
    (gradient,) = torch.autograd.grad(angle + axis.sum(), identity)
    assert gradient.isfinite().all()


def test_a_zero_axis_is_refused():
    with pytest.raises(ValueError, match="zero vector"):
        rotation.matrix_from_axis_angle(torch.zeros(3), torch.tensor(0.1))
