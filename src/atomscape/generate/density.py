"""The position density of a model for one structure, as a function of points: for surfaces and sections."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch

from atomscape.atoms.neighbours import neighbour_graph
from atomscape.atoms.structures import Structures
from atomscape.heads.complete import CompletionHead
from atomscape.learn.evaluate import evaluating
from atomscape.learn.model import Model
from atomscape.shapes import Float, Int, Tensor


def has_density(model: Model) -> bool:
    """Whether a head of the model gives a density of what is missing; others give places alone."""
    return any(isinstance(h, CompletionHead) for h in model.heads.values())


def density_of(model: Model, structure: Structures) -> Callable[[np.ndarray], np.ndarray]:
    """p(r) in Å⁻³, summed over elements, at points ``[points, 3]`` (Å) around a structure.

    Raises
    ------
    ValueError
        The model has no such density.
    """
    head = next((h for h in model.heads.values() if isinstance(h, CompletionHead)), None)
    if head is None:
        raise ValueError(f"the model predicts {', '.join(model.properties)}; no head of it is 'complete'")
    graph = neighbour_graph(structure, model.cutoff)
    with evaluating(model):
        found = head.density(model(graph)["missing_atoms"], graph)

    def density(points: np.ndarray) -> np.ndarray:
        x = torch.from_numpy(np.ascontiguousarray(points, dtype=np.float64))
        places, atom = _images(structure, x, head.config.reach)
        dtype = found.mean.dtype
        with torch.no_grad():
            return found.total(x.to(dtype), places.to(dtype), atom).double().numpy()

    return density


def _images(
    s: Structures, points: Float[Tensor, "points 3"], reach: float
) -> tuple[Float[Tensor, "images 3"], Int[Tensor, " images"]]:
    """Atoms and their images that come within ``reach`` of the box around the points; which atom each is."""
    low, high = points.amin(0) - reach, points.amax(0) + reach
    x = s.positions.double()
    rows = torch.where(s.pbc[0].unsqueeze(1), s.cell[0].double(), 0.0)
    span = float((high - low).norm() + (x - (low + high) / 2).norm(dim=1).max())
    heights = torch.linalg.pinv(rows).norm(dim=0)  # 1 / distance of the faces; 0 where not periodic
    turns = torch.cartesian_prod(*(torch.arange(-n, n + 1) for n in (span * heights).ceil().int().tolist()))
    images = (turns.double() @ rows).unsqueeze(1) + x
    near = ((images > low) & (images < high)).all(-1)
    return images[near], torch.arange(s.n_atoms).expand(len(turns), -1)[near]
