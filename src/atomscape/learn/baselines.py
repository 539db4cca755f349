"""Two baselines that every table shows: the mean of the training part, and linear regression on composition.

    extensive   mean: (mean per atom) · n_atoms        composition: Σ_atoms b[element] + c
    intensive   mean: mean                             composition: the same for molecules; for crystals, mean
                                                       over atoms of b[element], + c (a cell is a choice)
    per atom    mean: mean                             composition: mean of the element

The mean of tensors is taken entry by entry. A composition says nothing about a direction: of a tensor it
gives the part that does not turn, the ``0e`` of its irreps, and zero for the rest. The mean of classes is the
commonest. What a corruption makes (noise to be predicted) is measured on the same drawn structures as the
model; the mean of noise is nearly zero.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from functools import partial

import torch

from atomscape.atoms.components import from_components, isotropic, to_components
from atomscape.atoms.graph import Graph
from atomscape.atoms.properties import Property
from atomscape.atoms.structures import Structures
from atomscape.learn.evaluate import batches_in_order
from atomscape.learn.graphs import GraphSet
from atomscape.learn.metrics import Errors, Metric
from atomscape.learn.objectives import Guess, OwnLoss, rows_of
from atomscape.learn.prepare import PARTS, Prepared
from atomscape.shapes import Float, Tensor

Predictor = Callable[[Structures], Tensor]
NAMES = ("mean", "composition")


Fit = Callable[[int, Structures, Iterable[str]], dict[str, Predictor]]
Own = Mapping[tuple[int, str], OwnLoss]


def baselines(
    prepared: Prepared, graphs: Mapping[str, GraphSet] | None = None, own: Own | None = None
) -> dict[str, dict[str, list[Metric]]]:
    """Errors of both baselines: baseline → part → rows. Fitted per dataset on its training part.

    Parameters
    ----------
    graphs
        Part → where its structures are drawn from, needed for what corruptions make.
    own
        Heads that judge their output themselves, by (dataset, property).
    """
    found: dict[str, dict[str, list[Metric]]] = {}
    for name in NAMES:
        fit = partial(_predictors, prepared, name, own or {})
        found[name] = {part: _errors(prepared, fit, part, own or {}) for part in PARTS}
        for part, drawn in (graphs or {}).items():
            found[name][part] += _of_made(prepared, fit, drawn, own or {})
    return found


def _predictors(
    prepared: Prepared, baseline: str, own: Own, d: int, train: Structures, names: Iterable[str]
) -> dict[str, Predictor]:
    """What a baseline predicts of properties of one dataset that are known somewhere in ``train``."""
    found: dict[str, Predictor] = {}
    for p in (p for name, p in prepared.properties.items() if name in names and name in train.labels):
        known, head = _known(p, train), own.get((d, p.name))
        if not bool(known.any()):
            continue
        if head is None:
            found[p.name] = FIT[baseline](p, train, known)
        elif baseline == "mean" and isinstance(head, Guess):
            found[p.name] = partial(_everywhere, p, head.guess(train.labels[p.name][known]))
    return found


def _everywhere(p: Property, value: Tensor, s: Structures) -> Tensor:
    return value.expand(s.n_atoms if p.per == "atom" else len(s), *value.shape)


def _errors(prepared: Prepared, fit: Fit, part: str, own: Own) -> list[Metric]:
    errors = Errors(prepared.stores, prepared.properties.values(), own)
    for d in range(len(prepared.stores)):
        train, chosen = _of_one(prepared, "train", d), _of_one(prepared, part, d)
        predictions = {k: predict(chosen) for k, predict in fit(d, train, prepared.properties).items()}
        errors.add(predictions, chosen, torch.full((len(chosen),), d), _without_edges(chosen))
    return errors.metrics()


def _of_made(prepared: Prepared, fit: Fit, graphs: GraphSet, own: Own) -> list[Metric]:
    """Errors on labels that corruptions make, as the structures of a part are drawn for evaluation."""
    fitted: dict[int, dict[str, Predictor]] = {}
    for d, corruption in prepared.corruptions.items():
        names = corruption.properties.keys() & prepared.properties.keys()
        if names:
            fitted[d] = fit(d, prepared.made(min(names), d), names)
    errors = Errors(prepared.stores, prepared.properties.values(), own)
    for rows in batches_in_order(graphs.counts) if fitted else ():
        s, dataset = graphs.drawn(rows), graphs.dataset[rows.start : rows.stop]
        for d, predictors in fitted.items():
            mine = torch.where(dataset == d, dataset, -1)
            predictions = {name: predict(s) for name, predict in predictors.items()}
            errors.add(predictions, s, mine, _without_edges(s))
    return errors.metrics()


def _without_edges(s: Structures) -> Graph:
    none = torch.zeros(0, dtype=torch.int64)
    return Graph(s, none, none, torch.zeros(0, 3, dtype=torch.int64), 0.0)


def _of_one(prepared: Prepared, part: str, d: int) -> Structures:
    """Structures of one dataset; they stand together, so nothing is copied."""
    first, end = torch.searchsorted(prepared.dataset[part], torch.tensor([d, d + 1])).tolist()
    return prepared.structures[part][first:end]


def _known(p: Property, s: Structures) -> Tensor:
    y = s.labels[p.name]
    return y.isfinite().flatten(1).all(1) if y.dim() > 1 else y.isfinite()


def mean(p: Property, train: Structures, known: Tensor) -> Predictor:
    """Fit the mean: per atom for extensive properties of structures."""
    y = train.labels[p.name][known]
    if p.extensive and p.per == "structure":
        counts = train.counts[known].to(y.dtype)
        value = y.sum(0) / counts.sum()
        return lambda s: s.counts.to(y.dtype).view(-1, *[1] * (y.dim() - 1)) * value
    value = y.mean(0)
    everything = torch.ones
    return lambda s: value.expand(len(rows_of(p, everything(len(s), dtype=torch.bool), s)), *value.shape)


def composition(p: Property, train: Structures, known: Tensor) -> Predictor:
    """Fit linear regression on composition: counts, or fractions for intensive properties of crystals."""
    values = to_components(p, train.labels[p.name][known])
    fits = {i: _of_one_number(p, train, known, values[:, i]) for i in isotropic(p)}

    def predict(s: Structures) -> Tensor:
        rows = s.n_atoms if p.per == "atom" else len(s)
        components = values.new_zeros(rows, values.shape[1])
        for i, fit in fits.items():
            components[:, i] = fit(s)
        return from_components(p, components)

    return predict


def _of_one_number(p: Property, train: Structures, known: Tensor, y: Tensor) -> Predictor:
    if p.per == "atom":
        return _element_means(y, train.numbers[known])
    elements = train.numbers.unique()
    counts = p.extensive or not bool(train.pbc.any())
    x = design(train[known], elements, counts)
    weights = torch.linalg.lstsq(x, y.unsqueeze(1), driver="gelsd").solution
    return lambda s: (design(s, elements, counts) @ weights)[:, 0]


def _element_means(y: Tensor, numbers: Tensor) -> Predictor:
    table = torch.full((119,), float(y.mean()), dtype=y.dtype)
    for z in numbers.unique():
        table[z] = y[numbers == z].mean()
    return lambda s: table[s.numbers]


def design(s: Structures, elements: Tensor, count: bool) -> Float[Tensor, "structures columns"]:
    """Count (or fraction) of each element, and a column of ones; elements not listed are left out."""
    one_hot = (s.numbers.unsqueeze(1) == elements).to(torch.float64)
    counts = torch.zeros(len(s), len(elements), dtype=torch.float64).index_add_(0, s.structure, one_hot)
    if not count:
        counts = counts / s.counts.unsqueeze(1)
    return torch.cat([counts, torch.ones(len(s), 1, dtype=torch.float64)], dim=1)


FIT: dict[str, Callable[[Property, Structures, Tensor], Predictor]] = {
    "mean": mean,
    "composition": composition,
}
