"""Labels that enter a network: looked up in the data of a run, checked, and described in its architecture.

An encoder with an option ``inputs`` names them, and a head with an option ``reads`` those it can do without.
What the config leaves open (whether they belong to atoms,
how they turn, how large they are) is taken from the data, and written into the architecture: a model knows
what it reads without the data it was trained on.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch

from atomscape.atoms.components import to_components
from atomscape.atoms.properties import Property
from atomscape.atoms.structures import Structures
from atomscape.find import suggest
from atomscape.learn.architecture import Architecture
from atomscape.learn.config import PlugIn, RunConfig
from atomscape.nn.inputs import Input, described


def inputs_of(config: RunConfig, offered: dict[str, dict[str, Property]]) -> dict[str, Property]:
    """Labels that enter, as properties; empty where the encoder reads none.

    ``offered`` are the labels of each dataset: those it has, and those that its corruption makes.

    Raises
    ------
    ValueError
        A dataset does not have the label, has it otherwise than another, or not as the config says.
    """
    found: dict[str, Property] = {}
    for given in options(config.encoder):
        name = given["label"]
        for dataset, labels in offered.items():
            p = labels.get(name)
            if p is None:
                known = list(labels)
                raise ValueError(
                    f"the encoder reads the label {name!r}, and {dataset} has none{suggest(name, known)} "
                    f"Labels there: {', '.join(known) or 'none'}."
                )
            asked = _asked(given, p)
            if found.setdefault(name, asked) != asked:
                raise ValueError(
                    f"input {name!r} means different things in two datasets: {found[name]} and {asked}"
                )
    return found


def read_by_heads(config: RunConfig, stores: dict[str, Store]) -> dict[str, Property]:
    """Labels that heads read where they are known, as far as any dataset has them."""
    names = {name for o in config.objectives if o.head for name in o.head.options.get("reads", ())}
    offered = [store.properties for store in stores.values()]
    return {name: known[name] for name in sorted(names) for known in offered if name in known}


def options(encoder: PlugIn) -> tuple[dict[str, Any], ...]:
    """What the config says of each input; nothing for encoders without such an option."""
    return tuple(encoder.options.get("inputs") or ())


def _asked(given: dict[str, Any], p: Property) -> Property:
    """The input as the config describes it, else as the data does."""
    asked = Input(**_filled(given, p)).property()
    if (asked.per, asked.shape) != (p.per, p.shape):
        raise ValueError(
            f"input {p.name!r} is to be {asked.irreps} per {asked.per}, of shape {asked.shape}; the data has "
            f"values per {p.per} of shape {p.shape}"
        )
    return asked


def _filled(given: dict[str, Any], p: Property) -> dict[str, Any]:
    says = described(p)
    if given.get("irreps") or given.get("symmetry"):
        says = {"per": p.per}
    return given | {k: v for k, v in says.items() if not given.get(k)}


def refuse_unknown_values(inputs: dict[str, Property], s: Structures, where: str) -> None:
    """Raise ``ValueError`` if an input is not known everywhere: a network cannot read what is not there."""
    for p in inputs.values():
        values = s.labels[p.name]
        unknown = ~torch.isfinite(values).reshape(len(values), -1).all(1)
        if bool(unknown.any()):
            raise ValueError(
                f"the encoder reads {p.name!r}, which is NaN or infinite for {int(unknown.sum()):,} of "
                f"{len(values):,} {p.per}s of {where}; leave those structures out, or leave the input out"
            )


def with_inputs(
    architecture: Architecture, inputs: dict[str, Property], labelled: Callable[[str], Structures]
) -> Architecture:
    """Architecture whose inputs are described in full; sizes not given are those of the training part.

    ``labelled(name)`` are training structures that have the label.
    """
    if not inputs:
        return architecture
    made = []
    for given in options(architecture.encoder):
        p = inputs[given["label"]]
        full = Input(**_filled(given, p))
        scale = full.scale or _size(p, labelled(p.name))
        made.append(full.model_copy(update={"scale": scale}).model_dump(mode="json"))
    encoder = PlugIn(kind=architecture.encoder.kind, **(architecture.encoder.options | {"inputs": made}))
    return architecture.model_copy(update={"encoder": encoder})


def _size(p: Property, train: Structures) -> float:
    """Root mean square of the components; 1 where all are zero."""
    mean = float(to_components(p, train.labels[p.name]).square().mean())
    return float(f"{mean**0.5:.6g}") if mean > 1e-24 else 1.0
