"""Structures to test on: the ones that break encoders.

Rattled molecules are the easy half. The other half: perfect crystals, where every feature with l > 0 is
rounding noise; cells smaller than the cutoff; skewed cells; one, two or no periodic directions; atoms without
neighbours; batches that mix all of this; batches of nothing. Positions in Å, float64; nothing is random.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import torch

from atomscape.atoms.structures import Structures
from atomscape.shapes import Tensor


def molecule(numbers: list[int], positions) -> Structures:
    """One structure without periodic directions."""
    n = len(numbers)
    return Structures(
        torch.as_tensor(positions, dtype=torch.float64).reshape(n, 3),
        torch.tensor(numbers),
        torch.zeros(1, 3, 3, dtype=torch.float64),
        torch.zeros(1, 3, dtype=torch.bool),
        torch.zeros(n, dtype=torch.int64),
    )


def crystal(numbers: list[int], fractional, cell, pbc=(True, True, True)) -> Structures:
    """One structure from fractional coordinates; rows of ``cell`` in open directions only place atoms."""
    cell = torch.as_tensor(cell, dtype=torch.float64)
    periodic = torch.tensor(pbc)
    positions = torch.as_tensor(fractional, dtype=torch.float64).reshape(-1, 3) @ cell
    return Structures(
        positions,
        torch.tensor(numbers),
        torch.where(periodic[:, None], cell, torch.zeros_like(cell))[None],
        periodic[None],
        torch.zeros(len(numbers), dtype=torch.int64),
    )


def isolated_atom() -> Structures:
    """One oxygen atom: no neighbour, no edge."""
    return molecule([8], [[0.3, -0.2, 0.1]])


def diatomic() -> Structures:
    """Carbon monoxide along no special direction."""
    return molecule([6, 8], [[0.0, 0.0, 0.0], [0.7, 0.6, 0.641]])


def water() -> Structures:
    """A bent molecule with a mirror plane."""
    return molecule([8, 1, 1], [[0.0, 0.0, 0.1173], [0.0, 0.7572, -0.4692], [0.0, -0.7572, -0.4692]])


def ethanol() -> Structures:
    """Ethanol, rattled: nine atoms, three elements, no symmetry."""
    return molecule(
        [6, 6, 8, 1, 1, 1, 1, 1, 1],
        [
            [1.1879, -0.3829, 0.0310],
            [0.0034, 0.5526, -0.0270],
            [-1.1867, -0.2472, 0.0150],
            [-1.9237, 0.3850, 0.0820],
            [2.0985, 0.2306, -0.0410],
            [1.1184, -1.0093, 0.8869],
            [1.2104, -1.0453, -0.8710],
            [0.0488, 1.1712, 0.8800],
            [-0.0071, 1.2253, -0.8769],
        ],
    )


def chiral() -> Structures:
    """CHFClBr, rattled: differs from its mirror image."""
    return molecule(
        [6, 1, 9, 17, 35],
        [
            [0.01, 0.02, -0.03],
            [0.61, 0.66, 0.63],
            [0.80, -0.75, -0.79],
            [-1.03, 1.00, -0.98],
            [-1.12, -1.15, 1.10],
        ],
    )


def fcc() -> Structures:
    """Copper, perfect, cubic cell."""
    return crystal([29] * 4, [[0, 0, 0], [0, 0.5, 0.5], [0.5, 0, 0.5], [0.5, 0.5, 0]], 3.61 * torch.eye(3))


def bcc() -> Structures:
    """Iron, perfect, cubic cell."""
    return crystal([26] * 2, [[0, 0, 0], [0.5, 0.5, 0.5]], 2.87 * torch.eye(3))


def diamond() -> Structures:
    """Silicon, perfect, primitive cell."""
    return crystal([14] * 2, [[0, 0, 0], [0.25, 0.25, 0.25]], 2.715 * (1 - torch.eye(3)))


def rocksalt() -> Structures:
    """MgO, perfect, primitive cell."""
    return crystal([12, 8], [[0, 0, 0], [0.5, 0.5, 0.5]], 2.1 * (1 - torch.eye(3)))


def one_atom_crystal() -> Structures:
    """Aluminium, perfect, primitive cell: an atom whose neighbours are all itself."""
    return crystal([13], [[0.1, 0.2, 0.3]], 2.02 * (1 - torch.eye(3)))


def rattled_rocksalt() -> Structures:
    """MgO with eight atoms off their sites in a strained cell: no symmetry left."""
    sites = [[0, 0, 0], [0, 0.5, 0.5], [0.5, 0, 0.5], [0.5, 0.5, 0], [0.5, 0, 0], [0, 0.5, 0], [0, 0, 0.5]]
    fractional = torch.tensor([*sites, [0.5, 0.5, 0.5]], dtype=torch.float64)
    wave = torch.arange(24, dtype=torch.float64).reshape(8, 3)
    cell = torch.tensor([[4.25, 0.07, -0.04], [0.03, 4.16, 0.09], [-0.06, 0.02, 4.21]])
    return crystal([12] * 4 + [8] * 4, fractional + 0.03 * torch.sin(1.7 * wave + 0.4), cell)


def slab() -> Structures:
    """Periodic along the first and third axis, open along the second; no atom on a symmetric site."""
    fractional = [[0.02, 0.0, 0.03], [0.49, 0.1, 0.55], [0.05, 0.23, 0.52], [0.52, 0.31, 0.07]]
    cell = [[2.9, 0.0, 0.2], [0.3, 9.0, 0.1], [-0.4, 0.0, 3.1]]
    return crystal([78, 78, 8, 6], fractional, cell, (True, False, True))


def chain() -> Structures:
    """Periodic along one axis only."""
    fractional = [[0.0, 0.0, 0.1], [0.1, 0.12, 0.55]]
    return crystal([16, 7], fractional, [[8.0, 0, 0], [0, 8.0, 0], [0.3, 0.2, 2.6]], (False, False, True))


def skewed_cell() -> Structures:
    """A strongly skewed triclinic cell: nearest images are not those of the nearest cells."""
    fractional = [[0.0, 0.0, 0.0], [0.31, 0.62, 0.47], [0.77, 0.15, 0.81]]
    return crystal([22, 8, 8], fractional, [[3.1, 0.0, 0.0], [5.4, 3.3, 0.0], [-4.7, 6.9, 3.6]])


def small_cell() -> Structures:
    """A cell far smaller than any cutoff: each atom sees several shells of its own images."""
    return crystal(
        [1, 3], [[0.0, 0.0, 0.0], [0.45, 0.55, 0.52]], [[1.9, 0.1, 0.0], [0.0, 1.8, 0.2], [0.3, 0.0, 2.0]]
    )


def far_apart() -> Structures:
    """Three atoms no encoder with a finite cutoff connects."""
    return molecule([6, 1, 8], [[0, 0, 0], [500.0, 0, 0], [0, 700.0, 100.0]])


def mixed_batch() -> Structures:
    """Molecule, crystal, isolated atom, slab, atoms without edges, one-atom crystal, chain in one batch."""
    parts = (ethanol, rattled_rocksalt, isolated_atom, slab, far_apart, one_atom_crystal, chain, water)
    return Structures.concatenate(make() for make in parts)


def empty() -> Structures:
    """A batch of no structures."""
    return Structures.empty()


Cases = Mapping[str, Callable[[], Structures]]


def _named(*makers: Callable[[], Structures]) -> Cases:
    return {make.__name__: make for make in makers}


perfect_crystals: Cases = _named(fcc, bcc, diamond, rocksalt, one_atom_crystal)
molecules: Cases = _named(isolated_atom, diatomic, water, ethanol, chiral, far_apart)
periodic: Cases = {**perfect_crystals, **_named(rattled_rocksalt, slab, chain, skewed_cell, small_cell)}
everything: Cases = {**molecules, **periodic, **_named(mixed_batch, empty)}
# No symmetry, and more than two kinds of site: where every block of an encoder must be alive.
generic: Cases = _named(ethanol, chiral, rattled_rocksalt, slab, skewed_cell, mixed_batch)


def repeated(structures: Structures, times: tuple[int, int, int]) -> tuple[Structures, Tensor]:
    """Supercells, repeated along periodic directions only, and for each new atom the atom it copies.

    Labels of atoms are repeated, those of structures stay.
    """
    parts, origin = [], []
    for first, one in zip(structures.offsets.tolist(), structures, strict=False):
        n = [t if p else 1 for t, p in zip(times, one.pbc[0].tolist(), strict=True)]
        grid = torch.cartesian_prod(*(torch.arange(k) for k in n)).to(one.positions.dtype)
        shifts = grid @ one.cell[0]
        copies = len(shifts)
        parts.append(
            Structures(
                (one.positions[None] + shifts[:, None]).reshape(-1, 3),
                one.numbers.repeat(copies),
                one.cell * torch.tensor(n, dtype=one.cell.dtype)[None, :, None],
                one.pbc,
                torch.zeros(copies * one.n_atoms, dtype=torch.int64),
                {k: torch.cat([v] * copies) if one.runs_over_atoms(k) else v for k, v in one.labels.items()},
            )
        )
        origin.append((torch.arange(one.n_atoms) + first).repeat(copies))
    return Structures.concatenate(parts), torch.cat(origin) if origin else torch.zeros(0, dtype=torch.int64)
