"""One relaxed conformer of a molecule, and its GFN2-xTB labels.

Conformer: ETKDGv3 (Wang et al., J. Chem. Inf. Model. 60, 2044 (2020)), MMFF94, then GFN2-xTB (Bannwarth et
al., J. Chem. Theory Comput. 15, 1652 (2019)) relaxed by L-BFGS in coordinates that make the force field's
Hessian the identity, which takes about a third of the steps that Cartesian coordinates take.
Positions are rounded before they are labelled, so labels belong exactly to the positions that are kept.
"""

from __future__ import annotations

from dataclasses import dataclass
from zlib import crc32

import numpy as np
from ase.data import covalent_radii
from rdkit import Chem
from rdkit.Chem import rdDistGeom, rdForceFieldHelpers
from scipy.linalg import solve_triangular
from scipy.optimize import minimize
from tblite.exceptions import TBLiteRuntimeError
from tblite.interface import Calculator, Result

from atomscape.units import BOHR, HARTREE, KCAL_PER_MOL

METHOD = "GFN2-xTB"
DECIMALS = {"positions": 4, "energy": 6, "forces": 5, "dipole": 5, "gap": 5, "charges": 5}
SIGMA = (0.03, 0.06)  # Å, of the two rattled frames; 0.1 Å would bring forces above 100 eV/Å
RATTLED_MARK = "~"  # in ids, because # is the triple bond of SMILES
MAX_STEPS, MAX_FORCE = 100, 0.02  # of the relaxation; eV/Å


@dataclass(frozen=True)
class Frame:
    """Positions (Å) and labels (eV, eV/Å, e·Å, eV, e) of one molecule, rounded to ``DECIMALS``."""

    id: str
    numbers: np.ndarray
    positions: np.ndarray
    energy: float
    forces: np.ndarray
    dipole: np.ndarray
    gap: float
    charges: np.ndarray


class Refused(Exception):
    """The molecule has no place in the sample; the message says why."""


def frames(smiles: str, seed: int, rattled: bool) -> list[Frame]:
    """Relaxed frame of a molecule and, if asked, two rattled ones (``"CCO"``, ``"CCO~1"``, ``"CCO~2"``).

    Raises
    ------
    Refused
        No conformer, SCF or relaxation not converged, bonds changed, or a gap below 0.5 eV.
    """
    rng = np.random.default_rng([seed, crc32(smiles.encode())])
    molecule = embedded(smiles, int(rng.integers(2**31)))
    numbers = np.array([a.GetAtomicNum() for a in molecule.GetAtoms()])
    bonds = np.array(Chem.GetAdjacencyMatrix(molecule), dtype=bool)
    positions = relaxed(molecule, numbers)
    result = [label(smiles, numbers, positions)]
    relaxed_positions = result[0].positions
    for k, sigma in enumerate(SIGMA if rattled else (), start=1):
        moved = relaxed_positions + sigma * rng.standard_normal(positions.shape)
        result.append(label(f"{smiles}{RATTLED_MARK}{k}", numbers, moved))
    if not bonded_as(bonds, result[0]):
        raise Refused("bonds changed")
    if np.abs(result[0].forces).max() > 0.1:
        raise Refused("did not relax")
    if result[0].gap < 0.5:
        raise Refused("gap below 0.5 eV")
    return result


def embedded(smiles: str, seed: int) -> Chem.Mol:
    """Molecule with hydrogens and one ETKDGv3 conformer, relaxed by its force field."""
    molecule = Chem.AddHs(Chem.MolFromSmiles(smiles))
    parameters = rdDistGeom.ETKDGv3()
    parameters.randomSeed = seed
    if rdDistGeom.EmbedMolecule(molecule, parameters) < 0:
        parameters.useRandomCoords = True
        if rdDistGeom.EmbedMolecule(molecule, parameters) < 0:
            raise Refused("no conformer")
    if (field := _force_field(molecule)) is not None:
        field.Minimize(maxIts=500, forceTol=1e-3)
    return molecule


def relaxed(molecule: Chem.Mol, numbers: np.ndarray) -> np.ndarray:
    """GFN2-xTB minimum next to the molecule's conformer, Å; stops early after ``MAX_STEPS`` steps."""
    start = molecule.GetConformer().GetPositions()
    root = np.linalg.cholesky(_hessian(molecule, start))  # H = L Lᵀ; y = Lᵀ x has Hessian ≈ 1
    solver, state = _calculator(numbers, start, accuracy=0.1), Result()

    def unscaled(y: np.ndarray) -> np.ndarray:
        return start + solve_triangular(root.T, y).reshape(start.shape)

    def objective(y: np.ndarray) -> tuple[float, np.ndarray]:
        solver.update(unscaled(y) / BOHR)
        _singlepoint(solver, state)
        gradient = state.get("gradient").ravel() * HARTREE / BOHR
        return state.get("energy") * HARTREE, solve_triangular(root, gradient, lower=True)

    def stop(y: np.ndarray) -> None:
        if np.abs(state.get("gradient")).max() * HARTREE / BOHR < MAX_FORCE:
            raise StopIteration

    options = {"maxiter": MAX_STEPS, "gtol": 0.0, "ftol": 0.0}
    y = minimize(
        objective, np.zeros(start.size), jac=True, method="L-BFGS-B", callback=stop, options=options
    ).x
    return unscaled(y)


def label(id: str, numbers: np.ndarray, positions: np.ndarray) -> Frame:
    """GFN2-xTB single point at the positions rounded to ``DECIMALS``; a fresh, tight SCF."""
    positions = positions.round(DECIMALS["positions"])
    state = _singlepoint(_calculator(numbers, positions, accuracy=0.01), Result())
    orbitals, occupied = state.get("orbital-energies"), state.get("orbital-occupations") >= 1
    values = {
        "energy": state.get("energy") * HARTREE,
        "forces": -state.get("gradient") * HARTREE / BOHR,
        "dipole": state.get("dipole") * BOHR,
        "gap": (orbitals[~occupied].min() - orbitals[occupied].max()) * HARTREE,
        "charges": state.get("charges"),
    }
    return Frame(id, numbers, positions, **{k: np.round(v, DECIMALS[k]) for k, v in values.items()})


def bonded_as(bonds: np.ndarray, frame: Frame) -> bool:
    """Are exactly the bonded pairs closer than 1.2 × (1.3 × for bonds) the sum of their covalent radii?"""
    r = frame.positions
    distance = np.linalg.norm(r[:, None] - r[None], axis=-1)
    radii = covalent_radii[frame.numbers]
    ratio = distance / (radii[:, None] + radii[None])
    others = ~bonds & ~np.eye(len(r), dtype=bool)
    return bool((ratio[bonds] < 1.3).all() and (ratio[others] > 1.2).all())


def _calculator(numbers: np.ndarray, positions: np.ndarray, accuracy: float) -> Calculator:
    solver = Calculator(METHOD, numbers, positions / BOHR)
    solver.set("verbosity", 0)
    solver.set("accuracy", accuracy)
    return solver


def _singlepoint(solver: Calculator, state: Result) -> Result:
    try:
        return solver.singlepoint(state)
    except TBLiteRuntimeError as error:
        raise Refused("SCF does not converge") from error


def _force_field(molecule: Chem.Mol):
    """MMFF94 of the molecule, or UFF where MMFF94 lacks an atom type, or None for H₂ and the like."""
    properties = rdForceFieldHelpers.MMFFGetMoleculeProperties(molecule)
    if properties is not None:
        return rdForceFieldHelpers.MMFFGetMoleculeForceField(molecule, properties)
    if rdForceFieldHelpers.UFFHasAllMoleculeParams(molecule):
        return rdForceFieldHelpers.UFFGetMoleculeForceField(molecule)
    return None


def _hessian(molecule: Chem.Mol, positions: np.ndarray, step: float = 1e-3) -> np.ndarray:
    """Force-field Hessian (eV/Å²) by central differences, eigenvalues lifted to at least 4 eV/Å²."""
    field = _force_field(molecule)
    if field is None:
        return 40.0 * np.eye(positions.size)
    flat = positions.ravel()
    rows = []
    for i in range(flat.size):
        move = np.zeros_like(flat)
        move[i] = step
        rows.append(
            np.subtract(field.CalcGrad([*(flat + move)]), field.CalcGrad([*(flat - move)])) / (2 * step)
        )
    hessian = np.array(rows) * KCAL_PER_MOL
    values, vectors = np.linalg.eigh((hessian + hessian.T) / 2)
    return (vectors * values.clip(4.0, None)) @ vectors.T
