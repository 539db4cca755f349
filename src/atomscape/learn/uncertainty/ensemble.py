"""Ensembles: runs that differ in their seed (or in anything but data and split) as one predictor.

    value = mean over members,    spread² = Σ (member − value)² / (k − 1)
    σ² = α² (spread² + ρ m)                                  calibrated as in ``learn.uncertainty.calibrate``
    mixture: q = spread² + mean over members of σ²           where every member has a last-layer σ of its own

The spread says how far trainings disagree, the last-layer σ how firmly each is held: the variance of a
mixture of normal distributions is the sum of the two (Lakshminarayanan, Pritzel, Blundell, NeurIPS 2017,
§ 2.4). It is calibrated too, for members are judged alone and the mean errs less. Exact σ of forces are dear,
so the mixture is of what heads predict; forces and stress have their spread.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

import torch

from atomscape.atoms.graph import Graph
from atomscape.atoms.neighbours import neighbour_graph
from atomscape.learn.evaluate import batches_in_order, evaluating
from atomscape.learn.graphs import GraphSet
from atomscape.learn.model import Model
from atomscape.learn.uncertainty.calibrate import FEWEST, Scale, calibrate
from atomscape.learn.uncertainty.fit import LastLayerUncertainty
from atomscape.learn.uncertainty.last_layers import sizes_of
from atomscape.learn.uncertainty.predict import uncertain
from atomscape.shapes import Float, Int, Tensor


@dataclass(frozen=True, eq=False)
class Ensemble:
    """Members, their last-layer uncertainties (or none), and scales by property.

    ``constant`` is the root mean square error of the mean on the validation part (per atom where it adds up).
    """

    models: tuple[Model, ...]
    last_layers: tuple[LastLayerUncertainty, ...] = ()
    spread: Mapping[str, Scale] = field(default_factory=dict)
    mixture: Mapping[str, Scale] = field(default_factory=dict)
    constant: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True, eq=False)
class Together:
    """What the members say of a property, in its unit.

    ``last_layer`` is the root of the members' mean σ², NaN where they have none. Calibrated are ``sigma``,
    from the spread alone, and ``mixture``, from both; NaN where they are not.
    """

    members: Float[Tensor, "members rows *shape"]
    value: Float[Tensor, "rows *shape"]
    spread: Float[Tensor, "rows *shape"]
    last_layer: Float[Tensor, "rows *shape"]
    sigma: Float[Tensor, "rows *shape"]
    mixture: Float[Tensor, "rows *shape"]


def ensemble_of(
    models: Sequence[Model], last_layers: Sequence[LastLayerUncertainty] = (), val: GraphSet | None = None
) -> Ensemble:
    """Join models, and calibrate on a validation part that none of them was trained on.

    Raises
    ------
    ValueError
        Fewer than two, or models of other properties, data or splits: what one validates another may have
        trained on.
    """
    refuse_strangers(models)
    for model, u in zip(models, last_layers, strict=bool(last_layers)):
        u.check(model)
    raw = Ensemble(tuple(models), tuple(last_layers))
    if val is None:
        return raw
    parts: dict[str, list[tuple[Tensor, ...]]] = {}
    for name, *rows in member_rows(raw, val):
        parts.setdefault(name, []).append(tuple(rows))
    spread, mixture, constant, none = {}, {}, {}, torch.zeros(1, dtype=torch.float64)
    for name, several in parts.items():
        errors, spread2, mixture2, sizes = (torch.cat(x) for x in zip(*several, strict=True))
        if errors.numel() < FEWEST:
            continue
        spread[name] = calibrate(errors, spread2.unsqueeze(-1), sizes, none.to(errors.device))
        if bool(mixture2.isfinite().all()):
            mixture[name] = calibrate(errors, mixture2.unsqueeze(-1), sizes, none.to(errors.device))
        constant[name] = math.sqrt(float((errors / sizes.unsqueeze(1)).square().mean()))
    return Ensemble(raw.models, raw.last_layers, spread, mixture, constant)


def refuse_strangers(models: Sequence[Model]) -> None:
    """Raise ``ValueError`` where models cannot be one ensemble."""
    if len(models) < 2:
        raise ValueError(f"an ensemble needs two runs or more; given {len(models)}")
    first = models[0]
    for k, model in enumerate(models[1:], 2):
        if model.properties != first.properties:
            raise ValueError(
                f"run {k} predicts {', '.join(model.properties)}, the first {', '.join(first.properties)}; "
                "members of an ensemble predict the same"
            )
        if model.about.get("fingerprints") != first.about.get("fingerprints"):
            raise ValueError(
                f"run {k} was trained on other data or another split than the first; then what calibrates "
                "one may have trained another. Use runs of one config that differ in `seed`"
            )
    hashes = [m.hash for m in models]
    if len(set(hashes)) < len(hashes):
        raise ValueError("two of the runs have the same weights; give runs that differ in `seed`")


def together(
    ensemble: Ensemble,
    graph: Graph,
    dataset: str | Int[Tensor, " structures"] | None = None,
    derivatives: Sequence[str] | None = None,
) -> dict[str, Together]:
    """Predict with every member.

    Parameters
    ----------
    graph
        Of the first member's cutoff; members with another one build their own from its structures.

    Raises
    ------
    LookupError
        No such dataset or derivative.
    """
    said: dict[str, list[Tensor]] = {}
    own: dict[str, list[Tensor]] = {}
    for k, model in enumerate(ensemble.models):
        s = graph.structures
        mine = graph if model.cutoff == graph.cutoff else neighbour_graph(s, model.cutoff).to(s.device)
        with evaluating(model):
            for name, value in model(mine, dataset, derivatives).items():
                said.setdefault(name, []).append(value.double())
        if ensemble.last_layers:
            alone = uncertain(model, ensemble.last_layers[k], mine, dataset, ())
            for name, u in alone.items():
                own.setdefault(name, []).append(u.sigma)
    properties = ensemble.models[0].properties
    judged = {name for _, name in ensemble.models[0].own_losses()}
    found = {}
    for name, values in said.items():
        members, sigmas = torch.stack(values), own.get(name)
        if name in judged:
            continue
        sizes = sizes_of(properties[name], graph.structures)
        spread2 = members.var(0, correction=1)
        alone2 = torch.stack(sigmas).square().mean(0) if sigmas else torch.full_like(spread2, torch.nan)
        found[name] = Together(
            members=members,
            value=members.mean(0),
            spread=spread2.sqrt(),
            last_layer=alone2.sqrt(),
            sigma=_sigma(ensemble.spread.get(name), spread2, sizes),
            mixture=_sigma(ensemble.mixture.get(name), spread2 + alone2, sizes),
        )
    return found


def _sigma(scale: Scale | None, variance: Tensor, sizes: Tensor) -> Tensor:
    if scale is None:
        return torch.full_like(variance, torch.nan)
    return scale.variance(variance, sizes).sqrt()


def member_rows(ensemble: Ensemble, graphs: GraphSet) -> Iterator[tuple[str, Tensor, Tensor, Tensor, Tensor]]:
    """Name, errors of the mean, spread², spread² + mean σ², and m of rows whose label is known."""
    device = next(ensemble.models[0].parameters()).device
    for rows in batches_in_order(graphs.counts):
        graph, dataset = graphs.batch(rows)
        graph, dataset = graph.to(device), dataset.to(device)
        for name, t in together(ensemble, graph, dataset).items():
            label = graph.structures.labels.get(name)
            if label is None:
                continue
            error = (t.value - label.double()).reshape(len(label), -1)
            known = error.isfinite().all(1)
            sizes = sizes_of(ensemble.models[0].properties[name], graph.structures)
            spread2, alone2 = (x.square().reshape(len(label), -1)[known] for x in (t.spread, t.last_layer))
            yield name, error[known], spread2, spread2 + alone2, sizes[known]
