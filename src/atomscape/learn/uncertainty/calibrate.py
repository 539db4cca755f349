"""Calibrate variances on errors that training has not seen: α, ς and ρ of  σ² = α² (q(ς) + ρ m).

The mean negative log-likelihood of errors e under N(0, σ²) is

    NLL = ½ mean( ln 2πσ² + e²/σ² ),      least over α at      α² = mean( e² / (q + ρ m) )

so α has a closed form, and what is left is a search over a grid of ς and ρ with  NLL = ½ (ln 2πα² +
mean ln(q + ρ m) + 1).  On the grid ρ is 0, or a multiple of the median of q/m up to where q hardly counts:
there σ is the same for all, and q has been found to say nothing.

The same serves the spread of an ensemble, with its square as q and no ς.
"""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass

import torch

from atomscape.shapes import Float, Tensor

FEWEST = 4
"""Errors below which nothing can be calibrated."""


@dataclass(frozen=True)
class Scale:
    """α, ς² and ρ of σ² = α² (q + ρ m)."""

    alpha: float
    ridge: float = 0.0
    noise: float = 0.0

    def variance(
        self, leverage: Float[Tensor, "rows *entries"], sizes: Float[Tensor, " rows"]
    ) -> Float[Tensor, "rows *entries"]:
        """σ² from the leverage q at ``ridge`` (or a squared spread) and m of each row."""
        m = sizes.view(-1, *[1] * (leverage.dim() - 1))
        return self.alpha**2 * (leverage + self.noise * m)

    def as_dict(self) -> dict[str, float]:
        """Plain data."""
        return asdict(self)


def calibrate(
    errors: Float[Tensor, "rows entries"],
    leverages: Float[Tensor, "rows entries ridges"],
    sizes: Float[Tensor, " rows"],
    ridges: Float[Tensor, " ridges"],
    name: str = "labels",
) -> Scale:
    """The scale under which errors are likeliest.

    Raises
    ------
    ValueError
        Fewer than ``FEWEST`` errors.
    """
    if errors.numel() < FEWEST:
        raise ValueError(
            f"{errors.numel()} {name} of the validation part are known; at least {FEWEST} are needed to "
            "calibrate an uncertainty: make data.NAME.split.val larger"
        )
    square, m = errors.square().unsqueeze(-1), sizes.view(-1, 1, 1)
    median = (leverages / m).flatten(0, 1).median(0).values
    best, least = Scale(1.0), math.inf
    for step in (0.0, *(10.0 ** (k / 4) for k in range(-12, 13))):
        raw = leverages + step * median * m
        raw = raw.clamp(min=torch.finfo(raw.dtype).tiny)
        alpha2 = (square / raw).flatten(0, 1).mean(0)
        nll = 0.5 * (alpha2.log() + raw.log().flatten(0, 1).mean(0))
        nll = torch.where(nll.isfinite(), nll, math.inf)
        k = int(nll.argmin())
        if float(nll[k]) < least:
            least = float(nll[k])
            best = Scale(float(alpha2[k].sqrt()), float(ridges[k]), step * float(median[k]))
    return best
