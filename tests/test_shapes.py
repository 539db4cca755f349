"""Shape annotations are true types: the tests run with them switched on."""

from __future__ import annotations

import jaxtyping
import pytest
import torch

from atomscape.atoms.structures import Structures
from atomscape.ops.segment import segment_sum
from atomscape.shapes import Float, Int, Tensor
from atomscape.testing import shape_checks


def test_a_wrong_shape_is_refused():
    """A call with a tensor of the wrong shape or kind does not pass."""
    values, index = torch.ones(3, 2), torch.tensor([0, 0, 1])
    assert segment_sum(values, index, 2).tolist() == [[2, 2], [1, 1]]
    with pytest.raises(jaxtyping.TypeCheckError):
        segment_sum(values, index[:2], 2)
    with pytest.raises(jaxtyping.TypeCheckError):
        segment_sum(values, index.double(), 2)


def test_a_dataclass_is_checked_too():
    """Fields of one object must agree on their common axes."""
    good = Structures.empty()
    with pytest.raises(jaxtyping.TypeCheckError):
        Structures(torch.zeros(2, 3), torch.zeros(3, dtype=torch.int64), good.cell, good.pbc, good.structure)


def test_names_of_axes_belong_to_one_call():
    """A function within another may mean another number by the same name; generators are checked too."""
    outer, inner = torch.zeros(3, 2), torch.tensor([0, 1])
    scope: dict = {"Float": Float, "Int": Int, "Tensor": Tensor, "inner": inner}
    exec(CODE, scope)
    for name in ("some", "items"):
        scope[name] = shape_checks.checked(scope[name])
    whole = shape_checks.checked(scope["whole"])
    assert list(whole(outer)) == [0, 1]
    with pytest.raises(jaxtyping.TypeCheckError):
        scope["items"](inner.double())
    with pytest.raises(jaxtyping.TypeCheckError, match="return"):
        scope["some"](torch.zeros(4, 2))


CODE = """
def whole(x: Float[Tensor, "rows 2"]):
    some(x[:2])
    return list(items(inner))

def some(x: Float[Tensor, "rows 2"]) -> Float[Tensor, "rows 1"]:
    return x[:2, :1]

def items(x: Int[Tensor, " rows"], most: int = 9):
    yield from x.tolist()[:most]
"""
