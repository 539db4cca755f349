"""The experiment on potentials: budgets end, plans fit, frames go to peers and back without a change."""

from __future__ import annotations

import sys
import types
from pathlib import Path

import numpy as np
import pytest
import torch

FOLDER = Path(__file__).resolve().parent.parent / "experiments" / "potentials"
BURN = "import time\nwhile True: sum(range(10**5))"
EPOCHS = """
import sys, time
for epoch in range(int(sys.argv[1])):
    end = time.process_time() + 0.1
    while time.process_time() < end: pass
    print("epoch", flush=True)
    open("epochs.txt", "a").write("x")
"""


@pytest.fixture
def experiment(monkeypatch):
    """The folder's modules can be imported, and are forgotten afterwards."""
    monkeypatch.syspath_prepend(str(FOLDER))
    before = set(sys.modules)
    import budget
    import judge
    import run
    import tasks

    yield types.SimpleNamespace(budget=budget, judge=judge, run=run, tasks=tasks)
    for name in {path.stem for path in FOLDER.glob("*.py")} - before:
        sys.modules.pop(name, None)


def test_a_budget_ends_a_process_and_attempts_add_up(experiment, tmp_path):
    command = [sys.executable, "-c", BURN]
    first = experiment.budget.run_within(command, tmp_path, 0.5)
    assert not first.finished
    assert 0.5 <= first.cpu_seconds < 5
    second = experiment.budget.run_within(command, tmp_path, first.cpu_seconds + 0.3)
    assert second.attempts == 2
    assert second.cpu_seconds > first.cpu_seconds + 0.25


def test_a_process_that_fails_is_not_finished(experiment, tmp_path):
    failing = [sys.executable, "-c", "raise SystemExit('no frames here')"]
    with pytest.raises(RuntimeError, match="no frames here"):
        experiment.budget.run_within(failing, tmp_path, 9)
    assert not experiment.budget.Spent.read(tmp_path).finished


class Counting:
    """A side whose epochs take a tenth of a second."""

    def command(self, task, folder, epochs, seed):
        return [sys.executable, "-c", EPOCHS, str(epochs)]

    def epochs(self, folder):
        file = folder / "epochs.txt"
        return len(file.read_text()) if file.is_file() else 0


def test_a_plan_fits_the_budget(experiment, tmp_path):
    """Epochs are counted in a trial, and so many are planned that the process ends before its budget."""
    plan = experiment.run.planned(None, Counting(), tmp_path, 6.0, 0)
    assert 0.05 < plan["seconds_per_epoch"] < 0.4
    assert plan["epochs"] * plan["seconds_per_epoch"] <= 6.0
    assert plan["epochs"] >= 10
    assert not (tmp_path / "trial").exists()
    assert experiment.run.planned(None, None, tmp_path, 6.0, 0) == plan


@pytest.fixture
def task(experiment):
    """A stand-in with two frames of two atoms, a frame in each part."""
    from atomscape.atoms.properties import PROPERTIES
    from atomscape.atoms.structures import Structures

    pair = [
        Structures.of(
            np.array([[0.0, 0, 0], [0, 0, 1.0 + k]]),
            np.array([6, 8]),
            np.eye(3) * 9,
            True,
            {"energy": -5.0 - k, "forces": np.full((2, 3), 0.1 * k), "stress": np.eye(3) * 0.01},
        )
        for k in range(2)
    ]
    structures = Structures.concatenate(pair)
    names = ("energy", "forces", "stress")
    return types.SimpleNamespace(
        name="pair",
        prepared=types.SimpleNamespace(properties={n: PROPERTIES[n] for n in names}),
        structures=lambda part: structures,
        parts=lambda s: {"cold": torch.tensor([True, False]), "hot": torch.tensor([False, True])},
    )


def test_errors_of_all_frames_and_of_parts(experiment, task):
    labels = dict(task.structures("test").labels)
    rows = experiment.judge.judged(task, labels)
    assert {(r["part"], r["property"]) for r in rows} == {
        (part, name) for part in ("all", "cold", "hot") for name in ("energy", "forces", "stress")
    }
    assert all(r["rmse"] == 0 for r in rows)
    off = {**labels, "energy": labels["energy"] + torch.tensor([0.0, 0.2])}
    found = {(r["part"], r["unit"]): r["mae"] for r in experiment.judge.judged(task, off)}
    assert found["cold", "eV"] == 0
    assert found["hot", "eV"] == pytest.approx(0.2)
    assert found["all", "eV/atom"] == pytest.approx(0.05)


def test_predictions_that_are_none(experiment, task):
    labels = dict(task.structures("test").labels)
    with pytest.raises(ValueError, match="no stress among"):
        experiment.judge.judged(task, {k: v for k, v in labels.items() if k != "stress"})
    with pytest.raises(ValueError, match="forces: predictions have shape"):
        experiment.judge.judged(task, {**labels, "forces": labels["forces"][:1]})
    with pytest.raises(ValueError, match="energy: 2 predictions are no number"):
        experiment.judge.judged(task, {**labels, "energy": labels["energy"] * torch.nan})


@pytest.mark.real
def test_what_is_exported_is_what_is_learned(experiment, real_data, tmp_path):
    """Copper: relative energies, forces and stress come back from the files, and test frames have none."""
    from ase.io import read
    from ase.stress import voigt_6_to_full_3x3_stress

    real_data("mlearn")
    task = experiment.tasks.TASKS["Cu"].limited(3)
    task.export(tmp_path)
    s = task.structures("train")
    images = read(tmp_path / "train.xyz", ":")
    relative = s.labels["energy"] - task.reference_energies(s)
    assert np.allclose([image.info["REF_energy"] for image in images], relative, atol=1e-7)
    forces = np.concatenate([image.arrays["REF_forces"] for image in images])
    assert np.allclose(forces, s.labels["forces"], atol=1e-7)
    stress = [voigt_6_to_full_3x3_stress(np.array(image.info["REF_stress"])) for image in images]
    assert np.allclose(stress, s.labels["stress"], atol=1e-7)
    (first, *_) = read(tmp_path / "test.xyz", ":")
    assert not {"REF_energy", "REF_stress"} & set(first.info)
    assert "REF_forces" not in first.arrays


@pytest.mark.real
def test_parts_of_3bpa(experiment, real_data):
    """Each test frame stands in one part; hotter parts have larger forces; none of it is trained on."""
    real_data("3bpa")
    task = experiment.tasks.TASKS["3bpa"]
    s = task.structures("test")
    parts = task.parts(s)
    assert torch.stack(list(parts.values())).sum(0).eq(1).all()
    means = [s.labels["forces"][mask[s.structure]].square().mean() for mask in parts.values()]
    assert means[0] < means[1] < means[2]
    known = set(task.structures("train").labels["energy"].tolist())
    assert not known & set(s.labels["energy"].tolist())
