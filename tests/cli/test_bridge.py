"""``atomscape data bridge``."""

from __future__ import annotations

import json

import ase.io
from ase.calculators.singlepoint import SinglePointCalculator


def test_bridge_of_two_levels(run, here, copper):
    """A shift of 2 eV per atom and forces that are a tenth larger come out, on the screen and in the file."""
    frames = []
    for atoms in ase.io.read(copper, index="5:25"):
        energy, forces = atoms.get_potential_energy(), atoms.get_forces()
        atoms.calc = SinglePointCalculator(atoms, energy=energy + 2.0 * len(atoms), forces=1.1 * forces)
        frames.append(atoms)
    ase.io.write(here / "other.xyz", frames)
    status, out, err = run("data", "bridge", "copper.xyz", "other.xyz", "--out", "b.json")
    assert (status, err) == (0, "")
    assert "20 of 30 structures of copper stand in other too (20 with equal positions)" in out
    assert "energy per element, B − A (eV): Cu 2" in out
    content = json.loads((here / "b.json").read_text())
    forces = next(x for x in content["labels"] if x["property"] == "forces")
    assert abs(forces["slope"] - 1.1) < 1e-5
    assert len(content["pairs"]) == 20
    assert run("data", "bridge", "copper.xyz", "other.xyz", "--out", "b.json")[0] == 1
    status, out, _ = run("data", "bridge", "copper.xyz", "other.xyz", "--json")
    assert json.loads(out) == content
