"""What every benchmark shares: time it, print a table of ratios or JSON lines, keep the full runs.

A benchmark is a list of rows ``(question, case, ours_s, peer, peer_s, ratio, error)``. ``ratio`` is peer over
ours: above 1 we are faster. A peer that is not installed is named with its reason, never left out.
Where known, ``limit_s`` is the least time that the machine allows (``limits.py``), ``share`` it over ours.
"""

from __future__ import annotations

import argparse
import json
import platform
import subprocess
import time
from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path

from rich.console import Console
from rich.markup import escape
from rich.table import Table

RESULTS = Path(__file__).parent / "results.jsonl"


@dataclass(frozen=True)
class Row:
    """One comparison; seconds per item, NaN-free: what is unknown is None.

    ``error`` is how far results differ, or why there is none; ``note`` says who served. In a row with unit
    ``"B"`` the three numbers are bytes.
    """

    question: str
    case: str
    ours_s: float | None
    peer: str
    peer_s: float | None
    error: str = ""
    limit_s: float | None = None
    note: str = ""
    unit: str = "s"

    @property
    def ratio(self) -> float | None:
        """Peer's time over ours."""
        return None if not self.ours_s or self.peer_s is None else self.peer_s / self.ours_s

    @property
    def share(self) -> float | None:
        """The least possible time over ours: 1 is the machine's limit."""
        return None if not self.ours_s or self.limit_s is None else self.limit_s / self.ours_s

    def as_dict(self) -> dict:
        """Return the row as it is kept: what is derived is there, what is not known is left out."""
        known = {**asdict(self), "ratio": self.ratio, "share": self.share}
        optional = {"limit_s": None, "note": "", "unit": "s", "share": None}
        return {k: v for k, v in known.items() if k not in optional or v != optional[k]}


def best_of(
    function: Callable[[], object],
    repeats: int = 5,
    at_least: float = 0.0,
    clock: Callable[[], float] = time.perf_counter,
) -> float:
    """Shortest time of one call, in seconds, over ``repeats`` runs (more until ``at_least`` seconds).

    ``clock`` is wall time; ``time.process_time`` (CPU time of all threads) does not mind a busy machine.
    """
    best, spent, done = float("inf"), 0.0, 0
    while done < repeats or spent < at_least:
        start = clock()
        function()
        taken = clock() - start
        best, spent, done = min(best, taken), spent + taken, done + 1
    return best


def command(question: str, run: Callable[..., Iterable[Row]], per: str, *extra: str) -> None:
    """Run a benchmark as a command; ``per`` says what one time is for, such as ``"structure"``.

    ``run`` is called with ``quick``, and with those of ``only`` and ``threads`` that ``extra`` names. A run
    of some cases only is not kept; a row of a full run is kept as soon as it is there.
    """
    parser = argparse.ArgumentParser(description=f"{question}: times per {per}, ours beside the peers'")
    parser.add_argument("--quick", action="store_true", help="small and short; nothing is kept")
    parser.add_argument("--json", action="store_true", help="one JSON object per line")
    if "only" in extra:
        parser.add_argument("--only", default="", metavar="TEXT", help="cases that contain TEXT; not kept")
    if "threads" in extra:
        parser.add_argument("--threads", type=int, nargs="+", default=[1, 2], help="numbers of threads")
    options = parser.parse_args()
    stamp = None if options.quick or getattr(options, "only", "") else _stamp()
    rows = []
    for row in run(options.quick, **{name: getattr(options, name) for name in extra}):
        rows.append(row)
        if options.json:
            print(json.dumps(row.as_dict()), flush=True)
        if stamp is not None:
            with RESULTS.open("a") as file:
                file.write(json.dumps({**row.as_dict(), **stamp}) + "\n")
    if not options.json:
        screen = Console()
        (screen if screen.is_terminal else Console(width=180)).print(_table(question, rows, per))


def _stamp() -> dict[str, str]:
    """Commit, machine and date of a run."""
    date = datetime.now(UTC).isoformat(timespec="seconds")
    return {"commit": _commit(), "machine": _machine(), "date": date}


def _table(question: str, rows: list[Row], per: str) -> Table:
    table = Table(title=f"{question} (time per {per})", title_justify="left")
    left = ("case", "peer", "error", "note")
    for name in ("case", "ours", "of limit", "peer", "peer's", "peer / ours", "error", "note"):
        table.add_column(name, justify="left" if name in left else "right")
    for row in rows:
        ratio = "" if row.ratio is None else f"{row.ratio:.3g} ×"
        share = "" if row.share is None else f"{100 * row.share:.0f} %"
        ours, theirs = (shown(value, row.unit) for value in (row.ours_s, row.peer_s))
        table.add_row(row.case, ours, share, row.peer, theirs, ratio, escape(row.error), row.note)
    return table


def shown(value: float | None, unit: str = "s") -> str:
    """Three digits of a time or a size, in the unit that suits it."""
    if value is None:
        return "–"
    sizes = {"s": (("s", 1.0), ("ms", 1e-3), ("µs", 1e-6), ("ns", 1e-9)), "B": (("GB", 1e9), ("MB", 1e6))}
    for name, size in sizes[unit][:-1]:
        if value >= size:
            return f"{value / size:.3g} {name}"
    name, size = sizes[unit][-1]
    return f"{value / size:.3g} {name}"


def _commit() -> str:
    answer = subprocess.run(
        ["git", "describe", "--always", "--dirty"],
        cwd=RESULTS.parent,
        capture_output=True,
        text=True,
        check=False,
    )
    return answer.stdout.strip() or "unknown"


def _machine() -> str:
    cpu = platform.processor() or platform.machine()
    info = Path("/proc/cpuinfo")
    if info.is_file():
        names = [
            line.split(":", 1)[1].strip()
            for line in info.read_text().splitlines()
            if line.startswith("model name")
        ]
        cpu = f"{names[0]} × {len(names)}" if names else cpu
    return f"{cpu}, {platform.system()}"
