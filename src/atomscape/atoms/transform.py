"""Structures moved, turned, deformed, repeated or described otherwise; labels follow where they can.

Labels of the vocabulary turn with space by the Cartesian shape and parity of their property. A label that a
transform makes untrue (the energy of a strained crystal) is left out, never carried along. Every function
returns a new batch, and derivatives pass to positions and cells.
"""

from __future__ import annotations

from dataclasses import replace

import torch

from atomscape.atoms.properties import Property, property_named
from atomscape.atoms.structures import Structures
from atomscape.shapes import Float, Int, Tensor


def rotated(structures: Structures, Q: Float[Tensor, "*structures 3 3"]) -> Structures:
    """Turn or reflect by an orthogonal matrix (x → Q x), one for all or one per structure, labels too.

    Raises
    ------
    ValueError
        ``Q`` is not orthogonal, or a label outside the vocabulary has a shape whose turning is not known.
    """
    Q = Q.to(structures.positions).expand(len(structures), 3, 3)
    error = (Q @ Q.mT - torch.eye(3).to(Q)).abs().max() if len(structures) else 0.0
    if error > 1e-5:
        raise ValueError(
            f"a rotation or reflection needs an orthogonal matrix; Q·Qᵀ is {error:.1e} off the unit"
        )
    per_atom = Q[structures.structure]
    labels = {
        name: _turned(name, v, per_atom if structures.runs_over_atoms(name) else Q)
        for name, v in structures.labels.items()
    }
    return replace(
        structures,
        positions=torch.einsum("aij,aj->ai", per_atom, structures.positions),
        cell=structures.cell @ Q.mT,
        labels=labels,
    )


def translated(structures: Structures, step: Float[Tensor, "*structures 3"]) -> Structures:
    """Move by ``step`` (Å), one for all or one per structure.

    Labels stay; the dipole of a charged structure is taken to be about the structure's own centre.
    """
    step = step.to(structures.positions).expand(len(structures), 3)
    return replace(structures, positions=structures.positions + step[structures.structure])


def permuted(structures: Structures, order: Int[Tensor, " atoms"]) -> Structures:
    """Number the atoms anew: atom ``i`` is what was ``order[i]``; each structure keeps its own atoms.

    Raises
    ------
    ValueError
        ``order`` is no permutation, or moves atoms to other structures.
    """
    whole = torch.arange(structures.n_atoms, device=structures.device)
    if order.shape != whole.shape or not torch.equal(order.sort().values, whole):
        raise ValueError(f"order of {tuple(order.shape)} is no permutation of {structures.n_atoms} atoms")
    if not torch.equal(structures.structure[order], structures.structure):
        raise ValueError("order moves atoms to other structures; permute within each structure")
    return replace(
        structures,
        positions=structures.positions[order],
        numbers=structures.numbers[order],
        labels={k: v[order] if structures.runs_over_atoms(k) else v for k, v in structures.labels.items()},
    )


def lattice_translated(structures: Structures, shifts: Int[Tensor, "atoms 3"]) -> Structures:
    """Move each atom by its own whole number of lattice vectors: another description of the same crystal.

    Raises
    ------
    ValueError
        A shift along a direction that is not periodic.
    """
    if bool((shifts != 0).logical_and(~structures.pbc[structures.structure]).any()):
        raise ValueError("atoms can be moved by lattice vectors only along periodic directions")
    cell = structures.cell[structures.structure]
    step = torch.einsum("ai,aij->aj", shifts.to(structures.positions), cell)
    return replace(structures, positions=structures.positions + step)


def wrapped(structures: Structures) -> Structures:
    """Move every atom into its cell, 0 ≤ fractional coordinate < 1, along the periodic directions."""
    from atomscape.atoms.cells import completed

    cell, pbc = structures.cell.detach().cpu().double().numpy(), structures.pbc.cpu().numpy()
    inverse = torch.linalg.inv(torch.from_numpy(completed(cell, pbc)).to(structures.positions))
    fractional = torch.einsum("ai,aij->aj", structures.positions.detach(), inverse[structures.structure])
    back = -(fractional + 1e-12).floor().to(torch.int64)
    return lattice_translated(structures, back * structures.pbc[structures.structure])


def recelled(structures: Structures, change: Int[Tensor, "*structures 3 3"]) -> Structures:
    """Choose other vectors of the same lattice: new rows = ``change`` · old rows, det ``change`` = ±1.

    Raises
    ------
    ValueError
        A change has another determinant, or mixes periodic with other directions.
    """
    change = change.expand(len(structures), 3, 3)
    determinant = torch.linalg.det(change.double()).round()
    if not bool((determinant.abs() == 1).all()):
        raise ValueError(f"a change of cell needs determinant ±1, not {determinant.unique().tolist()}")
    mixes = (change != 0) & (structures.pbc[:, :, None] != structures.pbc[:, None, :])
    if bool(mixes.any()):
        raise ValueError("a change of cell may mix periodic directions with periodic ones only")
    return replace(structures, cell=change.to(structures.cell) @ structures.cell)


def strained(structures: Structures, strain: Float[Tensor, "*structures 3 3"]) -> Structures:
    """Deform space by x → (1 + ε) x, one strain for all or one per structure; labels are left out.

    The derivative of the energy by ε, divided by the volume, is the stress (tension positive).
    """
    deformation = torch.eye(3).to(structures.positions) + strain.to(structures.positions)
    deformation = deformation.expand(len(structures), 3, 3)
    x = torch.einsum("aij,aj->ai", deformation[structures.structure], structures.positions)
    return replace(structures, positions=x, cell=structures.cell @ deformation.mT, labels={})


def repeated(
    structures: Structures, times: tuple[int, int, int] | Int[Tensor, "*structures 3"]
) -> tuple[Structures, Int[Tensor, " atoms"]]:
    """Supercells along the periodic directions, and for each of their atoms the atom it repeats.

    ``times`` says how often along each direction, one for all or one per structure.

    The copies of an atom's cell follow one another, the last direction fastest. Labels per atom are
    repeated, extensive ones multiplied by the number of copies, others kept.

    Raises
    ------
    ValueError
        A number of repeats below one.
    """
    s, given = structures, torch.as_tensor(times, device=structures.device)
    if bool((given < 1).any()):
        raise ValueError(f"a supercell repeats at least once along each direction, not {times}")
    n = torch.where(s.pbc, given, 1)
    copies = n.prod(1)
    counts = s.counts * copies
    owner = torch.repeat_interleave(torch.arange(len(s), device=s.device), counts)
    place = torch.arange(len(owner), device=s.device) - (counts.cumsum(0) - counts)[owner]
    copy, within = place // s.counts[owner], place % s.counts[owner]
    _, b, c = n[owner].unbind(1)
    shift = torch.stack([copy // (b * c), copy // c % b, copy % c], dim=1)
    origin = s.offsets[:-1][owner] + within
    x = s.positions[origin] + torch.einsum("ai,aij->aj", shift.to(s.cell), s.cell[owner])
    labels = {k: _repeated_label(k, v, s, origin, copies) for k, v in s.labels.items()}
    cell = s.cell * n[..., None]
    return replace(
        s, positions=x, numbers=s.numbers[origin], cell=cell, structure=owner, labels=labels
    ), origin


def repeats_for(structures: Structures, width: float) -> Int[Tensor, "structures 3"]:
    """How often each cell is repeated until its opposite faces are at least ``width`` Å apart.

    Once along directions that are not periodic.
    """
    from atomscape.atoms.cells import heights

    pbc = structures.pbc.cpu().numpy()
    apart = torch.from_numpy(heights(structures.cell.detach().cpu().double().numpy(), pbc))
    times = (width / apart - 1e-9).ceil().clamp(min=1).to(torch.int64)
    return torch.where(structures.pbc, times.to(structures.device), 1)


def _repeated_label(name: str, values: Tensor, s: Structures, origin: Tensor, copies: Tensor) -> Tensor:
    if s.runs_over_atoms(name):
        return values[origin]
    known = property_named(name)
    if known is not None and known.extensive:
        return values * copies.to(values).reshape(-1, *(1,) * (values.ndim - 1))
    return values


def _turned(name: str, values: Tensor, Q: Float[Tensor, "rows 3 3"]) -> Tensor:
    """Apply Q to every Cartesian index of a label; a pseudo-tensor also takes the sign of det Q."""
    known = property_named(name)
    shape = tuple(values.shape[1:]) if known is None else known.shape
    if known is None and shape not in ((), (1,)):
        raise ValueError(
            f"label {name!r} of shape {shape} is not in the vocabulary; how it turns is not known"
        )
    Q = Q.to(values)
    for axis in range(len(shape) if known else 0):
        moved = values.movedim(axis + 1, -1)
        turned = torch.einsum("sij,s...j->s...i", Q, moved)
        values = turned.movedim(-1, axis + 1)
    if known is not None and _is_pseudo(known):
        values = values * torch.linalg.det(Q).sign().reshape(-1, *(1,) * len(shape))
    return values


def _is_pseudo(known: Property) -> bool:
    """Whether a property's parity is opposite to that of a true tensor of its rank."""
    return any(ir.p != (-1) ** len(known.shape) for _, ir in known.irreps)
