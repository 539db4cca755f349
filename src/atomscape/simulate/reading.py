"""From ASE's structures to batches for a potential: geometry, and of labels those that the network reads."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from ase import Atoms

from atomscape.atoms.ase import from_ase
from atomscape.atoms.columns import ID_KEYS
from atomscape.atoms.labels import LabelMap
from atomscape.atoms.structures import Structures
from atomscape.shapes import Bool, Tensor

IDS = (*ID_KEYS, "fid")
"""What a structure is called by in ``info``."""


def structures_of(images: Sequence[Atoms], inputs: Sequence[str] = ()) -> Structures:
    """Batch structures with their ids, without changing them; results of a calculator are not looked at.

    Raises
    ------
    ValueError
        A structure is ill-formed, or lacks a label that the network reads.
    """
    copies = [image.copy() for image in images]  # without calculators
    if not inputs:
        for image in copies:
            image.info = {key: image.info[key] for key in IDS if key in image.info}
    found = from_ase(copies, None if inputs else LabelMap((), len(copies)))
    kept = {name: values for name, values in found.labels.items() if name in inputs}
    return Structures(found.positions, found.numbers, found.cell, found.pbc, found.structure, kept, found.ids)


def fixed_atoms(images: Sequence[Atoms]) -> Bool[Tensor, " atoms"]:
    """Atoms that ``FixAtoms`` holds.

    Raises
    ------
    ValueError
        A structure has a constraint of another kind.
    """
    fixed = []
    for k, image in enumerate(images):
        mine = np.zeros(len(image), dtype=bool)
        for constraint in image.constraints:
            described = constraint.todict()  # by its name: ase.constraints takes a second to import
            if described["name"] != "FixAtoms":
                raise ValueError(
                    f"structure {k} has the constraint {described['name']}; batches know FixAtoms alone. Use "
                    "ASE's optimisers with atomscape's Calculator for others"
                )
            mine[described["kwargs"]["indices"]] = True
        fixed.append(mine)
    return torch.from_numpy(np.concatenate(fixed)) if fixed else torch.zeros(0, dtype=torch.bool)
