"""Radial functions as tables, interpolated by cubic Hermite polynomials: values and slopes at even knots.

Between knots r_k and r_{k+1} = r_k + s, with t = (r − r_k)/s, d = f_{k+1} − f_k, p = s f'_k, q = s f'_{k+1},

    f(r) = f_k + p t + (3d − 2p − q) t² + (p + q − 2d) t³.

f and f' are continuous, and the error is at most s⁴ max|f⁗| / 384. The table keeps the four coefficients of
an interval as rows that follow one another, as ``radial_convolution`` takes them. They are computed in the
precision of values and slopes, best float64, and rounded afterwards: differences of neighbouring values
would cost a float32 slope five digits.
"""

from __future__ import annotations

import torch

from atomscape.shapes import Float, Int, Tensor


def hermite_rows(
    r: Float[Tensor, " edges"], cutoff: float, intervals: int
) -> tuple[Float[Tensor, "edges 4"], Int[Tensor, " edges"]]:
    """Factors 1, t, t², t³ of the four rows that a distance r (Å) needs, and the first of the rows.

    From the cutoff on, all factors are zero.
    """
    spacing = cutoff / intervals
    knot = (r.detach() / spacing).floor().clamp(0, intervals - 1)
    t = torch.where(r < cutoff, (r - knot * spacing) / spacing, torch.zeros_like(r))
    inside = (r < cutoff).to(r.dtype)
    square = t * t
    return torch.stack([inside, t, square, square * t], -1), 4 * knot.long()


def hermite_table(
    values: Float[Tensor, "knots *outputs"], slopes: Float[Tensor, "knots *outputs"], cutoff: float
) -> Float[Tensor, "rows *outputs"]:
    """Coefficients from values and slopes (per Å) at knots that divide [0, cutoff] evenly, ends included."""
    p, q = (part * (cutoff / (len(values) - 1)) for part in (slopes[:-1], slopes[1:]))
    d = values[1:] - values[:-1]
    return torch.stack([values[:-1], p, 3 * d - 2 * p - q, p + q - 2 * d], 1).flatten(0, 1)
