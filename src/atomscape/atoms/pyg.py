"""From and to the dictionaries of tensors that PyTorch Geometric and the networks built on it pass around.

Keys written: ``pos`` [atoms, 3], ``z`` [atoms], ``cell`` [structures, 3, 3], ``pbc`` [structures, 3],
``batch`` [atoms], ``ptr`` [structures + 1], ``natoms`` [structures], each label under its property's name; of
a graph also ``edge_index`` [2, edges], ``edge_shift`` [edges, 3] (whole lattice vectors) and ``edge_vec``
[edges, 3]. ``torch_geometric.data.Data(**tensors)`` and ``data.to_dict()`` are the way there and back.

Networks differ in what row 0 of ``edge_index`` is and in the sign of the vector; features of odd degree
change their sign with it:

==============  =====================  ==========================================  ==================
convention      ``edge_index``         ``edge_vec``                                ``edge_shift``
==============  =====================  ==========================================  ==================
``"e3nn"``      neighbour → centre     x[row 1] − x[row 0] + shift·cell            minus ours
``"nequip"``    centre, neighbour      x[row 1] − x[row 0] + shift·cell            ours
``"fairchem"``  neighbour → centre     x[row 0] − x[row 1] + shift·cell            ours
==============  =====================  ==========================================  ==================

Ours is neighbour − centre. ``"e3nn"`` is also MACE's and PyG's (messages are summed at row 1; the vector
points from source to target, against ours); in ``"nequip"`` and ``"fairchem"`` the vector is ours.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

import torch

from atomscape.atoms.graph import Graph
from atomscape.atoms.properties import PROPERTIES
from atomscape.atoms.structures import Structures
from atomscape.shapes import Tensor

Convention = Literal["e3nn", "nequip", "fairchem"]

# Row of edge_index that holds the centre; sign of edge_shift and edge_vec against ours.
_ORDER: dict[str, tuple[int, int]] = {"e3nn": (1, -1), "nequip": (0, 1), "fairchem": (1, 1)}

_NAMES: dict[str, tuple[str, ...]] = {
    "pos": ("pos", "positions"),
    "z": ("z", "atomic_numbers", "numbers", "atom_types"),
    "cell": ("cell", "cells"),
    "pbc": ("pbc",),
    "batch": ("batch", "system_idx"),
    "natoms": ("natoms", "num_atoms", "n_atoms"),
    "edge_index": ("edge_index",),
    "edge_shift": ("edge_shift", "edge_cell_shift", "unit_shifts", "cell_offsets", "neighbor_list_shifts"),
}
"""Names under which the networks keep each tensor; ours first."""


def structures_to_pyg(structures: Structures) -> dict[str, Tensor]:
    """Tensors of the structures and their labels, under PyG's names; memory is shared."""
    s = structures
    geometry = {"pos": s.positions, "z": s.numbers, "cell": s.cell, "pbc": s.pbc}
    return {**geometry, "batch": s.structure, "ptr": s.offsets, "natoms": s.counts, **s.labels}


def graph_to_pyg(graph: Graph, convention: Convention = "e3nn") -> dict[str, Tensor]:
    """Tensors of the structures and of the edges, ordered and signed by the convention.

    Raises
    ------
    ValueError
        The convention is not known.
    """
    row, sign = _order(convention)
    rows = (graph.centre, graph.neighbour) if row == 0 else (graph.neighbour, graph.centre)
    edges = {
        "edge_index": torch.stack(rows),
        "edge_shift": sign * graph.shift,
        "edge_vec": sign * graph.vectors,
    }
    return {**structures_to_pyg(graph.structures), **edges}


def structures_from_pyg(tensors: Mapping[str, Tensor]) -> Structures:
    """Structures of such a dictionary; keys of the vocabulary become labels.

    ``cell`` may be [3, 3], [structures, 3, 3] or MACE's [3·structures, 3]; without it, or without ``pbc``,
    nothing is periodic. Without ``batch`` and ``natoms`` there is one structure.

    Raises
    ------
    KeyError
        There are no positions or no atomic numbers.
    ValueError
        A tensor has the wrong shape.
    """
    positions, numbers = _needed(tensors, "pos"), _needed(tensors, "z").reshape(-1).long()
    structure = _structure(tensors, positions)
    n = (
        int(tensors["ptr"].shape[0]) - 1
        if "ptr" in tensors
        else int(structure.max()) + 1
        if len(structure)
        else 0
    )
    natoms = _given(tensors, "natoms")
    n = n if natoms is None else natoms.reshape(-1).shape[0]
    cell, pbc = _given(tensors, "cell"), _given(tensors, "pbc")
    pbc = torch.zeros(n, 3, dtype=torch.bool, device=positions.device) if pbc is None else pbc.bool()
    pbc = pbc.reshape(-1, 3).expand(n, 3)
    cell = (
        positions.new_zeros(n, 3, 3) if cell is None else cell.to(positions).reshape(-1, 3, 3).expand(n, 3, 3)
    )
    labels = {k: _label(k, tensors[k], n, len(numbers)) for k in PROPERTIES if k in tensors}
    return Structures(positions, numbers, cell * pbc[..., None], pbc, structure, labels)


def graph_from_pyg(tensors: Mapping[str, Tensor], cutoff: float, convention: Convention = "e3nn") -> Graph:
    """Graph of such a dictionary: our order, our sign, sorted by centre.

    Raises
    ------
    KeyError
        There are no edges, or no shifts although something is periodic.
    ValueError
        A tensor has the wrong shape, or the convention is not known.
    """
    row, sign = _order(convention)
    structures = structures_from_pyg(tensors)
    index = _needed(tensors, "edge_index")
    centre, neighbour = index[row].long(), index[1 - row].long()
    shift = _given(tensors, "edge_shift")
    if shift is None:
        if bool(structures.pbc.any()):
            raise KeyError(f"periodic structures need the edges' shifts, one of {_NAMES['edge_shift']}")
        shift = centre.new_zeros(len(centre), 3)
    shift = sign * shift.round().long()
    order = torch.arange(len(centre), device=centre.device)
    for key in (shift[:, 2], shift[:, 1], shift[:, 0], neighbour, centre):
        order = order[key[order].argsort(stable=True)]
    return Graph(structures, centre[order], neighbour[order], shift[order], float(cutoff))


def _order(convention: str) -> tuple[int, int]:
    if convention not in _ORDER:
        raise ValueError(f"no convention {convention!r} of edges; known are {', '.join(_ORDER)}")
    return _ORDER[convention]


def _given(tensors: Mapping[str, Tensor], name: str) -> Tensor | None:
    return next((tensors[k] for k in _NAMES[name] if k in tensors and tensors[k] is not None), None)


def _needed(tensors: Mapping[str, Tensor], name: str) -> Tensor:
    found = _given(tensors, name)
    if found is None:
        raise KeyError(
            f"none of {', '.join(_NAMES[name])} is among the tensors; there are {', '.join(tensors)}"
        )
    return found


def _structure(tensors: Mapping[str, Tensor], positions: Tensor) -> Tensor:
    batch, natoms = _given(tensors, "batch"), _given(tensors, "natoms")
    if batch is not None:
        return batch.long()
    if natoms is not None:
        counts = natoms.reshape(-1).long()
        return torch.repeat_interleave(torch.arange(len(counts), device=positions.device), counts)
    return torch.zeros(len(positions), dtype=torch.int64, device=positions.device)


def _label(name: str, values: Tensor, n: int, n_atoms: int) -> Tensor:
    known = PROPERTIES[name]
    rows = n_atoms if known.per == "atom" else n
    if values.numel() != rows * max(1, torch.Size(known.shape).numel()):
        raise ValueError(f"{name!r} has shape {tuple(values.shape)}; expected {(rows, *known.shape)}")
    return values.reshape(rows, *known.shape)
