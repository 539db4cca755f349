"""RDB7: gas-phase reactions of organic molecules; reactant, transition state and product of each.

Layouts:

- ``rdb7.npz`` with ``rdb7_smiles.txt.gz`` beside it (not needed for reading): packed arrays
  ``rxn n_atoms z pos_r pos_ts pos_p dE0``;
- the archive of the data's repository, a zip file with ``data/rdb7/…/rxnNNNNNN/{r,ts,p}NNNNNN.xyz`` and a
  table ``rxn,smiles,dE0``.

All three geometries have the same atoms in the same order. Barriers are in kcal/mol in both.
"""

from __future__ import annotations

import csv
import gzip
import io
import itertools
import zipfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from ase.data import atomic_numbers

from atomscape.atoms.structures import Structures
from atomscape.data.card import Card, FileRecord, records
from atomscape.data.packed import packed_batches
from atomscape.data.source import first_layout, no_splits
from atomscape.units import KCAL_PER_MOL

PACKED, SMILES = "rdb7.npz", "rdb7_smiles.txt.gz"
ARCHIVE = "reaction_database-d99af015.zip"
COMMIT = "d99af015d304fe5368ebd45c763caf49b28a8fd3"
ROLES = {"reactant": "r", "ts": "ts", "product": "p"}
"""Members of a reaction, and the beginning of their files' names."""

BATCH = 2048
_URL = "https://github.com/heid-lab/reaction_database"

card = Card(
    name="rdb7",
    title="RDB7 reactions",
    description="Elementary reactions of molecules of up to seven C, N, O atoms. Ids are "
    "'rxn<number>/reactant', '/ts' and '/product', so that the three stay together; reaction_role is 0, 1, "
    "2. barrier is that of the forward reaction, with zero-point energies, and stands at all three: predict "
    "it from the reactant, from the transition state, or from both ends. Total energies are not published "
    "with the geometries. Some products are two molecules.",
    licence="CC-BY-4.0",
    citation="K. Spiekermann, L. Pattanaik, W. H. Green, Sci. Data 9, 417 (2022); C. A. Grambow, L. "
    "Pattanaik, W. H. Green, Sci. Data 7, 137 (2020)",
    level_of_theory="CCSD(T)-F12a/cc-pVDZ-F12 at geometries of ωB97X-D3/def2-TZVP",
    url="https://doi.org/10.5281/zenodo.6618262",
    properties=records("barrier", "reaction_role"),
    files={ARCHIVE: FileRecord(url=f"{_URL}/archive/{COMMIT}.zip")},
    verified="packed layout: on 10,804 of the 11,926 reactions; archive: on a hand-made one around published "
    "rows, never on the whole download. The publisher of the archive states no checksum.",
)
splits = no_splits


def inputs(folder: Path) -> list[Path]:
    """The packed file, else the archive."""
    return first_layout(folder, [PACKED], [ARCHIVE])


def read(folder: Path) -> Iterator[Structures]:
    """Three structures per reaction, in the order reactant, transition state, product."""
    path = inputs(folder)[0]
    yield from _read_packed(path) if path.name == PACKED else read_archive(path)


def smiles(folder: Path) -> dict[int, str]:
    """Number of each reaction → atom-mapped ``reactants>>products``, atom ``k`` of the geometries mapped to
    k.

    Raises
    ------
    FileNotFoundError
        The file with the SMILES is not in the folder.
    """
    if (path := folder / SMILES).is_file():
        lines = gzip.decompress(path.read_bytes()).decode().splitlines()
        return {int(number): text for number, text in (line.split("\t") for line in lines)}
    if (path := folder / ARCHIVE).is_file():
        with zipfile.ZipFile(path) as archive:
            return {int(row["rxn"]): row["smiles"] for row in _table(archive, path)}
    raise FileNotFoundError(f"neither {SMILES} nor {ARCHIVE} is in {folder}")


def read_archive(path: Path) -> Iterator[Structures]:
    """Reactions of the repository's archive, in the order of its table.

    Raises
    ------
    ValueError
        There is no table, a geometry is missing, or the three of a reaction have other atoms.
    """
    with zipfile.ZipFile(path) as archive:
        files = {name.rsplit("/", 1)[-1]: name for name in archive.namelist() if name.endswith(".xyz")}
        rows = iter(_table(archive, path))
        while batch := list(itertools.islice(rows, BATCH)):
            read = [_geometries(archive, files, int(row["rxn"]), path) for row in batch]
            yield from _batch(
                np.array([int(row["rxn"]) for row in batch]),
                [numbers for numbers, _ in read],
                [positions for _, positions in read],
                np.array([float(row["dE0"]) for row in batch]),
            )


def _table(archive: zipfile.ZipFile, path: Path) -> list[dict[str, str]]:
    """Rows of the longest table with the columns wanted: there are halves of it for splits."""
    found: list[dict[str, str]] = []
    for name in archive.namelist():
        if "rdb7" in name and name.endswith(".csv") and "reverse" not in name:
            rows = list(csv.DictReader(io.StringIO(archive.read(name).decode())))
            if rows and {"rxn", "smiles", "dE0"} <= rows[0].keys() and len(rows) > len(found):
                found = rows
    if not found:
        raise ValueError(f"{path} has no table of RDB7 with the columns rxn, smiles, dE0")
    return found


def _geometries(
    archive: zipfile.ZipFile, files: dict[str, str], rxn: int, path: Path
) -> tuple[np.ndarray, np.ndarray]:
    """Atomic numbers [atoms] and positions [3, atoms, 3] of a reaction."""
    numbers, positions = [], []
    for letter in ROLES.values():
        name = f"{letter}{rxn:06d}.xyz"
        if name not in files:
            raise ValueError(f"{path}: reaction {rxn} has no {name}")
        lines = archive.read(files[name]).decode().splitlines()
        atoms = [line.split() for line in lines[2 : 2 + int(lines[0])]]
        numbers.append([atomic_numbers[a[0]] for a in atoms])
        positions.append([[float(x) for x in a[1:4]] for a in atoms])
    if not numbers[0] == numbers[1] == numbers[2]:
        raise ValueError(f"{path}: the three geometries of reaction {rxn} have different atoms")
    return np.array(numbers[0]), np.array(positions)


def _read_packed(path: Path) -> Iterator[Structures]:
    with np.load(path) as file:
        d = {name: file[name] for name in file.files}
    ends = np.cumsum(d["n_atoms"], dtype=np.int64)[:-1]
    numbers = np.split(d["z"], ends)
    positions = [
        np.stack(p) for p in zip(*(np.split(d[f"pos_{k}"], ends) for k in ROLES.values()), strict=True)
    ]
    for a in range(0, len(numbers), BATCH):
        here = slice(a, a + BATCH)
        yield from _batch(d["rxn"][here], numbers[here], positions[here], d["dE0"][here])


def _batch(
    rxn: np.ndarray, numbers: list[np.ndarray], positions: list[np.ndarray], barriers: np.ndarray
) -> Iterator[Structures]:
    """Structures of some reactions: three times the atoms, then the next reaction."""
    counts = np.repeat([len(z) for z in numbers], 3)
    labels = {
        "barrier": np.repeat(barriers.astype(np.float64), 3) * KCAL_PER_MOL,
        "reaction_role": np.tile(np.arange(3.0), len(rxn)),
    }
    yield from packed_batches(
        counts,
        np.concatenate([np.tile(z, 3) for z in numbers]),
        np.concatenate([p.reshape(-1, 3) for p in positions]),
        None,
        labels,
        [f"rxn{r}/{role}" for r in rxn for role in ROLES],
    )
