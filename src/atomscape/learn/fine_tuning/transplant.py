"""A run that starts from another one: its encoder, the heads that agree, and constants fitted anew.

    start_from: runs/qm9            start_from: {model: runs/qm9, heads: {mine:energy: qm9:energy}}

The encoder is taken whole, or the error names every option in which the two differ. Options that the config
leaves to be measured on data (the average number of neighbours, the size of inputs) are those of the source:
with others it would be another function. A head is taken with its scale; its references and shift are those
of the source, corrected by what the model with them leaves of the new labels (``learn.constants.refit``). So
the E0 of another level of theory are fitted, and what the head knows about bonding is not counted twice.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml
from ase.data import chemical_symbols

from atomscape.atoms.formulas import N_ELEMENTS
from atomscape.find import suggest
from atomscape.learn.architecture import Architecture, HeadRecord
from atomscape.learn.checkpoint import load_model
from atomscape.learn.config import PlugIn, RunConfig, checked_plug_in
from atomscape.learn.constants.fit import Fitted, fit_heads
from atomscape.learn.constants.refit import constants, refit
from atomscape.learn.fine_tuning.options import StartFrom
from atomscape.learn.model import Model
from atomscape.learn.objectives import Term
from atomscape.learn.prepare import Prepared
from atomscape.shapes import Int, Tensor


@dataclass(frozen=True)
class Origin:
    """The model that a run starts from, and what was asked of it."""

    asked: StartFrom
    model: Model
    hash: str


@dataclass(frozen=True)
class Taken:
    """What a run took over. ``heads``: new → old; ``left``: new → why not; ``unseen``: new elements."""

    model: str
    hash: str
    encoder: str
    heads: dict[str, str] = field(default_factory=dict)
    left: dict[str, str] = field(default_factory=dict)
    unseen: tuple[str, ...] = ()

    def lines(self) -> list[str]:
        """For people."""
        lines = [f"start: encoder {self.encoder} of {self.model} ({self.hash[:12]}…)"]
        lines += [
            f"start: head {new} from {old}, its constants fitted anew" for new, old in self.heads.items()
        ]
        lines += [f"start: head {new} is new: {why}" for new, why in self.left.items()]
        if self.unseen:
            names = ", ".join(self.unseen)
            lines.append(
                f"note: {names} did not occur where {self.model} was trained; nothing is known of them"
            )
        return lines


def origin(config: RunConfig) -> Origin | None:
    """The model that a config starts from; None if it starts from nothing.

    Raises
    ------
    ValueError
        There is no model at that place.
    """
    asked = config.start_from
    if asked is None:
        return None
    if not Path(asked.model).exists():
        raise ValueError(
            f"start_from: no file or folder {asked.model!r} here; give the folder of a run, or a model file "
            "such as best.safetensors"
        )
    model = load_model(asked.model)
    return Origin(asked, model, model.hash)


def adopted(architecture: Architecture, start: Origin) -> Architecture:
    """Architecture with the encoder of the source; options that the config leaves open are filled in.

    Raises
    ------
    ValueError
        The encoders differ; every difference is named.
    """
    there = checked_plug_in("encoders", start.model.architecture.encoder)
    here = architecture.encoder
    filled = {k: _filled(v, there.options.get(k)) for k, v in here.options.items()}
    a, b = {"kind": here.kind, **filled}, {"kind": there.kind, **there.options}
    keys = ["kind"] if here.kind != there.kind else list(dict.fromkeys([*a, *b]))
    wrong = [f"  encoder.{k}: {_say(a, k)} here, {_say(b, k)} there" for k in keys if a.get(k) != b.get(k)]
    if wrong:
        same = yaml.safe_dump(b, default_flow_style=True, sort_keys=False, width=10_000).strip()
        raise ValueError(
            f"start_from: the encoder of {start.asked.model} is another:\n"
            + "\n".join(wrong)
            + f"\nTo start from it use its own: encoder: {same}"
        )
    return architecture.model_copy(update={"encoder": PlugIn(kind=here.kind, **filled)})


def _filled(here: Any, there: Any) -> Any:
    """What a config leaves open, also inside its inputs, is as in the source."""
    if here is None:
        return there
    if isinstance(here, list) and isinstance(there, list) and len(here) == len(there):
        return [_filled(a, b) for a, b in zip(here, there, strict=True)]
    if isinstance(here, dict) and isinstance(there, dict):
        return {k: _filled(v, there.get(k)) for k, v in here.items()}
    return here


def _say(options: dict[str, Any], key: str) -> str:
    return repr(options[key]) if key in options else "not set"


def started(
    config: RunConfig, model: Model, prepared: Prepared, start: Origin | None
) -> tuple[list[Term], list[Fitted], Taken | None]:
    """Terms of the loss, constants of the heads, and what was taken from another run, for a new model."""
    if start is None:
        return *fit_heads(config, model, prepared), None
    taken = take(model, start, prepared.structures["train"].numbers)
    brought = constants(model, taken.heads)
    terms, fitted = fit_heads(config, model, prepared)
    return terms, refit(config, model, prepared, fitted, brought), taken


def take(model: Model, start: Origin, numbers: Int[Tensor, " atoms"]) -> Taken:
    """Copy the encoder and the heads that agree into a model; ``numbers`` are those of the training part.

    Raises
    ------
    ValueError
        A head asked for does not exist, here or there, or does not agree.
    """
    model.encoder.load_state_dict(start.model.encoder.state_dict())
    pairs, left = _pairs(model.architecture, start)
    for new, old in pairs.items():
        model.heads[new].load_state_dict(start.model.heads[old].state_dict())
        _take_references(model, new, start.model, old)
    seen = _elements(start.model)
    present = [chemical_symbols[z] for z in numbers.unique().tolist()]
    unseen = tuple(x for x in present if x not in seen) if seen else ()
    name = Path(start.asked.model).name
    return Taken(name, start.hash, model.architecture.encoder.kind, pairs, left, unseen)


def _pairs(here: Architecture, start: Origin) -> tuple[dict[str, str], dict[str, str]]:
    """Head of the new model → head of the old one that it starts from; or why from none."""
    there = {h.key: h for h in start.model.architecture.heads}
    new = {h.key: h for h in here.heads}
    asked = start.asked.heads or {}
    for a, b in asked.items():
        for key, known in ((a, new), (b, there)):
            if key not in known:
                where = "this run" if known is new else start.asked.model
                raise ValueError(
                    f"start_from.heads: {where} has no head {key!r}{suggest(key, list(known))} "
                    f"It has {', '.join(known) or 'none'}."
                )
    pairs, left = {}, {}
    for key, h in new.items():
        if start.asked.heads is False:
            left[key] = "none was to be taken (heads: false)"
            continue
        same = [k for k, o in there.items() if o.predicts.name == h.predicts.name]
        old = asked.get(key) or (key if key in there else same[0] if len(same) == 1 else None)
        why = _unlike(h, there[old]) if old else _why_none(same, Path(start.asked.model).name)
        if why and key in asked:
            raise ValueError(f"start_from.heads: {key} cannot start from {old}: {why}")
        pairs |= {} if why or old is None else {key: old}
        left |= {key: why} if why else {}
    return pairs, left


def _why_none(same: list[str], model: str) -> str:
    if not same:
        return f"{model} has none for this property"
    return f"{model} has several, {', '.join(same)}; say which under start_from.heads"


def _unlike(new: HeadRecord, old: HeadRecord) -> str:
    """In what two heads differ; empty where one can stand for the other."""
    a, b = checked_plug_in("heads", new.head), checked_plug_in("heads", old.head)
    p, q = new.predicts.property(), old.predicts.property()
    wrong = [
        f"{k} {getattr(p, k)} here, {getattr(q, k)} there"
        for k in ("name", "unit", "per", "irreps", "extensive", "shape", "symmetry")
        if getattr(p, k) != getattr(q, k)
    ]
    if new.derive != old.derive:
        wrong.append(f"made of {new.derive or 'nothing'} here, of {old.derive or 'nothing'} there")
    if a.kind != b.kind:
        wrong.append(f"head {a.kind} here, {b.kind} there")
    else:
        keys = dict.fromkeys([*a.options, *b.options])
        wrong += [
            f"{k} {a.options.get(k)!r} here, {b.options.get(k)!r} there"
            for k in keys
            if a.options.get(k) != b.options.get(k)
        ]
    return "; ".join(wrong)


def _take_references(model: Model, new: str, source: Model, old: str) -> None:
    """References of the dataset of the same name, else of the first; as one table or as rows of datasets."""
    names = list(source.architecture.datasets)

    def row(dataset: str) -> Tensor:
        table: Any = source.own_references[old]
        return table.table[names.index(dataset) if dataset in names else 0]

    head: Any = model.heads[new]
    if new in model.own_references:
        own: Any = model.own_references[new]
        for d, dataset in enumerate(model.architecture.datasets):
            own.table[d] = row(dataset) if old in source.own_references else head.references
        head.references.zero_()
    elif old in source.own_references:
        head.references += row(new.partition(":")[0])


def _elements(model: Model) -> set[str]:
    """Symbols of the elements that a model was trained on; older files tell by their references."""
    if "elements" in model.about:
        return set(model.about["elements"])
    seen: set[int] = set()
    for name, b in model.named_buffers():
        if name.endswith((".references", ".table")) and b.numel():
            by_element = b.reshape(N_ELEMENTS, -1).any(1) if name.endswith(".references") else b.any(0)
            seen |= set(by_element.nonzero().squeeze(1).tolist())
    return {chemical_symbols[z] for z in seen}
