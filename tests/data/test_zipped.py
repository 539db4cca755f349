"""Crystals from members of zip files, copies and archives of repositories; what is left out is counted."""

from __future__ import annotations

import re
import zipfile
from pathlib import Path

import numpy as np
import pytest
import torch

from atomscape.atoms.structures import Structures
from atomscape.data import zipped
from atomscape.data.cif_symmetry import operation
from atomscape.data.density import with_density
from atomscape.data.load import load
from atomscape.data.sources import carbon_duplicates, cod_crystals, frameworks, symmetry

P1 = """data_a
_cell_length_a 10.0
_cell_length_b 10.0
_cell_length_c 5.0
_cell_angle_alpha 90
_cell_angle_beta 90
_cell_angle_gamma 90
_symmetry_space_group_name_H-M 'P 1'
loop_
_symmetry_equiv_pos_as_xyz
 'x,y,z'
loop_
_atom_site_label
_atom_site_type_symbol
_atom_site_fract_x
_atom_site_fract_y
_atom_site_fract_z
C1 C 0.1 0.2 0.3
O1 O 0.5 0.5 0.5
"""
FCC = P1.replace("10.0", "3.6").replace("5.0", "3.6").replace("P 1", "F m -3 m")
FCC = FCC.replace("loop_\n_symmetry_equiv_pos_as_xyz\n 'x,y,z'\n", "").split("C1 C")[0] + "Cu1 Cu 0 0 0\n"
HALF = FCC.replace("_atom_site_fract_z\n", "_atom_site_fract_z\n_atom_site_occupancy\n").replace(
    "0 0 0", "0 0 0 0.5"
)


def archive(path: Path, members: dict[str, str]) -> Path:
    with zipfile.ZipFile(path, "w") as file:
        for name, text in members.items():
            file.writestr(name, text)
    return path


def test_members_become_structures_with_ids(tmp_path) -> None:
    path = archive(
        tmp_path / "a.zip", {"r-1/x/b.cif": FCC, "r-1/x/a.cif": P1, "r-1/README": "no", "r-1/x/c.cif": HALF}
    )
    pattern = r"(?:.*/)?x/(?P<id>[^/]+)\.cif"
    s = Structures.concatenate(zipped.read_zip(path, pattern, "cif"))
    assert s.ids == ("a", "b")
    assert s.formulas() == ["CO", "Cu4"]
    np.testing.assert_allclose(s[0].positions.numpy(), [[1.0, 2.0, 1.5], [5.0, 5.0, 2.5]])
    left = zipped.left_out(path, pattern, "cif")
    assert list(left) == ["c"]
    assert "disordered" in left["c"]


def test_what_is_no_archive(tmp_path) -> None:
    (tmp_path / "text.zip").write_text("not a zip file")
    with pytest.raises(ValueError, match=r"text.zip is not a zip file"):
        next(zipped.read_zip(tmp_path / "text.zip", r"(?P<id>.*)", "cif"))
    path = archive(tmp_path / "a.zip", {"a.cif": P1})
    with pytest.raises(ValueError, match=r"has no member like .*; it has \['a.cif'\]"):
        next(zipped.read_zip(path, r"(?P<id>.*)\.xyz", "cif"))


def test_archives_of_the_repositories(tmp_path) -> None:
    top = "CURATED-COFs-fddfde12e43787755e99be9238058fba475ca048"
    archive(tmp_path / frameworks.COFS_ARCHIVE, {f"{top}/cifs/05000N2.cif": P1, f"{top}/README.md": "x"})
    raspa = {
        "structures/mofs/cif/M.cif": P1,
        "structures/zeolites/cif/Z.cif": FCC,
        "structures/mofs/x.def": "",
    }
    archive(tmp_path / frameworks.RASPA_ARCHIVE, {f"RASPA2-6498ab/{k}": v for k, v in raspa.items()})
    archive(
        tmp_path / cod_crystals.ARCHIVE,
        {"crystals-7adea/elements/Cu-Copper.cif": FCC, "crystals-7adea/a.png": ""},
    )
    read = {
        k: Structures.concatenate(frameworks.parts[k].read(tmp_path)) for k in ("cofs", "mofs", "zeolites")
    }
    assert {k: (s.ids, s.formulas()) for k, s in read.items()} == {
        "cofs": (("05000N2",), ["CO"]), "mofs": (("M",), ["CO"]), "zeolites": (("Z",), ["Cu4"]),
    }  # fmt: skip
    copper = Structures.concatenate(cod_crystals.read(tmp_path))
    assert copper.ids == ("Cu-Copper",)
    np.testing.assert_allclose(float(copper.labels["density"]), 4 * 63.546 * 1.66053907 / 3.6**3, rtol=1e-6)
    np.testing.assert_allclose(float(copper.labels["volume_per_atom"]), 3.6**3 / 4)


def test_operations_of_the_file_count_not_those_of_its_group_elsewhere(tmp_path) -> None:
    """P2/m with the mirror at y = 1/4: other images than with the origin of the tables."""
    text = P1.replace("P 1", "P 1 2/m 1").replace(" 'x,y,z'\n", " x,y,z\n -x,y,-z\n x,1/2-y,z\n -x,.5-y,-z\n")
    (a,) = zipped.each_member(archive(tmp_path / "a.zip", {"a.cif": text}), r"(?P<id>a)\.cif", "cif")
    assert isinstance(a, Structures)
    assert a.formulas() == ["C4O2"]
    carbons = sorted(np.round(a.positions[a.numbers == 6].numpy() / [10, 10, 5], 6).tolist())
    assert carbons == [[0.1, 0.2, 0.3], [0.1, 0.3, 0.3], [0.9, 0.2, 0.7], [0.9, 0.3, 0.7]]
    rotation, translation = operation("-x+y, 1/2-x, z+0.25")
    assert rotation.tolist() == [[-1, 1, 0], [-1, 0, 0], [0, 0, 1]]
    assert translation.tolist() == [0.0, 0.5, 0.25]
    for wrong in ("x,y", "x,y,w", "x,,z", "x,y,z*2"):
        with pytest.raises(ValueError, match="is no symmetry operation"):
            operation(wrong)


def test_atoms_on_top_of_one_another_are_left_out(tmp_path) -> None:
    text = P1.replace("O1 O 0.5 0.5 0.5", "C2 C 0.1 0.2 0.35")
    (a,) = zipped.each_member(archive(tmp_path / "a.zip", {"a.cif": text}), r"(?P<id>a)\.cif", "cif")
    assert a == zipped.LeftOut("a", "two atoms are 0.25 Å apart")


POSCAR = """generated
1.0
 4.0 0.0 0.0
 0.0 4.0 0.0
 0.0 0.0 4.0
 1 1
Direct
 0.0 0.0 0.0 # Cs1
 0.5 0.5 0.5 # Cl1
"""


def test_poscars_with_and_without_elements(tmp_path) -> None:
    assert symmetry.read_poscar(POSCAR)[0].tolist() == [55, 17]
    plain = POSCAR.replace(" # Cs1", "").replace(" # Cl1", "")
    assert symmetry.read_poscar(plain)[0].tolist() == [1, 2]
    named = plain.replace(" 1 1\nDirect", "Na Cl\n 1 1\nCartesian")
    numbers, positions, _ = symmetry.read_poscar(named)
    assert numbers.tolist() == [11, 17]
    assert positions[1].tolist() == [0.5, 0.5, 0.5]
    many = plain.split(" 1 1")[0] + " 1" * 200 + "\nDirect\n" + " 0 0 0\n" * 200
    with pytest.raises(ValueError, match="200 kinds of atoms are more"):
        symmetry.read_poscar(many)
    with pytest.raises(ValueError, match="2 atoms has 1 positions"):
        symmetry.read_poscar(plain.rsplit("\n", 2)[0] + "\n")
    with pytest.raises(ValueError, match="not a POSCAR"):
        symmetry.read_poscar("hello")
    folder = "spglib-0c1fca6c/test/functional/python/data"
    members = {f"{folder}/cubic/POSCAR-221": POSCAR, f"{folder}/virtual_structure/POSCAR-99-221-05": plain}
    archive(tmp_path / symmetry.ARCHIVE, members | {f"{folder}/layer/POSCAR-78": "x"})
    s = Structures.concatenate(symmetry.read(tmp_path))
    assert s.ids == ("cubic.221", "virtual_structure.99-221-05")
    assert s.labels["space_group"].tolist() == [221.0, 99.0]


def test_what_is_left_out_is_on_the_card(tmp_path, monkeypatch) -> None:
    monkeypatch.setenv("ATOMSCAPE_DATA", str(tmp_path))
    monkeypatch.setenv("ATOMSCAPE_CACHE", str(tmp_path / "cache"))
    for folder in ("frameworks", "cod_crystals"):
        (tmp_path / folder).mkdir()
    archive(tmp_path / "frameworks" / frameworks.COFS, {"a.cif": P1, "b.cif": HALF, "c.cif": "?"})
    archive(tmp_path / "cod_crystals" / cod_crystals.PART, {"x/a.cif": FCC, "x/b.cif": HALF})
    half, broken = load("frameworks:cofs").card.columns
    assert re.fullmatch(r"left out: b: .*disordered.*", half)
    assert broken.startswith("left out: c: ")
    assert load("cod_crystals").card.columns == (half,)
    archive(tmp_path / "cod_crystals" / cod_crystals.PART, {"x/a.cif": FCC})
    assert load("cod_crystals").card.columns == ()


@pytest.mark.real
def test_real_frameworks(real_data) -> None:
    folder = real_data("frameworks")
    path = folder / frameworks.COFS
    cofs = list(zipped.each_member(path, r"(?P<id>20[^/]+)\.cif", "cif"))
    assert len(cofs) > 20
    assert [x.id for x in cofs if isinstance(x, zipped.LeftOut)] == ["20650N2"], "two atoms are 0.5 Å apart"
    assert sum(1 for _ in zipped.members(path, frameworks.MEMBERS["cofs"])) == 200
    counts = {"mofs": (71, 3), "zeolites": (36, 1), "ceramics": (25, 4)}
    for part, expected in counts.items():
        found = list(
            zipped.each_member(frameworks.parts[part].inputs(folder)[0], frameworks.MEMBERS[part], "cif")
        )
        kept = [x for x in found if isinstance(x, Structures)]
        assert (len(kept), len(found) - len(kept)) == expected, part
        s = with_density(Structures.concatenate(kept))
        assert bool((s.labels["density"] > 0.05).all())
        if part == "zeolites":
            silica = s[s.ids.index("FAU_SI")]
            assert silica.formulas() == ["O384Si192"]
            assert float(silica.labels["density"]) == pytest.approx(1.34, abs=0.01), "siliceous faujasite"


@pytest.mark.real
def test_real_cod(real_data) -> None:
    """Files that state their density agree with what is read: cells, symmetry and elements are right."""
    path = cod_crystals.inputs(real_data("cod_crystals"))[0]
    found = list(zipped.each_member(path, cod_crystals.MEMBER, "cif"))
    left = [x.why for x in found if isinstance(x, zipped.LeftOut)]
    assert (len(found), len(left)) == (400, 28)
    assert sum("disordered" in why for why in left) == 20
    assert sum("apart" in why for why in left) == 5
    s = with_density(Structures.concatenate(x for x in found if isinstance(x, Structures)))
    read = dict(zip(s.ids, s.labels["density"].tolist(), strict=True))
    compared = 0
    for match, text in zipped.members(path, cod_crystals.MEMBER):
        stated = re.search(r"^_exptl_crystal_density_diffrn\s+([\d.]+)", text, re.MULTILINE)
        if stated and match["id"] in read:
            assert read[match["id"]] == pytest.approx(float(stated[1]), rel=0.05), match["id"]
            compared += 1
    assert compared == 191


@pytest.mark.real
def test_real_symmetry_is_found_again(real_data) -> None:
    pytest.importorskip("spglib")
    from atomscape.data.space_group_settings import found_group

    s = Structures.concatenate(symmetry.read(real_data("symmetry")))
    assert len(s) == 783
    groups = s.labels["space_group"].int().tolist()
    assert len(set(groups)) > 220
    for k in range(0, len(s), 6):
        one = s[k]
        cell = one.cell[0].numpy()
        precision = 0.1 if one.ids[0].startswith("distorted") else 1e-5
        fractions = one.positions.numpy() @ np.linalg.inv(cell)
        assert found_group(cell, fractions, one.numbers.numpy(), precision) == groups[k], one.ids


@pytest.mark.real
def test_real_carbon_duplicates_are_one_crystal(real_data) -> None:
    s = Structures.concatenate(carbon_duplicates.read(real_data("carbon_duplicates")))
    assert len(s) == 350
    assert sorted(s.counts.unique().tolist()) == [6, 8, 10, 12, 14, 16]
    spread = s.labels["density"].max() - s.labels["density"].min()
    assert float(spread / s.labels["density"].mean()) < 5e-3
    assert {i.split("/")[0] for i in s.ids} == {"carbon"}
    assert torch.equal(s.numbers, torch.full_like(s.numbers, 6))
