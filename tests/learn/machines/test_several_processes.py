"""Several batches per step, several processes: the same run to rounding; and none waits for a dead one."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch

from atomscape.learn.checkpoint import read_tensors
from atomscape.learn.machines.ranks import Ranks, explained, take_slurm
from atomscape.learn.recipe import to_yaml
from atomscape.learn.train import train

SETTINGS = (
    "objectives=[{property: energy}, {property: forces}, {property: charges, loss: mse}]",
    "training.device=cpu",
    "dtype=float64",
    "data.0.split={kind: random, train: 41, val: 10}",  # 5 groups of 8, and one batch of 1 for two processes
)

# Rank 1 is told to stop in the middle of the second epoch, as by a signal from the system.
SCRIPT = """
import os, signal, sys
from accelerate import PartialState
from atomscape.learn import train as loop
from atomscape.learn.recipe import load_config

def stopping(run, group, done):
    loss = step(run, group, done)
    if run.ranks.rank == 1 and run.state.progress.step + 1 == 8:
        os.kill(os.getpid(), signal.SIGNAL)
    return loss

step, config, folder = loop._step, load_config(sys.argv[1]), sys.argv[2]
"""
STOPPED = """
loop.train(config, folder + "/whole")
loop._step = stopping
for name in ("two", "one"):
    assert loop.train(config, folder + "/" + name) is None
loop._step = step
loop.train(config, folder + "/two", resume=True)
config = config.model_copy(update={"training": config.training.model_copy(update={"sharded": True})})
loop._step = stopping
assert loop.train(config, folder + "/sharded") is None
loop._step = step
loop.train(config, folder + "/sharded", resume=True)
"""
KILLED = """
loop._step = stopping
loop.train(config, folder + "/killed")
"""


def torchrun(folder: Path, config, script: str) -> subprocess.CompletedProcess[str]:
    """Run a script in two processes."""
    (folder / "run.yaml").write_text(to_yaml(config))
    (folder / "script.py").write_text(script)
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2"]
    command += [str(folder / "script.py"), str(folder / "run.yaml"), str(folder)]
    return subprocess.run(command, capture_output=True, text=True, timeout=300)


def state(folder: Path) -> dict[str, torch.Tensor]:
    """Weights, moments and average at the end of a run."""
    return read_tensors(folder / "last.safetensors")[0]


def assert_close(a: Path, b: Path) -> None:
    """Two runs end with the same weights and errors but for rounding."""
    one, two = state(a), state(b)
    assert one.keys() == two.keys()
    for name, value in one.items():
        torch.testing.assert_close(two[name], value, rtol=1e-7, atol=1e-9, msg=lambda m, n=name: f"{n}: {m}")
    logs = [[json.loads(x) for x in (f / "metrics.jsonl").read_text().splitlines()] for f in (a, b)]
    for left, right in zip(*logs, strict=True):
        for key in ("epoch", "step", "train_loss", "val_loss"):
            assert right[key] == pytest.approx(left[key], rel=1e-8), key
    found = [json.loads((f / "results.json").read_text())["metrics"] for f in (a, b)]
    for left, right in zip(found[0]["test"], found[1]["test"], strict=True):
        assert right["count"] == left["count"]
        assert [right["mae"], right["rmse"]] == pytest.approx([left["mae"], left["rmse"]], rel=1e-7)


@pytest.fixture
def configure(make_config, store_of, toy_structures, tmp_path):
    """``configure(batch, accumulate)``: every third structure has no charges, every fourth no energy."""
    s, number = toy_structures(60, seed=1), torch.arange(60)
    energy = torch.where(number % 4 == 0, torch.nan, s.labels["energy"])
    charges = torch.where(number[s.structure] % 3 == 0, torch.nan, s.labels["charges"])
    store_of(tmp_path / "toy", s.with_labels(energy=energy, charges=charges))

    def configure(structures: int, accumulate: int):
        batch = (f"training.batch.structures={structures}", f"training.accumulate={accumulate}")
        return make_config(*SETTINGS, f"data.0.source={tmp_path / 'toy'}", *batch)

    return configure


def test_batches_in_turn_are_one_large_batch(configure, tmp_path, quiet):
    train(configure(8, 1), tmp_path / "large", console=quiet)
    train(configure(2, 4), tmp_path / "small", console=quiet)
    assert_close(tmp_path / "large", tmp_path / "small")


def test_two_processes_are_one_also_when_stopped_and_resumed_by_another_number(configure, tmp_path, quiet):
    train(configure(8, 1), tmp_path / "large", console=quiet)
    done = torchrun(tmp_path, configure(2, 2), (SCRIPT + STOPPED).replace("SIGNAL", "SIGTERM"))
    assert done.returncode == 0, done.stderr
    assert_close(tmp_path / "large", tmp_path / "whole")
    assert_close(tmp_path / "large", tmp_path / "sharded")
    whole, resumed = state(tmp_path / "whole"), state(tmp_path / "two")
    assert [k for k in whole if not torch.equal(whole[k], resumed[k])] == [], "resumes to the same bits"
    with pytest.raises(ValueError, match=r"takes 4 batches; 1 process.* set training\.accumulate=4"):
        train(configure(2, 2), tmp_path / "one", resume=True, console=quiet)
    train(configure(2, 4), tmp_path / "one", resume=True, console=quiet)
    assert_close(tmp_path / "large", tmp_path / "one")


def test_what_cannot_go_together_says_why(make_config, tmp_path, quiet):
    with pytest.raises(ValueError, match="spreads a model over processes and there is one; start several"):
        train(make_config("training.sharded=true"), tmp_path / "run", console=quiet)
    forces = "objectives=[{property: energy}, {property: forces}]"
    with pytest.raises(ValueError, match=r"compile: forces are .* cannot differentiate twice"):
        train(make_config("training.compile=true", forces), tmp_path / "run", console=quiet)
    with pytest.raises(ValueError, match="accumulate has to be 1"):
        make_config("training.accumulate=2", "training.weighting=gradient")


def test_a_killed_process_ends_the_run(configure, tmp_path):
    start = time.monotonic()
    done = torchrun(tmp_path, configure(2, 2), (SCRIPT + KILLED).replace("SIGNAL", "SIGKILL"))
    assert done.returncode != 0
    assert "SIGKILL" in done.stderr, done.stderr
    assert time.monotonic() - start < 120


def test_a_broken_exchange_is_one_sentence_and_other_errors_stay_what_they_are():
    with (
        pytest.raises(ConnectionError, match=r"process 1 of 2 lost .*closed by peer.*--resume.*runs/x"),
        explained(Ranks(1, 2), "runs/x"),
    ):
        raise RuntimeError("[pair.cc:547] Connection closed by peer [127.0.0.1]:4711\nmore")
    for ranks in (Ranks(1, 2), Ranks()):
        with pytest.raises(RuntimeError, match="shapes"), explained(ranks, "runs/x"):
            raise RuntimeError("shapes do not fit")


def test_srun_says_who_is_who():
    given = {"SLURM_STEP_ID": "0", "SLURM_JOB_ID": "120345", "SLURM_NTASKS": "8", "SLURM_PROCID": "5"}
    given |= {"SLURM_LOCALID": "1", "SLURM_STEP_NODELIST": "gpu[07-09,12]"}
    found = take_slurm(given)
    assert found == {
        "RANK": "5",
        "WORLD_SIZE": "8",
        "LOCAL_RANK": "1",
        "MASTER_ADDR": "gpu07",
        "MASTER_PORT": "20345",
    }
    assert take_slurm(given | {"SLURM_STEP_NODELIST": "a1,b[2-3]"})["MASTER_ADDR"] == "a1"
    assert take_slurm(given | {"RANK": "0"}) == {}, "torchrun has the word"
    assert take_slurm(given | {"SLURM_NTASKS": "1"}) == {}
    with pytest.raises(ValueError, match="set MASTER_ADDR"):
        take_slurm(given | {"SLURM_STEP_NODELIST": ""})
