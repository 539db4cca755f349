"""How fast does the map page draw? ``python benchmarks/map.py [--quick] [--json]``.

Points of 60 clusters in a 1000 × 700 plot, drawn in a headless browser without a GPU: at rest (smooth discs),
while moving, as density, on their way between projections; then a lasso around a third of them. Peers draw
the same points in the same browser: one ``fillRect`` each on a Canvas2D, and WebGL ``POINTS`` waited for with
``readPixels`` (its renderer is named in the note; without a GPU it is software). NumPy is the lasso's peer.
Wall time, the best of several, so a busy machine spoils it.
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from measure import Row, best_of, command

from atomscape.atlas.page import MapData, write_page
from atomscape.web.browser import FLAGS, find_browser

QUESTION = "map"
LASSO = [250, 120, 620, 90, 700, 420, 330, 560]

TIME = """
(how) => {
  const { map, state } = atomscape, { drawPlot } = modules.plot;
  const best = (act) => {
    let least = Infinity;
    for (let k = 0, spent = 0; k < 9 || (spent < 1500 && k < 200); k++) {
      const start = performance.now();
      act();
      const taken = performance.now() - start;
      least = Math.min(least, taken);
      spent += taken;
    }
    return least / 1000;
  };
  const picture = { ...map.picture(), moving: false };
  const { x, y, n } = picture.layer;
  const places = Float32Array.from({ length: 2 * n }, (_, k) => (k % 2 ? y[k >> 1] : x[k >> 1]));
  const acts = {
    rest: () => drawPlot(map.surface, picture),
    moving: () => drawPlot(map.surface, { ...picture, moving: true }),
    density: () => drawPlot(map.surface, { ...picture, mode: "density" }),
    order: () => { map.layer = null; map.currentLayer(); },
    lasso: () => modules.lasso.lassoMask(how.polygon, map.projection().xy, () => true),
    canvas: () => fillRects(picture),
  };
  const fillRects = ({ width, height, view, table, layer }) => {
    const canvas = new OffscreenCanvas(width, height), context = canvas.getContext("2d");
    const css = table.map((c) => `rgb(${c})`);
    for (let k = 0; k < n; k++) {
      context.fillStyle = css[layer.tint[k]];
      const [px, py] = [(x[k] - view.x) * view.scale, (y[k] - view.y) * view.scale];
      context.fillRect(width / 2 + px, height / 2 - py, 2, 2);
    }
    context.getImageData(0, 0, 1, 1);
  };
  if (how.what === "webgl") return webgl(picture, places, best);
  return { seconds: best(acts[how.what]), note: "" };

  function webgl({ width, height, view }, places, best) {
    const gl = new OffscreenCanvas(width, height).getContext("webgl2");
    if (!gl) return { seconds: null, note: "this browser offers no WebGL" };
    const shader = (type, source) => {
      const made = gl.createShader(type);
      gl.shaderSource(made, source);
      gl.compileShader(made);
      return made;
    };
    const program = gl.createProgram();
    gl.attachShader(program, shader(gl.VERTEX_SHADER, `#version 300 es
      in vec2 p; uniform vec4 v;
      void main() { gl_Position = vec4((p - v.xy) * v.zw, 0, 1); gl_PointSize = 2.0; }`));
    gl.attachShader(program, shader(gl.FRAGMENT_SHADER, `#version 300 es
      precision mediump float; out vec4 c; void main() { c = vec4(0.2, 0.4, 0.8, 1); }`));
    gl.linkProgram(program);
    gl.useProgram(program);
    gl.bindBuffer(gl.ARRAY_BUFFER, gl.createBuffer());
    gl.bufferData(gl.ARRAY_BUFFER, places, gl.STATIC_DRAW);
    gl.enableVertexAttribArray(0);
    gl.vertexAttribPointer(0, 2, gl.FLOAT, false, 0, 0);
    const scale = [2 * view.scale / width, 2 * view.scale / height];
    gl.uniform4f(gl.getUniformLocation(program, "v"), view.x, view.y, ...scale);
    const pixel = new Uint8Array(4);
    const seconds = best(() => {
      gl.clear(gl.COLOR_BUFFER_BIT);
      gl.drawArrays(gl.POINTS, 0, n);
      gl.readPixels(0, 0, 1, 1, gl.RGBA, gl.UNSIGNED_BYTE, pixel);
    });
    const about = gl.getExtension("WEBGL_debug_renderer_info");
    return { seconds, note: about ? gl.getParameter(about.UNMASKED_RENDERER_WEBGL) : "" };
  }
}
"""


def clusters(n: int) -> MapData:
    """Points of 60 clusters in two projections, with one property."""
    rng = np.random.default_rng(0)
    which = rng.integers(60, size=n)
    xy = 6 * rng.normal(size=(60, 2))[which] + rng.normal(size=(n, 2))
    turned = xy @ np.array([[0.6, 0.8], [-0.8, 0.6]]) + rng.normal(size=(n, 2))
    return MapData(
        {"UMAP": xy, "PCA": turned},
        {"gap": np.abs(xy[:, 0])},
        {"gap": "eV"},
        [f"s-{i}" for i in range(n)],
        ["H2O", "CO2"] * (n // 2),
        ["all"] * n,
    )


def run(quick: bool) -> Iterator[Row]:
    """Rows for each number of points."""
    sizes = (10_000, 100_000) if quick else (100_000, 1_000_000)
    try:
        from playwright.sync_api import sync_playwright
    except ImportError:
        yield Row(QUESTION, "points", None, "", None, "playwright is not installed")
        return
    browser = find_browser()
    if browser is None:
        yield Row(QUESTION, "points", None, "", None, "no Chromium is installed")
        return
    with sync_playwright() as playwright, tempfile.TemporaryDirectory() as folder:
        flags = [flag for flag in FLAGS if not flag.startswith("--headless")]
        running = playwright.chromium.launch(executable_path=browser, args=flags)
        for n in sizes:
            data = clusters(n)
            page = running.new_page(viewport={"width": 1450, "height": 870})
            yield from _rows(page, write_page(data, Path(folder) / f"{n}.html"), data)
            page.close()
        running.close()


def _rows(page, path: Path, data: MapData) -> Iterator[Row]:
    n = len(data.ids)
    start = time.perf_counter()
    page.goto(path.as_uri())
    while not page.evaluate("() => Boolean(window.atomscape && atomscape.map.drawMs)"):
        time.sleep(0.01)
    opened = time.perf_counter() - start
    polygon = page.evaluate("(p) => { const q = []; for (let k = 0; k < p.length; k += 2) "
                            "q.push(...atomscape.map.toMap(p[k], p[k + 1])); return q; }", LASSO)  # fmt: skip

    def timed(what: str) -> tuple[float | None, str]:
        answer = page.evaluate(TIME, {"what": what, "polygon": polygon})
        return answer["seconds"], answer["note"]

    rest, moving = timed("rest")[0], timed("moving")[0]
    webgl, renderer = timed("webgl")
    yield Row(QUESTION, f"{n:,} points, moving", moving, "Canvas2D fillRect", timed("canvas")[0])
    yield Row(QUESTION, f"{n:,} points, moving", moving, "WebGL points", webgl, renderer)
    yield Row(QUESTION, f"{n:,} points, at rest", rest, "ours, moving", moving)
    yield Row(QUESTION, f"{n:,} points, density", timed("density")[0], "ours, at rest", rest)
    yield Row(QUESTION, f"{n:,} points, new colour", timed("order")[0], "ours, at rest", rest)
    xy = np.asarray(data.coordinates["UMAP"], dtype=np.float64)
    numpy_lasso = best_of(lambda: _inside(np.array(polygon).reshape(-1, 2), xy), 3)
    yield Row(QUESTION, f"{n:,} points, lasso", timed("lasso")[0], "NumPy", numpy_lasso)
    yield Row(
        QUESTION, f"{n:,} points, opened and drawn", opened, "", None, f"{path.stat().st_size / 1e6:.1f} MB"
    )


def _inside(polygon: np.ndarray, xy: np.ndarray) -> np.ndarray:
    """Even–odd rule, one edge after the other."""
    odd = np.zeros(len(xy), dtype=bool)
    x, y = xy.T
    for (x0, y0), (x1, y1) in zip(polygon, np.roll(polygon, 1, axis=0), strict=True):
        odd ^= ((y0 > y) != (y1 > y)) & (x < (x1 - x0) * (y - y0) / (y1 - y0) + x0)
    return odd


if __name__ == "__main__":
    command(QUESTION, run, "picture")
