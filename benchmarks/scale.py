"""How does the store scale? ``python benchmarks/scale.py [--quick] [--json]``.

A million crystals of about ten atoms, as in Alexandria, with energy, forces and stress: written by one
process and by two, in shards of half a million atoms, opened, read in shuffled batches; beside them a tenth
of it. Each step runs in a process of its own, whose memory is measured: what it holds itself, without the
pages of mapped files, which the system takes back when it needs them. LMDB writes 30,000. The files, some
700 MB, go to a temporary folder.
"""

from __future__ import annotations

import json
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import torch
from measure import Row, best_of, command
from store_peers import PEERS, without

from atomscape.atoms.structures import Structures
from atomscape.data.card import Card
from atomscape.data.parallel import write_store_parallel
from atomscape.data.store import Store, write_store

QUESTION = "scale"
PIECE = 10_000
BATCH = 64
SHARD = 500_000
CARD = Card(name="synthetic")


def crystals(piece: int, n: int = PIECE) -> Iterator[Structures]:
    """The structures of one piece, in batches of 2,000; ten atoms on average."""
    rng = np.random.default_rng(piece)
    for start in range(0, n, 2_000):
        counts = np.clip(rng.poisson(10, 2_000), 1, 60)
        atoms = int(counts.sum())
        yield Structures(
            torch.from_numpy(rng.normal(size=(atoms, 3))),
            torch.from_numpy(rng.integers(1, 90, atoms)),
            8.0 * torch.eye(3, dtype=torch.float64).expand(2_000, 3, 3),
            torch.ones(2_000, 3, dtype=torch.bool),
            torch.from_numpy(np.arange(2_000).repeat(counts)),
            {
                "energy": torch.from_numpy(rng.normal(size=2_000)),
                "forces": torch.from_numpy(rng.normal(size=(atoms, 3))),
                "stress": torch.from_numpy(rng.normal(size=(2_000, 3, 3))),
            },
            tuple(f"agm{piece:06d}{start + k:05d}" for k in range(2_000)),
        )


def run(quick: bool) -> Iterator[Row]:
    """Rows for a million structures, each beside a tenth of them."""
    many = 20 if quick else 100
    with tempfile.TemporaryDirectory() as folder:
        few, all_ = (_steps(Path(folder), pieces) for pieces in (many // 10, many))
        lmdb = _written_by_lmdb(Path(folder), many // 10)
    n, tenth = f"{many * PIECE:,} structures", "a tenth of it"
    made = all_["generate_s"]
    note = f"of which {1e6 * made:.1f} µs make the structures"
    written = "written, 1 process, CPU time"
    yield Row(QUESTION, f"{n}: {written}", all_["serial_s"], tenth, few["serial_s"], note=note)
    yield Row(QUESTION, f"{n}: {written}", all_["serial_s"], "LMDB + msgpack", *lmdb, note=note)
    cpu = "written, 2 processes, CPU time of both"
    yield Row(QUESTION, f"{n}: {cpu}", all_["parallel_s"], "1 process", all_["serial_s"])
    wall = "written, 2 processes, wall time"
    yield Row(QUESTION, f"{n}: {wall}", all_["parallel_wall_s"], "1 process", all_["serial_wall_s"])
    read = f"shuffled batches of {BATCH}, CPU time"
    yield Row(
        QUESTION, f"{n}: {read}", all_["read_s"], tenth, few["read_s"], note=f"{all_['shards']:.0f} shards"
    )
    open_ = "opened, per store"
    yield Row(QUESTION, f"{n}: {open_}", all_["open_s"], tenth, few["open_s"])
    for case, name in (("writing", "serial_bytes"), ("reading", "read_bytes")):
        yield Row(QUESTION, f"{n}: memory while {case}", all_[name], tenth, few[name], unit="B")
    yield Row(QUESTION, f"{n}: size on disk", all_["disk_bytes"], tenth, few["disk_bytes"], unit="B")


def _steps(folder: Path, pieces: int) -> dict[str, float]:
    """Run every step in a process of its own and collect what each found."""
    found: dict[str, float] = {}
    for step in STEPS:
        call = [sys.executable, __file__, "step", step, str(folder / "store"), str(pieces)]
        done = subprocess.run(call, capture_output=True, text=True, check=True)
        found |= json.loads(done.stdout.splitlines()[-1])
    return found


def _generate(folder: Path, pieces: int) -> dict[str, float]:
    start = time.process_time()
    count = sum(len(batch) for k in range(pieces) for batch in crystals(k))
    return {"generate_s": (time.process_time() - start) / count}


def _serial(folder: Path, pieces: int) -> dict[str, float]:
    before, start, wall = _own_memory(), time.process_time(), time.perf_counter()
    most = _Most()
    batches = (batch for k in range(pieces) for batch in crystals(k))
    store = write_store(folder, batches, CARD, overwrite=True, shard_atoms=SHARD, progress=most)
    n = len(store)
    return {
        "serial_s": (time.process_time() - start) / n,
        "serial_wall_s": (time.perf_counter() - wall) / n,
        "serial_bytes": most.bytes - before,
    }


def _parallel(folder: Path, pieces: int) -> dict[str, float]:
    start = time.perf_counter()
    cpu = _cpu_of_all()
    grouped = [range(k, min(k + 10, pieces)) for k in range(0, pieces, 10)]
    store = write_store_parallel(folder, grouped, _piece, CARD, workers=2, overwrite=True, shard_atoms=SHARD)
    wall = (time.perf_counter() - start) / len(store)
    return {"parallel_wall_s": wall, "parallel_s": (_cpu_of_all() - cpu) / len(store)}


def _cpu_of_all() -> float:
    """CPU seconds of this process and of those it has waited for."""
    used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(u.ru_utime + u.ru_stime for u in used)


def _piece(numbers: range) -> Iterator[Structures]:
    for k in numbers:
        yield from crystals(k)


def _read(folder: Path, pieces: int) -> dict[str, float]:
    opened = best_of(lambda: Store.open(folder), 5, clock=time.process_time)
    store = Store.open(folder)
    order = np.random.default_rng(0).permutation(len(store))[: 200 * BATCH].reshape(-1, BATCH)
    before = _own_memory()
    groups = np.array_split(order, 10)
    for rows in order:  # once, so that the pages are there
        store[rows]
    best = min(
        best_of(lambda g=g: [store[rows] for rows in g], 1, clock=time.process_time) / g.size for g in groups
    )
    return {
        "open_s": opened,
        "read_s": best,
        "read_bytes": max(_own_memory() - before, 1),
        "shards": len(store.record.shards),
        "disk_bytes": sum(s.size for s in store.record.shards),
    }


STEPS: dict[str, Callable[[Path, int], dict[str, float]]] = {
    "generate": _generate,
    "serial": _serial,
    "parallel": _parallel,
    "read": _read,
}


def _written_by_lmdb(folder: Path, pieces: int) -> tuple[float | None, str]:
    """CPU time per structure, and why there is none."""
    if reason := without("LMDB + msgpack"):
        return None, reason
    parts = [batch for k in range(min(pieces, 3)) for batch in crystals(k)]
    s = Structures.concatenate(parts)
    start = time.process_time()
    PEERS["LMDB + msgpack"][1](s, folder)
    return (time.process_time() - start) / len(s), ""


class _Most:
    """Most memory seen, looked at as structures are taken in."""

    def __init__(self):
        self.bytes = 0

    def __call__(self, n: int) -> None:
        self.bytes = max(self.bytes, _own_memory())


def _own_memory() -> int:
    """Bytes that the process holds itself, without mapped files; its largest size where there is no Linux."""
    status = Path("/proc/self/status")
    if status.is_file():
        line = next(x for x in status.read_text().splitlines() if x.startswith("RssAnon"))
        return int(line.split()[1]) * 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss


if __name__ == "__main__":
    if sys.argv[1:2] == ["step"]:
        torch.set_num_threads(1)
        print(json.dumps(STEPS[sys.argv[2]](Path(sys.argv[3]), int(sys.argv[4]))))
    else:
        command(QUESTION, run, "structure")
