"""Learning rate over a run: linear warm-up, then half a cosine down to a small remainder."""

from __future__ import annotations

from math import cos, pi


def warm_up_cosine(done: float, warm_up: float, floor: float) -> float:
    """Factor on the learning rate when the fraction ``done`` (0 < done ≤ 1) of a run is done.

    ``warm_up`` is the fraction of the run during which the rate rises; ``floor`` what is left at the end.
    """
    if done < warm_up:
        return done / warm_up
    along = (done - warm_up) / (1 - warm_up)
    return floor + (1 - floor) * 0.5 * (1 + cos(pi * min(1.0, along)))
