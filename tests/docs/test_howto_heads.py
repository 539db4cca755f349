"""The page on heads: its config is valid, and every head that it speaks of is one."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from atomscape.data.load import load
from atomscape.find import find
from atomscape.learn.architecture import architecture_of
from atomscape.learn.prepare import prepare
from atomscape.learn.recipe import load_config

PAGES = Path(__file__).parents[2] / "docs" / "howto"


def test_heads_of_the_page_exist():
    named = set(re.findall(r"atomscape\.heads\.(\w+)", (PAGES / "heads.md").read_text()))
    assert {"dipole", "charges", "direct_forces", "classes", "barrier"} <= named
    assert all(find("heads", name).build for name in named)


def test_the_config_is_valid():
    config = load_config(PAGES / "my_package" / "heads.yaml")
    assert [o.property for o in config.objectives if o.derive] == ["wide_gap"]


@pytest.mark.real
def test_the_config_finds_its_labels(data_root):
    config = load_config(PAGES / "my_package" / "heads.yaml")
    for d in config.data:
        load(d.source)
    small = config.model_copy(update={"data": tuple(d.model_copy(update={"limit": 20}) for d in config.data)})
    prepared = prepare(small)
    made = architecture_of(small, prepared.properties)
    assert {h.key for h in made.heads} == {
        f"{o.dataset}:{o.property}" for o in config.objectives if o.property != "forces"
    }
    assert prepared.structures["train"].labels["wide_gap"].nan_to_num(0).unique().tolist() == [0.0, 1.0]
