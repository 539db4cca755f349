"""A run gets the same bits whether its structures are in memory or mapped from disk."""

from __future__ import annotations

import errno
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from threading import Barrier
from typing import Any

import numpy as np
import pytest
import torch

from atomscape.learn.config import RunConfig
from atomscape.learn.gathering import gathered
from atomscape.learn.machines.ranks import Ranks
from atomscape.learn.prepare import PARTS, prepare
from atomscape.learn.train import train


@pytest.fixture
def two_datasets(toy: Path, toy_crystals: Path, make_config) -> RunConfig:
    """Molecules and crystals; only some have each of the labels."""
    config = make_config()
    data = [
        {"name": name, "source": str(path), "split": {"kind": "random", "train": 20, "val": 10, "test": 9}}
        for name, path in (("toy", toy), ("crystals", toy_crystals))
    ]
    objectives = [
        {"property": "energy", "dataset": "toy"},
        {"property": "forces", "dataset": "toy"},
        {"property": "energy", "dataset": "crystals"},
    ]
    return RunConfig.model_validate(config.model_dump() | {"data": data, "objectives": objectives})


def with_memory(config: RunConfig, gigabytes: float) -> RunConfig:
    """The same run with another budget."""
    return config.model_copy(
        update={"training": config.training.model_copy(update={"memory_gigabytes": gigabytes})}
    )


def mapped_file(tensor: torch.Tensor) -> bool:
    """Whether a tensor lies in a file without a name."""
    address = tensor.data_ptr()
    for line in Path("/proc/self/maps").read_text().splitlines():
        first, _, rest = line.partition("-")
        if int(first, 16) <= address < int(rest.split()[0], 16):
            return line.endswith("(deleted)")
    return False


def test_structures_are_the_same(two_datasets, monkeypatch) -> None:
    monkeypatch.setattr("atomscape.learn.gathering.CHUNK", 7)
    inside, outside = prepare(with_memory(two_datasets, 8.0)), prepare(with_memory(two_datasets, 0.0))
    for part in PARTS:
        a, b = inside.structures[part], outside.structures[part]
        assert not mapped_file(a.positions)
        assert mapped_file(b.positions)
        assert mapped_file(b.labels["forces"])
        for name in ("positions", "numbers", "cell", "pbc", "structure"):
            assert torch.equal(getattr(a, name), getattr(b, name)), name
            assert getattr(a, name).dtype == getattr(b, name).dtype
        assert a.ids == b.ids
        assert list(a.labels) == list(b.labels)
        for name, values in a.labels.items():
            assert values.dtype == b.labels[name].dtype
            assert torch.equal(values.isnan(), b.labels[name].isnan()), name
            assert torch.equal(values.nan_to_num(7), b.labels[name].nan_to_num(7)), name
        rows = np.arange(len(a))[::-3].copy()
        (one, of_one), (two, of_two) = (p.graphs(part, 3.0, 0.0).batch(rows) for p in (inside, outside))
        assert torch.equal(one.vectors, two.vectors)
        assert torch.equal(of_one, of_two)


def test_training_is_the_same(make_config, tmp_path, quiet) -> None:
    losses = []
    for k, gigabytes in enumerate((8.0, 0.0)):
        config = with_memory(make_config("training.epochs=2"), gigabytes)
        results = train(config, tmp_path / str(k), console=quiet)
        assert results is not None
        losses.append([(m.mae, m.rmse) for part in PARTS for m in results.metrics[part]])
    assert losses[0] == losses[1]


def test_full_disk(two_datasets, monkeypatch) -> None:
    def full(*_) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("os.posix_fallocate", full)
    with pytest.raises(OSError, match=r"no room for 0.0 GB of structures in .*training.memory_gigabytes"):
        prepare(with_memory(two_datasets, 0.0))


def test_nothing_is_mapped_below_the_limit(toy_structures, store_of, tmp_path) -> None:
    s = toy_structures(6)
    store = store_of(tmp_path / "s", s)
    kept = gathered([(store, np.arange(6))], lambda d, x: x, frozenset({"forces", "charges"}), 1e6)
    assert torch.equal(kept.positions, s.positions)


@dataclass(frozen=True)
class Threads(Ranks):
    """Ranks that are threads of one process and exchange through a list."""

    board: list[Any] = field(default_factory=list)
    barrier: Barrier | None = None

    def gathered(self, value: Any) -> list[Any]:
        """What every thread has put on the board."""
        assert self.barrier is not None
        self.board[self.rank] = value
        self.barrier.wait(10)
        found = list(self.board)
        self.barrier.wait(10)
        return found


def test_processes_of_a_machine_share_one_file(toy_structures, store_of, tmp_path, monkeypatch) -> None:
    monkeypatch.setattr("atomscape.learn.gathering.CHUNK", 3)
    monkeypatch.setenv("ATOMSCAPE_CACHE", str(tmp_path / "cache"))
    s = toy_structures(23)
    store, rows = store_of(tmp_path / "s", s), np.arange(23)[::-1].copy()
    read: list[list[str]] = [[], []]

    def of_one(rank: int):
        def adapt(_, structures):
            read[rank].extend(structures.ids)
            return structures

        ranks = Threads(rank, 2, board=board, barrier=barrier)
        return gathered([(store, rows)], adapt, frozenset({"forces", "charges"}), 1e9, ranks)

    board, barrier = [None, None], Barrier(2)
    with ThreadPoolExecutor(2) as pool:
        one, two = pool.map(of_one, (0, 1))
    alone = gathered([(store, rows)], lambda d, x: x, frozenset({"forces", "charges"}), 1e9)
    for shared in (one, two):
        assert shared.ids == alone.ids
        for name in ("positions", "numbers", "cell", "pbc", "structure"):
            assert torch.equal(getattr(shared, name), getattr(alone, name)), name
        assert torch.equal(shared.labels["forces"], alone.labels["forces"])
    one.positions[5] = 77.0
    assert torch.equal(two.positions[5], one.positions[5]), "one memory"
    shares = [set(ids[1:]) for ids in read]  # both look at the first structure
    assert shares[0].isdisjoint(shares[1])
    assert len(shares[0] | shares[1]) == 23
    assert [p.name for p in (tmp_path / "cache").iterdir()] == []


def test_what_a_killed_process_left_is_swept_away(tmp_path) -> None:
    from socket import gethostname

    from atomscape.learn.gathering import PREFIX, _sweep

    dead = tmp_path / f"{PREFIX}{gethostname()}-{2**22 + 1}-abc"
    living, elsewhere = tmp_path / f"{PREFIX}{gethostname()}-1-abc", tmp_path / f"{PREFIX}other-1-abc"
    for file in (dead, living, elsewhere):
        file.touch()
    _sweep(tmp_path)
    assert sorted(tmp_path.iterdir()) == sorted([living, elsewhere])
