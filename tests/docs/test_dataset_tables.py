"""The page of datasets says what the cards say, of every source."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from atomscape.data.card import Card, records
from atomscape.data.named import source_names

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def dataset_tables(monkeypatch):
    """The module beside the documentation."""
    monkeypatch.syspath_prepend(str(ROOT / "docs" / "_ext"))
    import dataset_tables

    yield dataset_tables
    sys.modules.pop("dataset_tables")


def card(name: str, **fields) -> Card:
    """A card with everything that the page shows."""
    given = {
        "title": f"title of {name}",
        "description": f"About {name}.",
        "licence": "MIT",
        "citation": "A. Author",
    }
    given |= {"level_of_theory": "PBE|D3", "url": "https://example.org", "verified": "by hand"}
    return Card(name=name, properties=records("energy", "isolated_atom"), **(given | fields))


def test_one_dataset(dataset_tables):
    text = dataset_tables.markdown([card("my_set", n_structures=1234)])
    assert "| [my_set](#dataset-my-set) | title of my_set | 1,234 | MIT |" in text.splitlines()
    facts = {"Labels": "energy [eV], isolated_atom", "Level of theory": "PBE|D3", "Tried": "by hand"}
    facts |= {"Structures": "1,234", "Licence": "MIT", "Cite": "A. Author", "From": "<https://example.org>"}
    for name, shown in facts.items():
        assert f":{name}: {shown}" in text.splitlines()
    assert "## my_set" in text.splitlines()
    assert "**title of my_set.** About my_set." in text
    assert "data get" not in text, "it has no files to download"


def test_a_collection_is_one_section_with_a_row_for_each_part(dataset_tables):
    parts = [card("two:a", n_structures=3), card("two:b", licence="BSD", description="Other.")]
    text = dataset_tables.markdown(parts)
    assert "| [two](#dataset-two) | 2 datasets: a, b |  | MIT; BSD |" in text
    assert "| `two:a` | 3 | energy [eV], isolated_atom | PBE\\|D3 |" in text.splitlines()
    assert "`b`\n: Other. *Tried:* by hand." in text
    assert text.count("A. Author") == 1, "what all parts share is said once"


def test_every_source_is_on_the_page(dataset_tables):
    text = dataset_tables.markdown(dataset_tables.cards())
    for name in source_names():
        assert (f"`{name}`" if ":" in name else f"## {name}\n") in text, name
