"""MD17 ethanol: frames of one molecule, kept in one ``.npz`` with kcal/mol (Chmiela et al. 2017).

The file has ``z`` [9], ``R`` [frames, 9, 3] in Å, ``E`` [frames] in kcal/mol, ``F`` [frames, 9, 3] per Å.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path

import numpy as np
import torch

from atomscape.atoms.structures import Structures
from atomscape.data.card import Card, FileRecord, records
from atomscape.units import KCAL_PER_MOL

FILE = "md17_ethanol.npz"
BATCH = 1000

card = Card(
    name="ethanol",
    title="MD17 ethanol",
    description="Frames of molecular dynamics at 500 K.",
    licence="see the publisher's page",
    citation="S. Chmiela et al., Sci. Adv. 3, e1603015 (2017)",
    level_of_theory="PBE+vdW-TS",
    url="http://www.sgdml.org/",
    properties=records("energy", "forces"),
    files={FILE: FileRecord(url="http://www.quantum-machine.org/gdml/data/npz/md17_ethanol.npz")},
    verified="a file made by hand in this layout",
)


def inputs(folder: Path) -> list[Path]:
    """Files that ``read`` will use."""
    return [path] if (path := folder / FILE).is_file() else []


def read(folder: Path) -> Iterator[Structures]:
    """Frames in batches; units are converted here and nowhere else."""
    with np.load(folder / FILE) as file:
        z, R, E, F = (torch.from_numpy(file[k]) for k in ("z", "R", "E", "F"))
    for start in range(0, len(R), BATCH):
        r, e, f = (t[start : start + BATCH].double() for t in (R, E, F))
        n = len(r)
        yield Structures(
            positions=r.reshape(-1, 3),
            numbers=z.long().repeat(n),
            cell=torch.zeros(n, 3, 3, dtype=torch.float64),
            pbc=torch.zeros(n, 3, dtype=torch.bool),
            structure=torch.arange(n).repeat_interleave(len(z)),
            labels={"energy": e.reshape(-1) * KCAL_PER_MOL, "forces": f.reshape(-1, 3) * KCAL_PER_MOL},
            ids=tuple(f"ethanol-{start + i}" for i in range(n)),
        )


def splits(folder: Path) -> Mapping[str, np.ndarray]:
    """The publisher fixed none."""
    return {}
