"""How fast are structures read from disk? ``python benchmarks/store.py [--quick] [--json]``.

50,000 molecules of QM9's sizes with energy, forces and an id: in shuffled batches of 64, singly in random
order, and as one whole column. Peers hold the same data; each read ends with the same tensors. CPU time of
one thread with the page cache warm, so that a busy machine does not spoil it.
"""

from __future__ import annotations

import importlib.util
import pickle
import sqlite3
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from time import process_time

import ase
import ase.db
import numpy as np
import torch
from ase.calculators.singlepoint import SinglePointCalculator
from measure import Row, best_of, command

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
        for name, write in PEERS.items():
            missing = [m for m in name.split(" + ") if importlib.util.find_spec(m.lower()) is None]
            if missing:
                yield Row(
                    QUESTION,
                    f"shuffled batches of {BATCH}",
                    batches,
                    name,
                    None,
                    f"{missing[0]} is not installed",
                )
                continue
            read = write(s, Path(folder))
            seconds = _time(lambda rows, read=read: read(rows.tolist()), few) / BATCH
            yield Row(
                QUESTION,
                f"shuffled batches of {BATCH}",
                batches,
                name,
                seconds,
                _differs(store, read, few[:1]),
            )


def _time(read: Callable, items, groups: int = 8) -> float:
    """Seconds per item in the fastest of several groups of items, none read before."""
    size = max(1, len(items) // groups)

    def group(some) -> None:
        for item in some:
            read(item)

    starts = range(0, len(items) - size + 1, size)
    return min(best_of(lambda a=a: group(items[a : a + size]), 1, clock=process_time) for a in starts) / size


def _differs(store: Store, read: Callable, rows: np.ndarray) -> str:
    rows = rows.reshape(-1) % 5_000
    ours, theirs = store[rows], read(rows.tolist())
    same = torch.equal(ours.positions, theirs.positions) and torch.equal(
        ours.labels["forces"], theirs.labels["forces"]
    )
    return "" if same else "reads something else"


def _joined(parts: list[dict]) -> Structures:
    """Collate plain records, as loaders over dictionaries do."""
    counts = torch.tensor([len(p["numbers"]) for p in parts])
    n = len(parts)
    return Structures(
        torch.from_numpy(np.concatenate([p["positions"] for p in parts])),
        torch.from_numpy(np.concatenate([p["numbers"] for p in parts])),
        torch.zeros(n, 3, 3, dtype=torch.float64),
        torch.zeros(n, 3, dtype=torch.bool),
        torch.repeat_interleave(torch.arange(n), counts),
        {
            "energy": torch.tensor([p["energy"] for p in parts], dtype=torch.float64),
            "forces": torch.from_numpy(np.concatenate([p["forces"] for p in parts])),
        },
        tuple(p["id"] for p in parts),
    )


def _records(s: Structures) -> Iterator[dict]:
    for one in s:
        yield {
            "positions": one.positions.numpy(),
            "numbers": one.numbers.numpy(),
            "energy": float(one.labels["energy"]),
            "forces": one.labels["forces"].numpy(),
            "id": one.ids[0],
        }


def _ase_db(s: Structures, folder: Path) -> Callable[[list[int]], Structures]:
    path = folder / "ase.db"
    few = s[: min(len(s), 5_000)]
    with ase.db.connect(path) as db:
        for r in _records(few):
            atoms = ase.Atoms(r["numbers"], r["positions"])
            atoms.calc = SinglePointCalculator(atoms, energy=r["energy"], forces=r["forces"])
            db.write(atoms, name=r["id"])
    db = ase.db.connect(path)

    def read(rows: list[int]) -> Structures:
        found = [db.get(id=row % len(few) + 1) for row in rows]
        keys = ("positions", "numbers", "energy", "forces")
        return _joined([{k: f[k] for k in keys} | {"id": f["name"]} for f in found])

    return read


def _pickles_in_sqlite(s: Structures, folder: Path) -> Callable[[list[int]], Structures]:
    db = sqlite3.connect(folder / "pickles.sqlite")
    db.execute("create table t (k integer primary key, v blob)")
    db.executemany("insert into t values (?, ?)", ((k, pickle.dumps(r)) for k, r in enumerate(_records(s))))
    db.commit()

    def read(rows: list[int]) -> Structures:
        return _joined(
            [pickle.loads(db.execute("select v from t where k = ?", (k,)).fetchone()[0]) for k in rows]
        )

    return read


def _pickles_in_lmdb(s: Structures, folder: Path) -> Callable[[list[int]], Structures]:
    import lmdb  # pyright: ignore[reportMissingImports]

    env = lmdb.open(str(folder / "lmdb"), map_size=2**34)
    with env.begin(write=True) as transaction:
        for k, r in enumerate(_records(s)):
            transaction.put(str(k).encode(), pickle.dumps(r))

    def read(rows: list[int]) -> Structures:
        with env.begin() as transaction:
            return _joined([pickle.loads(transaction.get(str(k).encode())) for k in rows])

    return read


def _huggingface(s: Structures, folder: Path) -> Callable[[list[int]], Structures]:
    import datasets  # pyright: ignore[reportMissingImports]

    data = datasets.Dataset.from_generator(lambda: _records(s), cache_dir=str(folder / "hf")).with_format(
        "numpy"
    )

    def read(rows: list[int]) -> Structures:
        found = data[rows]
        lists = ("positions", "forces")
        return _joined(
            [{k: np.stack(v[i]) if k in lists else v[i] for k, v in found.items()} for i in range(len(rows))]
        )

    return read


PEERS: dict[str, Callable[[Structures, Path], Callable[[list[int]], Structures]]] = {
    "ase": _ase_db,
    "sqlite3 + pickle": _pickles_in_sqlite,
    "lmdb + pickle": _pickles_in_lmdb,
    "datasets": _huggingface,
}


if __name__ == "__main__":
    command(QUESTION, run, "structure")
