"""The exponential function on SIMD lanes, accurate to about one unit in the last place.

x = n ln 2 + r with |r| ≤ ½ ln 2; eʳ is Taylor's series to the precision's last digit, and 2ⁿ is written into
the exponent of a number. ln 2 is split into a part with few digits, so that n ln 2 is exact, and the rest.
"""

from __future__ import annotations

from math import factorial, inf, log

from atomscape.ops.jit.lanes import BITS, Program, Value

# Digits of the fraction, bias of the exponent, terms of the series, bounds of x, upper part of ln 2.
_FORMATS = {
    "float": (23, 127, 8, (-87.0, 88.0), 0x162E4 / 2**17),
    "double": (52, 1023, 15, (-708.0, 709.0), 0x162E42FEFA3 / 2**41),
}
_LOW = {"float": 1.4286068203094173e-06, "double": 2.8235290563031577e-13}  # ln 2 − upper part


def exponential(p: Program, x: Value) -> Value:
    """eˣ of every lane; beyond the range of the precision infinity, and its smallest normal number."""
    digits, bias, terms, (low, high), upper = _FORMATS[p.scalar]
    x = p.select(p.compare("lt", x, low), p.constant(low), x)
    above = p.compare("gt", x, high)
    x = p.select(above, p.constant(high), x)
    kind = f"v{p.lanes}{'f32' if p.scalar == 'float' else 'f64'}"
    n = p.call(f"llvm.rint.{kind}", p.vector, x * (1 / log(2)))
    r = p.fma(n, p.constant(-upper), x)
    r = p.fma(n, p.constant(-_LOW[p.scalar]), r)
    total = p.constant(1 / factorial(terms - 1))
    for k in range(terms - 2, -1, -1):
        total = p.fma(total, r, p.constant(1 / factorial(k)))
    return p.select(above, p.constant(inf), total * _power_of_two(p, n, digits, bias))


def _power_of_two(p: Program, n: Value, digits: int, bias: int) -> Value:
    whole = f"<{p.lanes} x i{BITS[p.scalar]}>"
    i = p.emit(f"fptosi {p.vector} {n.name} to {whole}", whole)
    raised = p.emit(f"add {whole} {i.name}, {_splat(p, bias)}", whole)
    bits = p.emit(f"shl {whole} {raised.name}, {_splat(p, digits)}", whole)
    return p.emit(f"bitcast {whole} {bits.name} to {p.vector}", p.vector)


def _splat(p: Program, number: int) -> str:
    return f"<{', '.join([f'i{BITS[p.scalar]} {number}'] * p.lanes)}>"
