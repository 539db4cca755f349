"""Fixtures of the command line: run a command, a cache of its own, a small data file."""

from __future__ import annotations

import sys

import numpy as np
import pytest


@pytest.fixture
def run(monkeypatch, capsys):
    """``run("data", "list")`` is the exit status, standard output and standard error of that command."""
    from atomscape.cli.app import main

    def call(*arguments: object) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["atomscape", *map(str, arguments)])
        with pytest.raises(SystemExit) as end:
            main()
        out, err = capsys.readouterr()
        return int(end.value.code or 0), out, err

    return call


@pytest.fixture
def here(tmp_path, monkeypatch):
    """An empty folder to work in, with a cache of its own and no data from elsewhere."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("ATOMSCAPE_CACHE", str(tmp_path / "cache"))
    monkeypatch.delenv("ATOMSCAPE_DATA", raising=False)
    return tmp_path


@pytest.fixture
def copper(here):
    """``copper.xyz``: thirty small clusters with energies and forces of effective medium theory."""
    from ase.calculators.emt import EMT
    from ase.cluster import Octahedron
    from ase.io import write

    images = []
    for seed in range(30):
        atoms = Octahedron("Cu", 2)
        atoms.rattle(0.1, rng=np.random.default_rng(seed))
        atoms.calc = EMT()
        atoms.get_forces()
        images.append(atoms)
    write(here / "copper.xyz", images)
    return here / "copper.xyz"
