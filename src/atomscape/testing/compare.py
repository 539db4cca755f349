"""What the laws measure: features per block, the derivatives of a scalar made of them, and differences."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import torch

from atomscape.atoms.graph import Graph
from atomscape.atoms.neighbours import neighbour_graph
from atomscape.atoms.properties import Property, property_named
from atomscape.atoms.structures import Structures
from atomscape.nn.embedding import Embedding
from atomscape.o3.wigner import wigner_D
from atomscape.shapes import Float, Tensor
from atomscape.testing import tolerances

# (layer, degree, parity) → [atoms, 2l+1, channels]
Features = dict[tuple[str, int, int], Tensor]


@dataclass(frozen=True, eq=False)
class Derivatives:
    """A scalar readout, and minus its derivative by positions and its derivative by strain."""

    value: Float[Tensor, " structures"]
    forces: Float[Tensor, "atoms 3"]
    virial: Float[Tensor, "structures 3 3"]


def features(encoder, structures: Structures) -> Features:
    """Blocks of every layer that the encoder returns."""
    with torch.no_grad():
        return blocks(encoder(neighbour_graph(structures, encoder.cutoff), layers=True))


def blocks(embedding: Embedding) -> Features:
    """Blocks of an embedding and of the layers it holds, by (layer, degree, parity)."""
    parts = [("last", embedding)] + [(f"layer {i}", e) for i, e in enumerate(embedding.layers)]
    return {(name, *key): block for name, e in parts for key, block in e.blocks.items()}


def derivatives(encoder, structures: Structures, seed: int = 0) -> Derivatives:
    """A random linear readout of the invariants of each structure, its forces and its virial ∂E/∂strain."""
    graph = neighbour_graph(structures, encoder.cutoff)
    x = structures.positions.clone().requires_grad_(True)
    strain = torch.zeros_like(structures.cell).requires_grad_(True)
    value = readout(encoder, strained(graph, x, strain), seed)
    force, virial = torch.autograd.grad(value.sum(), (x, strain), allow_unused=True)
    forces = torch.zeros_like(x) if force is None else -force
    return Derivatives(value.detach(), forces, torch.zeros_like(strain) if virial is None else virial)


def strained(
    graph: Graph, positions: Float[Tensor, "atoms 3"], strain: Float[Tensor, "structures 3 3"]
) -> Graph:
    """Deform atoms and cell by 1 + strain, with the edges kept."""
    s = graph.structures
    deformation = torch.eye(3, dtype=strain.dtype) + strain
    moved = torch.einsum("ai,aij->aj", positions, deformation[s.structure])
    return graph.with_structures(replace(s, positions=moved, cell=s.cell @ deformation))


def readout(encoder, graph: Graph, seed: int = 0) -> Float[Tensor, " structures"]:
    """Σ over atoms of a fixed random combination of invariants (values of l = 0, squares of the others)."""
    invariants = encoder(graph).invariants().to(torch.float64)
    n = invariants.shape[1]
    weights = torch.randn(n, generator=torch.Generator().manual_seed(seed), dtype=torch.float64) / n**0.5
    energies = invariants @ weights
    s = graph.structures
    return torch.zeros(len(s), dtype=torch.float64).index_add(0, s.structure, energies)


def turned(block: Float[Tensor, "atoms m channels"], l: int, parity: int, Q: Float[Tensor, "3 3"]) -> Tensor:
    """Turn a block by an orthogonal matrix: D_l of its proper part, and the parity if it reflects."""
    reflects = bool(torch.linalg.det(Q) < 0)
    D = wigner_D(l, -Q if reflects else Q).to(block.dtype)
    return torch.einsum("mn,anc->amc", D, block) * (parity if reflects else 1)


def rotated(structures: Structures, Q: Float[Tensor, "3 3"]) -> Structures:
    """Positions and cells turned (or reflected) by Q, and labels as their property says."""
    labels = {name: _turned_label(name, values, Q) for name, values in structures.labels.items()}
    return replace(
        structures, positions=structures.positions @ Q.T, cell=structures.cell @ Q.T, labels=labels
    )


def _turned_label(name: str, values: Tensor, Q: Float[Tensor, "3 3"]) -> Tensor:
    known = property_named(name)
    if known is None:
        raise ValueError(f"the laws turn labels of the vocabulary; {name!r} is none of them")
    return turned_value(values, known, Q)


def turned_value(value: Tensor, prop: Property, Q: Float[Tensor, "3 3"]) -> Tensor:
    """Cartesian tensor turned index by index; a pseudotensor also changes sign under reflection."""
    rank = len(prop.shape)
    for axis in range(1, rank + 1):
        value = (value.movedim(axis, -1) @ Q.T.to(value)).movedim(-1, axis)
    natural = (-1) ** rank
    pseudo = any(ir.p != natural for _, ir in prop.irreps)
    return -value if pseudo and bool(torch.linalg.det(Q) < 0) else value


def compare_features(law: str, case: str, expected: Features, found: Features, tolerance: float) -> float:
    """Largest error relative to the largest feature of the layer.

    Raises
    ------
    AssertionError
        Names law, case, layer, block, error and tolerance.
    """
    if expected.keys() != found.keys():
        raise AssertionError(f"{law} law, case {case!r}: blocks {sorted(expected)} became {sorted(found)}")
    worst = 0.0
    for (layer, l, p), want in expected.items():
        scale = max(largest(b) for k, b in expected.items() if k[0] == layer)
        where = f"{layer}, block l={l} parity={p}"
        worst = max(worst, compare(law, case, where, want, found[layer, l, p], tolerance, scale))
    return worst


def compare_derivatives(
    law: str, case: str, expected: Derivatives, found: Derivatives, tolerance: float
) -> float:
    """As ``compare_features``, for the readout (own scale) and its forces and virial (common scale)."""
    value = compare(law, case, "readout", expected.value, found.value, tolerance)
    scale = max(largest(expected.forces), largest(expected.virial))
    forces = compare(law, case, "forces", expected.forces, found.forces, tolerance, scale)
    return max(value, forces, compare(law, case, "virial", expected.virial, found.virial, tolerance, scale))


def compare(
    law: str,
    case: str,
    what: str,
    expected: Tensor,
    found: Tensor,
    tolerance: float,
    scale: float | None = None,
) -> float:
    """Largest difference divided by ``scale`` (the largest expected value), NaN counting as missed."""
    if expected.shape != found.shape:
        raise AssertionError(
            f"{law} law, case {case!r}, {what}: shape {tuple(found.shape)} instead of {tuple(expected.shape)}"
        )
    scale = max(largest(expected) if scale is None else scale, tolerances.FLOOR)
    error = largest(found.double() - expected.double()) / scale
    if not error <= tolerance:
        raise AssertionError(
            f"{law} law, case {case!r}, {what}: error {error:.2e} > tolerance {tolerance:.0e} "
            f"(relative to {scale:.2e})"
        )
    return error


def exact(encoder_output: Mapping) -> float:
    """Tolerance for a law that holds exactly, from the dtype of the features."""
    return tolerances.EXACT[_dtype(encoder_output)]


def derivative_tolerance(encoder_output: Mapping) -> float:
    """Tolerance for derivatives in such a law."""
    return tolerances.DERIVATIVE[_dtype(encoder_output)]


def _dtype(found: Mapping) -> torch.dtype:
    return next(iter(found.values())).dtype


def largest(t: Tensor) -> float:
    """Largest absolute value; zero of nothing."""
    return float(t.abs().max()) if t.numel() else 0.0
