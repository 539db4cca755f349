"""Checks say what is wrong, where, and what would work."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from atomscape.atoms.structures import Structures
from atomscape.atoms.validate import check
from atomscape.testing import cases

BATCH = Structures.concatenate([cases.water(), cases.fcc(), cases.slab()])


def changed(name: str, row, value) -> Structures:
    tensor = getattr(BATCH, name).clone()
    tensor[row] = value
    return replace(BATCH, **{name: tensor})


@pytest.mark.parametrize("name", [k for k in cases.everything if k != "empty"])
def test_sound_structures_pass(name):
    assert check(cases.everything[name]()) is None


@pytest.mark.parametrize(
    ("structures", "message"),
    [
        (Structures.empty(), "no structures"),
        (
            changed("numbers", 4, 0),
            r"atom 4 \(structure 1\) has atomic number 0; known elements have 1 to 118",
        ),
        (changed("numbers", 2, 119), "atomic number 119"),
        (changed("positions", 8, torch.nan), r"atom 8 \(structure 2\) has position \[nan"),
        (changed("positions", 0, torch.inf), "finite"),
        (changed("cell", 1, torch.nan), "cell of structure 1"),
        (
            changed("cell", 1, 0.0),
            r"cell of structure 1 is singular.*three independent rows \(pbc=\[T,T,T\]\)",
        ),
        (changed("cell", (2, 2), 0.0), r"structure 2 is singular.*\(pbc=\[T,F,T\]\)"),
        (changed("cell", (1, 2), torch.tensor([3.61, 3.61, 1e-5]).double()), "singular"),
        (changed("structure", 0, 2), "not sorted"),
        (changed("structure", slice(7, None), 1), "structure 2 has no atoms"),
        (changed("structure", -1, 3), "outside 0…2"),
    ],
)
def test_what_is_wrong_is_said(structures, message):
    with pytest.raises(ValueError, match=message) as caught:
        check(structures, "data.xyz")
    assert str(caught.value).startswith("data.xyz: ")
