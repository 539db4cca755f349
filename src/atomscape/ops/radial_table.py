"""Radial functions as tables, interpolated by cubic Hermite polynomials: values and slopes at even knots.

Between knots r_k and r_{k+1} = r_k + s, with t = (r − r_k)/s (Hermite's basis on the unit interval),

    f(r) = (1 + 2t)(1 − t)² f_k + t(1 − t)² s f'_k + t²(3 − 2t) f_{k+1} + t²(t − 1) s f'_{k+1}.

f and f' are continuous, and the error is at most s⁴ max|f⁗| / 384. The table keeps f_k and s f'_k as rows 2k
and 2k + 1, so that an interval is four rows that follow one another, as ``radial_convolution`` takes them.
"""

from __future__ import annotations

import torch

from atomscape.shapes import Float, Int, Tensor


def hermite_rows(
    r: Float[Tensor, " edges"], cutoff: float, intervals: int
) -> tuple[Float[Tensor, "edges 4"], Int[Tensor, " edges"]]:
    """Factors of the four rows that a distance r (Å) needs, and the first of the rows.

    Beyond the cutoff the last knot is returned, with derivative zero.
    """
    spacing = cutoff / intervals
    knot = (r.detach() / spacing).floor().clamp(0, intervals - 1)
    t = ((r - knot * spacing) / spacing).clamp(0, 1)
    back = 1 - t
    low, high = back * back, t * t
    h = torch.stack([(1 + 2 * t) * low, t * low, high * (3 - 2 * t), -high * back], -1)
    return h, 2 * knot.long()


def hermite_table(
    values: Float[Tensor, "knots *outputs"], slopes: Float[Tensor, "knots *outputs"], cutoff: float
) -> Float[Tensor, "rows *outputs"]:
    """Interleave values and slopes (per Å) at knots that divide [0, cutoff] evenly, ends included."""
    spacing = cutoff / (len(values) - 1)
    return torch.stack([values, slopes * spacing], 1).flatten(0, 1)
