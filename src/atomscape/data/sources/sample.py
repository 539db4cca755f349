"""The embedded sample: small organic molecules with GFN2-xTB energies, forces, dipoles, gaps and charges.

It ships with the package and is made by ``scripts/make_sample.py``; ``sample/molecules.json`` says with which
seed, package versions and settings.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path

import numpy as np

from atomscape.atoms.structures import Structures
from atomscape.data.card import Card, records
from atomscape.data.whole_numbers import read_parts, read_whole_numbers

FILE = "molecules.npz"

card = Card(
    name="sample",
    title="Sample molecules",
    description="Molecules of up to seven C, N, O and F atoms, one relaxed conformer each; some also with "
    "atoms displaced at random, for forces. Ids are SMILES without stereochemistry; 'CCO~1' and 'CCO~2' are "
    "the displaced frames of 'CCO'. The energy is the total energy of the method: valence electrons only.",
    licence="CC0-1.0",
    citation="Geometries and labels made for atomscape. Method: C. Bannwarth, S. Ehlert, S. Grimme, J. Chem. "
    "Theory Comput. 15, 1652 (2019), as implemented in tblite",
    level_of_theory="GFN2-xTB, gas phase, electronic temperature 300 K",
    properties=records("energy", "forces", "dipole", "gap", "charges"),
    embedded="sample",
    verified="the file that ships",
)


def inputs(folder: Path) -> list[Path]:
    """Files that ``read`` will use."""
    return [path] if (path := folder / FILE).is_file() else []


def read(folder: Path) -> Iterator[Structures]:
    """Molecules in free space, each relaxed frame followed by its displaced ones."""
    yield from read_whole_numbers(folder / FILE)


def splits(folder: Path) -> Mapping[str, np.ndarray]:
    """Train, val, test; all frames of a molecule are in one part."""
    return read_parts(folder / FILE)
