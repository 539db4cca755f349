"""How fast are structures read from disk? ``python benchmarks/store.py [--quick] [--json]``.

50,000 molecules of QM9's sizes with energy, forces and an id: in shuffled batches of 64, singly in random
order, and as one whole column. Peers hold the same data; each read ends with the same tensors. CPU time of
one thread with the page cache warm, so that a busy machine does not spoil it.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from time import process_time

import numpy as np
import torch
from measure import Row, best_of, command
from store_peers import PEERS, Reader, without

from atomscape.atoms.structures import Structures
from atomscape.data.card import Card
from atomscape.data.store import Store, write_store

QUESTION = "store"
BATCH = 64


def molecules(n: int) -> Structures:
    """Random structures with the number of atoms of QM9 (mean 18, at most 29)."""
    rng = np.random.default_rng(0)
    counts = np.clip(rng.normal(18, 3, n).round().astype(int), 3, 29)
    total = int(counts.sum())
    return Structures(
        torch.from_numpy(rng.normal(size=(total, 3))),
        torch.from_numpy(rng.choice([1, 6, 7, 8], total)),
        torch.zeros(n, 3, 3, dtype=torch.float64),
        torch.zeros(n, 3, dtype=torch.bool),
        torch.from_numpy(np.repeat(np.arange(n), counts)),
        {
            "energy": torch.from_numpy(rng.normal(size=n)),
            "forces": torch.from_numpy(rng.normal(size=(total, 3))),
        },
        tuple(f"gdb_{k}" for k in range(n)),
    )


def run(quick: bool) -> Iterator[Row]:
    """Rows for batches, single structures and columns."""
    torch.set_num_threads(1)
    n, many = (5_000, 2_000) if quick else (50_000, 20_000)
    with tempfile.TemporaryDirectory() as folder:
        s = molecules(n)
        store = write_store(Path(folder) / "store", [s], Card(name="benchmark"))
        sharded = write_store(
            Path(folder) / "shards", [s[k : k + 1000] for k in range(0, n, 1000)], Card(name="benchmark"),
            shard_atoms=s.n_atoms // 8,
        )  # fmt: skip
        order = np.random.default_rng(1).permutation(n)[: many // BATCH * BATCH].reshape(-1, BATCH)
        batches = _time(lambda rows: store[rows], order) / BATCH
        singles = _time(lambda row: store[row], order.reshape(-1).tolist()[: many // 8])
        column = best_of(lambda: store.values("energy").sum(), 20, clock=process_time) / n
        in_memory = _time(lambda rows: s[torch.from_numpy(rows)], order) / BATCH
        several = _time(lambda rows: sharded[rows], order[: len(order) // 4]) / BATCH
        yield Row(QUESTION, f"shuffled batches of {BATCH}", batches, "the same batch in memory", in_memory)
        yield Row(QUESTION, f"shuffled batches of {BATCH}", batches, "ours, over 8 shards", several)
        yield Row(QUESTION, "singly, random order", singles, "ours, in batches", batches)
        yield Row(QUESTION, "one column of all", column, "ours, in batches", batches)
        few = order[: 4 if quick else 16]
        case = f"shuffled batches of {BATCH}"
        for name, (_, write) in PEERS.items():
            if reason := without(name):
                yield Row(QUESTION, case, batches, name, None, reason)
                continue
            read = write(s, Path(folder))
            seconds = _time(lambda rows, read=read: read(rows.tolist()), few) / BATCH
            yield Row(QUESTION, case, batches, name, seconds, _differs(store, read, few[:1]))


def _time(read: Callable, items, groups: int = 8) -> float:
    """Seconds per item in the fastest of several groups of items, none read before."""
    size = max(1, len(items) // groups)

    def group(some) -> None:
        for item in some:
            read(item)

    starts = range(0, len(items) - size + 1, size)
    return min(best_of(lambda a=a: group(items[a : a + size]), 1, clock=process_time) for a in starts) / size


def _differs(store: Store, read: Reader, rows: np.ndarray) -> str:
    rows = rows.reshape(-1) % 5_000
    ours, theirs = store[rows], read(rows.tolist())
    same = torch.equal(ours.positions, theirs.positions) and torch.equal(
        ours.labels["forces"], theirs.labels["forces"]
    )
    return "" if same else "reads something else"


if __name__ == "__main__":
    command(QUESTION, run, "structure")
