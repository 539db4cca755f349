"""Architecture: the JSON description from which a model is built again before its weights are loaded."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Literal

import torch
from pydantic import model_serializer

from atomscape.atoms.components import is_scalar
from atomscape.atoms.formulas import N_ELEMENTS
from atomscape.atoms.properties import Property
from atomscape.data.card import PropertyRecord
from atomscape.learn.config import Objective, PlugIn, RunConfig, Strict
from atomscape.learn.labels.derive_rule import Derive, rule


class HeadRecord(Strict):
    """One head: the dataset it serves (or ``"shared"``), what it predicts, and its plug-in."""

    dataset: str
    predicts: PropertyRecord
    head: PlugIn
    own_references: bool = False
    derive: Derive | None = None

    @model_serializer(mode="wrap")
    def _short(self, write: Callable[[Any], dict[str, Any]]) -> dict[str, Any]:
        """Leave out what is not used, so that models without it keep their hash."""
        return {k: v for k, v in write(self).items() if k not in ("own_references", "derive") or v}

    @property
    def key(self) -> str:
        """Key in the model, ``dataset:property``."""
        return f"{self.dataset}:{self.predicts.name}"


class Architecture(Strict):
    """Everything needed to build a model but its weights. Shared heads stand first."""

    encoder: PlugIn
    heads: tuple[HeadRecord, ...]
    datasets: tuple[str, ...]
    derivatives: tuple[str, ...] = ()
    dtype: Literal["float32", "float64"] = "float32"

    @property
    def rules(self) -> dict[str, Derive]:
        """How labels are made of others where data lack them, by property."""
        return {h.predicts.name: h.derive for h in self.heads if h.derive is not None}

    @property
    def torch_dtype(self) -> torch.dtype:
        """Dtype of the weights."""
        return getattr(torch, self.dtype)


def architecture_of(config: RunConfig, properties: dict[str, Property]) -> Architecture:
    """Architecture that serves a config's objectives; ``properties`` describes every property named there.

    Raises
    ------
    ValueError
        Forces or stress without an energy, or a property for which no head fits.
    """
    heads, derivatives = [], []
    for o in config.objectives:
        p = properties[o.property]
        if p.derivative_of is not None and o.head is None:
            served = {x.dataset for x in config.objectives if x.property == p.derivative_of}
            asked = {d.name for d in config.data} if o.dataset == "all" else {o.dataset}
            if "all" not in served and not asked <= served:
                raise ValueError(
                    f"{p.name} of {', '.join(sorted(asked - served))} are derivatives of the "
                    f"{p.derivative_of}: add an objective for {p.derivative_of} there (weight 0 is allowed), "
                    f"or predict them directly as property non_conservative_{p.name}"
                )
            derivatives.append(p.name)
            continue
        refuse_averages(o, p)
        record = PropertyRecord.of(p)
        dataset = "shared" if o.dataset == "all" else o.dataset
        if o.own_references and not (p.extensive and is_scalar(p)):
            what = "no scalar" if p.extensive else "no sum over atoms"
            raise ValueError(f"own_references: {p.name} is {what} and has no E0; leave them out")
        head = o.head or default_head(p)
        heads.append(
            HeadRecord(
                dataset=dataset,
                predicts=record,
                head=head,
                own_references=bool(o.own_references),
                derive=rule(p.name, o.derive),
            )
        )
    _refuse_both(heads, derivatives)
    heads.sort(key=lambda h: h.dataset != "shared")
    return Architecture(
        encoder=config.encoder,
        heads=tuple(heads),
        datasets=tuple(d.name for d in config.data),
        derivatives=tuple(dict.fromkeys(derivatives)),
        dtype=config.dtype,
    )


def _refuse_both(heads: list[HeadRecord], derivatives: list[str]) -> None:
    """Raise ``ValueError`` where a property is derivative on one dataset and has a head on another."""
    for h in heads:
        if h.predicts.name in derivatives:
            raise ValueError(
                f"{h.predicts.name}: head {h.head.kind} on {h.dataset!r}, and elsewhere the derivative of "
                f"{h.predicts.derivative_of}; a model gives one or the other: name a head in all its "
                "objectives, or in none"
            )


def refuse_averages(objective: Objective, property: Property) -> None:
    """Raise ``ValueError`` where an extensive property, whose references are sums, is to be averaged."""
    pooling = objective.head.options.get("pooling") if objective.head else None
    if property.extensive and pooling in ("mean", "attention"):
        raise ValueError(
            f"{property.name} is extensive (it adds up over atoms); pooling {pooling!r} would average it. "
            "Use pooling: sum, or leave it out"
        )


SPECIAL_HEADS: dict[str, dict[str, Any]] = {
    "missing_atoms": {"kind": "complete", "elements": None},
    "metal": {"kind": "classes"},
    "masked_element": {"kind": "classes", "first": 1, "count": N_ELEMENTS - 1},
    "feature_decorrelation": {"kind": "decorrelate"},
}
"""Head of what no kind of number describes."""


def default_head(property: Property) -> PlugIn:
    """Head that fits a property by what it is, its shape, and whether it turns."""
    special = SPECIAL_HEADS.get(property.name)
    if special is not None:
        return PlugIn.model_validate(special)
    if not is_scalar(property):
        return PlugIn(kind="tensor")
    return PlugIn(kind="scalar" if property.per == "structure" else "atom_scalar")
