"""What a module in ``data/sources/`` offers. Adding a dataset is adding one such file.

A module is a dataset, or a collection of several (molecules of one study, tensors of one paper): then it has
``parts``, and each is asked for as ``collection:part``.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol, runtime_checkable

import numpy as np

from atomscape.atoms.structures import Structures
from atomscape.data.card import Card
from atomscape.data.pages import Asking, Query


@runtime_checkable
class Source(Protocol):
    """A named dataset.

    ``card`` states everything that does not depend on the copy read. The three functions take the folder in
    which the files lie: one of ``card.folders`` below ``$ATOMSCAPE_DATA`` or the download folder, or the
    embedded one. ``__file__`` is where the reader's code stands: a store is made anew when it changes. A
    source that generates its structures gives its own file as ``inputs``, in any folder.

    A dataset that a service gives out in answers to questions also has ``download`` (see ``downloader``), one
    whose reader leaves something out ``left_out`` (see ``what_is_left_out``).
    """

    card: Card

    @property
    def __file__(self) -> str | None:
        """Where the reader's code stands."""
        ...

    def inputs(self, folder: Path, /) -> list[Path]:
        """Files that ``read`` will use, the best layout present; empty where there is none."""
        ...

    def read(self, folder: Path, /) -> Iterator[Structures]:
        """Structures in batches, units of the house, ids of the source."""
        ...

    def splits(self, folder: Path, /) -> Mapping[str, np.ndarray]:
        """Splits fixed by the publisher, as structure numbers in the order of ``read``; may be empty."""
        ...


Download = Callable[[Path, Query, Asking], None]
"""Fills a folder with what ``inputs`` finds there, by asking a service for the entries of a query."""


def downloader(source: Source) -> Download | None:
    """How a source asks its service: ``download`` of its module or part; None where it has plain files."""
    return getattr(source, "download", None)


LeavesOut = Callable[[Path], Mapping[str, str]]
"""From the folder of the files to the ids of what ``read`` leaves out of them, and why."""


def what_is_left_out(source: Source, folder: Path) -> Mapping[str, str]:
    """What a source says that it leaves out: ``left_out`` of its module or part; nothing where it has none.

    It may read the files once more, and is asked when a store is made.
    """
    told: LeavesOut | None = getattr(source, "left_out", None)
    return told(folder) if told else {}


def no_splits(folder: Path) -> Mapping[str, np.ndarray]:
    """The publisher fixed none."""
    return {}


@dataclass(eq=False)
class Part:
    """One dataset of a collection: a ``Source`` given as values. ``file`` is the ``__file__`` of its module.

    A collection's module offers ``parts: Mapping[str, Part]``; the card of ``parts["x"]`` in the module ``y``
    is named ``"y:x"``.
    """

    card: Card
    inputs: Callable[[Path], list[Path]]
    read: Callable[[Path], Iterator[Structures]]
    file: str
    splits: Callable[[Path], Mapping[str, np.ndarray]] = no_splits
    download: Download | None = None
    left_out: LeavesOut | None = None

    @property
    def __file__(self) -> str:
        """Where the reader's code stands."""
        return self.file


def first_layout(folder: Path, *layouts: Sequence[str]) -> list[Path]:
    """Files of the first layout of which all files are in the folder; empty where none is complete."""
    for names in layouts:
        paths = [folder / name for name in names]
        if all(path.is_file() for path in paths):
            return paths
    return []
