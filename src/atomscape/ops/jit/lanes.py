"""A kernel written as SIMD lanes: Python values that stand for registers, and emit LLVM IR as they are used.

A :class:`Program` is one native function ``void name(i64 *arguments, i64 thread, i64 threads)``. Formulae are
written in Python with ``+ - *`` on :class:`Value`; numbers become constants of the kernel's precision, so a
float64 kernel has no float32 constant in it. What varies at run time (sizes, pointers) comes in as arguments;
what is known beforehand (degrees, coefficients) is unrolled by Python itself.

    p = Program("axpy", "float", lanes=16)
    a, x, y, n = p.number(0), p.pointer(1), p.pointer(2), p.integer(3)
    with p.range(0, n, p.lanes) as i:
        p.store(p.fma(p.broadcast(a), p.load(x, i), p.load(y, i)), y, i)
"""

from __future__ import annotations

import struct
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import count

BITS = {"float": 32, "double": 64}
_INFINITY = {"float": 0x7F800000, "double": 0x7FF0000000000000}
_SHORT = {"float": "f32", "double": "f64", "i64": "i64", "i32": "i32"}


@dataclass(frozen=True, eq=False, slots=True)
class Value:
    """A register: a number, an integer, a pointer or a vector of lanes."""

    program: Program
    name: str
    type: str

    def __add__(self, other: Value | float) -> Value:
        """Sum."""
        return self.program.arithmetic("add", self, other)

    def __sub__(self, other: Value | float) -> Value:
        """Difference."""
        return self.program.arithmetic("sub", self, other)

    def __mul__(self, other: Value | float) -> Value:
        """Product."""
        return self.program.arithmetic("mul", self, other)

    def __truediv__(self, other: Value | float) -> Value:
        """Quotient; of integers rounded towards zero."""
        return self.program.arithmetic("div", self, other)

    def __radd__(self, other: float) -> Value:
        """Sum with a number."""
        return self.program.like(other, self) + self

    def __rsub__(self, other: float) -> Value:
        """Difference from a number."""
        return self.program.like(other, self) - self

    def __rmul__(self, other: float) -> Value:
        """Product with a number."""
        return self.program.like(other, self) * self

    def __rtruediv__(self, other: float) -> Value:
        """Quotient of a number."""
        return self.program.like(other, self) / self

    def __neg__(self) -> Value:
        """Negative."""
        return self.program.emit(f"fneg {self.type} {self.name}", self.type)


@dataclass(frozen=True, eq=False, slots=True)
class Variable:
    """A value that changes in a loop; LLVM turns it into a register."""

    program: Program
    place: Value
    type: str

    def get(self) -> Value:
        """Return the value it has here."""
        return self.program.emit(f"load {self.type}, ptr {self.place.name}", self.type)

    def set(self, value: Value) -> None:
        """Change it from here on."""
        self.program.write(f"store {self.type} {value.name}, ptr {self.place.name}")


@dataclass(frozen=True, eq=False, slots=True)
class Loop:
    """A loop without end of its own."""

    program: Program
    end: str

    def unless(self, condition: Value) -> None:
        """Leave the loop if the condition does not hold."""
        n = next(self.program._numbers)
        self.program.write(f"br i1 {condition.name}, label %on{n}, label %{self.end}")
        self.program._body.append(f"on{n}:")


class Program:
    """One native function in the making; ``number`` is "float" or "double", ``lanes`` the vectors' width."""

    def __init__(self, name: str, number: str, lanes: int) -> None:
        self.name, self.scalar, self.lanes = name, number, lanes
        self.vector = f"<{lanes} x {number}>"
        self.bytes = BITS[number] // 8
        self._entry: list[str] = []
        self._body: list[str] = []
        self._declared: set[str] = set()
        self._numbers = count()
        self.thread = Value(self, "%thread", "i64")
        self.threads = Value(self, "%threads", "i64")

    # -- emitting ------------------------------------------------------------------------------------------

    def emit(self, text: str, type: str) -> Value:
        """Append an instruction with a result."""
        value = Value(self, f"%v{next(self._numbers)}", type)
        self._body.append(f"  {value.name} = {text}")
        return value

    def write(self, text: str) -> None:
        """Append an instruction without a result."""
        self._body.append(f"  {text}")

    def call(self, function: str, type: str, *arguments: Value | str, flags: str = "") -> Value:
        """Call an intrinsic; a string among the arguments stands for itself."""
        written = [a if isinstance(a, str) else f"{a.type} {a.name}" for a in arguments]
        types = ", ".join(w.split(">")[0] + ">" if w.startswith("<") else w.split()[0] for w in written)
        self._declared.add(f"declare {type} @{function}({types})")
        text = f"call {flags} {type} @{function}({', '.join(written)})"
        if type == "void":
            self.write(text)
            return Value(self, "void", type)
        return self.emit(text, type)

    def arithmetic(self, operation: str, a: Value, b: Value | float) -> Value:
        """Integer or floating arithmetic, as the operands are; products and sums may fuse."""
        b = b if isinstance(b, Value) else self.like(b, a)
        if a.type in ("i64", "i32"):
            word = {"div": "sdiv"}.get(operation, f"{operation} nsw")
        else:
            word = f"f{operation} contract"
        return self.emit(f"{word} {a.type} {a.name}, {b.name}", a.type)

    # -- constants, arguments, memory ----------------------------------------------------------------------

    def like(self, number: float, value: Value) -> Value:
        """Return a constant of another value's type."""
        if value.type in ("i64", "i32"):
            return Value(self, str(int(number)), value.type)
        literal = _literal(number, self.scalar)
        if value.type == self.scalar:
            return Value(self, literal, self.scalar)
        return Value(self, f"<{', '.join([f'{self.scalar} {literal}'] * self.lanes)}>", self.vector)

    def constant(self, number: float) -> Value:
        """Return the number in every lane."""
        return self.like(number, Value(self, "", self.vector))

    def integer(self, k: int) -> Value:
        """Argument ``k`` as an integer."""
        place = self.emit(f"getelementptr i64, ptr %arguments, i64 {k}", "ptr")
        return self.emit(f"load i64, ptr {place.name}", "i64")

    def pointer(self, k: int) -> Value:
        """Argument ``k`` as an address."""
        return self.emit(f"inttoptr i64 {self.integer(k).name} to ptr", "ptr")

    def number(self, k: int) -> Value:
        """Argument ``k``, the bits of a float64, in the kernel's precision."""
        wide = self.emit(f"bitcast i64 {self.integer(k).name} to double", "double")
        if self.scalar == "double":
            return wide
        return self.emit(f"fptrunc double {wide.name} to float", "float")

    def at(self, pointer: Value, index: Value | int, type: str | None = None) -> Value:
        """Address of an element."""
        where = index.name if isinstance(index, Value) else str(index)
        return self.emit(f"getelementptr {type or self.scalar}, ptr {pointer.name}, i64 {where}", "ptr")

    def load(self, pointer: Value, index: Value | int, mask: Value | None = None) -> Value:
        """Neighbouring elements as lanes; masked lanes read nothing and are zero."""
        place = self.at(pointer, index)
        if mask is None:
            return self.emit(f"load {self.vector}, ptr {place.name}, align {self.bytes}", self.vector)
        name = f"llvm.masked.load.v{self.lanes}{_SHORT[self.scalar]}.p0"
        aligned = f"i32 {self.bytes}"
        return self.call(name, self.vector, place, aligned, mask, f"{self.vector} zeroinitializer")

    def store(
        self,
        value: Value,
        pointer: Value,
        index: Value | int,
        mask: Value | None = None,
        stream: bool = False,
    ) -> None:
        """Write lanes to neighbouring elements; masked lanes write nothing; ``stream``: past the caches."""
        place = self.at(pointer, index)
        if mask is None:
            aligned = f"{self.bytes * self.lanes}, !nontemporal !0" if stream else str(self.bytes)
            self.write(f"store {value.type} {value.name}, ptr {place.name}, align {aligned}")
            return
        name = f"llvm.masked.store.v{self.lanes}{_SHORT[self.scalar]}.p0"
        self.call(name, "void", value, place, f"i32 {self.bytes}", mask)

    def read(self, pointer: Value, index: Value | int, type: str | None = None) -> Value:
        """One element: a number, or an integer of the type given."""
        type = type or self.scalar
        return self.emit(f"load {type}, ptr {self.at(pointer, index, type).name}", type)

    def put(self, value: Value, pointer: Value, index: Value | int) -> None:
        """Write one element."""
        self.write(f"store {value.type} {value.name}, ptr {self.at(pointer, index, value.type).name}")

    def buffer(self, size: int, type: str | None = None) -> Value:
        """Memory of the function's own, aligned to a cache line."""
        value = Value(self, f"%b{next(self._numbers)}", "ptr")
        self._entry.append(f"  {value.name} = alloca {type or self.scalar}, i64 {size}, align 64")
        return value

    def variable(self, start: Value) -> Variable:
        """Make a variable with a first value."""
        place = Value(self, f"%p{next(self._numbers)}", "ptr")
        self._entry.append(f"  {place.name} = alloca {start.type}")
        made = Variable(self, place, start.type)
        made.set(start)
        return made

    def prefetch(self, pointer: Value, index: Value | int) -> None:
        """Ask for a cache line that will be read soon, into the second level: the first is busy."""
        self.call("llvm.prefetch.p0", "void", self.at(pointer, index), "i32 0", "i32 2", "i32 1")

    # -- lanes ---------------------------------------------------------------------------------------------

    def broadcast(self, number: Value) -> Value:
        """One number in every lane."""
        one = self.emit(
            f"insertelement {self.vector} poison, {number.type} {number.name}, i64 0", self.vector
        )
        zeros = f"<{self.lanes} x i32> zeroinitializer"
        return self.emit(
            f"shufflevector {self.vector} {one.name}, {self.vector} poison, {zeros}", self.vector
        )

    def shuffle(self, a: Value, b: Value, lanes: Sequence[int | None]) -> Value:
        """Vector of chosen lanes of ``a``, followed by those of ``b``; None where anything will do."""
        chosen = ", ".join("i32 poison" if k is None else f"i32 {k}" for k in lanes)
        return self.emit(
            f"shufflevector {a.type} {a.name}, {b.type} {b.name}, <{len(lanes)} x i32> <{chosen}>",
            f"<{len(lanes)} x {self.scalar}>",
        )

    def fma(self, a: Value, b: Value, c: Value) -> Value:
        """a·b + c, fused where the processor can."""
        kind = f"v{self.lanes}" if a.type == self.vector else ""
        return self.call(f"llvm.fmuladd.{kind}{_SHORT[self.scalar]}", a.type, a, b, c)

    def sqrt(self, a: Value) -> Value:
        """Square root of every lane."""
        return self.call(f"llvm.sqrt.v{self.lanes}{_SHORT[self.scalar]}", a.type, a)

    def estimate_inverse_root(self, a: Value) -> Value:
        """1/√a of every lane, float32, to 14 bits: an instruction of AVX-512, for four lanes or more."""
        lanes = max(4, self.lanes)
        kind, mask = f"<{lanes} x float>", f"i{max(8, lanes)} -1"
        wide = self.shuffle(a, a, [k if k < self.lanes else None for k in range(lanes)])
        name = f"llvm.x86.avx512.rsqrt14.ps.{32 * lanes}"
        found = self.call(name, kind, wide, f"{kind} zeroinitializer", mask)
        return self.shuffle(found, found, range(self.lanes))

    def sum(self, a: Value) -> Value:
        """Sum over the lanes."""
        zero = f"{self.scalar} {_literal(-0.0, self.scalar)}"
        name = f"llvm.vector.reduce.fadd.v{self.lanes}{_SHORT[self.scalar]}"
        return self.call(name, self.scalar, zero, a, flags="reassoc")

    def select(self, condition: Value, a: Value, b: Value) -> Value:
        """A where the condition holds, else b."""
        written = f"{condition.type} {condition.name}, {a.type} {a.name}, {b.type} {b.name}"
        return self.emit(f"select {written}", a.type)

    def compare(self, how: str, a: Value, b: Value | float) -> Value:
        """Compare: lt, le, gt, ge, eq or ne; lanes give a mask."""
        b = b if isinstance(b, Value) else self.like(b, a)
        if a.type in ("i64", "i32"):
            word = "icmp " + (how if how in ("eq", "ne") else f"s{how}")
        else:
            word = "fcmp " + {"ne": "une"}.get(how, f"o{how}")
        kind = f"<{self.lanes} x i1>" if a.type == self.vector else "i1"
        return self.emit(f"{word} {a.type} {a.name}, {b.name}", kind)

    def finite_positive(self, a: Value) -> Value:
        """Mask of lanes above 0 and below infinity: one comparison of their bits, which are in order."""
        kind, infinity = f"<{self.lanes} x i{BITS[self.scalar]}>", _INFINITY[self.scalar]
        one, end = (f"<{', '.join([f'i{BITS[self.scalar]} {n}'] * self.lanes)}>" for n in (1, infinity - 1))
        bits = self.emit(f"bitcast {a.type} {a.name} to {kind}", kind)
        less = self.emit(f"sub {kind} {bits.name}, {one}", kind)  # of 0: the highest of all
        return self.emit(f"icmp ult {kind} {less.name}, {end}", f"<{self.lanes} x i1>")

    def first(self, filled: Value) -> Value:
        """Mask of the first ``filled`` lanes (all of them if there are as many or more)."""
        kind = f"<{self.lanes} x i64>"
        one = self.emit(f"insertelement {kind} poison, i64 {filled.name}, i64 0", kind)
        zeros = f"<{self.lanes} x i32> zeroinitializer"
        all_ = self.emit(f"shufflevector {kind} {one.name}, {kind} poison, {zeros}", kind)
        steps = f"<{', '.join(f'i64 {k}' for k in range(self.lanes))}>"
        return self.emit(f"icmp slt {kind} {steps}, {all_.name}", f"<{self.lanes} x i1>")

    # -- control flow --------------------------------------------------------------------------------------

    @contextmanager
    def range(self, start: Value | int, stop: Value | int, step: Value | int = 1) -> Iterator[Value]:
        """Loop over integers, as Python's ``range`` with a positive step."""
        begin, end, by = (
            v if isinstance(v, Value) else Value(self, str(v), "i64") for v in (start, stop, step)
        )
        at, n = self.variable(begin), next(self._numbers)
        self.write(f"br label %test{n}")
        self._body.append(f"test{n}:")
        index = at.get()
        more = self.compare("lt", index, end)
        self.write(f"br i1 {more.name}, label %body{n}, label %end{n}")
        self._body.append(f"body{n}:")
        yield index
        at.set(index + by)
        self.write(f"br label %test{n}")
        self._body.append(f"end{n}:")

    @contextmanager
    def when(self, condition: Value) -> Iterator[None]:
        """Do what follows only if the condition holds."""
        n = next(self._numbers)
        self.write(f"br i1 {condition.name}, label %then{n}, label %else{n}")
        self._body.append(f"then{n}:")
        yield
        self.write(f"br label %else{n}")
        self._body.append(f"else{n}:")

    @contextmanager
    def blocks(self, size: Value, tail: bool) -> Iterator[tuple[Value, Value | None]]:
        """Loop over blocks of lanes of an axis: yields the first index, and the mask if there is a tail."""
        with self.range(0, size, self.lanes) as start:
            yield start, self.first(size - start) if tail else None

    @contextmanager
    def loop(self) -> Iterator[Loop]:
        """Repeat until the loop is left."""
        n = next(self._numbers)
        self.write(f"br label %again{n}")
        self._body.append(f"again{n}:")
        yield Loop(self, f"left{n}")
        self.write(f"br label %again{n}")
        self._body.append(f"left{n}:")

    def both(self, a: Value, b: Value) -> Value:
        """Whether two conditions hold."""
        return self.emit(f"and {a.type} {a.name}, {b.name}", a.type)

    def either(self, a: Value, b: Value) -> Value:
        """Whether one of two conditions holds."""
        return self.emit(f"or {a.type} {a.name}, {b.name}", a.type)

    def smaller(self, a: Value, b: Value) -> Value:
        """Smaller of two integers."""
        return self.select(self.compare("lt", a, b), a, b)

    def larger(self, a: Value, b: Value) -> Value:
        """Larger of two integers."""
        return self.select(self.compare("gt", a, b), a, b)

    @property
    def text(self) -> str:
        """LLVM IR of the function and of the intrinsics that it calls."""
        body = [
            f"define void @{self.name}(ptr noalias %arguments, i64 %thread, i64 %threads) nounwind {{",
            "entry:",
            *self._entry,
            *self._body,
            "  ret void",
            "}",
            "!0 = !{i32 1}",
        ]
        return "\n".join([*sorted(self._declared), *body])


def _literal(number: float, scalar: str) -> str:
    """LLVM writes constants of both precisions as the bits of a float64; float32 ones must be exact in it."""
    if scalar == "float":
        number = struct.unpack("f", struct.pack("f", number))[0]
    return "0x" + struct.pack(">d", number).hex().upper()
