"""The loop: it learns, repeats bit for bit, and goes on after any interruption as if nothing had happened."""

from __future__ import annotations

import io
import json
import math
import os
import signal
import subprocess
import sys
import time
from dataclasses import replace

import pytest
import torch
from rich.console import Console

from atomscape.learn import train as loop
from atomscape.learn.checkpoint import load_model, read_tensors
from atomscape.learn.recipe import to_yaml
from atomscape.learn.train import train

RESUME = (
    "import sys; from atomscape.learn.recipe import load_config; from atomscape.learn.train import train; "
)


def weights(folder) -> dict[str, torch.Tensor]:
    """Everything in the final state and in the best model."""
    return read_tensors(folder / "last.safetensors")[0] | {
        f"best.{k}": v for k, v in read_tensors(folder / "best.safetensors")[0].items()
    }


def assert_same_run(a, b) -> None:
    """Two run folders end with the same bits and the same log but for times."""
    one, two = weights(a), weights(b)
    assert one.keys() == two.keys()
    different = [k for k in one if not torch.equal(one[k], two[k])]
    assert not different
    logs = []
    for folder in (a, b):
        lines = [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]
        logs.append([{k: v for k, v in x.items() if not k.endswith("seconds")} for x in lines])
    assert logs[0] == logs[1]


def stop_after(monkeypatch, step: int) -> None:
    """Let a signal arrive during that optimiser step."""
    original = loop._step

    def stepping(run, index, done):
        loss = original(run, index, done)
        if run.state.progress.step + 1 == step:
            os.kill(os.getpid(), signal.SIGINT)
        return loss

    monkeypatch.setattr(loop, "_step", stepping)


def test_learns_better_than_the_baselines(make_config, tmp_path, quiet):
    results = train(
        make_config("training.epochs=30", "objectives.0.loss=mse"), tmp_path / "run", console=quiet
    )
    assert results is not None
    val, mean = results.metrics["val"][0], results.baselines["mean"]["val"][0]
    assert (val.property, val.unit, val.count) == ("gap", "eV", 10)
    assert val.mae < 0.5 * mean.mae
    assert results.counts == {"toy": {"train": 40, "val": 10, "test": 10}}


def test_files_of_a_run(make_config, tmp_path, quiet):
    folder = tmp_path / "run"
    results = train(make_config("training.tensorboard=true"), folder, console=quiet)
    assert results is not None
    assert sorted(p.name for p in folder.iterdir()) == sorted(
        [
            "config.yaml",
            "diagnostics.jsonl",
            "predictions.parquet",
            "metrics.jsonl",
            "metrics.csv",
            "last.safetensors",
            "best.safetensors",
            "results.json",
            "tensorboard",
        ]
    )
    written = json.loads((folder / "results.json").read_text())
    assert written == json.loads(json.dumps(results.as_dict()))
    assert written["model_hash"] == load_model(folder).hash
    assert written["wall_seconds"] > 0 < written["cpu_seconds"]
    assert written["versions"]["torch"] == torch.__version__
    assert len((folder / "metrics.csv").read_text().splitlines()) == 3


def test_tables_show_units_baselines_and_references(make_config, tmp_path):
    out = io.StringIO()
    config = make_config("objectives=[{property: energy}, {property: forces}]", "training.epochs=1")
    train(config, tmp_path / "run", console=Console(file=out, width=120))
    text = out.getvalue()
    for expected in (
        "energy per element",
        "O -20",
        "meV/atom",
        "meV/Å",
        "composition",
        "parameters",
        "reference:",
    ):
        assert expected in text, expected
    assert "Warning" not in text


def test_same_seed_same_bits_other_seed_other_bits(make_config, tmp_path, quiet):
    for name, seed in (("a", 0), ("b", 0), ("c", 1)):
        train(make_config(f"seed={seed}"), tmp_path / name, console=quiet)
    assert_same_run(tmp_path / "a", tmp_path / "b")
    assert load_model(tmp_path / "a").hash != load_model(tmp_path / "c").hash


@pytest.mark.parametrize("step", [1, 3, 5, 6, 10])
def test_ctrl_c_then_resume_is_bit_identical(make_config, tmp_path, quiet, monkeypatch, step):
    config = make_config()  # 2 epochs of 5 batches
    whole, parts = tmp_path / "whole", tmp_path / "parts"
    train(config, whole, console=quiet)
    with monkeypatch.context() as patch:
        stop_after(patch, step)
        stopped = train(config, parts, console=quiet)
    assert stopped is None
    assert not (parts / "results.json").exists()
    assert train(config, parts, resume=True, console=quiet) is not None
    assert_same_run(whole, parts)


def test_ctrl_c_says_that_nothing_is_lost(make_config, tmp_path, monkeypatch):
    out = io.StringIO()
    stop_after(monkeypatch, 2)
    assert train(make_config(), tmp_path / "run", console=Console(file=out, width=200)) is None
    assert "Stopped after 2 steps; nothing is lost." in out.getvalue()


def test_kill_9_then_resume_is_bit_identical(make_config, tmp_path, quiet):
    config = make_config("training.epochs=12", "training.checkpoint_seconds=0.001")
    whole, killed = tmp_path / "whole", tmp_path / "killed"
    train(config, whole, console=quiet)
    (tmp_path / "run.yaml").write_text(to_yaml(config))
    code = RESUME + f"train(load_config({str(tmp_path / 'run.yaml')!r}), {str(killed)!r}, resume=True)"
    process = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.DEVNULL)
    log, deadline = killed / "metrics.jsonl", time.monotonic() + 300
    while process.poll() is None and time.monotonic() < deadline:
        if log.exists() and len(log.read_text().splitlines()) >= 2:
            break
        time.sleep(0.002)
    process.send_signal(signal.SIGKILL)
    assert process.wait() == -signal.SIGKILL, "the run ended before it could be killed"
    step = read_tensors(killed / "last.safetensors")[1]["progress"]["step"]
    assert 0 < step < 60
    train(config, killed, resume=True, console=quiet)
    assert_same_run(whole, killed)


def test_times_add_up_over_resumes(make_config, tmp_path, quiet, monkeypatch):
    config, folder = make_config(), tmp_path / "run"
    with monkeypatch.context() as patch:
        stop_after(patch, 7)
        train(config, folder, console=quiet)
    before = read_tensors(folder / "last.safetensors")[1]["progress"]
    results = train(config, folder, resume=True, console=quiet)
    assert results is not None
    assert results.wall_seconds >= before["wall_seconds"] > 0
    assert results.cpu_seconds >= before["cpu_seconds"] > 0


def test_a_finished_run_resumes_to_the_same_results(make_config, tmp_path, quiet):
    config, folder = make_config(), tmp_path / "run"
    first = train(config, folder, console=quiet)
    again = train(config, folder, resume=True, console=quiet)
    assert first == again


def test_resume_refuses_another_config(make_config, tmp_path, quiet):
    train(make_config(), tmp_path / "run", console=quiet)
    with pytest.raises(ValueError, match=r"training\.learning_rate: 0\.01 → 0\.02"):
        train(make_config("training.learning_rate=0.02"), tmp_path / "run", resume=True, console=quiet)


def test_resume_refuses_other_data(make_config, tmp_path, quiet, store_of, toy_structures):
    (tmp_path / "data").mkdir()
    store_of(tmp_path / "data" / "x", toy_structures(60, seed=3))
    config = make_config(f"data.0.source={tmp_path / 'data' / 'x'}")
    train(config, tmp_path / "run", console=quiet)
    (tmp_path / "data" / "x").rename(tmp_path / "old")
    store_of(tmp_path / "data" / "x", toy_structures(60, seed=4))
    with pytest.raises(ValueError, match=r"data of toy .* changed"):
        train(config, tmp_path / "run", resume=True, console=quiet)


def test_early_stopping(make_config, tmp_path, quiet, monkeypatch):
    config = make_config("training.epochs=30", "training.patience=2", "training.learning_rate=1e-12")
    results = train(config, tmp_path / "run", console=quiet)
    assert results is not None
    assert results.epochs < 30
    assert results.epochs == results.best_epoch + 2


def test_a_loss_that_is_not_a_number_stops_the_run(make_config, tmp_path, quiet, monkeypatch):
    original = loop.term_sums
    monkeypatch.setattr(
        loop, "term_sums", lambda *given: [(value * math.nan, n) for value, n in original(*given)]
    )
    with pytest.raises(FloatingPointError, match=r"loss is nan at step 1 .*learning_rate"):
        train(make_config(), tmp_path / "run", console=quiet)


@pytest.mark.parametrize("precision", ["bf16"])
def test_mixed_precision_trains(make_config, tmp_path, quiet, precision):
    config = make_config(f"training.precision={precision}", "training.epochs=10", "objectives.0.loss=mse")
    results = train(config, tmp_path / "run", console=quiet)
    assert results is not None
    assert results.metrics["train"][0].mae < results.baselines["mean"]["train"][0].mae


def test_two_datasets_energy_forces_stress_and_mixed_batches(make_config, tmp_path, quiet, toy_crystals):
    crystals = f"{{name: crystals, source: {toy_crystals}, split: {{kind: random, train: 20, val: 8}}}}"
    rows = ["{property: energy}", "{property: forces}", "{property: stress, dataset: crystals}"]
    rows += ["{property: gap, dataset: toy}", "{property: charges, dataset: crystals}"]
    base = make_config().data[0]
    toy = f"{{name: toy, source: {base.source}, split: {{kind: random, train: 40, val: 10}}}}"
    config = make_config(f"data=[{toy}, {crystals}]", f"objectives=[{', '.join(rows)}]", "dtype=float64")
    results = train(config, tmp_path / "run", console=quiet)
    assert results is not None
    found = {(m.dataset, m.property, m.unit) for m in results.metrics["test"]}
    both = [("energy", "eV"), ("energy", "eV/atom"), ("forces", "eV/Å")]
    expected = {(d, *row) for d in ("toy", "crystals") for row in both}
    expected |= {("crystals", "stress", "eV/Å³"), ("toy", "gap", "eV"), ("crystals", "charges", "e")}
    assert found == expected
    assert results.counts["crystals"] == {"train": 20, "val": 8, "test": 12}


def test_what_a_killed_process_left_half_written_is_cleared(make_config, tmp_path, quiet):
    folder = tmp_path / "run"
    folder.mkdir()
    (folder / ".last.safetensors.123.tmp").write_bytes(b"half")
    train(make_config("training.epochs=1"), folder, console=quiet)
    assert not list(folder.glob(".*"))


def test_elements_that_train_does_not_have_are_named(make_config, tmp_path, store_of, toy_structures):
    s = toy_structures(30, seed=8)
    numbers = torch.where((s.numbers == 8) & (s.structure < 20), 6, s.numbers)
    store_of(tmp_path / "data", replace(s, numbers=numbers))
    parts = {"train": list(range(15)), "val": list(range(15, 20)), "test": list(range(20, 30))}
    split = {"name": "by hand", "dataset": "toy", "seed": 0, "splits": parts}
    (tmp_path / "split.json").write_text(json.dumps(split))
    out = io.StringIO()
    data = (
        f"{{name: toy, source: {tmp_path / 'data'}, split: {{kind: file, path: {tmp_path / 'split.json'}}}}}"
    )
    train(
        make_config(f"data=[{data}]", "training.epochs=1"),
        tmp_path / "run",
        console=Console(file=out, width=200),
    )
    assert "structures of test hold elements that train does not: O" in out.getvalue()
    assert "structures of val hold" not in out.getvalue()


def test_a_validation_loss_that_is_not_a_number_spoils_no_checkpoint(
    make_config, tmp_path, quiet, monkeypatch
):
    original, seen = loop.evaluate_graphs, []

    def evaluating(*given):
        metrics, terms = original(*given)
        seen.append(1)
        return metrics, {k: math.nan if len(seen) == 2 else v for k, v in terms.items()}

    monkeypatch.setattr(loop, "evaluate_graphs", evaluating)
    with pytest.raises(FloatingPointError, match="validation loss is nan after epoch 2"):
        train(make_config(), tmp_path / "run", console=quiet)
    assert read_tensors(tmp_path / "run" / "last.safetensors")[1]["progress"]["epoch"] == 1
