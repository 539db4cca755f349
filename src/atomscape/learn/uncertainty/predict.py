"""Predictions with their uncertainty: value, σ, distance from the training set, σ of each atom's share.

    u = load_uncertainty(run, model)
    found = uncertain(model, u, graph)["energy"]      # found.value, found.sigma, found.extrapolates

Energies, charges and tensors cost one pass of the network and one product of matrices. Forces and stress cost
one backward pass for each last weight, or ``samples`` of them: then σ is estimated from draws of the last
weights, with a relative error of 1/√(2·samples).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, fields

import numpy as np
import torch

from atomscape.atoms.graph import Graph
from atomscape.atoms.neighbours import neighbour_graph
from atomscape.atoms.structures import Structures
from atomscape.data.store import Store
from atomscape.learn.evaluate import batches_in_order, evaluating
from atomscape.learn.model import Model
from atomscape.learn.uncertainty.fit import LastLayerUncertainty
from atomscape.learn.uncertainty.last_layers import Served, derivative_features, read_with_features, sizes_of
from atomscape.shapes import Bool, Float, Int, Tensor


@dataclass(frozen=True, eq=False)
class Uncertain:
    """A property with its uncertainty, in its unit. NaN where nothing is known of it.

    ``distance`` is the leverage of a row over the largest one in the training set. ``atoms`` is σ of each
    atom's share of a sum or mean (of tensors the root of the summed squares of its components), and
    ``atom_distance`` the share's leverage over the largest in the training set: where in a structure the
    model is out of its depth. Forces and stress have σ alone; ask the energy for distances.
    """

    value: Float[Tensor, "rows *shape"]
    sigma: Float[Tensor, "rows *shape"]
    distance: Float[Tensor, " rows"]
    atoms: Float[Tensor, " atoms"]
    atom_distance: Float[Tensor, " atoms"]

    @property
    def extrapolates(self) -> Bool[Tensor, " rows"]:
        """Rows further from the training set than any of its own."""
        return self.distance > 1

    def cpu(self) -> Uncertain:
        """On the CPU."""
        return Uncertain(**{f.name: getattr(self, f.name).cpu() for f in fields(self)})


def uncertain(
    model: Model,
    uncertainty: LastLayerUncertainty,
    graph: Graph,
    dataset: str | Int[Tensor, " structures"] | None = None,
    derivatives: Sequence[str] | None = None,
    samples: int | None = None,
    seed: int = 0,
) -> dict[str, Uncertain]:
    """Predict every property with its uncertainty.

    Parameters
    ----------
    dataset, derivatives
        As of ``Model.forward``.
    samples
        Draws of the last weights that σ of forces and stress is estimated from; None computes it exactly.

    Raises
    ------
    LookupError
        No such dataset or derivative.
    """
    index = model.dataset_index(dataset, graph)
    wanted = tuple(model.architecture.derivatives if derivatives is None else derivatives)
    predictions, layers = read_with_features(model, graph, index)
    found = {name: _unknown(value, graph) for name, value in predictions.items()}
    for layer in layers:
        _put(found[layer.property.name], layer, uncertainty, graph)
    if wanted:
        with evaluating(model):
            predictions = model(graph, index, wanted)
        found |= {name: _unknown(predictions[name], graph) for name in wanted}
        columns = None if samples is None else _draws(uncertainty, wanted[0], samples, seed)
        for layer in derivative_features(model, graph, index, wanted, columns):
            _put(found[layer.property.name], layer, uncertainty, graph, drawn=columns is not None)
    return found


def predict_uncertain(
    model: Model,
    uncertainty: LastLayerUncertainty,
    store: Store | Structures,
    rows: Sequence[int] | np.ndarray | None = None,
    dataset: str | None = None,
    derivatives: Sequence[str] | None = None,
    samples: int | None = None,
) -> Iterator[tuple[Structures, dict[str, Uncertain]]]:
    """Yield structures and predictions with uncertainty batch by batch, in order, on the CPU.

    Raises
    ------
    ValueError
        The uncertainty was fitted to other weights.
    """
    uncertainty.check(model)
    chosen = np.arange(len(store)) if rows is None else np.asarray(rows, dtype=np.int64)
    device = next(model.parameters()).device
    for span in batches_in_order(np.asarray(store.counts)[chosen]):
        structures = store[chosen[span.start : span.stop].tolist()].to(dtype=torch.float64)
        graph = neighbour_graph(structures, model.cutoff).to(device)
        found = uncertain(model, uncertainty, graph, dataset, derivatives, samples)
        yield structures, {name: u.cpu() for name, u in found.items()}


def _unknown(value: Tensor, graph: Graph) -> Uncertain:
    """A prediction of whose uncertainty nothing is known yet."""
    nan = torch.full_like(value, torch.nan, dtype=torch.float64)
    by_atom = nan.new_full((graph.n_atoms,), torch.nan)
    row = nan.new_full((len(value),), torch.nan)
    return Uncertain(value.detach(), nan, row, by_atom, by_atom.clone())


def _put(
    into: Uncertain, layer: Served, uncertainty: LastLayerUncertainty, graph: Graph, drawn: bool = False
) -> None:
    """Fill in the rows that a head serves."""
    head = uncertainty.heads.get(layer.key)
    if head is None or layer.property.name not in head.scales:
        return
    scale, s = head.scales[layer.property.name], graph.structures
    sizes = sizes_of(layer.property, s)[layer.rows]
    if drawn:
        leverage = layer.features.square().mean(-1)
    else:
        leverage = head.rigidity.leverage(layer.features, scale.ridge)
    sigma = scale.variance(leverage, sizes).sqrt()
    into.sigma[layer.rows] = sigma.reshape(-1, *into.sigma.shape[1:])
    if layer.shares is None:
        return
    into.distance[layer.rows] = leverage.sum(1) / (sizes * head.largest)
    mine = layer.atoms(s)
    share = head.rigidity.leverage(layer.shares[mine], scale.ridge).sum(1)
    into.atoms[mine] = scale.alpha * share.sqrt()
    into.atom_distance[mine] = share / head.largest_atom


def _draws(
    uncertainty: LastLayerUncertainty, name: str, samples: int, seed: int
) -> dict[str, Float[Tensor, "features samples"]]:
    """Columns R z with z ~ N(0, 1): draws of each head's last weights around the trained ones, over α."""
    columns = {}
    for key, head in uncertainty.heads.items():
        ridge = head.scales[name].ridge if name in head.scales else head.ridge
        root = head.rigidity.root(ridge)
        generator = torch.Generator().manual_seed(seed)
        z = torch.randn(root.shape[1], samples, generator=generator, dtype=torch.float64)
        columns[key] = root @ z.to(root.device)
    return columns
