"""What the page about large runs shows: a config that loads, keys that exist, a job that names it."""

from __future__ import annotations

import re
from pathlib import Path

from atomscape.learn.config import Training
from atomscape.learn.recipe import load_config

HOWTO = Path(__file__).resolve().parents[2] / "docs" / "howto"


def test_the_config_loads_and_the_job_names_it():
    config = load_config(HOWTO / "my_package" / "many_machines.yaml")
    assert (config.training.accumulate, config.training.trackers) == (2, ("tensorboard",))
    (command,) = re.findall(
        r"^srun atomscape train (\S+) (.*)$", _text("my_package/train.sbatch"), re.MULTILINE
    )
    assert command[0] == "many_machines.yaml"
    overrides = [word for word in command[1].split() if "=" in word]
    assert load_config(HOWTO / "my_package" / command[0], overrides).training.threads == 8


def test_the_keys_of_the_page_exist():
    named = set(re.findall(r"`training\.(\w+)", _text("large-runs.md")))
    assert {"accumulate", "sharded", "compile", "diagnostics", "trackers", "precision"} <= named
    assert named - set(Training.model_fields) == set()


def _text(name: str) -> str:
    return (HOWTO / name).read_text(encoding="utf-8")
