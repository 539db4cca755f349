"""The number of threads does not change a bit of any result; whose threads they are does not either."""

from __future__ import annotations

import multiprocessing

import pytest
import torch

from atomscape.ops.activation import silu
from atomscape.ops.convolution import Coupling, convolution
from atomscape.ops.harmonics import solid_harmonics, spherical_harmonics
from atomscape.ops.jit import team
from atomscape.ops.jit.paths import groups
from atomscape.ops.radial_convolution import radial_convolution
from atomscape.ops.segment import segment_sum
from atomscape.testing import op_laws
from atomscape.testing.op_laws import Constant

C = Coupling(1, 1, 1)
# Edges enough for several slices with sums of their own; rows that no edge belongs to; one crowded row.
GRAPHS = [(1100, 60), (1100, 3), (800, 2000), (3, 2)]


@pytest.fixture(autouse=True)
def every_size_is_worth_threads(monkeypatch):
    monkeypatch.setattr(team, "_WORTH", -1.0)


@pytest.fixture
def plain_threads(monkeypatch):
    """As in a process without GNU's OpenMP."""
    monkeypatch.setattr(team, "_library", lambda: None)


def random(*shape: int, dtype=torch.float64) -> torch.Tensor:
    return torch.randn(shape, dtype=dtype, generator=torch.Generator().manual_seed(0))


@pytest.mark.parametrize("graph", GRAPHS, ids=str)
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64], ids=["float32", "float64"])
def test_convolution(problem, factored, graph, dtype):
    op_laws.check_threads(convolution, problem(C, 17, graph, dtype))
    op_laws.check_threads(radial_convolution, factored(C, 17, 3, graph=graph, dtype=dtype))


@pytest.mark.parametrize("graph", GRAPHS[:2], ids=str)
def test_paths_in_several_groups(problem, graph):
    """Groups add to a row in turns, tile by tile of edges: tiles begin where they do on one thread."""
    several = Coupling(4, 4, 3)
    assert len(groups(several)) > 1
    op_laws.check_threads(convolution, problem(several, 2, graph, torch.float32))


@pytest.mark.parametrize("graph", GRAPHS, ids=str)
def test_tables(factored, graph):
    table = list(factored(C, 5, 4, 20, graph=graph))
    table[3] = Constant(table[3])
    op_laws.check_threads(radial_convolution, tuple(table))


@pytest.mark.parametrize("points", [1, 7, 200])
def test_points(points):
    for op, arguments in (
        (silu, (random(points),)),
        (solid_harmonics, (random(points, 3), 3)),
        (spherical_harmonics, (random(points, 3), 3)),
    ):
        op_laws.check_threads(op, arguments)


@pytest.mark.parametrize("shape", [(40_000, 64), (50_000,), (700, 9, 200)], ids=str)
@pytest.mark.parametrize("segments", [3, 900])
def test_segment_sums(shape, segments):
    """There is no kernel: torch's own sums keep the law, for segments in any order."""
    values = random(*shape, dtype=torch.float32)
    index = torch.randint(segments, shape[:1], generator=torch.Generator().manual_seed(1))
    results = []
    try:
        for n in (1, 2, 3):
            torch.set_num_threads(n)
            results.append(segment_sum(values, index, segments))
    finally:
        torch.set_num_threads(1)
    assert torch.equal(results[0], results[1])
    assert torch.equal(results[0], results[2])


def test_threads_of_their_own(problem, factored, plain_threads):
    assert team.team() == "threads of their own"
    op_laws.check_threads(convolution, problem(C, 8, (1100, 60)))
    op_laws.check_threads(radial_convolution, factored(C, 8, 3, graph=(1100, 60)))
    op_laws.check_threads(silu, (random(999),))


def test_both_teams_agree(problem, monkeypatch):
    torch.set_num_threads(3)
    try:
        ours = op_laws.derivatives(convolution, problem(C, 8, (1100, 60)))
        monkeypatch.setattr(team, "_library", lambda: None)
        plain = op_laws.derivatives(convolution, problem(C, 8, (1100, 60)))
    finally:
        torch.set_num_threads(1)
    for what, t in ours.items():
        assert torch.equal(t, plain[what]), what


def _in_child(queue, arguments) -> None:
    queue.put(convolution(*arguments).tolist())


@pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning")
@pytest.mark.parametrize("threads", ["torch's", "plain"])
def test_a_forked_process(problem, threads, monkeypatch):
    """A child of a process whose kernels have run has their code, but none of its threads."""
    if threads == "plain":
        monkeypatch.setattr(team, "_library", lambda: None)
    arguments = problem(C, 3, (900, 20))
    torch.set_num_threads(2)
    try:
        expected = convolution(*arguments)
        context = multiprocessing.get_context("fork")
        queue = context.Queue()
        child = context.Process(target=_in_child, args=(queue, arguments), daemon=True)
        child.start()
        found = queue.get(timeout=20)
        child.join(20)
    finally:
        torch.set_num_threads(1)
    assert child.exitcode == 0
    assert found == expected.tolist()
