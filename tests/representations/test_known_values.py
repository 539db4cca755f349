"""Numbers that can be worked out by hand, or are known of famous structures."""

from __future__ import annotations

import math

import pytest
import torch

from atomscape.atoms.structures import Structures
from atomscape.find import find
from atomscape.nn.species import N_ELEMENTS, covalent_radii, element_descriptors
from atomscape.testing import cases
from atomscape.testing.representation_laws import dimethyl_ether
from atomscape.units import BOHR


def made(name: str, **settings):
    module = find("representations", name)
    return module.build(module.Config(**settings))


def test_coulomb_matrix_of_hydrogen():
    """[[½, 1/d], [1/d, ½]] at 0.74 Å, and zeros for the third place."""
    h2 = cases.molecule([1, 1], [[0, 0, 0], [0, 0, 0.74]])
    entry = BOHR / 0.74
    values = made("coulomb_matrix", atoms=3)(h2)[0]
    assert torch.allclose(values, torch.tensor([0.5 + entry, 0.5 - entry, 0.0], dtype=torch.float64))
    plain = made("coulomb_matrix", atoms=2, form="plain")(h2)[0]
    assert torch.allclose(plain, torch.tensor([0.5, entry, 0.5], dtype=torch.float64))


def test_coulomb_matrix_of_water():
    """Eigenvalues as numpy finds them of the matrix as numpy makes it."""
    import numpy as np

    water = cases.water()
    x, Z = water.positions.numpy() / BOHR, water.numbers.numpy().astype(float)
    d = np.linalg.norm(x[:, None] - x[None], axis=2)
    M = np.outer(Z, Z) / (d + np.eye(3))
    np.fill_diagonal(M, 0.5 * Z**2.4)
    expected = sorted(np.linalg.eigvalsh(M), key=abs, reverse=True)
    assert np.allclose(made("coulomb_matrix", atoms=3)(water)[0], expected)


def test_sine_matrix_of_caesium_chloride():
    """At half of every lattice vector each sin² is one: d = |a + b + c|."""
    cell = 4.12 * torch.eye(3)
    crystal = cases.crystal([55, 17], [[0, 0, 0], [0.5, 0.5, 0.5]], cell)
    plain = made("sine_matrix", atoms=2, form="plain")(crystal)[0]
    expected = [0.5 * 55**2.4, 55 * 17 * BOHR / (4.12 * math.sqrt(3)), 0.5 * 17**2.4]
    assert torch.allclose(plain, torch.tensor(expected, dtype=torch.float64))


def test_composition_of_water():
    """Fractions, counts, and the statistics of descriptors."""
    fractions, counts = (
        made("composition")(cases.water())[0],
        made("composition", amounts="counts")(cases.water())[0],
    )
    assert fractions[[0, 7]].tolist() == pytest.approx([2 / 3, 1 / 3])
    assert counts[[0, 7]].tolist() == [2.0, 1.0]
    assert float(fractions[:118].sum()) == pytest.approx(1.0)
    d = element_descriptors()
    mean, low, high, deviation = fractions[118:].reshape(4, -1)
    assert torch.allclose(mean, (2 * d[1] + d[8]) / 3)
    assert torch.allclose(low, torch.minimum(d[1], d[8]))
    assert torch.allclose(high, torch.maximum(d[1], d[8]))
    assert torch.allclose(deviation, (d[1] - d[8]).abs() * math.sqrt(2) / 3)


@pytest.mark.parametrize(
    ("case", "neighbours"),
    [
        ("fcc", {12}),
        ("diamond", {4}),
        ("one_atom_crystal", {12}),
        ("bcc", {8 + 6}),
        ("rocksalt", {6, 6 + 12}),
    ],
)
def test_coordination_numbers(case, neighbours):
    """Bonds of perfect crystals, through their periodic images.

    Radii of metals are long: in iron the second shell, and in MgO the metal atoms among themselves, touch as
    well.
    """
    graph = find("representations", "graph").bond_graph(cases.everything[case]())
    assert set(torch.bincount(graph.centre).tolist()) == neighbours


@pytest.mark.parametrize(
    ("molecule", "bonds"), [(cases.water(), 2), (cases.ethanol(), 8), (dimethyl_ether(), 8)]
)
def test_bonds_of_molecules(molecule, bonds):
    """As chemists draw them; a histogram counts each once."""
    assert find("representations", "graph").bond_graph(molecule).n_edges == 2 * bonds
    histogram = made("graph", bins=64)(molecule)[0].reshape(3, 64)
    assert (histogram.sum(1) * molecule.n_atoms).tolist() == pytest.approx([molecule.n_atoms] * 2 + [bonds])


@pytest.mark.parametrize("case", ["ethanol", "rattled_rocksalt", "skewed_cell"])
def test_an_image_holds_all_charges(case):
    """The integral of the density is Σ Z, in a box and in a cell."""
    structures = cases.everything[case]()
    image = made("voxels", grid=24, box=14.0, sigma=0.5)(structures)[0, :-9]
    volume = float(structures.volume) if bool(structures.pbc.all()) else 14.0**3
    assert float(image.sum()) * volume / 24**3 == pytest.approx(float(structures.numbers.sum()), rel=1e-6)


def test_an_image_of_a_crystal_is_the_sum_of_its_atoms_images():
    """The density at grid points against Gaussians of all images near enough, summed one by one."""
    crystal = cases.rattled_rocksalt()
    n, sigma = 20, 0.6
    image = made("voxels", grid=n, sigma=sigma)(crystal)[0, :-9].reshape(n, n, n)
    cell = crystal.cell[0]
    shifts = torch.cartesian_prod(*(torch.arange(-2.0, 3.0),) * 3).double() @ cell
    for point in ((0, 0, 0), (3, 11, 19), (10, 5, 7)):
        r = (torch.tensor(point, dtype=torch.float64) / n) @ cell
        d2 = (crystal.positions[:, None] + shifts - r).square().sum(2)
        each = torch.exp(-d2 / (2 * sigma**2)).sum(1) / (2 * math.pi * sigma**2) ** 1.5
        assert float(image[point]) == pytest.approx(float((crystal.numbers * each).sum()), rel=1e-5)


def test_coordinates_by_falling_number():
    """The cell, then oxygen before its hydrogens, then zeros."""
    row = made("coordinates", atoms=4)(cases.water())[0]
    assert row[:9].abs().max() == 0
    assert row[9::4].tolist() == [8.0, 1.0, 1.0, 0.0]
    assert torch.equal(row[9:21].reshape(3, 4)[:, 1:], cases.water().positions)


def test_covalent_radii():
    """Ångström, all elements."""
    radii = covalent_radii()
    assert radii.shape == (N_ELEMENTS,)
    assert radii[[1, 6, 29]].tolist() == [0.31, 0.76, 1.32]
    assert bool((radii[1:] > 0.2).all())


class TestBonds:
    """What RDKit perceives."""

    @pytest.fixture(autouse=True)
    def _needs_rdkit(self):
        pytest.importorskip("rdkit", reason="RDKit is not installed")

    def test_smiles(self):
        """Isomers, and both mirror images."""
        texts = made("smiles")(Structures.concatenate([cases.ethanol(), dimethyl_ether(), cases.water()]))
        assert texts.tolist() == ["CCO", "COC", "O"]
        assert made("smiles", hydrogens=True)(cases.water()).tolist() == ["[H]O[H]"]
        left = cases.chiral()
        right = cases.molecule(left.numbers.tolist(), left.positions * torch.tensor([1.0, 1.0, -1.0]))
        one, other = made("smiles")(Structures.concatenate([left, right]))
        assert {one, other} == {"F[C@H](Cl)Br", "F[C@@H](Cl)Br"}
        assert made("smiles", chirality=False)(left).tolist() == ["FC(Cl)Br"]

    def test_morgan_is_that_of_the_smiles(self):
        """Fingerprints of perceived bonds and of text read by RDKit are the same."""
        from rdkit import Chem
        from rdkit.Chem import rdFingerprintGenerator

        ethanol = Chem.AddHs(Chem.MolFromSmiles("CCO"))
        generator = rdFingerprintGenerator.GetMorganGenerator(radius=2, fpSize=2048)
        expected = generator.GetCountFingerprintAsNumPy(ethanol)
        assert made("morgan")(cases.ethanol())[0].tolist() == expected.tolist()
        noted = made("morgan", counts=False)(cases.ethanol())[0]
        assert noted.tolist() == (expected > 0).astype(float).tolist()

    def test_charge(self):
        """An ion has the bonds that its charge allows; without it none fit, and nothing is known."""
        shape = [[0, 0, 0], [0.6, 0.6, 0.6], [-0.6, -0.6, 0.6], [-0.6, 0.6, -0.6], [0.6, -0.6, -0.6]]
        ammonium = Structures.of(shape, [7, 1, 1, 1, 1])
        charged = ammonium.with_labels(total_charge=torch.tensor([1.0], dtype=torch.float64))
        assert made("smiles")(charged).tolist() == ["[NH4+]"]
        assert made("smiles")(ammonium).tolist() == [""]
        assert bool(made("morgan", bits=16)(ammonium).isnan().all())
