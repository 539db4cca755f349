"""Datasets by name: collections have parts, and a name that leads nowhere says what would."""

import sys

import numpy as np
import pytest

from atomscape.data.load import load
from atomscape.data.named import find_source, is_source_name, source_names

COLLECTION = """
import numpy as np
from atomscape.atoms.structures import Structures
from atomscape.data.card import Card
from atomscape.data.source import Part

def _part(z, name):
    def read(folder):
        yield Structures.of([[0.0, 0.0, 0.0]] * 2, [z, z], labels={"energy": float(z)})
    inputs = lambda folder: [p for p in [folder / f"{name}.txt"] if p.is_file()]
    return Part(Card(name=f"elements_here:{name}", folders=("here",)), inputs, read, __file__)

parts = {"iron": _part(26, "iron"), "copper": _part(29, "copper")}
"""


@pytest.fixture
def collection(tmp_path, monkeypatch):
    (tmp_path / "elements_here.py").write_text(COLLECTION)
    (tmp_path / "data" / "here").mkdir(parents=True)
    for name in ("iron", "copper"):
        (tmp_path / "data" / "here" / f"{name}.txt").write_text(name)
    package = tmp_path / "collections_pkg"
    package.mkdir()
    (tmp_path / "elements_here.py").rename(package / "elements_here.py")
    (package / "__init__.py").write_text("")
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setenv("ATOMSCAPE_DATA", str(tmp_path / "data"))
    monkeypatch.setenv("ATOMSCAPE_CACHE", str(tmp_path / "cache"))
    yield "collections_pkg.elements_here"
    sys.modules.pop("collections_pkg.elements_here", None)


def test_a_part_of_a_collection_is_a_dataset(collection):
    iron, copper = load(f"{collection}:iron"), load(f"{collection}:copper")
    assert np.unique(iron.values("numbers")).tolist() == [26]
    assert copper.values("energy").tolist() == [29.0]
    assert iron.folder != copper.folder


def test_a_collection_asks_for_a_part(collection):
    with pytest.raises(LookupError, match=r"is a collection; name one of its parts.*:iron"):
        load(collection)
    with pytest.raises(LookupError, match=r"no part 'irn'; did you mean 'iron'"):
        load(f"{collection}:irn")


def test_a_dataset_has_no_parts():
    with pytest.raises(LookupError, match="one dataset, without parts"):
        find_source("qm9:train")
    assert is_source_name("qm9")
    assert not is_source_name("no_such")
    assert not is_source_name("no.such:part")


def test_every_name_leads_to_the_card_of_that_name():
    for name in source_names():
        assert find_source(name).card.name == name
