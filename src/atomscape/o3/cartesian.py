"""Cartesian tensors ↔ irreps: an orthonormal change of basis for any rank and any index symmetry.

The symmetry is written as an equation of indices, as e3nn writes it:

==================  =============================  ==============================
``i``               vector                         ``1o``
``ij``              any rank-2 tensor              ``0e+1e+2e``
``ij=ji``           stress, polarizability         ``0e+2e``
``ij=-ji``          antisymmetric                  ``1e``
``ijk``             any rank-3 tensor              ``0o+3x1o+2x2o+3o``
``ijk=ikj``         piezoelectric e_i(jk)          ``2x1o+1x2o+3o``
``ijk=jik=ikj``     fully symmetric                ``1o+3o``
``ijkl=jikl=klij``  elastic                        ``2x0e+2x2e+4e``
==================  =============================  ==============================

The full basis couples the indices one after the other, ((i ⊗ j)_l ⊗ k)_l' …, with Clebsch–Gordan
coefficients. An index symmetry is a projector P that commutes with rotations; within each degree it mixes
only the copies of that degree, so the symmetric tensors are spanned by the rows of P, orthonormalised one
after the other (Gram–Schmidt in the order of the coupling). The basis is orthonormal: the Frobenius norm
of the tensor is the norm of its irreps.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

import torch

from atomscape.o3.clebsch_gordan import clebsch_gordan
from atomscape.o3.irreps import Irreps
from atomscape.shapes import Float, Tensor


@dataclass(frozen=True, eq=False)
class CartesianTensor:
    """The change of basis for one index symmetry; made by :func:`cartesian_tensor`.

    ``basis[a]`` is the Cartesian tensor of component a of ``irreps``; the axes are x, y, z.
    """

    symmetry: str
    irreps: Irreps
    basis: Float[Tensor, "dim *xyz"]

    @property
    def rank(self) -> int:
        """Number of Cartesian indices."""
        return self.basis.ndim - 1

    def to_irreps(self, tensor: Float[Tensor, "*shape"]) -> Float[Tensor, "*batch dim"]:
        """Components of Cartesian tensors ``[*batch, 3, 3 …]``; a part without the symmetry is projected out.

        Raises
        ------
        ValueError
            The last axes are not ``rank`` times 3.
        """
        if tuple(tensor.shape[-self.rank :]) != (3,) * self.rank:
            raise ValueError(
                f"a tensor {self.symmetry!r} ends in axes {(3,) * self.rank}, "
                f"this one has shape {tuple(tensor.shape)}"
            )
        return tensor.flatten(-self.rank) @ self.basis.to(tensor).flatten(1).mT

    def to_cartesian(self, components: Float[Tensor, "*batch dim"]) -> Float[Tensor, "*shape"]:
        """Cartesian tensors ``[*batch, 3, 3 …]`` of the components; they have the index symmetry exactly.

        Raises
        ------
        ValueError
            The last axis is not ``irreps.dim`` long.
        """
        if components.shape[-1] != self.irreps.dim:
            raise ValueError(
                f"a tensor {self.symmetry!r} has {self.irreps.dim} components ({self.irreps}), "
                f"the last axis has length {components.shape[-1]}"
            )
        flat = components @ self.basis.to(components).flatten(1)
        return flat.unflatten(-1, (3,) * self.rank)


@cache
@torch.inference_mode(False)  # kept: it must serve calls that are differentiated, too
def cartesian_tensor(symmetry: str) -> CartesianTensor:
    """Change of basis for tensors of that index symmetry, for instance ``"ij=ji"``.

    Raises
    ------
    ValueError
        The symmetry cannot be read, or only the zero tensor has it.
    """
    rank, generators = _parse(symmetry)
    parity = (-1) ** rank
    blocks, rows = [], []
    for l, copies in _coupled(rank).items():
        kept = _symmetric_copies(copies, generators)
        if len(kept):
            blocks.append((len(kept), (l, parity)))
            rows.append(kept.flatten(0, 1))
    if not blocks:
        raise ValueError(f"only the zero tensor has the symmetry {symmetry!r}")
    return CartesianTensor(symmetry, Irreps(blocks), torch.cat(rows))


def _coupled(rank: int) -> dict[int, Tensor]:
    """Orthonormal basis of tensors of a rank, coupled one by one: degree → ``[copies, m, 3, 3 …]``."""
    vector = torch.eye(3, dtype=torch.float64)[[1, 2, 0]]
    basis = {1: vector.unsqueeze(0)} if rank else {}
    for _ in range(1, rank):
        coupled: dict[int, list[Tensor]] = {}
        for l, copies in basis.items():
            for l3 in range(abs(l - 1), l + 2):
                C = clebsch_gordan(l, 1, l3)
                coupled.setdefault(l3, []).append(torch.einsum("abm,pa...,bz->pm...z", C, copies, vector))
        basis = {l: torch.cat(coupled[l]) for l in sorted(coupled)}
    return basis


def _symmetric_copies(copies: Tensor, generators: list[tuple[int, tuple[int, ...]]]) -> Tensor:
    """Orthonormal copies of one degree that have the symmetry: Gram–Schmidt on projected multiplicities."""
    dim = copies.shape[1]
    group = _group(copies.ndim - 2, generators)
    turned = [sign * copies.permute(0, 1, *(2 + i for i in order)) for order, sign in group]
    projected = torch.stack(turned).mean(0)
    # P commutes with rotations, so ⟨p m|P|q m⟩ = A_pq for every m (Schur); A is a projector on the copies.
    A = (copies.flatten(1) @ projected.flatten(1).mT) / dim
    kept: list[Tensor] = []
    for row in A:
        for _ in range(2):
            for k in kept:
                row = row - (row @ k) * k
        if row.norm() > 1e-6:
            kept.append(row / row.norm())
    mixing = torch.stack(kept) if kept else A[:0]
    return torch.einsum("qp,pm...->qm...", mixing, copies)


def _group(rank: int, generators: list[tuple[int, tuple[int, ...]]]) -> list[tuple[tuple[int, ...], int]]:
    """All index permutations (with sign) that the generators make."""
    identity = tuple(range(rank))
    signs = {identity: 1}
    new = [identity]
    while new:
        order = new.pop()
        for sign, generator in generators:
            product = tuple(order[i] for i in generator)
            if product not in signs:
                signs[product] = sign * signs[order]
                new.append(product)
            elif signs[product] != sign * signs[order]:
                return [(identity, 1), (identity, -1)]  # T = −T: the projector on nothing
    return list(signs.items())


def _parse(symmetry: str) -> tuple[int, list[tuple[int, tuple[int, ...]]]]:
    """``"ijk=-jik"`` → rank and generators (sign, permutation)."""
    first, *others = (part.strip() for part in symmetry.split("="))
    generators = []
    for term in others:
        sign, indices = (-1, term[1:].strip()) if term.startswith("-") else (1, term)
        if sorted(indices) != sorted(first):
            first = ""
            break
        generators.append((sign, tuple(first.index(i) for i in indices)))
    if not first.isalpha() or len(set(first)) != len(first):
        raise ValueError(
            f"cannot read the index symmetry {symmetry!r}; "
            "write distinct letters and their permutations, as 'ij', 'ij=ji', 'ij=-ji', 'ijk=ikj'"
        )
    return len(first), generators
