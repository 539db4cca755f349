"""The representation of the page "Add a representation" keeps its word, and one more file is enough."""

from __future__ import annotations

import shutil
import sys
from pathlib import Path

# --8<-- shown
import pytest
from my_package import distances

from atomscape.atoms.representation import INVARIANCES, SIGHTS
from atomscape.testing import cases
from atomscape.testing import representation_laws as laws

represent = distances.build(distances.Config())


@pytest.mark.parametrize("case", cases.everything)
@pytest.mark.parametrize("invariance", INVARIANCES)
def test_invariances(invariance, case):
    """Each law returns the error it found, or raises an error that says where it fails."""
    assert laws.check_invariance(represent, invariance, cases.everything[case](), case=case) < 1e-8


@pytest.mark.parametrize("sight", SIGHTS)
def test_what_it_sees(sight):
    """Isomers and conformers, but not elements and mirror images."""
    laws.check_sight(represent, sight)


@pytest.mark.parametrize("case", ["ethanol", "fcc", "rattled_rocksalt"])
def test_derivatives(case):
    """They are those of differences, on a perfect crystal too."""
    assert laws.check_smooth(represent, cases.everything[case](), case=case) < 1e-6


# --8<-- end


def test_added_as_a_file(tmp_path, monkeypatch, capsys):
    """A file in a folder of one's own is a representation of the command line."""
    from atomscape.cli.app import main

    folder = tmp_path / "one_more"
    folder.mkdir()
    shutil.copy(Path(distances.__file__), folder / "spectrum.py")
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("ATOMSCAPE_CACHE", str(tmp_path / "cache"))
    words = [
        "represent",
        "one_more.spectrum",
        "sample",
        "--limit",
        "10",
        "--set",
        "bins=16",
        "--out",
        "x.npz",
    ]
    monkeypatch.setattr(sys, "argv", ["atomscape", *words])
    with pytest.raises(SystemExit) as end:
        main()
    assert end.value.code in (0, None)
    assert "10 structures, 16 features each" in capsys.readouterr().out
