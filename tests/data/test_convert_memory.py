"""Conversion holds one batch: a file ten times as long takes no more memory."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

MEASURE = """
import resource, sys
from pathlib import Path
from atomscape.data import files
files.KEPT = 0  # no file is small enough to be kept
from atomscape.data.convert import convert_any
done = convert_any(sys.argv[1], Path(sys.argv[2]))
print(done.structures, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)
"""
ATOMS = 40


def lines(path: Path, n: int) -> Path:
    """Structures of 40 atoms as lines of JSON, with forces and a stress each."""
    row = {
        "positions": [[1.5 * k, 0.25, 0.125] for k in range(ATOMS)],
        "numbers": [6] * ATOMS,
        "cell": [[60.0, 0, 0], [0, 9, 0], [0, 0, 9]],
        "energy": -1.5,
        "forces": [[0.5, 0.25, 0.125]] * ATOMS,
        "stress": [[0.01, 0, 0], [0, 0.01, 0], [0, 0, 0.01]],
    }
    text = json.dumps(row) + "\n"
    with path.open("w") as file:
        for _ in range(n):
            file.write(text)
    return path


def peak(source: Path, target: Path) -> int:
    """Largest memory of a process that converts, in MiB, and that it converted all."""
    done = subprocess.run(
        [sys.executable, "-c", MEASURE, str(source), str(target)], capture_output=True, text=True, check=True
    )
    return int(done.stdout.split()[1]) // 1024


def test_memory_does_not_grow(tmp_path) -> None:
    """1,500 and 15,000 structures: arrays of 43 MB, as many ASE structures over 100, if all were held."""
    target = "out.parquet"
    small = peak(lines(tmp_path / "small.jsonl", 1500), tmp_path / "a" / target)
    large = peak(lines(tmp_path / "large.jsonl", 15_000), tmp_path / "b" / target)
    assert large - small < 25, f"{small} MiB for 1,500 structures, {large} MiB for 15,000"
