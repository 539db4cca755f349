"""Plug-ins: found by being a file, by a dotted path, by an entry point; typos get a suggestion."""

from __future__ import annotations

import sys
from importlib import import_module
from importlib.metadata import entry_points

import pytest

import atomscape.find as finding
from atomscape.find import KINDS, available, find, suggest


def test_files_are_found():
    """A file in the folder of its kind is a plug-in of that name."""
    assert {"tfn", "schnet"} <= set(available("encoders"))
    assert {"scalar", "atom_scalar"} <= set(available("heads"))
    assert find("encoders", "schnet") is import_module("atomscape.encoders.schnet")
    assert find("encoders", "foreign.mace") is import_module("atomscape.encoders.foreign.mace")
    with pytest.raises(LookupError, match="'foreign' cannot be imported"):
        find("encoders", "foreign.mice")


@pytest.mark.parametrize("kind", KINDS)
def test_listing_imports_nothing(kind):
    """What exists is listed by file name; every name can then be imported."""
    names = available(kind)
    assert names == sorted(set(names))
    assert all(not n.startswith("_") for n in names)
    assert all(find(kind, n).__name__.endswith(n) for n in names)


def test_every_encoder_and_head_keeps_the_contract():
    """They offer ``Config`` and ``build``."""
    for kind in ("encoders", "heads"):
        for name in available(kind):
            module = find(kind, name)
            assert callable(module.build), f"{kind}/{name}"
            assert module.Config.model_config["extra"] == "forbid", f"{kind}/{name}"


def test_dotted_path(tmp_path, monkeypatch):
    """Any importable module serves."""
    (tmp_path / "some_package_of_mine").mkdir()
    (tmp_path / "some_package_of_mine" / "thing.py").write_text("answer = 42\n")
    monkeypatch.setattr(sys, "path", [str(tmp_path), *sys.path])
    assert find("encoders", "some_package_of_mine.thing").answer == 42
    with pytest.raises(LookupError, match=r"some_package_of_mine\.thong"):
        find("encoders", "some_package_of_mine.thong")


def test_entry_point(tmp_path, monkeypatch):
    """An installed package offers plug-ins by name."""
    info = tmp_path / "other-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: other\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text("[atomscape.heads]\nelsewhere = other_package_with_a_head\n")
    (tmp_path / "other_package_with_a_head.py").write_text("answer = 43\n")
    monkeypatch.setattr(sys, "path", [str(tmp_path), *sys.path])
    assert "elsewhere" in available("heads")
    assert find("heads", "elsewhere").answer == 43


def test_installed_packages_are_opened_once(monkeypatch):
    """There may be hundreds; every operation asks for its back-ends at first use."""
    asked = []

    def counted(group: str):
        asked.append(group)
        return entry_points(group=group)

    monkeypatch.setattr(finding, "entry_points", counted)
    finding._on.cache_clear()
    for name in available("ops.kernels"):
        find("ops.kernels", name)
    assert asked == ["atomscape.ops.kernels"]


def test_a_typo_gets_a_suggestion():
    """The message names what was asked, what is near, and what exists."""
    with pytest.raises(
        LookupError, match=r"no encoder called 'shcnet'; did you mean 'schnet'\? Known: .*tfn"
    ):
        find("encoders", "shcnet")
    with pytest.raises(LookupError, match="did you mean 'encoders'"):
        available("encoder")


@pytest.mark.parametrize(("name", "end"), [("energi", "; did you mean 'energy'?"), ("xyz", ".")])
def test_suggestion(name, end):
    """A near name is suggested, a far one is not."""
    assert suggest(name, ["energy", "forces"]) == end


def test_a_path_that_begins_with_a_dot_is_explained():
    with pytest.raises(LookupError, match="begins with a dot"):
        find("encoders", ".tfn")
