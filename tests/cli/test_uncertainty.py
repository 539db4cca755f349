"""The command: one run, several runs, other data, and what it says when it cannot."""

from __future__ import annotations

import json

SMALL = (
    "encoder={kind: schnet, channels: 4, layers: 1, cutoff: 3.5}",
    "objectives.0.head={kind: scalar, hidden: 4}",
    "training.epochs=1",
    "data.0.split.train=0.6",
    "data.0.split.val=0.2",
)
FEW = ("--derivative-structures", "2")


def test_one_run_and_an_ensemble(run, copper, here):
    """Fit, judge, write; fitted once it is read; other data; two seeds together; a folder that is no run."""
    for seed in (0, 1):
        assert run("train", copper, *SMALL, f"seed={seed}", "--out", f"runs/{seed}")[0] == 0
    status, out, err = run("uncertainty", "runs/0", *FEW)
    assert (status, err) == (0, "")
    assert "last layer" in out
    assert "meV/Å" in out
    fitted = (here / "runs/0/uncertainty.safetensors").stat().st_mtime_ns
    numbers = json.loads((here / "runs/0/uncertainty.json").read_text())
    assert [r["property"] for r in numbers["reliability"]] == ["energy", "forces"]
    assert (here / "runs/0/uncertainty.svg").read_text().startswith("<svg")
    assert run("uncertainty", "runs/0", *FEW, "--on", copper, "--out", "judged")[0] == 0
    assert (here / "judged/uncertainty-copper.json").is_file()
    assert (here / "runs/0/uncertainty.safetensors").stat().st_mtime_ns == fitted
    status, out, err = run("uncertainty", "runs/0", "runs/1", *FEW, "--out", "both")
    assert (status, err) == (0, "")
    assert "ensemble and last layers" in out
    assert len(json.loads((here / "both/ensemble.json").read_text())["members"]) == 2
    status, _, err = run("uncertainty", "nowhere")
    assert status == 1
    assert "no run's folder" in err
