"""Answers on disk while a dataset is labelled: a line each, so that nothing is computed twice.

The first line says what the work is; each other one holds the row of a structure and its labels, or why it
has none, as JSON, which keeps every bit of a number. A line that was cut off by a crash is dropped.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from atomscape.label.label import Answer


class Journal:
    """The answers that are there, by row. Open one with ``Journal.open``; it is a context."""

    def __init__(self, path: Path, places: dict[int, int]):
        self.path, self._places = path, places
        self._file = path.open("r+b")

    @staticmethod
    def open(path: Path, work: Mapping[str, Any]) -> Journal:
        """Continue the journal at ``path``, or begin it.

        Raises
        ------
        ValueError
            It was begun for other work; the message says what differs.
        OSError
            The place cannot be written.
        """
        head = json.dumps(dict(work), sort_keys=True, ensure_ascii=False)
        content = path.read_bytes() if path.exists() else b""
        whole = content[: content.rfind(b"\n") + 1]
        if not whole:
            path.parent.mkdir(parents=True, exist_ok=True)
            whole = f"{head}\n".encode()
        lines = whole.splitlines(keepends=True)
        _refuse_other(path, json.loads(lines[0]), json.loads(head))
        places, start = {}, len(lines[0])
        for line in lines[1:]:
            places[json.loads(line)["row"]] = start
            start += len(line)
        if whole != content:
            path.write_bytes(whole)
        return Journal(path, places)

    def __contains__(self, row: int) -> bool:
        """Whether a structure has been asked about."""
        return row in self._places

    def __len__(self) -> int:
        """Return the number of structures that have been asked about."""
        return len(self._places)

    def __getitem__(self, row: int) -> Answer:
        """Read the answer for a structure."""
        self._file.seek(self._places[row])
        found = json.loads(self._file.readline())
        if "why" in found:
            return found["why"]
        return {name: np.array(values, dtype=np.float64) for name, values in found["labels"].items()}

    def add(self, row: int, answer: Answer) -> None:
        """Write an answer; it stays if the process is killed."""
        content: dict[str, Any] = {"row": row}
        if isinstance(answer, str):
            content["why"] = answer
        else:
            content["labels"] = {name: values.tolist() for name, values in answer.items()}
        self._places[row] = self._file.seek(0, 2)
        self._file.write(json.dumps(content, ensure_ascii=False).encode() + b"\n")
        self._file.flush()

    def __enter__(self) -> Journal:
        return self

    def __exit__(self, *error) -> None:
        self._file.close()


def journal_of(target: Path) -> Path:
    """Where answers are kept until a dataset is complete: beside it."""
    return target.with_name(f"{target.name}.unfinished.jsonl")


def _refuse_other(path: Path, there: Mapping[str, Any], asked: Mapping[str, Any]) -> None:
    other = [k for k in asked if there.get(k) != asked[k]]
    if other:
        told = "; ".join(f"{k}: {there.get(k)} there, {asked[k]} asked for" for k in other)
        raise ValueError(
            f"{path} holds labels of other work ({told}). Ask for the same to continue it, delete it to "
            "begin anew, or write to another place"
        )
