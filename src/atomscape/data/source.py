"""What a module in ``data/sources/`` offers. Adding a dataset is adding one such file."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Protocol, runtime_checkable

import numpy as np

from atomscape.atoms.structures import Structures
from atomscape.data.card import Card


@runtime_checkable
class Source(Protocol):
    """A named dataset.

    ``card`` states everything that does not depend on the copy read. The three functions take the folder in
    which the files lie: ``$ATOMSCAPE_DATA/<name>``, the download folder, or the embedded one.
    """

    card: Card
    __file__: str | None

    def inputs(self, folder: Path) -> list[Path]:
        """Files that ``read`` will use, the best layout present; empty where there is none."""
        ...

    def read(self, folder: Path) -> Iterator[Structures]:
        """Structures in batches, units of the house, ids of the source."""
        ...

    def splits(self, folder: Path) -> Mapping[str, np.ndarray]:
        """Splits fixed by the publisher, as structure numbers in the order of ``read``; may be empty."""
        ...


def first_layout(folder: Path, *layouts: Sequence[str]) -> list[Path]:
    """Files of the first layout of which all files are in the folder; empty where none is complete."""
    for names in layouts:
        paths = [folder / name for name in names]
        if all(path.is_file() for path in paths):
            return paths
    return []
