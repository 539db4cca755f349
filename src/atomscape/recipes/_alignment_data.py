"""The four tasks of the alignment experiment: their structures, what is learned of them, and their splits.

s2ef   frames of relaxations of adsorbates on surfaces (OC20): energy and forces
is2re  first frames of the same relaxations: the energy they end at
mp     crystals of MP-20: formation energy per atom
lips   one trajectory of lithium thiophosphate: energy and forces

OC20 counts energies from slab and free molecule. The relaxations that can be had one by one come with total
energies, and a few systems of fifty elements do not tell the energy of each element. Here they are counted
from the first frame of each relaxation: one calculation of reference per system.

The seed chooses who tests: with three seeds in a row every relaxation, every stretch of the trajectory and
every composition is in one test. A relaxation is on the same side in both tasks that know it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from ase.data import chemical_symbols

from atomscape.atoms.formulas import reduced_formulas
from atomscape.atoms.structures import Structures
from atomscape.data.card import Card, records
from atomscape.data.groups import stretches, trajectory
from atomscape.data.load import load
from atomscape.data.splits import write_index_file
from atomscape.data.store import Store, is_store, write_store

FOLDS = 3
"""Seeds after which everything has been in a test."""

VAL = 10
"""One of so many groups that do not test is kept to validate."""


@dataclass(frozen=True)
class Sizes:
    """Frames of each relaxation, the most atoms of one whose frames are taken, and crystals."""

    frames: int
    atoms: int
    crystals: int


@dataclass(frozen=True)
class Task:
    """A dataset and what is learned of it; ``figures`` are (property, unit) of the errors that are told.

    ``make`` gives its structures, with ids ``GROUP/NAME``. Tasks of one ``family`` share groups. Energies of
    ``from_zero`` are differences and have no reference energies of elements.
    """

    title: str
    figures: tuple[tuple[str, str], ...]
    make: Callable[[Sizes], Structures]
    family: str
    from_zero: bool = False

    @property
    def labels(self) -> tuple[str, ...]:
        """Properties learned."""
        return tuple(p for p, _ in self.figures)


def relaxations(sizes: Sizes) -> Structures:
    """Frames evenly over each relaxation, energies counted from its first frame."""
    store = load("oc20:s2ef")
    names = list(trajectory.name_groups([store[np.arange(len(store))]]))
    energy, rows, starts = store.values("energy"), [], []
    for name in dict.fromkeys(names):
        frames = np.flatnonzero(np.array(names) == name)
        if store.counts[frames[0]] > sizes.atoms:
            continue
        n = min(sizes.frames, len(frames))
        rows.append(frames[np.linspace(0, len(frames) - 1, n).round().astype(int)])
        starts.append(np.full(n, energy[frames[0]]))
    s = store[np.concatenate(rows)]
    risen = s.labels["energy"] - torch.from_numpy(np.concatenate(starts))
    return replace(s, labels={"energy": risen, "forces": s.labels["forces"]})


def first_frames(sizes: Sizes) -> Structures:
    """First frames, with the energy after relaxation counted from theirs."""
    store = load("oc20:is2re")
    s = store[np.arange(len(store))]
    return replace(s, labels={"relaxed_energy": s.labels["relaxed_energy"] - s.labels["energy"]})


def crystals(sizes: Sizes) -> Structures:
    """Crystals of MP-20, in groups of one reduced formula."""
    store = load("mp_20")
    s = store[np.sort(np.random.default_rng(0).permutation(len(store))[: sizes.crystals])]
    ids = tuple(f"{formula}/{i}" for formula, i in zip(reduced_formulas(s), s.ids, strict=True))
    return replace(s, labels={"formation_energy": s.labels["formation_energy"]}, ids=ids)


def one_trajectory(sizes: Sizes) -> Structures:
    """The trajectory in ten stretches."""
    store = load("lips")
    s = replace(store[np.arange(len(store))], ids=tuple(f"lips/{k}" for k in range(len(store))))
    ids = tuple(f"{g}/{k}" for k, g in enumerate(stretches.name_groups([s])))
    return replace(s, labels={k: s.labels[k] for k in ("energy", "forces")}, ids=ids)


_FORCE_FIELD = (("energy", "eV/atom"), ("forces", "eV/Å"))

TASKS: dict[str, Task] = {
    "s2ef": Task("S2EF", _FORCE_FIELD, relaxations, "oc20", from_zero=True),
    "is2re": Task("IS2RE", (("relaxed_energy", "eV"),), first_frames, "oc20", from_zero=True),
    "mp": Task("MP-20", (("formation_energy", "eV/atom"),), crystals, "mp"),
    "lips": Task("LiPS", _FORCE_FIELD, one_trajectory, "lips"),
}
"""By the name that a config calls the dataset."""


def stores(folder: Path, sizes: Sizes, names: Iterable[str] = tuple(TASKS)) -> dict[str, Store]:
    """Write the structures of each task to a store, where there is none yet, and open it."""
    folder.mkdir(parents=True, exist_ok=True)
    found = {}
    for name in names:
        task = TASKS[name]
        if not is_store(folder / name):
            card = Card(name=name, title=task.title, properties=records(*task.labels), generated=True)
            write_store(folder / name, [task.make(sizes)], card)
        found[name] = Store.open(folder / name)
    return found


def split(stores: Mapping[str, Store], name: str, seed: int) -> dict[str, np.ndarray]:
    """Train, val and test of one task, by groups; tasks of a family agree about each group."""
    family = [n for n in stores if TASKS[n].family == TASKS[name].family]
    part = parts_of_groups({g for n in family for g in _groups(stores[n])}, seed)
    parts = np.array([part[g] for g in _groups(stores[name])])
    return {p: np.flatnonzero(parts == p) for p in ("train", "val", "test")}


def parts_of_groups(groups: Iterable[str], seed: int) -> dict[str, str]:
    """Part of each group: every third of a random order tests, a tenth of the others validates."""
    order = np.random.default_rng(seed // FOLDS).permutation(sorted(groups)).tolist()
    test = order[seed % FOLDS :: FOLDS]
    others = [g for g in order if g not in set(test)]
    val = others[::VAL]
    return dict.fromkeys(others, "train") | dict.fromkeys(val, "val") | dict.fromkeys(test, "test")


def independent(store: Store, rows: np.ndarray) -> int:
    """Number of groups among some structures of a store."""
    groups = _groups(store)
    return len({groups[r] for r in rows})


def _groups(store: Store) -> list[str]:
    return [i.rpartition("/")[0] for i in store.ids]


def dataset(
    name: str, store: Path, folder: Path, rows: Mapping[str, np.ndarray], seed: int
) -> dict[str, Any]:
    """Entry of a config: where the store is, and its split in a file that is written here."""
    path = folder / f"{name}-{seed}.json"
    if not path.is_file():
        write_index_file(path, rows, Store.open(store), seed, prefix=None)
    return {
        "name": name,
        "source": str(store.absolute()),
        "split": {"kind": "file", "path": str(path.absolute())},
        "weight": 1.0,
    }


def objectives(name: str, store: Store) -> list[dict[str, Any]]:
    """Rows of a config: a head for this dataset alone; forces weigh ten times as much as the energy."""
    elements = [chemical_symbols[z] for z in np.unique(store.values("numbers"))]
    zero = {"references": dict.fromkeys(elements, 0.0)} if TASKS[name].from_zero else {}
    rows = []
    for p in TASKS[name].labels:
        rows.append({"property": p, "dataset": name})
        rows[-1] |= {"weight": 10.0} if p == "forces" else zero
        rows[-1] |= {"scale": "spread"} if p == "energy" else {}
    return rows
