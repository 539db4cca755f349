"""Evaluate a model on data and predict for structures, streaming: memory does not grow with the dataset."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

import numpy as np
import torch

from atomscape.atoms.graph import Graph
from atomscape.atoms.neighbours import neighbour_graph
from atomscape.atoms.properties import Property
from atomscape.atoms.structures import Structures
from atomscape.data.store import Store
from atomscape.learn.graphs import GraphSet
from atomscape.learn.labels.derive import with_derived
from atomscape.learn.machines.ranks import ALONE, Ranks
from atomscape.learn.metrics import Errors, Metric
from atomscape.learn.model import Model
from atomscape.learn.objectives import Term, term_sums
from atomscape.shapes import Tensor

_ATOMS = 2048
Keep = Callable[[Sequence[int], Graph, Tensor, dict[str, Tensor]], None]


def batches_in_order(counts: Sequence[int] | Tensor | np.ndarray, atoms: int = _ATOMS) -> Iterator[range]:
    """Consecutive structures, as many as fit ``atoms`` atoms (at least one)."""
    start, total = 0, 0
    sizes = [int(c) for c in counts]
    for i, n in enumerate(sizes):
        if total + n > atoms and i > start:
            yield range(start, i)
            start, total = i, 0
        total += n
    if start < len(sizes):
        yield range(start, len(sizes))


def evaluate_graphs(
    model: Model,
    graphs: GraphSet,
    terms: Sequence[Term] = (),
    ranks: Ranks = ALONE,
    keep: Keep | None = None,
) -> tuple[list[Metric], dict[str, float]]:
    """Errors of every property, and the mean of each loss term, over a ``GraphSet``.

    Each process evaluates its share of the batches; sums and counts are added up over them. ``keep`` is
    called with the places of the structures of each batch, its graph, its datasets, and what was predicted.
    """
    errors = Errors(model.architecture.datasets, model.properties.values(), model.own_losses())
    sums = [[0.0, 0.0] for _ in terms]
    device = next(model.parameters()).device
    with evaluating(model):
        for rows in ranks.mine(batches_in_order(graphs.counts)):
            graph, dataset = graphs.batch(rows)
            graph, dataset = graph.to(device), dataset.to(device)
            predictions = model(graph, dataset)
            errors.add(predictions, graph.structures, dataset, graph)
            if keep is not None:
                keep(rows, graph, dataset, predictions)
            for total, (value, known) in zip(
                sums, term_sums(terms, predictions, graph, dataset), strict=True
            ):
                total[0] += float(value)
                total[1] += float(known)
    errors.add_up(ranks)
    sums = [ranks.summed(total) for total in sums]
    return errors.metrics(), {t.name: s / max(n, 1) for t, (s, n) in zip(terms, sums, strict=True)}


def evaluate(
    model: Model,
    store: Store,
    rows: Sequence[int] | np.ndarray | str | None = None,
    dataset: str | None = None,
) -> list[Metric]:
    """Errors of a model on a store.

    Parameters
    ----------
    rows
        Structure numbers, the name of one of the store's fixed splits, or None for all.
    dataset
        Whose heads to use, where the model knows several datasets.

    Raises
    ------
    ValueError
        The store has none of the labels that the model predicts.
    LookupError
        The model has heads for several datasets and none was named.
    """
    labels = comparable(model, store)
    whose = whose_heads(model, store, dataset)
    names = model.architecture.datasets
    row = names.index(whose) if whose in names else 0
    own = {(0, p): head for (d, p), head in model.own_losses().items() if d == row}
    errors = Errors((dataset or store.card.name,), list(labels.values()), own)
    for structures, predictions in predict(model, store, rows, whose):
        structures = with_derived(structures, model.architecture.rules)
        graph = neighbour_graph(structures, model.cutoff) if own else None
        first = torch.zeros(len(structures), dtype=torch.int64)
        errors.add(predictions, structures, first, graph)
    return errors.metrics()


def comparable(model: Model, store: Store) -> dict[str, Property]:
    """What a model predicts and a store has labels of, or labels from which the model's rules make them.

    Raises
    ------
    ValueError
        There is nothing of the kind.
    """
    rules, offered = model.architecture.rules, store.properties.keys()
    found = {
        name: p
        for name, p in model.properties.items()
        if name in offered or (name in rules and rules[name].label in offered)
    }
    if not found:
        raise ValueError(
            f"nothing to compare: the model predicts {', '.join(model.properties)}; "
            f"{store.card.name} has labels {', '.join(offered) or 'none'}; "
            "without DATA the run's own data is measured, with what corruptions make of it"
        )
    return found


def whose_heads(model: Model, store: Store, dataset: str | None) -> str | None:
    """Dataset whose heads to use: the one asked for, the one called as the store, or the shared heads."""
    names = model.architecture.datasets
    if dataset is not None or len(names) == 1:
        return dataset
    if store.card.name in names:
        return store.card.name
    if all(h.dataset == "shared" and not h.own_references for h in model.architecture.heads):
        return None
    raise LookupError(
        f"the model has heads of its own for {', '.join(names)}; say which are meant for {store.card.name}"
    )


def predict(
    model: Model,
    store: Store | Structures,
    rows: Sequence[int] | np.ndarray | str | None = None,
    dataset: str | None = None,
    derivatives: Sequence[str] | None = None,
) -> Iterator[tuple[Structures, dict[str, Tensor]]]:
    """Yield structures and predictions batch by batch, in order, on the CPU."""
    if isinstance(rows, str):
        if not isinstance(store, Store):
            raise ValueError(f"only a store has a split called {rows!r}; give structure numbers")
        rows = store.split(rows)
    counts = np.asarray(store.counts)
    chosen = np.arange(len(store)) if rows is None else np.asarray(rows, dtype=np.int64)
    device = next(model.parameters()).device
    for span in batches_in_order(counts[chosen]):
        structures = store[chosen[span.start : span.stop].tolist()].to(dtype=torch.float64)
        graph = neighbour_graph(structures, model.cutoff).to(device)
        with evaluating(model):
            predictions = model(graph, dataset, derivatives)
        yield structures, {k: v.cpu() for k, v in predictions.items()}


class evaluating:
    """While it lasts: evaluation mode, and no graph of derivatives is kept."""

    def __init__(self, model: torch.nn.Module):
        self.model, self.no_grad = model, torch.no_grad()

    def __enter__(self) -> None:
        self.was_training = self.model.training
        if self.was_training:  # to walk through all modules takes as long as a small molecule does
            self.model.eval()
        self.no_grad.__enter__()

    def __exit__(self, *error) -> None:
        self.no_grad.__exit__(*error)
        if self.was_training:
            self.model.train()
