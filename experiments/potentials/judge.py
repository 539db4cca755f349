"""Errors of a potential on the test frames, computed in one way whoever predicted."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from tasks import Task

from atomscape.atoms.properties import PROPERTIES
from atomscape.atoms.structures import Structures
from atomscape.learn.metrics import Errors
from atomscape.shapes import Tensor

Predictions = Mapping[str, Tensor]
"""``energy`` in eV, ``forces`` in eV/Å, ``stress`` in eV/Å³ (3 × 3, tension positive); whole energies."""


def judged(task: Task, predictions: Predictions) -> list[dict[str, Any]]:
    """MAE and RMSE of each property on all test frames and on each part of them.

    Raises
    ------
    ValueError
        A prediction is missing, has the wrong shape, or is no number.
    """
    s = task.structures("test")
    names = [name for name in ("energy", "forces", "stress") if name in task.prepared.properties]
    for name in names:
        _check(name, predictions, s)
    rows = []
    masks = {"all": torch.ones(len(s), dtype=torch.bool), **task.parts(s)}
    for part, mask in masks.items():
        errors = Errors((part,), [PROPERTIES[name] for name in names])
        errors.add(dict(predictions), s, torch.where(mask, 0, -1))
        rows += [{**m.as_dict(), "dataset": task.name, "part": part} for m in errors.metrics()]
    return rows


def nothing_learned(task: Task) -> Predictions:
    """References alone: their errors are the spread of the labels."""
    s = task.structures("test")
    zeros = {"forces": torch.zeros_like(s.positions), "stress": torch.zeros_like(s.cell)}
    return {"energy": task.reference_energies(s), **zeros}


def _check(name: str, predictions: Predictions, s: Structures) -> None:
    if name not in predictions:
        raise ValueError(f"no {name} among the predictions ({', '.join(predictions)})")
    value, wanted = predictions[name], s.labels[name].shape
    if value.shape != wanted:
        raise ValueError(f"{name}: predictions have shape {tuple(value.shape)}, labels {tuple(wanted)}")
    if not bool(value.isfinite().all()):
        raise ValueError(f"{name}: {int((~value.isfinite()).sum())} predictions are no number")
