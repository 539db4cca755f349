"""The page "Speed" says what the benchmarks wrote, and which command measures what they have not."""

from __future__ import annotations

import json
import re
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def speed_tables(monkeypatch):
    """The module beside the documentation."""
    monkeypatch.syspath_prepend(str(ROOT / "docs" / "_ext"))
    import speed_tables

    yield speed_tables
    sys.modules.pop("speed_tables")


def row(case: str, ours: float, peer: str, theirs: float | None, **more) -> dict:
    """A line as a full run keeps it."""
    ratio = None if theirs is None else theirs / ours
    stamp = {"commit": "abc1234", "machine": "a machine", "date": "2026-05-04T12:00:00+00:00"}
    known = {"question": "convolution", "case": case, "ours_s": ours, "peer": peer, "peer_s": theirs}
    return {**known, "ratio": ratio, "error": "1.0e-07", **stamp, **more}


@pytest.fixture
def results(tmp_path):
    """Two peers, one of them missing in one case; an older line of the same; another question."""
    lines = [
        {**row("machine, 1 thread", 1.0, "its limits", None), "note": "9 GFLOP/s", "ours_s": None},
        row("l_max 2, forward, 1 thread", 1e-6, "e3nn", 9e-6, date="2026-01-01T00:00:00+00:00"),
        row("l_max 2, forward, 1 thread", 4e-7, "e3nn", 9e-6, share=0.45, note="cpu"),
        row("l_max 2, forward, 1 thread", 4e-7, "other", None, error="other is not installed"),
        row("l_max 3, forward, 1 thread", 2e-6, "e3nn", 1e-6),
        row("l_max 3, forward, 2 threads", 1e-6, "e3nn", 1e-6),
        {**row("l_max 2", 1.0, "e3nn", 1.0), "question": "harmonics"},
    ]
    file = tmp_path / "results.jsonl"
    file.write_text("".join(json.dumps(line) + "\n" for line in lines))
    return file


def test_a_table(speed_tables, results):
    """The last line counts; who is missing says why; the text that was asked for leaves the names."""
    speed = speed_tables.read(results, "convolution", "1 thread")
    text = speed_tables.markdown(speed, "1 thread").translate({0xA0: " ", 0x2011: "-"})
    assert "| l_max 2, forward | 400 ns | 45 % | 22.5 × |  | 1.0e-07 | cpu |" in text
    assert "| l_max 3, forward | 2 µs |  | 0.5 × |  | 1.0e-07 |  |" in text
    assert "- other: other is not installed" in text
    assert "Measured on a machine; commit abc1234, 2026-05-04." in text
    assert "Limits of the machine, 1 thread: 9 GFLOP/s." in text
    assert "2 threads" not in text


def test_a_picture(speed_tables, results):
    """One mark per ratio, words as words, nothing from elsewhere."""
    svg = speed_tables.picture(speed_tables.read(results, "convolution"))
    assert svg.startswith("<svg")
    assert "l_max 3, forward, 2 threads" in svg
    assert not re.search(r"(src|href)=.https?:", svg.replace("xmlns:xlink", ""))


def test_what_is_not_measured_names_its_command(speed_tables, results, tmp_path):
    """With and without a file."""
    assert speed_tables.read(results, "gpu").comparisons == ()
    assert speed_tables.read(tmp_path / "none.jsonl", "gpu").comparisons == ()
    assert "`python benchmarks/gpu.py`" in speed_tables.missing("gpu")


def test_how_far_ten_times_is(speed_tables, tmp_path):
    """From the step, the convolution alone and the limits of one machine; or the command that is missing."""
    import tenfold_text as tenfold

    file = tmp_path / "results.jsonl"
    assert "benchmarks/layer.py" in tenfold.text(file)
    step = {**row(tenfold.STEP, 1e-5, "e3nn", 6e-5), "question": "layer"}
    alone = row(tenfold.ALONE, 2e-6, "e3nn", 9e-5)
    limits = {
        **row(tenfold.MACHINE, 1.0, "its limits", None),
        "note": "645 GFLOP/s float32, 9 GFLOP/s float64",
    }
    elsewhere = {**limits, "machine": "another", "note": "1 GFLOP/s float32"}
    file.write_text("\n".join(map(json.dumps, (step, limits))))
    assert "benchmarks/convolution.py" in tenfold.text(file)
    file.write_text("\n".join(map(json.dumps, (step, alone, limits, elsewhere))))
    found = tenfold.text(file)
    assert "e3nn needs 60 µs per edge and we 10 µs: 6 ×" in found
    assert "Ten times would be 6 µs, which is 1.7 times less than we need" in found
    assert "1 µs at the 645 GFLOP/s" in found
    assert "leaves 3 µs for everything else" in found


def test_sizes(speed_tables):
    """Three digits in a unit that suits."""
    shown = speed_tables.shown
    assert [shown(None, "s"), shown(2.5e-3, "s"), shown(3e-12, "s")] == ["–", "2.5 ms", "0.003 ns"]
    assert shown(1.25e8, "B") == "125 MB"


def test_every_question_of_the_page_has_a_command():
    """A directive names a benchmark that exists."""
    page = (ROOT / "docs" / "speed.md").read_text(encoding="utf-8")
    asked = set(re.findall(r"```\{speed\} (\w+)", page))
    assert asked - {p.stem for p in (ROOT / "benchmarks").glob("*.py")} == set()
