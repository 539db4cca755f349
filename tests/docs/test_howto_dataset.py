"""The dataset of the page "Add a dataset" is found, read, converted and kept."""

from __future__ import annotations

import shutil
import sys

# --8<-- shown
import numpy as np
import pytest
import torch
from my_package import ethanol

from atomscape.data.source import Source

Z = np.array([6, 6, 8, 1, 1, 1, 1, 1, 1])


@pytest.fixture
def folder(tmp_path):
    """A file in the publisher's layout: the force on atom a of frame i is (i, a, 1) kcal/mol/Å."""
    frames = np.arange(5.0)
    F = np.stack(np.broadcast_arrays(frames[:, None], np.arange(9.0)[None], 1.0), -1)
    R = np.random.default_rng(0).normal(size=(5, 9, 3))
    np.savez(tmp_path / ethanol.FILE, z=Z, R=R, E=-97000.0 - frames[:, None], F=F)
    return tmp_path


def test_units_and_order(folder):
    """kcal/mol becomes eV; atoms, frames and labels stay together."""
    (batch,) = ethanol.read(folder)
    assert (len(batch), batch.n_atoms, batch.formulas()[3]) == (5, 45, "C2H6O")
    assert batch[3].labels["energy"].item() == pytest.approx(-97003 * 0.0433641, rel=1e-6)
    expected = torch.tensor([3.0, 7.0, 1.0], dtype=torch.float64) * 0.0433641
    torch.testing.assert_close(batch[3].labels["forces"][7], expected, rtol=1e-6, atol=0)


def test_it_is_a_source(tmp_path, folder):
    """The module offers what a source must, and says when there is nothing to read."""
    assert isinstance(ethanol, Source)
    assert ethanol.inputs(folder) == [folder / ethanol.FILE]
    assert ethanol.inputs(folder / "elsewhere") == []


# --8<-- end


def test_added_as_a_file_of_a_folder_elsewhere(folder, tmp_path, monkeypatch):
    """Nothing but the file of the page, in a package that was not there before: it is found and loaded."""
    from atomscape.data.load import load

    package = tmp_path / "sets_of_mine"
    package.mkdir()
    (package / "__init__.py").write_text("")
    shutil.copy(ethanol.__file__, package / "ethanol_of_mine.py")
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.setenv("ATOMSCAPE_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("ATOMSCAPE_DATA", str(tmp_path / "data"))
    (tmp_path / "data" / "ethanol").mkdir(parents=True)
    (folder / ethanol.FILE).rename(tmp_path / "data" / "ethanol" / ethanol.FILE)
    store = load("sets_of_mine.ethanol_of_mine")
    assert (len(store), store.card.level_of_theory) == (5, ethanol.card.level_of_theory)
    expected = -97002.0 * 0.0433641
    assert store[2].labels["energy"].item() == pytest.approx(expected, rel=1e-6)


def test_an_entry_point_makes_it_a_name(folder, tmp_path, monkeypatch):
    """Once installed, it is loaded by name and converted once."""
    from atomscape.data.load import load

    info = tmp_path / "site" / "my_package-1.0.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: my-package\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text("[atomscape.data.sources]\nethanol = my_package.ethanol\n")
    monkeypatch.setattr(sys, "path", [str(info.parent), *sys.path])
    monkeypatch.setenv("ATOMSCAPE_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("ATOMSCAPE_DATA", str(tmp_path / "data"))
    with pytest.raises(FileNotFoundError, match="atomscape data get ethanol"):
        load("ethanol")
    (tmp_path / "data" / "ethanol").mkdir(parents=True)
    (folder / ethanol.FILE).rename(tmp_path / "data" / "ethanol" / ethanol.FILE)
    store = load("ethanol")
    assert (len(store), store.card.name, store.card.elements) == (5, "ethanol", ("H", "C", "O"))
    assert store.folder == load("ethanol").folder
