"""Where only a reference can serve: in ``torch.func`` and forward mode, which native kernels do not know."""

from __future__ import annotations

import torch
from torch.autograd import forward_ad

from atomscape.ops.traced import constant_when_traced
from atomscape.shapes import Tensor

transformation = torch._C._functorch.peek_interpreter_stack  # pyright: ignore[reportAttributeAccessIssue]
"""The innermost transformation of ``torch.func`` that we are in, or None."""


def transformed(*tensors: Tensor) -> str | None:
    """Why a back-end made of ``torch.library`` operators must not take these tensors, or None.

    Such an operator lets the tangents of forward mode fall without a word, and has no rule for ``vmap``.
    """
    if _in_torch_func():
        return "inside a transformation of torch.func (grad, vmap, jvp, …), which native kernels do not know"
    if has_tangent(*tensors):
        return "an argument has a tangent: native kernels know reverse-mode differentiation only"
    return None


def lasting(t: Tensor) -> bool:
    """Whether a tensor can be kept for other calls.

    One made in inference mode, while a graph is traced (a fake tensor) or inside of ``torch.func`` would
    spoil every later call.
    """
    inside = torch._C._functorch.is_functorch_wrapped_tensor(t)  # pyright: ignore[reportAttributeAccessIssue]
    return type(t) is Tensor and not t.is_inference() and not inside


@constant_when_traced  # a graph that is traced takes the answer, and torch guards it
def _in_torch_func() -> bool:
    return transformation() is not None


def has_tangent(*tensors: Tensor | None) -> bool:
    """Whether one of these carries a derivative of forward mode."""
    if forward_ad._current_level < 0:
        return False
    return any(t is not None and forward_ad.unpack_dual(t).tangent is not None for t in tensors)
