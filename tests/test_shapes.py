"""Shape annotations are true types: the tests run with them switched on."""

from __future__ import annotations

import jaxtyping
import pytest
import torch

from atomscape.atoms.structures import Structures
from atomscape.ops.segment import segment_sum


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
