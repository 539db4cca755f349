"""Many processes write what one writes; whatever becomes of them, a broken store is never left behind."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import textwrap
import time
from pathlib import Path

import numpy as np
import pytest
import torch

from atomscape.data.card import Card, records
from atomscape.data.parallel import write_store_parallel
from atomscape.data.processes import in_processes
from atomscape.data.store import Store, write_store

CARD = Card(name="pieces", properties=records("energy"))

READERS = '''
import os, signal, time
import torch
from atomscape.atoms.structures import Structures

def batch(piece, n, ids=True):
    """n structures of 1 to 4 atoms whose numbers depend on the piece alone."""
    counts = (torch.arange(n) + piece) % 4 + 1
    draw = torch.Generator().manual_seed(piece)
    labels = {"energy": torch.randn(n, generator=draw, dtype=torch.float64)}
    if piece % 2:
        labels["forces"] = torch.randn(int(counts.sum()), 3, generator=draw, dtype=torch.float64)
    return Structures(
        torch.randn(int(counts.sum()), 3, generator=draw, dtype=torch.float64) * 9,
        torch.full((int(counts.sum()),), piece + 1),
        torch.zeros(n, 3, 3, dtype=torch.float64), torch.zeros(n, 3, dtype=torch.bool),
        torch.repeat_interleave(torch.arange(n), counts), labels,
        tuple(f"{piece}/{k}" if ids else "" for k in range(n)),
    )

def named(piece):
    yield batch(piece, 5)
    yield batch(piece, 7)

def nameless(piece):
    yield batch(piece, 3, ids=piece == 1)

def faulty(piece):
    if piece == 2:
        raise KeyError("no column 'x' in file 2")
    yield batch(piece, 3)

def faulty_disk(piece):
    yield batch(piece, 3)
    raise OSError(5, "Input/output error", "data.xyz")

def killed(piece):
    yield batch(piece, 3)
    if piece == 3:
        os.kill(os.getpid(), signal.SIGKILL)
    time.sleep(0.1)

def slow(piece):
    yield batch(piece, 3)
    os.write(1, f"reading {os.getpid()}\\n".encode())  # in one piece: print may be torn by another process
    time.sleep(60)
'''


@pytest.fixture
def readers(tmp_path, monkeypatch):
    """Readers in a module that other processes can import."""
    (tmp_path / "module").mkdir()
    (tmp_path / "module" / "readers_of_pieces.py").write_text(READERS)
    monkeypatch.syspath_prepend(tmp_path / "module")
    import readers_of_pieces

    yield readers_of_pieces
    del sys.modules["readers_of_pieces"]


def files(store: Store) -> dict[str, bytes]:
    """Content of all files of a store."""
    return {p.name: p.read_bytes() for p in store.folder.iterdir()}


def test_the_files_do_not_depend_on_the_number_of_processes(tmp_path, readers) -> None:
    counted = []
    stores = [
        write_store_parallel(
            tmp_path / f"by-{n}", range(5), readers.named, CARD, {"train": np.array([59, 0])}, workers=n,
            shard_atoms=20, progress=counted.append,
        )
        for n in (1, 2)
    ]  # fmt: skip
    assert files(stores[0]) == files(stores[1])
    assert sum(counted) == 2 * 60
    assert len(stores[0].record.shards) == 10
    serial = write_store(tmp_path / "serial", (b for k in range(5) for b in readers.named(k)), CARD)
    ours, theirs = stores[1][:], serial[:]
    assert ours.ids == theirs.ids
    assert torch.equal(ours.positions, theirs.positions)
    assert torch.equal(ours.labels["forces"].nan_to_num(7), theirs.labels["forces"].nan_to_num(7))
    assert stores[1].card == serial.card.with_counts(splits={"train": 2})
    stores[1].verify()


def test_structures_without_an_id_get_their_row(tmp_path, readers) -> None:
    store = write_store_parallel(tmp_path / "s", range(3), readers.nameless, CARD, workers=1)
    assert store.ids == ["0", "1", "2", "1/0", "1/1", "1/2", "6", "7", "8"]
    serial = write_store(tmp_path / "t", (b for k in range(3) for b in readers.nameless(k)), CARD)
    assert torch.equal(store[:].positions, serial[:].positions)
    store.verify()


@pytest.mark.parametrize("workers", [1, 2])
def test_an_error_names_the_piece(tmp_path, readers, workers) -> None:
    with pytest.raises(LookupError, match=r"no column 'x' in file 2 \(while working on piece 2: 2\)"):
        write_store_parallel(tmp_path / "s", range(4), readers.faulty, CARD, workers=workers)
    assert [p.name for p in tmp_path.iterdir()] == ["module"]


def test_an_error_of_the_system_keeps_its_number(tmp_path, readers) -> None:
    with pytest.raises(OSError, match=r"data.xyz: Input.*piece 0") as caught:
        write_store_parallel(tmp_path / "s", range(2), readers.faulty_disk, CARD, workers=1)
    assert caught.value.errno == 5


def test_a_killed_process_is_named_by_its_piece(tmp_path, readers) -> None:
    with pytest.raises(ChildProcessError, match=r"piece 3: 3 was killed by signal 9; .*fewer workers"):
        write_store_parallel(tmp_path / "s", range(5), readers.killed, CARD, workers=2)
    assert [p.name for p in tmp_path.iterdir()] == ["module"]


def test_what_cannot_be_sent_is_refused(tmp_path) -> None:
    with pytest.raises(ValueError, match=r"cannot be sent to other processes.*workers=1"):
        write_store_parallel(tmp_path / "s", range(3), lambda piece: [], CARD, workers=2)
    with pytest.raises(ValueError, match="0 workers"):
        in_processes(lambda item, tell: item, [1], 0)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGKILL])
def test_no_process_outlives_its_parent(tmp_path, readers, how) -> None:
    script = tmp_path / "script.py"
    script.write_text(
        textwrap.dedent(
            f"""
            from readers_of_pieces import slow
            from atomscape.data.card import Card
            from atomscape.data.parallel import write_store_parallel
            CARD = Card(name="s")
            if __name__ == "__main__":
                write_store_parallel({str(tmp_path / "out" / "s")!r}, range(4), slow, CARD, workers=2)
            """
        )
    )
    path = os.pathsep.join([str(Path(readers.__file__).parent), *sys.path])
    before = signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell may have had it ignored
    process = subprocess.Popen(
        [sys.executable, str(script)], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        env={**os.environ, "PYTHONPATH": path}, start_new_session=True,
    )  # fmt: skip
    signal.signal(signal.SIGINT, before)
    assert process.stdout is not None
    workers = [int(process.stdout.readline().split()[1]) for _ in range(2)]
    if how == signal.SIGINT:
        os.killpg(process.pid, how)  # as a terminal does
    else:
        process.send_signal(how)
    _, errors = process.communicate(timeout=30)
    assert process.returncode == -how
    assert errors.count("Traceback") == (how == signal.SIGINT), errors
    until = time.monotonic() + 10
    while any(alive(pid) for pid in workers) and time.monotonic() < until:
        time.sleep(0.02)
    assert not any(alive(pid) for pid in workers)
    left = [p.name for p in (tmp_path / "out").iterdir()]
    assert all(name.startswith(".s~") for name in left)
    assert len(left) == (how == signal.SIGKILL)


def alive(pid: int) -> bool:
    """Whether a process still runs (a dead one that nobody has waited for does not)."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except FileNotFoundError:
        return False
