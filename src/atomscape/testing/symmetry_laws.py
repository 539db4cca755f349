"""Symmetries of space, of naming and of the description of a crystal: each must leave the physics alone.

Every function takes an encoder and structures, raises an ``AssertionError`` that names law, case, block,
error and tolerance, and returns the largest error otherwise. Derivatives (forces and virial of a random
readout of the invariants) are held to the same laws as the features.
"""

from __future__ import annotations

from dataclasses import replace

import torch

from atomscape.atoms.structures import Structures
from atomscape.o3.rotation import random_rotation
from atomscape.shapes import Float, Tensor
from atomscape.testing.cases import repeated
from atomscape.testing.compare import (
    Derivatives,
    compare,
    compare_derivatives,
    compare_features,
    derivative_tolerance,
    derivatives,
    exact,
    features,
    rotated,
    turned,
)


def claims_equivariance(encoder) -> bool:
    """Whether features are to turn with the structure; ``equivariant = False`` of an encoder says not."""
    return getattr(encoder, "equivariant", True)


def check_rotation(encoder, structures: Structures, *, case: str = "", seed: int = 0) -> float:
    """f(R x) = D(R) f(x) for every block of every layer; forces and (symmetric) virial turn along.

    Labels turn along by their property; where one has a direction the virial need not be symmetric.
    """
    Q = random_rotation(1, generator=_random(seed), dtype=torch.float64)[0]
    return _check_orthogonal("rotation", encoder, structures, Q, case)


def check_reflection(encoder, structures: Structures, *, case: str = "", seed: int = 0) -> float:
    """f(Q x) = ± D f(x) for an improper Q, the sign being the block's parity.

    Raises
    ------
    ValueError
        The encoder does not track parity (its blocks have parity 0).
    """
    if any(p == 0 for _, _, p in features(encoder, structures)):
        raise ValueError(
            "the reflection law needs an encoder that tracks parity; this one has blocks of parity 0"
        )
    Q = -random_rotation(1, generator=_random(seed), dtype=torch.float64)[0]
    return _check_orthogonal("reflection", encoder, structures, Q, case)


def check_translation(encoder, structures: Structures, *, case: str = "", seed: int = 0) -> float:
    """Moving each structure by its own vector changes nothing."""
    step = 3 * torch.randn(len(structures), 3, generator=_random(seed), dtype=torch.float64)
    moved = replace(structures, positions=structures.positions + step[structures.structure])
    return _check_same("translation", encoder, structures, moved, case)


def check_permutation(encoder, structures: Structures, *, case: str = "", seed: int = 0) -> float:
    """Naming the atoms of a structure in another order reorders the features and nothing else."""
    key = torch.rand(structures.n_atoms, generator=_random(seed), dtype=torch.float64)
    order = torch.argsort(structures.structure + key)
    shuffled = replace(
        structures,
        positions=structures.positions[order],
        numbers=structures.numbers[order],
        labels={k: v[order] if structures.runs_over_atoms(k) else v for k, v in structures.labels.items()},
    )
    return _check_same("permutation", encoder, structures, shuffled, case, atoms=order)


def check_lattice_translation(encoder, structures: Structures, *, case: str = "", seed: int = 0) -> float:
    """Moving single atoms by whole lattice vectors changes nothing.

    Raises
    ------
    ValueError
        No structure is periodic: there is nothing to move.
    """
    _need_periodic("lattice translation", structures)
    steps = torch.randint(-2, 3, (structures.n_atoms, 3), generator=_random(seed))
    steps[0] = torch.tensor([1, -2, 1])
    own = structures.cell[structures.structure]
    moved = structures.positions + torch.einsum("ai,aij->aj", steps.to(own.dtype), own)
    return _check_same("lattice translation", encoder, structures, replace(structures, positions=moved), case)


def check_unimodular_cell(encoder, structures: Structures, *, case: str = "", seed: int = 0) -> float:
    """Another choice of lattice vectors for the same lattice changes nothing.

    Raises
    ------
    ValueError
        No structure is periodic.
    """
    _need_periodic("unimodular cell", structures)
    generator = _random(seed)
    change = torch.stack([_unimodular(p, generator) for p in structures.pbc])
    return _check_same(
        "unimodular cell", encoder, structures, replace(structures, cell=change @ structures.cell), case
    )


def check_supercell(
    encoder, structures: Structures, *, times: tuple[int, int, int] = (2, 1, 3), case: str = ""
) -> float:
    """An atom of a supercell has the features of the atom it repeats; virials grow with the number of copies.

    Raises
    ------
    ValueError
        No structure is periodic.
    """
    _need_periodic("supercell", structures)
    large, origin = repeated(structures, times)
    return _check_same("supercell", encoder, structures, large, case, atoms=origin)


def check_batch_alone(encoder, structures: Structures, *, case: str = "") -> float:
    """A structure in a batch has the features it has alone, in any order of the batch."""
    together = features(encoder, structures)
    separate = [features(encoder, one) for one in structures]
    alone = {k: torch.cat([s[k] for s in separate]) for k in together} if separate else together
    error = compare_features("batch = alone", case, alone, together, exact(together))
    backwards = torch.arange(len(structures)).flip(0)
    order = (
        torch.cat([_atoms_of(structures, i) for i in backwards.tolist()]) if len(structures) else backwards
    )
    turned_round = structures[backwards]
    return max(error, _check_same("batch = alone", encoder, structures, turned_round, case, order, backwards))


def check_cubic_site(encoder, structures: Structures, *, case: str = "", seed: int = 0) -> float:
    """On cubic and tetrahedral sites l = 1, l = 2 and the forces vanish, and the virial is isotropic.

    This is where square roots of equivariant features fail: the norm of a vector that is zero but for
    rounding has a random direction as its gradient. The crystal is turned first, so that there is rounding.
    """
    structures = rotated(structures, random_rotation(1, generator=_random(seed))[0])
    found = features(encoder, structures)
    zero = {k: torch.zeros_like(b) if k[1] in (1, 2) else b for k, b in found.items()}
    error = compare_features("cubic site", case, zero, found, exact(found))
    d = derivatives(encoder, structures)
    trace = d.virial.diagonal(dim1=1, dim2=2).mean(1)
    ideal = Derivatives(
        d.value, torch.zeros_like(d.forces), trace[:, None, None] * torch.eye(3, dtype=trace.dtype)
    )
    return max(error, compare_derivatives("cubic site", case, ideal, d, derivative_tolerance(found)))


def _check_orthogonal(law: str, encoder, structures: Structures, Q: Float[Tensor, "3 3"], case: str) -> float:
    here, there = features(encoder, structures), features(encoder, rotated(structures, Q))
    expected = {(layer, l, p): turned(block, l, p, Q) for (layer, l, p), block in here.items()}
    error = compare_features(law, case, expected, there, exact(here))
    d = derivatives(encoder, structures)
    turned_d = Derivatives(d.value, d.forces @ Q.T, Q @ d.virial @ Q.T)
    tolerance = derivative_tolerance(here)
    scale = max(float(t.abs().max()) if t.numel() else 0.0 for t in (d.forces, d.virial))
    if not any(v.dim() > 1 for v in structures.labels.values()):  # a field exerts a torque: no symmetry
        error = max(error, compare(law, case, "virial − transpose", d.virial.mT, d.virial, tolerance, scale))
    return max(
        error,
        compare_derivatives(law, case, turned_d, derivatives(encoder, rotated(structures, Q)), tolerance),
    )


def _check_same(
    law: str,
    encoder,
    structures: Structures,
    other: Structures,
    case: str,
    atoms: Tensor | None = None,
    order: Tensor | None = None,
) -> float:
    """``other`` describes the same thing: its atom i is ``atoms[i]``, its structure s is ``order[s]``."""
    here, there = features(encoder, structures), features(encoder, other)
    atoms = torch.arange(structures.n_atoms) if atoms is None else atoms
    order = torch.arange(len(structures)) if order is None else order
    error = compare_features(law, case, {k: b[atoms] for k, b in here.items()}, there, exact(here))
    d = derivatives(encoder, structures)
    copies = other.counts / structures.counts[order].clamp(min=1)
    expected = Derivatives(d.value[order] * copies, d.forces[atoms], d.virial[order] * copies[:, None, None])
    return max(
        error,
        compare_derivatives(law, case, expected, derivatives(encoder, other), derivative_tolerance(here)),
    )


def _unimodular(pbc: Tensor, generator: torch.Generator) -> Float[Tensor, "3 3"]:
    """A random integer matrix of determinant ±1 that mixes periodic axes only."""
    axes = pbc.nonzero().squeeze(1).tolist()
    U = torch.eye(3, dtype=torch.float64)
    if axes:
        U[axes[0], axes[0]] = -1
    for i in axes:
        for j in axes:
            if i != j:
                shear = torch.eye(3, dtype=torch.float64)
                shear[i, j] = float(torch.randint(-1, 2, (), generator=generator))
                U = shear @ U
    if len(axes) > 1:
        U[axes[0]] += U[axes[1]]
    return U


def _need_periodic(law: str, structures: Structures) -> None:
    if not bool(structures.pbc.any()):
        raise ValueError(f"the {law} law says nothing about structures without periodic directions")


def _atoms_of(structures: Structures, i: int) -> Tensor:
    return (structures.structure == i).nonzero().squeeze(1)


def _random(seed: int) -> torch.Generator:
    return torch.Generator().manual_seed(seed)
