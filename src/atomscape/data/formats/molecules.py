"""SMILES (``.smi``, or a table ``.csv`` with a column ``smiles``) with conformers by RDKit, and SDF files.

A SMILES is embedded by ETKDGv3 with a fixed seed and relaxed by MMFF94, UFF where that lacks parameters; the
seed and the order of the atoms make the same conformer on every machine with the same RDKit. These geometries
are force-field estimates: good for maps and as starting points. Molecules that cannot be embedded stop the
reading, or are left out and listed with ``skip_unreadable``. Columns of numbers become labels.
"""

from __future__ import annotations

import csv
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Any

from ase import Atoms

from atomscape.atoms.columns import ID_KEYS
from atomscape.data.format import LeftOut, Piece
from atomscape.data.reading import Reading

title = "SMILES with conformers from RDKit, and SDF"
suffixes = (".smi", ".smiles", ".csv", ".sdf")
trust = False
ROWS = 256
SEED = 20240229
COLUMNS = ("smiles", "SMILES", "Smiles", "canonical_smiles")


def inputs(path: Path) -> list[Path]:
    """The file: by its suffix, and of tables only those with a column of SMILES."""
    if path.suffix.lower() not in suffixes or not path.is_file():
        return []
    return [path] if path.suffix.lower() != ".csv" or _column(path) else []


def pieces(path: Path) -> list[Piece]:
    """Ranges of lines; an SDF is one piece."""
    if path.suffix.lower() == ".sdf":
        return [Piece(path)]
    n = max(1, sum(1 for _ in _table(path)))
    return [Piece(path, a, min(a + ROWS, n), a) for a in range(0, n, ROWS)]


def rows(piece: Piece, reading: Reading) -> Iterator[Atoms | LeftOut]:
    """Molecules with hydrogens and one conformer; those that RDKit cannot read or embed are ``LeftOut``."""
    made = _sdf(piece.path) if piece.path.suffix.lower() == ".sdf" else _smiles(piece)
    for number, name, build, columns in made:
        try:
            atoms = _atoms(build())
        except ValueError as error:
            yield LeftOut(f"line {number}", str(error))
            continue
        atoms.info |= columns
        if name:
            atoms.info["id"] = name
        yield atoms


_Row = tuple[int, str, Callable[[], Any], dict[str, float]]
"""Line, name, what makes the molecule with a conformer, columns of numbers."""


def _smiles(piece: Piece) -> Iterator[_Row]:
    for number, name, smiles, columns in islice(_table(piece.path), piece.start, piece.stop):
        yield number, name, partial(_embedded, smiles), columns


def _embedded(smiles: str) -> Any:
    """A molecule with hydrogens and a conformer: ETKDG, then a force field."""
    from rdkit.Chem import AddHs, MolFromSmiles
    from rdkit.Chem import rdDistGeom as geometry
    from rdkit.Chem import rdForceFieldHelpers as field

    with _quiet():
        read = MolFromSmiles(smiles)
        if read is None:
            raise ValueError(f"SMILES {smiles!r} cannot be read")
        molecule = AddHs(read)
        settings = geometry.ETKDGv3()
        settings.randomSeed = SEED
        if geometry.EmbedMolecule(molecule, settings) != 0:
            raise ValueError(f"no conformer of SMILES {smiles!r} can be made")
        known = field.MMFFHasAllMoleculeParams(molecule)
        (field.MMFFOptimizeMolecule if known else field.UFFOptimizeMolecule)(molecule, maxIters=2000)
    return molecule


def _sdf(path: Path) -> Iterator[_Row]:
    """Molecules of an SDF as they stand there, hydrogens and all."""
    chem = _library(path)
    with _quiet(), path.open("rb") as file:
        for number, molecule in enumerate(chem.ForwardSDMolSupplier(file, removeHs=False, sanitize=False)):
            if molecule is None or molecule.GetNumConformers() == 0:
                yield number, "", partial(_fail, "the molecule cannot be read"), {}
                continue
            name = molecule.GetProp("_Name") if molecule.HasProp("_Name") else ""
            yield number, name, partial(_same, molecule), _numbers(molecule.GetPropsAsDict())


def _atoms(molecule: Any) -> Atoms:
    """Structure of a molecule's first conformer, with its charge and multiplicity."""
    numbers = [atom.GetAtomicNum() for atom in molecule.GetAtoms()]
    if 0 in numbers:
        raise ValueError("the molecule has atoms that are no elements")
    atoms = Atoms(numbers, molecule.GetConformer().GetPositions())
    charge = sum(atom.GetFormalCharge() for atom in molecule.GetAtoms())
    unpaired = sum(atom.GetNumRadicalElectrons() for atom in molecule.GetAtoms())
    atoms.info |= {"total_charge": float(charge), "total_spin": float(unpaired + 1)}
    return atoms


def _table(path: Path) -> Iterator[tuple[int, str, str, dict[str, float]]]:
    """Line, name, SMILES and numbers of each row; ``.smi`` has a SMILES and a name in each line."""
    _library(path)
    with path.open(newline="", encoding="utf-8") as file:
        if path.suffix.lower() != ".csv":
            for number, line in enumerate(file, start=1):
                smiles, _, name = line.strip().partition(" " if " " in line else "\t")
                if smiles and smiles not in COLUMNS:
                    yield number, name.strip(), smiles, {}
            return
        column = _column(path)
        for number, row in enumerate(csv.DictReader(file), start=2):
            name = next((row[k] for k in ID_KEYS if row.get(k)), "")
            rest = {k: v for k, v in row.items() if k not in (column, *ID_KEYS)}
            yield number, name, row[column] or "", _numbers(rest)


def _column(path: Path) -> str:
    """Name of the column of SMILES in a table; empty where there is none."""
    with path.open(newline="", encoding="utf-8", errors="replace") as file:
        names = next(csv.reader(file), [])
    return next((name for name in COLUMNS if name in names), "")


def _numbers(columns: Mapping[str, Any]) -> dict[str, float]:
    found = {}
    for name, value in columns.items():
        with suppress(TypeError, ValueError):
            found[name] = float(value)
    return found


def _same(molecule: Any) -> Any:
    return molecule


def _fail(why: str) -> Any:
    raise ValueError(why)


@contextmanager
def _quiet() -> Iterator[None]:
    """RDKit writes to the terminal what it thinks of a molecule; here errors say it."""
    from rdkit import rdBase

    blocked = rdBase.BlockLogs()
    try:
        yield
    finally:
        del blocked


def _library(path: Path) -> Any:
    try:
        from rdkit import Chem
    except ImportError as error:
        raise ImportError(f"{path} is read by RDKit: pip install 'atomscape[molecules]'") from error
    return Chem
