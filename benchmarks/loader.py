"""How fast do batches of graphs come from disk? ``python benchmarks/loader.py [--quick] [--json]``.

CPU time per structure of the whole way in: a shuffled batch is read, neighbours are searched, edges are
joined into one graph. Frames of LiPS (synthetic ones where it is not on this machine), molecules as in QM9,
and crystals as in Alexandria. Peers read the same data as others keep them, with the neighbour list that goes
with them. matsciml is not run here; what was measured elsewhere is said in its row.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable, Iterator
from importlib.util import find_spec
from itertools import cycle
from pathlib import Path

import numpy as np
import torch
from ase.io import read as read_file
from interleaved import absent, race, threads_of_torch
from measure import Row, command
from store_peers import PEERS, without

from atomscape.atoms.ase import from_ase
from atomscape.atoms.neighbours import neighbour_graph
from atomscape.atoms.structures import Structures
from atomscape.data.card import Card
from atomscape.data.store import Store, write_store
from atomscape.learn.graphs import GraphSet

QUESTION = "loader"
ELSEWHERE = "its pipeline was measured elsewhere: 80–139 CPU-ms per LiPS frame"
Search = Callable[[np.ndarray, np.ndarray, np.ndarray, float], tuple]


def lips() -> Structures:
    """160 frames of Li6.75P3S11; random ones of the same size and density where they are not here."""
    path = Path(os.environ.get("ATOMSCAPE_DATA", "")) / "lips" / "lips_160.extxyz.gz"
    if path.is_file():
        frames = from_ase(read_file(path, ":"))
        labels = {k: frames.labels[k] for k in ("energy", "forces")}
        return Structures(frames.positions, frames.numbers, frames.cell, frames.pbc, frames.structure, labels)
    return crystals(160, 83, 83, 15.0)


def crystals(n: int, least: int, most: int, volume: float = 14.0) -> Structures:
    """Random crystals with so many atoms and so many Å³ per atom."""
    rng = np.random.default_rng(0)
    counts = rng.integers(least, most + 1, n)
    owner = np.repeat(np.arange(n), counts)
    cell = (volume * counts)[:, None, None] ** (1 / 3) * (np.eye(3) + 0.1 * rng.normal(size=(n, 3, 3)))
    positions = np.einsum("ai,aij->aj", rng.random((len(owner), 3)), cell[owner])
    return _structures(rng, positions, cell, owner, True)


def molecules(n: int) -> Structures:
    """Random clusters of about 18 atoms with the density of molecules, in a box that some peers need."""
    rng = np.random.default_rng(0)
    owner = np.repeat(np.arange(n), np.clip(rng.normal(18, 3, n).round().astype(int), 3, 29))
    return _structures(
        rng, 2.2 * rng.normal(size=(len(owner), 3)) + 20, 40 * np.eye(3)[None].repeat(n, 0), owner, False
    )


def _structures(rng, positions, cell, owner, periodic: bool) -> Structures:
    n = len(cell)
    return Structures(
        torch.from_numpy(positions),
        torch.from_numpy(rng.integers(1, 90, len(owner))),
        torch.from_numpy(cell),
        torch.full((n, 3), periodic),
        torch.from_numpy(owner),
        {
            "energy": torch.from_numpy(rng.normal(size=n)),
            "forces": torch.from_numpy(rng.normal(size=(len(owner), 3))),
        },
    )


def matscipy(x: np.ndarray, cell: np.ndarray, pbc: np.ndarray, cutoff: float) -> tuple:
    """Neighbour list of matscipy."""
    from matscipy.neighbours import neighbour_list

    return neighbour_list("ijS", positions=x, cell=cell, pbc=pbc, cutoff=cutoff)


def pymatgen(x: np.ndarray, cell: np.ndarray, pbc: np.ndarray, cutoff: float) -> tuple:
    """Search of pymatgen, as matsciml and many others use; it counts atoms as their own neighbours."""
    from pymatgen.optimization.neighbors import find_points_in_spheres

    found = find_points_in_spheres(
        all_coords=np.ascontiguousarray(x), center_coords=np.ascontiguousarray(x), r=cutoff,
        pbc=np.ascontiguousarray(pbc, dtype=np.int64), lattice=np.ascontiguousarray(cell), tol=1e-8,
    )  # fmt: skip
    centre, neighbour, shift, r = found
    real = r > 1e-8
    return centre[real], neighbour[real], shift[real]


def ase(x: np.ndarray, cell: np.ndarray, pbc: np.ndarray, cutoff: float) -> tuple:
    """Neighbour list of ASE."""
    from ase.neighborlist import primitive_neighbor_list

    return primitive_neighbor_list("ijS", pbc, cell, x, cutoff)


def vesin(x: np.ndarray, cell: np.ndarray, pbc: np.ndarray, cutoff: float) -> tuple:
    """Neighbour list of vesin."""
    from vesin import NeighborList

    return NeighborList(cutoff=cutoff, full_list=True, n_threads=1).compute(x, cell, pbc, "ijS")


PIPELINES: dict[str, tuple[str, str, Search]] = {
    "LMDB + msgpack, vesin": ("LMDB + msgpack", "vesin", vesin),
    "LMDB + msgpack, matscipy": ("LMDB + msgpack", "matscipy", matscipy),
    "LMDB + pickle, pymatgen": ("LMDB + pickle", "pymatgen", pymatgen),
    "HF datasets, matscipy": ("HF datasets", "matscipy", matscipy),
    "ASE in LMDB, ASE": ("ASE in LMDB", "ase", ase),
}
"""Name → where structures are kept, the module of the neighbour list, the neighbour list."""


def run(quick: bool, only: str = "") -> Iterator[Row]:
    """Rows for frames of molecular dynamics, molecules and small crystals."""
    n = 500 if quick else 5_000
    cases = {
        "LiPS, 83 atoms, 6 Å, batches of 8": (lips, 6.0, 8),
        "molecules of 18 atoms, 5 Å, batches of 64": (lambda: molecules(n), 5.0, 64),
        "crystals of 4–16 atoms, 6 Å, batches of 64": (lambda: crystals(n, 4, 16), 6.0, 64),
    }
    for case, (make, cutoff, size) in cases.items():
        if only in case:
            with threads_of_torch(1), tempfile.TemporaryDirectory() as folder:
                yield from _rows(case, make(), cutoff, size, Path(folder), 3 if quick else 9)


def _rows(case: str, s: Structures, cutoff: float, size: int, folder: Path, rounds: int) -> Iterator[Row]:
    named = Structures(
        s.positions,
        s.numbers,
        s.cell,
        s.pbc,
        s.structure,
        s.labels,
        tuple(f"frame-{k}" for k in range(len(s))),
    )
    store = write_store(folder / "store", [named], Card(name="benchmark"))
    order = np.random.default_rng(1).permutation(len(s))
    batches = cycle(order[: len(s) // size * size].reshape(-1, size))
    kept = GraphSet(s, torch.zeros(len(s), dtype=torch.int64), frozenset({"forces"}), cutoff, 1e10)
    in_memory = store[next(batches)]
    reasons = {p: without(where) or absent(module) for p, (where, module, _) in PIPELINES.items()}
    contenders: dict[str, Callable[[], object]] = {
        "": lambda: neighbour_graph(store[next(batches)], cutoff),
        "ours, reading alone": lambda: store[next(batches)],
        "ours, neighbours alone": lambda: neighbour_graph(in_memory, cutoff),
        "ours, graphs kept in memory": lambda: kept.batch(next(batches)),
    }
    readers = {
        where: PEERS[where][1](named, folder)
        for where in {w for p, (w, *_) in PIPELINES.items() if not reasons[p]}
    }
    for peer, (where, _, search) in PIPELINES.items():
        if not reasons[peer]:
            contenders[peer] = _pipeline(readers[where], search, cutoff, batches)
    taken = {name: seconds / size for name, seconds in race(contenders, 1, rounds).items()}
    edges = kept.average_neighbours * s.n_atoms / len(s)
    note = f"{edges:,.0f} edges per structure"
    for name in [*list(contenders)[1:4], *PIPELINES]:
        error = reasons.get(name, "") or (
            _agreement(store, contenders, name, cutoff, size) if name in PIPELINES else ""
        )
        yield Row(QUESTION, case, taken[""], name, taken.get(name), error, note=note)
    if "LiPS" in case:
        reason = "is not run in this process" if find_spec("matsciml") else "is not installed"
        yield Row(QUESTION, case, taken[""], "matsciml", None, f"{reason}; {ELSEWHERE}", note=note)


def _pipeline(
    read: Callable, search: Search, cutoff: float, batches: Iterator[np.ndarray]
) -> Callable[[], tuple]:
    """Read a batch, search structure by structure, number the atoms through."""

    def batch(rows: np.ndarray | None = None) -> tuple:
        s = read((next(batches) if rows is None else rows).tolist())
        x, cell, pbc, ends = s.positions.numpy(), s.cell.numpy(), s.pbc.numpy(), s.offsets.numpy()
        parts = []
        for k in range(len(s)):
            i, j, shift = search(x[ends[k] : ends[k + 1]], cell[k], pbc[k], cutoff)
            parts.append((i + ends[k], j + ends[k], shift))
        centre, neighbour, shift = (
            torch.from_numpy(np.concatenate(p).astype(np.int64)) for p in zip(*parts, strict=True)
        )
        return s, centre, neighbour, shift

    return batch


def _agreement(store: Store, contenders: dict, name: str, cutoff: float, size: int) -> str:
    """Whether a peer found as many edges as we do."""
    rows = np.arange(size)
    ours, theirs = neighbour_graph(store[rows], cutoff).n_edges, len(contenders[name](rows)[1])
    return "" if ours == theirs else f"{theirs:,} edges instead of {ours:,}"


if __name__ == "__main__":
    command(QUESTION, run, "structure", "only")
