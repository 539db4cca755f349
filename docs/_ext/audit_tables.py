"""Tables of the page on audits: what was found in real datasets, and which checks there are."""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path

from atomscape.data.audit import KIND, check_names
from atomscape.data.check import SEVERITIES
from atomscape.find import find

LONGEST = 300


def results(file: Path) -> dict:
    """What ``scripts/audit.py`` kept.

    Raises
    ------
    LookupError
        The file is missing.
    """
    if not file.is_file():
        raise LookupError(f"{file} does not exist; write it with: python scripts/audit.py")
    return json.loads(file.read_text(encoding="utf-8"))


def found(content: dict, kind: str) -> str:
    """A table of the datasets of a kind (``file`` or ``source``); of files also what is serious, in words."""
    head = ("dataset", "structures", "seconds", "serious", "warnings", "what")
    lines = ["| " + " | ".join(head) + " |", "|---" + "|---:" * 4 + "|---|"]
    rows = [row for row in content["datasets"] if row["kind"] == kind]
    for row in rows:
        counts = [sum(f["severity"] == s for f in row["findings"]) for s in SEVERITIES[:2]]
        name = f"`{row['dataset'].rpartition('/')[2]}`"
        cells = [name, f"{row['structures']:,}", f"{row['seconds']:.1f}", *map(str, counts)]
        lines.append("| " + " | ".join([*cells, _names(row["findings"])]) + " |")
    words = [_words(row) for row in rows if kind == "file"]
    return "\n".join([*lines, "", *filter(None, words), "", _origin(content, rows)])


def by_tolerance(content: dict) -> str:
    """How many structures of a dataset differ, for each tolerance of the fingerprint."""
    one = content["tolerances"]
    head = f"| tolerance (Å) | different structures of {one['structures']:,} in {one['dataset']} |"
    return "\n".join([head, "|---:|---:|", *(f"| {t} | {n:,} |" for t, n in one["different"].items()), ""])


def checks(content: dict) -> str:
    """One line per check: its question, what it needs, whether ``atomscape info`` asks it, where it spoke."""
    lines = ["| check | question | needs | quick | spoke in |", "|---|---|---|---|---|"]
    for name in check_names():
        check = find(KIND, name)
        spoke = [d["dataset"] for d in content["datasets"] if any(f["check"] == name for f in d["findings"])]
        worst = [f["severity"] for d in content["datasets"] for f in d["findings"] if f["check"] == name]
        severity = next((s for s in SEVERITIES if s in worst), "")
        place = f"{len(spoke)}: {severity} at worst" if spoke else ""
        quick = "yes" if check.quick else ""
        cells = [name.replace("_", " "), check.question, check.needs, quick, place]
        lines.append("| " + " | ".join(map(_cell, cells)) + " |")
    return "\n".join([*lines, ""])


def _names(findings: Iterable[dict]) -> str:
    """Checks that found something serious, bold, and those that warn."""
    by = {s: dict.fromkeys(f["check"] for f in findings if f["severity"] == s) for s in SEVERITIES[:2]}
    bold = [f"**{name.replace('_', ' ')}**" for name in by["serious"]]
    return ", ".join([*bold, *(n.replace("_", " ") for n in by["warning"] if n not in by["serious"])])


def _words(row: dict) -> str:
    """Serious findings of a dataset, the first of each check."""
    said: dict[str, str] = {}
    for f in row["findings"]:
        if f["severity"] == "serious":
            said.setdefault(
                f["check"], f"    - {f['check'].replace('_', ' ')}: {_short(_cell(f['evidence']))}"
            )
    return "\n".join([f"- `{row['dataset']}`", *said.values()]) if said else ""


def _short(text: str) -> str:
    return text if len(text) <= LONGEST else text[:LONGEST].rsplit(" ", 1)[0] + " …"


def _cell(text: str) -> str:
    return text.replace("|", "\\|").replace("\n", " ")


def _origin(content: dict, rows: list[dict]) -> str:
    versions = "; ".join(dict.fromkeys(row["written_by"] for row in rows))
    return f"Of sources at most the first {content['most']:,} structures. Written by atomscape {versions}."
