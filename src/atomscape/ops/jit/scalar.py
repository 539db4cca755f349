"""Native code from plain Python: for loops and branches that lanes do not suit, numba writes LLVM's language.

Only when a kernel is compiled is numba imported; what it wrote goes the way of all kernels (``compile.py``):
it is kept as object code, and run on torch's threads. So such code may not raise, nor make Python objects or
arrays: it works on pointers. A few intrinsics give it what Python has no word for.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable
from functools import reduce
from typing import Any

from llvmlite import ir
from numba import njit, types
from numba.extending import intrinsic

CHUNK = 64
"""Numbers that ``smaller`` compares at once."""

LANES = 32
"""Points that ``within`` looks at at once."""

_OPTIONS: dict[str, Any] = {"error_model": "numpy", "no_cpython_wrapper": True, "no_cfunc_wrapper": True}


def native(function: Callable) -> Callable[..., Any]:
    """Make a function part of native code. Checks of types may wrap it; numba reads what is inside."""
    return njit(**_OPTIONS)(inspect.unwrap(function))


def emitted(typing: Callable) -> Callable[..., Any]:
    """Make a word of native code from a function that returns its signature and what writes its code."""
    return intrinsic(typing)


def written(program, name: str) -> str:
    """LLVM IR of ``void name(i64 *arguments, i64 thread, i64 threads)`` from a ``native`` function of these.

    Raises
    ------
    ValueError
        The function may raise, or calls Python's or numba's runtime.
    """
    arguments = types.CPointer(types.int64), types.int64, types.int64
    program.compile(arguments)
    text = program.inspect_llvm(arguments)
    outside = [word for word in ("picklebuf", "@numba_", "@NRT_", "@Py") if word in text]
    if outside:
        names = ", ".join(outside)
        raise ValueError(f"kernel {name!r} refers to {names}…; it must not raise nor use objects.")
    inner = program.overloads[arguments].fndesc.llvm_func_name
    return f"""{text}
define void @{name}(ptr %arguments, i64 %thread, i64 %threads) nounwind {{
  %result = alloca ptr
  %error = alloca ptr
  call i32 @"{inner}"(ptr %result, ptr %error, ptr %arguments, i64 %thread, i64 %threads)
  ret void
}}
"""


def _pointer(element):
    """Make the function that turns an address into a pointer to numbers of a kind."""

    @emitted
    def pointer(context, address):
        def code(context, builder, signature, arguments):
            return builder.inttoptr(arguments[0], context.get_value_type(signature.return_type))

        return types.CPointer(element)(types.int64), code

    return pointer


doubles, longs, ints = _pointer(types.float64), _pointer(types.int64), _pointer(types.int32)
bytes_at = _pointer(types.uint8)


@emitted
def number_of(context, bits):
    """How many bits of an integer are set."""

    def code(context, builder, signature, arguments):
        return builder.ctpop(arguments[0])

    return types.int64(types.int64), code


@emitted
def lowest_of(context, bits):
    """Place of the lowest bit that is set; there must be one."""

    def code(context, builder, signature, arguments):
        return builder.cttz(arguments[0], ir.IntType(1)(1))

    return types.int64(types.int64), code


@emitted
def smaller(context, numbers, begin, limit):
    """How many of the ``CHUNK`` numbers from ``begin`` on are smaller than a limit."""

    def code(context, builder, signature, arguments):
        numbers = _load(builder, ir.IntType(32), CHUNK, arguments[0], arguments[1])
        limit = _broadcast(builder, numbers.type, builder.trunc(arguments[2], ir.IntType(32)))
        return builder.ctpop(builder.bitcast(builder.icmp_signed("<", numbers, limit), ir.IntType(CHUNK)))

    return types.int64(types.CPointer(types.int32), types.int64, types.int64), code


@emitted
def within(context, xs, ys, zs, begin, x, y, z, limit):
    """Which of the ``LANES`` points from ``begin`` on have squared distances below a limit, as bits."""

    def code(context, builder, signature, arguments):
        terms = []
        for points, centre in zip(arguments[:3], arguments[4:7], strict=True):
            there = _load(builder, ir.DoubleType(), LANES, points, arguments[3])
            d = builder.fsub(there, _broadcast(builder, there.type, centre))
            terms.append(builder.fmul(d, d, flags=["contract"]))
        squared = reduce(lambda a, b: builder.fadd(a, b, flags=["contract"]), terms)
        below = builder.fcmp_ordered("<", squared, _broadcast(builder, squared.type, arguments[7]))
        return builder.zext(builder.bitcast(below, ir.IntType(LANES)), ir.IntType(64))

    pointer, number = types.CPointer(types.float64), types.float64
    return types.int64(*[pointer] * 3, types.int64, *[number] * 4), code


def _load(builder, element, count, pointer, begin):
    """Neighbouring numbers as a vector."""
    place = builder.gep(pointer, [begin])
    lanes = ir.VectorType(element, count)
    return builder.load(builder.bitcast(place, lanes.as_pointer()), align=4)


def _broadcast(builder, lanes, number):
    """One number in every lane."""
    one = builder.insert_element(ir.Constant(lanes, ir.Undefined), number, ir.IntType(32)(0))
    return builder.shuffle_vector(one, one, ir.Constant(ir.VectorType(ir.IntType(32), lanes.count), None))
