"""Make the fixed splits of the experiments; needs the data under ``ATOMSCAPE_DATA``.

``python experiments/splits/make.py`` writes the files beside it; running it again gives the same bytes.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from atomscape.data.load import load
from atomscape.data.splits import random_split, write_index_file
from atomscape.recipes.missing_atom import missing_atom_split

PARTS = {"train": 5000, "val": 1000, "test": 3000}
SEED = 0

MISSING_ATOM_SEEDS = (0, 1, 2)


def main() -> None:
    """Write ``qm9_5k`` (any molecule), ``qm9_missing_atom_seedN`` and ``mp_5k`` (MP-20 formation energy)."""
    here = Path(__file__).parent
    qm9 = load("qm9")
    write_index_file(here / "qm9_5k.json", random_split(len(qm9), PARTS, SEED), qm9, SEED, prefix="gdb_")
    for seed in MISSING_ATOM_SEEDS:
        path = here / f"qm9_missing_atom_seed{seed}.json"
        write_index_file(path, missing_atom_split(qm9, seed), qm9, seed, prefix="gdb_")
    crystals = load("materials_project")
    labelled = np.flatnonzero(np.isfinite(crystals.values("formation_energy")))
    split = random_split(labelled, PARTS, SEED)
    write_index_file(here / "mp_5k.json", split, crystals, SEED, prefix="")


if __name__ == "__main__":
    main()
