"""Tables of crystals with tensors as matminer shipped them: CSV with a POSCAR and tensors as lists in text.

Piezoelectric tensors stand there in the IEEE frame of the crystal class, not in the frame of the structure.
They are turned back by pymatgen's construction of that frame, and kept only where the crystal's own
operations leave them as they are: for some classes the convention does not fix the frame, and the published
choice is unknown.
"""

from __future__ import annotations

import ast
import csv
import io
import json
import sys
import warnings
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, cast

import ase.io
import numpy as np
from ase import Atoms

SYMPREC = 0.01
"""Å up to which atoms count as mapped onto one another."""

SYMMETRIC = 0.02
"""Relative change under the crystal's operations up to which a tensor counts as one in their frame."""


def table_rows(path: Path) -> Iterator[dict[str, str]]:
    """Rows by the names of the columns; a first number without a name is dropped."""
    csv.field_size_limit(min(sys.maxsize, 2**31 - 1))
    with path.open(newline="") as file:
        rows = csv.reader(line for line in file if not line.startswith("# ref"))
        head = next(rows)
        for row in rows:
            yield dict(zip(head[::-1], row[::-1], strict=False))


def structure_of(row: Mapping[str, str]) -> tuple[str, Atoms]:
    """Materials Project id and structure of a row."""
    meta = ast.literal_eval(row["meta"])
    return meta["material_id"], cast(Atoms, ase.io.read(io.StringIO(meta["poscar"]), format="vasp"))


def tensor_of(row: Mapping[str, str], column: str) -> np.ndarray:
    """A tensor that stands as nested lists in text."""
    return np.array(json.loads(row[column]), dtype=np.float64)


def from_ieee_frame(image: Atoms, voigt: np.ndarray) -> np.ndarray:
    """A piezoelectric tensor [3, 6] of the IEEE frame as e_ijk [3, 3, 3] in the frame of the structure.

    Where the crystal's operations would change it by more than ``SYMMETRIC``, it is not known: NaN.

    Raises
    ------
    ImportError
        pymatgen is not installed.
    """
    try:
        from pymatgen.analysis.piezo import PiezoTensor
        from pymatgen.core.tensors import Tensor
        from pymatgen.io.ase import AseAtomsAdaptor
    except ImportError as error:
        raise ImportError(
            "turning tensors out of the IEEE frame needs pymatgen: pip install 'atomscape[crystals]'"
        ) from error
    with warnings.catch_warnings():  # pymatgen and spglib announce what coming versions will do
        warnings.simplefilter("ignore")
        structure = AseAtomsAdaptor.get_structure(cast(Any, image))
        turn = np.asarray(Tensor.get_ieee_rotation(structure)).T
        tensor = np.einsum("ai,bj,ck,ijk->abc", turn, turn, turn, np.asarray(PiezoTensor.from_voigt(voigt)))
        kept = np.asarray(Tensor(tensor).fit_to_structure(structure, symprec=SYMPREC))
    change = np.linalg.norm(kept - tensor)
    return tensor if change <= SYMMETRIC * np.linalg.norm(tensor) else np.full((3, 3, 3), np.nan)
