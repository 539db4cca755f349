"""Constants of heads that come from another run: corrected by what the model leaves of the new labels.

References per element, shift and means that a head brings along belong to other data. With y the labels and ŷ
what the model says with them, the same fit as for a new head (``learn.constants.fit``) is made to y − ŷ, and
added. The scale stays: it is part of what the head has learned.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any

import torch

from atomscape.atoms.neighbours import neighbour_graph
from atomscape.atoms.structures import Structures
from atomscape.learn.config import Objective, RunConfig
from atomscape.learn.constants.fit import Fitted, fit_heads
from atomscape.learn.constants.isotropic import Several
from atomscape.learn.constants.own_fit import own_fit
from atomscape.learn.evaluate import batches_in_order, evaluating
from atomscape.learn.model import Model
from atomscape.learn.objectives import own_loss
from atomscape.learn.prepare import Prepared
from atomscape.shapes import Tensor


def constants(model: Model, heads: Iterable[str]) -> dict[str, Tensor]:
    """Copies of the constants of some heads, by their names in the model."""
    inside = tuple(f"{where}.{key}." for key in heads for where in ("heads", "own_references"))
    return {n: b.clone() for n, b in model.named_buffers() if n.startswith(inside)}


def refit(
    config: RunConfig, model: Model, prepared: Prepared, fitted: list[Fitted], brought: Mapping[str, Tensor]
) -> list[Fitted]:
    """Set the constants of heads that were taken; return ``fitted`` with what holds now.

    ``brought`` are the constants they came with. References that config or free atoms give stay as given,
    constants of a head that fits itself as they came; weights of classes are those of new labels. Where the
    encoder reads what corruptions make, nothing can be said of structures as they are, and constants are
    fitted as for a new head.
    """
    buffers = dict(model.named_buffers())
    taken = {i: o for i, o in enumerate(config.objectives) if f"heads.{head_key(o)}.scale" in brought}
    chosen = {i: o for i, o in taken.items() if own_fit(model.heads[head_key(o)]) is None}
    blind = any(prepared.makes(name) for name in prepared.inputs)
    fixed = {i for i, o in chosen.items() if blind or not isinstance(o.references, bool)}
    rows = [i for i, o in chosen.items() if i not in fixed and not prepared.makes(o.property)]
    again = {n for i in rows for n in brought if f".{head_key(config.objectives[i])}." in n}
    given = {head_key(chosen[i]) for i in fixed} | _of_the_loss(model)
    for name, value in brought.items():
        if name.endswith(".scale") or not any(f".{key}." in name for key in given):
            buffers[name].copy_(value)
    objectives = tuple(config.objectives[i] for i in rows)
    left = _left(model, prepared, {o.property for o in objectives})
    rest = replace(prepared, structures={**prepared.structures, "train": left})
    for name in again:
        buffers[name].zero_()
    _, corrections = fit_heads(config.model_copy(update={"objectives": objectives}), model, rest)
    for name in again:
        value = brought[name].to(buffers[name])
        buffers[name].copy_(value if name.endswith(".scale") else buffers[name] + value)
    by_row = dict(zip(rows, corrections, strict=True))
    names = list(prepared.stores)
    return [
        _as_it_is(f, by_row.get(i, f), model, chosen[i], names) if i in chosen else f
        for i, f in enumerate(fitted)
    ]


def _of_the_loss(model: Model) -> set[str]:
    """Heads whose constants weigh labels in a loss of their own, and no prediction."""
    return {key for key, head in model.heads.items() if own_fit(head) and own_loss(head)}


def head_key(o: Objective) -> str:
    """Key of an objective's head in a model."""
    return f"{'shared' if o.dataset == 'all' else o.dataset}:{o.property}"


def _left(model: Model, prepared: Prepared, names: set[str]) -> Structures:
    """Structures of the training part, their labels being what the model leaves of them."""
    s, owner = prepared.structures["train"], prepared.dataset["train"]
    device = next(model.parameters()).device
    found: dict[str, list[Tensor]] = {name: [] for name in names}
    with evaluating(model):
        for index in batches_in_order(s.counts) if names else ():
            rows = torch.arange(index.start, index.stop)
            graph = neighbour_graph(s[rows], model.cutoff).to(device)
            predictions = model(graph, owner[rows].to(device), ())
            for name, parts in found.items():
                parts.append(predictions[name].cpu().double())
    return s.with_labels(**{name: s.labels[name] - torch.cat(parts) for name, parts in found.items()})


def _as_it_is(first: Fitted, correction: Fitted, model: Model, o: Objective, names: list[str]) -> Fitted:
    """What stands in the head now, for the elements that were fitted."""
    key = head_key(o)
    head: Any = model.heads[key]
    own: Any = model.own_references[key] if key in model.own_references else None  # noqa: SIM401
    return replace(
        first,
        references={z: _plain(head.references[z]) for z in correction.references},
        shift=_plain(head.shift) if head.shift.numel() else first.shift,
        scale=float(head.scale),
        by_dataset={
            name: {z: float(own.table[names.index(name), z]) for z in e0}
            for name, e0 in correction.by_dataset.items()
        },
        note=correction.note,
    )


def _plain(x: Tensor) -> float | Several:
    return float(x) if x.dim() == 0 else tuple(x.tolist())
