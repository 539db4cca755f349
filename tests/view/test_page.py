"""The page in a browser: it draws, says what is under the pointer, and does what its buttons say."""

from __future__ import annotations

import io
import time
from dataclasses import replace

import numpy as np
import pytest
from PIL import Image

from atomscape.view.molecule import structure_scene
from atomscape.view.page import page_parts, write_page
from atomscape.view.proposals import Proposal, proposals_scene
from atomscape.web.inlining import inline_modules
from atomscape.web.one_file import page_modules

WEBGL = ("--use-gl=angle", "--use-angle=swiftshader", "--enable-unsafe-swiftshader")
SIZE = {"width": 420, "height": 320}


class Page:
    """A page in the browser and what went wrong in it."""

    def __init__(self, browser, path, state: str = "theme=light") -> None:
        self.context = browser.new_context(viewport=SIZE, accept_downloads=True)
        self.context.set_default_timeout(120_000)
        self.page = self.context.new_page()
        self.problems: list[str] = []
        self.requests: list[str] = []
        self.page.on("request", lambda r: self.requests.append(r.url))
        self.page.on("pageerror", lambda e: self.problems.append(str(e)))
        self.page.on("console", lambda m: m.type == "error" and self.problems.append(m.text))
        self.page.goto(f"{path.as_uri()}#{state}")

    def js(self, expression: str):
        """Evaluate in the page."""
        return self.page.evaluate(expression)

    def until(self, condition: str, seconds: float = 90.0) -> None:
        """Wait for a JavaScript condition; the page forbids ``eval``, so it is asked again and again."""
        end = time.monotonic() + seconds
        while not self.page.evaluate(condition):
            assert time.monotonic() < end, f"not within {seconds} s: {condition}; {self.problems}"
            time.sleep(0.05)

    def drawn(self) -> Page:
        """Wait for a frame that has not been drawn yet."""
        self.until("() => window.atomscape?.viewer.drawn > 1 && !atomscape.viewer.wanted")
        return self

    def pixels(self) -> np.ndarray:
        """The canvas as it is, [height, width, 4]."""
        text = self.js("() => document.getElementById('canvas').toDataURL().split(',')[1]")
        import base64

        return np.array(Image.open(io.BytesIO(base64.b64decode(text))))


@pytest.fixture(scope="module")
def scene(molecule):
    """Methane with two proposals and a density."""
    place = np.array([[1.7, 0.0, 0.0]])
    proposals = [Proposal(np.array([8]), place, 0.8), Proposal(np.array([9]), -place, 0.1)]
    return proposals_scene(
        molecule("CH4"), proposals, lambda r: np.exp(-8 * ((r - place) ** 2).sum(1)), title="<Methane>"
    )


@pytest.fixture(scope="module")
def page(start_browser, scene, tmp_path_factory):
    """Its page, opened once for all tests."""
    opened = Page(start_browser(*WEBGL), write_page(scene, tmp_path_factory.mktemp("view") / "page.html"))
    yield opened.drawn()
    opened.context.close()


def test_modules_are_understood():
    """They can be inlined, and nothing is loaded from elsewhere."""
    script = inline_modules(page_modules("atomscape.view"), "main")
    assert "http://www.w3.org/2000/svg" in script
    assert script.count("http") == 1


def test_data_never_meet_the_parser(scene):
    """A title with a tag in it stays text."""
    text = "".join(page_parts(replace(scene, title="</script><b>")))
    assert "</script><b>" not in text


@pytest.mark.browser
def test_the_page_draws(page):
    """No error, no request but for the page itself, and a picture with colours of the scene."""
    assert page.problems == []
    assert [u for u in page.requests if not u.startswith(("file:", "data:", "blob:"))] == []
    assert page.js("() => document.querySelector('h1').textContent") == "<Methane>"
    pixels = page.pixels().astype(int)
    assert 0.02 < (pixels[..., 3] > 128).mean() < 0.9
    solid = pixels[pixels[..., 3] > 250]
    assert (solid[:, 0] > solid[:, 2] + 80).any(), "the red of oxygen"
    assert page.js("() => document.querySelectorAll('.label').length") == 1


@pytest.mark.browser
def test_the_pointer_names_atoms(page):
    """At the place where the camera sees the first atom, its name appears; beside it, nothing."""
    at = page.js(
        "() => atomscape.viewer.camera.project([...atomscape.viewer.layers[0].balls[0].at.slice(0, 3)])"
    )
    page.page.mouse.move(at["x"], at["y"])
    page.until("() => !document.getElementById('hint').hidden")
    assert page.js("() => document.querySelector('#hint b').textContent") == "C 0"
    page.page.mouse.move(SIZE["width"] - 4, 4)
    page.until("() => document.getElementById('hint').hidden")
    page.drawn()


@pytest.mark.browser
def test_proposals_exclude_one_another(page):
    """The next one by key, the first one by click; what is free to show or hide stays as it is."""
    shown = "() => [...atomscape.viewer.state.shown].sort()"
    assert page.js(shown) == ["1 · O", "density", "given"]
    page.page.keyboard.press("n")
    assert page.js(shown) == ["2 · F", "density", "given"]
    assert page.js("() => document.querySelector('.label').textContent") == "F  10 %"
    page.page.get_by_role("checkbox", name="density").click()
    page.page.get_by_role("radio", name="1 · O").click()
    assert page.js(shown) == ["1 · O", "given"]
    page.page.get_by_role("checkbox", name="density").click()
    page.drawn()


@pytest.mark.browser
def test_dragging_turns_and_keys_bring_back(page):
    """A drag to the right turns about the vertical axis of the screen; R undoes it."""
    turn = "() => atomscape.viewer.camera.turn"
    before = np.array(page.js(turn)).reshape(3, 3)
    page.page.mouse.move(300, 250)
    page.page.mouse.down()
    page.page.mouse.move(340, 250)
    page.page.mouse.up()
    after = np.array(page.js(turn)).reshape(3, 3)
    assert np.allclose(after @ after.T, np.eye(3))
    angle = 40 * 0.0085
    assert np.allclose((after @ before.T)[1], [0, 1, 0], atol=1e-9)
    assert (after @ before.T)[0, 0] == pytest.approx(np.cos(angle))
    page.page.keyboard.press("r")
    assert np.allclose(np.array(page.js(turn)).reshape(3, 3), before)
    page.page.keyboard.press("t")
    assert page.js("() => document.documentElement.dataset.theme") == "dark"
    page.page.keyboard.press("?")
    assert page.js("() => document.getElementById('keys').open")
    page.page.keyboard.press("Escape")
    page.drawn()


@pytest.mark.browser
def test_a_picture_is_saved(page, tmp_path):
    """The button gives a PNG of the canvas's size, opaque, with the label on it."""
    with page.page.expect_download() as download:
        page.page.get_by_role("button", name="Save a picture").click()
    saved = Image.open(download.value.path())
    assert saved.size == (SIZE["width"], SIZE["height"])
    assert saved.convert("RGBA").getextrema()[3] == (255, 255)
    assert page.problems == []


@pytest.mark.browser
def test_glass_is_sorted_from_far_to_near(page):
    """Depth of the triangles rises along the sorted list, seen from any side."""
    depths = page.js(
        """() => {
          const gl = document.createElement("canvas").getContext("webgl2");
          const layer = atomscape.viewer.layers.find((l) => l.name === "density");
          const made = modules.shapes.makeMeshes(gl, [layer], false);
          const n = Math.hypot(1, 2, -0.5), towards = [1 / n, 2 / n, -0.5 / n];
          made.sort(towards);
          const order = new Uint32Array(made.count);
          gl.bindVertexArray(made.array);
          gl.getBufferSubData(gl.ELEMENT_ARRAY_BUFFER, 0, order);
          const at = layer.meshes.flatMap((m) => [...m.vertices]);
          const deep = (v) => towards.reduce((s, t, k) => s + t * at[3 * v + k], 0);
          return Array.from({ length: order.length / 3 }, (_, t) =>
            (deep(order[3 * t]) + deep(order[3 * t + 1]) + deep(order[3 * t + 2])) / 3);
        }"""
    )
    assert len(depths) > 100
    assert np.diff(depths).min() > -2 * np.ptp(depths) / 2**14


@pytest.mark.browser
def test_without_webgl_the_page_says_so(start_browser, molecule, tmp_path):
    """Instead of a blank canvas."""
    browser = start_browser("--disable-3d-apis")
    opened = Page(browser, write_page(structure_scene(molecule("H2O")), tmp_path / "page.html"))
    opened.until("() => document.getElementById('failure').textContent !== ''")
    assert "no WebGL 2" in opened.js("() => document.getElementById('failure').textContent")
    opened.context.close()
