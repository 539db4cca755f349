"""``train data.xyz`` without a config: what to learn follows from the labels the data has.

With energies a potential is trained (forces and stress where given, recipe ``potential``); otherwise every
scalar and tensor, all at once (recipe ``properties``), with features of the degrees and parities that the
tensors need. Small sets get more epochs, so that the number of steps is sensible for 50 structures as for
50,000.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from importlib import resources
from pathlib import Path
from typing import Any

import numpy as np
import yaml

from atomscape.atoms.properties import Property
from atomscape.data.files import Reading
from atomscape.data.load import load
from atomscape.data.store import Store
from atomscape.learn.config import FileReading, RunConfig
from atomscape.learn.recipe import apply_overrides, validate

STEPS = 10_000
WEIGHTS = {"energy": 3.0, "forces": 1.0, "stress": 0.1}
"""Of a potential; errors of energies are measured by the forces where there are forces."""


def config_for(source: str, overrides: Sequence[str] = ()) -> RunConfig:
    """Config for a dataset (anything ``data.load`` takes), chosen by its labels.

    Raises
    ------
    ValueError
        The data has no label that a head can learn, or too few structures to split.
    """
    store = load(source, _reading(overrides))
    if len(store) < 10:
        raise ValueError(f"{source} has {len(store)} structures; training needs 10 to split off val and test")
    known = [p for p in store.properties.values() if _known(store, p)]
    objectives = _objectives(known)
    if not objectives:
        given = ", ".join(store.properties) or "none"
        raise ValueError(f"{source} has no label to learn and no energy; labels with values: {given}")
    raw = _recipe("potential" if objectives[0]["property"] == "energy" else "properties")
    if raw["encoder"]["kind"] == "tfn":
        raw["encoder"] |= _reach(raw["encoder"]["l_max"], known, objectives)
    name = re.sub(r"[^A-Za-z0-9_\-]+", "_", Path(source).stem) or "data"
    raw |= {"name": name, "objectives": objectives}
    split = {"kind": "store"} if {"train", "val", "test"} <= set(store.splits) else raw["data"][0]["split"]
    dataset = "data" if name in ("all", "shared") else name
    raw["data"] = [{"name": dataset, "source": source, "split": split}]
    steps_per_epoch = 0.8 * len(store) / raw["training"]["batch"]["structures"]
    raw["training"]["epochs"] = int(np.clip(STEPS / steps_per_epoch, 10, 500))
    return validate(apply_overrides(raw, overrides), f"config for {source}")


def _reading(overrides: Sequence[str]) -> Reading:
    """How to read the file, as far as overrides (``data.0.reading.stress=tension``) say."""
    mine = [o for o in overrides if o.startswith("data.0.reading")]
    raw = apply_overrides({"data": [{}]}, mine)["data"][0].get("reading") or {}
    return Reading(**FileReading(**raw).model_dump())


def _objectives(known: Sequence[Property]) -> list[dict[str, Any]]:
    names = {p.name for p in known}
    if "energy" in names:
        return [{"property": p, "loss": "huber", "weight": w} for p, w in WEIGHTS.items() if p in names]
    return [{"property": p.name, "loss": "mae"} for p in known if _is_result(p)]


def _is_result(p: Property) -> bool:
    return p.derivative_of is None and p.name not in _STATES and p.name not in _AMBIGUOUS


_STATES = ("total_charge", "total_spin", "velocities")
"""Labels that describe what was computed, not what came out."""

_AMBIGUOUS = ("polarization",)
"""Labels that are known only up to a quantum: their error is no difference of numbers."""


def _reach(l_max: int, known: Sequence[Property], objectives: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """Options of the encoder by which its features have all degrees and parities of what is learned."""
    names = {o["property"] for o in objectives}
    irreps = [ir for p in known if p.name in names and p.derivative_of is None for _, ir in p.irreps]
    reach: dict[str, Any] = {"l_max": max([l_max, *(ir.l for ir in irreps)])}
    return reach if all(ir.natural for ir in irreps) else reach | {"parity": "both"}


def _known(store: Store, p: Property) -> bool:
    return bool(np.isfinite(store.values(p.name)).any())


def _recipe(name: str) -> dict[str, Any]:
    return yaml.safe_load(resources.files("atomscape").joinpath("recipes", f"{name}.yaml").read_text())
