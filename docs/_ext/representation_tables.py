"""Tables of fixed representations as Markdown, from ``experiments/representations/results.json``."""

from __future__ import annotations

import json
from pathlib import Path

FILE = "experiments/representations/results.json"
NAMES = {"energy_zero_kelvin": "energy at 0 K", "dipole_norm": "dipole"}
ROUNDING = 1e-9
"""Below this a relative change is rounding."""


def read(root: Path) -> dict:
    """What the run wrote.

    Raises
    ------
    LookupError
        It has not been run.
    """
    if not (root / FILE).is_file():
        raise LookupError(f"{FILE} does not exist; python experiments/representations/run.py writes it")
    return json.loads((root / FILE).read_text(encoding="utf-8"))


def what_it_sees(results: dict) -> str:
    """Bonding, geometry, memory and universality."""
    sets = results["config"]["universality"]
    head = ["", "bonding", "geometry", "bytes", "packed", "ms", *(f"of {s}" for s in sets)]
    rows = []
    for name, shares in results["universality"].items():
        of = _measured(results, name)
        first = of[0]
        bonding = _number(first.get("bonding_read"), "{:.2f}")
        cost = first["cost"]
        rows.append(
            [
                f"**{name}**",
                bonding,
                f"{first['freedoms_seen']:.2f}",
                f"{cost['bytes']:,.0f}",
                f"{cost['bytes_packed']:,.0f}",
                f"{cost['milliseconds']:.2g}",
                *(f"{shares[s]:.0%}" for s in sets),
            ]
        )
    return _table(head, rows)


def what_it_ignores(results: dict) -> str:
    """Relative change under descriptions of the same structure, molecules and crystals."""
    changes = list(dict.fromkeys(k for p in results["problems"] for m in _all(p) for k in m["violations"]))
    rows = []
    for p in results["problems"]:
        for name, m in p["representations"].items():
            found = [_change(m["violations"].get(c)) for c in changes]
            rows.append([f"**{name}**", p["dataset"], *found])
    return _table(["", "data", *changes], rows)


def what_it_tells_apart(results: dict) -> str:
    """Pairs that differ in one respect, and structures of a real test part that share a representation."""
    sights = list(next(iter(results["told_apart"].values())))
    head = ["", *(f"{s}, {k}" for s in sights for k in ("molecules", "crystals")), "shared"]
    rows = []
    for name, found in results["told_apart"].items():
        pairs = [_seen(found[s].get(k)) for s in sights for k in ("molecules", "crystals")]
        shared = ", ".join(f"{m['shared']:.1%}" for m in _measured(results, name))
        rows.append([f"**{name}**", *pairs, shared])
    return _table(head, rows)


def what_is_learned(results: dict) -> str:
    """Errors on the test part, for every size of the training part."""
    parts = []
    for p in results["problems"]:
        targets = p["targets"]
        sizes = results["config"]["sizes"]
        head = [p["dataset"], *(f"{NAMES.get(t, t)}, {n:,}" for t in targets for n in sizes)]
        rows = [["mean", *(_mae(p["mean"][t]) if n == sizes[-1] else "" for t in targets for n in sizes)]]
        for name, m in p["representations"].items():
            by_size = {e["train"]: e["targets"] for e in m["errors"]}
            rows.append([f"**{name}**", *(_mae(by_size[n][t]) for t in targets for n in sizes)])
        units = ", ".join(f"{NAMES.get(t, t)} in {u}" for t, u in targets.items())
        parts.append(
            f"{_table(head, rows)}\n\nMean absolute errors of {p['counts']['test']:,} structures: {units}."
        )
    return "\n\n".join(parts)


def how_it_was_run(results: dict) -> str:
    """One line about the run."""
    minutes = results["cpu_seconds"] / 60
    return (
        f"Measured at commit {(results['commit'] or '?')[:8]} in {minutes:.0f} minutes of CPU time, "
        f"{results['threads']} thread, with RDKit {results['versions']['rdkit']}."
    )


TABLES = {
    "sees": what_it_sees,
    "ignores": what_it_ignores,
    "apart": what_it_tells_apart,
    "learned": what_is_learned,
    "run": how_it_was_run,
}
"""Argument of the directive → text."""


def _all(problem: dict) -> list[dict]:
    return list(problem["representations"].values())


def _measured(results: dict, name: str) -> list[dict]:
    """Measurements of one representation, on each dataset that it was tried on."""
    return [p["representations"][name] for p in results["problems"] if name in p["representations"]]


def _number(value: float | None, form: str) -> str:
    return "–" if value is None else form.format(value)


def _change(value: float | None) -> str:
    if value is None or value != value:
        return "–"
    return "0" if value < ROUNDING else f"{value:.1g}"


def _seen(value: float | None) -> str:
    if value is None:
        return "–"
    return "alike" if value < ROUNDING else f"{value:.1g}"


def _mae(found: dict) -> str:
    return f"{found['mae']:.3f} ± {found['spread']:.3f}"


def _table(head: list[str], rows: list[list[str]]) -> str:
    lines = ["| " + " | ".join(head) + " |", "|---" + "|---:" * (len(head) - 1) + "|"]
    return "\n".join([*lines, *("| " + " | ".join(r) + " |" for r in rows)])
