"""The log of a run: ``metrics.jsonl`` (one line per evaluation) and the same as ``metrics.csv``."""

from __future__ import annotations

import csv
import io
import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

from atomscape.learn.checkpoint import write_atomic

Send = Callable[[dict[str, int | float], int], None]


class Log:
    """Append-only log that can be cut back to where a checkpoint was written.

    ``send`` is called with the numbers of each record and its step.
    """

    def __init__(self, folder: Path, keep_bytes: int = 0, send: Send | None = None):
        self.path, self.table = folder / "metrics.jsonl", folder / "metrics.csv"
        with open(self.path, "ab") as f:
            f.truncate(min(keep_bytes, f.tell()))
        self._send = send

    def write(self, record: dict[str, Any]) -> int:
        """Append a record; return the length of the log, to be kept in the checkpoint."""
        with open(self.path, "ab") as f:
            f.write((json.dumps(record) + "\n").encode())
            f.flush()
            os.fsync(f.fileno())
            length = f.tell()
        write_atomic(self.table, _as_csv(self.read()).encode())
        if self._send is not None:
            numbers = {k: v for k, v in flat(record).items() if isinstance(v, int | float)}
            self._send(numbers, record["step"])
        return length

    def read(self) -> list[dict[str, Any]]:
        """All records."""
        return [json.loads(line) for line in self.path.read_text().splitlines()]


def flat(record: dict[str, Any], prefix: str = "") -> dict[str, Any]:
    """Nested keys joined by ``/``."""
    out: dict[str, Any] = {}
    for key, value in record.items():
        name = f"{prefix}{key}"
        out |= flat(value, f"{name}/") if isinstance(value, dict) else {name: value}
    return out


def _as_csv(records: list[dict[str, Any]]) -> str:
    rows = [flat(r) for r in records]
    columns = list(dict.fromkeys(k for r in rows for k in r))
    text = io.StringIO()
    writer = csv.DictWriter(text, columns, lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue()
