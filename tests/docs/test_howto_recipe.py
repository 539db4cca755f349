"""The recipe of the page "Add a recipe" runs, is resumed to the same numbers, and says what it says."""

from __future__ import annotations

# --8<-- shown
import json

import pytest
from my_package import beats_elements

from atomscape.learn.experiment import Stopped, run_experiment
from atomscape.learn.machines.determinism import Stop

NAME = "my_package.beats_elements"


def test_stopped_and_resumed_it_gives_the_same(tmp_path, monkeypatch):
    """A signal in the middle of the training changes no digit of the outcome."""
    whole = run_experiment(NAME, {"epochs": 2}, tmp_path / "whole")

    asked = iter([False] * 7 + [True])
    monkeypatch.setattr(Stop, "asked", property(lambda _: next(asked), lambda *_: None), raising=False)
    with pytest.raises(Stopped):
        run_experiment(NAME, {"epochs": 2}, tmp_path / "stopped")
    monkeypatch.undo()
    assert not (tmp_path / "stopped" / "results.json").exists()

    resumed = run_experiment(NAME, {"epochs": 2}, tmp_path / "stopped", resume=True)
    assert resumed == whole
    record = json.loads((tmp_path / "stopped" / "results.json").read_text())
    assert (record["met"], record["target"]) == (whole.met, beats_elements.TARGET)


# --8<-- end
