"""Operators called past torch's dispatcher, where nobody listens to it.

An operator registered by ``torch.library`` with a derivative written in Python goes through the dispatcher
several times per call: 20 to 50 µs, as much as a kernel takes for a small molecule. In plain eager mode the
same implementation and derivative are called through ``torch.autograd.Function``, which gives the same
numbers. Where somebody listens, the registered operator is called: the compiler, exporters, dispatch modes,
tensor subclasses, transformations of ``torch.func``, ``torch.jit.trace``, profilers.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch.nn import Parameter

from atomscape.ops.traced import being_traced
from atomscape.ops.transforms import transformation
from atomscape.shapes import Tensor

_modes = torch._C._len_torch_dispatch_stack
_included = torch._C._dispatch_tls_is_dispatch_key_included
_BEFORE_AUTOGRAD = torch._C.DispatchKey.PreDispatch  # of modes such as make_fx(pre_dispatch=True)
_profiled = torch.autograd._profiler_enabled  # pyright: ignore[reportPrivateImportUsage]
_batched = torch._C._functorch.is_legacy_batchedtensor  # pyright: ignore[reportAttributeAccessIssue]
"""Whether a tensor stands for many cotangents, as ``autograd.grad(is_grads_batched=True)`` makes them."""
_left = torch._C._functorch.is_gradtrackingtensor  # pyright: ignore[reportAttributeAccessIssue]
"""Whether a tensor has been carried out of ``torch.func.grad``: it has no memory of its own."""


def direct(
    name: str, registered: Callable, implementation: Callable, derive: Callable | None, keep: Callable | None
) -> Callable[..., Any]:
    """A callable with the arguments and results of the registered operator.

    ``derive`` and ``keep`` are its derivative and what keeps arguments for it, as
    ``torch.library.register_autograd`` has them.
    """
    learned = _function(name, implementation, derive, keep) if derive and keep else None

    def call(*arguments: Any) -> Any:
        if torch.compiler.is_dynamo_compiling() or listened():
            return registered(*arguments)
        learns = False
        for a in arguments:
            kind = type(a)
            if kind is Tensor or kind is Parameter:
                if _batched(a) or _left(a) or a.is_neg():
                    return registered(*arguments)
                learns = learns or a.requires_grad
            elif isinstance(a, Tensor):
                return registered(*arguments)
        if not learns or not torch.is_grad_enabled():
            return implementation(*arguments)
        return registered(*arguments) if learned is None else learned(*arguments)

    return call


def listened() -> bool:
    """Whether someone has to see calls of operators."""
    return (
        _modes() > 0
        or _included(_BEFORE_AUTOGRAD)
        or transformation() is not None
        or _profiled()
        or being_traced()
    )


def _function(name: str, implementation: Callable, derive: Callable, keep: Callable) -> Callable[..., Any]:
    """The operator as a function that autograd knows, under its name.

    ``Function.apply`` looks for transformations of ``torch.func`` first, which have been looked for already.
    """

    def forward(ctx: Any, *arguments: Any) -> Any:
        result = implementation(*arguments)
        keep(ctx, arguments, result)
        return result

    parts = {"forward": staticmethod(forward), "backward": staticmethod(derive)}
    function = type(name, (torch.autograd.Function,), parts)
    return super(torch.autograd.Function, function).apply  # pyright: ignore[reportAttributeAccessIssue]
