"""Laws of operations and of their back-ends: memory layout, cotangents, precision, derivatives, agreement.

The ways in which fast kernels have been wrong: gradients right only for a cotangent of ones, or only when
all are asked for; strided or expanded tensors read as if they were contiguous; constants in another precision
than the arguments; results that change with the number of threads; tangents of forward mode dropped without a
word.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass

import torch
from torch.autograd import forward_ad

from atomscape.ops.op import REFERENCE, Op, ops
from atomscape.shapes import Tensor
from atomscape.testing import tolerances
from atomscape.testing.compare import compare, largest


@dataclass(frozen=True, eq=False)
class Constant:
    """A floating-point argument that is not differentiated, such as a table."""

    tensor: Tensor


Arguments = tuple  # of tensors, constants and whatever else the operation takes
Layout = Callable[[Tensor], Tensor]


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


LAYOUTS: dict[str, Layout] = {f.__name__: f for f in (contiguous, strided, reversed_axes, offset)}


def able(op: Op, arguments: Arguments) -> list[str]:
    """Back-ends that serve these arguments when they are differentiated, the reference aside."""
    leaves = _put(arguments, *_leaves(arguments))
    return [name for name, kernel in op.backends.items() if kernel.serves(*leaves) is None]


@contextmanager
def served_by(op: Op, backend: str) -> Iterator[None]:
    """Let one back-end serve; where it is the reference, those of the operations inside it serve too."""
    chosen = (
        {**dict.fromkeys(ops().values(), REFERENCE), op: REFERENCE} if backend == REFERENCE else {op: backend}
    )
    with ExitStack() as stack:
        for each, name in chosen.items():
            stack.enter_context(each.force(name))
        yield


def check_layouts(op: Op, arguments: Arguments, *, case: str = "") -> float:
    """Values and derivatives do not depend on how arguments and cotangents lie in memory.

    Two derivatives of back-ends; one of the reference, which torch's operators make.
    """
    law, worst = "layout", 0.0
    for backend in (REFERENCE, *able(op, arguments)):
        order = 1 if backend == REFERENCE else 2
        with served_by(op, backend):
            plain = derivatives(op, arguments, order=order)
            for name, layout in LAYOUTS.items():
                found = derivatives(op, arguments, order=order, layout=layout, cotangents=layout)
                what = f"{backend}, {name} arguments"
                worst = max(worst, _compare(law, case, what, plain, found, tolerances.EXACT))
            # Arguments of one number, then cotangents, each without strides and written out.
            same = _moved(arguments, expanded)
            plain = derivatives(op, same, order=order)
            found = derivatives(op, same, order=order, layout=torch.Tensor.detach)
            what = f"{backend}, expanded arguments"
            worst = max(worst, _compare(law, case, what, plain, found, tolerances.EXACT))
            plain = derivatives(op, arguments, order=order, cotangents=_one_number)
            found = derivatives(op, arguments, order=order, layout=strided, cotangents=expanded)
            what = f"{backend}, expanded cotangents"
            worst = max(worst, _compare(law, case, what, plain, found, tolerances.EXACT))
    return worst


def _one_number(t: Tensor) -> Tensor:
    return expanded(t).contiguous()


def check_op_derivatives(op: Op, arguments: Arguments, *, case: str = "") -> None:
    """First and second derivatives pass gradcheck and gradgradcheck, with strided cotangents too."""
    at, leaves = _leaves(arguments)

    def value(*tensors: Tensor) -> Tensor:
        return op(*_put(arguments, at, tensors))

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
    double, found = (op(*_put(a, (), ())) for a in (arguments, _moved(arguments, torch.Tensor.float)))
    if (double.dtype, found.dtype) != (torch.float64, torch.float32):
        raise AssertionError(
            f"{law} law, case {case!r}: float64 gave {double.dtype}, float32 gave {found.dtype}"
        )
    return compare(law, case, "float32", double, found, tolerances.EXACT[torch.float32])


def check_backends(op: Op, arguments: Arguments, *, case: str = "") -> float:
    """Every back-end that serves these arguments agrees with the reference, to second derivatives."""
    worst = 0.0
    for name in able(op, arguments):
        with served_by(op, REFERENCE):
            expected = derivatives(op, arguments)
        with served_by(op, name):
            found = derivatives(op, arguments)
        worst = max(worst, _compare("back-end", case, name, expected, found, tolerances.BACKEND))
    return worst


def check_third_derivative(op: Op, arguments: Arguments, *, case: str = "") -> float:
    """Every back-end agrees with the reference on the third derivative along random directions."""
    worst = 0.0
    for name in able(op, arguments):
        with served_by(op, REFERENCE):
            expected = derivatives(op, arguments, order=3)
        with served_by(op, name):
            found = derivatives(op, arguments, order=3)
        worst = max(worst, _compare("third derivative", case, name, expected, found, tolerances.BACKEND))
    return worst


def check_some_gradients(op: Op, arguments: Arguments, *, case: str = "") -> float:
    """Gradients asked for by some arguments are right, whether the others could have gradients or not."""
    law, worst = "some gradients", 0.0
    at = _leaves(arguments)[0]
    for backend in able(op, arguments):
        for of in _choices(len(at)):
            with served_by(op, REFERENCE):
                expected = derivatives(op, arguments, of=of)
            for only in (False, True):
                with served_by(op, backend):
                    found = derivatives(op, arguments, of=of, only=only)
                what = f"{backend}, {'only ' if only else ''}arguments {[at[k] for k in of]}"
                worst = max(worst, _compare(law, case, what, expected, found, tolerances.BACKEND))
    return worst


def check_threads(
    op: Op, arguments: Arguments, *, numbers: Sequence[int] = (1, 2, 3), case: str = ""
) -> None:
    """Value and two derivatives are the same to the last bit for any number of torch's threads."""
    before = torch.get_num_threads()
    for backend in able(op, arguments):
        results = []
        try:
            for n in numbers:
                torch.set_num_threads(n)
                with served_by(op, backend):
                    results.append(derivatives(op, arguments))
        finally:
            torch.set_num_threads(before)
        for n, found in zip(numbers[1:], results[1:], strict=True):
            for what, t in results[0].items():
                if not torch.equal(t, found[what]):
                    raise AssertionError(
                        f"threads law, case {case!r}, {backend}, {what}: {numbers[0]} and {n} threads differ"
                    )


def check_transforms(op: Op, arguments: Arguments, *, case: str = "") -> None:
    """In ``torch.func`` and forward mode results are the reference's, or an error is raised."""
    at, leaves = _leaves(arguments)
    plain = tuple(t.detach() for t in leaves)

    def value(*tensors: Tensor) -> Tensor:
        return op(*_put(arguments, at, tensors))

    if not plain or not value(*leaves).requires_grad:
        return
    for name, transform in TRANSFORMS.items():
        try:
            with served_by(op, REFERENCE):
                expected = transform(value, plain)
            found = transform(value, plain)
        except (NotImplementedError, RuntimeError):
            continue
        compare("transforms", case, name, expected, found, tolerances.EXACT[expected.dtype])


def _func_grad(value: Callable, leaves: tuple[Tensor, ...]) -> Tensor:
    found = torch.func.grad(lambda *a: value(*a).sin().sum(), tuple(range(len(leaves))))(*leaves)
    return _flat(found)


def _func_vmap(value: Callable, leaves: tuple[Tensor, ...]) -> Tensor:
    return torch.func.vmap(value)(*(torch.stack([t, 1.5 * t]) for t in leaves))


def _func_jvp(value: Callable, leaves: tuple[Tensor, ...]) -> Tensor:
    return torch.func.jvp(value, leaves, tuple(t.cos() for t in leaves))[1]


def _forward_mode(value: Callable, leaves: tuple[Tensor, ...]) -> Tensor:
    with forward_ad.dual_level():
        result = value(*(forward_ad.make_dual(t, t.cos()) for t in leaves))
        tangent = forward_ad.unpack_dual(result).tangent
        return torch.full_like(result, torch.nan) if tangent is None else tangent.clone()


def _batched_cotangents(value: Callable, leaves: tuple[Tensor, ...]) -> Tensor:
    leaves = tuple(t.clone().requires_grad_() for t in leaves)
    y = value(*leaves)
    cotangents = torch.stack([torch.ones_like(y), y.detach()])
    return _flat(torch.autograd.grad(y.sin(), leaves, cotangents, is_grads_batched=True))


def _forward_over_reverse(value: Callable, leaves: tuple[Tensor, ...]) -> Tensor:
    leaves = tuple(t.clone().requires_grad_() for t in leaves)
    y = value(*leaves)
    with forward_ad.dual_level():
        found = torch.autograd.grad(y, leaves, forward_ad.make_dual(y.detach().sin(), y.detach()))
        tangents = [forward_ad.unpack_dual(t).tangent for t in found]
        return _flat(
            [torch.full_like(t, torch.nan) if d is None else d for t, d in zip(found, tangents, strict=True)]
        )


TRANSFORMS: dict[str, Callable[[Callable, tuple[Tensor, ...]], Tensor]] = {
    "torch.func.grad": _func_grad,
    "torch.func.vmap": _func_vmap,
    "torch.func.jvp": _func_jvp,
    "forward mode": _forward_mode,
    "batched cotangents": _batched_cotangents,
    "forward over reverse": _forward_over_reverse,
}


def derivatives(
    op: Op,
    arguments: Arguments,
    *,
    order: int = 2,
    layout: Layout = contiguous,
    cotangents: Layout = contiguous,
    of: Sequence[int] | None = None,
    only: bool = False,
) -> dict[str, Tensor]:
    """Value, gradients, gradients of a random combination of these, and so on, by name.

    From the second order on, derivatives by the cotangent of the value are among them. ``layout`` says how
    floating-point arguments lie in memory, ``cotangents`` how cotangents do. ``of`` chooses among the
    floating-point arguments, by place; with ``only``, the others do not require a gradient at all.
    """
    arguments = _moved(arguments, layout)
    at, tensors = _leaves(arguments)
    chosen = range(len(at)) if of is None else of
    leaves = [t if k in chosen or not only else t.detach() for k, t in enumerate(tensors)]
    inputs = {f"argument {at[k]}": leaves[k] for k in chosen}
    generator = torch.Generator().manual_seed(2)

    def random_like(t: Tensor) -> Tensor:
        return cotangents(torch.randn(t.shape, generator=generator, dtype=t.dtype).to(t.device))

    value = op(*_put(arguments, at, leaves))
    results, last = {"value": value.detach()}, {"value": value}
    for n in range(1, order + 1):
        weights = {name: random_like(t) for name, t in last.items()}
        if n == 1:
            weights["value"] = weights["value"].detach().requires_grad_()
        last = {name: t for name, t in last.items() if t.requires_grad}
        found = _gradients(last, weights, tuple(inputs.values()), again=n < order)
        last = {f"derivative {n} by {name}": t for name, t in zip(inputs, found, strict=True)}
        results |= {name: t.detach() for name, t in last.items()}
        inputs |= {"the cotangent": weights["value"]} if n == 1 else {}
    return results


def _gradients(
    outputs: dict[str, Tensor], weights: dict[str, Tensor], inputs: tuple[Tensor, ...], again: bool
) -> tuple[Tensor, ...]:
    """Gradients of the outputs for their cotangents; zeros of what does not enter."""
    if not outputs:
        return tuple(torch.zeros_like(t) for t in inputs)
    return torch.autograd.grad(
        list(outputs.values()),
        inputs,
        [weights[name] for name in outputs],
        create_graph=again,
        allow_unused=True,
        materialize_grads=True,
    )


def _choices(count: int) -> list[tuple[int, ...]]:
    """Each argument alone, all but each, and all."""
    alone = [(k,) for k in range(count)]
    others = [tuple(j for j in range(count) if j != k) for k in range(count)]
    return [*dict.fromkeys(c for c in [*alone, *others, tuple(range(count))] if c)]


def _compare(
    law: str,
    case: str,
    who: str,
    expected: dict[str, Tensor],
    found: dict[str, Tensor],
    tolerance: dict[torch.dtype, float],
) -> float:
    """Largest error, each result on its own scale, or on a hundredth of its order's if that is larger."""
    worst = 0.0
    for what, a in expected.items():
        order = [t for name, t in expected.items() if name.split(" by ")[0] == what.split(" by ")[0]]
        scale = max(largest(a), 1e-2 * max(largest(t) for t in order))
        worst = max(worst, compare(law, case, f"{who}, {what}", a, found[what], tolerance[a.dtype], scale))
    return worst


def _leaves(arguments: Arguments) -> tuple[list[int], tuple[Tensor, ...]]:
    at = [i for i, a in enumerate(arguments) if _floating(a)]
    return at, tuple(arguments[i].detach().requires_grad_(True) for i in at)


def _put(arguments: Arguments, at: Sequence[int], tensors: Sequence[Tensor]) -> Arguments:
    """What the operation is called with: constants as tensors, and these tensors in their places."""
    filled = dict(zip(at, tensors, strict=True))
    plain = (a.tensor if isinstance(a, Constant) else a for a in arguments)
    return tuple(filled.get(i, a) for i, a in enumerate(plain))


def _moved(arguments: Arguments, layout: Layout) -> Arguments:
    """Every floating-point tensor in another layout."""

    def moved(a):
        if isinstance(a, Constant):
            return Constant(layout(a.tensor))
        return layout(a) if _floating(a) else a

    return tuple(moved(a) for a in arguments)


def _flat(tensors: Sequence[Tensor]) -> Tensor:
    return torch.cat([t.reshape(-1) for t in tensors]).detach()


def _floating(a) -> bool:
    return isinstance(a, torch.Tensor) and a.is_floating_point()
