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
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from pathlib import Path

import torch

from atomscape.ops.jit.compile import address_of

_SIGNATURE = ctypes.CFUNCTYPE(None, ctypes.c_void_p, ctypes.c_int64, ctypes.c_int64)

# A member of the team finds in a small table: the kernel, omp_get_thread_num, omp_get_num_threads, arguments.
# The team may be smaller than asked for (limits, nested regions), so its size is asked inside.
_MEMBER = """
define void @member(ptr %table) nounwind {
  %kernel = load ptr, ptr %table
  %p1 = getelementptr ptr, ptr %table, i64 1
  %who = load ptr, ptr %p1
  %p2 = getelementptr ptr, ptr %table, i64 2
  %size = load ptr, ptr %p2
  %p3 = getelementptr ptr, ptr %table, i64 3
  %arguments = load ptr, ptr %p3
  %t = call i32 %who()
  %n = call i32 %size()
  %thread = sext i32 %t to i64
  %threads = sext i32 %n to i64
  call void %kernel(ptr %arguments, i64 %thread, i64 %threads)
  ret void
}
"""


def run(address: int, arguments: Sequence[int], threads: int) -> None:
    """Call the kernel at an address once for each of ``threads`` threads, and wait for all."""
    packed, kernel = (ctypes.c_int64 * len(arguments))(*arguments), _callable(address)
    if threads == 1:
        kernel(packed, 0, 1)
        return
    openmp = _openmp()
    if openmp is None:
        calls = [_pool().submit(kernel, packed, t, threads) for t in range(1, threads)]
        kernel(packed, 0, threads)
        for call in calls:
            call.result()
        return
    start, who, size = openmp
    table = (ctypes.c_int64 * 4)(address, who, size, ctypes.addressof(packed))
    start(_member(), ctypes.addressof(table), threads, 0)


@cache
def _callable(address: int) -> Callable[..., None]:
    return _SIGNATURE(address)


@cache
def _member() -> int:
    """What each member of the team calls; linked once, for linking takes longer than many a kernel."""
    return address_of("member", (), lambda: _MEMBER)


def threads_for(work: float) -> int:
    """Threads worth waking for so many multiplications: torch's number, or one for small work."""
    return torch.get_num_threads() if work > _WORTH else 1


_WORTH = 2e5


def team() -> str:
    """Whose threads run the kernels, for people."""
    return "torch's OpenMP team" if _openmp() is not None else "threads of their own"


_forked = False


def _after_fork() -> None:
    """A child has none of its parent's threads."""
    global _forked
    _forked = True
    _pool.cache_clear()


def _openmp() -> tuple | None:
    """What starts torch's team, if it can be started here."""
    return None if _forked else _library()


@cache
def _library() -> tuple | None:
    """``GOMP_parallel``, and addresses of ``omp_get_thread_num`` and ``omp_get_num_threads``, torch's own."""
    for path in _loaded():
        try:
            library = ctypes.CDLL(path)
            start, who, size = library.GOMP_parallel, library.omp_get_thread_num, library.omp_get_num_threads
        except (AttributeError, OSError):  # another library of that name, or one replaced meanwhile
            continue
        start.argtypes = (ctypes.c_void_p, ctypes.c_void_p, ctypes.c_uint, ctypes.c_uint)
        start.restype = None
        return start, *(ctypes.cast(f, ctypes.c_void_p).value for f in (who, size))
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
