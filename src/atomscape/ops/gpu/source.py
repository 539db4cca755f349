"""From the text of a Triton kernel to the kernel.

Triton reads the source of a function, so the text gets a name that tracebacks and Triton can look up; nothing
is written to disk (what Triton compiles, it caches itself, by the text).
"""

from __future__ import annotations

import linecache
from collections.abc import Iterable, Sequence
from functools import cache
from hashlib import sha256
from typing import Any

import triton
import triton.language as tl

BATCH = ["points", "atoms", "edges", "steps"]
"""Sizes of a batch: arguments that no kernel is compiled anew for."""


@cache
def kernel(text: str) -> Any:
    """Return the only function that the text defines, as a Triton kernel.

    Triton compiles anew where an integer is 1 or a multiple of 16; not so for the sizes of a batch.
    """
    file = f"<atomscape kernel {sha256(text.encode()).hexdigest()[:16]}>"
    linecache.cache[file] = (len(text), None, text.splitlines(keepends=True), file)
    names: dict[str, Any] = {"tl": tl, "__name__": __name__}
    before = set(names)
    exec(compile(text, file, "exec"), names)
    (function,) = (value for name, value in names.items() if name not in before and name != "__builtins__")
    return triton.jit(do_not_specialize=BATCH)(function)


def define(name: str, arguments: Sequence[str], constants: Sequence[str], body: Iterable[str]) -> str:
    """Text of a kernel: ``constants`` are known when it is compiled, everything else at run time."""
    signature = ", ".join([*arguments, *(f"{c}: tl.constexpr" for c in constants)])
    return "\n".join([f"def {name}({signature}):", *indented(body)]) + "\n"


def indented(lines: Iterable[str]) -> list[str]:
    """Lines one level deeper."""
    return [f"    {line}" for line in lines]


def weighted_sum(parts: Iterable[tuple[str, float]]) -> str:
    """Text of Σ value · name with constants in full precision; a factor of 1 is left out."""
    text = ""
    for name, value in parts:
        size = name if abs(value) == 1 else f"{abs(value)!r} * {name}"
        sign = "-" if value < 0 else "+"
        text += f" {sign} {size}" if text else (f"-{size}" if value < 0 else size)
    return text
