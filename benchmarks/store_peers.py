"""The same structures as others keep them: in databases of ASE, in LMDB, and as a dataset of Hugging Face.

Each function writes structures below a folder and returns what reads rows as one batch of tensors.
"""

from __future__ import annotations

import pickle
import sqlite3
from collections.abc import Callable, Iterator
from pathlib import Path

import ase
import ase.db
import numpy as np
import torch
from ase.calculators.singlepoint import SinglePointCalculator
from interleaved import absent

from atomscape.atoms.structures import Structures

Reader = Callable[[list[int]], Structures]
FEW = 5_000  # structures that the slow ones get


def joined(parts: list[dict]) -> Structures:
    """Collate plain records, as loaders over dictionaries do."""
    counts = torch.tensor([len(p["numbers"]) for p in parts])
    n = len(parts)
    return Structures(
        torch.from_numpy(np.concatenate([p["positions"] for p in parts])),
        torch.from_numpy(np.concatenate([p["numbers"] for p in parts])),
        torch.from_numpy(np.stack([p["cell"] for p in parts])),
        torch.from_numpy(np.stack([p["pbc"] for p in parts])),
        torch.repeat_interleave(torch.arange(n), counts),
        {
            "energy": torch.tensor([p["energy"] for p in parts], dtype=torch.float64),
            "forces": torch.from_numpy(np.concatenate([p["forces"] for p in parts])),
        },
        tuple(p["id"] for p in parts),
    )


def records(s: Structures) -> Iterator[dict]:
    for one in s:
        yield {
            "positions": one.positions.numpy(),
            "numbers": one.numbers.numpy(),
            "cell": one.cell[0].numpy(),
            "pbc": one.pbc[0].numpy(),
            "energy": float(one.labels["energy"]),
            "forces": one.labels["forces"].numpy(),
            "id": one.ids[0],
        }


def _ase(s: Structures, path: Path) -> Reader:
    few = s[: min(len(s), FEW)]
    with ase.db.connect(path) as db:
        for r in records(few):
            atoms = ase.Atoms(r["numbers"], r["positions"], cell=r["cell"], pbc=r["pbc"])
            atoms.calc = SinglePointCalculator(atoms, energy=r["energy"], forces=r["forces"])
            db.write(atoms, name=r["id"])
    db = ase.db.connect(path)

    def read(rows: list[int]) -> Structures:
        found = [db.get(id=row % len(few) + 1) for row in rows]
        keys = ("positions", "numbers", "cell", "pbc", "energy", "forces")
        return joined([{k: f[k] for k in keys} | {"id": f["name"]} for f in found])

    return read


def ase_db(s: Structures, folder: Path) -> Reader:
    """ASE's database in SQLite."""
    return _ase(s, folder / "ase.db")


def ase_lmdb(s: Structures, folder: Path) -> Reader:
    """ASE's database in LMDB, which OMat24 and OC20 are published in."""
    return _ase(s, folder / "ase.aselmdb")


def pickles_in_sqlite(s: Structures, folder: Path) -> Reader:
    """One pickled dictionary per row."""
    db = sqlite3.connect(folder / "pickles.sqlite")
    db.execute("create table t (k integer primary key, v blob)")
    db.executemany("insert into t values (?, ?)", ((k, pickle.dumps(r)) for k, r in enumerate(records(s))))
    db.commit()

    def read(rows: list[int]) -> Structures:
        return joined(
            [pickle.loads(db.execute("select v from t where k = ?", (k,)).fetchone()[0]) for k in rows]
        )

    return read


def pickles_in_lmdb(s: Structures, folder: Path) -> Reader:
    """One pickled dictionary per key, as OCP and matsciml keep them."""
    return _lmdb(s, folder / "pickles", pickle.dumps, pickle.loads)


def msgpack_in_lmdb(s: Structures, folder: Path) -> Reader:
    """One dictionary of raw bytes per key: the leanest of the common layouts."""
    import msgpack  # pyright: ignore[reportMissingImports]

    types = {
        "positions": np.float64,
        "numbers": np.int64,
        "cell": np.float64,
        "pbc": bool,
        "forces": np.float64,
    }
    shapes = {"positions": (-1, 3), "numbers": (-1,), "cell": (3, 3), "pbc": (3,), "forces": (-1, 3)}

    def packed(record: dict) -> bytes:
        return msgpack.packb({k: v.tobytes() if k in types else v for k, v in record.items()})

    def unpacked(value: bytes) -> dict:
        found = msgpack.unpackb(value)
        for name, dtype in types.items():
            found[name] = np.frombuffer(found[name], dtype).reshape(shapes[name])
        return found

    return _lmdb(s, folder / "msgpack", packed, unpacked)


def _lmdb(
    s: Structures, path: Path, pack: Callable[[dict], bytes], unpack: Callable[[bytes], dict]
) -> Reader:
    import lmdb  # pyright: ignore[reportMissingImports]

    env = lmdb.open(str(path), map_size=2**34)
    with env.begin(write=True) as transaction:
        for k, r in enumerate(records(s)):
            transaction.put(str(k).encode(), pack(r))

    def read(rows: list[int]) -> Structures:
        with env.begin() as transaction:
            return joined([unpack(transaction.get(str(k).encode())) for k in rows])

    return read


def huggingface(s: Structures, folder: Path) -> Reader:
    """A dataset of Hugging Face in its NumPy format."""
    import datasets  # pyright: ignore[reportMissingImports]

    datasets.disable_progress_bars()
    data = datasets.Dataset.from_generator(lambda: records(s), cache_dir=str(folder / "hf"))
    data = data.with_format("numpy", dtype=np.float64)
    kinds = {"numbers": np.int64, "pbc": bool}
    lists = ("positions", "forces", "cell")

    def value(name: str, given) -> object:
        given = np.stack(given) if name in lists else given
        return given.astype(kinds[name]) if name in kinds else given

    def read(rows: list[int]) -> Structures:
        found = data[rows]
        return joined([{k: value(k, v[i]) for k, v in found.items()} for i in range(len(rows))])

    return read


PEERS: dict[str, tuple[tuple[str, ...], Callable[[Structures, Path], Reader]]] = {
    "LMDB + msgpack": (("lmdb", "msgpack"), msgpack_in_lmdb),
    "LMDB + pickle": (("lmdb",), pickles_in_lmdb),
    "ASE in LMDB": (("ase_db_backends", "lmdb"), ase_lmdb),
    "HF datasets": (("datasets",), huggingface),
    "ASE in SQLite": (("ase",), ase_db),
    "SQLite + pickle": (("sqlite3",), pickles_in_sqlite),
}
"""Name → modules that must be there, and what writes and reads."""


def without(name: str) -> str:
    """Why a peer cannot take part, or nothing if it can."""
    reason = next((reason for module in PEERS[name][0] if (reason := absent(module))), "")
    # It brings drivers of database servers along, so no extra asks for it.
    return reason.replace("'atomscape[bench]'", "ase-db-backends") if "ase_db_backends" in reason else reason
