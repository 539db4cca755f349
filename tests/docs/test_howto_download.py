"""The service of the page "Download data" is asked, kept and read."""

from __future__ import annotations

import io
import json
from email.message import Message
from pathlib import Path

import numpy as np
import pytest
from my_package import cod

from atomscape.data.get import get
from atomscape.data.source import Source, downloader

PAGE = Path(__file__).parents[2] / "docs" / "howto" / "download.md"


class Reply(io.BytesIO):
    """An answer as urllib gives it."""

    headers = Message()


@pytest.fixture
def asked(tmp_path, monkeypatch):
    """A service of five crystals, two a page; the addresses that were asked for."""
    addresses: list[str] = []

    def answer(request, timeout):
        start = int(request.full_url.partition("page_offset=")[2] or 0)
        addresses.append(request.full_url)
        entries = [
            {
                "id": f"100000{k}",
                "attributes": {
                    "lattice_vectors": (np.eye(3) * (3.0 + k)).tolist(),
                    "cartesian_site_positions": [[0.0, 0.0, 0.0]],
                    "species_at_sites": ["Cu"],
                    "dimension_types": [1, 1, 1],
                },
            }
            for k in range(start, min(start + 2, 5))
        ]
        more = f"{cod.BASE}/structures?page_offset={start + 2}" if start + 2 < 5 else None
        return Reply(json.dumps({"data": entries, "links": {"next": more}}).encode())

    monkeypatch.setattr("atomscape.data.pages.open_url", answer)
    monkeypatch.setattr("time.sleep", lambda _: None)
    monkeypatch.setenv("ATOMSCAPE_CACHE", str(tmp_path))
    monkeypatch.delenv("ATOMSCAPE_DATA", raising=False)
    return addresses


def test_it_is_a_source_with_a_service():
    """It offers what a source must, and a way to ask."""
    assert isinstance(cod, Source)
    assert downloader(cod) is cod.download


def test_a_limit_and_the_rest(asked):
    """So many entries as wanted; more later are asked for alone; nothing is asked twice."""
    assert get("my_package.cod", limit=3).ids == ["1000000", "1000001", "1000002"]
    assert len(asked) == 2
    store = get("my_package.cod", limit=5)
    assert len(store) == 5
    assert len(asked) == 3
    assert store[4].cell[0].diag().tolist() == [7.0, 7.0, 7.0]
    assert "pages" in {p.name for p in (store.folder.parent.parent / "downloads" / "cod").iterdir()}


def test_a_filter(asked):
    """It reaches the service."""
    get("my_package.cod", filter='elements HAS "Cu"')
    assert "filter=elements+HAS+%22Cu%22" in asked[0]


def test_everything_is_too_much(asked):
    """A limit or a filter is wanted."""
    with pytest.raises(ValueError, match="millions of entries"):
        get("my_package.cod")
    assert asked == []


def test_the_page_names_what_exists():
    """Datasets, options and variables of the page are those of the program."""
    from atomscape.data.named import find_source
    from atomscape.data.online import OFFLINE
    from atomscape.data.sources.materials_project_api import KEY

    text = PAGE.read_text(encoding="utf-8")
    for name in ("oqmd", "alexandria:pbe", "alexandria:pbesol", "nomad", "materials_project_api"):
        assert f"`{name}`" in text
        assert downloader(find_source(name)) is not None
    assert f"{OFFLINE}=1" in text
    assert KEY in text
