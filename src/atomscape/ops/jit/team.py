"""Run a native kernel on several threads: on torch's own OpenMP team, so that no second one competes.

A kernel is ``void(i64 *arguments, i64 thread, i64 threads)`` and does the share of its thread. Kernels split
their work by rows of the result, each row summed by one thread in one order: the result does not depend on
the number of threads. That number is torch's (``torch.set_num_threads``, ``OMP_NUM_THREADS``).

torch's wheels for Linux carry GNU's OpenMP; ``GOMP_parallel`` calls a function once per member of the team.
Where there is no such library in the process, plain threads do it; in a forked child too, because GNU's team
does not survive a fork.
"""

from __future__ import annotations

import ctypes
import os
import struct
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor, wait
from functools import cache
from pathlib import Path

import torch

from atomscape.ops.jit.compile import address_of, on_x86

_SIGNATURE = ctypes.CFUNCTYPE(None, ctypes.c_void_p, ctypes.c_int64, ctypes.c_int64)

_START = """
%Work = type {ptr, ptr, ptr, i64, i64, ptr, i32}
declare void @llvm.memset.p0.i64(ptr, i8, i64, i1)

define void @team(ptr %parallel, ptr %who, ptr %kernel, ptr %arguments, i64 %shares, i64 %pieces) nounwind {
  %bytes = mul i64 %shares, 64
  %taken = alloca i8, i64 %bytes, align 64
  call void @llvm.memset.p0.i64(ptr align 64 %taken, i8 0, i64 %bytes, i1 false)
  %work = alloca %Work
  %w1 = insertvalue %Work poison, ptr %who, 0
  %w2 = insertvalue %Work %w1, ptr %kernel, 1
  %w3 = insertvalue %Work %w2, ptr %arguments, 2
  %w4 = insertvalue %Work %w3, i64 %shares, 3
  %w5 = insertvalue %Work %w4, i64 %pieces, 4
  %w6 = insertvalue %Work %w5, ptr %taken, 5
  %mode = call i32 @mode()
  %w7 = insertvalue %Work %w6, i32 %mode, 6
  store %Work %w7, ptr %work
  %threads = trunc i64 %shares to i32
  call void %parallel(ptr @member, ptr %work, i32 %threads, i32 0)
  ret void
}

define internal void @member(ptr %place) nounwind {
entry:
  %work = load %Work, ptr %place
  %who = extractvalue %Work %work, 0
  %kernel = extractvalue %Work %work, 1
  %arguments = extractvalue %Work %work, 2
  %shares = extractvalue %Work %work, 3
  %pieces = extractvalue %Work %work, 4
  %taken = extractvalue %Work %work, 5
  %mode = extractvalue %Work %work, 6
  %before = call i32 @mode()
  call void @become(i32 %mode)
  %all = mul i64 %shares, %pieces
  %self = call i32 %who()
  %own = sext i32 %self to i64
  br label %share

share:
  %visited = phi i64 [0, %entry], [%more, %next]
  %turn = add i64 %own, %visited
  %owner = urem i64 %turn, %shares
  %line = mul i64 %owner, 64
  %count = getelementptr i8, ptr %taken, i64 %line
  %first = mul i64 %owner, %pieces
  br label %piece

piece:
  %k = atomicrmw add ptr %count, i64 1 monotonic
  %there = icmp ult i64 %k, %pieces
  br i1 %there, label %do, label %next

do:
  %which = add i64 %first, %k
  call void %kernel(ptr %arguments, i64 %which, i64 %all)
  br label %piece

next:
  %more = add i64 %visited, 1
  %again = icmp ult i64 %more, %shares
  br i1 %again, label %share, label %done

done:
  call void @become(i32 %before)
  ret void
}
"""

_MODE = """
declare void @llvm.x86.sse.stmxcsr(ptr)
declare void @llvm.x86.sse.ldmxcsr(ptr)

define internal i32 @mode() alwaysinline {
  %place = alloca i32
  call void @llvm.x86.sse.stmxcsr(ptr %place)
  %mode = load i32, ptr %place
  ret i32 %mode
}

define internal void @become(i32 %mode) alwaysinline {
  %place = alloca i32
  store i32 %mode, ptr %place
  call void @llvm.x86.sse.ldmxcsr(ptr %place)
  ret void
}
"""
"""How the caller rounds and whether it flushes denormal numbers: its team does the same."""

_NO_MODE = """
define internal i32 @mode() alwaysinline {
  ret i32 0
}

define internal void @become(i32 %mode) alwaysinline {
  ret void
}
"""


def run(address: int, arguments: Sequence[int], threads: int, pieces: int = 1) -> None:
    """Call the kernel at an address once for each of ``threads`` shares, and wait for all.

    A share may be cut into ``pieces``, each a call. A thread takes those of its own share one by one, whose
    memory may still be in its cache, and then what is left of the others': nobody waits for a slow core.
    """
    packed = _packer(len(arguments))(*arguments)
    if threads == 1:
        _callable(address)(packed, 0, 1)
        return
    openmp = None if _forked else _library()
    if openmp is not None:
        _team()(*openmp, address, packed, threads, pieces)
        return
    kernel = _callable(address)
    calls = [_pool().submit(kernel, packed, t, threads) for t in range(1, threads)]
    try:
        kernel(packed, 0, threads)
    finally:
        wait(calls)  # whatever comes between, such as Ctrl-C: they write into the caller's memory


@cache
def _packer(count: int) -> Callable[..., bytes]:
    """Makes bytes of so many integers."""
    return struct.Struct(f"{count}q").pack


@cache
def _callable(address: int) -> Callable[..., None]:
    return _SIGNATURE(address)


@cache
def _team() -> Callable[..., None]:
    """What starts the team; linked once, for linking takes longer than many a kernel."""
    signature = ctypes.CFUNCTYPE(None, *[ctypes.c_void_p] * 4, *[ctypes.c_int64] * 2)
    return signature(address_of("team", (), lambda: _START + (_MODE if on_x86() else _NO_MODE)))


def threads_for(work: float) -> int:
    """Threads worth waking for so many multiplications: torch's number, or one for small work."""
    return torch.get_num_threads() if work > _WORTH else 1


_WORTH = 2e5


def team() -> str:
    """Whose threads run the kernels, for people."""
    return "threads of their own" if _forked or _library() is None else "torch's OpenMP team"


_forked = False


def _after_fork() -> None:
    """A child has none of its parent's threads."""
    global _forked
    _forked = True
    _pool.cache_clear()


@cache
def _library() -> tuple[int, int] | None:
    """Addresses of torch's own ``GOMP_parallel`` and ``omp_get_thread_num``."""
    for path in _loaded():
        try:
            library = ctypes.CDLL(path)
            functions = library.GOMP_parallel, library.omp_get_thread_num
        except (AttributeError, OSError):  # another library of that name, or one replaced meanwhile
            continue
        start, who = (ctypes.cast(f, ctypes.c_void_p).value or 0 for f in functions)
        return start, who
    return None


def _loaded() -> list[str]:
    """OpenMP libraries that this process has mapped; torch's own first."""
    maps = Path("/proc/self/maps")
    if not maps.is_file():
        return []
    paths = {line.split(maxsplit=5)[5] for line in maps.read_text().splitlines() if "libgomp" in line}
    return sorted(paths, key=lambda path: (not path.startswith(str(Path(torch.__file__).parent)), path))


@cache
def _pool() -> ThreadPoolExecutor:
    """Threads of our own."""
    return ThreadPoolExecutor(thread_name_prefix="atomscape")


if hasattr(os, "register_at_fork"):  # where processes can fork
    os.register_at_fork(after_in_child=_after_fork)
