"""VASP's results: units, the sign of the stress, several steps, unconverged and torn files."""

from __future__ import annotations

import gzip
from pathlib import Path

import ase
import ase.io
import numpy as np
import pytest

from atomscape.data.load import load
from atomscape.data.reading import Reading
from atomscape.units import GPA, KBAR

HEAD = """<?xml version="1.0" encoding="ISO-8859-1"?>
<modeling>
 <parameters><separator name="electronic"><i type="int" name="NELM">4</i></separator>
 <i name="PSTRESS">{pressure}</i></parameters>
 <atominfo><array name="atoms"><set><rc><c>Cu</c><c>1</c></rc><rc><c>O </c><c>2</c></rc></set></array>
 </atominfo>
"""
STEP = """ <calculation>
  {electronic}
  <structure><crystal><varray name="basis"><v>4 0 0</v><v>0 4 0</v><v>0 0 5</v></varray></crystal>
   <varray name="positions"><v>0 0 0</v><v>0.5 0.5 {z}</v></varray></structure>
  <varray name="forces"><v>0 0 {force}</v><v>0 0 -{force}</v></varray>
  <varray name="stress"><v>10 1 2</v><v>1 20 3</v><v>2 3 30</v></varray>
  <energy><i name="e_fr_energy">{energy}</i><i name="e_0_energy">0</i></energy>
 </calculation>
"""
ELECTRONIC = '<scstep><energy><i name="e_fr_energy">-9.5</i><i name="e_0_energy">-9.25</i></energy></scstep>'
END = "</modeling>\n"


def vasprun(steps: int = 3, loops: int = 2, pressure: float = 0.0) -> str:
    made = [
        STEP.format(electronic=ELECTRONIC * loops, z=0.5 + 0.01 * k, force=0.1 * k, energy=-10.0 - k)
        for k in range(steps)
    ]
    return HEAD.format(pressure=pressure) + "".join(made) + END


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch) -> None:
    """A cache of this test alone."""
    monkeypatch.setenv("ATOMSCAPE_CACHE", str(tmp_path / "cache"))


def test_steps_units_and_signs(tmp_path) -> None:
    (tmp_path / "vasprun.xml").write_text(vasprun())
    store = load(tmp_path / "vasprun.xml")
    assert store.ids == ["0", "1", "2"]
    np.testing.assert_allclose(store.values("energy"), [-9.75, -10.75, -11.75])
    np.testing.assert_allclose(store[1].labels["forces"], [[0, 0, 0.1], [0, 0, -0.1]])
    expected = -KBAR * np.array([[10, 1, 2], [1, 20, 3], [2, 3, 30]])
    np.testing.assert_allclose(store[0].labels["stress"][0], expected)
    np.testing.assert_allclose(expected[0, 0], -GPA)
    np.testing.assert_allclose(store[2].positions[1], [2.0, 2.0, 2.6])
    assert store[0].formulas() == ["CuO"]
    assert store.values("converged").tolist() == [1, 1, 1]
    free = load(tmp_path / "vasprun.xml", Reading(keys={"energy": "free_energy"}))
    np.testing.assert_allclose(free.values("energy"), [-10, -11, -12])


def test_work_against_a_pressure_is_no_energy(tmp_path) -> None:
    (tmp_path / "vasprun.xml").write_text(vasprun(1, pressure=100.0))
    np.testing.assert_allclose(load(tmp_path / "vasprun.xml").values("energy"), [-9.75 - 10 * GPA * 80])


def test_unconverged_steps_have_no_labels(tmp_path) -> None:
    text = vasprun(2).replace(ELECTRONIC * 2, ELECTRONIC * 4, 1)
    (tmp_path / "vasprun.xml").write_text(text)
    store = load(tmp_path / "vasprun.xml")
    assert store.values("converged").tolist() == [0, 1]
    assert np.isnan(store.values("energy")).tolist() == [True, False]
    assert store[0].labels["forces"].isnan().all()


@pytest.mark.parametrize("packed", [False, True])
def test_a_killed_calculation_keeps_its_whole_steps(tmp_path, packed) -> None:
    text = vasprun(3)
    cut = text[: text.rindex('<varray name="forces">')].encode()
    path = tmp_path / ("vasprun.xml.gz" if packed else "vasprun.xml")
    path.write_bytes(gzip.compress(cut)[:-3] if packed else cut)
    assert len(load(path)) == 2
    (tmp_path / "vasprun_2.xml").write_text(text[: text.index('<varray name="forces">')])
    with pytest.raises(ValueError, match="no ionic step is complete"):
        load(tmp_path / "vasprun_2.xml")


def test_folders_of_calculations(tmp_path) -> None:
    """Each folder is one calculation; its POSCAR and CONTCAR are not read besides its results."""
    for name in ("b/relax", "a", "c"):
        folder = tmp_path / "runs" / name
        folder.mkdir(parents=True)
        (folder / "vasprun.xml").write_text(vasprun(2))
        ase.io.write(folder / "POSCAR", ase.Atoms("Cu", cell=[3, 3, 3], pbc=True), format="vasp")
        (folder / "OUTCAR").write_text("not looked at")
    (tmp_path / "runs" / "c" / "vasprun.xml").write_text(vasprun(1))
    store = load(tmp_path / "runs")
    assert store.ids == ["a/0", "a/1", "b/relax/0", "b/relax/1", "c"]


def example() -> Path:
    return Path(ase.__file__).parent / "test" / "testdata" / "vasp" / "OUTCAR_example_1"


@pytest.mark.skipif(not example().is_file(), reason="this ASE comes without its test data")
def test_outcar_as_ase_reads_it(tmp_path) -> None:
    (tmp_path / "OUTCAR").write_bytes(example().read_bytes())
    store = load(tmp_path / "OUTCAR")
    (expected,) = ase.io.read(example(), ":", format="vasp-out")
    np.testing.assert_allclose(store.values("energy"), [expected.get_potential_energy()])
    np.testing.assert_allclose(store[0].labels["forces"], expected.get_forces())
    np.testing.assert_allclose(store[0].labels["stress"][0], expected.get_stress(voigt=False))
    assert store.values("converged").tolist() == [1]
    text = example().read_text()
    (tmp_path / "OUTCAR").write_text(text.replace("because EDIFF is reached", "EDIFF was not reached"))
    unconverged = load(tmp_path / "OUTCAR")
    assert unconverged.values("converged").tolist() == [0]
    (tmp_path / "OUTCAR").write_text(text[: len(text) // 2])
    with pytest.raises(ValueError, match="no ionic step is complete"):
        load(tmp_path / "OUTCAR")
