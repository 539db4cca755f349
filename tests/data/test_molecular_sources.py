"""Molecules and liquids by name: published formats from hand-made files, and physics of the real ones."""

from __future__ import annotations

import gzip
import io
import tarfile
import zipfile
from pathlib import Path

import ase
import ase.io
import numpy as np
import pytest
from ase.calculators.singlepoint import SinglePointCalculator

from atomscape.atoms.structures import Structures
from atomscape.data.load import load
from atomscape.data.named import find_source
from atomscape.data.sources import md17, rmd17
from atomscape.data.trajectories import trajectory
from atomscape.units import DEBYE, HARTREE, KCAL_PER_MOL


@pytest.fixture(scope="module")
def own_cache(tmp_path_factory):
    """A cache folder of these tests alone."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("ATOMSCAPE_CACHE", str(tmp_path_factory.mktemp("cache")))
        yield


def read(name: str, folder: Path) -> Structures:
    return Structures.concatenate(find_source(name).read(folder))


def splits(name: str, folder: Path) -> dict[str, list[int]]:
    return {k: list(map(int, v)) for k, v in find_source(name).splits(folder).items()}


def arrays(rng, frames: int, atoms: int = 3) -> dict[str, np.ndarray]:
    """A trajectory as sGDML publishes it."""
    return {
        "z": np.array([8, 1, 1][:atoms]),
        "R": rng.normal(size=(frames, atoms, 3)),
        "E": rng.normal(size=(frames, 1)) - 97_000.0,
        "F": rng.normal(size=(frames, atoms, 3)),
        "name": np.array("water"),
    }


def frame(rng, energy: float, periodic: bool = False) -> ase.Atoms:
    """Carbon monoxide with energy and forces."""
    atoms = ase.Atoms("CO", rng.normal(size=(2, 3)), cell=[9.0] * 3 if periodic else None, pbc=periodic)
    atoms.calc = SinglePointCalculator(atoms, energy=energy, forces=rng.normal(size=(2, 3)))
    return atoms


def assert_kcal(s: Structures, given: dict[str, np.ndarray]) -> None:
    np.testing.assert_allclose(s.positions.reshape(given["R"].shape), given["R"])
    np.testing.assert_allclose(s.labels["energy"], given["E"][:, 0] * KCAL_PER_MOL, rtol=1e-13)
    np.testing.assert_allclose(s.labels["forces"].reshape(given["F"].shape), given["F"] * KCAL_PER_MOL)
    assert not s.pbc.any()


def test_md17_as_published(tmp_path, rng) -> None:
    given = arrays(rng, 5)
    np.savez(tmp_path / "md17_ethanol.npz", **given)
    s = read("md17:ethanol", tmp_path)
    assert_kcal(s, given)
    assert s.ids == tuple(f"ethanol/{k}" for k in range(5))
    assert s.formulas() == ["H2O"] * 5
    assert splits("md17:ethanol", tmp_path) == {}


@pytest.mark.parametrize("packed", [True, False], ids=["zip", "unpacked"])
def test_md17_coupled_cluster_has_a_split(tmp_path, rng, packed) -> None:
    halves = {"train": arrays(rng, 3), "test": arrays(rng, 2)}
    for half, given in halves.items():
        np.savez(tmp_path / f"toluene_ccsd_t-{half}.npz", **given)
    if packed:
        with zipfile.ZipFile(tmp_path / "toluene_ccsd_t.zip", "w") as archive:
            for half in ("test", "train"):
                archive.write(tmp_path / f"toluene_ccsd_t-{half}.npz", f"data/toluene_ccsd_t-{half}.npz")
                (tmp_path / f"toluene_ccsd_t-{half}.npz").unlink()
    joined = {key: np.concatenate([halves["train"][key], halves["test"][key]]) for key in "REF"}
    assert_kcal(read("md17:toluene_ccsd_t", tmp_path), joined)
    assert splits("md17:toluene_ccsd_t", tmp_path) == {"train": [0, 1, 2], "test": [3, 4]}


def test_md17_archive_of_something_else(tmp_path) -> None:
    with zipfile.ZipFile(tmp_path / "aspirin_ccsd.zip", "w") as archive:
        archive.writestr("readme.txt", "nothing")
    with pytest.raises(ValueError, match=r"aspirin_ccsd.zip holds .*readme.txt.*expected one"):
        read("md17:aspirin_ccsd", tmp_path)


def test_trajectories_that_do_not_fit_together(rng) -> None:
    given = arrays(rng, 4)
    with pytest.raises(ValueError, match=r"water: energy has shape \(3, 1\); \(4,\) would fit"):
        list(trajectory(given["z"], given["R"], {"energy": given["E"][:3]}, "water"))
    with pytest.raises(ValueError, match="3 atoms"):
        list(trajectory(given["z"][:2], given["R"], {"energy": given["E"]}, "water"))
    parts = list(trajectory(given["z"], given["R"], {"forces": given["F"]}, "water", size=3))
    assert [p.ids for p in parts] == [("water/0", "water/1", "water/2"), ("water/3",)]


def rmd17_members(rng) -> tuple[dict[str, np.ndarray], dict[str, bytes]]:
    given = arrays(rng, 6)
    renamed = {"z": "nuclear_charges", "R": "coords", "E": "energies", "F": "forces"}
    buffer = io.BytesIO()
    np.savez(buffer, **{renamed[k]: v[:, 0] if k == "E" else v for k, v in given.items() if k in renamed})
    members = {"rmd17/npz_data/rmd17_salicylic.npz": buffer.getvalue()}
    for k, (split, member) in enumerate(rmd17.SPLITS.items()):
        members[member] = b"\n".join(b"%d" % r for r in ((k, 5) if "train" in split else (k - 1,))) + b"\n"
    return given, members


@pytest.mark.parametrize("packed", [True, False], ids=["archive", "unpacked"])
def test_rmd17_as_published(tmp_path, rng, packed) -> None:
    given, members = rmd17_members(rng)
    if packed:
        with tarfile.open(tmp_path / rmd17.ARCHIVE, "w:bz2") as tar:
            for name, content in members.items():
                info = tarfile.TarInfo(name)
                info.size = len(content)
                tar.addfile(info, io.BytesIO(content))
    else:
        for name, content in members.items():
            (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
            (tmp_path / name).write_bytes(content)
    assert_kcal(read("rmd17:salicylic_acid", tmp_path), given)
    found = splits("rmd17:salicylic_acid", tmp_path)
    assert (found["train_01"], found["test_01"], found["train_03"]) == ([0, 5], [0], [4, 5])
    assert len(found) == 10
    assert find_source("rmd17:azobenzene").card.n_structures == 99_988


def test_rmd17_archive_without_the_molecule(tmp_path, rng) -> None:
    with tarfile.open(tmp_path / rmd17.ARCHIVE, "w:bz2"):
        pass
    with pytest.raises(ValueError, match=r"has no rmd17/npz_data/rmd17_uracil.npz"):
        read("rmd17:uracil", tmp_path)


@pytest.mark.parametrize("name", ["3bpa", "acac"])
def test_botnet_sets_as_published(tmp_path, rng, name) -> None:
    sets = [file for file in find_source(name).card.files if not file.startswith("iso")]
    for k, file in enumerate(sets):
        ase.io.write(tmp_path / file, [frame(rng, -10.0 * k - i) for i in range(k + 1)], format="extxyz")
    (iso,) = set(find_source(name).card.files) - set(sets)
    (tmp_path / iso).write_text(
        '1\nProperties=species:S:1:pos:R:3 config_type=isolated_atom energy=-13.5 pbc="F F F"\n'
        "H        0.00000000       0.00000000       0.00000000\n"
    )
    s, rows = read(name, tmp_path), splits(name, tmp_path)
    assert list(rows) == [*(file.removesuffix(".xyz") for file in sets), "isolated_atoms"]
    assert [len(r) for r in rows.values()] == [*range(1, len(sets) + 1), 1]
    assert s.ids[:3] == (f"{sets[0][:-4]}/0", f"{sets[1][:-4]}/0", f"{sets[1][:-4]}/1")
    assert s.labels["energy"][rows["isolated_atoms"]].tolist() == [-13.5]
    assert s.labels["isolated_atom"][rows["isolated_atoms"]].tolist() == [1.0]
    assert s.labels["energy"][rows[sets[2][:-4]]].tolist() == [-20.0, -21.0, -22.0]
    (tmp_path / sets[1]).unlink()
    assert find_source(name).inputs(tmp_path) == [], "half a download is no dataset"


def test_lips_as_published(tmp_path, rng) -> None:
    ase.io.write(tmp_path / "lips.xyz", [frame(rng, -5.0, True), frame(rng, -6.0, True)], format="extxyz")
    s = read("lips", tmp_path)
    assert s.ids == ("lips/0", "lips/1")
    assert s.labels["energy"].tolist() == [-5.0, -6.0]
    assert bool(s.pbc.all())


def test_a_column_that_is_not_there_is_told(tmp_path) -> None:
    ase.io.write(tmp_path / "lips.xyz", ase.Atoms("CO", [[0, 0, 0], [0, 0, 1.1]]), format="extxyz")
    with pytest.raises(ValueError, match=r"lips.xyz has no column 'energy' \(calculator\) for 'energy'"):
        read("lips", tmp_path)


WATER = """3\t\x20
Properties=species:S:1:pos:R:3:force:R:3 mu="-0.734398 -0.0 -0.040971" beta="14.553606 -0.0 0.184257 -0.0 \
10.77828 -0.0 0.184257 -0.0 5.6182 -0.0 10.77828 -0.0 10.77828 -0.0 0.601308 -0.0 0.601308 -0.0 0.184257 \
-0.0 5.6182 -0.0 0.601308 -0.0 5.6182 -0.0 0.941105" potential=-76.3489282585 pbc="T T T" alpha="9.812358 \
-0.0 0.019696 -0.0 10.287476 0.0 0.019696 0.0 9.460413" energy=-76.4323331647376 \
electro=-152.26521843207865\t\x20
O       0.06633400       0.00000000       0.00370100 \t 0.012403021498569089 0.0 0.0006959873213233936
H      -0.52638300      -0.76932700      -0.02936600 \t -0.00619902371615777 -0.0087297 -0.000346075265285975
H      -0.52638300       0.76932700      -0.02936600 \t -0.006199023716159324 0.0087297 -0.000346075265286655
"""


def test_water_of_the_published_record(tmp_path) -> None:
    (tmp_path / "water_monomers_1k_with_energies_and_gradients.xyz").write_text(WATER)
    s = read("tensors:water", tmp_path)
    assert not s.pbc.any(), "periodic flags without a cell are a slip of the file"
    np.testing.assert_allclose(float(s.labels["energy"]), -76.4323331647376 * HARTREE)
    np.testing.assert_allclose(s.labels["dipole"][0, 0], -0.734398 * 0.529177210544)
    stretched = s.positions[1] - s.positions[0]
    assert float(s.labels["forces"][1] @ stretched) < 0, "the force on H of a stretched bond points to O"
    beta = s.labels["hyperpolarizability"][0]
    np.testing.assert_allclose(beta, beta.permute(1, 0, 2))
    np.testing.assert_allclose(beta, beta.permute(0, 2, 1))


def force_rms(s: Structures) -> float:
    return float(s.labels["forces"].square().mean().sqrt())


@pytest.mark.real
def test_three_unit_systems_of_md17_tell_the_same_physics(real_data, own_cache) -> None:
    """Energies are those of the molecule in any method; thermal forces are alike, and add up to nothing."""
    real_data("md17")
    sets = {name: load(f"md17:{name}")[:] for name in md17.EXCERPTS}
    assert {name: len(s) for name, s in sets.items()} == {
        "ethanol": 2000, "ethanol_ccsd_t": 1000, "aspirin_ccsd": 1000,
    }  # fmt: skip
    mean = {name: float(s.labels["energy"].mean()) for name, s in sets.items()}
    assert mean["ethanol"] == pytest.approx(-154.9 * HARTREE, rel=2e-3)
    assert mean["ethanol_ccsd_t"] == pytest.approx(-154.7 * HARTREE, rel=2e-3)
    assert mean["aspirin_ccsd"] == pytest.approx(-647.4 * HARTREE, rel=2e-3)
    for name, s in sets.items():
        assert 1.0 < force_rms(s) < 1.4, name
        totals = s.labels["forces"].reshape(len(s), -1, 3).sum(1)
        assert float(totals.abs().max()) < 2e-2, name
        assert 0.1 < float(s.labels["energy"].std()) < 0.5, name
    assert force_rms(sets["ethanol"]) == pytest.approx(force_rms(sets["ethanol_ccsd_t"]), rel=0.06)


def nearest_pairs(s: Structures, n: int) -> list[tuple[int, int]]:
    """Frames of one trajectory that differ least, after the centre is put at rest."""
    x = s.positions.reshape(len(s), -1, 3)
    x = (x - x.mean(1, keepdim=True)).flatten(1).numpy()
    apart = np.linalg.norm(x[:, None] - x[None], axis=-1) + np.eye(len(x)) * 1e9
    order = np.argsort(apart, axis=None)[: 2 * n : 2]
    return [(int(k // len(x)), int(k % len(x))) for k in order]


@pytest.mark.real
@pytest.mark.parametrize("name", ["md17:ethanol", "md17:ethanol_ccsd_t"])
def test_forces_are_slopes_of_the_energy(real_data, own_cache, name) -> None:
    """Between near frames dE ≈ −mean(F)·dx: this ties the units of energies, forces and positions."""
    real_data("md17")
    s = load(name)[:1000]
    x, F = (v.reshape(len(s), -1, 3) for v in (s.positions, s.labels["forces"]))
    dE, work = [], []
    for a, b in nearest_pairs(s, 40):
        dE.append(float(s.labels["energy"][b] - s.labels["energy"][a]))
        work.append(float(-((F[a] + F[b]) / 2 * (x[b] - x[a])).sum()))
    slope = np.dot(dE, work) / np.dot(work, work)
    assert slope == pytest.approx(1.0, abs=0.1)


@pytest.mark.real
def test_real_3bpa(real_data, own_cache) -> None:
    real_data("3bpa")
    store = load("3bpa")
    assert {k: len(v) for k, v in store.splits.items()} == {
        "train_300K": 500, "train_mixedT": 500, "isolated_atoms": 4,
    }  # fmt: skip
    cold, mixed = (store[store.split(name)] for name in ("train_300K", "train_mixedT"))
    assert set(cold.formulas()) == {"C12H12N2O"}
    atoms = store[store.split("isolated_atoms")]
    alone = dict(zip(atoms.numbers.tolist(), atoms.labels["energy"].tolist(), strict=True))
    bound = cold.labels["energy"].mean() - sum(alone[z] for z in cold[0].numbers.tolist())
    assert -5.3 < float(bound) / 27 < -4.5, "atomization energy per atom of an organic molecule, eV"
    assert float(mixed.labels["energy"].std()) > 2 * float(cold.labels["energy"].std()), "hotter is wider"


@pytest.mark.real
def test_real_lips(real_data, own_cache) -> None:
    real_data("lips")
    s = load("lips")[:]
    assert len(s) == 160
    assert s.formulas()[0] == "Li27P12S44"
    assert float(s.labels["forces"].reshape(160, 83, 3).sum(1).abs().max()) < 5e-2
    density = 27 * 6.94 + 12 * 30.974 + 44 * 32.06
    assert float(density * 1.66053907 / s.volume.mean()) == pytest.approx(1.9, abs=0.15), "g/cm³"


@pytest.mark.real
def test_charge_and_spin_decide_the_energy(real_data, own_cache) -> None:
    real_data("charge_spin")
    silver, carbene = (load(f"charge_spin:{name}")[:] for name in ("ag3", "carbene"))
    assert len(silver) == len(carbene) == 2200
    charge = silver.labels["total_charge"]
    assert set(charge.tolist()) == {-1.0, 1.0}
    assert set(silver.labels["total_spin"].tolist()) == {1.0}, "47·3 ∓ 1 electrons pair up"
    gap = silver.labels["energy"][charge > 0].mean() - silver.labels["energy"][charge < 0].mean()
    assert 10 < float(gap) < 25, "two electrons are bound by about an ionization energy and an affinity"
    spin = carbene.labels["total_spin"]
    assert set(spin.tolist()) == {1.0, 3.0}
    electrons = carbene.numbers.reshape(-1, 3).sum(1)
    assert bool(((electrons + spin) % 2 == 1).all()), "an even number of electrons has odd 2S + 1"
    assert bool(((silver.numbers.reshape(-1, 3).sum(1) - charge + 1) % 2 == 1).all())
    for s in (silver, carbene):
        assert float(s.labels["forces"].reshape(len(s), 3, 3).sum(1).abs().max()) < 1e-4
        assert s.labels["dipole"].shape == (2200, 3)


@pytest.mark.real
def test_real_water_has_the_dipole_and_polarizability_of_water(real_data, own_cache) -> None:
    real_data("tensor_properties")
    s = load("tensors:water")[:]
    assert len(s) == 1000
    mu = s.labels["dipole"]
    assert float(mu.norm(dim=1).mean()) == pytest.approx(1.855 * DEBYE, rel=0.03), "0.386 e·Å"
    alpha = s.labels["polarizability"]
    assert float((alpha - alpha.mT).abs().max()) < 1e-6
    relaxed = int(s.labels["energy"].argmin())
    assert float(alpha[relaxed].trace()) / 3 == pytest.approx(1.45, rel=0.03), "Å³, as measured"
    x = s.positions.reshape(1000, 3, 3)
    normal = (x[:, 1] - x[:, 0]).cross(x[:, 2] - x[:, 0], dim=1)
    assert float(((mu * normal).sum(1) / normal.norm(dim=1)).abs().max()) < 1e-5, "it lies in the plane"
    towards = (x[:, 1] + x[:, 2]) / 2 - x[:, 0]
    assert bool(((mu * towards).sum(1) > 0).all()), "from the negative oxygen to the positive hydrogens"


def _morse(x: np.ndarray) -> np.ndarray:
    """Bond lengths and angle of water in coordinates in which the surface is smooth."""
    a, b = x[1] - x[0], x[2] - x[0]
    ra, rb = np.linalg.norm(a), np.linalg.norm(b)
    ya, yb = 1 - np.exp(-2.2 * (ra - 0.96)), 1 - np.exp(-2.2 * (rb - 0.96))
    u = np.array([ya + yb, ya - yb, a @ b / ra / rb + 0.25])
    return np.array([
        u[0]**i * u[1]**j * u[2]**k for i in range(7) for j in range(0, 7 - i, 2) for k in range(7 - i - j)
    ])  # fmt: skip


@pytest.mark.real
def test_real_water_forces_are_minus_the_gradient(real_data, own_cache) -> None:
    """The column ``force`` is +∂E/∂x in Ha/a₀: a fit of the energy surface gives −1 for our forces."""
    real_data("tensor_properties")
    s = load("tensors:water")[:]
    E, x = s.labels["energy"].numpy(), s.positions.reshape(-1, 3, 3).numpy()
    low = np.flatnonzero(E.min() + 0.8 > E)
    fit = np.linalg.lstsq(np.array([_morse(x[k]) for k in low]), E[low] - E.min(), rcond=1e-10)[0]
    F = s.labels["forces"].reshape(-1, 3, 3).numpy()
    h, found, expected = 1e-4, [], []
    for k in low[:25]:
        for step in h * np.eye(9).reshape(9, 3, 3):
            found.append((_morse(x[k] + step) - _morse(x[k] - step)) @ fit / (2 * h))
        expected += (-F[k]).ravel().tolist()
    slope = np.dot(found, expected) / np.dot(expected, expected)
    assert slope == pytest.approx(1.0, abs=0.01)


@pytest.mark.real
def test_real_qm7x_polarizability(real_data, own_cache) -> None:
    real_data("tensor_properties")
    s = load("tensors:qm7x_polarizability")[:]
    assert len(s) == 100
    alpha = s.labels["polarizability"]
    assert float((alpha - alpha.mT).abs().max()) < 1e-6
    heavy = s.structure[s.numbers > 1].bincount(minlength=len(s))
    per_heavy = alpha.diagonal(dim1=1, dim2=2).sum(1) / 3 / heavy
    assert float(per_heavy.min()) > 1.2, "Å³ per C, N, O, S with its hydrogens"
    assert float(per_heavy.max()) < 2.6


@pytest.mark.real
def test_packed_files_and_plain_ones_give_the_same(real_data, own_cache, tmp_path) -> None:
    """``3bpa`` from unpacked copies under the published names reads the same frames."""
    folder = real_data("3bpa")
    plain = gzip.decompress((folder / "train_300K.xyz.gz").read_bytes())
    for file in find_source("3bpa").card.files:
        (tmp_path / file).write_bytes(plain if not file.startswith("iso") else (folder / file).read_bytes())
    there, here = read("3bpa", tmp_path), load("3bpa")
    assert len(there) == 8 * 500 + 4
    first = here[here.split("train_300K")]
    np.testing.assert_array_equal(there[:500].positions, first.positions)
    np.testing.assert_array_equal(there[:500].labels["energy"], first.labels["energy"])
