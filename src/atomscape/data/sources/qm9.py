"""QM9: 130,831 stable organic molecules of up to nine C, N, O, F atoms at B3LYP/6-31G(2df,p).

Two layouts are read:

- ``qm9.npz``: packed arrays ``index n_atoms z pos targets target_names target_units split`` (part without F);
- ``dsgdb9nsd.xyz.tar.bz2`` with ``uncharacterized.txt``: the publisher's archive of 133,885 files, of which
  the 3,054 that failed the publisher's consistency check are dropped.
"""

from __future__ import annotations

import itertools
import tarfile
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np
import torch
from ase.data import atomic_numbers

from atomscape.atoms.properties import PROPERTIES
from atomscape.atoms.structures import Structures
from atomscape.data.card import Card, FileRecord, records
from atomscape.data.packed import packed_batches
from atomscape.data.source import first_layout
from atomscape.units import conversion_factor

PACKED = "qm9.npz"
ARCHIVE, DROPPED = "dsgdb9nsd.xyz.tar.bz2", "uncharacterized.txt"
N_DROPPED = 3054

COLUMNS = ("mu", "alpha", "homo", "lumo", "gap", "r2", "zpve", "U0", "U", "H", "G", "cv")
"""Scalars in the order of the archive's second line, after the index and three rotational constants."""

PROPERTY_OF = {
    "U0": "energy_zero_kelvin",
    "U": "internal_energy",
    "H": "enthalpy",
    "G": "free_energy",
    "mu": "dipole_norm",
    "alpha": "isotropic_polarizability",
    "homo": "homo",
    "lumo": "lumo",
    "gap": "gap",
    "r2": "electronic_spatial_extent",
    "zpve": "zero_point_energy",
    "cv": "heat_capacity",
}
UNIT_OF = {"mu": "D", "alpha": "bohr^3", "r2": "bohr^2", "cv": "cal/mol/K"}
"""Units of the archive; scalars without an entry are in hartree."""

card = Card(
    name="qm9",
    title="QM9",
    description="Geometries and properties of small organic molecules from GDB-17 in their relaxed state. "
    "Energies are totals; the packed layout has no molecules with F and no partial charges.",
    licence="CC0-1.0",
    citation="R. Ramakrishnan, P. O. Dral, M. Rupp, O. A. von Lilienfeld, Sci. Data 1, 140022 (2014); "
    "L. Ruddigkeit et al., J. Chem. Inf. Model. 52, 2864 (2012)",
    level_of_theory="B3LYP/6-31G(2df,p), harmonic thermochemistry at 298.15 K",
    url="https://doi.org/10.6084/m9.figshare.c.978904",
    properties=records(*PROPERTY_OF.values(), "charges"),
    n_structures=130_831,
    files={
        ARCHIVE: FileRecord(
            url="https://ndownloader.figshare.com/files/3195389",
            size=86_144_227,
            md5="ad1ebd51ee7f5b3a6e32e974e5d54012",
            stated_at="https://api.figshare.com/v2/articles/1057646",
        ),
        DROPPED: FileRecord(
            url="https://ndownloader.figshare.com/files/3195404",
            size=486_752,
            md5="a361887bacb427b8a0ce7903d92a53b4",
            stated_at="https://api.figshare.com/v2/articles/1057644",
        ),
    },
    verified="packed layout: on the file itself; archive layout: on hand-made archives around the published "
    "record of molecule 1, never on the whole download",
)


def inputs(folder: Path) -> list[Path]:
    """Files that ``read`` will use: the packed one, else the publisher's two."""
    return first_layout(folder, [PACKED], [ARCHIVE, DROPPED])


def read(folder: Path) -> Iterator[Structures]:
    """Molecules with their properties; ids are ``gdb_<index>``."""
    paths = inputs(folder)
    return _read_packed(paths[0]) if paths[0].name == PACKED else read_archive(paths[0], paths[1])


def splits(folder: Path) -> Mapping[str, np.ndarray]:
    """Packed: train, val, test as stored there; the publisher fixes none."""
    path = inputs(folder)[0]
    if path.name != PACKED:
        return {}
    with np.load(path) as file:
        part = file["split"]
    return {name: np.flatnonzero(part == k) for k, name in enumerate(("train", "val", "test"))}


def read_archive(
    archive: Path, dropped: Path, n_dropped: int = N_DROPPED, size: int = 8192
) -> Iterator[Structures]:
    """Molecules of the publisher's archive in batches, with Mulliken charges.

    Raises
    ------
    ValueError
        A record is not in the QM9 dialect, or the list of molecules to drop has not ``n_dropped`` entries.
    """
    bad = read_dropped(dropped, n_dropped)
    with tarfile.open(archive, "r|bz2") as tar:
        texts = (tar.extractfile(m).read().decode() for m in tar if m.isfile() and m.name.endswith(".xyz"))  # pyright: ignore[reportOptionalMemberAccess]
        records = (r for r in map(parse_record, texts) if r[0] not in bad)
        while batch := list(itertools.islice(records, size)):
            index, numbers, positions, charges, scalars = zip(*batch, strict=True)
            labels = _labels(COLUMNS, [UNIT_OF.get(c, "Ha") for c in COLUMNS], np.array(scalars))
            counts = np.array([len(z) for z in numbers])
            ids = [f"gdb_{i}" for i in index]
            for s in packed_batches(
                counts, np.concatenate(numbers), np.concatenate(positions), None, labels, ids
            ):
                yield s.with_labels(charges=torch.from_numpy(np.concatenate(charges)))


def read_dropped(path: Path, expected: int) -> frozenset[int]:
    """Indices in ``uncharacterized.txt``: the first column of the lines that begin with a number."""
    first = (line.split()[0] for line in path.read_text().splitlines() if line.strip())
    found = frozenset(int(token) for token in first if token.isdigit())
    if len(found) != expected:
        raise ValueError(f"{path} lists {len(found)} molecules, expected {expected}; download it again")
    return found


def parse_record(text: str) -> tuple[int, np.ndarray, np.ndarray, np.ndarray, list[float]]:
    """Index, atomic numbers, positions (Å), charges (e) and twelve scalars (units of the file) of a record.

    Raises
    ------
    ValueError
        The text is not in the QM9 dialect of XYZ.
    """
    lines = text.splitlines()
    try:
        n = int(lines[0])
        head = lines[1].split()
        index, scalars = int(head[1]), [_number(t) for t in head[5:17]]
        atoms = [line.split() for line in lines[2 : n + 2]]
        numbers = np.array([atomic_numbers[a[0]] for a in atoms], dtype=np.int64)
        values = np.array([[_number(t) for t in a[1:5]] for a in atoms], dtype=np.float64).reshape(n, 4)
        if head[0] != "gdb" or len(scalars) != len(COLUMNS):
            raise ValueError(f"line 2 is {lines[1]!r}")
    except (IndexError, KeyError, ValueError) as error:
        raise ValueError(f"not a QM9 record ({error}): {text[:80]!r}") from error
    return index, numbers, values[:, :3], values[:, 3], scalars


def _number(token: str) -> float:
    """Read ``2.1997*^-6``, as Mathematica writes exponents."""
    return float(token.replace("*^", "e"))


def _read_packed(path: Path) -> Iterator[Structures]:
    with np.load(path) as file:
        arrays = {name: file[name] for name in file.files}
    labels = _labels(arrays["target_names"].tolist(), arrays["target_units"].tolist(), arrays["targets"])
    ids = [f"gdb_{i}" for i in arrays["index"].tolist()]
    yield from packed_batches(arrays["n_atoms"], arrays["z"], arrays["pos"], None, labels, ids)


def _labels(columns: Sequence[str], units: Sequence[str], values: np.ndarray) -> dict[str, np.ndarray]:
    """Columns of a table [molecules, columns] in the units of the house."""
    names = [PROPERTY_OF[c] for c in columns]
    return {
        name: values[:, k] * conversion_factor(unit, PROPERTIES[name].unit)
        for k, (name, unit) in enumerate(zip(names, units, strict=True))
    }
