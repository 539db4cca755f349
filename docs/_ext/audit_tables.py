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
    """One line per dataset of a kind (``file`` or ``source``), with what is serious in words."""
    lines = [
        "| dataset | structures | seconds | serious | warnings | what |",
        "|---|---:|---:|---:|---:|---|",
    ]
    for row in content["datasets"]:
        if row["kind"] != kind:
            continue
        counts = [sum(f["severity"] == s for f in row["findings"]) for s in SEVERITIES[:2]]
        cells = [f"`{row['dataset']}`", f"{row['structures']:,}", f"{row['seconds']:.1f}", *map(str, counts)]
        lines.append("| " + " | ".join([*cells, _cell(_what(row["findings"]))]) + " |")
    return "\n".join([*lines, "", _origin(content)])


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


def _what(findings: Iterable[dict]) -> str:
    """Serious findings in words, one of each check; of warnings the names of the checks."""
    serious: dict[str, str] = {}
    for f in findings:
        if f["severity"] == "serious":
            serious.setdefault(f["check"], f["evidence"])
    told = [f"**{name.replace('_', ' ')}**: {_short(text)}" for name, text in serious.items()]
    others = dict.fromkeys(f["check"] for f in findings if f["severity"] == "warning")
    names = ", ".join(name.replace("_", " ") for name in others if name not in serious)
    return "; ".join([*told, *([names] if names else [])])


def _short(text: str) -> str:
    return text if len(text) <= LONGEST else text[:LONGEST].rsplit(" ", 1)[0] + " …"


def _cell(text: str) -> str:
    return text.replace("|", "\\|").replace("\n", " ")


def _origin(content: dict) -> str:
    commit = (content["commit"] or "?")[:8]
    most = f"Of sources at most the first {content['most']:,} structures."
    return f"{most} Written by atomscape {content['version']}, commit {commit}."
