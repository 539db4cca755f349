"""Register native kernels with torch: implementation, shapes for tracing, derivatives."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch

from atomscape.ops.jit.direct import direct
from atomscape.ops.transforms import has_tangent
from atomscape.shapes import Tensor

_library = torch.library.Library("atomscape", "FRAGMENT")


def define(
    name: str,
    schema: str,
    implementation: Callable,
    fake: Callable,
    derive: Callable | None = None,
    *,
    device: str = "CPU",
) -> Callable[..., Any]:
    """Define ``torch.ops.atomscape.<name>``; returns what calls it, in the fastest way that is allowed.

    ``fake`` returns empty results of the right shapes; ``derive(ctx, *cotangents)`` the gradients of all
    arguments, with cotangents None where they are zero, tensors in ``ctx.saved_tensors`` and all other
    arguments in ``ctx.rest``.
    """
    _library.define(f"{name}{schema}")
    _library.impl(name, implementation, device)
    torch.library.register_fake(f"atomscape::{name}", fake, lib=_library)
    if derive is not None:
        derive = reverse_only(name, derive)
        torch.library.register_autograd(f"atomscape::{name}", derive, setup_context=_keep, lib=_library)
    return direct(name, getattr(torch.ops.atomscape, name), implementation, derive, _keep)


def reverse_only(name: str, derive: Callable) -> Callable:
    """Refuse cotangents with a tangent: torch would drop it without a word."""

    def checked(ctx, *cotangents):
        if has_tangent(*cotangents):
            raise NotImplementedError(
                f"forward-mode differentiation of the gradient of {name}, which knows reverse mode only; "
                "begin the forward mode before the operation, and its reference will serve"
            )
        return derive(ctx, *cotangents)

    return checked


def _keep(ctx, inputs: tuple, output: object) -> None:
    ctx.set_materialize_grads(False)
    tensors, rest = [], []
    for a in inputs:
        (tensors if isinstance(a, Tensor) else rest).append(a)
    ctx.save_for_backward(*tensors)
    ctx.rest = tuple(rest)


def wanted(ctx) -> list[bool]:
    """Which arguments' gradients this backward pass will use, not only which could be had.

    ``autograd.grad(energy, positions)`` through a layer with weights asks for no gradient of the weights, but
    ``needs_input_grad`` is true for them.
    """
    found = []
    for need, (node, _) in zip(ctx.needs_input_grad, ctx.next_functions, strict=False):
        found.append(bool(need and node is not None and _runs(node)))
    return found


def _runs(node) -> bool:
    try:
        return torch._C._will_engine_execute_node(node)
    except (AttributeError, RuntimeError):  # not known: then it counts as wanted
        return True


def given_or_nothing(found: Sequence[Tensor], need: Sequence[bool]) -> tuple[Tensor | None, ...]:
    """Results that were asked for; those that were not are None."""
    return tuple(t if n else None for t, n in zip(found, need, strict=True))


def asked(cotangents: Sequence[Tensor | None], need: Sequence[bool]) -> list[Tensor | None]:
    """Cotangents of results that were asked for; for others a tracer may give zeros of no elements."""
    return [c if n else None for c, n in zip(cotangents, need, strict=True)]


def like(tensors: Sequence[Tensor], need: Sequence[bool]) -> tuple[Tensor, ...]:
    """Empty tensors like these, with no elements where they are not needed."""
    return tuple(empty_like(t) if n else t.new_empty(0) for t, n in zip(tensors, need, strict=True))


def empty_like(t: Tensor) -> Tensor:
    """Empty and contiguous tensor of the same shape."""
    return torch.empty_like(t, memory_format=torch.contiguous_format)


def derive_composed(composed: Callable, floating: int) -> Callable:
    """Derivative of an operator through ``composed``, the same function made of derivable operators.

    The first ``floating`` tensors are differentiated, through views: a gradient must not run on into their
    own history.
    """

    def derive(ctx, *cotangents):
        tensors = ctx.saved_tensors
        with torch.enable_grad():
            views = [t.view_as(t) if t.requires_grad else t for t in tensors[:floating]]
            results = composed(*views, *tensors[floating:], *ctx.rest)
        pairs = [
            (r, c)
            for r, c in zip(results, cotangents, strict=True)
            if c is not None and c.shape == r.shape and r.requires_grad
        ]
        leaves = [v for v, t in zip(views, tensors, strict=False) if t.requires_grad]
        rest = (None,) * (len(tensors) - floating + len(ctx.rest))
        if not pairs or not leaves:
            return *(None,) * floating, *rest
        found = iter(
            torch.autograd.grad(
                [r for r, _ in pairs],
                leaves,
                [c for _, c in pairs],
                create_graph=torch.is_grad_enabled(),
                allow_unused=True,
            )
        )
        return *(next(found) if t.requires_grad else None for t in tensors[:floating]), *rest

    return derive
