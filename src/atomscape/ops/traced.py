"""What a traced graph takes as given, and whether one is traced.

``torch.compiler.assume_constant_result`` sets one mark, and imports all of the compiler to do so: two seconds
for every program, most of which compile nothing. So the mark is set here.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

import torch

Function = TypeVar("Function", bound=Callable)

MARK = "_dynamo_marked_constant"

being_traced = torch._C._is_tracing
"""Whether ``torch.jit.trace`` records: what Python knows of a tensor, such as its length, would be fixed."""


def constant_when_traced(function: Function) -> Function:
    """The function; ``torch.compile`` calls it while it traces, and keeps the result as a constant."""
    setattr(function, MARK, True)
    return function
