"""From Å to pixels: the orthographic view of a picture, and how far things fade in it."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from atomscape.shapes import Float, Shaped
from atomscape.view.light import FOG, Theme, mix


@dataclass(frozen=True, eq=False)
class View:
    """Turn about ``centre`` (Å), scale, move to ``origin`` (pixels from the top left corner).

    ``reach`` is the radius in Å within which everything lies; it sets how far things fade.
    """

    turn: Float[np.ndarray, "3 3"]
    centre: Float[np.ndarray, " 3"]
    scale: float
    origin: tuple[float, float]
    reach: float
    theme: Theme

    def __call__(self, points: Float[np.ndarray, "points 3"]) -> Float[np.ndarray, "points 3"]:
        """Pixels to the right and downwards, and height towards the viewer (pixels)."""
        r = (points - self.centre) @ self.turn.T * self.scale
        return np.stack([self.origin[0] + r[:, 0], self.origin[1] - r[:, 1], r[:, 2]], 1)

    def faded(
        self, colours: Shaped[np.ndarray, "n 3"], z: Float[np.ndarray, " n"]
    ) -> Float[np.ndarray, "n 3"]:
        """Colours with the ground mixed in, the more the farther (z in pixels)."""
        far = np.clip(0.5 - z / (2 * self.reach * self.scale), 0, 1)
        return mix(colours, self.theme.ground, FOG * far**1.3)

    def enlarged(self, factor: float, corner: tuple[float, float] = (0.0, 0.0)) -> View:
        """The same view on a picture that is ``factor`` times larger and begins at ``corner`` of this one."""
        origin = tuple((o - c) * factor for o, c in zip(self.origin, corner, strict=True))
        return replace(self, scale=self.scale * factor, origin=origin)
