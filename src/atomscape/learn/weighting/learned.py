"""Weights from noise: how well a term can be met at all decides what it counts (Kendall, Gal, Cipolla 2018).

Each term i has a noise that is learned with the network (arXiv:1705.07115). With L_i the mean of its loss
over the known labels, weight_i its weight in the config and s_i the logarithm of the noise::

    L = Σ_i weight_i (a_i e^(−s_i) L_i + b_i s_i)

    loss      likelihood                       e^s          a    b     at the minimum over s
    mse       normal, eq. 5 and 7              σ²           ½    ½     σ² = L
    huber     normal within the bend           σ²           1    ½     σ² = 2 L
    mae       Laplace, of scale σ              σ            1    1     σ = L
    own       eq. 10: −log p at temperature σ²  σ²           1    ½     σ² = 2 L

A term that a network meets badly has large noise and a small factor; the logarithm keeps the noise from
growing without bound. As log σ² is learned and not σ, nothing is divided by zero (their sec. 3.2).
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import nn

from atomscape.learn.objectives import Term
from atomscape.shapes import Float, Int, Tensor

LIKELIHOODS = {"mse": (0.5, 0.5), "huber": (1.0, 0.5), "mae": (1.0, 1.0), "own": (1.0, 0.5)}
"""Loss → (a, b) of the table above."""


class LearnedWeights(nn.Module):
    """One number per term, ``log_noise``, which starts at 0."""

    log_noise: Float[Tensor, " terms"]

    def __init__(self, terms: Sequence[Term]) -> None:
        super().__init__()
        self.log_noise = nn.Parameter(torch.zeros(len(terms), dtype=torch.float64))

    def forward(
        self, terms: Sequence[Term], sums: Sequence[tuple[Float[Tensor, ""], Int[Tensor, ""]]]
    ) -> Float[Tensor, ""]:
        """The loss of the module's text; a term without a known label counts neither here nor there."""
        total = self.log_noise.new_zeros(())
        for t, s, (value, known) in zip(terms, self.log_noise, sums, strict=True):
            a, b = _likelihood(t)
            mean = value / known.clamp(min=1)
            total = total + torch.where(known > 0, t.weight * (a * torch.exp(-s) * mean + b * s), 0.0)
        return total

    def weights(self, terms: Sequence[Term]) -> dict[str, float]:
        """Factor on each term, weight · a e^(−s)."""
        factors = torch.exp(-self.log_noise.detach()).tolist()
        return {t.name: t.weight * _likelihood(t)[0] * f for t, f in zip(terms, factors, strict=True)}


def _likelihood(term: Term) -> tuple[float, float]:
    return LIKELIHOODS[term.loss if term.own is None else "own"]
