"""SMILES get the same conformer every time; what cannot be read is said with its line."""

from __future__ import annotations

import numpy as np
import pytest

from atomscape.data.convert import convert_any
from atomscape.data.load import load
from atomscape.data.reading import Reading

pytest.importorskip("rdkit")
TABLE = "name,smiles,solubility,remark\nethanol,CCO,0.5,ok\nbroken,C1CC,0.1,bad\nbenzene,c1ccccc1,-1.5,\n"


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch) -> None:
    """A cache of this test alone."""
    monkeypatch.setenv("ATOMSCAPE_CACHE", str(tmp_path / "cache"))


def test_table_with_a_broken_row(tmp_path) -> None:
    (tmp_path / "t.csv").write_text(TABLE)
    with pytest.raises(ValueError, match=r"line 3: SMILES 'C1CC' cannot be read; skip_unreadable=True"):
        load(tmp_path / "t.csv")
    store = load(tmp_path / "t.csv", Reading(skip_unreadable=True))
    assert store.ids == ["ethanol", "benzene"]
    assert store[:].formulas() == ["C2H6O", "C6H6"]
    np.testing.assert_allclose(store.values("solubility"), [0.5, -1.5])
    assert any("t.csv, line 3" in line for line in store.card.columns)
    done = convert_any(tmp_path / "t.csv", tmp_path / "out.parquet", Reading(skip_unreadable=True))
    assert done.structures == 2
    assert len(done.skipped) == 1


def test_conformers_are_molecules_and_repeat(tmp_path) -> None:
    """C–O of ethanol is 1.43 Å, benzene is flat, and a second reading gives the same bits."""
    (tmp_path / "m.smi").write_text("CCO ethanol\nc1ccccc1 benzene\n[CH3] methyl\n[NH4+]\n")
    first = load(tmp_path / "m.smi")
    x = first[0].positions
    assert float((x[1] - x[2]).norm()) == pytest.approx(1.42, abs=0.03)
    ring = first[1].positions.numpy()
    assert np.linalg.svd(ring - ring.mean(0))[1][-1] < 0.05
    assert first.values("total_spin").tolist() == [1, 1, 2, 1]
    assert first.values("total_charge").tolist() == [0, 0, 0, 1]
    assert first.ids == ["ethanol", "benzene", "methyl", "3"]
    (tmp_path / "again").mkdir()
    (tmp_path / "again" / "n.smi").write_text((tmp_path / "m.smi").read_text())
    np.testing.assert_array_equal(
        load(tmp_path / "again" / "n.smi").values("positions"), first.values("positions")
    )


def test_sdf_is_read_as_it_stands(tmp_path) -> None:
    from rdkit import Chem
    from rdkit.Chem import rdDistGeom

    molecule = Chem.AddHs(Chem.MolFromSmiles("CO"))
    rdDistGeom.EmbedMolecule(molecule, randomSeed=1)
    molecule.SetProp("_Name", "methanol")
    molecule.SetProp("boiling", "64.7")
    with Chem.SDWriter(str(tmp_path / "m.sdf")) as writer:
        writer.write(molecule)
    store = load(tmp_path / "m.sdf")
    assert store.ids == ["methanol"]
    np.testing.assert_allclose(store.values("positions"), molecule.GetConformer().GetPositions(), atol=1e-4)
    assert store.values("boiling").tolist() == [64.7]


def test_other_tables_are_not_molecules(tmp_path) -> None:
    (tmp_path / "t.csv").write_text("a,b\n1,2\n")
    with pytest.raises(ValueError, match=r"t\.csv cannot be read"):
        load(tmp_path / "t.csv")
