"""Kernels as torch operators: the compiler and exporter of torch see one node, autograd sees a formula.

All live in the namespace ``atomscape`` and end in ``_triton``. They exist for CUDA (NVIDIA and AMD) and XPU
(Intel); for the CPU only where Triton interprets.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch

from atomscape.ops.gpu.available import INTERPRETED
from atomscape.ops.jit.derivatives import reverse_only
from atomscape.ops.jit.direct import direct

DEVICES = ("CUDA", "XPU", *(("CPU",) if INTERPRETED else ()))
_LIBRARY = torch.library.Library("atomscape", "FRAGMENT")


def operator(
    schema: str,
    run: Callable[..., Any],
    fake: Callable[..., Any],
    setup: Callable[..., None] | None = None,
    backward: Callable[..., Any] | None = None,
) -> Any:
    """Define an operator; ``fake`` tells shapes, ``setup`` and ``backward`` are its derivative.

    Returns what calls the operator, past the dispatcher where nobody listens.
    """
    name = schema.partition("(")[0]
    _LIBRARY.define(schema, tags=(torch.Tag.pt2_compliant_tag,))
    for device in DEVICES:
        _LIBRARY.impl(name, run, device)
    torch.library.register_fake(f"atomscape::{name}", fake, lib=_LIBRARY)
    if backward is not None:
        backward = reverse_only(name, backward)
        torch.library.register_autograd(f"atomscape::{name}", backward, setup_context=setup, lib=_LIBRARY)
    return direct(name, getattr(torch.ops.atomscape, name).default, run, backward, setup)
