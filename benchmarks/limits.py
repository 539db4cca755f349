"""What this machine can do at most: fused multiply–adds, and bytes to and from memory, per second.

Measured by native loops, in the same run as the benchmark that is judged by them. A kernel that needs so many
operations and has to move so many bytes cannot be faster than its ``Limits.seconds``, the roofline.
"""

from __future__ import annotations

import ctypes
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cache, cached_property
from math import ceil, log2
from threading import Barrier, Thread
from time import perf_counter, process_time

import torch
from measure import Row

from atomscape.ops.jit.compile import address_of, vector_bytes

CHAINS = 12  # independent sums: more than latency × units of any processor, fewer than its registers
MEMORY = 2**28  # bytes beyond every cache
SMALLEST = 2**20  # bytes; less is not worth telling apart
SECONDS = 0.01  # one measurement


@dataclass(eq=False)
class Limits:
    """Highest rates of ``threads`` threads at once: operations (a multiply–add is two) and bytes per second.

    How fast bytes come depends on whether they fit a cache, so the rate is that of a buffer as large as the
    work's, measured when it is first asked for.
    """

    threads: int
    rounds: int = 5
    _rates: dict[int, tuple[float, float]] = field(default_factory=dict)

    @cached_property
    def flops(self) -> dict[torch.dtype, float]:
        """Operations per second in registers."""
        single_and_double = (torch.float32, torch.float64)
        return {d: max(_flops(d, self.threads) for _ in range(self.rounds)) for d in single_and_double}

    def memory(self, size: float) -> tuple[float, float]:
        """Bytes per second read, and copied (a byte counts when read and when written), of ``size`` bytes."""
        rounded = min(MEMORY, max(SMALLEST, int(2 ** (int(4 * log2(max(size, 1))) / 4))))
        if rounded not in self._rates:
            a, b = torch.ones(rounded // 4), torch.ones(rounded // 4)
            read = max(_read(a, self.threads) for _ in range(self.rounds))
            copy = max(_copy(b[: len(b) // 2], a[: len(a) // 2], self.threads) for _ in range(self.rounds))
            self._rates[rounded] = read, copy
        return self._rates[rounded]

    def seconds(self, flops: float, read: float, written: float = 0.0, dtype=torch.float32) -> float:
        """Least time for so many operations on so many bytes."""
        reading, copying = self.memory(read + written)
        bytes_s = max(read / reading, (read + written) / max(reading, copying))
        return max(flops / self.flops[dtype], bytes_s)

    def __str__(self) -> str:
        """Return one line a person can read."""
        single, double = (self.flops[d] / 1e9 for d in (torch.float32, torch.float64))
        read, copy = (rate / 1e9 for rate in self.memory(MEMORY))
        return (
            f"{single:.0f} GFLOP/s float32, {double:.0f} GFLOP/s float64, "
            f"memory {read:.1f} GB/s read, {copy:.1f} GB/s copied"
        )

    def row(self, question: str) -> Row:
        """Return the limits as a row of a benchmark."""
        return Row(question, f"machine, {threads(self.threads)}", None, "its limits", None, note=str(self))


def threads(n: int) -> str:
    """Words for a number of threads."""
    return "1 thread" if n == 1 else f"{n} threads"


def _flops(dtype: torch.dtype, count: int) -> float:
    """Operations per second of ``count`` threads in registers."""
    lanes, steps, run = _lanes(dtype), 2**18, _native("arithmetic", dtype)
    out = [torch.zeros(lanes, dtype=dtype) for _ in range(count)]
    taken = _all_at_once([lambda o=o: run(o.data_ptr(), steps) for o in out])
    return 2.0 * CHAINS * lanes * steps * count / taken


def _read(values: torch.Tensor, count: int) -> float:
    """Bytes per second that ``count`` threads read, each its own part."""
    lanes, run = _lanes(values.dtype), _native("reading", values.dtype)
    steps = len(values) // (count * CHAINS * lanes)
    size = steps * CHAINS * lanes * values.element_size()
    out = [torch.zeros(lanes, dtype=values.dtype) for _ in range(count)]
    starts = [values.data_ptr() + k * size for k in range(count)]
    parts = [lambda o=o, s=s: run(o.data_ptr(), steps, s) for o, s in zip(out, starts, strict=True)]
    return size * count / _all_at_once(parts)


def _copy(target: torch.Tensor, source: torch.Tensor, count: int) -> float:
    """Bytes read and bytes written per second by the C library, which streams past the caches if it pays."""
    size = source.nbytes // count
    starts = [(target.data_ptr() + k * size, source.data_ptr() + k * size) for k in range(count)]
    return 2 * size * count / _all_at_once([lambda a=a: ctypes.memmove(*a, size) for a in starts])


def _all_at_once(parts: list[Callable[[], object]]) -> float:
    """Time of all parts, each on its own thread; native calls by ctypes let the others run.

    They are repeated until it takes ``SECONDS``, with one start and one end for all. As in every benchmark,
    CPU time counts for one thread, wall time for more.
    """
    repeats, clock = 1, process_time if len(parts) == 1 else perf_counter
    while True:
        ready = Barrier(len(parts) + 1)

        def repeated(part: Callable[[], object], n: int = repeats, ready: Barrier = ready) -> None:
            ready.wait()
            for _ in range(n):
                part()
            ready.wait()

        for part in parts:
            Thread(target=repeated, args=(part,)).start()
        ready.wait()
        start = clock()
        ready.wait()
        taken = clock() - start
        if taken > SECONDS:
            return taken / repeats
        repeats *= max(2, ceil(1.2 * SECONDS / max(taken, 1e-6)))


def _lanes(dtype: torch.dtype) -> int:
    return vector_bytes() // dtype.itemsize


@cache
def _native(what: str, dtype: torch.dtype) -> Callable[..., None]:
    """Compile one of the two loops."""
    address = address_of(what, (dtype, _lanes(dtype), CHAINS), lambda: _loop(what, dtype))
    arguments = [ctypes.c_void_p, ctypes.c_int64, ctypes.c_void_p][: 3 if what == "reading" else 2]
    return ctypes.CFUNCTYPE(None, *arguments)(address)


def _loop(what: str, dtype: torch.dtype) -> str:
    """``steps`` times: each chain a ← x·x + a (arithmetic), or a ← a + the next vector (reading)."""
    scalar = {torch.float32: "float", torch.float64: "double"}[dtype]
    lanes = _lanes(dtype)
    vector, reading = f"<{lanes} x {scalar}>", what == "reading"
    fma = f"llvm.fma.v{lanes}f{8 * dtype.itemsize}"
    body, phis, starts = [], [], [f"  %s0 = fadd {vector} %x, %x"]
    for k in range(CHAINS):
        phis.append(f"  %a{k} = phi {vector} [ %s{k}, %entry ], [ %b{k}, %loop ]")
        starts.append(f"  %s{k + 1} = fadd {vector} %s{k}, %x")  # chains that differ are not merged
        if reading:
            body += [
                f"  %p{k} = getelementptr {vector}, ptr %start, i64 {k}",
                f"  %v{k} = load {vector}, ptr %p{k}, align {dtype.itemsize}",
                f"  %b{k} = fadd {vector} %a{k}, %v{k}",
            ]
        else:
            body.append(f"  %b{k} = call {vector} @{fma}({vector} %x, {vector} %x, {vector} %a{k})")
    total = [f"  %t0 = fadd {vector} %b0, %b1"]
    total += [f"  %t{k} = fadd {vector} %t{k - 1}, %b{k + 1}" for k in range(1, CHAINS - 1)]
    return "\n".join(
        [
            f"declare {vector} @{fma}({vector}, {vector}, {vector})",
            f"define void @{what}(ptr %out, i64 %steps{', ptr %data' if reading else ''}) {{",
            "entry:",
            f"  %x = load {vector}, ptr %out, align {dtype.itemsize}",
            *starts,
            "  br label %loop",
            "loop:",
            "  %n = phi i64 [ 0, %entry ], [ %next, %loop ]",
            *phis,
            *([f"  %first = mul i64 %n, {CHAINS}"] if reading else []),
            *([f"  %start = getelementptr {vector}, ptr %data, i64 %first"] if reading else []),
            *body,
            "  %next = add i64 %n, 1",
            "  %more = icmp slt i64 %next, %steps",
            "  br i1 %more, label %loop, label %end",
            "end:",
            *total,
            f"  store {vector} %t{CHAINS - 2}, ptr %out, align {dtype.itemsize}",
            "  ret void",
            "}",
        ]
    )  # fmt: skip


if __name__ == "__main__":
    for n in (1, 2):
        print(f"{threads(n)}: {Limits(n)}")
