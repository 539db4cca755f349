"""The page in a browser, with real mouse and keys: offline, picking, lasso, search, colours, projections."""

from __future__ import annotations

import csv
import io
import json

import numpy as np
import pytest
from ase.io import read

from atomscape.atlas.contents import MapData
from atomscape.atlas.page import write_page

pytestmark = pytest.mark.browser


def inside(polygon: np.ndarray, xy: np.ndarray) -> np.ndarray:
    """Even–odd rule, by NumPy: how many edges does a ray from each point to the right cross?"""
    (x0, y0), (x1, y1) = polygon.T[:, :, None], np.roll(polygon, 1, axis=0).T[:, :, None]
    x, y = xy.T[:, None, :]
    with np.errstate(divide="ignore", invalid="ignore"):
        crossing = ((y0 > y) != (y1 > y)) & (x < (x1 - x0) * (y - y0) / (y1 - y0) + x0)
    return crossing.sum(0) % 2 == 1


def drag(page, corners: np.ndarray) -> None:
    page.mouse.move(*corners[0])
    page.mouse.down()
    for corner in corners[1:]:
        page.mouse.move(*corner)
    page.mouse.up()


def single(xy: np.ndarray) -> np.ndarray:
    """Coordinates as the page keeps them."""
    return xy.astype(np.float32).astype(np.float64)


def test_the_page_loads_from_a_file_without_a_network(map_page, open_page):
    shown = open_page(map_page, offline=True)
    shown.settle()
    assert shown.requests == [map_page.as_uri()]
    assert shown.problems == []
    assert shown.page.title() == "A map"
    assert shown.page.locator("#subtitle").inner_text() == "300 structures from 2 datasets"
    assert len(shown.js("() => [...new Set(atomscape.map.surface.pixels)].slice(0, 50)")) == 50


def test_an_older_browser_reads_the_same(map_page, map_data, open_page):
    shown = open_page(map_page, before="delete window.DecompressionStream; delete Uint8Array.fromBase64;")
    assert shown.js("() => typeof DecompressionStream") == "undefined"
    assert shown.js("() => atomscape.data.ids") == list(map_data.ids)
    kept = np.array(shown.js("() => Array.from(atomscape.map.projection().xy)")).reshape(-1, 2)
    np.testing.assert_array_equal(kept, single(map_data.coordinates["PCA"]))
    assert shown.problems == []


def test_the_theme_follows_the_system_until_one_is_chosen(map_page, open_page):
    shown = open_page(map_page, color_scheme="dark")
    shown.settle()
    assert shown.js("() => document.documentElement.dataset.theme") == "dark"
    ground = shown.js("() => atomscape.map.surface.pixels[0] & 0xffffff")
    shown.page.keyboard.press("t")
    shown.settle()
    assert shown.js("() => document.documentElement.dataset.theme") == "light"
    assert shown.js("() => atomscape.map.surface.pixels[0] & 0xffffff") == 0xFFFFFF != ground
    shown.until("() => location.hash.includes('theme=light')")


@pytest.mark.parametrize("n", [1, 3])
def test_maps_of_one_place_and_of_nothing_known_open(n, open_page, tmp_path):
    data = MapData(
        coordinates={"PCA": np.ones((n, 2))},
        columns={"none": np.full(n, np.nan), "same": np.full(n, 2.5), "zero": np.zeros(n), "text": [""] * n},
        units={},
        ids=[f"s{i}" for i in range(n)],
        formulas=[""] * n,
        dataset=[""] * n,
    )
    page = write_page(data, tmp_path / "map.html")
    shown = open_page(page, "colour=none")
    for colour in ("same", "zero", "text", "dataset"):
        for mode in ("points", "density", "both"):
            shown.js("([colour, mode]) => atomscape.state.set({ colour, mode })", [colour, mode])
            shown.settle()
    shown.page.mouse.click(*shown.screen(np.array([[1.0, 1.0]]))[0])
    assert shown.js("() => atomscape.state.focus") in range(n)
    for key in ("0", "+", "ArrowRight", "Shift+ArrowRight", "p", "Escape"):
        shown.page.keyboard.press(key)
    shown.settle()
    assert shown.problems == []


def test_a_click_keeps_the_nearest_structure(map_page, map_data, open_page, rng):
    shown = open_page(map_page)
    places = shown.screen(single(map_data.coordinates["PCA"]))
    for row in rng.choice(len(places), 12, replace=False):
        x, y = places[row] + rng.uniform(-2.5, 2.5, 2)
        nearest = int(((places - [x, y]) ** 2).sum(1).argmin())
        shown.page.mouse.move(x, y)
        assert shown.js("() => atomscape.state.hover") == nearest
        shown.page.mouse.click(x, y)
        assert shown.js("() => atomscape.data.ids[atomscape.state.focus]") == map_data.ids[nearest]
    assert shown.page.locator("#structure-card .id").inner_text().startswith(map_data.ids[nearest])
    assert f"{map_data.columns['gap'][nearest]:.2f}"[:3] in shown.page.locator(".values").inner_text()
    empty = places.min(0) - 12
    shown.page.mouse.click(*empty)
    assert shown.js("() => atomscape.state.focus") == -1


def test_a_lasso_selects_what_numpy_says_and_saves_it(map_page, map_data, open_page):
    shown = open_page(map_page)
    places = shown.screen(single(map_data.coordinates["PCA"]))
    ids = np.array(map_data.ids)
    middle, spread = np.median(places, 0), places.std(0)
    angles = np.linspace(0, 2 * np.pi, 23)[:-1]
    star = middle + spread * (0.9 + 0.5 * np.cos(5 * angles))[:, None] * np.stack(
        [np.cos(angles), np.sin(angles)], 1
    )
    expected = inside(star, places)
    assert 30 < expected.sum() < 250
    shown.page.keyboard.press("l")
    drag(shown.page, star)
    assert shown.selected() == ids[expected].tolist()
    square = middle + spread * np.array([[0.2, 0.2], [2.5, 0.2], [2.5, 2.5], [0.2, 2.5]])
    shown.page.keyboard.down("Shift")
    drag(shown.page, square)
    shown.page.keyboard.up("Shift")
    expected |= inside(square, places)
    assert shown.selected() == ids[expected].tolist()
    shown.page.keyboard.down("Alt")
    drag(shown.page, square[[0, 1, 2]])
    shown.page.keyboard.up("Alt")
    expected &= ~inside(square[[0, 1, 2]], places)
    assert shown.selected() == ids[expected].tolist()
    assert json.loads(shown.save("JSON")) == ids[expected].tolist()
    check_table(shown.save("CSV"), map_data, expected)
    check_structures(shown.save("extxyz"), map_data, expected)


def check_table(text: str, data: MapData, expected: np.ndarray) -> None:
    rows = list(csv.DictReader(io.StringIO(text)))
    assert [r["id"] for r in rows] == np.array(data.ids)[expected].tolist()
    assert [r["dataset"] for r in rows] == np.array(data.dataset)[expected].tolist()
    np.testing.assert_allclose([float(r["gap (eV)"]) for r in rows], data.columns["gap"][expected], rtol=1e-6)
    energies = [float(r["energy (eV/atom)"] or "nan") for r in rows]
    np.testing.assert_allclose(energies, data.columns["energy"][expected], rtol=1e-6)


def check_structures(text: str, data: MapData, expected: np.ndarray) -> None:
    frames = read(io.StringIO(text), ":", format="extxyz")
    assert [a.info["id"] for a in frames] == np.array(data.ids)[expected].tolist()
    for atoms, row in zip(frames, np.flatnonzero(expected), strict=True):
        one = data.structures[int(row)]
        np.testing.assert_array_equal(atoms.numbers, one.numbers.numpy())
        np.testing.assert_allclose(atoms.positions, one.positions.numpy(), atol=5.1e-5)
        np.testing.assert_array_equal(atoms.pbc, one.pbc[0].numpy())
        if atoms.pbc.any():
            np.testing.assert_allclose(atoms.cell[:], one.cell[0].numpy(), atol=1e-12)


def test_search_by_mouse_and_keys(map_page, map_data, open_page):
    shown = open_page(map_page)
    shown.page.keyboard.press("/")
    shown.page.keyboard.type("Si-O")
    shown.until("() => document.querySelector('.found').textContent === 'Nothing found.'")
    shown.page.keyboard.press("Escape")
    shown.page.keyboard.type("has:H,C gap<3")
    shown.until("() => document.querySelector('.found-head')?.textContent.includes('structure')")
    shown.page.keyboard.press("Enter")
    wanted = [
        i
        for i, f, g in zip(map_data.ids, map_data.formulas, map_data.columns["gap"], strict=True)
        if f in ("C6H6", "C2H6O", "C2H2") and g < 3
    ]
    assert shown.selected() == wanted
    assert shown.page.locator("#selection-card h2").inner_text() == f"{len(wanted)} selected"
    shown.page.locator("#selection-card .row").first.click()
    assert shown.js("() => atomscape.data.ids[atomscape.state.focus]") == wanted[0]


def test_another_colour_changes_the_legend_and_the_picture(map_page, map_data, open_page):
    shown = open_page(map_page)
    shown.settle()
    bar = shown.page.locator(".colour-bar")
    before = shown.js("() => atomscape.map.surface.pixels.slice()")
    first = bar.get_attribute("aria-label")
    assert first.startswith("Colour scale of gap, ")
    shown.page.get_by_label("Colour by").select_option("energy")
    shown.settle()
    assert bar.get_attribute("aria-label").startswith("Colour scale of energy, −")
    assert "eV/atom" in bar.get_attribute("aria-label")
    unknown = int(np.isnan(map_data.columns["energy"]).sum())
    assert shown.page.locator("#colour-card .note").inner_text() == f"{unknown} without a value in grey."
    assert shown.js("() => atomscape.map.surface.pixels.slice()") != before
    shown.page.get_by_label("Colour by").select_option("kind")
    shown.settle()
    assert not bar.is_visible()
    rows = shown.page.locator(".category").all_inner_texts()
    assert [r.split("\n") for r in rows] == [["solid", "162"], ["molecule", "138"]]


def test_projections_glide_and_the_axes_follow(map_page, map_data, open_page):
    shown = open_page(map_page)
    assert shown.js("() => atomscape.map.projection().axes") == ["PCA 1 (34 %)", "PCA 2 (21 %)"]
    shown.js("""() => {
      window.gliding = 0;
      const watch = () => requestAnimationFrame(watch, window.gliding += atomscape.map.stopGlide ? 1 : 0);
      requestAnimationFrame(watch);
    }""")
    shown.page.get_by_role("radio", name="UMAP").click()
    shown.until("() => window.gliding > 0 && atomscape.map.stopGlide === null")
    shown.settle()
    assert shown.page.locator("#figures").inner_text().split() == ["trustworthiness", "0.98"]
    x, y = shown.screen(single(map_data.coordinates["UMAP"]))[17]
    shown.page.mouse.click(x, y)
    assert shown.js("() => atomscape.state.focus") == 17


def test_hidden_datasets_are_neither_drawn_nor_picked_nor_selected(map_page, map_data, open_page):
    shown = open_page(map_page)
    places = shown.screen(single(map_data.coordinates["PCA"]))
    shown.page.get_by_role("button", name="second").click()
    shown.settle()
    second = np.array(map_data.dataset) == "second"
    drawn = shown.js("() => Array.from(atomscape.map.currentLayer().order).sort((a, b) => a - b)")
    assert drawn == np.flatnonzero(~second).tolist()
    around = np.array(
        [
            places.min(0),
            [places[:, 0].max(), places[:, 1].min()],
            places.max(0),
            [places[:, 0].min(), places[:, 1].max()],
        ]
    )
    shown.page.keyboard.press("l")
    drag(shown.page, around + np.array([[-5, -5], [5, -5], [5, 5], [-5, 5]]))
    assert shown.selected() == np.array(map_data.ids)[~second].tolist()


def test_wheel_and_drag_keep_places_under_the_cursor(map_page, map_data, open_page):
    shown = open_page(map_page)
    x, y = np.round(shown.screen(single(map_data.coordinates["PCA"]))[5])
    box = shown.page.locator("canvas.overlay").bounding_box()
    place = shown.js("([x, y]) => atomscape.map.toMap(x, y)", [x - box["x"], y - box["y"]])
    shown.page.mouse.move(x, y)
    shown.page.mouse.wheel(0, -400)
    shown.settle()
    np.testing.assert_allclose(shown.screen([place])[0], [x, y], atol=1e-6)
    assert shown.js("() => atomscape.map.view().scale / atomscape.map.fitted().scale") > 1.4
    drag(shown.page, np.array([[x, y], [x + 60, y - 30], [x + 90, y - 50]]))
    np.testing.assert_allclose(shown.screen([place])[0], [x + 90, y - 50], atol=1e-6)
    shown.page.keyboard.press("0")
    shown.settle()
    np.testing.assert_allclose(shown.screen([place])[0], [x, y], atol=1e-6)


def test_an_address_brings_back_what_was_shown(map_page, open_page):
    shown = open_page(
        map_page,
        "projection=UMAP&colour=energy&scale=rank&mode=both&theme=dark&id=s-0042&hide=%5B%22second%22%5D",
    )
    state = shown.js(
        "() => ['projection', 'colour', 'scale', 'mode', 'theme', 'focus'].map((k) => atomscape.state[k])"
    )
    assert state == ["UMAP", "energy", "rank", "both", "dark", 42]
    assert shown.js("() => [...atomscape.state.hidden]") == [1, 0]
    assert shown.js("() => document.documentElement.dataset.theme") == "dark"
    shown.page.keyboard.press("Escape")
    shown.page.keyboard.press("d")
    shown.until("() => !location.hash.includes('id=') && location.hash.includes('mode=points') === false")
    assert "projection=UMAP" in shown.js("() => location.hash")
    assert shown.problems == []


def test_keys_walk_from_structure_to_structure(map_page, map_data, open_page):
    shown = open_page(map_page, "id=s-0010")
    places = shown.screen(single(map_data.coordinates["PCA"]))
    shown.page.keyboard.press("ArrowRight")
    focus = shown.js("() => atomscape.state.focus")
    dx, dy = places[focus] - places[10]
    assert focus != 10
    assert dx > 0
    assert abs(dy) <= dx
    assert map_data.ids[focus] in shown.page.locator("#spoken").inner_text()


def test_the_saved_picture_has_the_map_and_its_key(map_page, open_page, tmp_path):
    shown = open_page(map_page)
    with shown.page.expect_download() as download:
        shown.page.get_by_label("Save the map as an image").click()
    download.value.save_as(tmp_path / "map.png")
    head = (tmp_path / "map.png").read_bytes()
    assert head[:4] == b"\x89PNG"
    width, height = int.from_bytes(head[16:20], "big"), int.from_bytes(head[20:24], "big")
    plot = shown.js("() => [atomscape.map.width, atomscape.map.height]")
    assert width > 2 * plot[0] + 400
    assert height > 2 * plot[1] + 100


def test_hostile_text_is_shown_as_text(open_page, tmp_path):
    hostile = [
        "</script><script>alert(1)</script>",
        '"><img src=x onerror="alert(2)">',
        "<!-- '&quot; `${1}` -->",
    ]
    data = MapData(
        coordinates={hostile[0]: np.array([[0.0, 0.0], [1.0, 1.0], [2.0, 0.0]])},
        columns={hostile[1]: hostile},
        units={hostile[1]: hostile[0]},
        ids=hostile,
        formulas=hostile,
        dataset=hostile,
        title=hostile[0],
        notes=[(hostile[1], hostile[2])],
        provenance=hostile[0],
    )
    shown = open_page(write_page(data, tmp_path / "map.html", colour=hostile[1]))
    dialogs = []
    shown.page.on("dialog", lambda d: (dialogs.append(d.message), d.dismiss()))
    shown.page.mouse.click(*shown.screen(np.array([[1.0, 1.0]]))[0])
    assert shown.page.title() == hostile[0]
    assert shown.page.locator("#structure-card .id").inner_text() == f"{hostile[1]} · {hostile[1]}"
    shown.page.keyboard.press("/")
    shown.page.keyboard.type("onerror")
    shown.until("() => document.querySelectorAll('.hit').length === 1")
    shown.page.keyboard.press("Enter")
    assert shown.selected() == [hostile[1]]
    assert json.loads(shown.save("JSON")) == [hostile[1]]
    assert next(csv.DictReader(io.StringIO(shown.save("CSV"))))["id"] == hostile[1]
    assert shown.page.locator("body img").count() == 0
    assert dialogs == []
    assert shown.problems == []


def test_a_million_points_are_all_drawn_and_selectable(open_page, tmp_path, rng):
    n = 1_000_000
    xy = rng.normal(size=(n, 2)).astype(np.float32)
    data = MapData(
        coordinates={"PCA": xy},
        columns={"gap": np.arange(n) % 251},
        units={},
        ids=list(map(str, range(n))),
        formulas=["H2", "CO"] * (n // 2),
        dataset=["all"] * n,
    )
    shown = open_page(write_page(data, tmp_path / "map.html"))
    shown.settle()
    assert shown.js("() => atomscape.map.currentLayer().n") == n
    covered = shown.js("() => atomscape.map.surface.ids.filter((i) => i >= 0).length")
    assert covered > 50_000
    polygon = shown.screen(np.array([[-1.0, -1.0], [1.0, -0.5], [0.3, 1.0]]))
    shown.page.keyboard.press("l")
    drag(shown.page, polygon)
    expected = inside(polygon, shown.screen(xy))
    assert abs(shown.js("() => atomscape.selection.rows().length") - int(expected.sum())) <= 2
    assert expected.sum() > 100_000
    assert shown.problems == []
