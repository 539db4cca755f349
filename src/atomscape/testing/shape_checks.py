"""Switch on the shape annotations: in tests every annotated function and dataclass checks its arrays.

Call ``install()`` before anything else of the package (or of your own package) is imported, for instance in
the first lines of ``conftest.py``.
"""

from __future__ import annotations

from collections.abc import Callable

from beartype import BeartypeConf, beartype
from beartype.roar import BeartypeDecorHintPep673Exception
from jaxtyping import install_import_hook

_beartype = beartype(conf=BeartypeConf(is_pep484_tower=True))  # an int is a float, as for type checkers


def install(*packages: str) -> None:
    """Check annotations of these packages (``atomscape`` if none is named) with jaxtyping and beartype."""
    install_import_hook(list(packages) or ["atomscape"], "atomscape.testing.shape_checks.checked")


def checked(function: Callable, *args, **kwargs) -> Callable:
    """Like ``beartype``, but leaves alone a method that returns ``Self``, which only a class can resolve."""
    try:
        return _beartype(function, *args, **kwargs)
    except BeartypeDecorHintPep673Exception:
        return function
