"""The file of an ensemble, ``ensemble.json``: where its members are, their hashes, and the scales."""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from pathlib import Path

import torch

from atomscape import __version__
from atomscape.learn.checkpoint import FORMAT, load_model, upgraded, write_atomic
from atomscape.learn.uncertainty.calibrate import Scale
from atomscape.learn.uncertainty.ensemble import Ensemble, refuse_strangers
from atomscape.learn.uncertainty.file import load_uncertainty

ENSEMBLE = "ensemble.json"


def save_ensemble(ensemble: Ensemble, runs: Sequence[str | Path], folder: str | Path) -> Path:
    """Write the scales and the places of the members' runs, relative to the folder.

    Raises
    ------
    OSError
        The file cannot be written.
    """
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    header = {
        "kind": "ensemble",
        "format": FORMAT,
        "atomscape": __version__,
        "members": [
            {"run": Path(os.path.relpath(run, folder)).as_posix(), "model_hash": model.hash}
            for run, model in zip(runs, ensemble.models, strict=True)
        ],
        "last_layers": bool(ensemble.last_layers),
        "spread": {name: scale.as_dict() for name, scale in ensemble.spread.items()},
        "mixture": {name: scale.as_dict() for name, scale in ensemble.mixture.items()},
        "constant": dict(ensemble.constant),
    }
    write_atomic(folder / ENSEMBLE, (json.dumps(header, indent=1) + "\n").encode())
    return folder / ENSEMBLE


def load_ensemble(path: str | Path, device: torch.device | str = "cpu") -> Ensemble:
    """Read an ensemble from its file or the folder that holds it.

    Raises
    ------
    ValueError
        No ensemble there, or a member was trained anew since.
    """
    path = Path(path)
    path = path / ENSEMBLE if path.is_dir() else path
    if not path.is_file():
        raise ValueError(f"no ensemble at {path}; make one: atomscape uncertainty RUN RUN …")
    header = upgraded(json.loads(path.read_text(encoding="utf-8")), path)
    models, last_layers = [], []
    for member in header["members"]:
        run = path.parent / member["run"]
        model = load_model(run, device)
        if model.hash != member["model_hash"]:
            raise ValueError(
                f"the run {run} has other weights than when {path} was made; make the ensemble again"
            )
        models.append(model)
        if header["last_layers"]:
            last_layers.append(load_uncertainty(run, model))
    refuse_strangers(models)
    spread, mixture = ({n: Scale(**s) for n, s in header[k].items()} for k in ("spread", "mixture"))
    return Ensemble(tuple(models), tuple(last_layers), spread, mixture, header["constant"])
