"""Tables of the missing-atom experiment as Markdown, from the files that its runs wrote."""

from __future__ import annotations

import json
from pathlib import Path
from statistics import mean, stdev
from typing import Any

SETS = {"test": "5–18", "test_19": "19", "test_23": "23", "test_25_29": "25–29"}
NETWORKS = {"missing_atom": "position density", "missing_atom_2018": "network of 2018, as published"}
TALK = {"test_19": "94.7 / 0.15", "test_23": "96.9 / 0.14", "test_25_29": "97.8 / 0.17"}
PAPER = {"test_19": "93.9 / 0.14", "test_23": "96.5 / 0.13", "test_25_29": "97.3 / 0.16"}


def runs(root: Path, name: str) -> list[dict[str, Any]]:
    """Results of all seeds of one network.

    Raises
    ------
    LookupError
        There is none.
    """
    found = sorted((root / "experiments" / name).glob("results*.json"))
    if not found:
        raise LookupError(f"experiments/{name} holds no results; run python scripts/missing_atom.py {name}")
    return [json.loads(file.read_text(encoding="utf-8")) for file in found]


def accuracy(root: Path) -> str:
    """Accuracy and distance on each set of molecules, beside what was published."""
    lines = _head("network", "parameters", "seeds", *(f"{n} atoms" for n in SETS.values()), "CPU")
    for name, title in NETWORKS.items():
        of = runs(root, name)
        right = [_shown(of, part, "accuracy", 2, 100) for part in SETS]
        cells = [f"{a} / {_shown(of, part, 'distance_mae', 3)}" for a, part in zip(right, SETS, strict=True)]
        minutes = f"{mean(r['cpu_seconds'] for r in of) / 60:.0f} min"
        lines.append(_row(f"**{title}**", f"{of[0]['n_parameters']:,}", str(len(of)), *cells, minutes))
    for title, values in {"published talk": TALK, "published paper": PAPER}.items():
        lines.append(_row(title, "3,050", "", *(values.get(part, "") for part in SETS), ""))
    return "\n".join([*lines, ""])


def elements(root: Path, part: str = "test_19") -> str:
    """Share of right first proposals for each element, on one set of molecules."""
    first = _scores(runs(root, "missing_atom"), part)[0]["elements"]
    symbols = [s for s in ("H", "C", "N", "O") if s in first]
    counts = [f"{s} ({first[s]['accuracy']['count']:,})" for s in symbols]
    lines = _head("network", *counts, "mean over elements")
    for name, title in NETWORKS.items():
        of = runs(root, name)
        found = [[r["elements"][s]["accuracy"]["value"] for r in _scores(of, part)] for s in symbols]
        cells = [_of(values, 100, 2) for values in found]
        lines.append(_row(f"**{title}**", *cells, _percent(of, part, "balanced_accuracy")))
    return "\n".join([*lines, ""])


def details(root: Path) -> str:
    """What else was measured: among three, element and place apart, density and calibration."""
    lines = _head(
        "network", "atoms", "right element, %", "within 0.5 Å, %", "among three, %", "−log p, nats",
        "calibration error, %",
    )  # fmt: skip
    for name, title in NETWORKS.items():
        of = runs(root, name)
        for part, atoms in SETS.items():
            scores = [_percent(of, part, k) for k in ("element_accuracy", "within_0.5", "top_3_accuracy")]
            nll, off = (_optional(of, part, k) for k in ("nll", "calibration"))
            lines.append(_row(title, atoms, *scores, nll, off))
    return "\n".join([*lines, ""])


def several(root: Path) -> str:
    """Completions where one to three atoms are missing, by the model that ships for molecules."""
    (run,) = runs(root, "missing_several")
    lines = _head(
        "missing", "molecules", "all right, %", "among five, %", "atoms right, %", "probability given, %"
    )
    for s in run["missing_several"]:
        what = f"{s['missing']}, {'neighbours' if s['together'] else 'anywhere'}" if s["missing"] > 1 else "1"
        bins = s["calibration"]["bins"]
        given = sum(b["confidence"] * b["count"] for b in bins) / s["calibration"]["count"]
        values = (s["accuracy"], s["top_5_accuracy"], s["atoms_right"], given)
        lines.append(_row(what, f"{s['structures']}", *(f"{100 * v:.1f}" for v in values)))
    return "\n".join([*lines, ""])


def _head(*names: str) -> list[str]:
    return [_row(*names), "|---" + "|---:" * (len(names) - 1) + "|"]


def _row(*cells: str) -> str:
    return "| " + " | ".join(cells) + " |"


def _scores(of: list[dict], part: str) -> list[dict]:
    return [r["missing_atoms"][part] for r in of]


def _optional(of: list[dict], part: str, key: str) -> str:
    found = [r[key] for r in _scores(of, part)]
    if any(f is None for f in found):
        return "–"
    if key == "calibration":
        return _of([f["expected_error"] for f in found], 100, 1)
    return _of([f["value"] for f in found], 1, 2)


def _percent(of: list[dict], part: str, key: str) -> str:
    return _shown(of, part, key, 1, 100)


def _shown(of: list[dict], part: str, key: str, digits: int, factor: float = 1) -> str:
    return _of([r[key]["value"] for r in _scores(of, part)], factor, digits)


def _of(values: list[float], factor: float, digits: int) -> str:
    spread = f" ± {factor * stdev(values):.{digits}f}" if len(values) > 1 else ""
    return f"{factor * mean(values):.{digits}f}{spread}"
