"""A headless browser for the map page, and small maps to open in it."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import numpy as np
import pytest
import torch
from ase import Atoms
from ase.build import bulk, molecule

from atomscape.atlas.page import MapData, write_page
from atomscape.atoms.structures import Structures

SIZE = {"width": 1280, "height": 860}


class OpenPage:
    """A page in the browser with what it asked of the network and wrote to the console."""

    def __init__(self, browser, path: Path, state: str = "", before: str = "", **context) -> None:
        self.context = browser.new_context(viewport=SIZE, accept_downloads=True, **context)
        self.context.set_default_timeout(120_000)
        self.page = self.context.new_page()
        if before:
            self.page.add_init_script(before)
        self.requests: list[str] = []
        self.problems: list[str] = []
        self.page.on("request", lambda r: self.requests.append(r.url))
        self.page.on("pageerror", lambda e: self.problems.append(str(e)))
        self.page.on("console", lambda m: m.type == "error" and self.problems.append(m.text))
        self.page.goto(path.as_uri() + (f"#{state}" if state else ""))
        self.until("() => Boolean(window.atomscape && atomscape.state.loaded)")

    def js(self, expression: str, argument=None):
        """Evaluate in the page; ``modules`` and the other parts of ``window.atomscape`` are at hand."""
        return self.page.evaluate(expression, argument)

    def until(self, condition: str, seconds: float = 60.0) -> None:
        """Wait for a JavaScript condition, asked again and again: the page forbids ``eval``."""
        end = time.monotonic() + seconds
        while not self.page.evaluate(condition):
            if time.monotonic() > end:
                raise AssertionError(f"not within {seconds} s: {condition}; {self.problems}")
            time.sleep(0.02)

    def settle(self) -> None:
        """Wait until the map has drawn what it was told."""
        self.js("() => new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)))")
        self.until("() => !atomscape.map.wanted && !atomscape.map.moving && !atomscape.map.stopGlide")

    def screen(self, xy: np.ndarray) -> np.ndarray:
        """Where points of the map lie in the window (CSS pixels), from the view the page reports."""
        view, w, h = self.js("() => [atomscape.map.view(), atomscape.map.width, atomscape.map.height]")
        box = self.page.locator("canvas.overlay").bounding_box()
        xy = np.asarray(xy, dtype=np.float64)
        x = (xy[:, 0] - view["x"]) * view["scale"] + w / 2 + box["x"]
        y = h / 2 - (xy[:, 1] - view["y"]) * view["scale"] + box["y"]
        return np.stack([x, y], 1)

    def selected(self) -> list[str]:
        """Ids of the selection."""
        return self.js("() => Array.from(atomscape.selection.rows(), (i) => atomscape.data.ids[i])")

    def save(self, label: str) -> str:
        """Text of the file that a button of the selection saves."""
        with self.page.expect_download() as download:
            self.page.locator(".saving").get_by_text(label).click()
        return Path(download.value.path()).read_text("utf-8")


def _opener(start_browser) -> Iterator[Callable[..., OpenPage]]:
    opened: list[OpenPage] = []

    def open_(path: Path, state: str = "", webgl: bool = False, **context) -> OpenPage:
        flags = () if webgl else ("--disable-3d-apis",)
        opened.append(OpenPage(start_browser(*flags), path, state, **context))
        return opened[-1]

    yield open_
    for page in opened:
        page.context.close()


@pytest.fixture
def open_page(start_browser) -> Iterator[Callable[..., OpenPage]]:
    """``open_page(path, state="", webgl=False, before=script)`` opens a page and closes it after the test."""
    yield from _opener(start_browser)


@pytest.fixture(scope="module")
def open_shared_page(start_browser) -> Iterator[Callable[..., OpenPage]]:
    """As ``open_page``; the page stays open for all tests of a module, which must not change it."""
    yield from _opener(start_browser)


def batch(atoms: Sequence[Atoms]) -> Structures:
    """Structures from ASE atoms."""
    pbc = np.stack([a.pbc for a in atoms])
    return Structures(
        torch.as_tensor(np.concatenate([a.positions for a in atoms])),
        torch.as_tensor(np.concatenate([a.numbers for a in atoms])),
        torch.as_tensor(np.stack([np.array(a.cell) for a in atoms]) * pbc[:, :, None]),
        torch.as_tensor(pbc),
        torch.repeat_interleave(torch.arange(len(atoms)), torch.tensor([len(a) for a in atoms])),
    )


def some_atoms() -> list[Atoms]:
    """Molecules, crystals with skewed cells, a slab and a chain."""
    slab = bulk("Al", cubic=True) * (2, 2, 1)
    slab.pbc = (True, True, False)
    chain = Atoms("C2H2", positions=[[0, 0, 0], [1.3, 0.4, 0], [0, -1.1, 0], [1.3, 1.5, 0]], cell=[2.6, 8, 8])
    chain.pbc = (True, False, False)
    crystals = [
        bulk("Si"),
        bulk("NaCl", "rocksalt", a=5.64),
        bulk("ZnO", "wurtzite", a=3.25, c=5.2),
        bulk("Cu"),
    ]
    return [*(molecule(m) for m in ("H2O", "C6H6", "CH3CH2OH", "NH3", "CO2")), *crystals, slab, chain]


def build_map(n: int, seed: int = 0) -> MapData:
    """Make a map of ``n`` structures with numbers, unknown numbers and categories."""
    rng = np.random.default_rng(seed)
    kinds = some_atoms()
    atoms = [kinds[i % len(kinds)].copy() for i in range(n)]
    for i, a in enumerate(atoms[len(kinds) :]):
        a.rattle(0.02, seed=i)
    structures = batch(atoms)
    xy = rng.normal(size=(n, 2)) + 4.0 * (np.arange(n) % len(kinds))[:, None] * [0.5, -0.3]
    gap = rng.uniform(0.1, 9.0, n)
    energy = rng.normal(size=n)
    energy[::7] = np.nan
    columns = {
        "gap": gap,
        "energy": energy,
        "kind": ["molecule" if i % len(kinds) < 5 else "solid" for i in range(n)],
    }
    return MapData(
        coordinates={"PCA": xy, "UMAP": rng.uniform(-3, 3, size=(n, 2))},
        columns=columns,
        units={"gap": "eV", "energy": "eV/atom"},
        ids=[f"s-{i:04d}" for i in range(n)],
        formulas=structures.formulas(),
        dataset=["first" if i % 3 else "second" for i in range(n)],
        structures=structures,
        title="A map",
        notes=[("PCA 1", "34 %"), ("PCA 2", "21 %"), ("UMAP trustworthiness", "0.98")],
        provenance="made in a test",
    )


@pytest.fixture(scope="session")
def make_map() -> Callable[..., MapData]:
    """``make_map(n, seed=0)`` makes a map of ``n`` structures."""
    return build_map


@pytest.fixture(scope="session")
def structures_of() -> Callable[[Sequence[Atoms]], Structures]:
    """``structures_of(atoms)`` makes a batch from ASE atoms."""
    return batch


@pytest.fixture(scope="session")
def kinds() -> list[Atoms]:
    """The structures that such a map repeats."""
    return some_atoms()


@pytest.fixture(scope="session")
def map_data() -> MapData:
    """A map of 300 structures."""
    return build_map(300)


@pytest.fixture(scope="session")
def map_page(map_data: MapData, tmp_path_factory) -> Path:
    """Its page."""
    return write_page(map_data, tmp_path_factory.mktemp("page") / "map.html", colour="gap")
