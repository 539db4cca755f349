"""The dispatch: reference by default, guests when they serve, never silently."""

from types import ModuleType

import pytest
import torch

from atomscape.ops.op import OPS, Op, ops, watched


def double(x):
    """Twice x."""
    return 2 * x


def kernel(reason=None):
    module = ModuleType("kernel")
    module.serves = lambda x: reason
    module.run = lambda x: x + x + 0.5  # told apart from the reference
    return module


@pytest.fixture
def op():
    made = Op(double)
    yield made
    del OPS["double"]


def test_reference_serves_when_there_is_nothing_else(op):
    assert op(torch.tensor(3.0)) == 6
    assert op.explain(torch.tensor(3.0)).chosen == "reference"


def test_a_guest_that_can_serve_is_chosen(op):
    op._backends = {"fast": kernel()}
    assert op(torch.tensor(3.0)) == 6.5
    assert str(op.explain(1.0)) == "double → fast"


def test_a_guest_that_declines_says_why(op):
    op._backends = {"fast": kernel("float64 only")}
    assert op(torch.tensor(3.0)) == 6
    assert op.explain(1.0).declined == {"fast": "float64 only"}
    assert "fast: float64 only" in str(op.explain(1.0))


def test_forcing_the_reference_and_back(op):
    op._backends = {"fast": kernel()}
    with op.force("reference"):
        assert op(3.0) == 6
        with op.force("fast"):
            assert op(3.0) == 6.5
        assert op(3.0) == 6
    assert op(3.0) == 6.5


def test_a_forced_guest_that_cannot_serve_raises(op):
    op._backends = {"fast": kernel("needs a GPU")}
    with op.force("fast"), pytest.raises(RuntimeError, match="needs a GPU"):
        op(3.0)
    assert op(3.0) == 6, "the choice ends with the block, also after an error"


def test_an_unknown_back_end_gets_a_suggestion(op):
    op._backends = {"numba": kernel()}
    with pytest.raises(LookupError, match="did you mean 'numba'"), op.force("nunba"):
        pass


def test_every_operation_is_listed():
    assert {"convolution", "solid_harmonics", "segment_sum", "power_spectrum"} <= set(ops())
    assert all(o.__doc__ for o in ops().values())


def test_calls_in_an_inner_watch_count_in_the_outer_one_too(op):
    with watched() as outer:
        op(1.0)
        with watched() as inner:
            op(1.0)
        op(1.0)
    assert (len(outer), len(inner)) == (3, 1)
