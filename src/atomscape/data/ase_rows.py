"""Rows of ASE's databases, in SQLite or LMDB: what its calculators know as results, the rest in ``data``."""

from __future__ import annotations

from typing import Any

import numpy as np
from ase import Atoms
from ase.db.row import AtomsRow

from atomscape.atoms.ase import RESULTS
from atomscape.atoms.stresses import to_voigt
from atomscape.data.described import Described

GEOMETRY = ("numbers", "positions", "cell", "pbc")


def row_of(row: dict[str, Any], number: int) -> dict[str, Any]:
    """A row in the names of ASE's databases; times and users are left out: the same data, the same file.

    ``number`` makes what ASE calls the unique id; ids of ours may repeat. Unknown values are NaN. The stress
    is ASE's: six numbers, tension positive.
    """
    labels = {k: v for k, v in row.items() if k not in (*GEOMETRY, "id")}
    results = {theirs: labels.pop(ours) for ours, theirs in RESULTS.items() if ours in labels}
    if "stress" in results:
        results["stress"] = to_voigt(results["stress"])
    made = {k: row[k] for k in GEOMETRY} | {"unique_id": f"{number:032x}"}
    made |= {"ctime": 0.0, "mtime": 0.0, "user": ""}
    calculator = {"calculator": "unknown", "calculator_parameters": {}} if results else {}
    data = {"id": row["id"], **_plain(labels)}
    return {**made, **calculator, **_plain(results), "data": data}


def atoms_of_row(row: AtomsRow, told: Described) -> Atoms:
    """Structure of a row, with ``data`` and ``key_value_pairs``; a description tells what is an array."""
    atoms = row.toatoms(add_additional_information=True)
    data = dict(atoms.info.get("data") or {})
    if "id" in data:
        atoms.info["id"] = str(data.pop("id"))
        atoms.info["data"] = data
    if told.per:
        atoms.info.pop("data", None)
        for name, value in data.items():
            place = atoms.arrays if told.per.get(name) == "atom" else atoms.info
            place[name] = np.asarray(value, dtype=np.float64) if np.ndim(value) else value
        atoms.info |= told.units
    return atoms


def _plain(values: dict[str, Any]) -> dict[str, Any]:
    return {k: v if np.ndim(v) else float(v) for k, v in values.items()}
