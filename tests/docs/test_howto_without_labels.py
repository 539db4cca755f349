"""The page "Learn without labels": its configs train one after the other, its code runs."""

from __future__ import annotations

import re
from pathlib import Path

from rich.console import Console

from atomscape.find import available
from atomscape.learn.recipe import load_config, recipes
from atomscape.learn.train import train

PAGE = Path(__file__).resolve().parents[2] / "docs" / "howto"
FEW = ("training.epochs=2", "data.0.limit=24", "encoder.channels=4", "encoder.layers=1")


def test_the_configs_of_the_page_train_and_its_code_runs(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name in ("noisy", "noisy_later"):
        config = load_config(PAGE / "my_package" / f"{name}.yaml", FEW)
        assert train(config, name, console=Console(quiet=True)) is not None
    (code,) = re.findall(r"```python\n(.*?)```", (PAGE / "without-labels.md").read_text(), re.DOTALL)
    found: dict = {}
    exec(compile(code, "without-labels.md", "exec"), found)
    assert set(found["percent"]) <= {1, 6, 7, 8, 9}
    assert all(0 <= share <= 100 for share in found["percent"].values())


def test_what_the_page_names_exists():
    text = (PAGE / "without-labels.md").read_text()
    assert set(re.findall(r"`(pretrain_\w+)`", text)) <= set(recipes())
    kinds = re.findall(r"^\| `(\w+)`", text, re.MULTILINE)
    assert (
        {"noise_positions", "noise_cell", "mask_elements"} <= set(kinds) <= set(available("data.corruptions"))
    )
