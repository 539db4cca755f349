"""Label a dataset: every structure is asked about once, whatever happens meanwhile, then all are written.

Answers go to a journal beside the target as they come. When all are there the target is written in one step
and the journal removed; whoever is stopped before that continues with the same call.
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from pydantic import BaseModel

from atomscape import __version__
from atomscape.atoms.structures import Structures
from atomscape.data.card import Card, records
from atomscape.data.export import export
from atomscape.data.processes import in_processes
from atomscape.data.store import Store, write_store
from atomscape.find import find
from atomscape.label.journal import Journal, journal_of
from atomscape.label.label import ask, labelled
from atomscape.label.method import KIND, STATE, Method

BATCH = 1024
"""Structures that are written at a time, to bound memory."""

TOGETHER = 16
"""Structures that a process is given at a time, at most."""


@dataclass(frozen=True)
class Labelled:
    """What was written where; ``reasons`` says how many structures have no labels, and why."""

    path: Path
    structures: int
    reasons: Mapping[str, int]


def label_dataset(
    name: str,
    config: BaseModel,
    store: Store,
    target: str | Path,
    *,
    rows: Sequence[int] | np.ndarray | None = None,
    jobs: int = 1,
    overwrite: bool = False,
    progress: Callable[[int], None] = lambda n: None,
) -> Labelled:
    """Write the structures of a dataset with the labels of a method.

    Parameters
    ----------
    name, config
        The method, and its settings.
    target
        A folder for a store (a path without suffix), or a file such as ``data.extxyz``.
    rows
        Structures to label; None means all.
    jobs
        Processes that compute, of one thread each where there are several.
    progress
        Called with the number of structures that have been asked about since it was called last.

    Raises
    ------
    FileExistsError
        The target exists and ``overwrite`` is False.
    ImportError
        The program of the method is not installed.
    ValueError
        No structure could be labelled, or an unfinished journal is of other work.
    """
    target = Path(target)
    if target.exists() and not overwrite:
        raise FileExistsError(f"{target} exists and is not overwritten; give overwrite=True or another place")
    method: Method = find(KIND, name).build(config)
    chosen = np.arange(len(store)) if rows is None else np.asarray(rows, dtype=np.int64)
    work = {"method": name, **config.model_dump(mode="json"), "with": method.made_with}
    with Journal.open(journal_of(target), {**work, "data": store.fingerprint}) as journal:
        _complete(journal, _Ask(name, config, store), chosen.tolist(), jobs, progress)
        reasons = Counter(a for r in chosen.tolist() if isinstance(a := journal[r], str))
        if sum(reasons.values()) == len(chosen):
            told = ", ".join(f"{n:,}: {why}" for why, n in reasons.most_common(3)) or "there are none"
            journal.path.unlink()
            raise ValueError(f"{name} labels none of the structures of {store.card.name} ({told})")
        card = _card(method, name, store, reasons)
        batches = _batches(journal, store, chosen, method.provides)
        if target.suffix == "":
            splits = store.splits if rows is None else None
            write_store(target, batches, card, splits, overwrite=overwrite)
        else:
            export(batches, card, target, overwrite)
        journal.path.unlink()
    return Labelled(target, len(chosen), dict(reasons.most_common()))


@dataclass(frozen=True)
class _Ask:
    """The task of a process: ask about some structures, and tell each answer at once."""

    name: str
    config: BaseModel
    store: Store

    def __call__(self, rows: Sequence[int], tell: Callable[[Any], None]) -> None:
        method = find(KIND, self.name).build(self.config)
        for row in rows:
            tell((row, ask(method, self.store[row])))


def _complete(
    journal: Journal, task: _Ask, rows: Sequence[int], jobs: int, progress: Callable[[int], None]
) -> None:
    """Ask about all rows that the journal lacks."""
    missing = [row for row in rows if row not in journal]
    progress(len(rows) - len(missing))

    def keep(told: tuple[int, Any]) -> None:
        journal.add(*told)
        progress(1)

    size = max(1, min(TOGETHER, len(missing) // (4 * jobs)))
    groups = [missing[a : a + size] for a in range(0, len(missing), size)]
    with _one_thread_each() if jobs > 1 else _as_it_is():
        in_processes(task, groups, jobs, keep)


@contextmanager
def _one_thread_each() -> Iterator[None]:
    """Processes that start meanwhile compute with one thread: together they use the machine already."""
    before = os.environ.get("OMP_NUM_THREADS")
    os.environ["OMP_NUM_THREADS"] = "1"
    try:
        yield
    finally:
        if before is None:
            del os.environ["OMP_NUM_THREADS"]
        else:
            os.environ["OMP_NUM_THREADS"] = before


@contextmanager
def _as_it_is() -> Iterator[None]:
    yield


def _batches(
    journal: Journal, store: Store, chosen: np.ndarray, provides: Sequence[str]
) -> Iterator[Structures]:
    for start in range(0, len(chosen), BATCH):
        rows = chosen[start : start + BATCH]
        yield labelled(store[rows], [journal[r] for r in rows.tolist()], provides)


def _card(method: Method, name: str, store: Store, reasons: Mapping[str, int]) -> Card:
    """Card of the result: structures, licence and source of the former, labels of the method."""
    before = store.card
    kept = [label for label in STATE if label in store.properties]
    return Card(
        name=f"{before.name.replace(':', '-')}-{name.rpartition('.')[2]}",
        title=f"{before.title or before.name}, {method.level_of_theory.partition(',')[0]}",
        description=before.description,
        licence=before.licence,
        citation="; ".join(text for text in (before.citation, method.citation) if text),
        level_of_theory=method.level_of_theory,
        url=before.url,
        properties=records(*kept, *method.provides),
        provenance=f"labelled with {method.made_with} by atomscape {__version__}; structures of "
        f"{before.name} (fingerprint {store.fingerprint})",
        columns=tuple(f"without labels: {n:,} structures: {why}" for why, n in reasons.items()),
    )
