"""Nets in Systre's ``.cgd`` files: space group, cell, one node and edge of each kind; and their expansion."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from atomscape.data.packed import cells_from_parameters
from atomscape.data.space_group_settings import first_of_each, operations, setting_named

SAME = 2e-3
"""Fractional coordinates this close are one node: files give five digits, on symmetry elements too."""

KEYS = 2000
"""Points are first sorted into boxes of this many along each axis: those of one box are the same point."""


@dataclass(frozen=True, eq=False)
class Net:
    """A periodic net: ``nodes`` [nodes, 3] fractional, ``coordination`` as the file states it [nodes],
    ``degrees`` counted from its edges [nodes], ``cell`` [3, 3] in the file's unit, ``length`` of edges on
    average.
    """

    name: str
    space_group: int
    cell: np.ndarray
    nodes: np.ndarray
    coordination: np.ndarray
    degrees: np.ndarray
    length: float


def read_cgd(text: str) -> Net:
    """The net of one ``CRYSTAL`` block, expanded to all nodes of the cell.

    Raises
    ------
    ValueError
        The text is no such block, or its group is not three-dimensional or not known.
    """
    lines = [line.split("#")[0].split() for line in text.splitlines()]
    fields: dict[str, list[list[str]]] = {}
    for words in lines:
        if words:
            fields.setdefault(words[0], []).append(words[1:])
    missing = [key for key in ("NAME", "GROUP", "CELL", "NODE", "EDGE") if key not in fields]
    if missing:
        raise ValueError(f"not a Systre net: it has no {', '.join(missing)}")
    hall, group = setting_named(fields["GROUP"][0][0])
    numbers = [float(x) for x in fields["CELL"][0]]
    if len(numbers) != 6:
        raise ValueError(f"the cell has {len(numbers)} parameters; only nets in three dimensions are read")
    cell = cells_from_parameters(np.array([numbers]))[0]
    stated = np.array([int(node[1]) for node in fields["NODE"]])
    nodes, kinds = _expanded(np.array([node[2:5] for node in fields["NODE"]], dtype=np.float64), hall)
    edges = np.array(fields["EDGE"], dtype=np.float64).reshape(-1, 2, 3)
    name = " ".join(fields["NAME"][0]).strip('"')
    lengths, degrees = _edges(edges, nodes, cell, hall)
    return Net(name, group, cell, nodes, stated[kinds], degrees, float(lengths.mean()))


def _expanded(points: np.ndarray, hall: int) -> tuple[np.ndarray, np.ndarray]:
    """All nodes of the cell [nodes, 3], and of which given one each is an image."""
    rotations, translations = operations(hall)
    images = np.einsum("oij,pj->poi", rotations, points) + translations
    nodes, kinds = [], []
    for k, image in enumerate(images):
        nodes.append(image[first_of_each(image, SAME)] % 1.0)
        kinds.append(np.full(len(nodes[-1]), k))
    return np.concatenate(nodes), np.concatenate(kinds)


def _edges(
    edges: np.ndarray, nodes: np.ndarray, cell: np.ndarray, hall: int
) -> tuple[np.ndarray, np.ndarray]:
    """Lengths of the given edges, and how many edges meet at each node.

    An edge is (node, node, lattice vector between them); all images are made, and each counted once from both
    its ends.
    """
    rotations, translations = operations(hall)
    ends = np.einsum("oij,epj->oepi", rotations, edges) + translations[:, None, None]
    ends = ends.reshape(-1, 2, 3)
    found = [_nearest(ends[:, k], nodes) for k in (0, 1)]
    cells = [np.rint(ends[:, k] - nodes[found[k]]).astype(int) for k in (0, 1)]
    forward = np.column_stack([found[0], found[1], cells[1] - cells[0]])
    backward = np.column_stack([found[1], found[0], cells[0] - cells[1]])
    unique = np.unique(np.concatenate([forward, backward]), axis=0)
    lengths = np.linalg.norm((edges[:, 1] - edges[:, 0]) @ cell, axis=1)
    return lengths, np.bincount(unique[:, 0], minlength=len(nodes))


def _nearest(points: np.ndarray, nodes: np.ndarray) -> np.ndarray:
    """Number of the node nearest to each point, up to lattice vectors.

    Raises
    ------
    ValueError
        No node is at a point: an edge ends nowhere.
    """
    keys = np.rint((points % 1.0) * KEYS).astype(np.int64)
    _, first, inverse = np.unique(keys, axis=0, return_index=True, return_inverse=True)
    apart = points[first][:, None] - nodes[None]
    distance = np.abs(apart - np.rint(apart)).max(-1)
    if distance.min(1).max() > 5 * SAME:
        raise ValueError("an edge ends where no node is")
    return distance.argmin(1)[inverse.reshape(-1)]
