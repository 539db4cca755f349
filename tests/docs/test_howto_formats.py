"""The format of the page "Read and write file formats" is found and used; the page names all there are."""

from __future__ import annotations

import re
import sys
from pathlib import Path

# --8<-- shown
import numpy as np
import pytest
from my_package import frames_npz

from atomscape.data.convert import convert_any
from atomscape.data.format import Format, Piece, Writer
from atomscape.data.load import load
from atomscape.data.reading import Reading


@pytest.fixture
def file(tmp_path):
    """Five frames of OH: the energy of frame k is k eV."""
    R = np.random.default_rng(0).normal(size=(5, 2, 3))
    path = tmp_path / "oh.frames.npz"
    np.savez(path, z=np.array([8, 1]), R=R, E=np.arange(5.0), F=-R)
    return path


def test_it_is_a_format(file):
    """The module offers what a format must, knows its files, and reads parts of them."""
    assert isinstance(frames_npz, Format)
    assert isinstance(frames_npz, Writer)
    assert frames_npz.inputs(file) == [file]
    assert frames_npz.inputs(file.parent) == []
    part = list(frames_npz.rows(Piece(file, 3, 5), Reading()))
    assert [atoms.info["energy"] for atoms in part] == [3.0, 4.0]


def test_it_is_read_and_written(file, installed, tmp_path):
    """Once installed, files are recognised, and converted in both directions to the last bit."""
    store = load(file)
    assert (len(store), store.ids, store.card.elements) == (5, ["0", "1", "2", "3", "4"], ("H", "O"))
    convert_any(store.folder, tmp_path / "again.frames.npz")
    with np.load(file) as given, np.load(tmp_path / "again.frames.npz") as found:
        for name in "zREF":
            np.testing.assert_array_equal(found[name], given[name])


# --8<-- end


@pytest.fixture
def installed(tmp_path, monkeypatch) -> None:
    """An installed package that offers the format by an entry point."""
    info = tmp_path / "site" / "my_package-1.0.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: my-package\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text("[atomscape.data.formats]\nframes_npz = my_package.frames_npz\n")
    monkeypatch.setattr(sys, "path", [str(info.parent), *sys.path])
    monkeypatch.setenv("ATOMSCAPE_CACHE", str(tmp_path / "cache"))


def test_without_it_the_file_is_not_read(file, monkeypatch, tmp_path) -> None:
    monkeypatch.setenv("ATOMSCAPE_CACHE", str(tmp_path / "cache"))
    with pytest.raises(ValueError, match=r"oh\.frames\.npz cannot be read"):
        load(file)


def test_the_page_names_every_format() -> None:
    """A row of the table for each module, with the right marks for reading and writing."""
    from atomscape.data.format import KIND
    from atomscape.find import available, find

    page = (Path(__file__).resolve().parents[2] / "docs" / "howto" / "formats.md").read_text()
    rows = {m[1]: m[0] for m in re.finditer(r"^\| `(\w+)` .*$", page, re.MULTILINE)}
    assert set(rows) == set(available(KIND))
    for name, row in rows.items():
        cells = [cell.strip() for cell in row.split("|")]
        module = find(KIND, name)
        assert (cells[3] == "✓", cells[4] == "✓") == (
            isinstance(module, Format),
            isinstance(module, Writer),
        ), name
        assert ("--trust" in row) == module.trust, name
