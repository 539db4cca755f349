"""What a traced graph takes as given: ``torch.compiler.assume_constant_result`` without loading the compiler.

That decorator sets one mark, and imports all of the compiler to do so: two seconds for every program, most of
which compile nothing.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

Function = TypeVar("Function", bound=Callable)

MARK = "_dynamo_marked_constant"


def constant_when_traced(function: Function) -> Function:
    """The function; ``torch.compile`` calls it while it traces, and keeps the result as a constant."""
    setattr(function, MARK, True)
    return function
