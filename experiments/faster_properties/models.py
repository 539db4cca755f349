"""Train models, and measure how fast and how well they predict molecules that they have not seen."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch

from atomscape.atoms.neighbours import neighbour_graph
from atomscape.atoms.structures import Structures
from atomscape.learn.checkpoint import load_model
from atomscape.learn.evaluate import evaluating
from atomscape.learn.model import Model
from atomscape.learn.recipe import load_config
from atomscape.learn.train import train
from atomscape.nn.radial import with_radial_tables


def trained(config: Path, run: Path) -> tuple[Model, dict]:
    """The model of a config, trained in the folder ``run`` where it is not there yet, and what its run says.

    Raises
    ------
    KeyboardInterrupt
        Training was stopped; the same call continues it.
    """
    if not (run / "results.json").is_file():
        again = (run / "config.yaml").is_file()
        if train(load_config(run if again else config), run, resume=again) is None:
            raise KeyboardInterrupt
    return load_model(run), json.loads((run / "results.json").read_text(encoding="utf-8"))


def tabulated(model: Model, run: Path) -> Model:
    """The same model with its radial functions as tables."""
    made = load_model(run)
    made.encoder = with_radial_tables(model.encoder, model.cutoff)
    return made


def predicted(model: Model, molecules: Structures, name: str, batch: int) -> np.ndarray:
    """Values of one property, ``batch`` molecules at a time, neighbour search included."""
    found = []
    with evaluating(model):
        for start in range(0, len(molecules), batch):
            graph = neighbour_graph(molecules[start : start + batch], model.cutoff)
            found.append(model(graph)[name])
    return torch.cat(found).numpy()


def seconds(function: Callable[[], object], items: int, repeats: int) -> float:
    """CPU time of one item: the fastest of several rounds, after one to warm up."""
    function()
    taken = []
    for _ in range(repeats):
        start = time.process_time()
        function()
        taken.append(time.process_time() - start)
    return min(taken) / items
