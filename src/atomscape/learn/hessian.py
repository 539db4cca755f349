"""Second derivatives of the energy by positions, exactly: products with vectors, and whole Hessians.

    H v = ∂/∂r (v · ∂E/∂r)

A product costs about twice a force and never holds the matrix (Pearlmutter, Neural Computation 6, 147
(1994)), so it serves iterative methods (lowest modes, saddle points) on structures of any size; a Hessian is
3 n products. In a crystal an atom stands for all its images: the Hessian is the one at the zone centre, the
force constants summed over lattice vectors. Structures of one batch do not touch, so all are done at once.

Eigenvalues of single precision are noise below some 10⁻³ eV/Å²; for vibrations take a model of ``dtype:
float64``.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from itertools import pairwise

import torch

from atomscape.atoms.graph import Graph
from atomscape.atoms.neighbours import neighbour_graph
from atomscape.atoms.structures import Structures
from atomscape.learn.evaluate import evaluating
from atomscape.learn.model import Model
from atomscape.shapes import Float, Tensor


def hessian_vector_product(
    model: Model, graph: Graph, vectors: Float[Tensor, "*many atoms 3"], dataset: str | None = None
) -> Float[Tensor, "*many atoms 3"]:
    """H v of every structure of a graph, in eV/Å² times the unit of the vectors.

    Parameters
    ----------
    vectors
        One row per atom, or several such arrays, whose products are done one after the other.
    dataset
        Whose energy head to use, as in ``Model.forward``.

    Raises
    ------
    LookupError
        The model predicts no energy.
    ValueError
        The vectors have another number of rows than there are atoms.
    """
    if "energy" not in model.properties:
        raise LookupError(
            f"a Hessian needs an energy head; this model predicts {', '.join(model.properties)}"
        )
    shape = (graph.structures.n_atoms, 3)
    if tuple(vectors.shape[-2:]) != shape:
        raise ValueError(f"vectors of shape {tuple(vectors.shape)}; {shape[0]} atoms need (…, {shape[0]}, 3)")
    s = graph.structures
    with evaluating(model), torch.enable_grad():
        positions = s.positions.detach().clone().requires_grad_()
        moved = graph.with_structures(replace(s, positions=positions))
        energy = torch.nan_to_num(model(moved, dataset, derivatives=())["energy"]).sum()
        (gradient,) = torch.autograd.grad(energy, positions, create_graph=True, materialize_grads=True)
        products = [
            torch.autograd.grad(
                gradient, positions, v.to(gradient), retain_graph=True, materialize_grads=True
            )[0]
            if gradient.requires_grad
            else torch.zeros_like(positions)  # no atom has a neighbour
            for v in vectors.reshape(-1, *shape)
        ]
    return torch.stack(products).reshape(vectors.shape)


def hessians(
    model: Model, structures: Structures, dataset: str | None = None
) -> Sequence[Float[Tensor, "coordinates coordinates"]]:
    """Hessian of each structure in eV/Å², coordinates in the order x, y, z of atom 1, x, y, z of atom 2, …

    Products are done with one coordinate of every structure at once. The matrix is made symmetric, by as much
    as rounding left it apart.

    Raises
    ------
    LookupError
        The model predicts no energy.
    """
    device = next(model.parameters()).device
    graph = neighbour_graph(structures.to(dtype=torch.float64), model.cutoff).to(device)
    place = torch.arange(structures.n_atoms) - structures.offsets[:-1][structures.structure]
    largest = int(structures.counts.max()) if len(structures) else 0
    columns = torch.eye(3 * largest, dtype=torch.float64).view(-1, largest, 3)[:, place].to(device)
    rows = hessian_vector_product(model, graph, columns, dataset).cpu()
    found, offsets = [], structures.offsets.tolist()
    for a, b in pairwise(offsets):
        n = 3 * (b - a)
        matrix = rows[:n, a:b].reshape(n, n)
        found.append((matrix + matrix.T) / 2)
    return found
