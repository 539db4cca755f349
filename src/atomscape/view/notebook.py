"""A scene inside a notebook or a page of documentation: what such tools ask an object for is HTML."""

from __future__ import annotations

import base64
import html
from dataclasses import dataclass

from atomscape.view.page import page_parts
from atomscape.view.picture import svg
from atomscape.view.scene import Scene


@dataclass(frozen=True, eq=False)
class Interactive:
    """The scene's page in a frame of ``height`` pixels."""

    scene: Scene
    height: int = 460

    def _repr_html_(self) -> str:
        page = html.escape("".join(page_parts(self.scene)))
        style = f"width:100%;height:{self.height}px;border:1px solid #8884;border-radius:12px"
        title = html.escape(self.scene.title or "Structure")
        return f'<iframe srcdoc="{page}" style="{style}" loading="lazy" title="{title}"></iframe>'


@dataclass(frozen=True, eq=False)
class Still:
    """The scene's picture, ``width`` × ``height`` pixels, at most as wide as there is room."""

    scene: Scene
    width: int = 900
    height: int = 420
    theme: str = "light"

    def _repr_html_(self) -> str:
        text = svg(self.scene, self.width, self.height, self.theme)
        data = base64.b64encode(text.encode()).decode("ascii")
        title = html.escape(self.scene.title or "Structure")
        return f'<img src="data:image/svg+xml;base64,{data}" alt="{title}" style="max-width:100%">'
