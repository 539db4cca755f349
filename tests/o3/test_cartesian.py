"""Cartesian tensors ↔ irreps: contents, round trips, rotation and reflection."""

from __future__ import annotations

from itertools import permutations

import pytest
import torch

from atomscape.o3.cartesian import cartesian_tensor
from atomscape.o3.irreps import Irreps
from atomscape.o3.rotation import random_rotation
from atomscape.o3.wigner import irreps_D

CONTENT = {
    "i": "1o",
    "ij": "0e+1e+2e",
    "ij=ji": "0e+2e",
    "ij=-ji": "1e",
    "ijk": "0o+3x1o+2x2o+3o",
    "ijk=ikj": "2x1o+2o+3o",
    "ijk=jik": "2x1o+2o+3o",
    "ijk=-ikj": "0o+1o+2o",
    "ijk=jik=ikj": "1o+3o",
    "ijk=-jik=-ikj": "0o",
    "ijkl=jikl=klij": "2x0e+2x2e+4e",
}
EVERY = pytest.mark.parametrize("symmetry", CONTENT)


def symmetric(symmetry, tensor):
    """Project by brute force: average over all signed permutations, applied until nothing changes."""
    first, *others = symmetry.split("=")
    axes = list(range(tensor.ndim - len(first), tensor.ndim))
    lead = list(range(axes[0]))
    for _ in range(60):
        for term in others:
            order = [axes[first.index(i)] for i in term.lstrip("-")]
            tensor = (tensor + (-1 if term[0] == "-" else 1) * tensor.permute(*lead, *order)) / 2
    return tensor


def turned(tensor, R, rank):
    for axis in range(tensor.ndim - rank, tensor.ndim):
        tensor = (tensor.movedim(axis, -1) @ R.mT).movedim(-1, axis)
    return tensor


def close(a, b):
    torch.testing.assert_close(a, b, rtol=0, atol=1e-12)


@pytest.fixture
def tensors(generator):
    return lambda rank: torch.randn(4, *(3,) * rank, generator=generator, dtype=torch.float64)


@EVERY
def test_content(symmetry):
    assert cartesian_tensor(symmetry).irreps == Irreps(CONTENT[symmetry])


@EVERY
def test_basis_is_orthonormal_and_spans_what_has_the_symmetry(symmetry, tensors):
    change = cartesian_tensor(symmetry)
    flat = change.basis.flatten(1)
    close(flat @ flat.mT, torch.eye(change.irreps.dim, dtype=torch.float64))
    tensor = symmetric(symmetry, tensors(change.rank))
    close(change.to_cartesian(change.to_irreps(tensor)), tensor)
    close(change.to_irreps(tensor).norm(dim=-1), tensor.flatten(1).norm(dim=-1))


@EVERY
def test_components_go_there_and_back(symmetry, generator):
    change = cartesian_tensor(symmetry)
    x = torch.randn(2, 3, change.irreps.dim, generator=generator, dtype=torch.float64)
    tensor = change.to_cartesian(x)
    close(change.to_irreps(tensor), x)
    close(symmetric(symmetry, tensor), tensor)


@EVERY
def test_a_part_without_the_symmetry_is_projected_out(symmetry, tensors):
    change = cartesian_tensor(symmetry)
    tensor = tensors(change.rank)
    close(change.to_cartesian(change.to_irreps(tensor)), symmetric(symmetry, tensor))


@EVERY
@pytest.mark.parametrize("sign", [1, -1], ids=["rotation", "reflection"])
def test_components_turn_as_irreps(symmetry, sign, tensors, generator):
    change = cartesian_tensor(symmetry)
    R = sign * random_rotation(1, generator)[0]
    tensor = symmetric(symmetry, tensors(change.rank))
    close(
        change.to_irreps(turned(tensor, R, change.rank)),
        change.to_irreps(tensor) @ irreps_D(change.irreps, R).mT,
    )


def test_familiar_components():
    """Trace/√3 first; a vector in the order y, z, x; the antisymmetric part as the cross product."""
    eye = torch.eye(3, dtype=torch.float64)
    torch.testing.assert_close(
        cartesian_tensor("ij=ji").to_irreps(eye), 3**0.5 * torch.eye(6, dtype=torch.float64)[0]
    )
    assert torch.equal(
        cartesian_tensor("i").to_irreps(torch.tensor([1.0, 2.0, 3.0])), torch.tensor([2.0, 3.0, 1.0])
    )
    a, b = torch.tensor([[0.2, 1.0, -0.7], [0.5, 0.1, 0.9]], dtype=torch.float64)
    axial = cartesian_tensor("ij=-ji").to_irreps(a[:, None] * b)
    close(axial, torch.linalg.cross(a, b)[[1, 2, 0]] / 2**0.5)


def test_levi_civita_is_the_only_fully_antisymmetric_tensor():
    epsilon = cartesian_tensor("ijk=-jik=-ikj").basis[0] * 6**0.5
    for order in permutations(range(3)):
        sign = torch.linalg.det(torch.eye(3)[list(order)]).item()
        assert epsilon[order].item() == pytest.approx(sign, abs=1e-14)


def test_number_type_follows_the_input(tensors):
    change = cartesian_tensor("ij=ji")
    assert change.to_irreps(tensors(2).float()).dtype == torch.float32
    assert change.to_cartesian(torch.zeros(6)).dtype == torch.float32


@pytest.mark.parametrize("wrong", ["", "ii", "ij=ik", "ij=jik", "ij=", "i1", "-ij"])
def test_unreadable_symmetries_are_refused(wrong):
    with pytest.raises(ValueError, match="cannot read the index symmetry"):
        cartesian_tensor(wrong)


def test_contradictions_and_wrong_shapes_are_refused():
    with pytest.raises(ValueError, match="only the zero tensor"):
        cartesian_tensor("ij=ji=-ji")
    with pytest.raises(ValueError, match="ends in axes"):
        cartesian_tensor("ij=ji").to_irreps(torch.zeros(3, 4))
    with pytest.raises(ValueError, match="has 6 components"):
        cartesian_tensor("ij=ji").to_cartesian(torch.zeros(5))


def test_a_basis_made_in_inference_mode_can_be_differentiated_later():
    cartesian_tensor.cache_clear()
    with torch.inference_mode():
        change = cartesian_tensor("ij=ji")
    x = torch.eye(3, dtype=torch.float64, requires_grad=True)
    change.to_irreps(x).sum().backward()
    assert x.grad is not None
    assert x.grad.abs().sum() > 0
