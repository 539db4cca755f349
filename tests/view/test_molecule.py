"""Which atoms and bonds of a structure are drawn."""

from __future__ import annotations

from dataclasses import replace

import ase.build
import numpy as np
import pytest
import torch

from atomscape.atoms.ase import from_ase
from atomscape.atoms.structures import Structures
from atomscape.view.bonds import cell_of, drawn_atoms
from atomscape.view.elements import colour, colours_of, symbol_of
from atomscape.view.molecule import cell_edges, good_side, structure_layer, structure_scene
from atomscape.view.scene import Layer, Scene


def pairs(structure) -> set[tuple[int, int]]:
    """Bonded atoms."""
    drawn = drawn_atoms(structure)
    return {(a, b) for a, b in zip(drawn.first.tolist(), drawn.second.tolist(), strict=True)}


@pytest.mark.parametrize(("name", "bonds"), [("H2O", 2), ("C6H6", 12), ("CH3CH2OH", 8), ("C60", 90)])
def test_bonds_of_molecules(molecule, name, bonds):
    """As many as chemists draw, each once."""
    found = pairs(molecule(name))
    assert len(found) == bonds
    assert all(0 <= a < b for a, b in found)


def test_rock_salt_is_drawn_as_its_cell(salt):
    """Atoms on faces, edges and corners are drawn on all of them; ions of one kind are not bonded."""
    drawn = drawn_atoms(salt)
    assert len(drawn.atom) == 27
    assert (drawn.second >= 0).all(), "six neighbours: no stubs"
    z = salt.numbers.numpy()[drawn.atom]
    assert len(drawn.first) == 54
    assert (z[drawn.first] != z[drawn.second]).all()
    lengths = np.linalg.norm(drawn.ends - drawn.positions[drawn.first], axis=1)
    assert np.allclose(lengths, 2.82)


def test_bonds_that_leave_the_cell_end_half_way():
    """The primitive cell of silicon: eight corners, one atom inside with four bonds, stubs at the corners."""
    drawn = drawn_atoms(from_ase(ase.build.bulk("Si")))
    assert np.bincount(drawn.atom).tolist() == [8, 1]
    stubs = drawn.second < 0
    lengths = np.linalg.norm(drawn.ends - drawn.positions[drawn.first], axis=1)
    bond = 5.43 * 3**0.5 / 4
    assert np.allclose(lengths[stubs], bond / 2)
    assert np.allclose(lengths[~stubs], bond)


def test_where_atoms_lie_in_the_lattice_does_not_matter(salt):
    """Atoms moved by lattice vectors give the same drawing."""
    shift = torch.tensor([[1, -2, 0], [0, 0, 3], [0, 0, 0], [-1, 1, 1]] * 2, dtype=torch.float64)
    moved = replace(salt, positions=salt.positions + shift @ salt.cell[0])
    a, b = drawn_atoms(salt), drawn_atoms(moved)
    assert np.allclose(a.positions, b.positions)
    assert np.array_equal(a.second, b.second)


def test_free_directions_have_no_edges():
    """A slab has four edges along each of its two axes, a chain one; free axes stand across."""
    chain = Structures.of([[0, 0, 0]], [6], cell=[[2.5, 0, 0], [0, 0, 0], [0, 0, 0]])
    slab = Structures.of([[0, 0, 0]], [13], cell=[[2.8, 0, 0], [1.4, 2.4, 0], [0, 0, 0]])
    assert [len(cell_edges(s)[0].starts) for s in (chain, slab)] == [1, 4]
    assert np.allclose(np.abs(cell_of(slab)[0][2]), [0, 0, 1])
    assert len(drawn_atoms(chain).atom) == 2
    with pytest.raises(ValueError, match="not periodic"):
        cell_edges(Structures.of([[0, 0, 0]], [6]))


@pytest.mark.parametrize("name", ["H", "H2", "CO2", "C6H6"])
def test_the_first_side_is_a_rotation(molecule, name):
    """Also of an atom, a pair and a line; flat molecules face the viewer."""
    turn = good_side(molecule(name))
    assert np.allclose(turn @ turn.T, np.eye(3))
    assert np.linalg.det(turn) == pytest.approx(1)
    if name == "C6H6":
        extent = np.ptp(molecule(name).positions.numpy() @ turn.T, axis=0)
        assert extent[0] > extent[2]
        assert extent[1] > extent[2]


def test_names_and_colours(molecule):
    """Hover text is element and number; sticks have the colours of their ends."""
    layer = structure_layer(molecule("H2O"))
    assert layer.balls[0].names == ("O 0", "H 1", "H 2")
    assert {tuple(c) for c in layer.sticks[0].colours.tolist()} == {
        tuple(c) for c in colours_of(np.array([1, 8])).tolist()
    }
    assert symbol_of(118) == "Og"
    with pytest.raises(ValueError, match="hexadecimal"):
        colour("blue")


def test_some_atoms_alone(molecule):
    """Only atoms that are asked for are drawn, with the bonds that lead to them."""
    layer = structure_layer(molecule("CH3CH2OH"), only=[2])
    assert layer.balls[0].names == ("O 2",)
    assert len(layer.sticks[0].starts) == 4, "two halves of two bonds"


def test_scenes_refuse_what_cannot_be_drawn(molecule):
    layer = structure_layer(molecule("H2O"))
    with pytest.raises(ValueError, match="stands twice"):
        Scene((layer, layer))
    with pytest.raises(ValueError, match="scene of nothing"):
        Scene((Layer("empty"),))
    with pytest.raises(ValueError, match="finite"):
        Scene((replace(layer, balls=(replace(layer.balls[0], positions=np.full((3, 3), np.nan)),)),))
    with pytest.raises(LookupError, match="no layer 'b'; it has 'structure'"):
        Scene((layer,)).showing("b")
    with pytest.raises(ValueError, match="one structure"):
        structure_scene(Structures.empty())


def test_layers_of_a_group_exclude_one_another(molecule):
    layer = structure_layer(molecule("H2O"))
    layers = [replace(layer, name=n, group=g) for n, g in (("a", "x"), ("b", "x"), ("c", ""))]
    scene = Scene(tuple(layers))
    assert [s.name for s in scene.seen()] == ["a", "c"]
    assert [s.name for s in scene.showing("b").seen()] == ["b", "c"]
    assert list(scene.groups()) == ["x"]
