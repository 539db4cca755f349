"""Pictures of single structures for a report, where the data of the run are still there."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from atomscape.data.load import load
from atomscape.data.store import Store
from atomscape.learn.config import RunConfig
from atomscape.report.run_files import RunFiles
from atomscape.view.molecule import structure_scene
from atomscape.view.picture import svg

MOST_ATOMS = 300
"""Larger structures are not drawn: one would see nothing."""
SIZE = 220, 170


class Pictures:
    """Structures of a run's predictions, drawn once each."""

    def __init__(self, run: RunFiles) -> None:
        self.table = run.predictions
        self._config = RunConfig.model_validate(run.config)
        self._stores: dict[str, Store | None] = {}
        self._drawn: dict[int, dict[str, Any]] = {}
        self.texts: list[str] = []

    def of(self, structure: int) -> dict[str, Any]:
        """Formula, dataset, and the places in ``texts`` of a picture in ``light`` and in ``dark``.

        There are no pictures where the data are gone.
        """
        if structure not in self._drawn:
            self._drawn[structure] = self._draw(structure)
        return self._drawn[structure]

    def _draw(self, structure: int) -> dict[str, Any]:
        assert self.table is not None
        row = self.table.slice(structure, 1).to_pylist()[0]
        store = self._store(row["dataset"])
        if store is None or row["row"] >= len(store):
            return {"dataset": row["dataset"], "formula": ""}
        one = store[[row["row"]]]
        about: dict[str, Any] = {"dataset": row["dataset"], "formula": one.formulas()[0]}
        if one.n_atoms > MOST_ATOMS:
            return about
        scene = replace(structure_scene(one), title="", note="")
        for theme in ("light", "dark"):
            about[theme] = len(self.texts)
            self.texts.append(svg(scene, *SIZE, theme))
        return about

    def _store(self, name: str) -> Store | None:
        if name not in self._stores:
            source = next(d.source for d in self._config.data if d.name == name)
            try:
                self._stores[name] = load(source)
            except (LookupError, OSError, ValueError):
                self._stores[name] = None
        return self._stores[name]
