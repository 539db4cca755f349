"""MD17: molecular dynamics of small molecules with energies and forces, one part per molecule and level.

Layouts of a part:

- the publisher's ``npz`` with ``z R E F`` (Å, kcal/mol, kcal/mol/Å); for coupled cluster a zip archive of
  two, ``…-train.npz`` and ``…-test.npz``;
- for three parts an excerpt in extended XYZ, each in units of its own.
"""

from __future__ import annotations

import io
import zipfile
from collections.abc import Iterator, Mapping
from functools import partial
from pathlib import Path

import numpy as np

from atomscape.atoms.structures import Structures
from atomscape.data.card import Card, FileRecord, records
from atomscape.data.known_columns import column, numbered, read_columns
from atomscape.data.source import Part, first_layout
from atomscape.data.trajectories import trajectory
from atomscape.units import KCAL_PER_MOL

_ROOT = "http://www.quantum-machine.org/gdml/data/npz"
_DFT, _CC = (
    "PBE with Tkatchenko–Scheffler van der Waals correction",
    "coupled cluster, {}; basis in the paper",
)

MOLECULES = {
    "aspirin": ("md17_aspirin.npz", 211_762, _DFT),
    "azobenzene": ("azobenzene_dft.npz", 99_999, _DFT),
    "benzene": ("md17_benzene2017.npz", 627_983, _DFT),
    "ethanol": ("md17_ethanol.npz", 555_092, _DFT),
    "malonaldehyde": ("md17_malonaldehyde.npz", 993_237, _DFT),
    "naphthalene": ("md17_naphthalene.npz", 326_250, _DFT),
    "paracetamol": ("paracetamol_dft.npz", 106_490, _DFT),
    "salicylic_acid": ("md17_salicylic.npz", 320_231, _DFT),
    "toluene": ("md17_toluene.npz", 442_790, _DFT),
    "uracil": ("md17_uracil.npz", 133_770, _DFT),
    "aspirin_ccsd": ("aspirin_ccsd.zip", 1_500, _CC.format("CCSD")),
    "benzene_ccsd_t": ("benzene_ccsd_t.zip", 1_500, _CC.format("CCSD(T)")),
    "ethanol_ccsd_t": ("ethanol_ccsd_t.zip", 2_000, _CC.format("CCSD(T)")),
    "malonaldehyde_ccsd_t": ("malonaldehyde_ccsd_t.zip", 1_500, _CC.format("CCSD(T)")),
    "toluene_ccsd_t": ("toluene_ccsd_t.zip", 1_501, _CC.format("CCSD(T)")),
}
"""Part → the publisher's file, its number of frames, level of theory."""

EXCERPTS = {
    "ethanol": ("ethanol_md17_pbe_2000_kcal.xyz.gz", "kcal/mol"),
    "ethanol_ccsd_t": ("ethanol_1000_eV.xyz.gz", "eV"),
    "aspirin_ccsd": ("aspirin_1000_meV.xyz.gz", "meV"),
}
"""Part → its excerpt and the excerpt's unit of energy; forces are in that unit per Å."""


def _card(name: str) -> Card:
    file, frames, level = MOLECULES[name]
    molecule = name.partition("_cc")[0].replace("_", " ")
    presumed = (
        " The excerpt does not state its level; its energies are those of the coupled-cluster set."
        if name in EXCERPTS and "_cc" in name
        else ""
    )
    excerpt = f"on an excerpt in {EXCERPTS[name][1]}; " if name in EXCERPTS else ""
    return Card(
        name=f"md17:{name}",
        title=f"MD17 {molecule}" + (", coupled cluster" if "_cc" in name else ""),
        description=f"{frames:,} frames of {molecule} from ab-initio molecular dynamics at 500 K. "
        "Neighbouring frames are nearly the same; train on 1,000 at most, and see rmd17 for labels with less "
        f"noise.{presumed}",
        licence="not stated by the publisher",
        citation="S. Chmiela et al., Sci. Adv. 3, e1603015 (2017)"
        + ("; S. Chmiela et al., Nat. Commun. 9, 3887 (2018)" if "_cc" in name else ""),
        level_of_theory=level,
        url="http://www.sgdml.org/#datasets",
        properties=records("energy", "forces"),
        files={file: FileRecord(url=f"{_ROOT}/{file}")},
        folders=("md17",),
        n_structures=frames,
        verified=f"{excerpt}the publisher's format: on hand-made files, never on the whole download",
    )


def _inputs(name: str, folder: Path) -> list[Path]:
    file = MOLECULES[name][0]
    halves = [f"{Path(file).stem}-{half}.npz" for half in ("train", "test")]
    excerpt = [EXCERPTS[name][0]] if name in EXCERPTS else [file]
    return first_layout(folder, [file], halves, excerpt)


def _read(name: str, folder: Path) -> Iterator[Structures]:
    paths = _inputs(name, folder)
    if paths[0].name.endswith(".xyz.gz"):
        unit = EXCERPTS[name][1]
        columns = (column("energy", unit=unit), column("forces", unit=f"{unit}/Å"))
        yield from read_columns(paths[0], columns, numbered(name))
        return
    arrays = [array for path in paths for array in _arrays(path)]
    joined = {key: np.concatenate([a[key] for a in arrays]) for key in "REF"}
    labels = {"energy": joined["E"], "forces": joined["F"]}
    yield from trajectory(arrays[0]["z"], joined["R"], labels, name, KCAL_PER_MOL)


def _splits(name: str, folder: Path) -> Mapping[str, np.ndarray]:
    """Coupled cluster: train and test as published; otherwise none."""
    paths = _inputs(name, folder)
    if "_cc" not in name or paths[0].name.endswith(".xyz.gz"):
        return {}
    train, test = (len(a["E"]) for path in paths for a in _arrays(path))
    return {"train": np.arange(train), "test": np.arange(train, train + test)}


def _arrays(path: Path) -> list[dict[str, np.ndarray]]:
    """Arrays of an ``npz`` file, or of the two in a zip archive, train first."""
    if path.suffix == ".npz":
        return [_loaded(path)]
    with zipfile.ZipFile(path) as archive:
        names = {
            half: n for n in archive.namelist() for half in ("train", "test") if n.endswith(f"-{half}.npz")
        }
        if len(names) != 2:
            raise ValueError(
                f"{path} holds {archive.namelist()}; expected one …-train.npz and one …-test.npz"
            )
        return [_loaded(io.BytesIO(archive.read(names[half]))) for half in ("train", "test")]


def _loaded(file: Path | io.BytesIO) -> dict[str, np.ndarray]:
    with np.load(file) as npz:
        return {key: npz[key] for key in "zREF"}


parts = {
    name: Part(
        _card(name), partial(_inputs, name), partial(_read, name), str(__file__), partial(_splits, name)
    )
    for name in MOLECULES
}
