"""Whose threads run the kernels, and that each does its share once."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from atomscape.ops.harmonics import solid_harmonics
from atomscape.ops.jit import team
from atomscape.ops.jit.compile import address_of
from atomscape.ops.jit.lanes import Program


def shares(threads: int, count: int, pieces: int = 1) -> list[int]:
    """How often each of ``count`` places was visited."""
    p = Program("visit", "double", 2)
    to, n = p.pointer(0), p.integer(1)
    with p.range(p.thread, n, p.threads) as k:
        p.put(p.read(to, k, "i64") + 1, to, k)
    visits = torch.zeros(count, dtype=torch.int64)
    team.run(address_of("visit", ("team test",), lambda: p.text), [visits.data_ptr(), count], threads, pieces)
    return visits.tolist()


@pytest.mark.parametrize("threads", [1, 2, 3, 7])
def test_every_share_is_done_once(threads):
    assert shares(threads, 100) == [1] * 100


@pytest.mark.parametrize("pieces", [2, 8, 1000])
@pytest.mark.parametrize("threads", [1, 2, 7])
def test_every_piece_is_done_once(threads, pieces):
    assert shares(threads, 500, pieces) == [1] * 500


def test_a_team_smaller_than_asked_does_all_the_work():
    """Where OpenMP's limit allows one thread, it takes the shares of those who did not come."""
    program = f"""
import sys; sys.path.insert(0, {str(Path(__file__).parent)!r})
from test_team import shares
print(shares(4, 100) == [1] * 100 and shares(4, 100, 8) == [1] * 100)
"""
    environment = {**os.environ, "OMP_THREAD_LIMIT": "1"}
    found = subprocess.run([sys.executable, "-c", program], env=environment, capture_output=True, text=True)
    assert found.stdout.strip() == "True", found.stderr


@pytest.mark.parametrize("threads", [1, 2, 7])
def test_without_openmp(threads, monkeypatch):
    monkeypatch.setattr(team, "_library", lambda: None)
    assert team.team() == "threads of their own"
    assert shares(threads, 100) == [1] * 100


def test_more_than_the_machine_has():
    assert shares(64, 1000) == [1] * 1000


def test_small_work_wakes_nobody(monkeypatch):
    monkeypatch.setattr(torch, "get_num_threads", lambda: 5)
    assert team.threads_for(10) == 1
    assert team.threads_for(1e9) == 5


def test_a_process_without_maps_or_without_the_library(monkeypatch):
    team._library.cache_clear()
    try:
        monkeypatch.setattr(team, "_loaded", lambda: [])
        assert team.team() == "threads of their own"
        team._library.cache_clear()
        monkeypatch.setattr(team, "_loaded", lambda: [None])  # this process itself: no such function in it
        assert shares(3, 50) == [1] * 50
    finally:
        monkeypatch.undo()
        team._library.cache_clear()


def test_after_a_fork_a_child_has_threads_of_its_own(monkeypatch):
    monkeypatch.setattr(team, "_forked", False)
    team._after_fork()
    assert team.team() == "threads of their own"
    assert shares(3, 50) == [1] * 50


@pytest.mark.skipif(not torch.set_flush_denormal(False), reason="this processor cannot flush")
def test_the_team_flushes_denormal_numbers_as_its_caller_does():
    small, before = torch.full((200_000, 3), 1e-20), torch.get_num_threads()
    torch.set_num_threads(2)
    try:
        kept = _denormal(small)
        torch.set_flush_denormal(True)
        try:
            flushed = [_denormal(small) for _ in range(20)]  # whose threads were here before
        finally:
            torch.set_flush_denormal(False)
        assert kept == 3 * len(small)
        assert flushed == [0] * 20
        assert _denormal(small) == kept
    finally:
        torch.set_num_threads(before)


def _denormal(r: torch.Tensor) -> int:
    """How many products of two coordinates are not zero, by their bits without the sign."""
    bits = solid_harmonics(r, 2)[:, [4, 5, 7]].view(torch.int32)
    return int((bits & 0x7FFFFFFF).count_nonzero())
