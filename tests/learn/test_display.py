"""What a person sees: a view on a terminal, lines elsewhere."""

from __future__ import annotations

import io

from rich.console import Console

from atomscape.learn.display import Display
from atomscape.learn.metrics import Metric
from atomscape.learn.sparkline import sparkline

RATES = {"structures_per_second": 312.4, "atoms_per_second": 5600.0, "edges_per_second": 1.04e5}
RATES |= {"waiting": 0.031, "memory_gigabytes": 0.84}


def test_bars_follow_the_numbers():
    assert sparkline([8, 4, 2, 1]) == "█▆▃▁"
    assert sparkline([1e-3, 1e3, float("nan")]) == "▁█"
    assert sparkline([-1.0, 0.0, 1.0]) == "▁▅█"
    assert sparkline([]) == ""
    assert len(sparkline([float(k + 1) for k in range(1000)], 30)) == 30


def filled(console: Console) -> Display:
    display = Display(console)
    for step in range(10_000):
        display.advance(1, 10.0 / (step + 1), 2e-3)
    display.evaluated([Metric("qm9", "gap", "eV", 0.0421, 0.06, 100)], 1)
    display.evaluated([Metric("qm9", "gap", "eV", 0.0517, 0.06, 100)], 1)
    display.speed(RATES)
    return display


def test_the_view_says_all_at_once():
    console = Console(file=io.StringIO(), force_terminal=True, width=120, record=True)
    display = filled(console)
    with display.shown(0, 20_000):
        display.notes(["degree 2 of layer 3 carries no signal"])
    console.print(display.view())
    text = console.export_text()
    for expected in (
        "gap, meV",
        "51.7",
        "42.1",
        "learning rate",
        "0.002",
        "312 structures/s · 5.6k atoms/s · 104k edges/s · 3 % of the time for data · 0.8 GB",
        "note  degree 2 of layer 3 carries no signal",
        "Ctrl-C stops and saves",
    ):
        assert expected in text, expected


def test_without_a_terminal_a_note_is_a_line_that_comes_once():
    out = io.StringIO()
    display = filled(Console(file=out, width=120))
    with display.shown(0, 20_000):
        display.notes(["a"])
        display.notes(["a", "b"])
    assert out.getvalue() == "note: a\nnote: b\n"
