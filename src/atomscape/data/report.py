"""An audit as one self-contained HTML page: no script, nothing loaded from elsewhere."""

from __future__ import annotations

from html import escape
from importlib import resources
from string import Template

from atomscape import __version__
from atomscape.data.audit import Audit, check_names
from atomscape.data.check import SEVERITIES, Check, Finding
from atomscape.data.fix import corrections_of
from atomscape.find import find

ROWS_SHOWN = 200


def html_report(found: Audit) -> str:
    """The page as text."""
    counts = {s: sum(f.severity == s for f in found.findings) for s in SEVERITIES}
    tiles = "".join(
        f'<div class="tile {s}"><b>{n}</b><span>{s}{"s" if s != "serious" and n != 1 else ""}</span></div>'
        for s, n in counts.items()
    )
    page = Template(resources.files("atomscape.data").joinpath("report.html").read_text(encoding="utf-8"))
    return page.substitute(
        name=escape(found.name),
        structures=f"{found.structures:,}",
        version=__version__,
        seconds=f"{sum(found.seconds.values()):.1f}",
        asked=len(found.seconds),
        tiles=tiles,
        verdict=_verdict(counts),
        findings="".join(map(_finding, found.findings)) or '<p class="calm">No check found anything.</p>',
        corrections=_corrections(found),
        checks="".join(_row(name, found) for name in check_names()),
    )


def _verdict(counts: dict[str, int]) -> str:
    if counts["serious"]:
        return "Training on these labels as they are would teach something false."
    return "Nothing serious was found." if any(counts.values()) else "Nothing was found."


def _finding(finding: Finding) -> str:
    rows = finding.rows
    listed = ", ".join(map(str, rows[:ROWS_SHOWN])) + (" …" if len(rows) > ROWS_SHOWN else "")
    details = (
        f"<details><summary>{len(rows):,} structure{'s' if len(rows) != 1 else ''}</summary>"
        f"<p class='rows'>{listed}</p></details>"
        if rows
        else ""
    )
    proposal = f"<p class='proposal'>{escape(finding.proposal)}</p>" if finding.proposal else ""
    return (
        f"<article class='{finding.severity}'><header><span class='severity'>{finding.severity}</span>"
        f"<h3>{escape(finding.check.replace('_', ' '))}</h3></header>"
        f"<p>{escape(finding.evidence)}</p>{proposal}{details}</article>"
    )


def _corrections(found: Audit) -> str:
    lines = corrections_of(found)
    if not lines:
        return ""
    listed = "".join(f"<li>{escape(line)}</li>" for line in lines)
    return f"<h2>What --fix would change</h2><ol>{listed}</ol>"


def _row(name: str, found: Audit) -> str:
    module = find("data.checks", name)
    question = module.question if isinstance(module, Check) else ""
    hits = [f.severity for f in found.findings if f.check == name]
    worst = next((s for s in SEVERITIES if s in hits), "")
    if name in found.skipped:
        state = f"skipped: {escape(found.skipped[name])}"
    elif name not in found.seconds:
        state = "not asked"
    else:
        state = f"{len(hits)} found" if hits else "nothing"
    return (
        f"<tr><td><i class='dot {worst}'></i>{escape(name.replace('_', ' '))}</td>"
        f"<td>{escape(question)}</td><td>{state}</td></tr>"
    )
