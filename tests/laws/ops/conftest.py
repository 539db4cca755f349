"""Problems for the convolutions: graphs that break kernels, any coupling, channels and precision."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch

from atomscape.ops.convolution import Coupling

# name → (centre, neighbour, atoms). Nothing is sorted; atoms 2 and 5 of the first have no edge of their own.
GRAPHS: dict[str, tuple[list[int], list[int], int]] = {
    "unsorted": ([3, 0, 3, 1, 0, 4, 3, 1, 0, 3, 3], [1, 1, 3, 0, 5, 4, 0, 0, 1, 3, 2], 6),
    "one edge": ([2], [0], 4),
    "one atom with itself": ([0, 0, 0], [0, 0, 0], 1),
    "no edges": ([], [], 3),
    "no atoms": ([], [], 0),
}


def _random(generator: torch.Generator, dtype: torch.dtype, *shape: int) -> torch.Tensor:
    return torch.randn(shape, dtype=torch.float64, generator=generator).to(dtype)


def _graph(name: str | tuple[int, int], generator: torch.Generator):
    """Indices of a graph of the table, or of a random one with so many (edges, atoms)."""
    if isinstance(name, str):
        centre, neighbour, atoms = GRAPHS[name]
        return torch.tensor(centre, dtype=torch.int64), torch.tensor(neighbour, dtype=torch.int64), atoms
    edges, atoms = name
    centre, neighbour = (torch.randint(atoms, (edges,), generator=generator) for _ in range(2))
    return centre, neighbour, atoms


@pytest.fixture
def problem() -> Callable[..., tuple]:
    """``problem(coupling, channels, graph, dtype)``: arguments of ``convolution``."""

    def make(c: Coupling, channels: int, graph="unsorted", dtype=torch.float64) -> tuple:
        g = torch.Generator().manual_seed(7)
        centre, neighbour, atoms = _graph(graph, g)
        x = _random(g, dtype, atoms, c.lm_in, channels)
        Y = _random(g, dtype, len(centre), (c.l_edge + 1) ** 2)
        w = _random(g, dtype, len(centre), len(c.paths), channels)
        return x, Y, w, centre, neighbour, c

    return make


@pytest.fixture
def factored(problem) -> Callable[..., tuple]:
    """``factored(coupling, channels, rank, rows, …)``: arguments of ``radial_convolution``."""

    def make(c: Coupling, channels: int, rank: int, rows: int | None = None, **more) -> tuple:
        x, Y, w, centre, neighbour, c = problem(c, channels, **more)
        g = torch.Generator().manual_seed(8)
        h = _random(g, x.dtype, len(centre), rank)
        W = _random(g, x.dtype, rows or rank, *w.shape[1:])
        if rows is None:
            return x, Y, h, W, centre, neighbour, c
        start = torch.randint(rows - rank + 1, (len(centre),), generator=g)
        return x, Y, h, W, centre, neighbour, c, start

    return make
