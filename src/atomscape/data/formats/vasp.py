"""Results of VASP: ``vasprun.xml*`` and ``OUTCAR*``, each ionic step a structure, alone or in folders.

Units and signs become the house's: eV, eV/Å, and stress in eV/Å³ with tension positive (VASP prints kbar with
the sign of pressure). ``energy`` is extrapolated to zero smearing, ``free_energy`` the one that forces derive
from: ``--key energy=free_energy`` takes it instead. The label ``converged`` is 0 where the electronic loop
ended at its limit; the other labels of such a step are not known. A last step that is cut off is left out.
"""

from __future__ import annotations

import warnings
import xml.etree.ElementTree as ET
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import ase.io
import numpy as np
from ase import Atoms
from ase.calculators.singlepoint import SinglePointCalculator
from ase.stress import full_3x3_to_voigt_6_stress

from atomscape.data.ase_files import unpacked
from atomscape.data.format import Piece
from atomscape.data.reading import Reading
from atomscape.units import KBAR

title = "VASP: vasprun.xml and OUTCAR, all ionic steps"
suffixes = (".xml", ".OUTCAR")
trust = False
RESULTS = ("energy", "free_energy", "forces", "stress", "magmoms")
NELM = 60
"""VASP's own limit of electronic steps."""


def inputs(path: Path) -> list[Path]:
    """The file; of a folder, its ``vasprun*.xml``, else its ``OUTCAR*`` (not those of folders in it)."""
    if path.is_file():
        return [path] if _is_vasprun(path) or _is_outcar(path) else []
    found = sorted(p for p in path.glob("*") if p.is_file()) if path.is_dir() else []
    return [p for p in found if _is_vasprun(p)] or [p for p in found if _is_outcar(p)]


def pieces(path: Path) -> list[Piece]:
    """One piece for each file."""
    return [Piece(file) for file in inputs(path)]


def rows(piece: Piece, reading: Reading) -> Iterator[Atoms]:
    """Ionic steps of one file.

    Raises
    ------
    ValueError
        The file ends before its first step does.
    """
    count = 0
    for atoms in (_vasprun if _is_vasprun(piece.path) else _outcar)(piece.path):
        count += 1
        yield atoms
    if count == 0:
        raise ValueError("no ionic step is complete; the calculation was cut off")


def _vasprun(path: Path) -> Iterator[Atoms]:
    with path.open("rb") as file:
        yield from _steps(_Unpacked(file) if path.suffix == ".gz" else file)


class _Unpacked:
    """A gzip file read as far as it goes: one that is cut off gives what is there, and no error."""

    def __init__(self, file: Any):
        self.file, self.machine = file, zlib.decompressobj(wbits=31)

    def read(self, size: int = -1) -> bytes:
        """Some bytes; none at the end."""
        while packed := self.file.read(size):
            if plain := self.machine.decompress(packed):
                return plain
        return self.machine.flush()


def _steps(file: Any) -> Iterator[Atoms]:
    species: list[str] = []
    limit, pressure = NELM, 0.0
    try:
        for _, element in ET.iterparse(file):
            if element.tag == "atominfo":
                rows = element.iterfind("array[@name='atoms']/set/rc")
                species = [str(row[0].text).strip() for row in rows]
            elif element.tag == "i" and element.get("name") == "NELM":
                limit = int(str(element.text))
            elif element.tag == "i" and element.get("name") == "PSTRESS":
                pressure = float(str(element.text))
            elif element.tag == "calculation":
                yield _step(element, species, limit, pressure)
                element.clear()
    except ET.ParseError:  # a calculation that was killed: its last step is not complete
        return


def _step(element: ET.Element, species: list[str], limit: int, pressure: float) -> Atoms:
    """One ionic step; under an external pressure (kbar) VASP adds p·V to its energy, which is taken off."""
    cell = _vectors(element, "structure/crystal/varray[@name='basis']")
    places = _vectors(element, "structure/varray[@name='positions']")
    atoms = Atoms([s if s != "r" else "Zr" for s in species], cell=cell, scaled_positions=places, pbc=True)
    electronic = element.findall("scstep")
    free = _energy(element, "e_fr_energy") - KBAR * pressure * atoms.get_volume()
    last = electronic[-1] if electronic else element
    results: dict[str, Any] = {
        "energy": free + _energy(last, "e_0_energy") - _energy(last, "e_fr_energy"),
        "free_energy": free,
        "forces": _vectors(element, "varray[@name='forces']"),
    }
    if element.find("varray[@name='stress']") is not None:
        results["stress"] = full_3x3_to_voigt_6_stress(-KBAR * _vectors(element, "varray[@name='stress']"))
    return _labelled(atoms, results, not electronic or len(electronic) < limit)


def _labelled(atoms: Atoms, results: dict[str, Any], converged: bool) -> Atoms:
    atoms.info["converged"] = float(converged)
    atoms.calc = SinglePointCalculator(atoms, **results) if converged else None
    return atoms


def _vectors(element: ET.Element, place: str) -> np.ndarray:
    found = element.findall(f"{place}/v")
    return np.array([[float(x) for x in str(v.text).split()] for v in found]).reshape(-1, 3)


def _energy(element: ET.Element, name: str) -> float:
    return float(str(element.findtext(f"energy/i[@name='{name}']")))


def _outcar(path: Path) -> Iterator[Atoms]:
    with unpacked(path) as plain:
        converged, ended = _convergence(plain)
        images = ase.io.iread(str(plain), index=":", format="vasp-out")
        for flag in converged:
            try:
                with warnings.catch_warnings():
                    warnings.simplefilter("ignore")
                    atoms = next(images)
            except StopIteration:
                return
            except Exception:  # ASE's parser raises anything where a step is cut off
                if ended:
                    raise
                return
            found = atoms.calc.results if atoms.calc else {}
            results = {name: found[name] for name in RESULTS if name in found}
            yield _labelled(atoms, results, flag)


def _convergence(path: Path) -> tuple[list[bool], bool]:
    """Whether the electronic loop of each ionic step reached its goal, and whether VASP came to its end."""
    flags, last, ended = [], False, False
    with path.open(encoding="utf-8", errors="replace") as file:
        for line in file:
            if "aborting loop" in line:
                last = "because EDIFF is reached" in line or "hard stop" in line
            elif "FREE ENERGIE OF THE ION-ELECTRON SYSTEM (eV)" in line:
                flags.append(last)
                last = False
            elif "General timing and accounting" in line:
                ended = True
    return flags, ended


def _is_vasprun(path: Path) -> bool:
    return path.name.startswith("vasprun") and path.name.removesuffix(".gz").endswith(".xml")


def _is_outcar(path: Path) -> bool:
    return path.name.startswith("OUTCAR") or path.name.removesuffix(".gz").endswith(".OUTCAR")
