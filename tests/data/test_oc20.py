"""OC20: relaxations and published S2EF files; what is fixed does not move, what is relaxed feels no force."""

from __future__ import annotations

import io
import json
import lzma
import tarfile

import ase.io
import numpy as np
import pytest
import torch
from ase import Atoms
from ase.build import add_adsorbate, fcc111
from ase.calculators.singlepoint import SinglePointCalculator
from ase.constraints import FixAtoms

from atomscape.atoms.structures import Structures
from atomscape.data.sources import oc20


def slab(k: int) -> Atoms:
    """A slab with an adsorbate in the columns of the published files; energy −10 − k, forces k in x."""
    atoms = fcc111("Cu", (2, 2, 3), vacuum=6.0)
    add_adsorbate(atoms, "O", 1.5, "fcc")
    atoms.set_tags([0] * 8 + [1] * 4 + [2])
    atoms.set_constraint(FixAtoms(range(8)))
    atoms.info.clear()
    forces = np.zeros((13, 3))
    forces[:, 0] = k
    atoms.calc = SinglePointCalculator(atoms, energy=-10.0 - k, forces=forces)
    return atoms


def pair(frames: list[Atoms], lines: list[str]) -> tuple[bytes, bytes]:
    text = io.StringIO()
    for atoms in frames:
        ase.io.write(
            text, atoms, format="extxyz", columns=["symbols", "positions", "tags", "move_mask", "forces"]
        )
    return lzma.compress(text.getvalue().encode()), lzma.compress("\n".join(lines).encode())


def published(path, pairs: dict[str, tuple[bytes, bytes]]) -> None:
    with tarfile.open(path, "w") as tar:
        for name, contents in pairs.items():
            for suffix, content in zip((".extxyz.xz", ".txt.xz"), contents, strict=True):
                info = tarfile.TarInfo(f"s2ef_train_200K/s2ef_train_200K/{name}{suffix}")
                info.size = len(content)
                tar.addfile(info, io.BytesIO(content))


LINES = ["random7,frame0,-9.5", "random7,frame31,-9.5", "random12,frame2,-3.0"]


def assert_published(s: Structures) -> None:
    assert s.ids == ("random7/0", "random7/31", "random12/2")
    assert s.labels["energy"].tolist() == [-10.0, -11.0, -12.0]
    assert s.labels["adsorption_energy"].tolist() == [-0.5, -1.5, -9.0]
    assert s[1].labels["forces"][:, 0].tolist() == [1.0] * 13, "also of atoms that are held fixed"
    assert s[1].labels["fixed"].tolist() == [1.0] * 8 + [0.0] * 5
    assert s[2].labels["tags"].tolist() == [0.0] * 8 + [1.0] * 4 + [2.0]


def test_published_tar_and_folder(tmp_path) -> None:
    contents = {"10": pair([slab(2)], LINES[2:]), "9": pair([slab(0), slab(1)], LINES[:2])}
    published(tmp_path / oc20.TAR, contents)
    part = oc20.parts["s2ef"]
    assert part.inputs(tmp_path) == [tmp_path / oc20.TAR]
    assert_published(Structures.concatenate(part.read(tmp_path)))
    folder = tmp_path / "unpacked"
    folder.mkdir()
    with tarfile.open(tmp_path / oc20.TAR) as tar:
        tar.extractall(folder, filter="data")
    assert len(part.inputs(folder)) == 2
    assert_published(Structures.concatenate(part.read(folder)))


@pytest.mark.parametrize(
    ("pairs", "message"),
    [
        ({"0": pair([slab(0)], LINES[:2])}, "not equally many"),
        ({"0": pair([slab(0), slab(1)], LINES[:1])}, "not equally many"),
        ({"0": (lzma.compress(b"13\nwhat\nCu 0 0 0\n"), lzma.compress(b""))}, "ends within a frame of 13"),
    ],
)
def test_broken_pairs(tmp_path, pairs, message) -> None:
    published(tmp_path / oc20.TAR, pairs)
    with pytest.raises(ValueError, match=message):
        list(oc20.parts["s2ef"].read(tmp_path))


def test_frames_without_notes(tmp_path) -> None:
    (tmp_path / "0.extxyz.xz").write_bytes(pair([slab(0)], LINES[:1])[0])
    with pytest.raises(ValueError, match=r"0.extxyz.xz stands without 0.txt.xz"):
        list(oc20.parts["s2ef"].read(tmp_path))


def test_displacements_take_the_short_way() -> None:
    cell = 4.0 * np.eye(3)
    a = Structures.of([[0.1, 0, 0], [2.0, 2.0, 2.0]], [1, 2], cell, id="a")
    b = Structures.of([[3.9, 0, 0], [2.0, 2.5, 2.0]], [1, 2], cell, id="b")
    torch.testing.assert_close(
        oc20.displacements(a, b), torch.tensor([[-0.2, 0, 0], [0, 0.5, 0]], dtype=torch.float64)
    )
    with pytest.raises(ValueError, match="different atoms or cells"):
        oc20.displacements(a, Structures.of(b.positions, [1, 3], cell, id="c"))


@pytest.fixture(scope="module")
def folder(data_root):
    path = data_root / "oc20"
    if not path.exists():
        pytest.skip(f"real data: {path} does not exist")
    return path


@pytest.fixture(scope="module")
def frames(folder) -> Structures:
    return Structures.concatenate(oc20.parts["s2ef"].read(folder))


@pytest.mark.real
def test_real_relaxations(frames, folder) -> None:
    """Energies and forces of first and last frames are those of the list beside the files."""
    assert (len(frames), frames.n_atoms) == (4215, 317_144)
    assert bool(frames.labels["tags"].isnan().all()), "all 0 in the files: not known"
    listed = {row["sid"]: row for row in json.loads((folder / "is2re.json").read_text())}
    place = {name: k for k, name in enumerate(frames.ids)}
    systems = {name.split("/")[0] for name in frames.ids}
    assert len(systems) == 24
    for system in systems:
        row = listed[system]
        first, last = frames[place[f"{system}/0"]], frames[place[f"{system}/{row['frames'] - 1}"]]
        assert float(first.labels["energy"]) == row["E_initial"]
        assert float(last.labels["energy"]) == row["E_relaxed"]
        free = last.labels["fixed"] == 0
        largest = last.labels["forces"][free].norm(dim=1).max()
        assert float(largest) == pytest.approx(row["fmax_free_relaxed"], abs=1e-6)
        if row["frames"] < 200:
            assert float(largest) < 0.04, f"{system} is relaxed to 0.03 eV/Å"
        moved = (last.positions - first.positions)[~free]
        assert float(moved.abs().max()) < 1e-6, f"{system}: atoms held fixed do not move"


@pytest.mark.real
def test_real_energies_fall_along_relaxations(frames) -> None:
    energies = frames.labels["energy"].numpy()
    systems = np.array([name.split("/")[0] for name in frames.ids])
    for system in sorted(set(systems)):
        path = energies[systems == system]
        assert path[-1] < path[0]
        assert path.min() > path[-1] - 0.2


@pytest.mark.real
def test_real_tasks(frames, folder) -> None:
    is2re = Structures.concatenate(oc20.parts["is2re"].read(folder))
    is2rs = Structures.concatenate(oc20.parts["is2rs"].read(folder))
    assert len(is2re) == len(is2rs) == 24
    assert bool((is2re.labels["relaxed_energy"] < is2re.labels["energy"]).all())
    moved = is2rs.labels["displacements"].norm(dim=1)
    assert float(moved[is2rs.labels["fixed"] == 1].max()) < 1e-6
    assert 0.5 < float(moved.max()) < 5.0
    assert all(name.endswith("/0") for name in is2re.ids)


@pytest.mark.real
def test_real_toy_and_oxides(folder) -> None:
    toy = Structures.concatenate(oc20.parts["c3h8_cu"].read(folder))
    assert (len(toy), toy.formulas()[0]) == (101, "C3H8Cu27")
    assert int(toy[0].labels["fixed"].sum()) == 18
    assert toy[0].labels["tags"].long().bincount(minlength=3).tolist() == [18, 9, 11]
    oxides = Structures.concatenate(oc20.parts["oxides"].read(folder))
    assert len(oxides) == 295
    rutile = [k for k, name in enumerate(oxides.ids) if name.startswith("O4Sn2-0/")]
    energies, volumes = oxides.labels["energy"][rutile].numpy(), oxides.volume[rutile].numpy()
    assert len(rutile) == 10
    cubic = np.polynomial.Polynomial.fit(volumes, energies, 3).convert()
    inside = [
        v.real for v in cubic.deriv().roots() if abs(v.imag) < 1e-9 and volumes[0] < v.real < volumes[-1]
    ]
    (at,) = [v for v in inside if cubic.deriv(2)(v) > 0]
    modulus = at * cubic.deriv(2)(at) * 160.2176634
    assert 71.5 < at < 80.0, "SnO2 rutile is 71.5 Å³ in experiment; GGA is larger"
    assert 120 < modulus < 230, "GPa; experiment about 205"
