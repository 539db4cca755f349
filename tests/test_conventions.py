"""One test for each line of the page "Conventions"."""

from __future__ import annotations

import re
from pathlib import Path

import ase.units
import pytest
import torch
from ase.build import bulk
from ase.calculators.emt import EMT

from atomscape import units
from atomscape.atoms.ase import from_ase
from atomscape.atoms.neighbours import neighbour_graph
from atomscape.atoms.properties import PROPERTIES
from atomscape.atoms.structures import Structures
from atomscape.encoders import tfn
from atomscape.heads import scalar
from atomscape.learn.metrics import Errors, shown
from atomscape.o3.clebsch_gordan import clebsch_gordan
from atomscape.o3.harmonics import spherical_harmonics
from atomscape.o3.irreps import Irrep, Irreps
from atomscape.o3.rotation import random_rotation
from atomscape.o3.wigner import wigner_D
from atomscape.testing import cases


def test_units():
    """Å, eV, fs, e and what is made of them."""
    expected = {"energy": "eV", "forces": "eV/Å", "stress": "eV/Å³", "dipole": "e·Å", "charges": "e"}
    assert {name: PROPERTIES[name].unit for name in expected} == expected
    assert pytest.approx(ase.units.Hartree, rel=1e-7) == units.HARTREE
    assert pytest.approx(ase.units.Bohr, rel=1e-7) == units.BOHR
    assert pytest.approx(ase.units.Debye, rel=1e-7) == units.DEBYE
    assert pytest.approx(ase.units.GPa, rel=1e-7) == units.GPA
    assert units.convert(1.0, "ps", "fs") == 1000


def test_forces_and_stress():
    """Forces against displacement, stress positive when pulled, Voigt order outside and 3×3 inside."""
    copper = bulk("Cu", cubic=True)
    copper.set_cell(copper.cell.array * 1.03, scale_atoms=True)
    copper.positions[0, 1] += 0.1
    copper.calc = EMT()
    copper.get_stress()
    found = from_ase(copper)
    stress, force = found.labels["stress"][0], found.labels["forces"][0, 1]
    assert float(stress.diagonal().sum()) > 0
    torch.testing.assert_close(stress, stress.T)
    xx, yy, zz, yz, xz, xy = copper.get_stress().tolist()
    assert stress.flatten().tolist() == pytest.approx([xx, xy, xz, xy, yy, yz, xz, yz, zz], abs=1e-12)
    energies = []
    for step in (-1e-4, 1e-4):
        moved = copper.copy()
        moved.positions[0, 1] += step
        moved.calc = EMT()
        energies.append(moved.get_potential_energy())
    assert float(force) == pytest.approx(-(energies[1] - energies[0]) / 2e-4, abs=1e-6)
    assert float(force) < 0


def test_the_page_and_the_tests_agree():
    """Every test that the page names is here, and every test here is named on the page."""
    page = (Path(__file__).resolve().parent.parent / "docs" / "conventions.md").read_text(encoding="utf-8")
    here = {name for name in globals() if name.startswith("test_")} - {"test_the_page_and_the_tests_agree"}
    assert set(re.findall(r"`(test_\w+)`", page)) == here


def test_printed_units():
    """What people read is in meV and debye."""
    assert shown(0.1, "eV") == (100, "meV")
    assert shown(0.1, "eV/Å") == (100, "meV/Å")
    assert shown(0.1, "eV/atom") == (100, "meV/atom")
    value, unit = shown(1.0, "e·Å")
    assert (round(value, 3), unit) == (4.803, "D")


def test_energy_errors_are_per_structure_and_per_atom():
    """Labels are per structure; an error of 1 eV in water is 1/3 eV per atom."""
    errors = Errors(["data"], [PROPERTIES["energy"]])
    water = cases.water().with_labels(energy=torch.tensor([-10.0], dtype=torch.float64))
    errors.add({"energy": torch.tensor([-9.0], dtype=torch.float64)}, water, torch.tensor([0]))
    assert {m.unit: m.mae for m in errors.metrics()} == pytest.approx({"eV": 1.0, "eV/atom": 1 / 3})


def test_cell_rows():
    """Position = fractional coordinates times the matrix whose rows are lattice vectors."""
    cell = [[3.0, 0.0, 0.0], [1.0, 2.0, 0.0], [0.5, 0.5, 4.0]]
    crystal = cases.crystal([3], [[0.0, 1.0, 0.0]], cell)
    assert crystal.positions.tolist() == [[1.0, 2.0, 0.0]]
    assert crystal.cell[0, 1].tolist() == [1.0, 2.0, 0.0]
    slab = cases.crystal([3], [[0, 0, 0]], cell, (True, False, True))
    assert slab.cell[0, 1].tolist() == [0.0, 0.0, 0.0]


def test_one_structure_is_a_batch_of_one():
    """Atoms stand together, and a structure out of a batch is again a batch."""
    batch = Structures.concatenate([cases.water(), cases.fcc()])
    assert batch.structure.tolist() == [0, 0, 0, 1, 1, 1, 1]
    assert isinstance(batch[1], Structures)
    assert (len(batch[1]), batch[1].structure.tolist()) == (1, [0, 0, 0, 0])


def test_edge_vector():
    """Neighbour − centre, with the image that the shift names."""
    chain = cases.crystal([1, 2], [[0.0, 0, 0], [0.4, 0, 0]], 3 * torch.eye(3), (True, False, False))
    graph = neighbour_graph(chain, 2.0)
    found = {(int(i), int(j), int(s[0])): v.tolist() for i, j, s, v in _edges(graph)}
    assert found[(0, 1, 0)] == pytest.approx([1.2, 0, 0])
    assert found[(0, 1, -1)] == pytest.approx([-1.8, 0, 0])
    assert found[(1, 0, 1)] == pytest.approx([1.8, 0, 0])


def test_edges():
    """Sorted by centre, each pair from both ends, own images but not the atom itself."""
    graph = neighbour_graph(cases.one_atom_crystal(), 4.1)
    assert (graph.centre == 0).all()
    assert (graph.shift != 0).any(1).all()
    assert graph.n_edges == 12 + 6
    graph = neighbour_graph(cases.mixed_batch(), 4.0)
    assert (graph.centre.diff() >= 0).all()
    there = {(int(i), int(j), *s.tolist()) for i, j, s, _ in _edges(graph)}
    assert all((j, i, -a, -b, -c) in there for i, j, a, b, c in there)


def test_precision():
    """A float32 network on float64 positions: float64 vectors, float32 features, float64 energies."""
    graph = neighbour_graph(cases.ethanol(), 5.0)
    encoder = tfn.build(tfn.Config(channels=4))
    embedding = encoder(graph)
    head = scalar.build(scalar.Config(), encoder.irreps, (PROPERTIES["energy"],))
    assert graph.vectors.dtype == torch.float64
    assert embedding.invariants().dtype == torch.float32
    assert head(embedding, graph)["energy"].dtype == torch.float64


def test_nan_is_unknown():
    """A label that is NaN is left out of an error."""
    gap, nan = PROPERTIES["gap"], float("nan")
    errors = Errors(["data"], [gap])
    two = Structures.concatenate([cases.water(), cases.ethanol()])
    two = two.with_labels(gap=torch.tensor([nan, 2.0], dtype=torch.float64))
    errors.add({"gap": torch.tensor([5.0, 2.5], dtype=torch.float64)}, two, torch.tensor([0, 0]))
    assert [(m.count, m.mae) for m in errors.metrics()] == [(1, 0.5)]


def test_harmonics():
    """Order, axis, phase and normalisation."""
    x, y, z = 0.3, -0.5, 0.7
    r = torch.tensor([x, y, z], dtype=torch.float64)
    Y = spherical_harmonics(r, 4)
    n = float(r.norm())
    assert float(Y[0]) == 1
    assert Y[1:4].tolist() == pytest.approx([3**0.5 * q / n for q in (y, z, x)])
    assert float(Y[4 + 2]) == pytest.approx(5**0.5 * (3 * z * z / n**2 - 1) / 2)
    for l in range(5):
        assert float(Y[l * l : (l + 1) ** 2].square().sum()) == pytest.approx(2 * l + 1)


def test_wigner(generator):
    """Y(R r) = D(R) Y(r)."""
    R = random_rotation(1, generator=generator, dtype=torch.float64)[0]
    r = torch.randn(3, generator=generator, dtype=torch.float64)
    for l in range(4):
        block = slice(l * l, (l + 1) ** 2)
        turned = wigner_D(l, R) @ spherical_harmonics(r, 3)[block]
        torch.testing.assert_close(turned, spherical_harmonics(R @ r, 3)[block])


def test_parity():
    """Harmonics have natural parity, and so have the blocks of an encoder by default."""
    r = torch.tensor([0.3, -0.5, 0.7], dtype=torch.float64)
    ratio = spherical_harmonics(-r, 3) / spherical_harmonics(r, 3)
    assert ratio.round().tolist() == [1.0] + [-1.0] * 3 + [1.0] * 5 + [-1.0] * 7
    assert str(tfn.build(tfn.Config(l_max=3, channels=8)).irreps) == "8x0e+8x1o+8x2e+8x3o"


def test_irreps_strings():
    """As in e3nn."""
    from e3nn import o3

    text = "16x0e+8x1o+4x2e+2x1e"
    assert str(Irreps(text)) == str(o3.Irreps(text)) == text
    assert Irreps(text).dim == o3.Irreps(text).dim
    theirs = [str(ir) for ir in o3.Irrep("1o") * o3.Irrep("2e")]
    assert [str(ir) for ir in Irrep("1o") * Irrep("2e")] == theirs


def test_clebsch_gordan():
    """Unitary; the identity where one degree is 0."""
    C = clebsch_gordan(2, 1, 3)
    torch.testing.assert_close(torch.einsum("abm,abn->mn", C, C), torch.eye(7, dtype=torch.float64))
    torch.testing.assert_close(clebsch_gordan(2, 0, 2)[:, 0], torch.eye(5, dtype=torch.float64))
    torch.testing.assert_close(clebsch_gordan(0, 2, 2)[0], torch.eye(5, dtype=torch.float64))


def test_feature_layout():
    """Blocks are views of one array, channels last and contiguous."""
    graph = neighbour_graph(cases.ethanol(), 5.0)
    blocks = tfn.build(tfn.Config(l_max=2, channels=4))(graph).blocks
    assert {key: tuple(b.shape) for key, b in blocks.items()} == {
        (0, 1): (9, 1, 4),
        (1, -1): (9, 3, 4),
        (2, 1): (9, 5, 4),
    }
    assert {b.stride() for b in blocks.values()} == {(9 * 4, 4, 1)}


def _edges(graph):
    return zip(graph.centre, graph.neighbour, graph.shift, graph.vectors, strict=True)
