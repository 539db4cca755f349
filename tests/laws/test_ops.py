"""Every operation × its back-ends × layouts, cotangents, precisions and derivatives."""

from __future__ import annotations

from types import ModuleType

import pytest
import torch

from atomscape.ops.convolution import Coupling
from atomscape.ops.op import Op, ops
from atomscape.ops.symmetric_contraction import SymmetricCoupling
from atomscape.testing import op_laws

CENTRE = torch.tensor([0, 0, 1, 3, 3, 3])
NEIGHBOUR = torch.tensor([1, 3, 3, 0, 0, 1])


def random(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(shape, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))


def distances() -> torch.Tensor:
    """Inside, just inside and beyond a cutoff of 3 Å; not at it, where second derivatives may jump."""
    return torch.tensor([0.4, 1.1, 1.9, 2.7, 2.99, 3.4], dtype=torch.float64)


def coupled(*degrees: int, parity="natural", pseudo_in=False) -> tuple:
    c = Coupling(*degrees, parity, pseudo_in)
    x, Y = random(4, c.lm_in, 3), random(6, (c.l_edge + 1) ** 2, seed=1)
    return x, Y, random(6, len(c.paths), 3, seed=2), CENTRE, NEIGHBOUR, c


def factored(*degrees: int, parity="natural", pseudo_in=False, rank=3, rows=None) -> tuple:
    x, Y, w, centre, neighbour, c = coupled(*degrees, parity=parity, pseudo_in=pseudo_in)
    h, W = random(6, rank, seed=3), random(rows or rank, *w.shape[1:], seed=4)
    if rows is None:
        return x, Y, h, W, centre, neighbour, c
    start = torch.tensor([0, rows - rank, 1, 0, 1, 0])
    return x, Y, h, op_laws.Constant(W), centre, neighbour, c, start


def many_body(*sizes: int, parity="natural", channels=3) -> tuple:
    c = SymmetricCoupling(*sizes, parity)
    w = random(5, len(c.paths), channels, seed=1)
    return random(4, c.lm_in, channels), w, torch.tensor([3, 0, 3, 1]), c


# operation → case → arguments. An operation without a case fails the last test of this file.
ARGUMENTS: dict[str, dict[str, tuple]] = {
    "solid_harmonics": {f"l={l}": (random(5, 3), l) for l in (0, 1, 2, 3, 5)},
    "spherical_harmonics": {f"l={l}": (random(5, 3), l) for l in (0, 1, 2, 3, 5)},
    "convolution": {
        "natural": coupled(1, 1, 1),
        "scalars in": coupled(0, 1, 1),
        "natural l=2": coupled(2, 2, 2),
        "uneven": coupled(1, 2, 1),
        "so3": coupled(1, 1, 1, parity="so3"),
        "both": coupled(1, 1, 1, parity="both", pseudo_in=True),
        "both from natural": coupled(1, 1, 1, parity="both"),
    },
    "radial_convolution": {
        "natural": factored(1, 1, 1),
        "scalars in": factored(0, 1, 1, rank=1),
        "so3": factored(1, 1, 1, parity="so3"),
        "both": factored(1, 1, 1, parity="both", pseudo_in=True),
        "table": factored(1, 1, 1, rank=4, rows=7),
    },
    "symmetric_contraction": {
        "linear": many_body(1, 1, 1),
        "quadratic": many_body(2, 2, 2),
        "cubic": many_body(2, 1, 3),
        "scalars only": many_body(0, 0, 3),
        "nothing makes l=2": many_body(0, 2, 2),
        "so3": many_body(1, 1, 3, parity="so3"),
        "both": many_body(1, 1, 2, parity="both"),
    },
    "lengths": {"vectors": (random(5, 3),)},
    "silu": {"matrix": (3 * random(5, 7),), "number": (random(),)},
    "bessel_basis": {"five": (distances(), 3.0, 5)},
    "radial_basis": {"five": (distances(), 3.0, 5), "one": (distances(), 3.0, 1, 4)},
    "gaussian_basis": {"five": (distances(), 3.0, 5)},
    "polynomial_cutoff": {"cutoff 3": (distances(), 3.0)},
    "cosine_cutoff": {"cutoff 3": (distances(), 3.0)},
    "segment_sum": {"matrix": (random(6, 2, 3), CENTRE, 5), "vector": (random(6), CENTRE, 4)},
    "segment_softmax": {"matrix": (random(6, 2), CENTRE, 5), "vector": (random(6), CENTRE, 4)},
    "power_spectrum": {"l=1": (random(4, 3, 2),), "l=0": (random(4, 1, 2),)},
    "gram": {"l=1": (random(4, 3, 2),)},
}
WHOLE_NUMBERS = {"neighbour_pairs"}
"""Operations whose results are counted, not differentiated; their tests are in ``tests/ops``."""

CASES = [(name, case) for name, examples in ARGUMENTS.items() for case in examples]
# What costs a kernel for each set of gradients is asked of one case of each operation.
first = pytest.mark.parametrize(
    ("name", "case"),
    [(name, next(iter(examples))) for name, examples in ARGUMENTS.items()],
)
each = pytest.mark.parametrize(("name", "case"), CASES)


def question(name: str, case: str) -> tuple[Op, tuple]:
    return ops()[name], ARGUMENTS[name][case]


@each
def test_layouts_and_cotangents(name, case):
    op_laws.check_layouts(*question(name, case), case=f"{name} {case}")


@each
def test_derivatives(name, case):
    op_laws.check_op_derivatives(*question(name, case), case=f"{name} {case}")


@each
def test_precision(name, case):
    op_laws.check_op_precision(*question(name, case), case=f"{name} {case}")


@each
def test_backends_agree_with_the_reference(name, case):
    op_laws.check_backends(*question(name, case), case=f"{name} {case}")


@first
def test_gradients_that_are_asked_for(name, case):
    op_laws.check_some_gradients(*question(name, case), case=f"{name} {case}")


@first
def test_third_derivative(name, case):
    op_laws.check_third_derivative(*question(name, case), case=f"{name} {case}")


@first
@pytest.mark.filterwarnings("ignore:There is a performance drop", "ignore:.torch.jit.script. is deprecated")
def test_transforms(name, case):
    op_laws.check_transforms(*question(name, case), case=f"{name} {case}")


def test_every_operation_is_asked():
    assert set(ARGUMENTS) == set(ops()) - WHOLE_NUMBERS, "give each operation a case in ARGUMENTS"


class _WrongForOtherCotangents(torch.autograd.Function):
    """A backward pass that is right for a cotangent of ones only."""

    @staticmethod
    def forward(ctx, x):
        ctx.save_for_backward(x)
        return x.square()

    @staticmethod
    def backward(ctx, *cotangents):
        (x,) = ctx.saved_tensors
        return 2 * x


class _ReadsMemoryInOrder(torch.autograd.Function):
    """A forward pass that ignores strides."""

    @staticmethod
    def forward(ctx, x):
        ctx.save_for_backward(x)
        flat = x.as_strided((x.numel(),), (1,), x.storage_offset())
        return flat.reshape(x.shape).square()

    @staticmethod
    def backward(ctx, *cotangents):
        (x,) = ctx.saved_tensors
        return 2 * x * cotangents[0]


def operation(reference, **backends) -> Op:
    """An operation that is not registered."""
    made = Op.__new__(Op)
    vars(made).update(name="broken", reference=reference, _backends=backends)
    return made


def test_backward_for_ones_only_is_caught():
    with pytest.raises(AssertionError, match="derivatives law"):
        op_laws.check_op_derivatives(operation(_WrongForOtherCotangents.apply), (random(3, 2),))


def test_ignored_strides_are_caught():
    with pytest.raises(AssertionError, match="layout law"):
        op_laws.check_layouts(operation(_ReadsMemoryInOrder.apply), (random(3, 2),))


def test_broken_backend_is_caught():
    kernel = ModuleType("kernel")
    vars(kernel).update(serves=lambda x: None, run=lambda x: x.square() + 1e-6)
    with pytest.raises(AssertionError, match="back-end law, case '', wrong, value"):
        op_laws.check_backends(operation(torch.square, wrong=kernel), (random(3, 2),))
