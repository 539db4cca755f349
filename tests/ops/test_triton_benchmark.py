"""The GPU benchmark where there is none: it says so, and its rows are well formed on the CPU."""

from __future__ import annotations

import os
import subprocess
import sys
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path

import pytest
import torch

FOLDER = Path(__file__).resolve().parents[2] / "benchmarks"


def once(contenders, rounds):
    """Call everybody once; all take a second."""
    return {name: (function(), 1.0)[1] for name, function in contenders.items()}


@pytest.fixture
def gpu(monkeypatch):
    """The benchmark as a module, with a clock that needs no GPU."""
    monkeypatch.syspath_prepend(str(FOLDER))
    monkeypatch.setattr(sys, "argv", ["gpu.py"])
    module = import_module("gpu")
    monkeypatch.setattr(module, "race", once)
    monkeypatch.setattr(module, "POINTS", 500)
    yield module
    for path in FOLDER.glob("*.py"):
        sys.modules.pop(path.stem, None)


def test_without_a_gpu_it_says_what_is_missing(gpu, monkeypatch, capsys):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    for installed, text in ((False, "triton is not installed"), (True, "torch")):
        monkeypatch.setattr(gpu, "INSTALLED", installed)
        with pytest.raises(SystemExit) as stopped:
            gpu.main()
        assert stopped.value.code == 2
        said = capsys.readouterr().err
        assert said.startswith("benchmarks/gpu.py needs a GPU: ")
        assert text in said
        assert "--check-interpreter" in said


@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # of peers' code, with new versions of torch
@pytest.mark.parametrize("what", ["forward", "forward + backward", "second order"])
def test_rows(gpu, what):
    """Each peer has a time and a small error, or a reason."""
    device = torch.device("cpu")
    rows = list(gpu._harmonics("case", what, 2, torch.float32, device, 1e9, True))
    problem = import_module("convolution_peers").Problem.make(1, 4, torch.float32, repeat=2)
    rows += gpu._convolutions("case", [what], problem, 1e9, True)
    assert {row.peer for row in rows} >= {"our reference", "e3nn", "OpenEquivariance"}
    for row in rows:
        if row.peer_s is None:
            assert "not installed; pip install " in row.error
        else:
            assert row.ratio == 1
            assert row.share > 0
            assert float(row.error) < 1e-4
    if find_spec("openequivariance") is None:
        assert rows[-1].error == "openequivariance is not installed; pip install openequivariance"


def test_what_results_depend_on_is_told(gpu):
    assert f"torch {torch.__version__}" in gpu.versions()


ALONE = """
import sys, torch
sys.argv = ["gpu.py"]
import gpu
gpu.race = lambda contenders, rounds: {name: (f(), 1.0)[1] for name, f in contenders.items()}
problem = gpu.problem(1, 4, torch.float32, torch.device("cpu"), True)
cut = 30
problem = gpu.Problem(problem.coupling, problem.x, problem.Y[:cut], problem.w[:cut], problem.centre[:cut],
    problem.neighbour[:cut], problem.g, (problem.second[0], problem.second[1][:cut], problem.second[2][:cut]))
rows = list(gpu._alone(problem, "l_max 1", 1e9, 1))
assert len(rows) == 4 and all(row.ours_s and row.share for row in rows), rows
"""


@pytest.mark.skipif(find_spec("triton") is None, reason="triton is for Linux only")
def test_rows_of_kernels_alone():
    environment = {**os.environ, "TRITON_INTERPRET": "1"}
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", ALONE],
        cwd=FOLDER,
        capture_output=True,
        text=True,
        env=environment,
    )
    assert done.returncode == 0, done.stderr
