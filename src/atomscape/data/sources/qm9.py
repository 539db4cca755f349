"""QM9: 130,831 stable organic molecules of up to nine C, N, O, F atoms at B3LYP/6-31G(2df,p).

Two layouts are read:

- ``qm9.npz``: packed arrays ``index n_atoms z pos targets target_names target_units split`` (part without F);
- ``dsgdb9nsd.xyz.tar.bz2`` with ``uncharacterized.txt``: the publisher's archive of 133,885 files, of which
  the 3,054 that failed the publisher's consistency check are dropped.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path

import numpy as np

from atomscape.atoms.structures import Structures
from atomscape.data.card import Card
from atomscape.data.packed import packed_batches
from atomscape.units import BOHR, CAL_PER_MOL_K, DEBYE, HARTREE

PACKED = "qm9.npz"
PROPERTY_OF = {
    "U0": "energy_zero_kelvin",
    "U": "internal_energy",
    "H": "enthalpy",
    "G": "free_energy",
    "mu": "dipole_norm",
    "alpha": "isotropic_polarizability",
    "homo": "homo",
    "lumo": "lumo",
    "gap": "gap",
    "r2": "electronic_spatial_extent",
    "zpve": "zero_point_energy",
    "cv": "heat_capacity",
}
FACTOR_OF = {"Ha": HARTREE, "D": DEBYE, "bohr^3": BOHR**3, "bohr^2": BOHR**2, "cal/mol/K": CAL_PER_MOL_K}

card = Card(
    name="qm9",
    title="QM9",
    description="Geometries and properties of small organic molecules from GDB-17 in their relaxed state.",
    licence="CC0-1.0",
    citation="R. Ramakrishnan, P. O. Dral, M. Rupp, O. A. von Lilienfeld, Sci. Data 1, 140022 (2014); "
    "L. Ruddigkeit et al., J. Chem. Inf. Model. 52, 2864 (2012)",
    level_of_theory="B3LYP/6-31G(2df,p), harmonic thermochemistry at 298.15 K",
    url="https://doi.org/10.6084/m9.figshare.c.978904",
    properties=tuple(PROPERTY_OF.values()),  # pyright: ignore[reportArgumentType]
)


def inputs(folder: Path) -> list[Path]:
    """Files that ``read`` will use."""
    packed = folder / PACKED
    return [packed] if packed.is_file() else []


def read(folder: Path) -> Iterator[Structures]:
    """Molecules with twelve properties; ids are ``gdb_<index>``."""
    with np.load(folder / PACKED) as file:
        arrays = {name: file[name] for name in file.files}
    names, units = arrays["target_names"].tolist(), arrays["target_units"].tolist()
    labels = {
        PROPERTY_OF[name]: arrays["targets"][:, k] * FACTOR_OF[unit]
        for k, (name, unit) in enumerate(zip(names, units, strict=True))
    }
    ids = [f"gdb_{i}" for i in arrays["index"].tolist()]
    yield from packed_batches(arrays["n_atoms"], arrays["z"], arrays["pos"], None, labels, ids)


def splits(folder: Path) -> Mapping[str, np.ndarray]:
    """Return the split stored in the packed file: train, val, test."""
    with np.load(folder / PACKED) as file:
        part = file["split"]
    return {name: np.flatnonzero(part == k) for k, name in enumerate(("train", "val", "test"))}
