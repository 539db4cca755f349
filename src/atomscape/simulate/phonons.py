"""Phonons from forces on displaced atoms, by phonopy: bands, density of states, heat capacity.

Togo et al., J. Phys.: Condens. Matter 35, 353001 (2023). Displaced supercells go through the potential in
batches; phonopy knows which displacements symmetry needs. Frequencies are in THz; imaginary ones, where the
crystal would rather distort, are negative. Polar crystals lack the splitting of their optical modes at Γ: it
needs Born charges, which an energy of positions alone does not have.
"""

from __future__ import annotations

import contextlib
import io
import warnings
from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from atomscape.atoms.neighbours import neighbour_graph
from atomscape.atoms.properties import property_named
from atomscape.atoms.structures import Structures
from atomscape.learn.evaluate import batches_in_order
from atomscape.shapes import Float
from atomscape.simulate.equation_of_state import refuse_no_crystal
from atomscape.simulate.potential import Potential

if TYPE_CHECKING:
    from phonopy import Phonopy

REACH = 10.0
"""Å that a supercell is at least long, where it is not given: force constants reach so far."""

BEAT = 0.05
"""THz below which a negative frequency counts as rounding."""


@dataclass(frozen=True, eq=False)
class Phonons:
    """Bands along a path, each segment an array; density of states; and thermal properties.

    ``distances`` run along the path, ``ticks`` are where its named points lie.
    """

    distances: tuple[Float[np.ndarray, " points"], ...]
    bands: tuple[Float[np.ndarray, "points bands"], ...]
    ticks: tuple[tuple[float, str], ...]
    frequencies: Float[np.ndarray, " frequencies"]
    density: Float[np.ndarray, " frequencies"]
    temperatures: Float[np.ndarray, " temperatures"]
    heat_capacity: Float[np.ndarray, " temperatures"]
    zero_point: float
    lowest: float
    supercell: tuple[int, int, int]
    displacements: int

    @property
    def stable(self) -> bool:
        """Whether no mode is imaginary, on the path and on the mesh."""
        return self.lowest > -BEAT

    def as_dict(self) -> dict[str, Any]:
        """For JSON; THz, J/(mol K) per primitive cell, kJ/mol."""
        return {
            "lowest_thz": self.lowest,
            "highest_thz": float(max(b.max() for b in self.bands)),
            "stable": self.stable,
            "zero_point_kj_per_mol": self.zero_point,
            "supercell": list(self.supercell),
            "displacements": self.displacements,
            "bands": [
                {"distance": d.tolist(), "frequencies_thz": b.tolist()}
                for d, b in zip(self.distances, self.bands, strict=True)
            ],
            "ticks": [{"distance": x, "name": name} for x, name in self.ticks],
            "density_of_states": {"thz": self.frequencies.tolist(), "states": self.density.tolist()},
            "heat_capacity_j_per_mol_k": {
                "kelvin": self.temperatures.tolist(),
                "values": self.heat_capacity.tolist(),
            },
        }


def phonons(
    potential: Potential,
    structure: Structures,
    supercell: tuple[int, int, int] | None = None,
    displacement: float = 0.02,
    mesh: float = 60.0,
    symprec: float = 1e-4,
) -> Phonons:
    """Phonons of a crystal whose atoms and cell are relaxed. Float64 models are wanted.

    Parameters
    ----------
    supercell
        Repetitions of the cell; None: until it is ``REACH`` long in every direction.
    displacement
        Å by which atoms are moved.
    mesh
        Length in Å that the mesh of the density of states corresponds to.
    symprec
        Å within which symmetry is found.

    Raises
    ------
    ValueError
        Not one crystal.
    ImportError
        phonopy is not installed.
    """
    refuse_no_crystal(structure, "a phonon spectrum")
    potential.check(structure)
    repeats = supercell or repeats_of(structure)
    with quiet():
        ph = _phonopy(structure, repeats, symprec)
        ph.generate_displacements(distance=displacement)
        displaced = [c for c in ph.supercells_with_displacements or () if c is not None]
        ph.forces = _forces(potential, supercell_of(structure, ph.supercell), displaced)
        ph.produce_force_constants()
        ph.symmetrize_force_constants()
        distances, bands, ticks = _bands(ph)
        ph.run_mesh(mesh)
        ph.run_total_dos()
        ph.run_thermal_properties(t_min=0, t_max=1000, t_step=50)
        dos, thermal = ph.get_total_dos_dict(), ph.get_thermal_properties_dict()
        on_mesh: Any = ph.get_mesh_dict()
    return Phonons(
        distances,
        bands,
        ticks,
        dos["frequency_points"],
        dos["total_dos"],
        thermal["temperatures"],
        thermal["heat_capacity"],
        float(thermal["free_energy"][0]),
        float(min(on_mesh["frequencies"].min(), *(b.min() for b in bands))),
        repeats,
        len(displaced),
    )


def repeats_of(structure: Structures) -> tuple[int, int, int]:
    """Repetitions that make each direction of a cell at least ``REACH`` long."""
    lengths = np.linalg.norm(structure.cell[0].numpy(), axis=1)
    a, b, c = (int(n) for n in np.ceil(REACH / lengths - 1e-9).clip(1))
    return a, b, c


def _phonopy(structure: Structures, repeats: tuple[int, int, int], symprec: float) -> Phonopy:
    try:
        from phonopy import Phonopy
        from phonopy.structure.atoms import PhonopyAtoms
    except ImportError as error:
        raise ImportError("phonons need phonopy: pip install 'atomscape[simulate]'") from error
    cell = PhonopyAtoms(
        numbers=structure.numbers.numpy(),
        cell=structure.cell[0].double().numpy(),
        positions=structure.positions.double().numpy(),
    )
    return Phonopy(cell, np.diag(repeats), primitive_matrix="auto", symprec=symprec)


def supercell_of(structure: Structures, supercell: Any) -> Structures:
    """Phonopy's supercell with the labels of the cell: each atom's own, and of the whole what adds up."""
    first = {int(k): u for k, u in supercell.u2u_map.items()}
    owner = torch.tensor([first[int(k)] for k in supercell.s2u_map])
    times = len(owner) // structure.n_atoms
    labels = {}
    for name, values in structure.labels.items():
        known = property_named(name)
        if structure.runs_over_atoms(name):
            labels[name] = values[owner]
        else:
            labels[name] = values * times if known is not None and known.extensive else values
    return Structures(
        torch.from_numpy(supercell.positions.copy()),
        torch.from_numpy(supercell.numbers.astype(np.int64)),
        torch.from_numpy(supercell.cell.copy()).unsqueeze(0),
        structure.pbc,
        torch.zeros(len(owner), dtype=torch.int64),
        labels,
        atom_labels=structure.atom_labels,
    )


def _forces(
    potential: Potential, supercell: Structures, cells: list[Any]
) -> Float[np.ndarray, "displacements atoms 3"]:
    found = []
    for span in batches_in_order([supercell.n_atoms] * len(cells)):
        moved = [cells[k].positions for k in span]
        many = Structures.concatenate([supercell] * len(moved))
        s = replace(many, positions=torch.from_numpy(np.concatenate(moved)))
        forces = potential(neighbour_graph(s, potential.cutoff), ("forces",))["forces"]
        found.append(forces.double().numpy().reshape(len(s), -1, 3))
    return np.concatenate(found)


def _bands(ph: Phonopy) -> tuple[tuple, tuple, tuple]:
    """Frequencies along the path of special points that ASE knows for the primitive lattice."""
    from ase.cell import Cell

    primitive = Cell(ph.primitive.cell)
    path = primitive.bandpath(npoints=0)
    segments, names = [], []
    for segment in path.path.split(","):
        points = _points(segment)
        for a, b in pairwise(points):
            segments.append(np.linspace(path.special_points[a], path.special_points[b], 31))
            names.append((a, b))
    ph.run_band_structure(segments)
    found = ph.get_band_structure_dict()
    distances = tuple(np.asarray(d) for d in found["distances"])
    ticks: dict[float, str] = {}
    for d, (a, b) in zip(distances, names, strict=True):
        for x, name in ((float(d[0]), a), (float(d[-1]), b)):
            former = next((k for k in ticks if abs(k - x) < 1e-9), None)
            if former is None:
                ticks[x] = name
            elif name not in ticks[former].split("|"):
                ticks[former] += f"|{name}"
    return distances, tuple(np.asarray(f) for f in found["frequencies"] or ()), tuple(sorted(ticks.items()))


def _points(segment: str) -> list[str]:
    """Names of special points, a letter and digits each: ``GXU1`` → G, X, U1."""
    names: list[str] = []
    for letter in segment:
        if letter.isalpha():
            names.append(letter)
        else:
            names[-1] += letter
    return names


@contextlib.contextmanager
def quiet() -> Iterator[None]:
    """Phonopy prints and warns of its own future; neither concerns the spectrum."""
    with warnings.catch_warnings(), contextlib.redirect_stdout(io.StringIO()):
        warnings.simplefilter("ignore")
        yield
