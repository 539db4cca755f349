"""What a person sees: a view on a terminal, lines elsewhere."""

from __future__ import annotations

import io

from rich.console import Console

from atomscape.learn.display import Display
from atomscape.learn.epoch_line import epoch_line
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


def test_a_line_of_one_dataset_has_every_error():
    units = ("eV", "eV/atom", "eV/Å", "eV/Å³", "e·Å")
    metrics = [Metric("a", f"p{k}", unit, 0.0125, 1.0, 3) for k, unit in enumerate(units)]
    line = epoch_line(7, 0.25, 0.5, metrics, True, {"a:p0": 0.5})
    assert line.startswith("epoch    7  train 0.2500  val 0.5000  MAE p0 12.5 meV  p1 12.5 meV/atom  p2 ")
    assert line.endswith("D  best  weights a:p0 0.5")
    two = [metrics[0], Metric("b", "p0", "eV", 0.025, 1.0, 3)]
    assert epoch_line(7, 0.25, 0.5, two, False, {}).endswith("MAE a: p0 12.5 meV  b: p0 25 meV")


def test_a_line_of_many_datasets_stays_short():
    """It names where a property is met best and worst; what only one dataset has is said as it is."""
    metrics = [Metric(f"set{k}", "energy", "eV/atom", 0.001 * (k + 1), 1.0, 3) for k in range(25)]
    metrics += [Metric(f"set{k}", "forces", "eV/Å", 0.1 - 0.001 * k, 1.0, 3) for k in range(25)]
    metrics.append(Metric("set3", "gap", "eV", 0.5, 1.0, 3))
    line = epoch_line(7, 0.25, 0.5, metrics, False, {f"w{k}": 1.0 + k for k in range(9)})
    assert "energy 1 (set0) … 25 (set24) meV/atom of 25 datasets" in line
    assert "forces 76 (set24) … 100 (set0) meV/Å of 25 datasets  set3: gap 500 meV" in line
    assert line.endswith("weights 1 (w0) … 9 (w8) of 9 terms")
    assert len(line) < 220


def test_without_a_terminal_a_note_is_a_line_that_comes_once():
    out = io.StringIO()
    display = filled(Console(file=out, width=120))
    with display.shown(0, 20_000):
        display.notes(["a"])
        display.notes(["a", "b"])
    assert out.getvalue() == "note: a\nnote: b\n"
