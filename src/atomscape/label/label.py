"""Ask a method for labels, structure by structure; what it refuses becomes NaN, with a reason."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np
import torch

from atomscape.atoms.properties import PROPERTIES
from atomscape.atoms.structures import Structures
from atomscape.label.method import STATE, Method, NotLabelled

Answer = Mapping[str, np.ndarray] | str
"""Labels of one structure, or why it has none."""


def label(method: Method, structures: Structures) -> tuple[Structures, dict[int, str]]:
    """The same structures with the labels of a method, and for those without, why.

    Labels from before are dropped, as they are of another level of theory; only the charge and spin that were
    asked for stay.
    """
    answers = [ask(method, one) for one in structures]
    reasons = {i: a for i, a in enumerate(answers) if isinstance(a, str)}
    return labelled(structures, answers, method.provides), reasons


def ask(method: Method, one: Structures) -> Answer:
    """Labels of one structure, or why the method has none for it."""
    try:
        found = {name: np.asarray(values, dtype=np.float64) for name, values in method(one).items()}
    except NotLabelled as why:
        return str(why)
    infinite = [name for name, values in found.items() if np.isinf(values).any()]
    return f"{infinite[0]} is infinite" if infinite else found


def labelled(structures: Structures, answers: Sequence[Answer], provides: Sequence[str]) -> Structures:
    """Structures with the labels of their answers, NaN where there is none.

    Raises
    ------
    ValueError
        An answer has a label of another shape than its property.
    """
    labels = {name: _unknown(name, structures) for name in provides}
    for i, answer in enumerate(answers):
        atoms = slice(int(structures.offsets[i]), int(structures.offsets[i + 1]))
        for name, values in ({} if isinstance(answer, str) else answer).items():
            place = labels[name][atoms] if PROPERTIES[name].per == "atom" else labels[name][i]
            if values.shape != tuple(place.shape):
                raise ValueError(f"{name} has shape {values.shape}, it should be {tuple(place.shape)}")
            place.copy_(torch.from_numpy(values))
    state = {name: structures.labels[name] for name in STATE if name in structures.labels}
    return replace(structures, labels=state | labels, atom_labels=frozenset())


def _unknown(name: str, structures: Structures) -> torch.Tensor:
    """NaN for every value of a property."""
    known = PROPERTIES[name]
    rows = structures.n_atoms if known.per == "atom" else len(structures)
    return torch.full((rows, *known.shape), torch.nan, dtype=torch.float64)
