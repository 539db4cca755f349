"""Training of potentials beside other packages, part of ``training.py``: 3BPA, LiPS, and copper of mlearn.

Our ``mace`` and ``nequip`` beside mace-torch and nequip of equal sizes (``potential_sizes``), random weights,
energy and forces, of copper the stress too. A step is all that training does: the batch, the losses, the
optimiser; ours builds neighbour graphs anew, theirs have them from before. Peers live in environments of
their own (``scripts/peers.py``). Without ``ATOMSCAPE_DATA``, and with ``--quick``, molecules of the embedded
sample take the place of the others.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from apart import Apart, absent, here, race_apart
from interleaved import threads_of_torch
from limits import threads as words
from measure import Row
from potential_sizes import SIZES, SMALL, ours, theirs, write_frames
from potential_sizes import words as sizes_in_words
from training_lips import new_model, optimiser_steps

from atomscape.data.load import load
from atomscape.find import available
from atomscape.learn.config import RunConfig
from atomscape.learn.prepare import Prepared, prepare

QUESTION = "training"
FRAMES = 40
CASES: dict[str, dict[str, Any]] = {
    "3bpa": {"batch": 5, "cutoff": 5.0, "labels": ("energy", "forces")},
    "lips": {"batch": 2, "cutoff": 5.0, "labels": ("energy", "forces")},
    "mlearn:Cu": {"batch": 2, "cutoff": 4.0, "labels": ("energy", "forces", "stress")},
}
QUICK = {"sample": {"batch": 2, "cutoff": 4.0, "labels": ("energy", "forces")}}


def rows(quick: bool, only: str, threads: Sequence[int]) -> Iterator[Row]:
    """A row for each data set, kind of network and number of threads."""
    for count in threads:
        for source, about in (QUICK if quick or not _there() else CASES).items():
            for kind, sizes in (SMALL if quick else SIZES).items():
                case = f"{source}, potential, {sizes_in_words(kind, sizes)}, {words(count)}"
                if only in case and kind in available("encoders"):
                    with threads_of_torch(count):
                        yield _row(case, source, kind, about, sizes, count, 3 if quick else 7)


def _there() -> bool:
    try:
        for source in CASES:
            load(source)
    except (LookupError, OSError):
        return False
    return True


def _row(case: str, source: str, kind: str, about: dict, sizes: dict, count: int, rounds: int) -> Row:
    prepared, config = _prepared(source, kind, about, sizes)
    model, batch = new_model(config, prepared), about["batch"]
    step = optimiser_steps(config, model, prepared, batch)
    reason = absent(kind)
    if reason:
        taken = race_apart({"": here(step, count)}, rounds)
        return Row(QUESTION, case, taken[""] / batch, kind, None, reason, note=_note(taken[""], batch, count))
    train = prepared.structures["train"]
    options = theirs(kind, sizes, about["cutoff"], config.encoder.options["average_neighbours"], train)
    with tempfile.TemporaryDirectory() as folder, Apart(kind, count) as peer:
        frames = str(Path(folder) / "frames.xyz")
        write_frames(frames, train)
        stress = "stress" in about["labels"]
        told = peer.ask("training", **options, frames=frames, batch=batch, stress=stress)
        taken = race_apart({"": here(step, count), "peer": peer.turn}, rounds)
    note = f"{_note(taken[''], batch, count)}; {model.n_parameters:,} parameters, peer {told['parameters']:,}"
    return Row(QUESTION, case, taken[""] / batch, told["name"], taken["peer"] / batch, note=note)


def _note(seconds: float, batch: int, count: int) -> str:
    return f"{batch / seconds:.3g} structures per {'CPU second' if count == 1 else 'second'}"


def _prepared(source: str, kind: str, about: dict, sizes: dict) -> tuple[Prepared, RunConfig]:
    """Data, and a config whose mean number of neighbours is that of the data."""
    split = {"kind": "random", "train": FRAMES if source != "sample" else 16, "val": 1, "test": 1}
    raw = {
        "name": "training",
        "data": [{"name": "m", "source": source, "split": split}],
        "encoder": ours(kind, sizes, about["cutoff"], 1.0),
        "objectives": [{"property": p, "loss": "mse"} for p in about["labels"]],
    }
    prepared = prepare(RunConfig.model_validate(raw))
    prepared = prepared if source == "sample" else of_one_size(prepared)
    graphs = prepared.graphs("train", about["cutoff"], 0.0)
    mean = float(graphs.edge_counts.sum()) / prepared.structures["train"].n_atoms
    raw["encoder"]["average_neighbours"] = round(mean, 2)
    return prepared, RunConfig.model_validate(raw)


def of_one_size(prepared: Prepared) -> Prepared:
    """The same with the largest structures of the training part alone.

    The shortest of several steps counts, and copper's frames have 8 to 108 atoms: a side whose turns fell on
    batches of small ones would seem fast.
    """
    counts = prepared.structures["train"].counts
    largest = (counts == counts.max()).nonzero().squeeze(1)
    structures = {**prepared.structures, "train": prepared.structures["train"][largest]}
    dataset = {**prepared.dataset, "train": prepared.dataset["train"][largest]}
    rows = {
        name: {**parts, "train": parts["train"][largest.numpy()]} for name, parts in prepared.rows.items()
    }
    return replace(prepared, structures=structures, dataset=dataset, rows=rows)
