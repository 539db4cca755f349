"""Fit what a head does not train: per-element references (E0), shift and scale, from the training part.

    extensive     y ≈ Σ_atoms E0[element]      by least squares, from free atoms, or as given; of each
                                               dataset its own if asked; scale = sd of the residual per atom
    intensive     y ≈ mean;                    scale = sd.  With ``references: true`` the mean over atoms of a
                                               value per element is fitted too, and scale = sd of what is left
    per atom      y ≈ mean of the element;     scale = sd of what is left
    tensors       as above for what does not turn (``learn.constants.isotropic``)

Where forces are learned the energy head is scaled by the root mean square of a force component instead, if
that is larger: it is the same number for an isolated molecule and for a thousand frames of one, whose
energies hardly differ. Of relaxed structures, which have next to no forces, the energies give the scale.
Errors enter the loss in units of the scale, if the objective asks for no other: then the gradient of the
energies does not drown that of the forces.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any

import torch
from ase.data import chemical_symbols

from atomscape.atoms.components import is_scalar
from atomscape.atoms.formulas import N_ELEMENTS, composition_of
from atomscape.atoms.properties import Property
from atomscape.atoms.structures import Structures
from atomscape.data.references import fit_references
from atomscape.learn.config import Objective, RunConfig
from atomscape.learn.constants.isotropic import Several, fit_isotropic
from atomscape.learn.constants.own_fit import OwnFit, own_fit, refuse_undefined
from atomscape.learn.constants.references import bridged_difference, given_references, refuse_missing
from atomscape.learn.model import Model
from atomscape.learn.objectives import Term, own_loss, rows_of
from atomscape.learn.prepare import Prepared, known_values
from atomscape.shapes import Bool, Tensor


@dataclass(frozen=True)
class Fitted:
    """What was fitted for one objective, in the property's unit; of tensors a number for each ``0e``."""

    property: Property
    dataset: str
    count: int
    references: dict[int, float] | dict[int, Several]
    shift: float | Several
    scale: float
    error_scale: float
    by_dataset: dict[str, dict[int, float]] = field(default_factory=dict)
    note: str = ""

    def as_dict(self) -> dict:
        """Plain data, elements by symbol."""

        def by_symbol(references: dict[int, float] | dict[int, Several]) -> dict[str, float | Several]:
            return {chemical_symbols[z]: e for z, e in references.items()}

        own = {name: by_symbol(e0) for name, e0 in self.by_dataset.items()}
        return {
            "property": self.property.name,
            "dataset": self.dataset,
            "unit": self.property.unit,
            "known_labels": self.count,
            "references": by_symbol(self.references),
            "shift": self.shift,
            "scale": self.scale,
        } | ({"references_by_dataset": own} if own else {})


def fit_heads(config: RunConfig, model: Model, prepared: Prepared) -> tuple[list[Term], list[Fitted]]:
    """Set the buffers of all heads from the training part; return the loss terms and what was fitted."""
    names = [d.name for d in config.data]
    structures, terms, fitted = prepared.structures["train"], [], []
    for o in config.objectives:
        p = prepared.properties[o.property]
        d = None if o.dataset == "all" else names.index(o.dataset)
        chosen = (
            torch.ones(len(structures), dtype=torch.bool) if d is None else prepared.dataset["train"] == d
        )
        head_key = f"{'shared' if d is None else o.dataset}:{p.name}"
        has_head = p.derivative_of is None or o.head is not None
        own = own_loss(model.heads[head_key]) if has_head else None
        fits_itself = own_fit(model.heads[head_key]) if has_head else None
        if own is not None:
            if fits_itself is not None and p.name in structures.labels:
                _fit_by_head(fits_itself, p, structures, chosen, o.dataset)
            count = known_values(prepared, "train", p.name, d)
            terms.append(Term(p, d, o.loss, o.weight, 1.0, f"{o.dataset}:{p.name}", own))
            fitted.append(Fitted(p, o.dataset, count, {}, 0.0, 1.0, 1.0))
            continue
        if fits_itself is not None:
            given_references(o, p, {})
            fitted.append(_fit_by_head(fits_itself, p, structures, chosen, o.dataset))
            scale = _error_scale(o, fitted[-1], fitted[-1].error_scale)
            terms.append(Term(p, d, o.loss, o.weight, scale, f"{o.dataset}:{p.name}"))
            continue
        if prepared.makes(p.name):
            fit = _fit_made(o, p, prepared, d, _takes_constants(model.heads[head_key]))
        elif p.extensive and p.per == "structure" and is_scalar(p):
            fit = _fit_sums(o, p, prepared, chosen)
        else:
            given_references(o, p, {})  # refuses what only sums can have
            head = model.heads[head_key] if has_head else None
            fit = _fit(p, structures, chosen, o.dataset, bool(o.references), _takes_constants(head))
        spread = fit.error_scale
        if has_head:
            if p.name == "energy" and "forces" in prepared.properties:
                fit = _scaled_by_forces(fit, structures, chosen)
            _write(fit, model.heads[head_key])
            references: Any = model.own_references[head_key] if o.own_references else None
            for name, e0 in fit.by_dataset.items():
                for z, value in e0.items():
                    references.table[names.index(name), z] = value
        scale = _error_scale(o, fit, spread)
        terms.append(Term(p, d, o.loss, o.weight, scale, f"{o.dataset}:{p.name}"))
        fitted.append(fit)
    return terms, fitted


def _fit_by_head(head: OwnFit, p: Property, s: Structures, chosen: Tensor, name: str) -> Fitted:
    """Let a head fit itself to the structures whose label is known."""
    y = s.labels[p.name]
    known = chosen & y.reshape(len(y), -1).isfinite().all(1)
    labelled = s[known]
    refuse_undefined(head, labelled, p.name, name)
    scale = head.fit(labelled)
    return Fitted(p, name, len(labelled), {}, 0.0, scale, scale)


def _takes_constants(head: Any) -> bool:
    """Whether a head adds references and a shift: a linear one has none, and derivatives have no head."""
    return head is not None and head.shift.numel() > 0


def _write(fit: Fitted, head: Any) -> None:
    """Set the buffers of a head."""
    head.scale.fill_(fit.scale)
    if not _takes_constants(head):
        return
    for z, value in fit.references.items():
        head.references[z] = torch.tensor(value, dtype=torch.float64)
    shift = torch.tensor(fit.shift, dtype=torch.float64)
    head.shift.copy_(shift.reshape(head.shift.shape) if shift.numel() else torch.zeros(()))


def _fit(
    p: Property,
    s: Structures,
    chosen: Bool[Tensor, " structures"],
    name: str,
    references: bool,
    constants: bool,
) -> Fitted:
    y = s.labels[p.name]
    known = y.isfinite().flatten(1).all(1) if y.dim() > 1 else y.isfinite()
    known = known & rows_of(p, chosen, s)
    y, count = y[known], int(known.sum())
    if not is_scalar(p):
        fit = fit_isotropic(p, s, known, constants)
        return Fitted(p, name, count, fit.references, fit.shift, fit.scale, fit.scale)
    if p.per == "atom":
        means, rest = _element_means(y, s.numbers[known])
        scale = _spread(rest, len(means))
        return Fitted(p, name, count, means, 0.0, scale, scale)
    sub = s[known]
    if not references:
        scale = _spread(y - y.mean(), 1)
        return Fitted(p, name, count, {}, float(y.mean()), scale, scale)
    shift = float(y.mean())
    columns = composition_of(sub) / sub.counts.unsqueeze(1)
    e0, condition = fit_references(columns, y - shift)
    scale = _spread(y - shift - columns @ e0, condition.rank)
    return Fitted(p, name, count, _present(e0, sub), shift, scale, scale)


def _fit_made(o: Objective, p: Property, prepared: Prepared, d: int | None, constants: bool) -> Fitted:
    """Fit a label that corruptions make, on training structures drawn once.

    Raises
    ------
    ValueError
        They make it for none of the structures.
    """
    given_references(o, p, {})  # refuses what only sums can have
    s = prepared.made(p.name, d)
    fit = _fit(p, s, torch.ones(len(s), dtype=torch.bool), o.dataset, bool(o.references), constants)
    if not fit.count:
        raise ValueError(
            f"objective {p.name!r} on {o.dataset!r}: of {len(s):,} structures that were corrupted none has "
            "the label; strain, for one, is of crystals that are periodic in three directions"
        )
    return replace(fit, count=known_values(prepared, "train", p.name, d))


def _fit_sums(o: Objective, p: Property, prepared: Prepared, chosen: Bool[Tensor, " structures"]) -> Fitted:
    """References of what adds up over atoms; of each dataset apart where it is to have its own."""
    s, owner = prepared.structures["train"], prepared.dataset["train"]
    chosen = chosen & s.labels[p.name].isfinite()
    names = list(prepared.stores)
    stores = prepared.stores if o.dataset == "all" else {o.dataset: prepared.stores[o.dataset]}
    apart = {name: {name: prepared.stores[name]} for name in names} if o.own_references else {"": stores}
    rest, rank, found, notes = torch.zeros(len(s), dtype=torch.float64), 0, {}, []
    for name, these in apart.items():
        mine = chosen & (owner == names.index(name)) if name else chosen
        if not bool(mine.any()):
            continue
        sub = s[mine]
        if o.own_references == "bridge" and found:
            first = chosen & (owner == names.index(next(iter(found))))
            difference, fitted, note = bridged_difference(o, s[first], sub, name)
            e0 = _table(next(iter(found.values()))) + difference
        else:
            e0, fitted, note = _e0_of(o, sub, sub.labels[p.name], given_references(o, p, these))
        rest[mine] = (sub.labels[p.name] - composition_of(sub) @ e0) / sub.counts
        rank, found[name] = rank + fitted, _present(e0, sub)
        notes += [f"{name}: {note}" if name else note] if note else []
    left = rest[chosen]
    scale = _spread(left, rank)
    error_scale = scale if rank else _spread(left - left.mean(), 1)
    own = found if o.own_references else {}
    shared = {} if o.own_references else found[""]
    return Fitted(p, o.dataset, int(chosen.sum()), shared, 0.0, scale, error_scale, own, "; ".join(notes))


def _e0_of(o: Objective, s: Structures, y: Tensor, given: dict[int, float] | None) -> tuple[Tensor, int, str]:
    """E0 by atomic number, how many numbers were fitted, and what is to be said about them."""
    if given is None:
        e0, condition = fit_references(composition_of(s), y)
        return e0, condition.rank, str(condition) if condition.rank < condition.elements else ""
    refuse_missing(o, given, s.numbers.unique().tolist())
    return _table(given), 0, ""


def _table(values: dict[int, float]) -> Tensor:
    table = torch.zeros(N_ELEMENTS, dtype=torch.float64)
    for z, value in values.items():
        table[z] = value
    return table


def _error_scale(o: Objective, fit: Fitted, spread: float) -> float:
    """What the loss divides errors by."""
    if isinstance(o.scale, float):
        return o.scale
    return spread if o.scale == "spread" else fit.error_scale


def _scaled_by_forces(fit: Fitted, s: Structures, chosen: Tensor) -> Fitted:
    forces = s.labels["forces"][chosen[s.structure]]
    forces = forces[forces.isfinite()]
    if forces.numel() == 0:
        return fit
    scale = _positive(float(forces.square().mean().sqrt()))
    return replace(fit, scale=max(scale, fit.scale), error_scale=max(scale, fit.error_scale))


def _element_means(y: Tensor, numbers: Tensor) -> tuple[dict[int, float], Tensor]:
    means = {int(z): float(y[numbers == z].mean()) for z in numbers.unique()}
    return means, y - _table(means).to(y.dtype)[numbers]


def _present(e0: Tensor, s: Structures) -> dict[int, float]:
    return {int(z): float(e0[z]) for z in s.numbers.unique()}


def _spread(rest: Tensor, fitted: int) -> float:
    """Standard deviation of what is left after fitting so many numbers; 1 where nothing can be left."""
    free = rest.numel() - fitted
    return _positive(float((rest.square().sum() / free).sqrt())) if free > 0 else 1.0


def _positive(x: float) -> float:
    return x if x > 1e-12 else 1.0
