"""Structure types of crystals: one conventional cell of each, then other descriptions and disturbed copies.

Nothing is downloaded. Tetris for crystals: a network that has seen each type once, in one cell and one
orientation, has to know it again turned, strained, rattled, in its primitive cell, in a supercell, from
another origin, and all at once.

Neither elements nor bond lengths tell the type: atoms of the first kind are magnesium in every type, of the
second oxygen, of the third aluminium, and the shortest distance is 2.5 Å in all of them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np
import torch
from ase.spacegroup import Spacegroup, crystal

from atomscape.atoms.neighbours import neighbour_graph
from atomscape.atoms.structures import Structures
from atomscape.atoms.transform import recelled, repeated, rotated, strained, translated, wrapped
from atomscape.data.card import Card, records
from atomscape.o3.rotation import random_rotation

Rng = np.random.Generator
Change = Callable[[Structures, str, Rng], Structures]


@dataclass(frozen=True)
class Type:
    """A structure type: sites (kind, fractional coordinates), number of the space group, its setting, axes.

    ``axes`` are a, b, c relative to a; angles follow the space group.
    """

    sites: tuple[tuple[int, tuple[float, float, float]], ...]
    group: int
    axes: tuple[float, float, float] = (1.0, 1.0, 1.0)
    setting: int = 1

    @property
    def centring(self) -> str:
        """P, F, I or R: the lattice's letter."""
        return Spacegroup(self.group, self.setting).symbol[0]


_O, _H, _Q, _E = (0.0, 0.0, 0.0), (0.5, 0.5, 0.5), (0.25, 0.25, 0.25), (0.125, 0.125, 0.125)
_THIRD = (1 / 3, 2 / 3)
_IDEAL = (1.0, 1.0, (8 / 3) ** 0.5)

TYPES: dict[str, Type] = {
    "sc": Type(((0, _O),), 221),
    "bcc": Type(((0, _O),), 229),
    "fcc": Type(((0, _O),), 225),
    "hcp": Type(((0, (*_THIRD, 0.25)),), 194, _IDEAL),
    "diamond": Type(((0, _O),), 227),
    "CsCl": Type(((0, _O), (1, _H)), 221),
    "rocksalt": Type(((0, _O), (1, _H)), 225),
    "zincblende": Type(((0, _O), (1, _Q)), 216),
    "wurtzite": Type(((0, (*_THIRD, 0.0)), (1, (*_THIRD, 0.375))), 186, _IDEAL),
    "nickeline": Type(((0, _O), (1, (*_THIRD, 0.25))), 194, (1.0, 1.0, 1.39)),
    "fluorite": Type(((0, _O), (1, _Q)), 225),
    "rutile": Type(((0, _O), (1, (0.305, 0.305, 0.0))), 136, (1.0, 1.0, 0.644)),
    "anatase": Type(((0, _O), (1, (0.0, 0.0, 0.208))), 141, (1.0, 1.0, 2.514)),
    "cuprite": Type(((0, _Q), (1, _O)), 224),
    "Cu3Au": Type(((1, _O), (0, (0.0, 0.5, 0.5))), 221),
    "A15": Type(((1, _O), (0, (0.25, 0.0, 0.5))), 223),
    "perovskite": Type(((0, _O), (2, _H), (1, (0.5, 0.5, 0.0))), 221),
    "spinel": Type(((0, _E), (2, _H), (1, (0.263, 0.263, 0.263))), 227, setting=2),
    "half-Heusler": Type(((0, _O), (1, _H), (2, _Q)), 216),
    "corundum": Type(((0, (0.0, 0.0, 0.352)), (1, (0.306, 0.0, 0.25))), 167, (1.0, 1.0, 2.73)),
}
"""The types, in the order of the label; parameters as usual in textbooks, cells of ideal shape where free."""

NAMES = tuple(TYPES)
KINDS = ("Mg", "O", "Al")
SHORTEST, SEED = 2.5, 20240229
STRAIN, RATTLE = 0.01, 0.03
"""Each component of the strain is drawn from −1 % … 1 %; each coordinate moves by a normal deviate (Å)."""

PRIMITIVE = {
    "P": ((1, 0, 0), (0, 1, 0), (0, 0, 1)),
    "F": ((0, 0.5, 0.5), (0.5, 0, 0.5), (0.5, 0.5, 0)),
    "I": ((-0.5, 0.5, 0.5), (0.5, -0.5, 0.5), (0.5, 0.5, -0.5)),
    "R": ((2 / 3, 1 / 3, 1 / 3), (-1 / 3, 1 / 3, 1 / 3), (-1 / 3, -2 / 3, 1 / 3)),
}
"""Rows: vectors of a primitive cell in those of the conventional one (R: hexagonal axes, obverse)."""

SUPERCELLS = ((2, 1, 1), (1, 2, 1), (1, 1, 2), (2, 2, 1), (2, 1, 2), (2, 2, 2))
LARGEST = 160
"""Atoms of the largest supercell."""


def _turned(s: Structures, name: str, rng: Rng) -> Structures:
    generator = torch.Generator().manual_seed(int(rng.integers(2**31)))
    Q = random_rotation(1, generator=generator, dtype=torch.float64)[0]
    return rotated(s, Q if rng.random() < 0.5 else -Q)


def _strained(s: Structures, name: str, rng: Rng) -> Structures:
    e = rng.uniform(-STRAIN, STRAIN, (3, 3))
    return strained(s, torch.from_numpy((e + e.T) / 2))


def _rattled(s: Structures, name: str, rng: Rng) -> Structures:
    moved = s.positions + torch.from_numpy(rng.normal(0, RATTLE, tuple(s.positions.shape)))
    return Structures.of(moved, s.numbers, s.cell[0])


def _primitive(s: Structures, name: str, rng: Rng) -> Structures:
    """The primitive cell, with other vectors of the same lattice."""
    rows = np.array(PRIMITIVE[TYPES[name].centring], dtype=float)
    cell = rows @ s.cell[0].numpy()
    fractional = s.positions.numpy() @ np.linalg.inv(cell)
    fractional -= np.floor(fractional + 1e-6)
    _, first = np.unique(np.rint(fractional * 1e5).astype(np.int64), axis=0, return_index=True)
    kept = np.sort(first)
    found = Structures.of(fractional[kept] @ cell, s.numbers[torch.from_numpy(kept)], cell)
    shear = np.eye(3, dtype=np.int64)
    i, j = rng.permutation(3)[:2]
    shear[i, j] = rng.choice((-1, 1))
    return wrapped(recelled(found, torch.from_numpy(shear)))


def _supercell(s: Structures, name: str, rng: Rng) -> Structures:
    fitting = [t for t in SUPERCELLS if s.n_atoms * int(np.prod(t)) <= LARGEST]
    return repeated(s, fitting[int(rng.integers(len(fitting)))])[0]


def _shifted(s: Structures, name: str, rng: Rng) -> Structures:
    step = torch.from_numpy(rng.random(3)) @ s.cell[0]
    return wrapped(translated(s, step))


def _everything(s: Structures, name: str, rng: Rng) -> Structures:
    cell = _primitive if rng.random() < 0.5 else _supercell
    for change in (cell, _shifted, _strained, _rattled, _turned):
        s = change(s, name, rng)
    return s


CHANGES: dict[str, Change] = {
    "turned": _turned,
    "strained": _strained,
    "rattled": _rattled,
    "primitive": _primitive,
    "supercell": _supercell,
    "shifted": _shifted,
    "everything": _everything,
}
"""What is done to a conventional cell, in the order of the test part."""

VALIDATION, TEST = 1, 8
"""Structures of each type and change."""

card = Card(
    name="crystal_prototypes",
    title="Structure types of crystals",
    description=f"{len(TYPES)} structure types: {', '.join(NAMES)}. prototype is the place in this list. The "
    "training part has the conventional cell of each, once. Validation and test have them turned (half of "
    f"them mirrored), strained (components to {100 * STRAIN:g} %), rattled ({RATTLE:g} Å per coordinate), "
    "as primitive and as supercells, from other origins, and all of this at once. Kinds of atoms are "
    f"{', '.join(KINDS)} in every type, and the shortest distance is {SHORTEST:g} Å, so that neither tells "
    "the type. Ids are '<type>-<part>-<change>-<k>'.",
    licence="CC0-1.0",
    citation="Made by atomscape",
    level_of_theory="none: geometry",
    properties=records("prototype", "space_group"),
    generated=True,
    verified="spglib finds the space group of each conventional and primitive cell",
)


def inputs(folder: Path) -> list[Path]:
    """The code that makes the crystals; the folder does not matter."""
    return [Path(__file__)]


def read(folder: Path) -> Iterator[Structures]:
    """Conventional cells, then changed ones; the same on every machine up to rounding."""
    yield Structures.concatenate(_labelled(conventional(n), n, f"{n}-train-conventional-0") for n in NAMES)
    for part, each in (("val", VALIDATION), ("test", TEST)):
        for change in CHANGES:
            yield Structures.concatenate(changed(n, part, change, k) for n in NAMES for k in range(each))


def splits(folder: Path) -> Mapping[str, np.ndarray]:
    """Train: conventional cells; val and test: changed ones."""
    n, val = len(NAMES), len(NAMES) * len(CHANGES) * VALIDATION
    rows = np.arange(n + val + len(NAMES) * len(CHANGES) * TEST)
    train, validation, test = np.split(rows, [n, n + val])
    return {"train": train, "val": validation, "test": test}


@cache
def conventional(name: str) -> Structures:
    """Conventional cell of a type, scaled so that the shortest distance is 2.5 Å."""
    t = TYPES[name]
    symbols = [KINDS[kind] for kind, _ in t.sites]
    angles = [90, 90, 120 if 143 <= t.group <= 194 else 90]
    a = crystal(
        symbols,
        basis=[place for _, place in t.sites],
        spacegroup=t.group,
        setting=t.setting,
        cellpar=[*(5.0 * x for x in t.axes), *angles],
    )
    s = Structures.of(a.positions, a.numbers, np.array(a.cell))
    shortest = neighbour_graph(s, 5.5).vectors.square().sum(1).min().sqrt()
    scale = SHORTEST / float(shortest)
    return Structures.of(s.positions * scale, s.numbers, s.cell[0] * scale)


def changed(name: str, part: str, change: str, k: int) -> Structures:
    """One changed crystal; each has a generator of its own, so that it does not depend on the others."""
    place = [NAMES.index(name), list(CHANGES).index(change), part == "test", k]
    s = CHANGES[change](conventional(name), name, np.random.default_rng([SEED, *place]))
    return _labelled(s, name, f"{name}-{part}-{change}-{k}")


def _labelled(s: Structures, name: str, id: str) -> Structures:
    labels = {"prototype": float(NAMES.index(name)), "space_group": float(TYPES[name].group)}
    return Structures.of(s.positions, s.numbers, s.cell[0], labels=labels, id=id)
