"""Crystals by name: published formats from hand-made files, and the physics of the real ones."""

from __future__ import annotations

import csv
import gzip
import io
import itertools
import json
from pathlib import Path

import ase
import ase.build
import ase.io
import numpy as np
import pytest
import torch
from ase.calculators.singlepoint import SinglePointCalculator

from atomscape.atoms import transform
from atomscape.atoms.neighbours import neighbour_graph
from atomscape.atoms.structures import Structures
from atomscape.data import cdvae
from atomscape.data.files import read_frames
from atomscape.data.kbar import ORDERS, stress_from_kbar
from atomscape.data.known_columns import entries
from atomscape.data.load import load
from atomscape.data.matminer_tables import from_ieee_frame
from atomscape.data.named import find_source
from atomscape.data.sources import mlearn, nbmotaw
from atomscape.o3.cartesian import cartesian_tensor
from atomscape.units import GPA, KBAR, conversion_factor


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


def structure_json(element: str) -> dict:
    """A record as pymatgen writes it: two atoms in a monoclinic cell."""
    matrix = [[3.0, 0.0, 0.0], [0.0, 4.0, 0.0], [-1.0, 0.0, 5.0]]
    site = {"species": [{"element": element, "occu": 1}], "label": element, "properties": {}}
    sites = [{**site, "abc": abc} for abc in ([0.0, 0.0, 0.0], [0.5, 0.5, 0.25])]
    return {"@module": "pymatgen.core.structure", "lattice": {"matrix": matrix}, "sites": sites}


def record(element: str, group: str, key: str, energy: float) -> dict:
    outputs = {"energy": energy, "forces": [[0.1, 0, 0], [-0.1, 0, 0]], key: [1.0, 2.0, 3.0, 4.0, 5.0, 6.0]}
    return {"structure": structure_json(element), "group": group, "description": "", "outputs": outputs}


def test_stress_in_kbar_under_compression() -> None:
    six = np.array([1.0, 2.0, 3.0, 4.0, 5.0, 6.0])
    vasp, other = (stress_from_kbar(six, order) / -KBAR for order in ORDERS)
    np.testing.assert_allclose(vasp, [[1, 4, 6], [4, 2, 5], [6, 5, 3]])
    np.testing.assert_allclose(other, [[1, 4, 5], [4, 2, 6], [5, 6, 3]])


@pytest.mark.parametrize(
    ("element", "group", "order"),
    [("Ge", "Elastic", mlearn.VASP), ("Ge", "Surface", mlearn.OTHER), ("Cu", "Elastic", mlearn.OTHER),
     ("Li", "AIMD-NVT", mlearn.VASP)],
)  # fmt: skip
def test_mlearn_as_published(tmp_path, element, group, order) -> None:
    (tmp_path / element).mkdir()
    for file, n in (("training.json", 2), ("test.json", 1)):
        rows = [record(element, group, "virial_stress", -8.0 - k) for k in range(n)]
        (tmp_path / element / file).write_text(json.dumps(rows))
    s = read(f"mlearn:{element}", tmp_path)
    assert s.ids == (f"{element}-0", f"{element}-1", f"{element}-2")
    assert s.labels["energy"].tolist() == [-8.0, -9.0, -8.0]
    np.testing.assert_allclose(s.labels["stress"][0], stress_from_kbar(np.arange(1.0, 7), order))
    assert s.labels["forces"][:, 0].tolist() == [0.1, -0.1] * 3
    assert splits(f"mlearn:{element}", tmp_path) == {"train": [0, 1], "test": [2]}


def test_nbmotaw_as_published(tmp_path) -> None:
    for k, file in enumerate(nbmotaw.FILES):
        (tmp_path / file).write_text(json.dumps([record("Mo", "Mo", "stress", -20.0 - k)]))
    s, found = read("nbmotaw", tmp_path), splits("nbmotaw", tmp_path)
    assert len(s) == len(nbmotaw.FILES) == 30
    assert s.ids[0] == "Mo_AIMD/0"
    np.testing.assert_allclose(s.labels["stress"][3], stress_from_kbar(np.arange(1.0, 7), nbmotaw.ORDER))
    tests = [k for k, file in enumerate(nbmotaw.FILES) if file.endswith("_Test.json")]
    assert found["test"] == tests
    assert len(found["train"]) + len(tests) == 30
    assert found["Multinary_SQS"] == [nbmotaw.FILES.index("Multinary_SQS.json")]


def test_mad_as_published(tmp_path, rng) -> None:
    for part, subset, pbc in (
        ("train", "MC3D", True),
        ("val", "MC2D", (True, True, False)),
        ("test", "MC3D", True),
    ):
        atoms = ase.Atoms("NaCl", rng.uniform(0, 3, (2, 3)), cell=[6.0, 6.0, 9.0], pbc=pbc)
        stress = {"stress": np.arange(6.0) * 1e-3} if pbc is True else {}
        atoms.calc = SinglePointCalculator(atoms, energy=-3.0, forces=np.ones((2, 3)), **stress)
        atoms.info |= {"subset": subset, "split": part}
        ase.io.write(tmp_path / f"mad-{part}.xyz", atoms, format="extxyz")
    s = read("mad", tmp_path)
    assert s.ids == ("mad-train-0", "mad-val-0", "mad-test-0")
    assert splits("mad", tmp_path) == {"train": [0], "val": [1], "test": [2], "MC2D": [1], "MC3D": [0, 2]}
    assert bool(s.labels["stress"][1].isnan().all())
    np.testing.assert_allclose(s.labels["stress"][0, 0], [0, 5e-3, 4e-3])


def test_entries_of_headers(tmp_path) -> None:
    lines = ['split=train name="a b"', 'name="" resplit=no', ""]
    (tmp_path / "a.xyz").write_text("".join(f"1\n{line}\nH 0 0 0\n" for line in lines))
    assert entries(tmp_path / "a.xyz", "split") == ["train", "", ""]
    assert entries(tmp_path / "a.xyz", "name") == ["a b", "", ""]
    (tmp_path / "b.xyz").write_text("atoms\n")
    with pytest.raises(ValueError, match=r"b.xyz is no XYZ file: 'atoms'"):
        entries(tmp_path / "b.xyz", "name")


SHIELDED = """2
Lattice="5.0 0.0 0.0 0.0 5.0 0.0 0.0 0.0 5.0" \
Properties=species:S:1:pos:R:3:cs_iso:R:1:cs_tensor:R:9:forces:R:3 NAME={name} energy=-100.0 \
stress="1e-3 0.0 0.0 0.0 2e-3 0.0 0.0 0.0 3e-3" pbc="T T T"
C 0.0 0.0 0.0 2.0 1.0 2.0 3.0 4.0 5.0 6.0 7.0 8.0 0.0 0.1 0.0 -0.2
H 0.0 0.0 1.1 30.0 30.0 0.0 0.0 0.0 30.0 0.0 0.0 0.0 30.0 -0.1 0.0 0.2
"""


def test_shiftml_as_published(tmp_path) -> None:
    for part, names in (("train", "AB"), ("val", "A"), ("test", "C")):
        (tmp_path / f"{part}.xyz").write_text("".join(SHIELDED.format(name=name) for name in names))
    s = read("shiftml", tmp_path)
    assert s.ids == ("A/0", "B/1", "A/2", "C/3"), "frames of one crystal share its code"
    assert splits("shiftml", tmp_path) == {"train": [0, 1], "val": [2], "test": [3]}
    assert s.labels["shielding"][0].tolist() == [[1.0, 2.0, 3.0], [4.0, 5.0, 6.0], [7.0, 8.0, 0.0]]
    assert s.labels["isotropic_shielding"][:2].tolist() == [2.0, 30.0]
    np.testing.assert_allclose(s.labels["stress"][0].diagonal(), [1e-3, 2e-3, 3e-3])


DIELECTRIC = '''# ref: Petousis et al., Sci. Data 4, 160134 (2017).
idx,band_gap,e_electronic,e_total,meta,n,poly_electronic,poly_total,pot_ferroelectric
0,1.88,"[[3.44115795, -3.097e-05, -6.276e-05], [-2.837e-05, 3.44128161, 5.599e-05], [-6.005e-05, 5.293e-05, \
3.44131853]]","[[6.23414745, -0.00035252, -9.796e-05], [-0.00034992, 6.23541287, 2.481e-05], [-9.525e-05, \
2.175e-05, 6.23520681]]","{u'nsites': 3, u'material_id': u'mp-441', u'poscar': u'Rb2 Te1\\n1.0\\n5.271776 \
0.000000 3.043661\\n1.757259 4.970278 3.043661\\n0.000000 0.000000 6.087323\\nRb Te\\n2 1\\ndirect\\n\
0.250000 0.250000 0.250000 Rb\\n0.750000 0.750000 0.750000 Rb\\n0.000000 0.000000 0.000000 Te\\n', \
u'structure': u"""#CIF1.1"""}",1.86,3.44,6.23,False
'''


def test_dielectric_table_as_published(tmp_path, real_data, own_cache) -> None:
    (tmp_path / "dielectric_constant.csv").write_text(DIELECTRIC.replace('u"""#CIF1.1"""', "u'#CIF1.1'"))
    s = read("tensors:dielectric", tmp_path)
    assert s.ids == ("mp-441",)
    assert s.formulas() == ["Rb2Te"]
    assert float(s.labels["refractive_index"]) == 1.86
    real_data("tensor_properties")
    packed = load("tensors:dielectric")[0]
    torch.testing.assert_close(s.labels["dielectric"], packed.labels["dielectric"], atol=1e-7, rtol=0)
    torch.testing.assert_close(s.cell, packed.cell, atol=1e-6, rtol=0)
    torch.testing.assert_close(s.positions, packed.positions, atol=1e-5, rtol=0)


@pytest.mark.real
@pytest.mark.parametrize("name", ["perov_5", "carbon_24"])
def test_cdvae_tables_say_the_same_as_the_packed_lines(real_data, own_cache, tmp_path, name) -> None:
    """The published val and test files read as CSV, crystal by crystal."""
    folder = real_data(name)
    for part in cdvae.PARTS:
        file = folder / f"official_{'val' if part == 'train' else part}.csv.gz"
        rows = list(csv.reader(io.StringIO(gzip.decompress(file.read_bytes()).decode())))
        with (tmp_path / f"{part}.csv").open("w", newline="") as few:
            csv.writer(few).writerows(rows[:121])
    store = load(name)
    test = read(name, tmp_path)[120:]
    packed = store[store.rows_of(test.ids)]
    assert set(store.rows_of(test.ids[:120])) <= set(store.split("val"))
    assert set(store.rows_of(test.ids[120:])) <= set(store.split("test"))
    assert test.counts.tolist() == packed.counts.tolist()
    for label in test.labels.keys() - {"formation_energy"}:
        np.testing.assert_allclose(test.labels[label], packed.labels[label], rtol=1e-12, err_msg=label)
    torch.testing.assert_close(test.volume, packed.volume, rtol=1e-6, atol=0)
    rows = splits(name, tmp_path)
    assert rows == {"train": [*range(120)], "val": [*range(120, 240)], "test": [*range(240, 360)]}


@pytest.mark.real
def test_real_perov_5(real_data, own_cache) -> None:
    real_data("perov_5")
    store = load("perov_5")
    assert {k: len(v) for k, v in store.splits.items()} == {"train": 11_356, "val": 3_787, "test": 3_785}
    s = store[:]
    assert set(s.counts.tolist()) == {5}
    matbench, published = s.labels["formation_energy"], s.labels["heat_all"]
    assert int((~matbench.isnan()).sum()) == 18_918
    differ = (matbench - published)[~(matbench - published).isnan()]
    assert float(differ.abs().median()) < 1e-6
    assert float(differ.max()) < 1e-3
    assert float(differ.min()) == pytest.approx(-0.124)
    known = ~s.labels["gap"].isnan()
    assert bool((s.labels["gap"][known] <= s.labels["direct_gap"][known] + 1e-9).all())


@pytest.mark.real
def test_real_carbon_24(real_data, own_cache) -> None:
    real_data("carbon_24")
    store = load("carbon_24")
    assert {k: len(v) for k, v in store.splits.items()} == {"train": 6_091, "val": 2_032, "test": 2_030}
    s = store[:]
    assert set(s.numbers.tolist()) == {6}
    assert (int(s.counts.min()), int(s.counts.max())) == (6, 24)
    per_atom = s.labels["energy"] / s.counts
    assert int((~per_atom.isnan()).sum()) == 4_062
    spread = per_atom[~per_atom.isnan()]
    assert float(spread.max() - spread.min()) < 1.0, "the lowest tenth of a structure search, eV/atom"
    densest = (s.volume / s.counts)[~per_atom.isnan()][int(spread.argmin())]
    assert float(densest) == pytest.approx(5.5, abs=0.2), "diamond at 10 GPa, Å³/atom"


LATTICES = {"Cu": (3.621, 3), "Ni": (3.508, 3), "Mo": (3.168, 3), "Si": (5.469, 2), "Ge": (5.763, 2)}
"""DFT lattice constants in Å of Zuo 2020 and the cells along each edge of the supercells."""
BULK_MODULI = {"Cu": 146, "Ni": 198, "Mo": 262, "Si": 95, "Ge": 71}
"""DFT bulk moduli in GPa of the same paper."""


def largest_force(s: Structures) -> torch.Tensor:
    """Largest component of a force in each structure."""
    largest = s.labels["forces"].abs().amax(1).numpy()
    return torch.from_numpy(np.maximum.reduceat(largest, s.offsets[:-1].numpy()))


def uniaxial(s: Structures) -> tuple[Structures, torch.Tensor]:
    """Perfect supercells stretched along one axis at most, and their edges [structures, 3] in Å."""
    edges = s.cell.diagonal(dim1=1, dim2=2)
    straight = (s.cell - torch.diag_embed(edges)).abs().flatten(1).amax(1) < 1e-3
    calm = largest_force(s) < 1.0
    common = s.counts == s.counts.mode().values
    kept = straight & calm & common
    edges, kept_rows = edges[kept], kept.nonzero().squeeze(1)
    one = ((edges - edges.median(0).values).abs() > 1e-3).sum(1) <= 1
    return s[kept_rows[one]], edges[one]


@pytest.mark.real
@pytest.mark.parametrize("element", LATTICES)
def test_lattice_constants_and_bulk_moduli_from_stresses(real_data, own_cache, element) -> None:
    """Stresses of uniaxially strained cells, expanded to second order, give the published DFT values."""
    real_data("mlearn")
    s, edges = uniaxial(load(f"mlearn:{element}")[:])
    a0 = float(edges.median())
    strain = (edges / a0 - 1).numpy()
    small = np.abs(strain).max(1) < 0.065
    e, sigma = strain[small], s.labels["stress"].diagonal(dim1=1, dim2=2).numpy()[small] / GPA
    rows, values = [], []
    for k, i in itertools.product(range(len(e)), range(3)):
        others = np.delete(e[k], i)
        rows.append([1.0, e[k, i], others.sum(), e[k, i] ** 2, (others**2).sum()])
        values.append(sigma[k, i])
    (rest, C11, C12, *_), *_ = np.linalg.lstsq(np.array(rows), np.array(values), rcond=None)
    bulk = (C11 + 2 * C12) / 3
    a, cells = LATTICES[element]
    assert a0 / cells * (1 - rest / (3 * bulk)) == pytest.approx(a, rel=5e-3)
    assert bulk == pytest.approx(BULK_MODULI[element], rel=0.1)
    assert C11 > C12 > 0


@pytest.mark.real
@pytest.mark.parametrize("element", LATTICES)
def test_stress_is_the_slope_of_the_energy(real_data, own_cache, element) -> None:
    """Along each axis the energy changes by V σ dε, up to a constant pressure: the basis is incomplete."""
    real_data("mlearn")
    s, edges = uniaxial(load(f"mlearn:{element}")[:])
    for i in range(3):
        others = np.delete(edges.numpy(), i, axis=1)
        along = np.flatnonzero(np.abs(others - np.median(edges)).max(1) < 1e-3)
        L, first = np.unique(np.log(edges[along, i].numpy()).round(6), return_index=True)
        rows = along[first]
        slope = (s.volume * s.labels["stress"][:, i, i])[rows].numpy()
        steps = (slope[1:] + slope[:-1]) / 2 * np.diff(L)
        work = np.concatenate([[0.0], np.cumsum(steps)])
        E = s.labels["energy"][rows].numpy()
        (factor, rest, _), *_ = np.linalg.lstsq(np.stack([work, L, np.ones_like(L)], 1), E, rcond=None)
        assert factor == pytest.approx(1.0, abs=0.04), f"axis {i}"
        above = -rest / float(s.volume.median()) / GPA
        assert above == pytest.approx(mlearn.PULAY.get(element, 0.0), abs=0.1)


@pytest.mark.real
@pytest.mark.parametrize("name", ["mlearn:Cu", "mlearn:Mo", "mlearn:Si", "mlearn:Ge", "nbmotaw"])
def test_shear_stresses_answer_to_the_shear_of_their_own_plane(real_data, own_cache, name) -> None:
    real_data(name.partition(":")[0])
    store = load(name)
    s = store[:] if ":" in name else store[store.split("W_Elastic")]
    s = s[(largest_force(s) < 1.0) & (s.counts == s.counts.mode().values)]
    edge = float(s.volume.median() ** (1 / 3))
    strain = (s.cell / edge + (s.cell / edge).mT) / 2 - torch.eye(3).double()
    i, j = [0, 0, 1], [1, 2, 2]
    sheared = (strain[:, i, j].abs().amax(1) > 1e-3) & (strain.abs().flatten(1).amax(1) < 0.12)
    s, strain = s[sheared], strain[sheared]
    assert len(s) >= 10
    both = torch.cat([strain[:, i, j], s.labels["stress"][:, i, j]], 1)
    correlation = torch.corrcoef(both.T)[:3, 3:]
    assert float(correlation.diagonal().min()) > 0.95
    assert float((correlation - torch.diag(correlation.diagonal())).abs().max()) < 0.2


def pair_virials(s: Structures, cutoff: float, functions: int = 14) -> tuple[float, torch.Tensor]:
    """Fit a pair potential to the forces; how much of them it explains, and its stress tensors."""
    graph = neighbour_graph(s, cutoff)
    r = graph.vectors.norm(dim=1)
    u = graph.vectors / r[:, None]
    at = torch.linspace(1.8, cutoff, functions).double()
    f = torch.exp(-(((r[:, None] - at) / (at[1] - at[0])) ** 2)) * (1 - r[:, None] / cutoff) ** 2
    forces = (
        torch.zeros(s.n_atoms, 3, functions).double().index_add_(0, graph.centre, -u[:, :, None] * f[:, None])
    )
    owner = s.structure[graph.centre]
    pairs = torch.einsum("ei,ej,ek->eijk", graph.vectors, u, f)
    virial = torch.zeros(len(s), 3, 3, functions).double().index_add_(0, owner, pairs)
    F = s.labels["forces"].flatten()
    weights = torch.linalg.lstsq(forces.flatten(0, 1), F[:, None], rcond=1e-9, driver="gelsd").solution[:, 0]
    explained = 1 - float((F - forces.flatten(0, 1) @ weights).square().sum() / F.square().sum())
    return explained, -(virial @ weights) / (2 * s.volume[:, None, None])


@pytest.mark.real
@pytest.mark.parametrize(
    ("element", "cutoff"), [("Cu", 5.0), ("Ni", 5.0), ("Mo", 5.0), ("Li", 6.0), ("Si", 5.0), ("Ge", 5.0)]
)
def test_dynamics_have_their_shear_stresses_in_place(real_data, own_cache, element, cutoff) -> None:
    """A pair potential that explains the forces predicts each shear stress, and its own only."""
    real_data("mlearn")
    s = load(f"mlearn:{element}")[:]
    hot = s[((largest_force(s) > 0.3) & (s.counts >= 53)).nonzero().squeeze(1)]
    hot = hot[:: max(1, len(hot) // 40)]
    explained, predicted = pair_virials(hot, cutoff)
    assert explained > 0.8
    i, j = [0, 0, 1], [1, 2, 2]
    both = torch.cat([-predicted[:, i, j], hot.labels["stress"][:, i, j]], 1)
    correlation = torch.corrcoef(both.T)[:3, 3:].abs()
    assert float(correlation.diagonal().min()) > 0.75
    assert bool((correlation.argmax(1) == torch.arange(3)).all())


@pytest.mark.real
def test_real_mlearn_counts_and_rest(real_data, own_cache) -> None:
    real_data("mlearn")
    counts = {
        "Ni": (263, 31),
        "Cu": (262, 31),
        "Li": (241, 29),
        "Mo": (194, 23),
        "Si": (214, 25),
        "Ge": (228, 25),
    }
    for element, expected in counts.items():
        store = load(f"mlearn:{element}")
        assert tuple(len(v) for v in store.splits.values()) == expected, element
        s = store[:]
        totals = torch.zeros(len(s), 3).double().index_add_(0, s.structure, s.labels["forces"])
        assert float(totals.abs().max()) < 2e-2, element
    cohesive = load("mlearn:Li")[:]
    per_atom = cohesive.labels["energy"] / cohesive.counts
    assert -1.95 < float(per_atom.median()) < -1.75, "bcc lithium, eV/atom"


@pytest.mark.real
def test_real_nbmotaw(real_data, own_cache) -> None:
    real_data("nbmotaw")
    store = load("nbmotaw")
    assert len(store) == 5282
    assert {len(v) for k, v in store.splits.items() if k.endswith("_SS")} == {658}
    for element, a in {"Mo": 3.17, "Nb": 3.32, "Ta": 3.32, "W": 3.19}.items():
        s = store[store.split(f"{element}_Elastic")]
        pressure = -s.labels["stress"].diagonal(dim1=1, dim2=2).mean(1)
        edge = float((s.volume / s.counts * 2)[int(pressure.abs().argmin())] ** (1 / 3))
        assert edge == pytest.approx(a, rel=0.01), "bcc, PBE, Å"
        assert float(torch.corrcoef(torch.stack([pressure, s.volume]))[0, 1]) < -0.9, "compressed is positive"


@pytest.mark.real
def test_real_mad(real_data, own_cache) -> None:
    real_data("mad_sample")
    store = load("mad")
    assert {k: len(v) for k, v in store.splits.items()} == {
        "val": 900, "MC3D": 401, "MC3D-random": 45, "MC3D-rattled": 359, "SHIFTML-molcrys": 95,
    }  # fmt: skip
    assert len(store.card.elements) == 84
    s = store[:]
    totals = torch.zeros(len(s), 3).double().index_add_(0, s.structure, s.labels["forces"])
    assert float(totals.abs().max()) < 2e-2
    assert not s.labels["stress"].isnan().any()
    relaxed, rattled = (
        store[store.split(k)].labels["forces"].square().mean() for k in ("MC3D", "MC3D-rattled")
    )
    assert float(rattled) > 100 * float(relaxed)


@pytest.mark.real
def test_real_shieldings(real_data, own_cache) -> None:
    real_data("shiftml_nmr")
    s = load("shiftml")[:]
    assert len(s) == 100
    shielding, isotropic = s.labels["shielding"], s.labels["isotropic_shielding"]
    trace = shielding.diagonal(dim1=1, dim2=2).sum(1) / 3
    torch.testing.assert_close(trace, isotropic, atol=0.01, rtol=0)
    hydrogen, carbon = isotropic[s.numbers == 1], isotropic[s.numbers == 6]
    assert 24 < float(hydrogen.median()) < 31, "ppm, bare proton at 0"
    assert float(hydrogen.max() - hydrogen.min()) < 45
    assert -60 < float(carbon.min()) < float(carbon.max()) < 200
    content = cartesian_tensor("ij").to_irreps(shielding)
    assert float(content[:, 1:4].norm()) > 0.01 * float(content.norm()), "shieldings are not symmetric"


@pytest.mark.real
def test_real_permittivities(real_data, own_cache) -> None:
    real_data("tensor_properties")
    s = load("tensors:dielectric")[:]
    assert len(s) == 1056
    total, electronic = s.labels["dielectric"], s.labels["dielectric_electronic"]
    asymmetry = (total - total.mT).abs().flatten(1).amax(1)
    assert int((asymmetry > 0.1).sum()) == 1
    eigenvalues = torch.linalg.eigvalsh((electronic + electronic.mT) / 2)
    assert float(eigenvalues.min()) > 1.0, "matter polarizes along the field"
    n = (electronic.diagonal(dim1=1, dim2=2).sum(1) / 3).sqrt()
    off = (n - s.labels["refractive_index"]).abs()
    assert float(off.median()) < 0.006
    more = total.diagonal(dim1=1, dim2=2).sum(1) - electronic.diagonal(dim1=1, dim2=2).sum(1)
    assert float((more > -1e-3).double().mean()) > 0.99, "ions add to the response"


def operations(crystal: Structures) -> torch.Tensor:
    """Cartesian parts of the crystal's space group, [operations, 3, 3]."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SPGLIB_OLD_ERROR_HANDLING", "false")
        spglib = pytest.importorskip("spglib", reason="space groups need spglib: pip install '.[crystals]'")
        return _operations(spglib, crystal)


def _operations(spglib, crystal: Structures) -> torch.Tensor:
    cell = crystal.cell[0].numpy()
    fractions = crystal.positions.numpy() @ np.linalg.inv(cell)
    found = spglib.get_symmetry_dataset((cell, fractions, crystal.numbers.numpy()), symprec=1e-3)
    turns = np.unique(found.rotations, axis=0)
    left, _, right = np.linalg.svd(cell.T @ turns @ np.linalg.inv(cell.T))
    return torch.from_numpy(left @ right)


@pytest.mark.real
@pytest.mark.parametrize(
    ("part", "label", "above"), [("piezoelectric", "piezoelectric", 0.97), ("dielectric", "dielectric", 0.97)]
)
def test_tensors_are_invariant_under_their_crystals_operations(
    real_data, own_cache, part, label, above
) -> None:
    """Turning the crystal with its labels by one of its own operations changes nothing."""
    real_data("tensor_properties")
    s = load(f"tensors:{part}")[:]
    s = s[~s.labels[label].flatten(1).isnan().any(1)][::8]
    kept = []
    for crystal in s:
        Q = operations(crystal)
        value = crystal.labels[label]
        mean = torch.stack([transform.rotated(crystal, q).labels[label] for q in Q]).mean(0)
        kept.append(float((mean - value).norm()) <= 0.03 * float(value.norm()) + 1e-9)
    assert np.mean(kept) > above


@pytest.mark.real
def test_real_piezoelectric_tensors(real_data, own_cache) -> None:
    real_data("tensor_properties")
    s = load("tensors:piezoelectric")[:]
    e = s.labels["piezoelectric"]
    assert int((~e.flatten(1).isnan().any(1)).sum()) == 765
    known = e[~e.flatten(1).isnan().any(1)]
    torch.testing.assert_close(known, known.transpose(2, 3), atol=1e-9, rtol=0)
    change = cartesian_tensor("ijk=ikj")
    torch.testing.assert_close(change.to_cartesian(change.to_irreps(known)), known, atol=1e-9, rtol=0)
    largest = known.flatten(1).abs().amax(1) * conversion_factor("e/Å²", "C/m^2")
    assert 0.01 < float(largest.median()) < 2.0, "C/m²"


PIEZOELECTRIC = """# ref: de Jong et al., Sci. Data 2, 150053 (2015).
idx,eij_max,meta,piezoelectric_tensor,v_max,structure,poscar,formula,volume,space_group,point_group,nsites,material_id
0,0,0.091464,"{u'nsites': 2, u'material_id': u'mp-22925', u'poscar': u'Ag1 I1\\n1.0\\n4.066724 0.000000 \
2.347924\\n1.355575 3.834144 2.347924\\n0.000000 0.000000 4.695849\\nAg I\\n1 1\\ndirect\\n0.000000 0.000000 \
0.000000 Ag\\n0.250000 0.250000 0.250000 I\\n'}","[[0.0, 0.0, 0.0, -0.15842, 0.0, 0.0], [0.0, 0.0, 0.0, 0.0, \
-0.15842, 0.0], [0.0, 0.0, 0.0, 0.0, 0.0, -0.15842]]","[1.0, 1.0, 1.0]","#generated using pymatgen
data_AgI","Ag1 I1",AgI,73.2195833241,216.0,-43m,2.0,mp-22925
"""


def test_piezoelectric_table_as_published(tmp_path) -> None:
    pytest.importorskip("pymatgen", reason="the IEEE frame needs pymatgen: pip install '.[crystals]'")
    (tmp_path / "piezoelectric_tensor.csv").write_text(PIEZOELECTRIC)
    s = read("tensors:piezoelectric", tmp_path)
    assert (s.ids, s.formulas()) == (("mp-22925",), ["AgI"])
    e = s.labels["piezoelectric"][0] * conversion_factor("e/Å²", "C/m^2")
    assert float(e.norm()) == pytest.approx(0.15842 * 6**0.5), "e_14 alone, in any frame"
    assert float(e[0, 0, 0].abs()) == pytest.approx(0.1293494, abs=1e-6), (
        "it is turned into the structure's frame"
    )
    mean = torch.stack([transform.rotated(s, q).labels["piezoelectric"] for q in operations(s)]).mean(0)
    torch.testing.assert_close(mean, s.labels["piezoelectric"], atol=1e-6, rtol=0)


@pytest.mark.real
def test_tensors_leave_the_ieee_frame_as_the_packed_ones_did(real_data) -> None:
    pytest.importorskip("pymatgen", reason="the IEEE frame needs pymatgen: pip install '.[crystals]'")
    path = real_data("tensor_properties") / "piezo_941.extxyz.gz"
    for image in itertools.islice(read_frames(path), 0, None, 12):
        found = from_ieee_frame(image, np.array(image.info["piezo_ieee_voigt"]).reshape(3, 6))
        assert bool(np.isfinite(found).all()) == bool(image.info["frame_ok"]), image.info["material_id"]
        if image.info["frame_ok"]:
            np.testing.assert_allclose(found.ravel(), image.info["piezo_cart"], atol=1e-8)


def test_a_crystal_with_a_centre_has_no_piezoelectricity() -> None:
    """The mean over rock salt's operations leaves nothing of rank three, and a multiple of 1 of rank two."""
    rocksalt = ase.build.bulk("NaCl", "rocksalt", a=5.6)
    crystal = Structures.of(rocksalt.positions, rocksalt.numbers, rocksalt.cell.array, True)
    g = torch.Generator().manual_seed(0)
    piezo = cartesian_tensor("ijk=ikj").to_cartesian(torch.randn(1, 18, generator=g, dtype=torch.float64))
    epsilon = cartesian_tensor("ij=ji").to_cartesian(torch.randn(1, 6, generator=g, dtype=torch.float64))
    crystal = crystal.with_labels(piezoelectric=piezo, dielectric=epsilon)
    turned = [transform.rotated(crystal, q).labels for q in operations(crystal)]
    assert len(turned) == 48
    assert float(torch.stack([t["piezoelectric"] for t in turned]).mean(0).abs().max()) < 1e-12
    mean = torch.stack([t["dielectric"] for t in turned]).mean(0)[0]
    torch.testing.assert_close(mean, mean.trace() / 3 * torch.eye(3).double(), atol=1e-12, rtol=0)


@pytest.mark.real
def test_real_moduli(real_data, own_cache) -> None:
    real_data("tensor_properties")
    s = load("tensors:elasticity")[:]
    assert len(s) == 3953
    bulk, shear = (s.labels[f"{kind}_modulus"] / GPA for kind in ("bulk", "shear"))
    assert float(bulk.max()) < 500
    assert float(bulk.min()) > 0
    assert float((bulk > shear).double().mean()) > 0.9
    assert len(set(s.ids)) == 3953
