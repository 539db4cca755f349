"""Matbench v0.1: the nine tasks that start from a structure, with the official five folds.

Each part is one file ``matbench_TASK.json.gz``: a table ``{"columns": ["structure", TARGET], "data": […]}``
of pymatgen structures. Folds are those of A. Dunn et al., npj Comput. Mater. 6, 138 (2020): scikit-learn's
``KFold`` (regression) or ``StratifiedKFold`` (classification) with 5 parts, shuffled, random state 18012019,
over the rows in the order of the file. ``fold_0_train`` and ``fold_0_test`` to ``fold_4_test`` are offered as
splits; what to validate on is the user's choice, out of the training part.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from atomscape.atoms.properties import Property, free_property
from atomscape.atoms.structures import Structures
from atomscape.data.card import Card, FileRecord, records
from atomscape.data.json_stream import file_items
from atomscape.data.pymatgen_json import read_structure
from atomscape.data.rows import Row, batched
from atomscape.data.source import Part, first_layout
from atomscape.units import MEV

ADDRESS = "https://ml.materialsproject.org/projects"
FOLDS, RANDOM_STATE = 5, 18012019
STATED = "https://github.com/hackingmaterials/matminer/blob/main/matminer/datasets/dataset_metadata.json"


@dataclass(frozen=True)
class Task:
    """A task: its target (name in our vocabulary, or a property of its own), and where its data are from."""

    n: int
    sha256: str
    target: Property | str
    level: str
    cite: str
    factor: float = 1.0
    classes: bool = False


def _own(name: str, unit: str, description: str) -> Property:
    return free_property(name, "structure", unit, description=description)


_MP = ("PBE and PBE+U, Materials Project of April 2019", "A. Jain et al., APL Mater. 1, 011002 (2013)")
_ELASTIC = ("PBE, Materials Project of April 2019", "M. de Jong et al., Sci. Data 2, 150009 (2015)")

TASKS = {
    "jdft2d": Task(
        636,
        "26057dc4524e193e32abffb296ce819b58b6e11d1278cae329a2f97817a4eddf",
        "exfoliation_energy",
        "OptB88vdW, JARVIS",
        "K. Choudhary et al., Sci. Rep. 7, 5179 (2017)",
        factor=MEV,
    ),
    "phonons": Task(
        1_265,
        "4db551f21ec5f577e6202725f10e34dfc509aa7df3a6bdaac497da7f6dbbb9b3",
        _own("highest_phonon_peak", "1/cm", "last peak of the phonon density of states"),
        "PBEsol density-functional perturbation theory, ABINIT",
        "G. Petretto et al., Sci. Data 5, 180065 (2018)",
    ),
    "dielectric": Task(
        4_764,
        "83befa09bc2ec2f4b6143afc413157827a90e5e2e42c1eb507ccfa01bf26a1d6",
        "refractive_index",
        _MP[0],
        "I. Petousis et al., Sci. Data 4, 160134 (2017)",
    ),
    "log_gvrh": Task(
        10_987,
        "098af941f4c663270f1fe21abf20ffad6fb85ecbfcba5786ceac03983ac29da7",
        _own("log10_shear_modulus", "1", "log₁₀ of the Voigt–Reuss–Hill shear modulus in GPa"),
        *_ELASTIC,
    ),
    "log_kvrh": Task(
        10_987,
        "44b113ddb7e23aa18731a62c74afa7e5aa654199e0db5f951c8248a00955c9cd",
        _own("log10_bulk_modulus", "1", "log₁₀ of the Voigt–Reuss–Hill bulk modulus in GPa"),
        *_ELASTIC,
    ),
    "perovskites": Task(
        18_928,
        "4641e2417f8ec8b50096d2230864468dfa08278dc9d257c327f65d0305278483",
        _own("heat_of_formation", "eV", "heat of formation of the cell, with oxygen from water vapour"),
        "RPBE",
        "I. E. Castelli et al., Energy Environ. Sci. 5, 9034 (2012)",
    ),
    "mp_gap": Task(
        106_113, "58b65746bd88329986ed66031a2ac1369c7c522f7bc9f9081528e07097c2c057", "gap", *_MP
    ),
    "mp_is_metal": Task(
        106_113,
        "9a028ed5750a4c76ca36e9f3c8d48fe0bf3fb21b76ec2289e58ae7048d527919",
        _own("is_metal", "1", "1 for a metal, 0 for a crystal with a gap"),
        *_MP,
        classes=True,
    ),
    "mp_e_form": Task(
        132_752, "dedcb1d4ba2e3e50dbdd45ba5bc647a00e9c2bcf8f8bf556dc8e92caa39eb21f", "formation_energy", *_MP
    ),
}  # fmt: skip
"""Numbers of rows and checksums as matminer's metadata state them."""


def _file(name: str) -> str:
    return f"matbench_{name}.json.gz"


def _inputs(name: str, folder: Path) -> list[Path]:
    return first_layout(folder, [_file(name)])


def _table(name: str, folder: Path) -> Iterator[list[Any]]:
    """Rows ``[structure, target]`` of the table, in its order."""
    return file_items(folder / _file(name), "data")


def _read(name: str, folder: Path) -> Iterator[Structures]:
    """Crystals in the order of the file; ids are Matbench's, ``mb-dielectric-0001`` first."""
    task = TASKS[name]
    digits, properties = len(str(task.n)), records(task.target)
    rows = (
        Row(
            f"mb-{name.replace('_', '-')}-{k:0{digits}d}",
            *read_structure(structure),
            {properties[0].name: float(target) * task.factor},
        )
        for k, (structure, target) in enumerate(_table(name, folder), start=1)
    )
    return batched(rows, properties)


def _splits(name: str, folder: Path) -> Mapping[str, np.ndarray]:
    """The official folds: ``fold_K_train`` and ``fold_K_test``."""
    return folds(np.array([float(target) for _, target in _table(name, folder)]), TASKS[name].classes)


def folds(targets: np.ndarray, classes: bool) -> dict[str, np.ndarray]:
    """Five folds over rows with these targets; those of ``classes`` keep the shares of the classes."""
    from sklearn.model_selection import KFold, StratifiedKFold

    kind = StratifiedKFold if classes else KFold
    found: dict[str, np.ndarray] = {}
    rule = kind(n_splits=FOLDS, shuffle=True, random_state=RANDOM_STATE)
    for k, (train, test) in enumerate(rule.split(np.zeros((len(targets), 1)), targets)):
        found |= {f"fold_{k}_train": train, f"fold_{k}_test": test}
    return found


def _part(name: str, task: Task) -> Part:
    target = records(task.target)[0]
    card = Card(
        name=f"matbench:{name}",
        title=f"Matbench {name}",
        description=f"{task.n:,} structures; the target is {target.name} ({target.description}, in "
        f"{target.unit}). Scores are means over the five folds.",
        licence="CC-BY-4.0" if "Materials Project" in task.level else "see the publication of the data",
        citation=f"A. Dunn et al., npj Comput. Mater. 6, 138 (2020); {task.cite}",
        level_of_theory=task.level,
        url=f"{ADDRESS}/matbench_{name}",
        properties=(target,),
        folders=("matbench",),
        files={
            _file(name): FileRecord(
                url=f"{ADDRESS}/{_file(name)}", sha256=task.sha256, stated_at=STATED
            )
        },
        verified="on a hand-made table in the form of the files, never on a whole download; folds by the "
        "rule that made the official ones",
    )  # fmt: skip
    return Part(card, partial(_inputs, name), partial(_read, name), __file__, splits=partial(_splits, name))


parts = {name: _part(name, task) for name, task in TASKS.items()}
