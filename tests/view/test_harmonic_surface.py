"""Surfaces of harmonics, and that a drawing turns with what is drawn."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from atomscape.atoms.neighbours import neighbour_graph
from atomscape.encoders import tfn
from atomscape.o3.rotation import random_rotation
from atomscape.o3.wigner import wigner_D
from atomscape.view.features import SIZE, feature_layer, features_scene, principal_features
from atomscape.view.harmonic_surface import NEGATIVE, POSITIVE, harmonic_surface, sphere


@pytest.fixture
def R(generator) -> torch.Tensor:
    """A rotation."""
    return random_rotation(1, generator=generator, dtype=torch.float64)[0]


@pytest.fixture(scope="module")
def encoder() -> tfn.TensorFieldNetwork:
    """A small network with random weights, in float64."""
    with torch.random.fork_rng():
        torch.manual_seed(3)
        return tfn.build(tfn.Config(l_max=2, channels=6, layers=1, cutoff=4.0)).double()


@pytest.mark.parametrize("frequency", [1, 2, 7])
def test_sphere(frequency):
    """As many vertices and triangles as there should be, closed, outward, of nearly the sphere's area."""
    vertices, triangles = sphere(frequency)
    assert vertices.shape == (10 * frequency**2 + 2, 3)
    assert triangles.shape == (20 * frequency**2, 3)
    assert np.allclose(np.linalg.norm(vertices, axis=1), 1)
    a, b, c = (vertices[triangles[:, k]] for k in range(3))
    n = np.cross(b - a, c - a)
    assert ((n * a).sum(1) > 0).all()
    edges = {tuple(e) for k in range(3) for e in triangles[:, [k, (k + 1) % 3]].tolist()}
    assert len(edges) == 60 * frequency**2
    assert {(j, i) for i, j in edges} == edges
    if frequency == 7:
        assert np.linalg.norm(n, axis=1).sum() / 2 == pytest.approx(4 * np.pi, rel=0.02)


def test_order_and_axis():
    """Degree 1 reads y, z, x: the coefficients (0, 0, 1) point along x, orange forward and blue back."""
    mesh = harmonic_surface(np.array([0.0, 0.0, 1.0]), np.array([5.0, 0.0, 0.0]), degree=1)
    away = mesh.vertices - [5.0, 0.0, 0.0]
    assert np.allclose(np.linalg.norm(away, axis=1), np.sqrt(3) * np.abs(sphere()[0][:, 0]), atol=1e-12)
    assert (mesh.colours[away[:, 0] > 1e-3] == POSITIVE).all()
    assert (mesh.colours[away[:, 0] < -1e-3] == NEGATIVE).all()


def test_a_surface_turns_with_its_coefficients(rng, R):
    """Coefficients turned by Wigner's matrix, drawn on turned directions: the turned surface."""
    directions, triangles = sphere(6)
    c = rng.normal(size=7)
    turned = wigner_D(3, R).numpy() @ c
    before = harmonic_surface(c, np.zeros(3), degree=3, directions=(directions, triangles))
    after = harmonic_surface(turned, np.zeros(3), degree=3, directions=(directions @ R.numpy().T, triangles))
    assert np.allclose(after.vertices, before.vertices @ R.numpy().T, atol=1e-12)
    assert np.allclose(after.normals, before.normals @ R.numpy().T, atol=1e-9)


@pytest.mark.parametrize("l", [0, 1, 2])
def test_a_drawing_turns_with_its_structure(molecule, encoder, R, l):
    """Turn a molecule, ask the network again: every vertex of the drawing turns along."""
    structure = molecule("CH3CH2OH")
    other = replace(structure, positions=structure.positions @ R.T)
    unit, triangles = sphere(5)
    drawn = []
    for s, directions in ((structure, unit), (other, unit @ R.numpy().T)):
        with torch.no_grad():
            block = encoder(neighbour_graph(s, 4.0)).degree(l).numpy()
        values, share = principal_features(block)
        layer = feature_layer(s, values[:, :, 0], "first", directions=(directions, triangles))
        drawn.append((layer.meshes[0], share))
    (before, share), (after, same) = drawn
    assert np.allclose(share, same, atol=1e-9)
    assert np.allclose(after.vertices, before.vertices @ R.numpy().T, atol=1e-9)
    assert np.array_equal(after.colours, before.colours)


def test_features_fit_their_atoms(molecule, encoder):
    """A layer per component, the first one shown; no surface reaches farther than it may."""
    structure = molecule("H2O")
    with torch.no_grad():
        scene = features_scene(structure, encoder(neighbour_graph(structure, 4.0)), 2)
    assert [layer.name for layer in scene.seen()] == ["structure", "component 1"]
    vertices = scene.layers[1].meshes[0].vertices.reshape(3, -1, 3)
    away = np.linalg.norm(vertices - structure.positions.numpy()[:, None], axis=2)
    assert 0.5 * SIZE < away.max() <= SIZE + 1e-9


def test_what_is_no_set_of_coefficients_is_refused():
    with pytest.raises(ValueError, match="degree 2 takes 2l \\+ 1"):
        harmonic_surface(np.ones(4), np.zeros(3), degree=2)
    with pytest.raises(ValueError, match=r"\(l_max \+ 1\)²"):
        harmonic_surface(np.ones(5), np.zeros(3))
    with pytest.raises(ValueError, match="1 or more"):
        sphere(0)
