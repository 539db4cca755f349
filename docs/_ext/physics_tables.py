"""What trained potentials say of matter, as Markdown and a picture, from ``experiments/physics``."""

from __future__ import annotations

import json
from io import StringIO
from pathlib import Path
from typing import Any

from matplotlib import rc_context

from atomscape.recipes._figure import figure_of

FOLDER = "experiments/physics"
CONSTANTS = {
    "edge": ("edge of the cube, Å", 3),
    "c11": ("C₁₁, GPa", 0),
    "c12": ("C₁₂, GPa", 0),
    "c44": ("C₄₄, GPa", 0),
}
"""Key in the file → what it is called, and how many places of it mean something."""


def read(root: Path, case: str) -> dict[str, Any]:
    """What was filed of a case.

    Raises
    ------
    LookupError
        Nothing was.
    """
    file = root / FOLDER / f"{case}.json"
    if not file.is_file():
        raise LookupError(f"no {file}; python {FOLDER}/run.py {case} writes it")
    return json.loads(file.read_text(encoding="utf-8"))


def constants(found: dict[str, Any]) -> str:
    """Constants of copper: of the data, of the potential on the same cells, and at small strains."""
    lines = [
        "| copper | reference calculations | potential, same cells | potential, small strains |",
        "|---|---:|---:|---:|",
    ]
    for key, (title, places) in CONSTANTS.items():
        spans = [_span([fit[key] for fit in found[kind]], places) for kind in ("reference", "same_strains")]
        lines.append(f"| {title} | {spans[0]} | {spans[1]} | {found['small_strains'][key]:.{places}f} |")
    own = found["small_strains"]
    bulk = [
        _span([(f["c11"] + 2 * f["c12"]) / 3 for f in found[k]], 0) for k in ("reference", "same_strains")
    ]
    small = (own["c11"] + 2 * own["c12"]) / 3
    lines.append(f"| bulk modulus, GPa | {bulk[0]} | {bulk[1]} | {small:.0f} |")
    volumes = found["bulk_modulus_of_volumes_gpa"]
    lines.append(f"| bulk modulus of energy over volume, GPa | | | {volumes:.0f} |")
    return "\n".join(lines)


def _span(values: list[float], places: int) -> str:
    low, high = (f"{v:.{places}f}" for v in (min(values), max(values)))
    return low if low == high else f"{low} to {high}"


def checks(*cases: dict[str, Any]) -> str:
    """Derivatives against finite differences, and drift, of every case."""
    names = list(dict.fromkeys((c["name"], c["what"]) for case in cases for c in case["checks"]))
    lines = ["| | " + " | ".join(case["case"] for case in cases) + " |", "|---|" + "---:|" * len(cases)]
    for name, what in names:
        cells = []
        for case in cases:
            row = next((c for c in case["checks"] if (c["name"], c["what"]) == (name, what)), None)
            known = row is not None and row["value"] is not None
            cells.append(f"{row['value']:.2g} {row['unit']}".strip() if known else "–")
        lines.append(f"| {name}: {what} | " + " | ".join(cells) + " |")
    return "\n".join(lines)


def bands(found: dict[str, Any]) -> str:
    """Phonon bands along the path, SVG to stand in a page."""
    text, p = StringIO(), found["phonons"]
    with rc_context({"svg.fonttype": "none", "svg.hashsalt": "bands"}):
        fig = figure_of((6.4, 3.2), None)
        ax = fig.subplots()
        for segment in p["bands"]:
            ax.plot(segment["distance"], segment["frequencies_thz"], color="#2563eb", lw=1.2)
        for tick in p["ticks"]:
            ax.axvline(tick["distance"], color="#9ca3af", lw=0.6)
        ax.set_xticks([t["distance"] for t in p["ticks"]], [t["name"].replace("G", "Γ") for t in p["ticks"]])
        ax.set_xlim(p["bands"][0]["distance"][0], p["bands"][-1]["distance"][-1])
        ax.axhline(0, color="#111827", lw=0.6)
        ax.set_ylabel("frequency, THz")
        ax.spines[["top", "right"]].set_visible(False)
        fig.tight_layout()
        fig.savefig(text, format="svg", metadata={"Date": None})
    return text.getvalue()[text.getvalue().index("<svg") :]
