"""Every removal: each atom of each structure taken out in turn, so that it can be asked for."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch

from atomscape.atoms.representation import place_in_structure
from atomscape.atoms.structures import Structures
from atomscape.data.corruptions.remove_atoms import without
from atomscape.data.store import Store
from atomscape.learn.evaluate import batches_in_order
from atomscape.shapes import Float, Int, Tensor


@dataclass(frozen=True, eq=False)
class Removals:
    """Structures that lack one atom each, and that atom: its place (Å), its element, where it stood."""

    structures: Structures
    positions: Float[Tensor, " removals 3"]
    numbers: Int[Tensor, " removals"]
    row: Int[Tensor, " removals"]
    atom: Int[Tensor, " removals"]

    def __len__(self) -> int:
        """Return the number of removals."""
        return len(self.numbers)


def removals(
    data: Store | Structures, rows: Sequence[int] | np.ndarray | None = None, atoms: int = 4096
) -> Iterator[Removals]:
    """Yield all removals of the structures ``rows`` (None: all), in order, about ``atoms`` atoms at a time.

    Structures of a single atom have none: nothing would be left. Only one batch is in memory.
    """
    counts = np.asarray(data.counts)
    rows = np.arange(len(data)) if rows is None else np.asarray(rows, dtype=np.int64)
    rows = rows[counts[rows] > 1]
    size = counts[rows]
    row = np.repeat(rows, size)
    atom = np.arange(len(row)) - np.repeat(size.cumsum() - size, size)
    for span in batches_in_order(np.repeat(size, size), atoms):
        here = slice(span.start, span.stop)
        yield one_removed(data, torch.from_numpy(row[here]), torch.from_numpy(atom[here]))


def one_removed(
    data: Store | Structures, row: Int[Tensor, " removals"], atom: Int[Tensor, " removals"]
) -> Removals:
    """Take atom ``atom[k]`` out of a copy of structure ``row[k]``."""
    s = data[row.numpy()].to(dtype=torch.float64)
    chosen = place_in_structure(s) == atom[s.structure]
    left = without(s, chosen)
    unlabelled = Structures(left.positions, left.numbers, left.cell, left.pbc, left.structure, ids=left.ids)
    return Removals(unlabelled, s.positions[chosen], s.numbers[chosen], row, atom)
