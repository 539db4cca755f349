"""How fast are neighbour graphs built? ``python benchmarks/neighbours.py [--quick] [--json]``.

Times per atom of ``neighbour_graph``, from structures to sorted edges in torch, beside the neighbour lists of
vesin, matscipy, pymatgen and ASE, which are called structure by structure and whose pairs are left as they
come, unsorted and not joined. Our edges are compared with vesin's, one by one.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

import numpy as np
import torch
from ase import Atoms
from ase.build import bulk
from interleaved import absent, race, threads_of_torch
from measure import Row, command

from atomscape.atoms.ase import from_ase
from atomscape.atoms.graph import Graph
from atomscape.atoms.neighbours import neighbour_graph
from atomscape.ops.neighbours import neighbour_pairs

QUESTION = "neighbours"
LARGEST = {"ase": 20_000}  # atoms; beyond, its list needs gigabytes and minutes


def copper(repeats: int) -> list[Atoms]:
    """Perfect fcc of 4·repeats³ atoms."""
    return [bulk("Cu", cubic=True) * repeats]


def crystals(n: int, rng: np.random.Generator) -> list[Atoms]:
    """Random triclinic crystals of 2 to 20 atoms, 14 Å³ each."""
    found = []
    for _ in range(n):
        size = int(rng.integers(2, 21))
        cell = (14.0 * size) ** (1 / 3) * (np.eye(3) + 0.2 * rng.normal(size=(3, 3)))
        found.append(Atoms(f"Ti{size}", scaled_positions=rng.random((size, 3)), cell=cell, pbc=True))
    return found


def molecules(n: int, rng: np.random.Generator) -> list[Atoms]:
    """Random clusters of 18 atoms with the density of organic molecules, in a cell that some peers need."""
    cell = 40.0 * np.eye(3)
    return [Atoms("C18", positions=2.2 * rng.normal(size=(18, 3)) + 20.0, cell=cell) for _ in range(n)]


def with_vesin(images: list[Atoms], cutoff: float, threads: int) -> Callable[[], object]:
    """Vesin with the threads given."""
    from vesin import NeighborList

    search = NeighborList(cutoff=cutoff, full_list=True, n_threads=threads)
    return lambda: [search.compute(a.positions, a.cell.array, a.pbc, "ijS") for a in images]


def with_matscipy(images: list[Atoms], cutoff: float, threads: int) -> Callable[[], object]:
    """Neighbour list of matscipy."""
    from matscipy.neighbours import neighbour_list

    return lambda: [neighbour_list("ijS", a, cutoff) for a in images]


def with_pymatgen(images: list[Atoms], cutoff: float, threads: int) -> Callable[[], object]:
    """Search of pymatgen; it counts atoms as their own neighbours."""
    from pymatgen.optimization.neighbors import find_points_in_spheres

    plain = [
        (np.ascontiguousarray(a.positions), np.ascontiguousarray(a.cell.array), a.pbc.astype(np.int64))
        for a in images
    ]
    return lambda: [
        find_points_in_spheres(all_coords=x, center_coords=x, r=cutoff, pbc=pbc, lattice=cell, tol=1e-8)
        for x, cell, pbc in plain
    ]


def with_ase(images: list[Atoms], cutoff: float, threads: int) -> Callable[[], object]:
    """Neighbour list of ASE."""
    from ase.neighborlist import primitive_neighbor_list

    return lambda: [primitive_neighbor_list("ijS", a.pbc, a.cell.array, a.positions, cutoff) for a in images]


PEERS = {"vesin": with_vesin, "matscipy": with_matscipy, "pymatgen": with_pymatgen, "ase": with_ase}


def run(quick: bool, only: str = "", threads: Sequence[int] = (1, 2)) -> Iterator[Row]:
    """Rows for perfect crystals of three sizes, small crystals and molecules."""
    rng = np.random.default_rng(0)
    cases: dict[str, tuple[list[Atoms], float]] = {
        "fcc, 864 atoms, 5 Å": (copper(6), 5.0),
        "fcc, 10,976 atoms, 5 Å": (copper(14), 5.0),
        "256 crystals of 2–20 atoms, 6 Å": (crystals(256, rng), 6.0),
        "64 molecules of 18 atoms, 5 Å": (molecules(64, rng), 5.0),
        "one molecule of 18 atoms, 5 Å": (molecules(1, rng), 5.0),
    }
    if not quick:
        cases["fcc, 97,556 atoms, 5 Å"] = (copper(29), 5.0)
    for count in threads:
        for name, (images, cutoff) in cases.items():
            case = f"{name}, {count} thread{'s' * (count > 1)}"
            if only in case:
                with threads_of_torch(count):
                    yield from _rows(case, images, cutoff, count, 3 if quick else 9)


def _rows(case: str, images: list[Atoms], cutoff: float, threads: int, rounds: int) -> Iterator[Row]:
    batch = from_ase(images)
    reasons = {name: _reason(name, batch.n_atoms) for name in PEERS}
    contenders: dict[str, Callable[[], object]] = {"": lambda: neighbour_graph(batch, cutoff)}
    contenders |= {n: make(images, cutoff, threads) for n, make in PEERS.items() if not reasons[n]}
    taken = race(contenders, threads, rounds)
    seconds = {name: value / batch.n_atoms for name, value in taken.items()}
    told = neighbour_pairs.explain(batch.positions, batch.cell, batch.pbc, batch.offsets, cutoff)
    agreement = "" if reasons["vesin"] else _agreement(neighbour_graph(batch, cutoff), contenders["vesin"]())
    for name in PEERS:
        error = reasons[name] or (agreement if name == "vesin" else "")
        yield Row(QUESTION, case, seconds[""], name, seconds.get(name), error, note=told.chosen)


def _reason(name: str, atoms: int) -> str:
    """Why a peer does not take part, or nothing."""
    if atoms > LARGEST.get(name, atoms):
        return f"not asked for more than {LARGEST[name]:,} atoms"
    return absent(name)


def _agreement(ours: Graph, theirs: list[tuple[np.ndarray, np.ndarray, np.ndarray]]) -> str:
    """Whether our edges are those of vesin, and in which number they differ otherwise."""
    rows = [torch.from_numpy(np.column_stack(part).astype(np.int64)) for part in theirs]
    starts = ours.structures.offsets.tolist()
    for part, start in zip(rows, starts, strict=False):
        part[:, :2] += start
    mine = torch.cat([ours.centre[:, None], ours.neighbour[:, None], ours.shift], 1)
    both, times = torch.cat([mine, *rows]).unique(dim=0, return_counts=True)
    differ = int((times != 2).sum())
    return f"{ours.n_edges:,} edges, the same" if differ == 0 else f"{differ} of {len(both):,} edges differ"


if __name__ == "__main__":
    command(QUESTION, run, "atom", "only", "threads")
