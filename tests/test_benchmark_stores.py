"""The peers of the store's benchmark read what was written; otherwise their times would mean nothing."""

from __future__ import annotations

import sys
from importlib import import_module
from pathlib import Path

import pytest
import torch

FOLDER = Path(__file__).resolve().parent.parent / "benchmarks"
PEERS = (
    "LMDB + msgpack",
    "LMDB + pickle",
    "ASE in LMDB",
    "HF datasets",
    "ASE in SQLite",
    "SQLite + pickle",
)


@pytest.fixture
def modules(monkeypatch):
    """The folder's modules can be imported, and are forgotten afterwards."""
    monkeypatch.syspath_prepend(str(FOLDER))
    yield import_module
    for path in FOLDER.glob("*.py"):
        sys.modules.pop(path.stem, None)


def test_no_peer_is_forgotten(modules):
    """The list here is that of the benchmark."""
    assert tuple(modules("store_peers").PEERS) == PEERS


@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::ResourceWarning")  # of the peers' code
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
@pytest.mark.parametrize("name", PEERS)
def test_a_peer_reads_what_was_written(modules, tmp_path, name):
    """Positions, cells, labels and names, in the order asked for."""
    peers = modules("store_peers")
    if reason := peers.without(name):
        pytest.skip(reason)
    s = modules("loader").crystals(7, 2, 5)
    s = type(s)(
        s.positions, s.numbers, s.cell, s.pbc, s.structure, s.labels, tuple(f"x-{k}" for k in range(7))
    )
    rows = [6, 0, 3]
    ours, theirs = s[rows], peers.PEERS[name][1](s, tmp_path)(rows)
    for field in ("positions", "numbers", "cell", "pbc", "structure"):
        assert torch.equal(getattr(ours, field), getattr(theirs, field)), field
    for label in ("energy", "forces"):
        assert torch.equal(ours.labels[label], theirs.labels[label]), label
    assert ours.ids == theirs.ids
