"""What a module in ``label/methods/`` offers. Adding a method is adding one such file.

It has ``Config``, a pydantic model of its settings, and ``build(config)``, which returns a ``Method``: a
function from one structure to its labels. What a method has no labels for, it refuses by ``NotLabelled``;
there these labels are unknown, and everything else goes on.
"""

from __future__ import annotations

from collections.abc import Mapping
from importlib import import_module
from types import ModuleType
from typing import Protocol, runtime_checkable

import torch
from numpy.typing import ArrayLike

from atomscape.atoms.structures import Structures

KIND = "label.methods"
STATE = ("total_charge", "total_spin")
"""Labels that a method reads: the state that is asked for. They are kept beside its own."""


CLOSEST = 0.3
"""Å; less than half the shortest bond there is."""


class NotLabelled(Exception):
    """A structure that a method has no labels for. The message says why, without naming the structure."""


@runtime_checkable
class Method(Protocol):
    """A built method.

    ``provides`` names the properties of the vocabulary that it gives, ``level_of_theory`` says in words what
    they are, ``made_with`` names the program and its version.
    """

    provides: tuple[str, ...]
    level_of_theory: str
    citation: str
    made_with: str

    def __call__(self, structure: Structures, /) -> Mapping[str, ArrayLike]:
        """Labels of one structure, in the units of the vocabulary; what is left out is unknown.

        Raises
        ------
        NotLabelled
            It is periodic, has an element or a state that the method does not know, or does not converge.
        """
        ...


def needed(program: str, method: str) -> ModuleType:
    """Import the program that a method runs.

    Raises
    ------
    ImportError
        It is not installed; the message says how to install it.
    """
    try:
        return import_module(program)
    except ImportError as error:
        package = program.partition(".")[0]
        raise ImportError(f"{method} is computed by {package}: pip install 'atomscape[label]'") from error


def refuse_others(structure: Structures, method: str) -> None:
    """Raise ``NotLabelled`` for what is no molecule: periodic, empty, or with nuclei that coincide."""
    if bool(structure.pbc.any()):
        raise NotLabelled(f"periodic, and {method} is here for molecules")
    if structure.n_atoms == 0:
        raise NotLabelled("no atoms")
    distances = torch.pdist(structure.positions.double())
    if len(distances) and not float(distances.min()) > CLOSEST:
        raise NotLabelled(f"atoms closer than {CLOSEST:g} Å")
