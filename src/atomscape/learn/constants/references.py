"""References per element (E0) that are not fitted but given: in the config, or by free atoms in the data.

Two datasets of different level of theory have different E0, by hundreds of eV where one counts all electrons
and the other valence electrons only. With ``own_references`` one network serves both: each dataset has its
own row of the table, and what the network learns is the energy of bonding that the levels agree on.

Fitted apart, each row takes in what of the bonding goes with the composition in its own dataset, and the
rows disagree by that. Where datasets share structures (a bridge) the difference of two rows is known better:
there bonding cancels.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import torch
from ase.data import atomic_numbers, chemical_symbols
from torch import nn

from atomscape.atoms.formulas import N_ELEMENTS, composition_of
from atomscape.atoms.graph import Graph
from atomscape.atoms.properties import Property
from atomscape.atoms.structures import Structures
from atomscape.data.geometry_keys import geometry_keys
from atomscape.data.references import fit_references
from atomscape.data.store import Store
from atomscape.learn.config import Objective
from atomscape.ops.segment import segment_sum
from atomscape.shapes import Float, Int, Tensor

AGREE = 1e-3
"""eV by which free atoms of one element may differ before they count as of different levels of theory."""


class DatasetReferences(nn.Module):
    """Σ over the atoms of a structure of E0[dataset of the structure, element], float64."""

    table: Float[Tensor, "datasets elements"]

    def __init__(self, datasets: int) -> None:
        super().__init__()
        self.register_buffer("table", torch.zeros(datasets, N_ELEMENTS, dtype=torch.float64))

    def forward(self, graph: Graph, dataset: Int[Tensor, " structures"]) -> Float[Tensor, " structures"]:
        """Sum of each structure."""
        s = graph.structures
        return segment_sum(self.table[dataset[s.structure], s.numbers], s.structure, s.n_structures)


def given_references(o: Objective, p: Property, stores: Mapping[str, Store]) -> dict[int, float] | None:
    """Value per atomic number that the config or the data's free atoms give; None where they are fitted.

    Raises
    ------
    ValueError
        The property does not add up over atoms, no free atom is labelled, or free atoms disagree.
    """
    if isinstance(o.references, bool):
        return None
    if not p.extensive or p.per != "structure" or p.shape:
        raise ValueError(
            f"objective {o.property!r}: references of {o.references!r} are for scalars that add up over "
            "atoms, as the energy does; use references: true to fit a value per element"
        )
    if isinstance(o.references, dict):
        return {atomic_numbers[symbol]: value for symbol, value in o.references.items()}
    return _agreed(o, {name: isolated_atoms(store, p.name) for name, store in stores.items()})


def isolated_atoms(store: Store, name: str) -> dict[int, float]:
    """Mean of a label over the free atoms of each element: single atoms with ``isolated_atom`` = 1."""
    if "isolated_atom" not in store.properties or name not in store.properties:
        return {}
    free = (store.values("isolated_atom") == 1) & (store.counts == 1)
    first = np.r_[0, np.cumsum(store.counts)][:-1][free]
    z, y = store.values("numbers")[first], np.asarray(store.values(name))[free]
    return {int(k): float(y[z == k].mean()) for k in np.unique(z) if np.isfinite(y[z == k]).all()}


def refuse_missing(o: Objective, given: Mapping[int, float], present: list[int]) -> None:
    """Raise ``ValueError`` that names the elements without a reference."""
    missing = [chemical_symbols[z] for z in present if z not in given]
    if missing:
        raise ValueError(
            f"objective {o.property!r} on {o.dataset!r}: no reference for {', '.join(missing)}; given are "
            f"{', '.join(chemical_symbols[z] for z in given) or 'none'}. Give all, or fit them "
            "(references: false)"
        )


def bridged_difference(o: Objective, a: Structures, b: Structures, name: str) -> tuple[Tensor, int, str]:
    """E0 of b − E0 of a by atomic number, from the structures in both; how many were fitted, what to say.

    Elements that b does not have get 0.

    Raises
    ------
    ValueError
        Nothing is shared, or nothing with some of b's elements.
    """
    _, in_a, in_b = np.intersect1d(geometry_keys(a), geometry_keys(b), return_indices=True)
    if not len(in_a):
        raise ValueError(
            f"objective {o.property!r}: {name} shares no training structures with the first dataset; use "
            "own_references: true, or splits that keep shared ones on one side (kind: group, stable: true)"
        )
    counts = composition_of(a[in_a])
    missing = sorted(set(b.numbers.tolist()) - set((counts.sum(0) > 0).nonzero().squeeze(1).tolist()))
    if missing:
        raise ValueError(
            f"objective {o.property!r}: no structure that {name} shares with the first dataset holds "
            f"{', '.join(chemical_symbols[z] for z in missing)}; use own_references: true"
        )
    y_a, y_b = a.labels[o.property][torch.from_numpy(in_a)], b.labels[o.property][torch.from_numpy(in_b)]
    difference, condition = fit_references(counts, y_b - y_a)
    return difference, condition.rank, f"from {len(in_a)} shared structures: {condition}"


def _agreed(o: Objective, found: Mapping[str, dict[int, float]]) -> dict[int, float]:
    agreed: dict[int, float] = {}
    for name, values in found.items():
        for z, value in values.items():
            if abs(agreed.setdefault(z, value) - value) > AGREE:
                raise ValueError(
                    f"objective {o.property!r}: a free {chemical_symbols[z]} atom has {agreed[z]:.6g} in one "
                    f"dataset and {value:.6g} in {name}; set own_references: true, or an objective for each"
                )
    if not agreed:
        raise ValueError(
            f"objective {o.property!r}: {', '.join(found)} hold no free atoms with that label (single atoms "
            "with isolated_atom = 1); give references as {symbol: value}, or fit them (references: false)"
        )
    return agreed
