"""Corruptions of a run: which dataset's structures are changed how, each time they are drawn.

What is drawn depends on the seed, the epoch and the structures of the batch alone, so the same call gives the
same batch: a run that was killed goes on as it would have, and val and test are the same in every epoch.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import numpy as np
import torch

from atomscape.atoms.properties import Property
from atomscape.atoms.structures import Structures
from atomscape.shapes import Int, Tensor


@runtime_checkable
class Corruption(Protocol):
    """Changes structures as they are drawn, and labels them with what was changed; each structure alone."""

    @property
    def properties(self) -> dict[str, Property]:
        """What can be learned from it."""
        ...

    def __call__(self, structures: Structures, rng: np.random.Generator) -> Structures:
        """Return the changed structures, in their order."""
        ...


@dataclass(frozen=True)
class InTurn:
    """Several corruptions, each of what the one before left."""

    parts: tuple[Corruption, ...]

    @property
    def properties(self) -> dict[str, Property]:
        """What can be learned from any of them."""
        return {name: p for part in self.parts for name, p in part.properties.items()}

    def __call__(self, structures: Structures, rng: np.random.Generator) -> Structures:
        """Change the structures by one after the other."""
        for part in self.parts:
            structures = part(structures, rng)
        return structures


def corrupted(
    structures: Structures,
    dataset: Int[Tensor, " structures"],
    index: Int[Tensor, " structures"],
    corruptions: Mapping[int, Corruption],
    room: Mapping[str, tuple[bool, tuple[int, ...]]],
    seed: int,
    epoch: int,
) -> Structures:
    """Each dataset's structures changed in its own way, in their order.

    Parameters
    ----------
    index
        Numbers of the structures within their part of the split: they decide, with seed and epoch.
    room
        Labels that corruptions make, as ``label_shapes`` tells; NaN where a dataset does not have them.
    """
    parts, rows = [], []
    for d in dataset.unique().tolist():
        mine = (dataset == d).nonzero().squeeze(1)
        corrupt = corruptions.get(d)
        seeds = (seed, epoch, d, *index[mine].tolist())
        chosen = structures[mine]
        changed = corrupt(chosen, np.random.default_rng(seeds)) if corrupt else chosen
        parts.append(_with_room(changed, room))
        rows.append(mine)
    return parts[0] if len(parts) == 1 else Structures.concatenate(parts)[torch.argsort(torch.cat(rows))]


def label_shapes(
    structures: Structures, dataset: Int[Tensor, " structures"], corruptions: Mapping[int, Corruption]
) -> dict[str, tuple[bool, tuple[int, ...]]]:
    """Labels that corruptions make: whether they run over atoms, and the largest shape of a row."""
    found: dict[str, tuple[bool, tuple[int, ...]]] = {}
    for d, corrupt in corruptions.items():
        one = structures[(dataset == d).nonzero()[:1, 0]]
        changed = corrupt(one, np.random.default_rng(0)) if len(one) else one
        for name in changed.labels.keys() - structures.labels.keys():
            shape = tuple(changed.labels[name].shape[1:])
            _, other = found.get(name, (False, shape))
            found[name] = changed.runs_over_atoms(name), tuple(map(max, shape, other))
    return found


def _with_room(s: Structures, room: Mapping[str, tuple[bool, tuple[int, ...]]]) -> Structures:
    """Structures with labels of these shapes, NaN where nothing is known: batches of any datasets join."""
    labels = {}
    for name, (per_atom, shape) in room.items():
        values = s.positions.new_full((s.n_atoms if per_atom else len(s), *shape), torch.nan)
        if name in s.labels:
            values[tuple(slice(n) for n in s.labels[name].shape)] = s.labels[name].to(values)
        labels[name] = values
    return s.with_labels(**labels)
