"""An empty figure for a picture of a recipe."""

from __future__ import annotations

from pathlib import Path
from typing import Any


def figure_of(size: tuple[float, float], path: Path | None) -> Any:
    """A figure of pyplot where it is shown (gallery), one without windows where it is only written.

    Raises
    ------
    ImportError
        matplotlib is not installed.
    """
    try:
        from matplotlib import pyplot
        from matplotlib.figure import Figure
    except ImportError as error:
        raise ImportError("pictures need matplotlib: pip install 'atomscape[plot]'") from error
    return pyplot.figure(figsize=size) if path is None else Figure(figsize=size)
