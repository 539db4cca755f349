"""The watch over a run: measures what the network does, as often as a share of the time allows.

Each look takes a few structures of the training part, always the same, and writes one line into
``diagnostics.jsonl``. It changes nothing in the run: weights, random numbers and order stay as they were.
"""

from __future__ import annotations

import json
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch

from atomscape.learn.checkpoint import write_atomic
from atomscape.learn.diagnostics import collapse, gradients, paths
from atomscape.learn.evenly import evenly
from atomscape.learn.graphs import GraphSet
from atomscape.learn.model import Model
from atomscape.learn.objectives import Term
from atomscape.learn.run_folder import DIAGNOSTICS
from atomscape.shapes import Int, Tensor

MOST = 8
"""Structures that are looked at."""


@dataclass(frozen=True)
class Look:
    """What one look has found."""

    features: list[collapse.Spread]
    paths: list[paths.PathState]
    gradients: dict[str, float]

    @property
    def words(self) -> list[str]:
        """What is worth attention, as sentences."""
        return [
            *collapse.in_words(self.features),
            *paths.in_words(self.paths),
            *gradients.in_words(self.gradients),
        ]


def look(model: Model, terms: Sequence[Term], graphs: GraphSet, rows: Int[Tensor, " chosen"]) -> Look:
    """Look at a model on some structures; its weights and their gradients are left alone."""
    device, mode = next(model.parameters()).device, model.training
    graph, dataset = graphs.batch(rows)
    graph, dataset = graph.to(device), dataset.to(device)
    try:
        with torch.random.fork_rng():
            with torch.no_grad():
                seen = collapse.spreads(model.encoder.eval()(graph, layers=True))
            predictions = model.train()(graph, dataset)
            names = model.architecture.datasets
            found = gradients.pulls(model.encoder, terms, names, predictions, graph, dataset)
    finally:
        model.train(mode)
    return Look(seen, paths.path_states(model.encoder, found.total), found.norms)


class Watch:
    """When to look, and what was seen last.

    Parameters
    ----------
    share
        Of the time of the run that looking may take; 0 switches it off.
    step
        Optimiser steps done before: what a killed process noted after them is dropped.
    """

    def __init__(self, folder: Path | None, share: float, step: int = 0) -> None:
        self.path, self.share = None if folder is None else folder / DIAGNOSTICS, share
        self.words: list[str] = []
        self._spent, self._last, self._steps, self._start = 0.0, 0.0, 0, time.monotonic()
        if self.path is not None and self.path.is_file():
            lines = self.path.read_text(encoding="utf-8").splitlines()
            kept = [line for line in lines if json.loads(line)["step"] <= step]
            write_atomic(self.path, "".join(f"{line}\n" for line in kept).encode())

    def due(self) -> bool:
        """Whether the next look fits into the share. It is asked after each step; a look costs some steps."""
        self._steps += 1
        so_far = time.monotonic() - self._start
        expected = self._last or 4 * (so_far - self._spent) / self._steps
        return self.path is not None and self._spent + expected <= self.share * so_far

    def take(self, model: Model, terms: Sequence[Term], graphs: GraphSet, where: dict[str, int]) -> None:
        """Look, and note it; ``where`` are the epoch and the step."""
        start = time.monotonic()
        seen = look(model, terms, graphs, evenly(len(graphs), MOST))
        self._last = time.monotonic() - start
        self._spent += self._last
        self.words = seen.words
        self.note({"kind": "look", **where, "notes": self.words, **asdict(seen)})

    def note(self, record: dict[str, Any]) -> None:
        """Append a line."""
        if self.path is not None:
            with open(self.path, "a", encoding="utf-8") as file:
                file.write(json.dumps(record, ensure_ascii=False) + "\n")
