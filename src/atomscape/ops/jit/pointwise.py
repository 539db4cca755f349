"""Operations that map each point alone, [points, inputs] → [points, outputs]: value and derivatives.

Formulae are written once, on dual numbers, as values f(r) and as the gradient of S = Σ_n g_n f_n(r), g the
cotangent. Three kernels follow,

    value:     f(r)
    gradient:  ∂S/∂r
    second:    (∂S/∂r)' and f(r)', derivatives along v, that is the gradients of v·∂S/∂r by r and by g

and the third derivative and all beyond go through the reference. Lanes are points. Nothing is kept for the
backward pass but the arguments.
"""

from __future__ import annotations

import struct
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache, partial
from typing import Any, Literal, NamedTuple, Protocol, runtime_checkable

import torch

from atomscape.ops.jit import launch
from atomscape.ops.jit.compile import address_of, vector_bytes
from atomscape.ops.jit.derivatives import define, derive_composed, empty_like, given_or_nothing, like, wanted
from atomscape.ops.jit.dual import Dual
from atomscape.ops.jit.lanes import Program
from atomscape.ops.jit.rows import blocks
from atomscape.ops.jit.team import run, threads_for
from atomscape.shapes import Tensor

Kind = Literal["value", "gradient", "second"]


@runtime_checkable
class Formulae(Protocol):
    """What an operation computes for each point."""

    @property
    def inputs(self) -> int:
        """Numbers per point that come in."""
        ...

    @property
    def outputs(self) -> int:
        """Numbers per point that come out."""
        ...

    def values(self, p: Program, r: list[Dual], scale: Dual) -> list[Dual]:
        """f(r); ``scale`` is a number known only at run time."""
        ...

    def gradient(self, p: Program, r: list[Dual], g: list[Dual], scale: Dual) -> list[Dual]:
        """Σ_n g_n ∂f_n/∂r."""
        ...


class Made(NamedTuple):
    """Numbers per point that come in and that come out, and the bits of the scale."""

    inputs: int
    outputs: int
    scale: int


class Arrays(NamedTuple):
    """What a kernel reads and writes; the order of its arguments."""

    reads: tuple[str, ...]
    writes: tuple[str, ...]


ARRAYS: dict[Kind, Arrays] = {
    "value": Arrays(("r",), ("f",)),
    "gradient": Arrays(("g", "r"), ("dr",)),
    "second": Arrays(("g", "r", "v"), ("dg", "dr")),
}
_LIKE_R = ("r", "v", "dr")

_PIECES = 8
"""Of each thread's share: enough to even out what disturbs a thread."""

_STREAM = 12 << 20
"""Bytes of results that would not stay in the caches, where those who read them next look first."""


def write(
    name: str,
    kind: Kind,
    need: tuple[bool, ...],
    formulae: Formulae,
    number: str,
    lanes: int,
    stream: bool,
) -> str:
    """LLVM IR of one kernel; ``need`` tells which of its results are wanted."""
    p = Program(f"{name}_{kind}", number, lanes)
    reads, writes = ARRAYS[kind]
    sizes = {n: formulae.inputs if n in _LIKE_R else formulae.outputs for n in reads + writes}
    arrays = {n: (p.pointer(k), sizes[n]) for k, n in enumerate(reads + writes)}
    points = p.integer(len(arrays))
    scale = Dual(p.broadcast(p.number(len(arrays) + 1)))
    written = {n: arrays[n] for n, wanted in zip(writes, need, strict=True) if wanted}
    used = {n: arrays[n] for n in reads if n != "g" or "dr" in written}
    with blocks(p, points, used, written, stream) as block:
        read = {n: block.read(n) for n in used}
        tangents = read.get("v", [None] * formulae.inputs)
        r = [Dual(x, v) for x, v in zip(read["r"], tangents, strict=True)]
        results: dict[str, list[Dual]] = {}
        if "dr" in written:
            results["dr"] = formulae.gradient(p, r, [Dual(x) for x in read["g"]], scale)
        if "f" in written or "dg" in written:
            results["f" if kind == "value" else "dg"] = formulae.values(p, r, scale)
        for n, columns in results.items():
            numbers = [c.tangent if kind == "second" else c.value for c in columns]
            block.write(n, [p.constant(0.0) if x is None else x for x in numbers])
    return p.text


@dataclass(frozen=True)
class Pointwise:
    """One operation: its name, how it is called, and its formulae.

    ``parameters`` is the rest of the operator's schema after ``r``, if any; ``formulae`` and ``scale`` read
    those; ``vector`` tells whether a point is the last axis of ``r`` or one number of it, ``many`` whether
    its results are an axis. ``work`` is a guess of the multiplications for each output.
    """

    name: str
    parameters: str
    formulae: Callable[..., Formulae]
    scale: Callable[..., float]
    reference: Callable[..., Tensor]
    vector: bool
    many: bool
    work: float = 10.0

    def register(self) -> Callable[..., Tensor]:
        """Define the operators ``<name>_cpu``, ``<name>_cpu_gradient`` and ``<name>_cpu_second``.

        Returns what calls the first.
        """
        name, rest = f"{self.name}_cpu", f", {self.parameters}" if self.parameters else ""
        second = define(
            f"{name}_second",
            f"(Tensor g, Tensor r, Tensor v{rest}, bool[] need) -> (Tensor, Tensor)",
            self._second,
            lambda g, r, v, *rest: like((g, r), rest[-1]),
            derive_composed(self._composed, floating=3),
        )
        gradient = define(
            f"{name}_gradient",
            f"(Tensor g, Tensor r{rest}) -> Tensor",
            self._gradient,
            lambda g, r, *rest: empty_like(r),
            partial(_derive_again, second),
        )
        return define(
            name,
            f"(Tensor r{rest}) -> Tensor",
            self._value,
            lambda r, *rest: self._empty(r, rest),
            partial(_derive, gradient),
        )

    def _empty(self, r: Tensor, rest: tuple) -> Tensor:
        shape = r.shape[:-1] if self.vector else r.shape
        if not self.many:
            return r.new_empty(shape)
        return r.new_empty(*shape, _made(self.formulae, self.scale, rest).outputs)

    def _value(self, r: Tensor, *rest: Any) -> Tensor:
        f = self._empty(r, rest)
        self._launch("value", (True,), r, (r, f), f.nbytes, rest)
        return f

    def _gradient(self, g: Tensor, r: Tensor, *rest: Any) -> Tensor:
        dr = empty_like(r)
        self._launch("gradient", (True,), r, (g, r, dr), dr.nbytes, rest)
        return dr

    def _second(self, g: Tensor, r: Tensor, v: Tensor, *rest: Any) -> tuple[Tensor, ...]:
        parameters, need = rest[:-1], rest[-1]
        found = like((g, r), need)
        self._launch("second", tuple(need), r, (g, r, v, *found), sum(t.nbytes for t in found), parameters)
        return found

    def _launch(
        self,
        kind: Kind,
        need: tuple[bool, ...],
        r: Tensor,
        arrays: tuple[Tensor, ...],
        written: int,
        rest: tuple,
    ) -> None:
        """Run a kernel on what it reads and writes, of which so many bytes are written."""
        inputs, outputs, scale = _made(self.formulae, self.scale, rest)
        points = r.numel() // inputs
        if not points:
            return
        given = [t.contiguous() for t in arrays]  # held until the kernel is done
        arguments = [t.data_ptr() for t in given]
        stream = written > _STREAM and not any(place % vector_bytes() for place in arguments[-len(need) :])
        lanes = launch.lanes_for(r.dtype, points)
        address = _address(self.name, self.formulae, rest, kind, need, r.dtype, lanes, stream)
        arguments += points, scale
        run(address, arguments, threads_for(self.work * points * outputs), _PIECES)

    def _composed(self, g, r, v, *rest):
        """The second derivative by way of the reference, which can be derived again."""
        g, r = (t if t.requires_grad else t.detach().requires_grad_() for t in (g, r))
        (dr,) = torch.autograd.grad(self.reference(r, *rest[:-1]), r, g, create_graph=True)
        found = torch.autograd.grad(
            dr, (g, r), v, create_graph=True, allow_unused=True, materialize_grads=True
        )
        return found


def _derive(gradient: Callable, ctx, g):
    if g is None:
        return (None,) * (1 + len(ctx.rest))
    return gradient(g, *ctx.saved_tensors, *ctx.rest), *(None,) * len(ctx.rest)


def _derive_again(second: Callable, ctx, v):
    nothing = (None,) * len(ctx.rest)
    if v is None:
        return None, None, *nothing
    need = wanted(ctx)[:2]
    found = second(*ctx.saved_tensors, v, *ctx.rest, need)
    return *given_or_nothing(found, need), *nothing


@cache
def _made(formulae: Callable[..., Formulae], scale: Callable[..., float], rest: tuple) -> Made:
    """What a call with these parameters has to know."""
    made = formulae(*rest)
    return Made(made.inputs, made.outputs, _bits(scale(*rest)))


@cache
def _address(
    name: str,
    formulae: Callable[..., Formulae],
    rest: tuple,
    kind: Kind,
    need: tuple[bool, ...],
    dtype: torch.dtype,
    lanes: int,
    stream: bool,
) -> int:
    variant = need, formulae(*rest), launch.NUMBER[dtype], lanes, stream
    return address_of(f"{name}_{kind}", variant, lambda: write(name, kind, *variant))


def _bits(number: float) -> int:
    """The bits of a float64 as an integer."""
    return struct.unpack("q", struct.pack("d", number))[0]
