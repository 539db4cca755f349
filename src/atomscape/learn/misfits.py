"""Heads that do not fit: what was asked, what the property is, which heads and which encoders would do."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import combinations
from typing import Protocol, runtime_checkable

from atomscape.atoms.properties import Property
from atomscape.atoms.structures import Structures
from atomscape.find import available, find
from atomscape.learn.architecture import Architecture, HeadRecord
from atomscape.learn.model import Model
from atomscape.learn.objectives import own_loss
from atomscape.o3.irreps import Irreps


@runtime_checkable
class Particular(Protocol):
    """A head that cannot learn from any number: it says which labels are wrong before training starts."""

    def refuse_labels(self, structures: Structures) -> None:
        """Raise ``ValueError`` that names a label the head cannot learn."""
        ...


def fitting_model(architecture: Architecture) -> Model:
    """The model of an architecture.

    Raises
    ------
    ValueError
        A head does not fit its property or the encoder, or two heads of one property clash.
    """
    try:
        model = Model(architecture)
    except ValueError as error:
        raise ValueError(_explained(architecture, error)) from None
    _refuse_clashes(model)
    return model


def refuse_labels(model: Model, parts: Mapping[str, Structures]) -> None:
    """Raise ``ValueError`` where a head cannot learn from a label; ``parts`` are train, val and test."""
    for h in model.architecture.heads:
        head = model.heads[h.key]
        if not isinstance(head, Particular):
            continue
        for part, structures in parts.items():
            if h.predicts.name not in structures.labels:
                continue
            try:
                head.refuse_labels(structures)
            except ValueError as error:
                raise ValueError(f"objective {h.predicts.name!r}, the {part} part: {error}") from None


def heads_for(property: Property, irreps: Irreps) -> list[str]:
    """Kinds of heads that predict a property from an embedding of these irreps."""
    return [kind for kind in available("heads") if _fits(kind, property, irreps)]


def _fits(kind: str, property: Property, irreps: Irreps) -> bool:
    module = find("heads", kind)
    try:
        module.build(module.Config(), irreps, (property,))
    except (ValueError, LookupError):
        return False
    return True


def _explained(architecture: Architecture, error: ValueError) -> str:
    """The error of a head with what would fit; any other as it is."""
    encoder = find("encoders", architecture.encoder.kind)
    irreps = encoder.build(encoder.Config(**architecture.encoder.options)).irreps
    for h in architecture.heads:
        module, p = find("heads", h.head.kind), h.predicts.property()
        try:
            module.build(module.Config(**h.head.options), irreps, (p,))
        except ValueError:
            fit = heads_for(p, irreps)
            lines = [f"objective {p.name!r} on {_whose(h)!r}: {error}", f"  {p.name}: {_what(p)}"]
            lines.append(f"  heads that fit it with encoder {architecture.encoder.kind}: {_names(fit)}")
            if not fit:
                lines.append(f"  encoders with which one would: {_names(_encoders_for(p))}")
            return "\n".join(lines)
    return str(error)


def _encoders_for(p: Property) -> list[str]:
    """Encoders that, with degrees up to those of a property, have a head for it; with the head's kind."""
    found = []
    for kind in available("encoders"):
        module = find("encoders", kind)
        wanted = {"l_max": p.irreps.l_max} | (
            {} if all(ir.natural for _, ir in p.irreps) else {"parity": "both"}
        )
        options = {k: v for k, v in wanted.items() if k in module.Config.model_fields}
        fit = heads_for(p, module.build(module.Config(channels=2, **options)).irreps)
        said = ", ".join(f"{k}: {v}" for k, v in options.items())
        found += [f"{kind}{f' ({said})' if said else ''} with head {' or '.join(fit)}"] if fit else []
    return found


def _what(p: Property) -> str:
    kind = "scalar" if not p.shape else f"tensor of shape {p.shape}, {p.irreps},"
    adds = "adds up over atoms" if p.extensive else "does not add up over atoms"
    return f"a {kind} per {p.per}, unit {p.unit or 'unknown'}" + (f", {adds}" if p.per == "structure" else "")


def _names(names: list[str]) -> str:
    return ", ".join(names) or "none"


def _whose(h: HeadRecord) -> str:
    return "all" if h.dataset == "shared" else h.dataset


def _refuse_clashes(model: Model) -> None:
    """Raise ``ValueError`` where heads of one property give outputs that cannot stand in one table."""
    for a, b in combinations(model.architecture.heads, 2):
        if a.predicts.name != b.predicts.name:
            continue
        judged = [own_loss(model.heads[h.key]) is not None for h in (a, b)]
        if any(judged) and (not all(judged) or a.head != b.head):
            said = [f"{h.head.kind} {h.head.options} on {_whose(h)!r}" for h in (a, b)]
            raise ValueError(
                f"{a.predicts.name} is to be predicted by head {said[0]} and by head {said[1]}: their "
                "outputs are not of one kind. Give both the same head with the same options"
            )
