"""Writing the page: what is refused, what is kept, what goes into the file."""

from __future__ import annotations

import json
import re

import numpy as np
import pytest

from atomscape.atlas.contents import MapData
from atomscape.atlas.page import page_sources, write_page
from atomscape.web.browser import screenshot
from atomscape.web.inlining import inline_modules
from atomscape.web.packing import categories, pack_array, smallest_exact

HOSTILE = [
    "</script><script>alert(1)</script>",
    '"><img src=x onerror="alert(2)">',
    "<!-- '&quot; `${1}` --> \u2028",
]


def tiny(**changes) -> MapData:
    given = {
        "coordinates": {"PCA": np.zeros((2, 2))},
        "columns": {"gap": np.array([1.0, 2.0])},
        "units": {},
        "ids": ["a", "b"],
        "formulas": ["H2", "CO"],
        "dataset": ["x", "x"],
    }
    return MapData(**{**given, **changes})


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"coordinates": {}}, "at least one projection"),
        ({"formulas": ["H2"]}, "2 ids, but formulas has 1"),
        ({"columns": {"gap": np.zeros(3)}}, r"columns\['gap'\] has 3"),
        ({"coordinates": {"PCA": np.array([[0.0, 0.0], [np.nan, 0.0]])}}, "first 'b'"),
        (
            {
                "ids": [],
                "formulas": [],
                "dataset": [],
                "columns": {},
                "coordinates": {"PCA": np.zeros((0, 2))},
            },
            "no structures",
        ),
    ],
)
def test_data_that_cannot_be_drawn_is_refused(changes, message):
    with pytest.raises(ValueError, match=message):
        tiny(**changes)


def test_an_unknown_colour_gets_a_suggestion(tmp_path):
    with pytest.raises(LookupError, match=r"'gapp' to colour by; did you mean 'gap'\?"):
        write_page(tiny(), tmp_path / "map.html", colour="gapp")


def test_an_unwritable_place_is_named_and_nothing_is_left(tmp_path):
    (tmp_path / "file").write_text("kept")
    with pytest.raises(OSError, match=r"cannot write the map to .*file/map\.html"):
        write_page(tiny(), tmp_path / "file" / "map.html")
    with pytest.raises(OSError, match="is a directory"):
        write_page(tiny(), tmp_path)
    assert [p.name for p in tmp_path.iterdir()] == ["file"]
    assert (tmp_path / "file").read_text() == "kept"


def test_the_same_data_give_the_same_bytes(tmp_path, make_map):
    a = write_page(make_map(30), tmp_path / "new" / "a.html").read_bytes()
    assert a == write_page(make_map(30), tmp_path / "b.html").read_bytes()


def test_hostile_text_stays_text(tmp_path):
    data = tiny(
        ids=HOSTILE[:2],
        formulas=HOSTILE[1:],
        dataset=HOSTILE[:2],
        title=HOSTILE[0],
        provenance=HOSTILE[2],
        columns={HOSTILE[0]: HOSTILE[:2]},
        notes=[(HOSTILE[0], HOSTILE[1])],
    )
    text = write_page(data, tmp_path / "map.html").read_text("utf-8")
    assert "alert(1)</script>" not in text
    assert "<img src=x" not in text
    manifest = json.loads(re.search(r'id="manifest">(.*?)</script>', text, re.DOTALL)[1])
    assert manifest["title"] == HOSTILE[0]
    assert manifest["columns"][0]["name"] == HOSTILE[0]


def test_without_room_structures_are_left_out_but_no_points(tmp_path, make_map):
    data = make_map(2200)
    whole = write_page(data, tmp_path / "whole.html").stat().st_size
    bare = write_page(MapData(**{**vars(data), "structures": None}), tmp_path / "bare.html").stat().st_size
    limit = (bare + 0.5 * (whole - bare)) / 1e6
    small = write_page(data, tmp_path / "small.html", max_mb=limit)
    assert bare < small.stat().st_size <= limit * 1e6
    manifest = json.loads(re.search(r'id="manifest">(.*?)</script>', small.read_text("utf-8"), re.DOTALL)[1])
    assert manifest["n"] == 2200
    assert manifest["structures"]["of"] == 2200
    assert 600 < manifest["structures"]["count"] < 1600
    write_page(data, tmp_path / "none.html", max_mb=0.1)
    manifest = json.loads(
        re.search(r'id="manifest">(.*?)</script>', (tmp_path / "none.html").read_text("utf-8"))[1]
    )
    assert manifest["structures"]["count"] == 0
    assert manifest["ids"]["length"] == 2200


@pytest.mark.parametrize(
    ("values", "dtype"),
    [
        (np.array([0, 255]), "uint8"),
        (np.array([-1.0, 300.0]), "int16"),
        (np.array([0.5, np.nan], dtype=np.float32), "float32"),
        (np.array([-11000.00012, -11000.00057]), "float64"),
        (np.array([np.nan, np.nan]), "float32"),
        (np.array([1e300, 0.5]), "float64"),
    ],
)
def test_numbers_are_kept_in_the_smallest_type_that_holds_them(values, dtype):
    kept = smallest_exact(values)
    assert kept.dtype == dtype
    np.testing.assert_allclose(kept.astype(float), values, rtol=1e-7)


def test_categories_are_numbered_by_appearance():
    table, codes = categories(["b", "a", "b", ""])
    assert table == ["b", "a", ""]
    assert codes.tolist() == [0, 1, 0, 2]


def test_packing_refuses_what_a_browser_cannot_hold():
    with pytest.raises(ValueError, match="complex128"):
        pack_array(np.zeros(2, dtype=complex))


def test_modules_are_joined_in_the_order_of_their_imports():
    sources = {
        "main": 'import { a, b as c } from "./x.js";\nimport * as y from "./y.js";\nconsole.log(a, c, y);',
        "x": 'import {\n  d,\n} from "./y.js";\nexport const a = d;\nexport function b() {}\nfunction c() {}',
        "y": "export class E {}\nexport async function d() { return '</script>'; }",
    }
    script = inline_modules(sources, "main")
    assert script.index('modules["y"]') < script.index('modules["x"]') < script.index('modules["main"]')
    assert 'const { a, b: c } = modules["x"];' in script
    assert "return { E, d };" in script
    assert "</script" not in script


@pytest.mark.parametrize(
    ("sources", "message"),
    [
        ({"main": 'import { a } from "./gone.js";'}, "'gone' imported by"),
        ({"main": 'import { a } from "./x.js";', "x": 'import { b } from "./main.js";'}, "main → x → main"),
        ({"main": "export default 3;"}, "cannot inline 'export default 3;'"),
        ({"main": "import x from 'y';"}, "cannot inline"),
    ],
)
def test_other_forms_of_modules_are_refused(sources, message):
    with pytest.raises(ValueError, match=message):
        inline_modules(sources, "main")


def test_the_page_has_no_address_to_load_from(map_page):
    script = inline_modules(page_sources(), "main")
    assert not re.findall(r"https?://(?!www\.w3\.org/2000/svg)", script)
    page = map_page.read_text("utf-8")
    assert not re.findall(r"(?:src|href)=[\"']?(?!data:)\w+:", page)
    assert "default-src 'none'" in page


def test_without_a_browser_a_picture_says_what_is_missing(tmp_path, monkeypatch):
    monkeypatch.setenv("ATOMSCAPE_BROWSER", "no-such-browser")
    with pytest.raises(LookupError, match="no browser found"):
        screenshot(tmp_path / "map.html", tmp_path / "map.png")
