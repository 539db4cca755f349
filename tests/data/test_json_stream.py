"""Long JSON lists are read element by element, wherever the window ends."""

from __future__ import annotations

import gzip
import io
import json
import tracemalloc

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from atomscape.data.json_stream import json_entries, list_items

VALUES = [
    1,
    -2.5e-3,
    'text, with ] and } and " and é',
    None,
    True,
    [],
    {},
    [1, [2]],
    {"a": {"b": [3]}},
    12345,
]


@pytest.mark.parametrize("chunk", [1, 2, 3, 7, 1000])
@pytest.mark.parametrize("indent", [None, 2])
def test_any_window(chunk, indent) -> None:
    assert list(list_items(io.StringIO(json.dumps(VALUES, indent=indent)), chunk=chunk)) == VALUES
    content = {"index": [1, 2], "name": "x", "data": VALUES, "after": 1}
    assert list(list_items(io.StringIO(json.dumps(content, indent=indent)), "data", chunk)) == VALUES


LEAVES = (
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text()
)
JSON = st.recursive(LEAVES, lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner), max_leaves=12)


@given(st.lists(JSON, max_size=6), st.integers(1, 40), st.sampled_from([None, 0, 3]))
@settings(max_examples=100, deadline=None)
def test_any_list_through_any_window(values, chunk, indent) -> None:
    assert list(list_items(io.StringIO(json.dumps(values, indent=indent)), chunk=chunk)) == values


@pytest.mark.parametrize("content", [[], {"data": []}])
def test_empty_lists(content) -> None:
    key = "data" if content else None
    assert list(list_items(io.StringIO(f" {json.dumps(content)}\n"), key)) == []


@pytest.mark.parametrize(
    ("text", "key", "message"),
    [
        ("", None, "ends early"),
        ("[1, 2", None, "ends early"),
        ('[1, {"a": ', None, "ends early"),
        ("[1 2]", None, "has '2' where"),
        ('{"a": 1}', None, r"has '\{' where \["),
        ('{"a": 1}', "data", "no 'data'"),
        ("{}", "data", "no 'data'"),
        ('{"data": 3}', "data", r"has '3' where \["),
    ],
)
def test_other_texts(text, key, message) -> None:
    with pytest.raises(ValueError, match=message):
        list(list_items(io.StringIO(text), key))


@pytest.mark.parametrize("chunk", [1, 3, 1000])
@pytest.mark.parametrize("packed", [True, False])
def test_objects(tmp_path, chunk, packed) -> None:
    content = {f"key {k}": value for k, value in enumerate(VALUES)}
    path = tmp_path / ("a.json.gz" if packed else "a.json")
    text = json.dumps(content).encode()
    path.write_bytes(gzip.compress(text) if packed else text)
    assert list(json_entries(path, chunk)) == list(content.items())
    path.write_bytes(gzip.compress(b"{}") if packed else b"{}")
    assert list(json_entries(path, chunk)) == []


@pytest.mark.parametrize("text", ["", "[1]", '{"a": 1', '{"a": 1, "b": [1,', '{"a" 1}', '{"a": 1 "b": 2}'])
def test_files_that_are_no_objects(tmp_path, text) -> None:
    (tmp_path / "a.json").write_text(text)
    with pytest.raises(ValueError, match=r"a\.json: the JSON .*download it again"):
        list(json_entries(tmp_path / "a.json"))


def test_a_fault_is_found_where_it_is() -> None:
    """Not after the rest of the text has been read."""
    file = io.StringIO("[1, {2: 3}, " + "4, " * 100_000 + "5]")
    with pytest.raises(ValueError, match="Expecting property name"):
        list(list_items(file, chunk=1000))
    assert file.tell() < 10_000


def test_elements_before_a_fault_are_given() -> None:
    items = list_items(io.StringIO("[1, 2, !"))
    assert [next(items), next(items)] == [1, 2]
    with pytest.raises(ValueError, match="ends early or is none"):
        next(items)


class Endless(io.TextIOBase):
    """A list of ``n`` elements that is never in memory as a whole."""

    def __init__(self, n: int):
        self.parts = iter(["[", *("x" for _ in range(n)), "]"])
        self.rest, self.first = "", True

    def read(self, size=-1) -> str:
        while len(self.rest) < size:
            part = next(self.parts, "")
            if not part:
                break
            element = '{"n": 1, "text": "' + "y" * 1000 + '"}'
            text = part if part in "[]" else element if self.first else "," + element
            self.first = self.first and part == "["
            self.rest += text
        text, self.rest = self.rest[:size], self.rest[size:]
        return text


def test_memory_is_bounded() -> None:
    def peak(n: int) -> int:
        tracemalloc.start()
        assert sum(item["n"] for item in list_items(Endless(n), chunk=1 << 14)) == n
        try:
            return tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()

    assert peak(4000) < 1.5 * peak(400) + 200_000
