"""From a run's folder, a model file or a model to a potential: precision, radial tables, whose heads to use.

Filters are tabulated for inference where the encoder has radial networks (``nn.radial``): several times
faster, forces stay continuous, energies per atom within 10⁻⁶ eV. In float64 the tables are finer.
"""

from __future__ import annotations

from pathlib import Path

import torch
from ase.data import atomic_numbers

from atomscape.find import suggest
from atomscape.learn.checkpoint import load_model
from atomscape.learn.fine_tuning.low_rank import merged
from atomscape.learn.labels.inputs import options
from atomscape.learn.model import Model
from atomscape.nn.radial import RadialNetwork, with_radial_tables
from atomscape.simulate.potential import ModelPotential

INTERVALS = {torch.float32: 512, torch.float64: 2048}
"""Intervals of a radial table."""

RunOrModel = str | Path | Model
"""A run's folder, a model file, or a model in memory."""


def load_potential(
    what: RunOrModel,
    dataset: str | None = None,
    dtype: str | None = None,
    device: torch.device | str = "cpu",
    tables: bool = True,
) -> ModelPotential:
    """A potential of its own: the model given is not changed.

    Parameters
    ----------
    dataset
        Whose energy to use, where the model has several.
    dtype
        ``"float32"`` or ``"float64"``; None: as it was trained. Finite differences want float64.
    tables
        Whether radial filters are tabulated.

    Raises
    ------
    ValueError
        No model there, or one without an energy.
    LookupError
        No such dataset, or none named where the model has several energies.
    """
    model = what if isinstance(what, Model) else load_model(what)
    about, name = model.about, "the model" if isinstance(what, Model) else str(what)
    if "energy" not in model.properties:
        raise ValueError(
            f"{name} predicts {', '.join(model.properties)}; a simulation needs a model trained on energy, "
            "and for forces that are any good, on forces too"
        )
    dataset = _whose(model, dataset, name)
    made = _as_wanted(model, dtype).to(device).eval().requires_grad_(False)
    made.about = about
    if tables and any(isinstance(m, RadialNetwork) for m in made.encoder.modules()):
        made.encoder = with_radial_tables(made.encoder, made.cutoff, INTERVALS[made.dtype])
    reads = [i["label"] for i in options(made.architecture.encoder)]
    reads += [n for h in made.architecture.heads for n in h.head.options.get("reads", ())]
    return ModelPotential(made, dataset, _elements(made), tuple(dict.fromkeys(reads)))


def _as_wanted(model: Model, dtype: str | None) -> Model:
    """A copy in the precision asked for."""
    if dtype not in (None, *(str(t).removeprefix("torch.") for t in INTERVALS)):
        raise ValueError(f"dtype {dtype!r} asked for; a model computes in float32 or float64")
    architecture = model.architecture.model_copy(update={"dtype": dtype} if dtype else {})
    with torch.random.fork_rng(devices=[]):
        made = Model(architecture)
    made.load_state_dict(merged(model))
    return made


def _whose(model: Model, dataset: str | None, name: str) -> str | None:
    """The dataset named, if there has to be one."""
    known = model.architecture.datasets
    heads = [h for h in model.architecture.heads if h.predicts.name == "energy"]
    if dataset is not None and dataset not in known:
        raise LookupError(
            f"no dataset {dataset!r} in {name}{suggest(dataset, known)} Known: {', '.join(known)}."
        )
    own = [h.dataset for h in heads if h.dataset != "shared"]
    several = any(h.own_references for h in heads) or own
    if dataset is None and len(known) > 1 and several:
        raise LookupError(
            f"{name} has an energy for each of {', '.join(known)}; say whose to use: "
            f"dataset={known[0]!r} (--dataset {known[0]})"
        )
    served = {*own, *(known if len(own) < len(heads) else ())}
    if dataset is not None and dataset not in served:
        raise LookupError(f"{name} has no energy for {dataset!r}; it has one for {', '.join(sorted(served))}")
    return dataset


def _elements(model: Model) -> frozenset[int] | None:
    symbols = model.about.get("elements")
    return frozenset(atomic_numbers[x] for x in symbols) if symbols else _referenced(model)


def _referenced(model: Model) -> frozenset[int] | None:
    """Elements whose reference energies are not exactly zero: fitted on what training had."""
    tables = [
        buffer.reshape(-1, buffer.shape[-1]) != 0
        for name, buffer in model.named_buffers()
        if name.startswith(("heads.", "own_references."))
        and ":energy." in name
        and name.endswith((".references", ".table"))
    ]
    if not tables:
        return None
    seen = torch.cat(tables).any(0).nonzero().squeeze(1).tolist()
    return frozenset(seen) or None
