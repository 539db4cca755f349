"""Pictures: well-formed SVG, and pixels against what geometry says."""

from __future__ import annotations

import base64
import io
import xml.etree.ElementTree as ET
from dataclasses import replace

import numpy as np
import pytest
from PIL import Image

from atomscape.view.elements import colour
from atomscape.view.harmonic_surface import sphere
from atomscape.view.light import theme_named
from atomscape.view.molecule import structure_layer, structure_scene
from atomscape.view.notebook import Interactive, Still
from atomscape.view.picture import svg, write_picture
from atomscape.view.png import png
from atomscape.view.project import View
from atomscape.view.proposals import Proposal, percent, proposals_scene
from atomscape.view.raster import rendered
from atomscape.view.scene import Balls, Layer, Mesh, Scene, Sticks

SVG = "{http://www.w3.org/2000/svg}"
RED = colour("c01020")
VIEW = View(np.eye(3), np.zeros(3), 20.0, (40.0, 30.0), 1.0, theme_named("light"))


def ball(radius: float = 1.0, z: float = 0.0, rgb=RED) -> Balls:
    """One ball on the axis of sight."""
    return Balls(np.array([[0.0, 0.0, z]]), np.array([radius]), rgb[None], ("X 0",))


def bubble(radius: float, opacity: float, z: float = 0.0) -> Mesh:
    """A sphere of triangles."""
    unit, triangles = sphere(6)
    colours = np.tile(colour("2080f0"), (len(unit), 1))
    return Mesh(radius * unit + [0, 0, z], triangles, unit.copy(), colours, opacity)


def test_svg_of_a_crystal(salt, tmp_path):
    """One circle per ball that is drawn, letters at the axes, the formula as title; no number is NaN."""
    path = write_picture(structure_scene(salt), tmp_path / "folder" / "salt.svg", theme="dark")
    root = ET.parse(path).getroot()
    assert len(root.findall(f".//{SVG}circle")) == 27
    texts = ["".join(t.itertext()) for t in root.iter(f"{SVG}text")]
    assert texts == ["Cl₄Na₄", "a", "b", "c"]
    assert "nan" not in path.read_text()
    names = {g.get("id") for g in root.find(f"{SVG}defs")}
    used = {e.get("fill")[5:-1] for e in root.iter() if (e.get("fill") or "").startswith("url(#")}
    assert used == names


def test_notebooks_show_pictures_and_pages(molecule):
    """Pictures stand alone, so that names of gradients do not meet; a page is one attribute."""
    scene = structure_scene(molecule("H2O"), title='"H"')
    still = ET.fromstring(Still(scene)._repr_html_().removesuffix(">") + "/>")
    frame = ET.fromstring(Interactive(scene)._repr_html_())
    data = base64.b64decode(still.get("src").removeprefix("data:image/svg+xml;base64,"))
    assert ET.fromstring(data).find(f"{SVG}title").text == '"H"'
    assert frame.get("srcdoc").startswith("<!DOCTYPE html>")
    assert frame.get("title") == '"H"'


def test_a_title_cannot_break_the_picture(molecule):
    scene = structure_scene(molecule("H2O"), title="<b>&")
    assert ET.fromstring(svg(scene)).find(f"{SVG}title").text == "<b>&"


def test_proposals_stand_side_by_side(molecule):
    """A panel each, the most probable first, as many as are asked for, with their probabilities."""
    given = molecule("CH4")
    place = np.array([[1.6, 0.0, 0.0]])
    proposals = [Proposal(np.array([z]), place, p) for z, p in ((8, 0.2), (7, 0.7), (6, 0.002))]
    scene = proposals_scene(given, proposals)
    texts = ["".join(t.itertext()) for t in ET.fromstring(svg(scene)).iter(f"{SVG}text")]
    assert [t for t in texts if "·" in t] == ["1 · N", "2 · O", "3 · C"]
    assert {"N  70 %", "probability 70 %", "C  < 1 %"} <= set(texts)
    alone = ["".join(t.itertext()) for t in ET.fromstring(svg(scene, panels=1)).iter(f"{SVG}text")]
    assert [t for t in alone if "%" in t] == ["N  70 %"]


def test_a_density_is_drawn_as_pixels(molecule):
    """Where there are surfaces, there is an image inside, and the texts are still texts."""
    place = np.array([[1.6, 0.0, 0.0]])

    def density(r):
        return np.exp(-0.5 * ((r - place) ** 2).sum(1) / 0.04) / (2 * np.pi * 0.04) ** 1.5

    scene = proposals_scene(molecule("CH4"), [Proposal(np.array([8]), place, 1.0)], density)
    half = scene.layers[-1].meshes[0].vertices
    assert np.linalg.norm(half - place, axis=1).mean() == pytest.approx(1.538 * 0.2, rel=0.05)
    root = ET.fromstring(svg(scene, 300, 240))
    (image,) = root.findall(f".//{SVG}image")
    data = image.get("href").removeprefix("data:image/png;base64,")
    pixels = np.array(Image.open(io.BytesIO(base64.b64decode(data))))
    assert pixels[..., 3].max() == 255
    assert pixels[0, 0, 3] == 0
    assert root.findall(f".//{SVG}circle") == []
    assert percent(1.0) == "> 99 %"


def test_png_is_read_by_others(rng):
    """Pillow gets back what was written."""
    pixels = rng.integers(0, 256, size=(17, 23, 4), dtype=np.uint8)
    assert np.array_equal(np.array(Image.open(io.BytesIO(png(pixels)))), pixels)


def test_a_ball_is_a_disc():
    """Covered pixels are π r²; in the middle the picture has the ball's hue; in the corner it is empty."""
    picture = rendered([Layer("a", (ball(),))], VIEW, 80, 60, samples=3)
    inside = (picture[..., 3] == 255) & (picture[..., 0] > picture[..., 2] + 20)
    assert inside.sum() == pytest.approx(np.pi * 20**2, rel=0.08)
    assert picture[0, 0, 3] == 0
    assert picture[30, 40, 0] > 2 * picture[30, 40, 2]


def test_a_stick_is_as_wide_as_it_is():
    """Along x, from −1 to 1 Å and 0.2 Å thick, with round ends."""
    stick = Sticks(np.array([[-1.0, 0, 0]]), np.array([[1.0, 0, 0]]), np.array([0.2]), RED[None])
    solid = rendered([Layer("a", sticks=(stick,))], VIEW, 80, 60)[..., 3] == 255
    assert solid[:, 40].sum() == 8
    assert solid[30].sum() == pytest.approx(48, abs=2)


def test_the_nearer_hides_the_farther():
    near, far = ball(0.5, 1.0, colour("10c020")), ball(0.8, -1.0)
    for layers in ((near, far), (far, near)):
        picture = rendered([Layer("a", layers)], VIEW, 80, 60)
        assert picture[30, 40, 1] > picture[30, 40, 0], "green in front"
        assert picture[30, 54, 0] > picture[30, 54, 1], "red beside it"


def test_glass_is_seen_through():
    """A ball in a bubble shines through; a bubble behind a ball does not show; opaque bubbles hide."""
    middle = (30, 40)
    bare = rendered([Layer("a", (ball(0.5),))], VIEW, 80, 60)[middle].astype(int)
    inside = rendered([Layer("a", (ball(0.5),), meshes=(bubble(0.9, 0.3),))], VIEW, 80, 60)[middle]
    hidden = rendered([Layer("a", (ball(0.5),), meshes=(bubble(0.9, 1.0),))], VIEW, 80, 60)[middle]
    behind = rendered([Layer("a", (ball(0.5),), meshes=(bubble(0.3, 0.9, -1.0),))], VIEW, 80, 60)[middle]
    assert bare[0] > inside[0] > hidden[0]
    assert bare[2] < inside[2] < hidden[2]
    assert np.abs(behind - bare).max() <= 1
    alone = rendered([Layer("a", meshes=(bubble(0.9, 0.3),))], VIEW, 80, 60)[middle]
    # Two walls, each of 0.3 · 0.8 where it is looked at straight.
    assert alone[3] / 255 == pytest.approx(1 - (1 - 0.24) ** 2, abs=0.02)


def test_what_cannot_be_written_is_told(molecule, tmp_path):
    scene = structure_scene(molecule("H2O"))
    with pytest.raises(ValueError, match=r"written as \.svg"):
        write_picture(scene, tmp_path / "a.gif")
    with pytest.raises(LookupError, match="did you mean 'light'"):
        svg(scene, theme="ligth")
    with pytest.raises(ValueError, match="have to be positive"):
        svg(scene, width=0)
    with pytest.raises(ValueError, match="no proposals"):
        proposals_scene(molecule("H2O"), [])
    with pytest.raises(ValueError, match="between 0 and 1"):
        Proposal(np.array([8]), np.zeros((1, 3)), 1.2)
    with pytest.raises(ValueError, match="one of each"):
        Proposal(np.zeros(0, dtype=np.int64), np.zeros((0, 3)), 0.5)


def test_rings_mark_what_is_new(molecule):
    """A ring around a ball adds circles of its colour, in both kinds of picture."""
    layer = structure_layer(molecule("H2O"))
    marked = replace(layer.balls[0], halo=colour("2f5bd8"))
    scene = Scene((replace(layer, balls=(marked,)),))
    strokes = [c.get("stroke") for c in ET.fromstring(svg(scene)).iter(f"{SVG}circle")]
    assert strokes.count("#2f5bd8") == 6
    picture = rendered([Layer("a", (replace(ball(), halo=colour("2f5bd8")),))], VIEW, 80, 60, samples=1)
    assert picture[30, 40 + 24].tolist() == [47, 91, 216, 255]
