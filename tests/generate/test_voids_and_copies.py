"""Guesses that learn nothing: the largest void, and a site copied by an operation that is almost one."""

import numpy as np
import pytest
import torch

from atomscape.atoms.nearest_image import nearest_image
from atomscape.atoms.structures import Structures
from atomscape.atoms.transform import repeated, rotated, translated
from atomscape.data.corruptions.remove_atoms import without
from atomscape.generate.symmetry_copies import copies, copy_sites
from atomscape.generate.voids import common, fill_voids, formula, voids
from atomscape.o3.rotation import random_rotation

A = 4.2


def perovskite() -> Structures:
    """SrTiO3: Sr at the corner, Ti in the centre, three O on the faces."""
    x = np.array([[0, 0, 0], [1, 1, 1], [1, 1, 0], [1, 0, 1], [0, 1, 1]]) * A / 2
    return Structures.of(x, [38, 22, 8, 8, 8], cell=[A, A, A])


def lacking(s: Structures, atom: int) -> tuple[Structures, torch.Tensor]:
    """The crystal without one atom, and where that was."""
    chosen = torch.arange(s.n_atoms) == atom
    return without(s, chosen), s.positions[atom]


def off(x, place, s: Structures) -> np.ndarray:
    away = torch.as_tensor(np.asarray(x)) - place
    n = len(away)
    return nearest_image(away, s.cell.expand(n, 3, 3), s.pbc.expand(n, 3)).norm(dim=1).numpy()


def turned_and_moved(s: Structures) -> Structures:
    Q = random_rotation(1, generator=torch.Generator().manual_seed(4))[0].to(s.positions)
    return translated(rotated(s, Q), torch.tensor([0.3, 9.1, -5.2]))


@pytest.mark.parametrize("change", [lambda s: s, turned_and_moved])
def test_the_largest_void_of_a_perovskite_without_its_largest_atom_is_there(change):
    broken, place = lacking(change(perovskite()), 0)
    centres, radii = voids(broken, 3)
    assert off(centres[:1], place, broken)[0] < 1e-6
    assert radii[0] == pytest.approx(A / 2**0.5)
    assert (np.diff(radii) <= 1e-9).all()


def test_voids_are_as_far_from_all_atoms_as_a_search_of_the_cell_says():
    rng = np.random.default_rng(1)
    cell = np.array([[5.0, 0, 0], [1.5, 4.0, 0], [-1.0, 2.0, 6.0]])
    s = Structures.of(rng.random((4, 3)) @ cell, [6] * 4, cell=cell)
    grid = np.stack(np.meshgrid(*[np.linspace(0, 1, 24, endpoint=False)] * 3), -1).reshape(-1, 3) @ cell
    nearest = np.min([off(grid, x, s) for x in s.positions], axis=0)
    _, radii = voids(s, 1)
    assert nearest.max() <= radii[0] + 1e-9
    assert nearest.max() > radii[0] - 0.25  # the grid is that fine


def test_elements_by_frequency_and_by_formula():
    assert common(np.array([8, 8, 22])) == 8
    assert common(np.array([8, 22])) == 8
    assert formula(np.array([22, 22, 8, 8, 8])) == 22  # TiO is simpler than TiO2
    assert formula(np.array([11, 17, 17])) == 11
    assert formula(np.array([38, 22, 8, 8])) == 8  # nothing simplifies: the most frequent


def test_voids_are_of_crystals():
    with pytest.raises(ValueError, match="one crystal with atoms"):
        voids(Structures.of([[0.0, 0, 0]], [6]))


@pytest.mark.parametrize("change", [lambda s: s, turned_and_moved])
def test_an_oxygen_is_copied_from_the_other_two(change):
    pytest.importorskip("spglib")
    broken, place = lacking(change(perovskite()), 3)
    places, elements, support = copies(broken)
    assert elements[0] == 8
    assert support[0] > 1
    assert off(places[:1], place, broken)[0] < 1e-6


@pytest.mark.parametrize("atom", [0, 1])
def test_a_site_that_is_alone_in_its_cell_has_no_copy(atom):
    pytest.importorskip("spglib")
    broken, _ = lacking(perovskite(), atom)
    assert len(copies(broken)[0]) == 0


def test_in_a_supercell_every_site_has_one():
    pytest.importorskip("spglib")
    rng = np.random.default_rng(0)
    large = repeated(perovskite(), (2, 2, 1))[0]
    large = Structures.of(
        large.positions + torch.from_numpy(rng.normal(0, 0.02, (20, 3))), large.numbers, large.cell[0]
    )
    for atom in (0, 1, 2):
        broken, place = lacking(large, atom)
        places, elements, _ = copies(broken)
        assert elements[0] == large.numbers[atom]
        assert off(places[:1], place, broken)[0] < 0.2


def test_copies_come_first_and_voids_where_there_are_none():
    pytest.importorskip("spglib")
    whole = perovskite()
    (one, oxygen), (other, strontium) = lacking(whole, 2), lacking(whole, 0)
    both = Structures.concatenate([one, other])
    given = copy_sites(fill_voids(common))(both)
    assert given.numbers[0, 0] == 8
    assert given.probabilities.isnan().all()
    assert off(given.positions[0, :1], oxygen, one)[0] < 1e-6
    assert off(given.positions[1, :1], strontium, other)[0] < 1e-6
