"""Peers that need an environment of their own, timed in turns with ours: one process for each, kept alive.

A process builds what is to be timed once, then is asked for so many calls at a time and answers with the
seconds of one, by its own clock: CPU time with one thread, wall time with more, as ``interleaved`` has it.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from interleaved import PATIENCE, taken

from atomscape.nn.foreign.interpreter import interpreter, missing

HERE = Path(__file__).resolve().parent

Turn = Callable[[int], float]
"""Number of calls → seconds of one."""


class Apart:
    """A peer's process; ``with`` ends it.

    Raises
    ------
    RuntimeError
        The process failed; the end of what it said is shown.
    """

    def __init__(self, package: str, threads: int) -> None:
        self.package = package
        self._said = Path(tempfile.mkdtemp()) / "said.txt"
        counts = dict.fromkeys(("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS"), str(threads))
        with self._said.open("w") as said:
            self._process = subprocess.Popen(
                [interpreter(package), HERE / "peer_process.py", f"peer_{package}", str(threads)],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=said,
                text=True,
                env={**os.environ, **counts, "PYTHONPATH": ""},
            )

    def __enter__(self) -> Apart:
        return self

    def __exit__(self, *error: object) -> None:
        self._process.kill()
        self._process.communicate()
        shutil.rmtree(self._said.parent)

    def ask(self, what: str, **options: Any) -> dict[str, Any]:
        """What the process answers to a request."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        try:
            self._process.stdin.write(json.dumps({"do": what, **options}) + "\n")
            self._process.stdin.flush()
        except BrokenPipeError:
            pass
        answer = self._process.stdout.readline()
        if not answer:
            raise RuntimeError(f"{self.package} ended:\n{self._said.read_text()[-3000:]}")
        return json.loads(answer)

    def turn(self, calls: int) -> float:
        """Seconds of one of so many calls."""
        return self.ask("turn", calls=calls)["seconds"]


def absent(package: str) -> str:
    """Why a peer cannot take part, or nothing if it can."""
    reason = missing(package)
    return f"{package} is not installed: {reason}" if reason else ""


def here(function: Callable[[], object], threads: int) -> Turn:
    """The same for a function of this process."""
    return lambda calls: taken(function, calls, threads)


def race_apart(contenders: Mapping[str, Turn], rounds: int, calls: int = 1) -> dict[str, float]:
    """Shortest time of one call of each, in seconds, the best of ``rounds`` turns of ``calls`` calls.

    Who has used up some seconds gets three turns at least, but no more.
    """
    best, spent = dict.fromkeys(contenders, float("inf")), dict.fromkeys(contenders, 0.0)
    for turn in contenders.values():
        turn(2)  # whoever compiles does it here
    for done in range(rounds):
        for name, turn in contenders.items():
            if done < 3 or spent[name] < 3 * PATIENCE:
                seconds = turn(calls)
                best[name], spent[name] = min(best[name], seconds), spent[name] + seconds * calls
    return best
