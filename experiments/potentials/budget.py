"""A process that may use so many seconds of CPU time and no more, over any number of attempts.

Every training of this experiment runs as a process of its own under the same rule, whoever wrote it: one
thread; the CPU time of the whole process counts, its start too; at the end of the budget it is ended. What
has been used is written to ``spent.json`` every second, so an attempt that was broken off counts as well.
"""

from __future__ import annotations

import json
import os
import resource
import signal
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

GRACE = 20.0
"""Seconds to end by oneself after being told to."""

AHEAD = 1.5
"""By which the kernel's limit is larger: it counts ticks of a clock, which on a busy machine run ahead."""

ONE_THREAD = dict.fromkeys(("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS"), "1")


@dataclass
class Spent:
    """What the attempts so far have used, in seconds."""

    cpu_seconds: float = 0.0
    wall_seconds: float = 0.0
    attempts: int = 0
    finished: bool = False

    @staticmethod
    def read(folder: Path) -> Spent:
        """Of a folder; nothing, if there has been no attempt."""
        file = folder / "spent.json"
        return Spent(**json.loads(file.read_text())) if file.is_file() else Spent()

    def write(self, folder: Path) -> None:
        """Replace the file in one step."""
        part = folder / ".spent.json"
        part.write_text(json.dumps(asdict(self)) + "\n")
        part.replace(folder / "spent.json")


def run_within(
    command: Sequence[str | Path],
    folder: Path,
    seconds: float,
    environment: Mapping[str, str] | None = None,
    watch: Callable[[float], bool] = lambda used: False,
) -> Spent:
    """Run a command in a folder until it ends, its CPU time is used up, or ``watch(used)`` says it is enough.

    Its output goes to ``output.txt`` in the folder.

    Raises
    ------
    RuntimeError
        The command failed; the end of its output is shown.
    """
    spent = Spent.read(folder)
    before, begun, children = (spent.cpu_seconds, spent.wall_seconds), time.monotonic(), _of_children()
    spent.attempts += 1
    with (folder / "output.txt").open("a") as output:
        process = subprocess.Popen(
            [str(word) for word in command],
            cwd=folder,
            env={**os.environ, **ONE_THREAD, **(environment or {})},
            stdout=output,
            stderr=subprocess.STDOUT,
            stdin=subprocess.DEVNULL,
            preexec_fn=_limited(AHEAD * (seconds - before[0]) + 2 * GRACE),
        )
    stopped = False
    try:
        while process.poll() is None:
            used = cpu_seconds(process.pid)
            spent.cpu_seconds = max(spent.cpu_seconds, before[0] + used)
            spent.wall_seconds = before[1] + time.monotonic() - begun
            spent.write(folder)
            if spent.cpu_seconds >= seconds or watch(spent.cpu_seconds):
                stopped = True
                break
            time.sleep(0.2 if seconds < 300 else 1.0)
    finally:
        end(process)
        spent.cpu_seconds = before[0] + _of_children() - children
        spent.wall_seconds = before[1] + time.monotonic() - begun
        spent.write(folder)
    if process.returncode and not stopped:
        tail = (folder / "output.txt").read_text(errors="replace")[-3000:]
        raise RuntimeError(f"{command[0]} ended with {process.returncode} in {folder}:\n{tail}")
    spent.finished = not stopped
    spent.write(folder)
    return spent


def cpu_seconds(pid: int) -> float:
    """CPU time of a process and of the children that it has waited for; 0 once it is gone."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return 0.0
    return sum(int(ticks) for ticks in fields[11:15]) / os.sysconf("SC_CLK_TCK")


def _of_children() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def end(process: subprocess.Popen) -> None:
    """End a process, gently at first."""
    if process.poll() is not None:
        return
    process.send_signal(signal.SIGTERM)
    try:
        process.wait(GRACE)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def _limited(seconds: float) -> Callable[[], None]:
    """The kernel ends what outlives us."""
    most = max(1, round(seconds))
    return lambda: resource.setrlimit(resource.RLIMIT_CPU, (most, most))
