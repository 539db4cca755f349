"""Laws of operations and of their back-ends: memory layout, cotangents, precision, derivatives, agreement.

The ways in which fast kernels have been wrong: gradients right only for a cotangent of ones; strided or
expanded tensors read as if they were contiguous; constants in another precision than the arguments.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch

from atomscape.ops.op import REFERENCE, Op
from atomscape.shapes import Tensor
from atomscape.testing import tolerances
from atomscape.testing.compare import compare

Arguments = tuple


def contiguous(t: Tensor) -> Tensor:
    """The plain layout."""
    return t.clone(memory_format=torch.contiguous_format)


def strided(t: Tensor) -> Tensor:
    """Same values, every stride doubled and the memory between filled with NaN."""
    room = t.new_full([2 * n for n in t.shape], torch.nan)
    view = room[tuple(slice(0, None, 2) for _ in t.shape)]
    view.copy_(t)
    return view


def reversed_axes(t: Tensor) -> Tensor:
    """Same values, axes in the opposite order in memory."""
    back = list(range(t.dim()))[::-1]
    return t.permute(back).contiguous().permute(back)


def offset(t: Tensor) -> Tensor:
    """Same values, starting one element into a larger memory: not aligned."""
    room = t.new_full((t.numel() + 1,), torch.nan)
    room[1:] = t.reshape(-1)
    return room[1:].view(t.shape)


def expanded(t: Tensor) -> Tensor:
    """One number with stride 0 along every axis, as the gradient of ``y.sum()`` is."""
    return t.new_full((), 0.7).expand(t.shape)


LAYOUTS: dict[str, Callable[[Tensor], Tensor]] = {
    f.__name__: f for f in (contiguous, strided, reversed_axes, offset)
}


def check_layouts(op: Op, arguments: Arguments, *, case: str = "") -> float:
    """Values and gradients do not depend on how arguments and cotangents lie in memory."""
    law, worst = "layout", 0.0
    plain = _moved(arguments, contiguous)
    shape = _run(op, plain).detach()
    random = torch.randn(shape.shape, dtype=shape.dtype, generator=torch.Generator().manual_seed(1))
    for cotangent in (random, expanded(shape)):
        value, gradients = _gradients(op, plain, contiguous(cotangent))
        for name, layout in LAYOUTS.items():
            for other in (cotangent, layout(cotangent)):
                found, moved = _gradients(op, _moved(arguments, layout), other)
                what = f"{name} arguments"
                worst = max(worst, compare(law, case, what, value, found, _exact(value)))
                for i, (a, b) in enumerate(zip(gradients, moved, strict=True)):
                    worst = max(worst, compare(law, case, f"{what}, gradient {i}", a, b, _exact(value)))
    return worst


def check_op_derivatives(op: Op, arguments: Arguments, *, case: str = "") -> None:
    """First and second derivatives pass gradcheck and gradgradcheck, with strided cotangents too."""
    at, leaves = _leaves(arguments)

    def value(*tensors: Tensor) -> Tensor:
        return _run(op, _put(arguments, at, tensors))

    if not value(*leaves).requires_grad:  # a constant, as the harmonics of l = 0
        return
    closely = {"fast_mode": True, "atol": 1e-6, "rtol": 1e-5}
    try:
        torch.autograd.gradcheck(value, leaves, **closely)
        torch.autograd.gradgradcheck(value, leaves, gen_non_contig_grad_outputs=True, **closely)
    except RuntimeError as error:
        raise AssertionError(f"derivatives law, case {case!r}: {error}") from error


def check_op_precision(op: Op, arguments: Arguments, *, case: str = "") -> float:
    """float32 in gives float32 out that agrees with float64; float64 stays float64."""
    law = "precision"
    single = tuple(a.float() if _floating(a) else a for a in arguments)
    double, found = _run(op, arguments), _run(op, single)
    if (double.dtype, found.dtype) != (torch.float64, torch.float32):
        raise AssertionError(
            f"{law} law, case {case!r}: float64 gave {double.dtype}, float32 gave {found.dtype}"
        )
    return compare(law, case, "float32", double, found, tolerances.EXACT[torch.float32])


def check_backends(op: Op, arguments: Arguments, *, case: str = "") -> float:
    """Every back-end that serves these arguments agrees with the reference, to second derivatives."""
    law, worst = "back-end", 0.0
    able = [name for name, kernel in op.backends.items() if kernel.serves(*arguments) is None]
    with op.force(REFERENCE):
        expected = _second_order(op, arguments)
    for name in able:
        with op.force(name):
            found = _second_order(op, arguments)
        for what, a, b in zip(("value", "gradient", "second gradient"), expected, found, strict=True):
            worst = max(worst, compare(law, case, f"{name}, {what}", a, b, tolerances.EXACT[a.dtype]))
    return worst


def _second_order(op: Op, arguments: Arguments) -> tuple[Tensor, Tensor, Tensor]:
    """Value, all gradients, and all gradients of a random combination of these, each as one flat tensor."""
    at, leaves = _leaves(arguments)
    generator = torch.Generator().manual_seed(2)

    def random_like(t: Tensor) -> Tensor:
        return torch.randn(t.shape, generator=generator, dtype=t.dtype)

    value = _run(op, _put(arguments, at, leaves))
    first = _grad((value * random_like(value)).sum(), leaves)
    second = _grad(torch.stack([(g * random_like(g)).sum() for g in first]).sum(), leaves)
    return value.detach(), _flat(first), _flat(second)


def _grad(total: Tensor, leaves: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
    """Gradients to differentiate again; zeros of what does not enter."""
    if not total.requires_grad:
        return tuple(torch.zeros_like(t) for t in leaves)
    return torch.autograd.grad(total, leaves, create_graph=True, allow_unused=True, materialize_grads=True)


def _gradients(op: Op, arguments: Arguments, cotangent: Tensor) -> tuple[Tensor, tuple[Tensor, ...]]:
    at = [i for i, a in enumerate(arguments) if _floating(a)]
    leaves = tuple(arguments[i].detach().requires_grad_(True) for i in at)
    value = _run(op, _put(arguments, at, leaves))
    if not value.requires_grad:
        return value, tuple(torch.zeros_like(t) for t in leaves)
    return value.detach(), torch.autograd.grad(value, leaves, cotangent)


def _leaves(arguments: Arguments) -> tuple[list[int], tuple[Tensor, ...]]:
    at = [i for i, a in enumerate(arguments) if _floating(a)]
    return at, tuple(arguments[i].clone().requires_grad_(True) for i in at)


def _put(arguments: Arguments, at: Sequence[int], tensors: Sequence[Tensor]) -> Arguments:
    filled = dict(zip(at, tensors, strict=True))
    return tuple(filled.get(i, a) for i, a in enumerate(arguments))


def _moved(arguments: Arguments, layout: Callable[[Tensor], Tensor]) -> Arguments:
    return tuple(layout(a) if _floating(a) else a for a in arguments)


def _run(op: Op, arguments: Arguments) -> Tensor:
    return op(*arguments)


def _flat(tensors: Sequence[Tensor]) -> Tensor:
    return torch.cat([t.reshape(-1) for t in tensors]).detach()


def _floating(a) -> bool:
    return isinstance(a, torch.Tensor) and a.is_floating_point()


def _exact(t: Tensor) -> float:
    return tolerances.EXACT[t.dtype]
