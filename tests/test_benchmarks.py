"""Benchmarks run and yield well-formed rows; how fast anything is, is not tested here."""

from __future__ import annotations

import json
import math
import sys
from importlib import import_module
from pathlib import Path

import pytest

FOLDER = Path(__file__).resolve().parent.parent / "benchmarks"
TINY = {
    "harmonics": "l_max 1, float32, forward + backward, 1 thread",
    "convolution": "l_max 1, 32 channels, float32, forward, 1 thread",
    "layer": "l_max 1, 64 channels, 20 atoms",
    "training": "l_max 1, 64 channels, 4 layers, 1 thread",
    "md": "Cu, 64 atoms, nequip to degree 1, 8 channels, 2 layers, 1 thread",
}
REQUIRED = {"question", "case", "ours_s", "peer", "peer_s", "ratio", "error"}
OPTIONAL = {"limit_s", "share", "note", "unit"}


@pytest.fixture
def benchmark_folder(monkeypatch):
    """The folder's modules can be imported, and are forgotten afterwards."""
    monkeypatch.syspath_prepend(str(FOLDER))
    yield FOLDER
    for path in FOLDER.glob("*.py"):
        sys.modules.pop(path.stem, None)


@pytest.fixture
def told(benchmark_folder, monkeypatch, capsys, tmp_path):
    """Run a benchmark as its command does, results kept aside; returns the rows that it prints."""
    measure = import_module("measure")
    monkeypatch.setattr(measure, "RESULTS", tmp_path / "results.jsonl")
    for package in ("MACE", "NEQUIP"):
        monkeypatch.delenv(f"ATOMSCAPE_PEER_{package}", raising=False)

    def run(question: str, *options: str) -> list[dict]:
        module = import_module(question)
        monkeypatch.setattr(sys, "argv", [f"{question}.py", "--json", *options])
        measure.command(module.QUESTION, module.run, "item", "only", "threads")
        return [json.loads(line) for line in capsys.readouterr().out.splitlines()]

    run.results = tmp_path / "results.jsonl"
    return run


@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # of peers' code, with new versions of torch
@pytest.mark.parametrize(("question", "case"), TINY.items())
def test_a_benchmark(told, question, case):
    """Every row names its case, its peer and a result or a reason; a quick run is not kept."""
    rows = told(question, "--quick", "--threads", "1", "--only", case)
    compared = [row for row in rows if not row["case"].startswith("machine, ")]
    assert compared
    for row in rows:
        assert set(row) >= REQUIRED
        assert set(row) <= REQUIRED | OPTIONAL
        assert row["question"] == question
    for row in compared:
        assert row["ours_s"] > 0
        if row["peer_s"] is None:
            assert "install" in row["error"]
        else:
            assert math.isclose(row["ratio"], row["peer_s"] / row["ours_s"])
            assert row["error"] == "" or float(row["error"]) < 1e-4, row
    assert not told.results.exists()


def test_peers_of_other_environments_are_named(told):
    """Ours is timed without them, and the reason says which variable names them."""
    case = "sample, potential, nequip to degree 1, 8 channels, 2 layers, 1 thread"
    (row,) = told("training", "--quick", "--threads", "1", "--only", case)
    assert row["ours_s"] > 0
    assert row["error"].startswith("nequip is not installed: ATOMSCAPE_PEER_NEQUIP names no interpreter")


def test_a_peer_apart_is_timed_by_its_own_clock(benchmark_folder, monkeypatch, tmp_path):
    """A process answers with its seconds; one that fails says why."""
    apart = import_module("apart")
    monkeypatch.setenv("ATOMSCAPE_PEER_MACE", sys.executable)
    for name in ("peer_process.py",):
        (tmp_path / name).write_text((FOLDER / name).read_text())
    (tmp_path / "peer_mace.py").write_text(
        "def training(o):\n    print('noise')\n"
        "    return (lambda n: [sum(range(o['size'])) for _ in range(n)]), {'name': 'toy'}\n"
    )
    monkeypatch.setattr(apart, "HERE", tmp_path)
    with apart.Apart("mace", 1) as peer:
        assert peer.ask("training", size=1000)["name"] == "toy"
        small = apart.race_apart({"peer": peer.turn}, 3, calls=20)["peer"]
        peer.ask("training", size=100_000)
        large = apart.race_apart({"peer": peer.turn}, 3, calls=20)["peer"]
        assert 0 < small < large < 1
        with pytest.raises(RuntimeError, match="has no attribute 'dynamics'"):
            peer.ask("dynamics")


def test_rows_of_a_peer_that_is_missing(told, monkeypatch):
    """It is named with its reason."""
    monkeypatch.setattr(import_module("interleaved").importlib.util, "find_spec", lambda name: None)
    rows = told("harmonics", "--quick", "--threads", "1", "--only", TINY["harmonics"])
    reasons = {row["peer"]: row["error"] for row in rows if row["peer_s"] is None}
    assert reasons["e3nn"] == "e3nn is not installed; pip install 'atomscape[bench]'"
    assert reasons["sphericart"].startswith("sphericart is not installed")


def test_full_runs_are_kept(benchmark_folder, monkeypatch, capsys, tmp_path):
    """With commit, machine and date; of some cases only they are not."""
    measure = import_module("measure")
    file = tmp_path / "results.jsonl"
    monkeypatch.setattr(measure, "RESULTS", file)
    monkeypatch.setattr(measure, "_commit", lambda: "abc1234")
    row = measure.Row("q", "a case", 1e-6, "peer", 3e-6, limit_s=5e-7, note="cpu")

    def run(quick: bool, only: str = "") -> list:
        return [row]

    monkeypatch.setattr(sys, "argv", ["q.py", "--only", "a"])
    measure.command("q", run, "item", "only")
    assert not file.exists()
    monkeypatch.setattr(sys, "argv", ["q.py"])
    measure.command("q", run, "item", "only")
    (kept,) = map(json.loads, file.read_text().splitlines())
    assert (kept["ratio"], kept["share"], kept["commit"]) == (3.0, 0.5, "abc1234")
    assert set(kept) == REQUIRED | {"limit_s", "share", "note", "commit", "machine", "date"}
    assert "3 ×" in capsys.readouterr().out


def test_the_limits_of_the_machine(benchmark_folder):
    """A larger task takes longer, and the slower of arithmetic and memory decides."""
    limits = import_module("limits")
    machine = limits.Limits(1, rounds=1, _rates={})
    operations, size = 1e9, 2.0**20
    assert machine.seconds(2 * operations, 0) == pytest.approx(2 * machine.seconds(operations, 0))
    assert machine.seconds(operations, size) >= machine.seconds(0, size) > 0
    assert machine.seconds(operations, size) >= machine.seconds(operations, 0)


def test_multiply_adds_are_counted(benchmark_folder):
    """Scalars only: one product and one weight forward; a backward pass needs more."""
    from atomscape.ops.convolution import Coupling

    multiply_adds = import_module("convolution").multiply_adds
    assert multiply_adds(Coupling(0, 0, 0)) == (2, 4, 1)
    forward, backward, product = multiply_adds(Coupling(2, 2, 2))
    assert (forward, backward, product) == (79 + 27, 79 + 27 + 79 + 35, 79)
