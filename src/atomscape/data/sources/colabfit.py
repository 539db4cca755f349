"""ColabFit Exchange: datasets for interatomic potentials, one Parquet file each on Hugging Face.

Parts:

- ``devset``: ``colabfit.jsonl.gz`` of the Open MatSciML Toolkit, copper of Zuo et al. 2020. Its labels are
  corrected here: energies are per atom, stresses are kbar with the sign of pressure, and xy and yz stand in
  each other's place (against the original, frame by frame);
- ``3BPA_train_300K``, ``3BPA_test_300K``: ``co_0.parquet`` as published. Other sets of the exchange have the
  same columns.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq

from atomscape.atoms.structures import Structures
from atomscape.data.card import Card, FileRecord, records
from atomscape.data.json_lines import json_lines
from atomscape.data.rows import Row, batched
from atomscape.data.source import Part, first_layout
from atomscape.units import KBAR

DEVSET = "colabfit.jsonl.gz"
ADDRESS = "https://huggingface.co/datasets/colabfit"
DEVSET_PROPERTIES = records("energy", "forces", "stress")
PROPERTIES = records("energy", "forces", "gap")


def _file(name: str, folder: Path) -> list[Path]:
    return first_layout(folder, [name])


def _read_devset(folder: Path) -> Iterator[Structures]:
    """Frames of the development set; ids are their rows, each a group of its own."""
    return batched(map(_corrected, json_lines(folder / DEVSET)), DEVSET_PROPERTIES)


def _corrected(line: Mapping[str, Any]) -> Row:
    n, given = len(line["atomic_numbers"]), np.array(line["stress"])
    xx, yy, zz, yz, xz, xy = given[0, 0], given[1, 1], given[2, 2], given[0, 1], given[0, 2], given[1, 2]
    labels = {
        "energy": line["potential-energy"] * n,
        "forces": line["force"],
        "stress": -KBAR * np.array([[xx, xy, xz], [xy, yy, yz], [xz, yz, zz]]),
    }
    pbc = line["pbc"]
    return Row(
        f"colabfit-{line['key']}",
        line["atomic_numbers"],
        line["pos"],
        line["cell"],
        labels,
        (bool(pbc[0]), bool(pbc[1]), bool(pbc[2])),
    )


def read_parquet(path: Path, size: int = 2048) -> Iterator[Structures]:
    """Configurations of a ColabFit Parquet file in batches; ids are configuration ids.

    Units are those of the exchange: Å, eV, eV/Å. Its stresses are left aside, because their sign and their
    normalisation differ from set to set.
    """
    columns = ["configuration_id", "atomic_numbers", "positions", "cell", "pbc", "energy", "atomic_forces"]
    file = pq.ParquetFile(path)
    more = [name for name in ["electronic_band_gap"] if name in file.schema_arrow.names]
    for batch in file.iter_batches(size, columns=columns + more):
        yield from batched(map(_configuration, batch.to_pylist()), PROPERTIES)


def _configuration(row: Mapping[str, Any]) -> Row:
    pbc = tuple(bool(p) for p in row["pbc"])
    cell = np.array(row["cell"], dtype=np.float64) * np.array(pbc)[:, None]
    labels = {"energy": row["energy"], "forces": row["atomic_forces"], "gap": row.get("electronic_band_gap")}
    return Row(
        row["configuration_id"],
        row["atomic_numbers"],
        row["positions"],
        cell,
        labels,
        (pbc[0], pbc[1], pbc[2]),
    )


def _published(name: str, title: str, description: str) -> Part:
    file = f"{name}.parquet"
    card = Card(
        name=f"colabfit:{name}",
        title=title,
        description=description,
        licence="see the dataset card of the exchange",
        citation="D. P. Kovács et al., J. Chem. Theory Comput. 17, 7696 (2021)",
        level_of_theory="ωB97X/6-31G(d)",
        properties=PROPERTIES,
        folders=("colabfit",),
        files={file: FileRecord(url=f"{ADDRESS}/{name}/resolve/main/co/co_0.parquet")},
        url=f"{ADDRESS}/{name}",
        verified="on a hand-made file with the columns of the exchange's schema, never on the download. No "
        "checksum is stated there: the first download is recorded.",
    )
    return Part(card, partial(_file, file), lambda folder: read_parquet(folder / file), __file__)


parts = {
    "devset": Part(
        Card(
            name="colabfit:devset",
            title="ColabFit development set (copper)",
            description="Strained, molten, defective and surface cells of copper: the training set of Zuo et "
            "al. 2020. Corrected by this reader: the file has energies per atom, stresses in kbar with the "
            "sign of pressure, and their xy and yz components exchanged.",
            licence="BSD-3-Clause",
            citation="Y. Zuo et al., J. Phys. Chem. A 124, 731 (2020)",
            level_of_theory="PBE, VASP",
            url="https://materials.colabfit.org",
            properties=DEVSET_PROPERTIES,
            folders=("matsciml_devsets",),
            verified="on the file itself; energies, forces and stresses agree with the original's 262 frames",
        ),
        partial(_file, DEVSET),
        _read_devset,
        __file__,
    ),
    "3BPA_train_300K": _published(
        "3BPA_train_300K",
        title="3BPA at 300 K, training set (ColabFit)",
        description="500 frames of 3-(benzyloxy)pyridin-2-amine at 300 K.",
    ),
    "3BPA_test_300K": _published(
        "3BPA_test_300K",
        title="3BPA at 300 K, test set (ColabFit)",
        description="Frames of 3-(benzyloxy)pyridin-2-amine at 300 K to test on.",
    ),
}  # fmt: skip
