"""rMD17: 100,000 frames of each MD17 molecule, recomputed with tight convergence; the five published splits.

The publisher's archive ``rmd17.tar.bz2`` holds ``rmd17/npz_data/rmd17_<molecule>.npz`` (``nuclear_charges
coords energies forces``; Å, kcal/mol, kcal/mol/Å) and ``rmd17/splits/index_<train|test>_0<k>.csv``. It is
read as it is, or unpacked, which is faster: for one molecule the archive is decompressed up to it.
"""

from __future__ import annotations

import io
import tarfile
from collections.abc import Iterator, Mapping
from functools import partial
from pathlib import Path

import numpy as np

from atomscape.atoms.structures import Structures
from atomscape.data.card import Card, FileRecord, records
from atomscape.data.source import Part, first_layout
from atomscape.data.trajectories import trajectory
from atomscape.units import KCAL_PER_MOL

ARCHIVE = "rmd17.tar.bz2"
MOLECULES = {
    "aspirin": "aspirin",
    "azobenzene": "azobenzene",
    "benzene": "benzene",
    "ethanol": "ethanol",
    "malonaldehyde": "malonaldehyde",
    "naphthalene": "naphthalene",
    "paracetamol": "paracetamol",
    "salicylic_acid": "salicylic",
    "toluene": "toluene",
    "uracil": "uracil",
}
"""Part → the publisher's name."""

SPLITS = {
    f"{half}_0{k}": f"rmd17/splits/index_{half}_0{k}.csv" for k in range(1, 6) for half in ("train", "test")
}


def _member(name: str) -> str:
    return f"rmd17/npz_data/rmd17_{MOLECULES[name]}.npz"


def _frames(name: str) -> int:
    return 99_988 if name == "azobenzene" else 100_000


def _card(name: str) -> Card:
    molecule, frames = name.replace("_", " "), _frames(name)
    return Card(
        name=f"rmd17:{name}",
        title=f"rMD17 {molecule}",
        description=f"{frames:,} frames of {molecule} drawn from MD17 "
        "and recomputed; the splits train_01 … test_05 are the published ones, 1,000 frames each. Do not "
        "train on more than 1,000 frames: the trajectory is highly correlated.",
        licence="CC0-1.0",
        citation="A. S. Christensen, O. A. von Lilienfeld, Mach. Learn.: Sci. Technol. 1, 045018 (2020)",
        level_of_theory="PBE/def2-SVP, very tight SCF convergence and a dense integration grid",
        url="https://doi.org/10.6084/m9.figshare.12672038",
        properties=records("energy", "forces"),
        files={ARCHIVE: FileRecord(url="https://figshare.com/ndownloader/files/23950376")},
        folders=("rmd17",),
        n_structures=frames,
        verified="on hand-made archives in the published format, never on the whole download",
    )


def _inputs(name: str, folder: Path) -> list[Path]:
    return first_layout(folder, [_member(name), *SPLITS.values()], [ARCHIVE])


def _read(name: str, folder: Path) -> Iterator[Structures]:
    content = _members(_inputs(name, folder), folder, [_member(name)])
    with np.load(io.BytesIO(content[_member(name)])) as npz:
        z, R, E, F = (npz[key] for key in ("nuclear_charges", "coords", "energies", "forces"))
    yield from trajectory(z, R, {"energy": E, "forces": F}, name, KCAL_PER_MOL)


def _splits(name: str, folder: Path) -> Mapping[str, np.ndarray]:
    """The five published ones; they count to 100,000, which azobenzene does not quite have."""
    content = _members(_inputs(name, folder), folder, list(SPLITS.values()))
    rows = {split: np.array(content[m].decode().split(), dtype=np.int64) for split, m in SPLITS.items()}
    return {split: chosen[chosen < _frames(name)] for split, chosen in rows.items()}


def _members(paths: list[Path], folder: Path, wanted: list[str]) -> dict[str, bytes]:
    """Content of files by their names in the archive; the archive is read once, no further than needed.

    Raises
    ------
    ValueError
        The archive lacks some of them.
    """
    if paths[0].name != ARCHIVE:
        return {name: (folder / name).read_bytes() for name in wanted}
    found: dict[str, bytes] = {}
    with tarfile.open(paths[0], "r|bz2") as archive:
        for member in archive:
            name = member.name.removeprefix("./")
            if name in wanted and (file := archive.extractfile(member)) is not None:
                found[name] = file.read()
            if len(found) == len(wanted):
                return found
    missing = [name for name in wanted if name not in found]
    raise ValueError(f"{paths[0]} has no {', '.join(missing[:3])}; download it again")


parts = {
    name: Part(
        _card(name), partial(_inputs, name), partial(_read, name), str(__file__), partial(_splits, name)
    )
    for name in MOLECULES
}
