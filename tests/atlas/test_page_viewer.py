"""The 3D view: cells, bonds, images on the faces; with WebGL and without."""

from __future__ import annotations

import numpy as np
import pytest
from ase import Atoms
from ase.build import bulk

from atomscape.atlas.contents import MapData
from atomscape.atlas.page import write_page

pytestmark = pytest.mark.browser


@pytest.fixture(scope="module")
def kinds_page(kinds, make_map, tmp_path_factory):
    """A page with one of each structure, and that order."""
    return write_page(make_map(len(kinds)), tmp_path_factory.mktemp("kinds") / "map.html")


@pytest.fixture(scope="module")
def scenes(kinds, kinds_page, open_shared_page) -> list[tuple[Atoms, dict]]:
    """Each structure and the scene that the page makes of it."""
    shown = open_shared_page(kinds_page)
    return [(atoms, shown.js("(i) => atomscape.scenes(i)", i)) for i, atoms in enumerate(kinds)]


def turned_back(scene: dict, vectors: np.ndarray) -> np.ndarray:
    """Vectors of a scene as they were before it was turned towards the reader (rows)."""
    return np.asarray(vectors) @ np.array(scene["turned"])


def edge_vectors(scene: dict) -> np.ndarray:
    ends = np.array([[e["from"], e["to"]] for e in scene["edges"]]).reshape(-1, 2, 3)
    return turned_back(scene, ends[:, 1] - ends[:, 0])


def test_edges_of_the_cell_are_the_lattice_vectors(scenes):
    for atoms, scene in scenes:
        axes = np.flatnonzero(atoms.pbc)
        assert [e["axis"] for e in scene["edges"]] == [a for a in axes for _ in range(2 ** (len(axes) - 1))]
        for edge, vector in zip(scene["edges"], edge_vectors(scene), strict=True):
            np.testing.assert_allclose(vector, atoms.cell[edge["axis"]], atol=1e-10)
        np.testing.assert_allclose(np.linalg.det(np.array(scene["turned"])), 1.0, atol=1e-12)


def test_atoms_stand_where_they_are_up_to_lattice_vectors(scenes):
    for atoms, scene in scenes:
        drawn = turned_back(scene, [a["at"] for a in scene["atoms"]]) + scene["middle"]
        number = np.array([a["i"] for a in scene["atoms"]])
        assert set(number) == set(range(len(atoms)))
        shift = drawn - atoms.positions[number]
        whole = np.linalg.lstsq(np.where(atoms.pbc[:, None], atoms.cell[:], 0).T, shift.T, rcond=None)[0].T
        np.testing.assert_allclose(whole, np.rint(whole), atol=2e-4)
        np.testing.assert_allclose(
            np.rint(whole) @ np.where(atoms.pbc[:, None], atoms.cell[:], 0), shift, atol=2e-4
        )


def test_faces_edges_and_corners_are_repeated(scenes):
    silicon = next(scene for atoms, scene in scenes if atoms.get_chemical_formula() == "Si2")
    assert sorted(a["i"] for a in silicon["atoms"]) == [0] * 8 + [1]


def coordination(scene: dict, atom: int) -> int:
    """Bonds of one drawn atom, towards drawn and undrawn neighbours."""
    return sum(b["a"] == atom or b["b"] == atom for b in scene["bonds"])


@pytest.mark.parametrize(("formula", "neighbours"), [("Si2", 4), ("ClNa", 6), ("O2Zn2", 4)])
def test_bonds_reach_over_the_faces_of_the_cell(formula, neighbours, scenes):
    scene = next(scene for atoms, scene in scenes if atoms.get_chemical_formula() == formula)
    assert {coordination(scene, k) for k in range(len(scene["atoms"]))} == {neighbours}


def test_bonds_of_molecules(scenes):
    bonds = {a.get_chemical_formula(): len(scene["bonds"]) for a, scene in scenes if not a.pbc.any()}
    assert bonds == {"H2O": 2, "C6H6": 12, "C2H6O": 8, "H3N": 3, "CO2": 2}


def test_a_supercell_has_the_bonds_of_its_parts(open_page, tmp_path, structures_of):
    small = bulk("NaCl", "rocksalt", a=5.64)
    structures = structures_of([small, small * (3, 2, 2)])
    xy = np.array([[0.0, 0.0], [1.0, 1.0]])
    data = MapData({"PCA": xy}, {}, {}, ["small", "large"], structures.formulas(), ["all"] * 2, structures)
    shown = open_page(write_page(data, tmp_path / "map.html"))
    per_atom = []
    for i, n in ((0, 2), (1, 24)):
        scene = shown.js("(i) => atomscape.scenes(i)", i)
        first = {a["i"]: k for k, a in reversed(list(enumerate(scene["atoms"])))}
        per_atom.append(sum(coordination(scene, first[a]) for a in range(n)) / n)
    assert per_atom == [6.0, 6.0]


@pytest.mark.parametrize("webgl", [True, False], ids=["3Dmol", "Canvas2D"])
def test_the_viewer_draws_a_crystal_with_its_cell(webgl, open_page, kinds_page, kinds):
    oxide = next(i for i, a in enumerate(kinds) if len(a) == 4 and a.pbc.all())
    shown = open_page(kinds_page, f"id=s-{oxide:04d}", webgl=webgl)
    if webgl and not shown.js("() => modules['webgl-view'].hasWebGL()"):
        pytest.skip("this browser offers no WebGL, not even in software")
    shown.until("() => atomscape.viewer.kind === 'webgl' || atomscape.viewer.problem !== ''")
    shown.settle()
    assert shown.js("() => atomscape.viewer.kind") == ("webgl" if webgl else "canvas")
    assert shown.js("() => atomscape.viewer.cellShown()") == 12
    assert shown.page.get_by_text("drawn without WebGL").is_visible() is not webgl
    stage = shown.page.locator("#structure-card .stage")
    assert stage.get_attribute("aria-label") == "3D view, 4 atoms, with its unit cell"
    first = stage.screenshot()
    box = stage.bounding_box()
    middle = (box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
    shown.page.mouse.move(*middle)
    shown.page.mouse.down()
    shown.page.mouse.move(middle[0] + 40, middle[1] + 10, steps=3)
    shown.page.mouse.up()
    shown.settle()
    assert len(first) > 2500
    assert stage.screenshot() != first
    assert shown.problems == []
    assert shown.requests == [kinds_page.as_uri()]


def test_structures_left_out_for_size_are_said_to_be(open_page, tmp_path, make_map):
    data = make_map(900)
    bare = write_page(MapData(**{**vars(data), "structures": None}), tmp_path / "map.html").stat().st_size
    shown = open_page(write_page(data, tmp_path / "map.html", max_mb=(bare + 9000) / 1e6))
    count = shown.js("() => atomscape.data.structures.count")
    assert 20 < count < 899
    absent = shown.js("() => atomscape.data.ids.findIndex((_, i) => !atomscape.data.structures.has(i))")
    shown.js("(i) => atomscape.state.set({focus: i})", absent)
    assert f"only {count} of 900" in shown.page.locator(".message").inner_text()
    shown.page.keyboard.press("?")
    assert f"{count} structures of 900 are in this file" in shown.page.locator("dialog").inner_text()


def test_a_map_without_structures_says_so(open_page, tmp_path, make_map):
    data = MapData(**{**vars(make_map(20)), "structures": None})
    shown = open_page(write_page(data, tmp_path / "map.html"), "id=s-0003")
    assert shown.page.locator(".message").inner_text() == "This map holds no 3D structures."
    assert shown.problems == []
