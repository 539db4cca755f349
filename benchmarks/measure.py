"""What every benchmark shares: time it, print a table of ratios or JSON lines, keep the full runs.

A benchmark is a list of rows ``(question, case, ours_s, peer, peer_s, ratio, error)``. ``ratio`` is peer over
ours: above 1 we are faster. A peer that is not installed is named with its reason, never left out.
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
from rich.table import Table

RESULTS = Path(__file__).parent / "results.jsonl"


@dataclass(frozen=True)
class Row:
    """One comparison; seconds per item, NaN-free: what is unknown is None."""

    question: str
    case: str
    ours_s: float | None
    peer: str
    peer_s: float | None
    error: str = ""

    @property
    def ratio(self) -> float | None:
        """Peer's time over ours."""
        return None if not self.ours_s or self.peer_s is None else self.peer_s / self.ours_s


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


def command(question: str, run: Callable[[bool], Iterable[Row]], per: str) -> None:
    """Run a benchmark as a command; ``per`` says what one time is for, such as ``"structure"``."""
    parser = argparse.ArgumentParser(description=f"{question}: times per {per}, ours beside the peers'")
    parser.add_argument("--quick", action="store_true", help="small and short; nothing is kept")
    parser.add_argument("--json", action="store_true", help="one JSON object per line")
    options = parser.parse_args()
    rows = list(run(options.quick))
    lines = [json.dumps({**asdict(row), "ratio": row.ratio}) for row in rows]
    if options.json:
        print("\n".join(lines))
    else:
        Console().print(_table(question, rows, per))
    if not options.quick:
        stamp = {
            "commit": _commit(),
            "machine": _machine(),
            "date": datetime.now(UTC).isoformat(timespec="seconds"),
        }
        with RESULTS.open("a") as file:
            file.writelines(json.dumps({**json.loads(line), **stamp}) + "\n" for line in lines)


def _table(question: str, rows: list[Row], per: str) -> Table:
    table = Table(title=f"{question} (time per {per})", title_justify="left")
    for name in ("case", "ours", "peer", "peer's", "peer / ours", "note"):
        table.add_column(name, justify="left" if name in ("case", "peer", "note") else "right")
    for row in rows:
        ratio = "" if row.ratio is None else f"{row.ratio:.3g} ×"
        table.add_row(row.case, _time(row.ours_s), row.peer, _time(row.peer_s), ratio, row.error)
    return table


def _time(seconds: float | None) -> str:
    if seconds is None:
        return "–"
    for unit, size in (("s", 1.0), ("ms", 1e-3), ("µs", 1e-6)):
        if seconds >= size:
            return f"{seconds / size:.3g} {unit}"
    return f"{seconds / 1e-9:.3g} ns"


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
