"""mlearn: energies, forces and stresses of six elements (Zuo 2020), one part per element.

Layouts of a part: the repository's ``<element>/training.json`` and ``test.json``, or both in one
``<element>.extxyz.gz``. Energies in eV, forces in eV/Å. Stresses are kbar and positive under compression, and
the six numbers do not stand in the same order everywhere. In Cu, Ni and Mo it is xx yy zz xy xz yz, in Li it
is VASP's xx yy zz xy yz xz; in Si and Ge the strained cells (group "Elastic") have VASP's order and all other
frames the first. The order follows from the data: stresses of strained cells and of slabs are
invariant under the crystal's own operations in one order only, and a pair potential fitted to the forces of
the dynamics predicts the shear stresses in one order only.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
from ase import Atoms

from atomscape.atoms.structures import Structures
from atomscape.data.card import Card, FileRecord, records
from atomscape.data.kbar import stress_from_kbar
from atomscape.data.known_columns import column, entries, read_columns
from atomscape.data.pymatgen_json import read_structure
from atomscape.data.source import Part, first_layout

_ROOT = "https://raw.githubusercontent.com/materialsvirtuallab/mlearn/master/data"
SIZES = {"Cu": 293, "Ge": 253, "Li": 270, "Mo": 217, "Ni": 294, "Si": 239}
"""Element → number of frames."""

PULAY = {"Cu": 2.6, "Ni": 3.0, "Mo": 0.2}
"""Element → GPa by which its stresses lie above the slopes of its energies, where they do."""

HALVES = {"train": "training.json", "test": "test.json"}
VASP, OTHER = "xx yy zz xy yz xz", "xx yy zz xy xz yz"


def order_of(element: str, group: str) -> str:
    """Order of the six numbers of a frame's stress."""
    vasp = element == "Li" or (element in ("Si", "Ge") and group == "Elastic")
    return VASP if vasp else OTHER


def _card(element: str) -> Card:
    pulay = (
        f" Along strained cells stresses lie {PULAY[element]} GPa above the slopes of the energies, as with "
        "an incomplete basis set: energies and stresses have different equilibrium volumes."
        if element in PULAY
        else ""
    )
    return Card(
        name=f"mlearn:{element}",
        title=f"mlearn {element}",
        description=f"{element}: ground state, strained cells, surfaces, and molecular dynamics with and "
        "without a vacancy. The repository's mixed orders of stress components are put right."
        f"{pulay}",
        licence="BSD-3-Clause",
        citation="Y. Zuo et al., J. Phys. Chem. A 124, 731 (2020)",
        level_of_theory="PBE, VASP",
        url="https://github.com/materialsvirtuallab/mlearn",
        properties=records("energy", "forces", "stress"),
        files={f"{element}/{file}": FileRecord(url=f"{_ROOT}/{element}/{file}") for file in HALVES.values()},
        folders=("mlearn",),
        n_structures=SIZES[element],
        verified="packed layout: on the whole set; the repository's JSON: on hand-made files around its "
        "records",
    )


def _inputs(element: str, folder: Path) -> list[Path]:
    return first_layout(folder, [f"{element}/{file}" for file in HALVES.values()], [f"{element}.extxyz.gz"])


def _read(element: str, folder: Path) -> Iterator[Structures]:
    """Frames, ids ``<element>-<k>``; the test frames follow the training frames."""
    paths = _inputs(element, folder)
    if paths[0].suffix == ".gz":
        columns = (column("energy"), column("forces"), column("stress", "tensor", place="info"))
        yield from read_columns(paths[0], columns, lambda k, _: f"{element}-{k}", partial(_stress, element))
        return
    k = 0
    for path in paths:
        batch = [_frame(element, record) for record in json.loads(path.read_text())]
        joined = Structures.concatenate(batch)
        yield _named(joined, element, k)
        k += len(batch)


def _stress(element: str, image: Atoms) -> None:
    order = order_of(element, image.info["group"])
    image.info["tensor"] = stress_from_kbar(image.info["virial_stress"], order)


def _frame(element: str, record: Mapping) -> Structures:
    numbers, positions, cell = read_structure(record["structure"])
    outputs = record["outputs"]
    stress = stress_from_kbar(outputs["virial_stress"], order_of(element, record["group"]))
    labels = {"energy": outputs["energy"], "forces": outputs["forces"], "stress": stress}
    return Structures.of(positions, numbers, cell, True, labels)


def _named(structures: Structures, element: str, first: int) -> Structures:
    return replace(structures, ids=tuple(f"{element}-{first + k}" for k in range(len(structures))))


def _splits(element: str, folder: Path) -> Mapping[str, np.ndarray]:
    """Train and test as published."""
    paths = _inputs(element, folder)
    if paths[0].suffix == ".gz":
        part = np.array(entries(paths[0], "split"))
        return {half: np.flatnonzero(part == half) for half in HALVES}
    train, test = (len(json.loads(path.read_text())) for path in paths)
    return {"train": np.arange(train), "test": np.arange(train, train + test)}


parts = {
    element: Part(
        _card(element),
        partial(_inputs, element),
        partial(_read, element),
        str(__file__),
        partial(_splits, element),
    )
    for element in SIZES
}
