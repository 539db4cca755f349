"""Named sources: every layout is read in the units of the house, and cards say what they must."""

from __future__ import annotations

import gzip
import io
import tarfile
from pathlib import Path

import ase.io
import numpy as np
import pytest
from ase.geometry import cellpar_to_cell

from atomscape.atoms.structures import Structures
from atomscape.data import cdvae
from atomscape.data.card import Card
from atomscape.data.cif import read_p1
from atomscape.data.load import load
from atomscape.data.named import find_source, source_names
from atomscape.data.packed import cells_from_parameters
from atomscape.data.source import Source, downloader
from atomscape.data.sources import materials_project, qm9
from atomscape.units import BOHR, DEBYE, HARTREE

METHANE = """5
gdb 1\t157.7118\t157.70997\t157.70699\t0.\t13.21\t-0.3877\t0.1171\t0.5048\t35.3641\t0.044749\t\
-40.47893\t-40.476062\t-40.475117\t-40.498597\t6.469\t
C\t-0.0126981359\t 1.0858041578\t 0.0080009958\t-0.535689
H\t 0.002150416\t-0.0060313176\t 0.0019761204\t 0.133921
H\t 1.0117308433\t 1.4637511618\t 0.0002765748\t 0.133922
H\t-0.540815069\t 1.4475266138\t-0.8766437152\t 0.133923
H\t-0.5238136345\t 1.4379326443\t 2.1997*^-6\t 0.133923
1341.307\t1341.3284\t1341.365\t1562.6731\t1562.7453\t3038.3205\t3151.6034\t3151.6788\t3151.7078
C\tC\t
InChI=1S/CH4/h1H4\tInChI=1S/CH4/h1H4
"""
WATER = """3
gdb 3\t799.58812\t437.90386\t282.94545\t1.8511\t6.31\t-0.2928\t0.0687\t0.3615\t19.0002\t\
0.021375\t-76.404702\t-76.401867\t-76.400922\t-76.422349\t6.002\t
O\t-0.0343604951\t 0.9775395708\t 0.0076015923\t-0.589706
H\t 0.0647664923\t 0.0205721989\t 0.0015346341\t 0.294853
H\t 0.8717903737\t 1.3007924048\t 0.0006931336\t 0.294853
1671.4222\t3803.6305\t3907.698
O\tO\t
InChI=1S/H2O/h1H2\tInChI=1S/H2O/h1H2
"""
DROPPED = "List of molecules\n-----\n index  SMILES\n   2   N   N   x\n-----\nend of list\n"


@pytest.fixture(scope="module")
def archive(tmp_path_factory) -> Path:
    """A folder as the publisher's, with three molecules of which one is on the list to drop."""
    folder = tmp_path_factory.mktemp("qm9")
    with tarfile.open(folder / qm9.ARCHIVE, "w:bz2") as tar:
        for k, text in enumerate((METHANE, METHANE.replace("gdb 1", "gdb 2"), WATER), start=1):
            info = tarfile.TarInfo(f"dsgdb9nsd_{k:06d}.xyz")
            info.size = len(text.encode())
            tar.addfile(info, io.BytesIO(text.encode()))
    (folder / qm9.DROPPED).write_text(DROPPED)
    return folder


@pytest.mark.parametrize("name", source_names())
def test_every_source_offers_what_a_source_must(name, tmp_path) -> None:
    source = find_source(name)
    assert isinstance(source, Source)
    card: Card = source.card
    assert card.name == name
    for field in ("title", "description", "licence", "citation", "level_of_theory", "verified", "properties"):
        assert getattr(card, field), f"{name}: the card has no {field}"
    assert card.licence != "unknown"
    has_address = bool(card.files) or downloader(source) is not None
    assert has_address or card.embedded or card.generated or card.folders or card.url, (
        "it is downloaded, it ships, it is made here, or it says where it is to be had"
    )
    assert bool(card.embedded) + bool(card.files) + card.generated <= 1
    for record in card.files.values():
        assert record.url.startswith(("https://", "http://www.quantum-machine.org/")), "that one has no other"
        stated = record.size, record.md5, record.sha256
        assert any(stated) == bool(record.stated_at), "what is stated says where"
    found = source.inputs(tmp_path)
    assert found == [] or card.generated, "an empty folder holds no layout"
    assert all(path.suffix == ".py" for path in found), "what is made is made by code"


def test_qm9_archive(archive) -> None:
    s = Structures.concatenate(qm9.read_archive(archive / qm9.ARCHIVE, archive / qm9.DROPPED, n_dropped=1))
    assert s.ids == ("gdb_1", "gdb_3")
    assert s.formulas() == ["CH4", "H2O"]
    assert s.positions[4].tolist() == [-0.5238136345, 1.4379326443, 2.1997e-6]
    assert not s.pbc.any()
    expected = {
        "dipole_norm": 1.8511 * DEBYE,
        "isotropic_polarizability": 6.31 * BOHR**3,
        "homo": -0.2928 * HARTREE,
        "lumo": 0.0687 * HARTREE,
        "gap": 0.3615 * HARTREE,
        "electronic_spatial_extent": 19.0002 * BOHR**2,
        "zero_point_energy": 0.021375 * HARTREE,
        "energy_zero_kelvin": -76.404702 * HARTREE,
        "internal_energy": -76.401867 * HARTREE,
        "enthalpy": -76.400922 * HARTREE,
        "free_energy": -76.422349 * HARTREE,
        "heat_capacity": 6.002 * 4.184 / 6.02214076e23 / 1.602176634e-19,
    }
    for name, value in expected.items():
        np.testing.assert_allclose(float(s.labels[name][1]), value, rtol=1e-12, err_msg=name)
    assert set(s.labels) == {p.name for p in qm9.card.properties}
    np.testing.assert_allclose(s.labels["charges"][5:].tolist(), [-0.589706, 0.294853, 0.294853])


def test_qm9_archive_in_small_batches(archive) -> None:
    parts = list(qm9.read_archive(archive / qm9.ARCHIVE, archive / qm9.DROPPED, n_dropped=1, size=1))
    assert [p.ids for p in parts] == [("gdb_1",), ("gdb_3",)]
    assert [p.labels["charges"].shape[0] for p in parts] == [5, 3]


def test_qm9_incomplete_list_is_refused(archive) -> None:
    with pytest.raises(ValueError, match="lists 1 molecules, expected 3054"):
        list(qm9.read(archive))


@pytest.mark.parametrize(
    "text", ["", "5\ngdb 1\t1.0\n", METHANE.replace("gdb", "xyz"), METHANE.replace("C\t-", "Xx\t-"), "water"]
)
def test_qm9_record_in_another_dialect(text) -> None:
    with pytest.raises(ValueError, match="not a QM9 record"):
        qm9.parse_record(text)


def test_cells_as_ase_makes_them(rng) -> None:
    lengths = rng.uniform(2, 20, (200, 3))
    angles = np.clip(rng.normal(90, 8, (200, 3)), 65, 115)
    angles[:50, 0] = 90.0
    angles[:20] = 90.0
    angles[20:40, 2] = 120.0
    parameters = np.concatenate([lengths, angles], axis=1)
    ours = cells_from_parameters(parameters)
    theirs = np.stack([np.asarray(cellpar_to_cell(p)) for p in parameters])
    np.testing.assert_allclose(ours, theirs, atol=1e-12)
    assert (ours[:20][:, ~np.eye(3, dtype=bool)] == 0.0).all(), "right angles are exact"


CIF = """# generated using pymatgen
data_GaTe
_symmetry_space_group_name_H-M   'P 1'
_cell_length_a   4.13459945
_cell_length_b   4.13459945
_cell_length_c   18.42557000
_cell_angle_alpha   90.00000000
_cell_angle_beta   90.00000000
_cell_angle_gamma   119.99999121
_symmetry_Int_Tables_number   1
_chemical_formula_sum   'Ga2 Te1'
loop_
 _symmetry_equiv_pos_site_id
 _symmetry_equiv_pos_as_xyz
  1  'x, y, z'
loop_
 _atom_site_type_symbol
 _atom_site_label
 _atom_site_symmetry_multiplicity
 _atom_site_fract_x
 _atom_site_fract_y
 _atom_site_fract_z
 _atom_site_occupancy
  Ga3+  Ga0  1  0.33333300  0.66666700  0.18295900  1
  Ga3+  Ga1  1  0.66666700  0.33333300  0.68295900  1
  Te2-  Te4  1  0.33333300  0.66666700  0.88620400  1
"""


def test_cif() -> None:
    numbers, fractions, parameters = read_p1(CIF)
    assert numbers.tolist() == [31, 31, 52]
    assert fractions[2].tolist() == [0.333333, 0.666667, 0.886204]
    assert parameters.tolist() == [4.13459945, 4.13459945, 18.42557, 90.0, 90.0, 119.99999121]


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("_cell_length_c   18.42557000\n", "", "no _cell parameter 'c'"),
        ("  1  'x, y, z'", "  1  'x, y, z'\n  2  '-x, -y, -z'", "symmetry operations"),
        ("0.88620400  1", "0.88620400  0.5", "partial occupancies"),
        ("Te2-", "Qq", "unknown element 'Qq'"),
        (" _atom_site_fract_z\n", "", "no loop with"),
        ("0.33333300  0.66666700  0.88620400  1", "0.33333300", "rows that do not fit"),
        ("18.42557000", "long", "could not convert"),
    ],
)
def test_cif_that_is_not_read(old, new, message) -> None:
    assert old in CIF
    with pytest.raises(ValueError, match=message):
        read_p1(CIF.replace(old, new))


def test_mp_csv_folder(tmp_path) -> None:
    labels = "formation_energy_per_atom,band_gap,pretty_formula,e_above_hull"
    head = f",material_id,{labels},elements,cif,spacegroup.number\n"
    for k, part in enumerate(cdvae.PARTS):
        rows = [f'{i},mp-{k}{i},-0.5,0.{k},Ga2Te,0.0{i},"[]","{CIF}",1\n' for i in range(k + 1)]
        (tmp_path / f"{part}.csv").write_text(head + "".join(rows))
    s = Structures.concatenate(materials_project.read(tmp_path))
    assert s.ids == ("mp-00", "mp-10", "mp-11", "mp-20", "mp-21", "mp-22")
    assert s.labels["gap"].tolist() == [0.0, 0.1, 0.1, 0.2, 0.2, 0.2]
    assert s.labels["energy_above_hull"].tolist() == [0.0, 0.0, 0.01, 0.0, 0.01, 0.02]
    assert bool(s.pbc.all())
    split = materials_project.splits(tmp_path)
    assert {k: v.tolist() for k, v in split.items()} == {"train": [0], "val": [1, 2], "test": [3, 4, 5]}
    (tmp_path / "val.csv").write_text(head + '0,mp-77,-0.5,0,GaTe,0,"[]","nothing",1\n')
    with pytest.raises(ValueError, match=r"val.csv, mp-77: CIF has no _cell parameter"):
        list(materials_project.read(tmp_path))


@pytest.mark.real
def test_mp_csv_on_official_rows_agrees_with_ase(real_data, tmp_path) -> None:
    packed = (real_data("materials_project") / "mp20_official_rows.csv.gz").read_bytes()
    (tmp_path / "rows.csv").write_bytes(gzip.decompress(packed))
    s = Structures.concatenate(materials_project.read_csv(tmp_path / "rows.csv"))
    rows = list(cdvae.csv_rows(tmp_path / "rows.csv"))
    assert len(s) == len(rows) == 1309
    for k in range(0, 1309, 25):
        a = ase.io.read(io.StringIO(rows[k]["cif"]), format="cif")
        assert isinstance(a, ase.Atoms)
        assert a.numbers.tolist() == s[k].numbers.tolist()
        apart = (s[k].positions.numpy() - a.positions) @ np.linalg.inv(np.asarray(a.cell))
        np.testing.assert_allclose(apart, np.rint(apart), atol=1e-6, err_msg="the same up to lattice vectors")
        np.testing.assert_allclose(s[k].cell[0].numpy(), np.asarray(a.cell), atol=1e-8)
        assert float(s.labels["formation_energy"][k]) == float(rows[k]["formation_energy_per_atom"])


@pytest.fixture(scope="module")
def own_cache(tmp_path_factory):
    """A cache folder of these tests alone."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("ATOMSCAPE_CACHE", str(tmp_path_factory.mktemp("cache")))
        yield


@pytest.mark.real
def test_real_qm9(real_data, own_cache) -> None:
    folder = real_data("qm9")
    store = load("qm9")
    assert len(store) == 123_742
    assert store.card.elements == ("H", "C", "N", "O")
    methane, water = store[store.rows_of(["gdb_1", "gdb_3"])]
    np.testing.assert_allclose(float(methane.labels["gap"]), 0.5048 * HARTREE, rtol=1e-12)
    np.testing.assert_allclose(float(water.labels["energy_zero_kelvin"]), -76.404702 * HARTREE, rtol=1e-12)
    # Means of the whole set, fluorine included: 6.86 eV, 2.67 D, 75.3 bohr³, -6.53 eV.
    means = {
        "gap": 6.86,
        "dipole_norm": 2.67 * DEBYE,
        "isotropic_polarizability": 75.3 * BOHR**3,
        "homo": -6.53,
    }
    for name, mean in means.items():
        np.testing.assert_allclose(store.values(name).mean(), mean, rtol=0.01, err_msg=name)
    published = ase.io.read(folder / "qm9_reduced_100.xyz", index=":", format="extxyz")
    energies, found = store.values("energy_zero_kelvin"), 0
    for a in published[:20]:
        for row in np.flatnonzero(np.isclose(energies, a.info["U0"] * HARTREE, rtol=0, atol=1e-7)):
            s = store[int(row)]
            np.testing.assert_allclose(s.positions.numpy(), a.positions, atol=1e-6)
            np.testing.assert_allclose(float(s.labels["dipole_norm"]), a.info["mu"] * DEBYE, atol=1e-12)
            found += 1
    assert found >= 15, "most of the published excerpt is in the packed file"
    again = load("qm9")
    assert again.folder == store.folder, "converted once"
    assert {k: len(v) for k, v in store.splits.items()} == {"train": 108_219, "val": 9_843, "test": 5_680}
    store.verify()


@pytest.mark.real
def test_real_materials_project(real_data, own_cache) -> None:
    real_data("materials_project")
    store = load("materials_project")
    assert len(store) == 64_486
    labelled = store[store.split("mp20")]
    assert len(labelled) == 32_432
    assert int(labelled.counts.max()) <= 20
    assert not labelled.labels["formation_energy"].isnan().any()
    iridate = store[store.rows_of(["mp-754844"])]
    assert iridate.formulas() == ["Ir2Na4O6"]
    assert bool((labelled.volume > 5).all())


@pytest.mark.real
@pytest.mark.parametrize(("dataset", "file", "label"), [
    ("qm9", "qm9_5k", "gap"), ("materials_project", "mp_5k", "formation_energy"),
])  # fmt: skip
def test_committed_splits_fit_the_real_data(real_data, own_cache, dataset, file, label) -> None:
    from atomscape.data.splits import index_file_split

    real_data(dataset)
    store = load(dataset)
    path = Path(__file__).parents[2] / "experiments" / "splits" / f"{file}.json"
    split = index_file_split(path, store)
    assert {k: len(v) for k, v in split.items()} == {"train": 5000, "val": 1000, "test": 3000}
    for rows in split.values():
        assert np.isfinite(store.values(label)[rows]).all()
