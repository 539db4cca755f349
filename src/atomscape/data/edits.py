"""What corrections do: set a label to unknown, multiply it, exchange its components, leave it out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import torch

from atomscape.atoms.structures import Structures


@dataclass(frozen=True)
class Unknown:
    """Set a label to NaN."""

    name: str

    def __call__(self, s: Structures) -> Structures:
        """Return the structures with the label unknown."""
        values = s.labels[self.name]
        dtype = values.dtype if values.is_floating_point() else torch.float64
        return s.with_labels(**{self.name: torch.full(values.shape, torch.nan, dtype=dtype)})


@dataclass(frozen=True)
class Multiplied:
    """Multiply labels by a factor, and by the number of atoms where ``by_atoms``."""

    names: Sequence[str]
    factor: float
    by_atoms: bool = False

    def __call__(self, s: Structures) -> Structures:
        """Return the structures with these labels multiplied."""
        counts = s.counts.double() if self.by_atoms else torch.ones(len(s), dtype=torch.float64)
        changed = {}
        for name in self.names:
            values = s.labels[name].double()
            per_row = counts[s.structure] if s.runs_over_atoms(name) else counts
            changed[name] = values * self.factor * per_row.reshape(-1, *[1] * (values.dim() - 1))
        return s.with_labels(**changed)


@dataclass(frozen=True)
class Exchanged:
    """Rearrange the shear components (yz, xz, xy) of symmetric tensors: new[k] = old[order[k]]."""

    name: str
    order: tuple[int, int, int]

    def __call__(self, s: Structures) -> Structures:
        """Return the structures with the tensor rearranged."""
        old = s.labels[self.name]
        new = old.clone()
        places = ((1, 2), (0, 2), (0, 1))
        for (i, j), source in zip(places, self.order, strict=True):
            k, m = places[source]
            new[:, i, j], new[:, j, i] = old[:, k, m], old[:, m, k]
        return s.with_labels(**{self.name: new})


@dataclass(frozen=True)
class Dropped:
    """Leave a label out."""

    name: str

    def __call__(self, s: Structures) -> Structures:
        """Return the structures without the label."""
        return replace(s, labels={k: v for k, v in s.labels.items() if k != self.name})
