"""The page's modules one by one, in the browser, against NumPy and the standard library."""

from __future__ import annotations

import base64
import gzip
import zlib

import numpy as np
import pytest

from atomscape.web.packing import pack_array, pack_texts

pytestmark = pytest.mark.browser

# Full loss of one kind of cone, linear RGB (Machado, Oliveira, Fernandes 2009, table 1).
VISIONS = {
    "usual": np.eye(3),
    "protanopia": [
        [0.152286, 1.052583, -0.204868],
        [0.114503, 0.786281, 0.099216],
        [-0.003882, -0.048116, 1.051998],
    ],
    "deuteranopia": [
        [0.367322, 0.860646, -0.227968],
        [0.280085, 0.672501, 0.047413],
        [-0.01182, 0.04294, 0.968881],
    ],
    "tritanopia": [
        [1.255528, -0.076749, -0.178779],
        [-0.078411, 0.930809, 0.147602],
        [0.004733, 0.691367, 0.3039],
    ],
}


@pytest.fixture(scope="module")
def js(open_shared_page, map_page):
    """Evaluate in one open page: ``js("(x) => modules.colour.…", x)``."""
    return open_shared_page(map_page).js


@pytest.mark.parametrize("dtype", ["uint8", "int16", "int32", "float32", "float64"])
def test_arrays_come_back_as_they_were(js, rng, dtype):
    values = (rng.normal(size=257) * 100).astype(dtype)
    text = pack_array(values).text
    back = js(
        """async ([text, dtype]) => {
          const { fromBase64, gunzip, unshuffle } = modules.pack;
          return Array.from(unshuffle(await gunzip(fromBase64(text)), dtype));
        }""",
        [text, dtype],
    )
    np.testing.assert_array_equal(np.array(back, dtype=dtype), values)


def test_texts_come_back_as_they_were(js):
    texts = ["å \u2028", "</script>", "", "𝛼\n"]
    read = """async (text) => {
      const { fromBase64, gunzip } = modules.pack;
      return JSON.parse(new TextDecoder().decode(await gunzip(fromBase64(text))));
    }"""
    assert js(read, pack_texts(texts).text) == texts


@pytest.mark.parametrize("level", [0, 1, 6, 9])
@pytest.mark.parametrize("strategy", [zlib.Z_DEFAULT_STRATEGY, zlib.Z_FIXED, zlib.Z_HUFFMAN_ONLY])
def test_own_decompression_agrees_with_zlib(js, rng, level, strategy):
    raw = bytes(rng.integers(0, 256, 70000, dtype=np.uint8)) + b"abcabcabd" * 9000 + bytes(70000)
    packer = zlib.compressobj(level, zlib.DEFLATED, 31, 8, strategy)
    packed = packer.compress(raw) + packer.flush()
    assert gzip.decompress(packed) == raw
    back = js(
        """(text) => {
          const bytes = modules.inflate.gunzipPlain(modules.pack.fromBase64(text));
          let out = "";
          for (const byte of bytes) out += String.fromCharCode(byte);
          return btoa(out);
        }""",
        base64.b64encode(packed).decode(),
    )
    assert base64.b64decode(back) == raw


def oklab(linear: np.ndarray) -> np.ndarray:
    """Linear sRGB → OKLab (Ottosson 2020)."""
    lms = np.cbrt(
        linear
        @ np.array(
            [
                [0.4122214708, 0.2119034982, 0.0883024619],
                [0.5363325363, 0.6806995451, 0.2817188376],
                [0.0514459929, 0.1073969566, 0.6299787005],
            ]
        )
    )
    return lms @ np.array(
        [
            [0.2104542553, 1.9779984951, 0.0259040371],
            [0.793617785, -2.428592205, 0.7827717662],
            [-0.0040720468, 0.4505937099, -0.808675766],
        ]
    )


def linear_rgb(rgb: np.ndarray) -> np.ndarray:
    c = np.asarray(rgb) / 255
    return np.where(c <= 0.04045, c / 12.92, ((c + 0.055) / 1.055) ** 2.4)


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
@pytest.mark.parametrize("vision", VISIONS)
def test_categories_can_be_told_apart_with_any_colour_vision(js, vision, dark):
    table = js("(dark) => modules.colour.categoryTable(dark, [200, 200, 200]).slice(0, 9)", dark)
    seen = oklab(np.clip(linear_rgb(np.array(table)) @ np.array(VISIONS[vision]).T, 0, 1))
    apart = np.linalg.norm(seen[:, None] - seen[None], axis=-1)[np.triu_indices(9, 1)]
    assert apart.min() > 0.099


@pytest.mark.parametrize("name", ["viridis", "cividis", "plasma"])
def test_maps_grow_lighter_in_even_steps(js, name):
    colours = js("(name) => Array.from({length: 65}, (_, i) => modules.colour.mapColour(name, i / 64))", name)
    lab = oklab(linear_rgb(np.array(colours)))
    steps = np.diff(lab[:, 0])
    assert steps.min() > 0
    lengths = np.linalg.norm(np.diff(lab, axis=0), axis=1)
    assert lengths.max() < 2.2 * lengths.mean()


def test_viridis_is_viridis(js):
    ends = js("() => [0, 0.5, 1].map((t) => modules.colour.mapColour('viridis', t))")
    np.testing.assert_allclose(ends, [[68, 1, 84], [33, 145, 140], [253, 231, 37]], atol=3)


@pytest.mark.parametrize("kind", ["linear", "clipped", "log", "rank"])
def test_scales_go_there_and_back(js, rng, kind):
    values = np.exp(rng.normal(size=400)).tolist()
    ticks, low, high, back = js(
        """([kind, values]) => {
          const { makeScale, quantiles } = modules.colour, scale = makeScale(kind, quantiles(values));
          const inner = [0.2, 0.5, 0.8].map((t) => scale.to(scale.from(t)));
          return [scale.ticks, scale.low, scale.high, inner];
        }""",
        [kind, values],
    )
    np.testing.assert_allclose(back, [0.2, 0.5, 0.8], atol=2e-3)
    expected = np.percentile(values, [1, 99]) if kind == "clipped" else [min(values), max(values)]
    np.testing.assert_allclose([low, high], expected, rtol=0.1)
    assert ticks == sorted(ticks)
    assert all(low * 0.99 <= t <= high * 1.01 for t in ticks)


def test_colour_numbers_follow_the_scale_and_unknown_is_apart(js):
    numbers = js(
        """() => {
          const { makeScale, quantiles, colourNumbers } = modules.colour, v = [0, 1, 2, 4, NaN, Infinity];
          return [...colourNumbers(Float64Array.from(v), makeScale("linear", quantiles(v)))];
        }"""
    )
    assert numbers == [0, 64, 127, 254, 255, 254]


@pytest.mark.parametrize(
    ("low", "high", "ticks"),
    [
        (0, 1, ["0", "0.2", "0.4", "0.6", "0.8", "1.0"]),
        (-3.3, 6.1, ["−2", "0", "2", "4", "6"]),
        (1000, 9000, ["2,000", "4,000", "6,000", "8,000"]),
        (0.0011, 0.0019, ["0.0012", "0.0014", "0.0016", "0.0018"]),
        (2, 2, ["2"]),
    ],
)
def test_ticks_are_round(js, low, high, ticks):
    read = """([a, b]) => {
      const { niceTicks, formatTick } = modules.number, { ticks, step } = niceTicks(a, b, 5);
      return ticks.map((t) => formatTick(t, step));
    }"""
    assert js(read, [low, high]) == ticks


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0, "0"),
        (-1.5, "−1.5"),
        (12345.678, "12,346"),
        (0.00001234, "1.234×10⁻⁵"),
        (3e9, "3×10⁹"),
        (42, "42"),
        (0.1, "0.1"),
    ],
)
def test_numbers_are_written_as_people_do(js, value, text):
    assert js("(v) => modules.number.format(v)", value) == text


@pytest.mark.parametrize(
    ("text", "counts"),
    [
        ("SiO2", {"Si": 1, "O": 2}),
        ("Ca(OH)2", {"Ca": 1, "O": 2, "H": 2}),
        ("CH3CH2OH", {"C": 2, "H": 6, "O": 1}),
        ("Co", {"Co": 1}),
        ("CO", {"C": 1, "O": 1}),
        ("Xx2", None),
        ("mp-149", None),
        ("Si0", None),
        ("Ca(OH", None),
        ("", None),
    ],
)
def test_formulas_are_read(js, text, counts):
    read = """(text) => {
      const known = new Set(atomscape.data.elements.symbols.slice(1));
      const counts = modules.formula.parseFormula(text, known);
      return counts && Object.fromEntries(counts);
    }"""
    assert js(read, text) == counts


FORMULAS = ["O2Si", "O6Si3", "Fe2Li2O4", "CH2O", "C2H4O2", "ClNa", "Fe", "H2O", "Fe2O3"]


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("SiO2", [0, 1]),
        ("=SiO2", [0]),
        ("Si3O6", [1]),
        ("CH2O", [3, 4]),
        ("Li Fe O", [2]),
        ("Fe", [2, 6, 8]),
        ("Fe-O", [8]),
        ("only:Fe,O", [8]),
        ("has:O !Fe n<4", [0, 7]),
        ("!O", [5, 6]),
        ("size>=5 size<7", [5, 6]),
        ("size=2..3", [2, 3]),
        ("kind:sal", [5]),
        ("id-3", [3]),
        ("ID-8", [8]),
        ("id:id-4", [4]),
        ("n=1", [6]),
        ('"id-1"', [1]),
        ("dataset:b", [1, 3, 5, 7]),
    ],
)
def test_search_finds(js, query, found):
    assert js(SEARCH, [query, FORMULAS]) == [found, ""]


@pytest.mark.parametrize(
    ("query", "message"),
    [
        ("gapp>3", "“gapp” is no property"),
        ("has:Qq", "“Qq” is no element"),
        ("size>big", "“big” is no number"),
        ("=abc", "no formula"),
    ],
)
def test_search_says_what_it_does_not_understand(js, query, message):
    found, said = js(SEARCH, [query, FORMULAS])
    assert found == []
    assert message in said


SEARCH = """([query, formulas]) => {
  const n = formulas.length, rows = formulas.map((_, i) => i);
  const dataset = { name: "dataset", kind: "category", table: ["a", "b"], codes: rows.map((i) => i % 2) };
  const salt = rows.map((i) => Number(i !== 5));
  const kind = { name: "kind", kind: "category", table: ["salt", "other"], codes: salt };
  const size = { name: "size", kind: "number", values: rows };
  const data = { n, ids: rows.map((i) => `id-${i}`), formulaTable: formulas, formulaCodes: rows, dataset,
    elements: atomscape.data.elements,
    columns: new Map([dataset, kind, size].map((c) => [c.name, c])) };
  const { rows: found, message } = modules.search.search(query, data, modules.search.makeIndex(data));
  return [[...found], message];
}"""


def test_raster_writes_each_point_and_its_number(js):
    ids, colours = js(
        """() => {
          const { makeSurface, clear, drawPoints, idAt } = modules.raster, surface = makeSurface(40, 30);
          clear(surface, 0xffffffff);
          const layer = { n: 3, x: Float32Array.of(5.5, 20.5, 20.5), y: Float32Array.of(7.5, 9.5, 10.5),
            order: Int32Array.of(11, 12, 13), tint: Uint16Array.of(0, 1, 2) };
          const look = { radius: 3, rim: 0, ground: 0xffffffff, moving: false };
          const colours = Uint32Array.of(0xff000001, 0xff000002, 0xff000003);
          drawPoints(surface, layer, colours, { kx: 1, bx: 0, ky: 1, by: 0 }, look);
          const at = [[5, 7], [20, 9], [20, 10], [20, 7], [0, 0], [39, 29], [-1, 5]];
          const place = ([x, y]) => surface.pixels[(y + surface.pad) * surface.stride + x + surface.pad];
          return [at.map(([x, y]) => idAt(surface, x, y)), at.slice(0, 3).map(place)];
        }"""
    )
    assert ids == [11, 13, 13, 12, -1, -1, -1]
    assert colours == [0xFF000001, 0xFF000003, 0xFF000003]


def test_density_keeps_the_number_of_points(js, rng):
    x, y = rng.uniform(60, 140, (2, 500))
    total, margin_total = js(
        """([x, y]) => {
          const surface = modules.raster.makeSurface(200, 200), n = x.length;
          const layer = { n, x: Float32Array.from(x), y: Float32Array.from(y), tint: new Uint16Array(n) };
          const at = { kx: 1, bx: 0, ky: 1, by: 0 }, table = [[255, 0, 0]];
          const sum = (f) => f.count.reduce((a, v) => a + v, 0);
          const field = modules.density.measure(surface, layer, at, { sigma: 8, rgb: table });
          const red = field.channels[0].reduce((a, v) => a + v, 0) / 255;
          return [sum(field), red];
        }""",
        [x.tolist(), y.tolist()],
    )
    np.testing.assert_allclose([total, margin_total], 500, rtol=1e-4)


def test_layers_put_unknown_below_and_chosen_on_top(js):
    order, tint = js(
        """() => {
          const low = new Uint8Array(256), { arrange, shuffled } = modules.layers;
          low[255] = 1;
          const numbers = Uint8Array.of(255, 3, 4, 255, 5, 6), datasets = Uint8Array.of(0, 0, 0, 0, 0, 1);
          const hidden = Uint8Array.of(0, 1), chosen = Uint8Array.of(0, 1, 0, 1, 0, 0);
          const layer = arrange(shuffled(6), numbers, low, datasets, hidden, chosen);
          return [[...layer.order], [...layer.tint]];
        }"""
    )
    assert [order[0], set(order[1:3]), order[3:]] == [0, {2, 4}, [3, 1]]
    assert dict(zip(order, tint, strict=True)) == {0: 511, 2: 260, 4: 261, 3: 255, 1: 3}


@pytest.mark.parametrize(
    ("values", "kind"),
    [
        (np.linspace(-1, 1, 100), "linear"),
        (np.append(np.linspace(-1, 1, 200), 1e4), "clipped"),
        (np.logspace(-3, 3, 200), "log"),
        (np.append(np.zeros(100), np.logspace(-3, 3, 100)), "linear"),
        (np.full(50, 2.0), "linear"),
        (np.array([1.0, 1e6]), "linear"),
    ],
)
def test_the_first_scale_shows_most_values_apart(js, values, kind):
    read = "(v) => modules.colour.usualScale(modules.colour.quantiles(v))"
    assert js(read, values.tolist()) == kind


def test_long_names_lose_their_middle(js):
    assert (
        js("() => modules.dom.shorten('folder/of/many/files/structure_0042.cif', 20)")
        == "folder/…ure_0042.cif"
    )
    assert js("() => modules.dom.shorten('mp-149', 20)") == "mp-149"
