"""Make the fixed splits of the experiments; needs the data under ``ATOMSCAPE_DATA``.

``python experiments/splits/make.py`` writes the files beside it; running it again gives the same bytes.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from atomscape.atoms.formulas import reduced_formulas
from atomscape.data.groups.duplicates import name_groups
from atomscape.data.load import load
from atomscape.data.sources.mlearn import SIZES
from atomscape.data.splits import Split, random_split, write_index_file
from atomscape.data.store import Store
from atomscape.recipes.missing_atom import missing_atom_split

PARTS = {"train": 5000, "val": 1000, "test": 3000}
SEED = 0

FEW = 1000
"""Molecules of the smaller training part of QM9, drawn from the larger one; the other parts are the same."""

MISSING_ATOM_SEEDS = (0, 1, 2)

VACANCIES = {"train": 12000, "val": 500, "test": 1000}
"""Crystals of 2 to 20 atoms; no reduced formula stands in two parts."""

LIPS = {"train": 100, "val": 20, "test": 40}

VALIDATE = 50
"""Frames of 3BPA at 300 K that validate, as in the paper of MACE; of mlearn one in ten does."""


def main() -> None:
    """Write all of them; the name says of which dataset and for which experiment."""
    here = Path(__file__).parent
    qm9 = load("qm9")
    split = random_split(len(qm9), PARTS, SEED)
    write_index_file(here / "qm9_5k.json", split, qm9, SEED, prefix="gdb_")
    few = np.random.default_rng(SEED).permutation(split["train"])[:FEW]
    write_index_file(here / "qm9_1k.json", {**split, "train": np.sort(few)}, qm9, SEED, prefix="gdb_")
    for seed in MISSING_ATOM_SEEDS:
        path = here / f"qm9_missing_atom_seed{seed}.json"
        write_index_file(path, missing_atom_split(qm9, seed), qm9, seed, prefix="gdb_")
    crystals = load("materials_project")
    labelled = np.flatnonzero(np.isfinite(crystals.values("formation_energy")))
    split = random_split(labelled, PARTS, SEED)
    write_index_file(here / "mp_5k.json", split, crystals, SEED, prefix="")
    write_index_file(
        here / "mp_vacancies.json", vacancies_split(crystals, labelled), crystals, SEED, prefix=""
    )
    potentials(here)


def potentials(here: Path) -> None:
    """Splits of the data sets that potentials are compared on, without what stands in two parts."""
    lips = load("lips")
    write_index_file(here / "lips.json", random_split(len(lips), LIPS, SEED), lips, SEED, prefix=None)
    molecule = load("3bpa")
    split = without_copies(molecule, "train_300K", "train_mixedT", VALIDATE)
    write_index_file(here / "3bpa.json", split, molecule, SEED, prefix=None)
    for element in SIZES:
        crystal = load(f"mlearn:{element}")
        split = without_copies(crystal, "train", "test", round(len(crystal.split("train")) / 10))
        write_index_file(here / f"mlearn_{element}.json", split, crystal, SEED, prefix=None)


def without_copies(store: Store, train: str, test: str, validate: int) -> Split:
    """Two fixed splits of a data set, less what of the second stands in the first too, however it is turned.

    ``validate`` structures of the first validate; copies of one structure stay on one side.
    """
    kinds = np.unique(list(name_groups([store[range(len(store))]])), return_inverse=True)[1]
    first, second = store.split(train), store.split(test)
    order = np.random.default_rng(SEED).permutation(kinds.max() + 1)
    line = first[np.argsort(order[kinds[first]], kind="stable")]
    drawn = set(kinds[line[:validate]].tolist())
    val = np.isin(kinds[first], list(drawn))
    clean = ~np.isin(kinds[second], kinds[first])
    return {"train": first[~val], "val": first[val], "test": second[clean]}


def vacancies_split(crystals: Store, rows: np.ndarray) -> Split:
    """Parts between which no reduced formula is shared, drawn formula by formula."""
    counts = np.asarray(crystals.counts)[rows]
    rows = rows[(counts >= 2) & (counts <= 20)]
    formula = np.unique(reduced_formulas(crystals[rows.tolist()]), return_inverse=True)[1]
    order = np.random.default_rng(SEED).permutation(formula.max() + 1)
    line = rows[np.argsort(order[formula], kind="stable")]
    place = np.sort(order[formula])
    first = np.r_[0, np.flatnonzero(np.diff(place)) + 1, len(line)]
    split, start = {}, 0
    for name, size in VACANCIES.items():
        end = int(first[np.searchsorted(first, start + size, side="right") - 1])
        split[name], start = np.sort(line[start:end]), end
    return split


if __name__ == "__main__":
    main()
