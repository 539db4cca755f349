"""Reference energies per element, E0: the part of an extensive property that the composition explains.

Least squares of energies on element counts. Elements that always stand in fixed proportion cannot be told
apart; then the solution of least norm is taken, which predicts the same energies (``Condition`` says so).
"""

from __future__ import annotations

from dataclasses import dataclass

import torch

from atomscape.atoms.formulas import N_ELEMENTS
from atomscape.shapes import Float, Tensor


@dataclass(frozen=True)
class Condition:
    """How well the energies determine the references.

    ``rank`` < ``elements`` means that only sums over some elements are determined. ``number`` is the ratio of
    the largest singular value of the count matrix to the smallest one used; ``rmse`` the residual in eV per
    atom; ``used`` the structures with a known energy.
    """

    used: int
    elements: int
    rank: int
    number: float
    rmse: float

    def __str__(self) -> str:
        """One line for a report."""
        text = (
            f"{self.elements} elements from {self.used} structures, condition number {self.number:.3g}, "
            f"residual {1e3 * self.rmse:.3g} meV/atom (RMSE)"
        )
        if self.rank < self.elements:
            text += f"; only {self.rank} combinations of elements are determined (least norm taken)"
        return text


def fit_references(
    counts: Float[Tensor, "structures 119"], energies: Float[Tensor, " structures"]
) -> tuple[Float[Tensor, "119"], Condition]:
    """Reference of each element (0 for elements that do not occur) and how well it is determined.

    Parameters
    ----------
    counts
        ``formulas.composition_of`` the structures.
    energies
        Energies per structure; structures whose energy is NaN are left out.

    Raises
    ------
    ValueError
        No energy is known.
    """
    known = torch.isfinite(energies) & (counts.sum(1) > 0)
    if not bool(known.any()):
        raise ValueError(
            f"reference energies need a structure with a known energy; none of {len(energies)} has one"
        )
    present = counts[known].sum(0) > 0
    a, y = counts[known][:, present].to(torch.float64), energies[known].to(torch.float64)
    u, s, v = torch.linalg.svd(a, full_matrices=False)
    used = s > s[0] * max(a.shape) * torch.finfo(torch.float64).eps
    solution = v[used].T @ ((u[:, used].T @ y) / s[used])
    references = torch.zeros(N_ELEMENTS, dtype=torch.float64, device=energies.device)
    references[present] = solution
    residual = (y - a @ solution) / a.sum(1)
    rank = int(used.sum())
    number, rmse = float(s[0] / s[rank - 1]), float(residual.square().mean().sqrt())
    return references, Condition(int(known.sum()), int(present.sum()), rank, number, rmse)
