"""Isosurfaces: areas, volumes, and what makes a surface closed."""

from __future__ import annotations

import numpy as np
import pytest

from atomscape.view.elements import colour
from atomscape.view.grid import Grid, level_that_holds, sampled, sampled_closely
from atomscape.view.isosurface import isosurface

RED = colour("ff0000")


def sphere(spacing: float):
    """The unit sphere, as the surface of a Gaussian."""
    grid = sampled(lambda r: np.exp(-(r**2).sum(1)), np.full(3, -1.6), np.full(3, 1.7), spacing)
    return isosurface(grid, np.exp(-1.0), RED)


def faces(mesh):
    """Corners of the triangles, and their normals times twice their areas."""
    a, b, c = (mesh.vertices[mesh.triangles[:, k]] for k in range(3))
    return a, b, c, np.cross(b - a, c - a)


def edges(mesh):
    """Directed edges of the triangles as pairs."""
    t = mesh.triangles
    return [tuple(e) for k in range(3) for e in t[:, [k, (k + 1) % 3]].tolist()]


def test_sphere():
    """Area, volume and normals are those of a ball; errors fall as the square of the spacing."""
    errors = []
    for spacing in (0.2, 0.1):
        mesh = sphere(spacing)
        a, b, c, n = faces(mesh)
        area = np.linalg.norm(n, axis=1).sum() / 2
        volume = (a * np.cross(b, c)).sum() / 6
        errors.append(abs(volume / (4 * np.pi / 3) - 1))
        assert area == pytest.approx(4 * np.pi, rel=0.01)
        assert ((n * (a + b + c)).sum(1) > -1e-12).all(), "counter-clockwise from outside"
        assert (mesh.normals * mesh.vertices).sum(1).min() > 0.98
    assert errors[1] < 0.3 * errors[0] < 0.01


def test_closed_with_a_sphere_s_topology():
    """Each edge is walked once in either direction; vertices − edges + triangles = 2."""
    mesh = sphere(0.2)
    found = edges(mesh)
    assert len(set(found)) == len(found)
    assert {(b, a) for a, b in found} == set(found)
    assert len(mesh.vertices) - len(found) // 2 + len(mesh.triangles) == 2


@pytest.mark.parametrize("handed", [1, -1])
def test_any_field_gives_closed_surfaces(rng, handed):
    """Noise on a skewed grid: still closed, whatever way the steps turn; the volume has the right sign."""
    values = np.pad(rng.normal(size=(7, 8, 9)), 1, constant_values=-9)
    steps = rng.normal(size=(3, 3))
    steps *= handed * np.sign(np.linalg.det(steps))
    mesh = isosurface(Grid(np.ones(3), steps, values), 0.3, RED)
    found = edges(mesh)
    assert len(set(found)) == len(found)
    assert {(b, a) for a, b in found} == set(found)
    a, b, c, _ = faces(mesh)
    assert (a * np.cross(b, c)).sum() > 0
    # On every edge of the grid that is cut, a vertex lies where the straight line has the level.
    index = (mesh.vertices - 1) @ np.linalg.inv(steps)
    fraction = np.abs(index - np.rint(index)) > 1e-9
    assert (fraction.sum(1) <= 3).all()
    assert len(np.unique(np.round(index, 9), axis=0)) == len(index)


def test_nothing_above_the_level():
    """An empty mesh, not an error: proposals may have no density anywhere."""
    grid = Grid(np.zeros(3), np.eye(3), np.zeros((3, 4, 5)))
    mesh = isosurface(grid, 1.0, RED)
    assert mesh.vertices.shape == (0, 3)
    assert mesh.triangles.shape == (0, 3)


def test_a_level_holds_what_it_says():
    """Of a normal distribution, half lies within 1.538 standard deviations in three dimensions."""
    grid = sampled(lambda r: np.exp(-0.5 * (r**2).sum(1)), np.full(3, -5.0), np.full(3, 5.0), 0.1)
    assert np.sqrt(-2 * np.log(level_that_holds(grid, 0.5))) == pytest.approx(1.538, abs=0.01)
    with pytest.raises(ValueError, match="between 0 and 1"):
        level_that_holds(grid, 1.0)
    with pytest.raises(ValueError, match="nowhere negative"):
        level_that_holds(Grid(grid.origin, grid.steps, -grid.values), 0.5)


def test_a_narrow_peak_between_coarse_points_is_found():
    """The fine grid reaches the peaks that are named, and resolves them."""
    peak = np.array([[1.21, -0.63, 0.39]])

    def density(r):
        return np.exp(-0.5 * ((r - peak[0]) ** 2).sum(1) / 0.05**2)

    grid = sampled_closely(density, np.full(3, -3.0), np.full(3, 3.0), peak)
    best = np.unravel_index(grid.values.argmax(), grid.values.shape)
    assert grid.values.max() > 0.8
    assert np.abs(grid.points(np.array([best], dtype=float))[0] - peak[0]).max() < 0.05


def test_a_box_turned_inside_out_is_refused():
    with pytest.raises(ValueError, match="cannot be sampled"):
        sampled(lambda r: r[:, 0], np.ones(3), np.zeros(3))
