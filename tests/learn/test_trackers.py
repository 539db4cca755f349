"""Trackers hear the numbers of every evaluation; a missing one is named before anything is trained."""

from __future__ import annotations

import sys

import pytest

from atomscape.learn.trackers import wandb
from atomscape.learn.train import train

FAKE = """
from accelerate.tracking import GeneralTracker, on_main_process

NEEDS = "json"
heard = []

class Listening(GeneralTracker):
    name = "listening"
    requires_logging_directory = False
    tracker = None

    def __init__(self, folder, name):
        super().__init__()
        heard.append(("made", folder.name, name))

    def store_init_configuration(self, values):
        pass

    @on_main_process
    def log(self, values, step=None, **more):
        heard.append((step, values))

    def finish(self):
        heard.append("finished")

def build(folder, name):
    return Listening(folder, name)
"""


def test_a_tracker_from_elsewhere_hears_everything(make_config, tmp_path, quiet, monkeypatch):
    (tmp_path / "my_trackers").mkdir()
    (tmp_path / "my_trackers" / "__init__.py").touch()
    (tmp_path / "my_trackers" / "listening.py").write_text(FAKE)
    monkeypatch.syspath_prepend(str(tmp_path))
    train(make_config("training.trackers=[my_trackers.listening]"), tmp_path / "run", console=quiet)
    heard = sys.modules["my_trackers.listening"].heard
    assert heard[0] == ("made", "run", "toy")
    assert [h[0] for h in heard[1:-1]] == [5, 10]
    assert {"train_loss", "val_loss", "val/toy/gap (eV)/mae"} <= heard[1][1].keys()
    assert heard[-1] == "finished"


def test_a_tracker_that_is_not_installed_or_not_known_is_explained(make_config, tmp_path, quiet, monkeypatch):
    monkeypatch.setattr(wandb, "NEEDS", "a_package_that_is_not_there")
    with pytest.raises(ValueError, match=r"trackers: wandb needs .* pip install a_package_that_is_not_there"):
        train(make_config("training.trackers=[wandb]"), tmp_path / "run", console=quiet)
    with pytest.raises(ValueError, match="no tracker called 'mlfow'; did you mean 'mlflow'"):
        make_config("training.trackers=[mlfow]")
