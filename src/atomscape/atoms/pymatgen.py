"""From and to pymatgen (extra ``crystals``): ``Structure`` and ``Molecule``, with properties as labels.

Sites' properties are columns per atom and the object's ``properties`` columns per structure; which become
labels is decided as for ASE (``atomscape.atoms.labels``).
"""

from __future__ import annotations

from collections.abc import Iterable
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import numpy as np
from ase import Atoms
from ase.data import chemical_symbols

from atomscape.atoms.ase import from_ase
from atomscape.atoms.cells import completed
from atomscape.atoms.labels import LabelMap
from atomscape.atoms.structures import Structures

if TYPE_CHECKING:
    from pymatgen.core import Molecule, Structure

VACUUM = 10.0
"""Å added beyond the atoms along non-periodic directions, where pymatgen needs a finite lattice vector."""


def from_pymatgen(
    objects: Structure | Molecule | Iterable[Structure | Molecule], labels: LabelMap | None = None
) -> Structures:
    """Batch ordered pymatgen structures and molecules; oxidation states are dropped.

    A molecule's charge and spin multiplicity become ``total_charge`` and ``total_spin``.

    Parameters
    ----------
    objects
        One object or many.
    labels
        Which properties are which labels; without it the conventions decide (see ``label_map``).

    Raises
    ------
    ValueError
        A site is disordered or no element, or a structure is ill-formed.
    """
    from pymatgen.core import SiteCollection

    many = [objects] if isinstance(objects, SiteCollection) else list(objects)
    return from_ase([_atoms(x, k) for k, x in enumerate(many)], labels)


def to_pymatgen(structures: Structures) -> list[Structure | Molecule]:
    """Return a ``Structure`` per periodic structure and a ``Molecule`` per other one.

    Along non-periodic directions of slabs and chains, ``Structure`` gets lattice vectors that hold the atoms
    with 10 Å of vacuum, and ``pbc`` says that they do not repeat. Labels that are not known are left out.
    """
    from pymatgen.core import Lattice, Molecule, Structure

    positions = structures.positions.detach().cpu().double().numpy()
    numbers, pbc = structures.numbers.cpu().numpy(), structures.pbc.cpu().numpy()
    cell = structures.cell.detach().cpu().double().numpy()
    found: list[Structure | Molecule] = []
    for s, (a, b) in enumerate(pairwise(structures.offsets.tolist())):
        x, species = positions[a:b], [chemical_symbols[z] for z in numbers[a:b]]
        of_atoms, of_structure = _known_labels(structures, s, slice(a, b))
        if structures.ids:
            of_structure["id"] = structures.ids[s]
        if pbc[s].any():
            lattice = Lattice(
                _finite(cell[s], pbc[s], x), pbc=(bool(pbc[s, 0]), bool(pbc[s, 1]), bool(pbc[s, 2]))
            )
            made = Structure(
                lattice,
                species,
                x,
                coords_are_cartesian=True,
                site_properties=of_atoms,
                properties=of_structure,
            )
        else:
            charge, spin = of_structure.pop("total_charge", 0.0), of_structure.pop("total_spin", None)
            made = Molecule(
                species,
                x,
                charge,
                None if spin is None else int(spin),
                site_properties=of_atoms,
                properties=of_structure,
                charge_spin_check=False,
            )
        found.append(made)
    return found


def _atoms(x: Any, k: int) -> Atoms:
    """The object as ASE columns: info, arrays."""
    from pymatgen.core import DummySpecies

    if not x.is_ordered:
        raise ValueError(
            f"structure {k} ({x.formula}) is disordered; make an ordered supercell first, for instance with "
            "pymatgen's OrderDisorderedStructureTransformation"
        )
    lattice = getattr(x, "lattice", None)
    cell, pbc = (lattice.matrix, lattice.pbc) if lattice is not None else (np.zeros((3, 3)), False)
    unknown = [str(site.specie) for site in x if isinstance(site.specie, DummySpecies)]
    if unknown:
        raise ValueError(f"structure {k} ({x.formula}) has sites that hold no element: {unknown[:5]}")
    numbers = [site.specie.Z for site in x]
    image = Atoms(numbers, x.cart_coords, cell=cell, pbc=pbc)
    image.info |= {key: value for key, value in x.properties.items() if value is not None}
    if lattice is None:
        image.info |= {"total_charge": x.charge, "total_spin": x.spin_multiplicity}
    for name, values in x.site_properties.items():
        image.set_array(name, np.array([np.nan if v is None else v for v in values]))
    return image


def _known_labels(structures: Structures, s: int, atoms: slice) -> tuple[dict[str, list], dict[str, Any]]:
    of_atoms, of_structure = {}, {}
    for name, values in structures.labels.items():
        per_atom = structures.runs_over_atoms(name)
        value = (values[atoms] if per_atom else values[s]).detach().cpu().numpy()
        if not np.isnan(value).all():
            (of_atoms if per_atom else of_structure)[name] = value.tolist()
    return of_atoms, of_structure


def _finite(cell: np.ndarray, pbc: np.ndarray, x: np.ndarray) -> np.ndarray:
    """The cell with rows along non-periodic directions that hold the atoms and vacuum."""
    rows = completed(cell[None], pbc[None])[0]
    extent = np.ptp(x @ np.linalg.inv(rows), axis=0) + VACUUM
    return np.where(pbc[:, None], rows, rows * extent[:, None])
