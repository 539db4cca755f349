"""From the folders of runs to their uncertainty: fitted on their own parts, judged, written."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from atomscape.atoms.properties import Property
from atomscape.data.load import load
from atomscape.find import suggest
from atomscape.learn.checkpoint import load_model, read_tensors, write_atomic
from atomscape.learn.evaluate import comparable, whose_heads
from atomscape.learn.graphs import GraphSet, with_labels_of
from atomscape.learn.labels.derive import with_derived
from atomscape.learn.labels.inputs import options
from atomscape.learn.model import Model
from atomscape.learn.prepare import Prepared, prepare
from atomscape.learn.recipe import load_config
from atomscape.learn.uncertainty.ensemble import Ensemble, ensemble_of, refuse_strangers
from atomscape.learn.uncertainty.file import UNCERTAINTY, load_uncertainty, save_uncertainty
from atomscape.learn.uncertainty.fit import DERIVATIVE_STRUCTURES, LastLayerUncertainty, fit_uncertainty
from atomscape.learn.uncertainty.judge import judge_ensemble, judge_last_layer
from atomscape.learn.uncertainty.last_layers import keys_with_last_layer
from atomscape.learn.uncertainty.reliability import Reliability
from atomscape.learn.uncertainty.reliability_figure import reliability_figure


@dataclass(frozen=True, eq=False)
class UncertainRuns:
    """Runs, the data of the first, their last-layer uncertainties (or none), their ensemble if several."""

    models: tuple[Model, ...]
    prepared: Prepared
    last_layers: tuple[LastLayerUncertainty, ...]
    ensemble: Ensemble | None

    def graphs(self, part: str) -> GraphSet:
        """One part of the data, with the graphs of the first model."""
        return self.prepared.graphs(part, self.models[0].cutoff, 0.0)

    def judge(
        self, graphs: GraphSet, derivative_structures: int = DERIVATIVE_STRUCTURES
    ) -> list[Reliability]:
        """Reliability of the first model's last layers, and of the ensemble."""
        judged = []
        if self.last_layers:
            judged += judge_last_layer(self.models[0], self.last_layers[0], graphs, derivative_structures)
        if self.ensemble is not None:
            judged += judge_ensemble(self.ensemble, graphs)
        return judged


def uncertain_runs(
    runs: Sequence[str | Path],
    derivative_structures: int = DERIVATIVE_STRUCTURES,
    refit: bool = False,
    device: torch.device | str = "cpu",
) -> UncertainRuns:
    """Fit the uncertainty of each run, or read it where it was fitted to these weights before.

    Raises
    ------
    ValueError
        A folder holds no run, runs make no ensemble, or a single one has no last layer.
    """
    folders = [Path(run) for run in runs]
    for folder in folders:
        if not (folder / "config.yaml").is_file():
            raise ValueError(
                f"{folder} is no run's folder: it has no config.yaml with the data and its split"
            )
    models = [load_model(folder, device) for folder in folders]
    if len(models) > 1:
        refuse_strangers(models)
    prepared = prepare(load_config(folders[0] / "config.yaml"))
    last_layers: list[LastLayerUncertainty] = []
    if len(models) == 1 or all(keys_with_last_layer(model) for model in models):
        for folder, model in zip(folders, models, strict=True):
            last_layers.append(_fitted(folder, model, prepared, derivative_structures, refit))
    ensemble = None
    if len(models) > 1:
        ensemble = ensemble_of(models, last_layers, prepared.graphs("val", models[0].cutoff, 0.0))
    return UncertainRuns(tuple(models), prepared, tuple(last_layers), ensemble)


def _fitted(
    folder: Path, model: Model, prepared: Prepared, derivative_structures: int, refit: bool
) -> LastLayerUncertainty:
    path = folder / UNCERTAINTY
    if not refit and path.is_file():
        header = read_tensors(path)[1]
        same = header["about"].get("derivative_structures") == derivative_structures
        if same and header["model_hash"] == model.hash:
            return load_uncertainty(path, model)
    train, val = (prepared.graphs(part, model.cutoff, 0.0) for part in ("train", "val"))
    made = fit_uncertainty(model, train, val, derivative_structures)
    about = {"fingerprints": prepared.fingerprints, "derivative_structures": derivative_structures}
    save_uncertainty(made, path, **about, train=len(train), val=len(val))
    return made


def other_graphs(model: Model, data: str, dataset: str | None = None) -> GraphSet:
    """Graphs of any data that has labels which the model predicts.

    Raises
    ------
    ValueError
        The data has none of the labels that are predicted, or not one that the network reads.
    LookupError
        The model has heads for several datasets and none was named.
    """
    store = load(data)
    whose = whose_heads(model, store, dataset)
    index = -1 if whose is None else model.architecture.datasets.index(whose)
    known = comparable(model, store)
    labels = _read(model, known | store.properties, data) | known
    structures = with_derived(store[list(range(len(store)))], model.architecture.rules)
    structures = with_labels_of(structures, labels, set(labels))
    per_atom = frozenset(name for name, p in labels.items() if p.per == "atom")
    return GraphSet(structures, torch.full((len(store),), index), per_atom, model.cutoff)


def _read(model: Model, offered: Mapping[str, Property], data: str) -> dict[str, Property]:
    """Labels that the encoder reads, and those that heads read where they are known."""
    needed = [given["label"] for given in options(model.architecture.encoder)]
    for name in needed:
        if name not in offered:
            raise ValueError(
                f"the network reads the label {name!r}, and {data} has none{suggest(name, list(offered))} "
                f"Labels there: {', '.join(offered) or 'none'}."
            )
    by_heads = [name for h in model.architecture.heads for name in h.head.options.get("reads", ())]
    return {name: offered[name] for name in [*needed, *by_heads] if name in offered}


def write_judged(judged: Sequence[Reliability], path: Path, **about: Any) -> tuple[Path, Path]:
    """Write numbers as JSON, with what is told ``about`` them, and their figure as SVG beside it.

    Raises
    ------
    OSError
        A file cannot be written.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    numbers, figure = path.with_suffix(".json"), path.with_suffix(".svg")
    record = about | {"reliability": [r.as_dict() for r in judged]}
    write_atomic(numbers, (json.dumps(record, indent=1, ensure_ascii=False) + "\n").encode())
    write_atomic(figure, reliability_figure(judged).encode())
    return numbers, figure
