"""Axes of a kernel's arguments, compared before native code, which trusts its sizes, sees an address."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cache

from atomscape.ops.convolution import Coupling
from atomscape.shapes import Tensor

_CONVOLUTION = {
    **dict.fromkeys("xa", "atoms lm_in channels"),
    "g": "atoms lm_out channels",
    **dict.fromkeys("Yb", "edges lm_edge"),
    **dict.fromkeys("wc", "edges paths channels"),
    **dict.fromkeys("hd", "edges rank"),
    **dict.fromkeys("WD", "rows paths channels"),
    **dict.fromkeys(("start", "centre", "neighbour"), "edges"),
}
"""Axes of what convolutions and their derivatives read, by the names that ``jit/convolve.py`` has for it."""


def check_convolution(coupling: Coupling, tensors: Mapping[str, Tensor]) -> None:
    """Compare the shapes of a convolution's arguments, as ``check_axes``."""
    k = coupling
    sizes = {"lm_in": k.lm_in, "lm_edge": (k.l_edge + 1) ** 2, "lm_out": k.lm_out, "paths": len(k.paths)}
    check_axes("convolution", _CONVOLUTION, tensors, sizes)


def check_axes(
    operation: str, axes: Mapping[str, str], tensors: Mapping[str, Tensor], sizes: Mapping[str, int]
) -> None:
    """Compare shapes with ``axes``, words as ``"edges paths 3"`` for each name of a tensor.

    An axis has the size that ``sizes`` gives it, or else that of the first tensor that has it.

    Raises
    ------
    ValueError
        A tensor does not fit those before it.
    """
    found = dict(sizes)
    for name, t in tensors.items():
        words = _words(axes[name])
        if _fits(words, t.shape, found):
            continue
        asked = ", ".join(w if w.isdigit() or w not in found else f"{w} = {found[w]}" for w in words)
        raise ValueError(f"{operation}: {name} has shape {list(t.shape)}; it must be [{asked}]")


@cache
def _words(axes: str) -> tuple[str, ...]:
    return tuple(axes.split())


def _fits(words: tuple[str, ...], shape: Sequence[int], found: dict[str, int]) -> bool:
    """Compare one shape with what is known, and learn the sizes of axes that are new."""
    if len(words) != len(shape):
        return False
    for w, n in zip(words, shape, strict=True):
        if found.setdefault(w, int(w) if w.isdigit() else n) != n:
            return False
    return True
