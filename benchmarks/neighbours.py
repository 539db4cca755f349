"""How fast are neighbour graphs built? ``python benchmarks/neighbours.py [--quick] [--json]``.

Batches of molecules and crystals and one large cell, cutoff 5 Å, against vesin called structure by structure
(pairs unsorted, not joined into a batch), ASE's and matscipy's neighbour lists. CPU time of one thread.
"""

from __future__ import annotations

import importlib.util
from collections.abc import Iterator
from time import process_time

import numpy as np
import torch
from ase import Atoms
from ase.neighborlist import primitive_neighbor_list
from measure import Row, best_of, command
from vesin import NeighborList

from atomscape.atoms.ase import to_ase
from atomscape.atoms.neighbours import brute_force_graph, neighbour_graph
from atomscape.atoms.structures import Structures

QUESTION = "neighbours"
CUTOFF = 5.0  # Å


def molecules(n: int, size: int, rng: np.random.Generator) -> Structures:
    """Random clusters with the density of organic molecules."""
    return Structures.concatenate(
        Structures.of(0.85 * size ** (1 / 3) * rng.normal(size=(size, 3)), np.full(size, 6)) for _ in range(n)
    )


def crystals(n: int, size: int, rng: np.random.Generator) -> Structures:
    """Random crystals of 14 Å³ per atom in sheared cells."""
    parts = []
    for _ in range(n):
        cell = (14.0 * size) ** (1 / 3) * (np.eye(3) + np.tril(0.2 * rng.normal(size=(3, 3)), -1))
        parts.append(Structures.of(rng.random((size, 3)) @ cell, np.full(size, 22), cell))
    return Structures.concatenate(parts)


def with_vesin(images: list[Atoms]) -> None:
    """Vesin alone, one structure after the other."""
    search = NeighborList(cutoff=CUTOFF, full_list=True, n_threads=1)
    for image in images:
        search.compute(image.positions, image.cell.array, image.pbc, "ijS")


def with_ase(images: list[Atoms]) -> None:
    """ASE's neighbour list."""
    for image in images:
        primitive_neighbor_list("ijS", image.pbc, image.cell.array, image.positions, CUTOFF)


def with_matscipy(images: list[Atoms]) -> None:
    """Neighbour list of matscipy."""
    from matscipy.neighbours import neighbour_list

    for image in images:
        neighbour_list("ijS", image, CUTOFF)


PEERS = {"vesin": with_vesin, "ase": with_ase, "matscipy": with_matscipy}


def run(quick: bool) -> Iterator[Row]:
    """Rows for molecules, crystals and a large cell."""
    torch.set_num_threads(1)
    rng = np.random.default_rng(0)
    large = 200 if quick else 1000
    cases = {
        "64 molecules of 18 atoms": molecules(64, 18, rng),
        "one molecule of 18 atoms": molecules(1, 18, rng),
        "64 crystals of 23 atoms": crystals(64, 23, rng),
        "64 crystals of one atom": crystals(64, 1, rng),
        f"one crystal of {large} atoms": crystals(1, large, rng),
    }
    for case, batch in cases.items():
        n, images = len(batch), to_ase(batch)
        repeats = 5 if quick else 30
        ours = best_of(lambda batch=batch: neighbour_graph(batch, CUTOFF), repeats, clock=process_time) / n
        error = "" if quick or case.startswith("one crystal") else _difference(batch)
        for name, search in PEERS.items():
            if importlib.util.find_spec(name) is None:
                yield Row(QUESTION, case, ours, f"{name} (not installed)", None, error)
                continue
            search(images)
            theirs = best_of(
                lambda search=search, images=images: search(images), max(3, repeats // 3), clock=process_time
            )
            yield Row(QUESTION, case, ours, name, theirs / n, error)


def _difference(batch: Structures) -> str:
    """How our edges differ from those found by trying every image."""
    a, b = neighbour_graph(batch, CUTOFF), brute_force_graph(batch, CUTOFF)
    same = all(torch.equal(getattr(a, k), getattr(b, k)) for k in ("centre", "neighbour", "shift"))
    return "0 edges" if same else "edges differ"


if __name__ == "__main__":
    command(QUESTION, run, "structure")
