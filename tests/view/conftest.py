"""Structures to draw."""

from __future__ import annotations

from collections.abc import Callable

import ase.build
import pytest

from atomscape.atoms.ase import from_ase
from atomscape.atoms.structures import Structures


@pytest.fixture(scope="session")
def molecule() -> Callable[[str], Structures]:
    """``molecule("C6H6")`` from ASE's collection."""
    return lambda name: from_ase(ase.build.molecule(name))


@pytest.fixture(scope="session")
def salt() -> Structures:
    """The conventional cell of rock salt."""
    return from_ase(ase.build.bulk("NaCl", "rocksalt", a=5.64, cubic=True))
