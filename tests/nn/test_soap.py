"""SOAP against another implementation, its derivatives, and structures that it cannot tell apart."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from ase.data import chemical_symbols

from atomscape.atoms.ase import to_ase
from atomscape.atoms.neighbours import neighbour_graph
from atomscape.atoms.structures import Structures
from atomscape.find import find
from atomscape.nn.soap import OrbitalBasis, density_coefficients, power_spectrum, width
from atomscape.testing import cases

soap = find("representations", "soap")
CASES = ("ethanol", "chiral", "rocksalt", "rattled_rocksalt", "small_cell")


def made(**settings):
    return soap.build(soap.Config(**settings))


def test_orbitals_are_orthonormal():
    """∫ r² g_n g_n' dr by quadrature."""
    basis = OrbitalBasis(cutoff=4.0, n=5, l_max=3, sigma=0.4)
    r = torch.linspace(0, 30, 60_001, dtype=torch.float64)
    for l in range(4):
        g = basis.mixing[l] @ (r**l * torch.exp(-basis.exponents[l][:, None] * r**2))
        overlap = torch.trapezoid(g[:, None] * g[None] * r**2, r)
        assert torch.allclose(overlap, torch.eye(5, dtype=torch.float64), atol=1e-8)


def test_coefficients_are_overlaps():
    """C of one neighbour on the z axis, by quadrature of the Gaussian times g_nl Y_l0 over space."""
    basis, d = OrbitalBasis(cutoff=4.0, n=3, l_max=2, sigma=0.5), 1.3
    pair = cases.molecule([6, 6], [[0, 0, 0], [0, 0, d]])
    blocks = density_coefficients(neighbour_graph(pair, 4.0), torch.ones(2, 1), basis)
    r = torch.linspace(0, 12, 4001, dtype=torch.float64)[:, None]
    x, weight = (torch.from_numpy(a) for a in np.polynomial.legendre.leggauss(200))
    fade = (1 - 3 * (d / 4) ** 2 + 2 * (d / 4) ** 3) ** 2
    own = torch.exp(-(r**2) / (2 * 0.5**2))
    density = own + fade * torch.exp(-(r**2 + d**2 - 2 * r * d * x) / (2 * 0.5**2))
    legendre = (torch.ones_like(x), x, (3 * x**2 - 1) / 2)
    for l in range(3):
        of_r = (density * legendre[l] * weight).sum(1) * 2 * math.pi * math.sqrt((2 * l + 1) / (4 * math.pi))
        g = basis.mixing[l] @ (r[:, 0] ** l * torch.exp(-basis.exponents[l][:, None] * r[:, 0] ** 2))
        expected = torch.trapezoid(g * of_r * r[:, 0] ** 2, r[:, 0])
        assert torch.allclose(blocks[l][0, l, 0], expected, rtol=1e-5, atol=1e-7)


@pytest.mark.parametrize("case", CASES)
def test_agrees_with_dscribe(case):
    """The same orbitals, cutoff function and conventions: the same numbers, to rounding."""
    dscribe = pytest.importorskip("dscribe.descriptors", reason="the oracle dscribe is not installed")
    structures = cases.everything[case]()
    atoms = to_ase(structures)[0]
    elements = [chemical_symbols[z] for z in sorted(set(atoms.numbers.tolist()))]
    oracle = dscribe.SOAP(
        species=elements, n_max=4, l_max=3, sigma=0.5, periodic=bool(structures.pbc.any()),
        weighting={"function": "poly", "r0": 4.0, "c": 1.0, "m": 2.0},
    )  # fmt: skip
    theirs = oracle.create(atoms)
    ours = made(cutoff=4.0, n_radial=4, l_max=3, elements=tuple(elements))
    kernel = ours.atoms(structures)
    kernel = (kernel @ kernel.T).numpy()
    # Theirs lists each product once; elements (a, b) and (b, a), n and n' make the same twice.
    once = np.concatenate([[1.0 if i == j else 2.0 for i, j in zip(*np.triu_indices(4), strict=True)]] * 4)
    weights = np.full(theirs.shape[1], 2.0)
    for e in elements:
        weights[oracle.get_location((e, e))] = once
    expected = (theirs * weights) @ theirs.T
    assert np.allclose(kernel, expected, rtol=1e-6, atol=1e-9 * np.abs(expected).max())


@pytest.mark.parametrize("case", ["ethanol", "fcc", "rattled_rocksalt", "one_atom_crystal"])
def test_strain(case):
    """Derivatives with respect to the cell, too: against differences, on perfect crystals as well."""
    structures = cases.everything[case]()
    graph = neighbour_graph(structures, 4.5)
    basis, weights = OrbitalBasis(4.5, 4, 3, 0.5), soap.compressed(2)[structures.numbers]

    def value(strain):
        deformation = torch.eye(3, dtype=torch.float64) + strain
        moved = Structures(
            structures.positions @ deformation, structures.numbers, structures.cell @ deformation,
            structures.pbc, structures.structure,
        )  # fmt: skip
        p = power_spectrum(density_coefficients(graph.with_structures(moved), weights, basis))
        return (p * torch.linspace(-1, 1, p.shape[1], dtype=torch.float64)).sum()

    strain = torch.zeros(3, 3, dtype=torch.float64, requires_grad=True)
    (slope,) = torch.autograd.grad(value(strain), strain)
    h = 1e-5 * torch.tensor([[1.0, 0.5, -0.3], [0.2, -1.0, 0.4], [0.6, 0.1, 0.7]], dtype=torch.float64)
    with torch.no_grad():
        measured = (value(h) - value(-h)) / 2
    assert abs(float((slope * h).sum() - measured)) < 1e-5 * max(abs(float(measured)), 1e-6)


def test_compressed_channels_are_sums_over_elements():
    """C of a compressed channel is the weighted sum of those of the elements: the expansion is linear."""
    ethanol = cases.ethanol()
    graph, basis = neighbour_graph(ethanol, 4.0), OrbitalBasis(4.0, 3, 2, 0.5)
    numbers = torch.tensor([1, 6, 8])
    each = density_coefficients(graph, (ethanol.numbers[:, None] == numbers).double(), basis)
    table = soap.compressed(3)
    mixed = density_coefficients(graph, table[ethanol.numbers], basis)
    for one, other in zip(each, mixed, strict=True):
        assert torch.allclose(torch.einsum("amzn,zk->amkn", one, table[numbers]), other, atol=1e-12)


def test_widths():
    """The number of features is as told."""
    for pairs in ("all", "same channel"):
        r = made(n_radial=3, l_max=2, channels=2, pairs=pairs)
        assert r.atoms(cases.water()).shape == (3, width(2, 3, 2, pairs))


def ring(places: tuple[int, ...]) -> Structures:
    """A carbon atom amid hydrogen atoms that stand at some of eight places around it."""
    angles = torch.tensor(places, dtype=torch.float64) * (2 * math.pi / 8)
    around = 1.4 * torch.stack([angles.cos(), angles.sin(), 0 * angles], dim=1)
    return cases.molecule([6] + [1] * len(places), torch.cat([torch.zeros(1, 3), around]))


def test_homometric_neighbours_are_not_told_apart():
    """Products of two densities see distances and angles, not how they are joined.

    S. N. Pozdnyakov et al., PRL 125, 166001 (2020): different neighbourhoods with the same power spectrum.
    Here the places {0, 1, 3, 4} and {0, 1, 2, 5} of eight, which have the same differences (A. L. Patterson,
    Phys. Rev. 65, 195 (1944)), and are not congruent. The neighbours' own spectra tell them apart.
    """
    one, other = ring((0, 1, 3, 4)), ring((0, 1, 2, 5))
    distances = [torch.pdist(s.positions).sort().values for s in (one, other)]
    assert torch.allclose(*distances, atol=1e-12)
    r = made(cutoff=4.0, l_max=8, n_radial=4, elements=("H", "C"))
    a, b = r.atoms(one), r.atoms(other)
    assert torch.allclose(a[0], b[0], rtol=1e-10, atol=1e-10 * float(a.abs().max()))
    assert (a.mean(0) - b.mean(0)).abs().max() > 1e-3 * a.mean(0).abs().max()
    apart = r.atoms(ring((0, 1, 3, 5)))
    assert (a[0] - apart[0]).abs().max() > 1e-3 * a[0].abs().max()


def test_element_without_channel():
    """An element that was not named is refused by name."""
    with pytest.raises(ValueError, match="structure 0 has an atom with Z=8; the channels are of H, C"):
        made(elements=("H", "C"))(cases.ethanol())
    with pytest.raises(ValueError, match="'Xx' is no chemical element"):
        made(elements=("Xx",))
    with pytest.raises(ValueError, match=r"a cutoff of 0\.9 Å is short"):
        OrbitalBasis(0.9, 3, 2, 0.5)
