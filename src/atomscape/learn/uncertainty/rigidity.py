"""Prediction rigidity: how firmly a training set holds a prediction that is linear in its last weights.

With φ the last-layer features of a prediction and the sum over the labels of the training set

    C = Σ φ φᵀ / (m β²),      leverage   q(φ) = φᵀ (C + ς² 1)⁻¹ φ,      σ² = α² (q + ρ m)

q is large where φ points into directions that the training set has seen little of. m is what the variance of
an error goes with: the number of atoms for what adds up over atoms, else 1; β² is the mean of error² / m on
the training set. So C is the curvature of the loss ½ Σ error²/(m β²) in the last weights, and with α = 1 and
ρ = 0 the variance is that of a last-layer Laplace approximation with prior precision ς²: the two are one.
α, ς and ρ (errors that no last weights can mend) are calibrated on the validation part
(``learn.uncertainty.calibrate``).

Bigi, Chong, Ceriotti, Grasselli, Mach. Learn.: Sci. Technol. 5, 045018 (2024): the last-layer prediction
rigidity is 1/q. Daxberger et al., Laplace Redux (NeurIPS 2021), eqs. 3–5 with the generalised Gauss–Newton
matrix, which is exact here as predictions are linear.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch

from atomscape.shapes import Float, Tensor


@dataclass(frozen=True, eq=False)
class Rigidity:
    """Eigenvalues and eigenvectors (columns) of C, float64."""

    values: Float[Tensor, " features"]
    vectors: Float[Tensor, "features features"]

    @property
    def ridges(self) -> Float[Tensor, " ridges"]:
        """Values of ς² that are worth trying: from 1e-10 to 10 times the mean eigenvalue, ascending."""
        mean = self.values.mean().clamp(min=torch.finfo(torch.float64).tiny)
        return mean * torch.logspace(-10, 1, 23, dtype=torch.float64, device=mean.device)

    def leverage(self, features: Float[Tensor, "*rows features"], ridge: float) -> Float[Tensor, "*rows"]:
        """Leverage q of each row, for one product of matrices."""
        return (features @ self.root(ridge)).square().sum(-1)

    def leverages(
        self, features: Float[Tensor, "*rows features"], ridges: Float[Tensor, " ridges"]
    ) -> Float[Tensor, "*rows ridges"]:
        """Leverage of each row for several ς² at once."""
        return (features @ self.vectors).square() @ (1 / (self.values.unsqueeze(1) + ridges))

    def root(self, ridge: float) -> Float[Tensor, "features features"]:
        """R with R Rᵀ = (C + ς² 1)⁻¹: q = ‖φ R‖², and R z with z ~ N(0, 1) are draws of the last weights."""
        return self.vectors / (self.values + ridge).sqrt()


def rigidity_of(covariance: Float[Tensor, "features features"]) -> Rigidity:
    """Diagonalise C; eigenvalues that rounding made negative become 0."""
    values, vectors = torch.linalg.eigh(covariance)
    return Rigidity(values.clamp(min=0.0), vectors.contiguous())


def outer_sum(
    features: Float[Tensor, "rows entries features"], sizes: Float[Tensor, " rows"]
) -> Float[Tensor, "features features"]:
    """Σ φ φᵀ / m over rows and the entries of each."""
    flat = (features / sizes.sqrt().view(-1, 1, 1)).flatten(0, 1)
    return flat.mT @ flat
