"""Tables of vacancies in crystals as Markdown, from the files that their runs wrote."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

QUESTIONS = {"site": "the site of one cell", "vacancy": "one atom of a supercell"}


def results(root: Path, name: str) -> dict[str, Any]:
    """What a run wrote, with its scores.

    Raises
    ------
    LookupError
        It has not been run, or not been scored.
    """
    file = root / "experiments" / name / "results.json"
    found = json.loads(file.read_text(encoding="utf-8")) if file.is_file() else {}
    if "vacancies" not in found:
        raise LookupError(f"experiments/{name} holds no scores; run python scripts/vacancies.py {name}")
    return found


def accuracy(root: Path, name: str) -> str:
    """Network and guesses side by side, on both questions."""
    lines = _head(
        "missing", "guess", "right, %", "mean over elements, %", "right but for symmetry, %",
        "among three, %", "right element, %", "within 0.5 Å, %", "off by, Å", "right where none is alike, %",
    )  # fmt: skip
    for question, asked in results(root, name)["vacancies"].items():
        for guess, one in asked["guesses"].items():
            keys = ("accuracy", "balanced_accuracy", "accuracy_up_to_symmetry", "top_3_accuracy")
            cells = [_percent(one, k) for k in (*keys, "element_accuracy", "within_0.5")]
            far = f"{one['distance_mae']['value']:.2f}"
            alone = one["without_copy"]
            cells += [far, "–" if alone is None else _percent(alone, "accuracy")]
            lines.append(_row(QUESTIONS[question], _bold(guess), *cells))
    return "\n".join([*lines, ""])


def sites(root: Path, name: str) -> str:
    """The first question for each kind of site."""
    guesses = results(root, name)["vacancies"]["site"]["guesses"]
    kinds = list(next(iter(guesses.values()))["sites"])
    heads = [f"{kind}, {what}" for kind in kinds for what in ("right, %", "element, %", "within 0.5 Å, %")]
    lines = _head("guess", *heads, words=1)
    for guess, one in guesses.items():
        keys = ("accuracy", "element_accuracy", "within_0.5")
        lines.append(_row(_bold(guess), *(_percent(one["sites"][kind], k) for kind in kinds for k in keys)))
    return "\n".join([*lines, ""])


def density(root: Path, name: str) -> str:
    """What the network's probabilities are worth."""
    heads = ("removals", "−log p, nats", "calibration error, %", "ceiling, %", "has a copy, %")
    lines = _head("missing", *heads, words=1)
    for question, asked in results(root, name)["vacancies"].items():
        one = asked["guesses"]["network"]
        off = 100 * one["calibration"]["expected_error"]
        shares = (f"{100 * asked[k]:.1f}" for k in ("ceiling", "copied"))
        count = f"{one['accuracy']['count']:,}"
        lines.append(_row(QUESTIONS[question], count, f"{one['nll']['value']:.2f}", f"{off:.1f}", *shares))
    return "\n".join([*lines, ""])


def run(root: Path, name: str) -> str:
    """One line about the training."""
    found = results(root, name)
    train = next(iter(found["counts"].values()))["train"]
    return (
        f"Trained on {train:,} crystals, {found['epochs']} epochs, {found['n_parameters']:,} parameters, "
        f"{found['cpu_seconds'] / 60:.0f} minutes of CPU time on {found['threads']} thread."
    )


TABLES = {"accuracy": accuracy, "sites": sites, "density": density, "run": run}
"""Second argument of the directive → text."""


def _bold(guess: str) -> str:
    return f"**{guess}**" if guess == "network" else guess


def _percent(one: dict[str, Any], key: str) -> str:
    return f"{100 * one[key]['value']:.1f}"


def _head(*names: str, words: int = 2) -> list[str]:
    return [_row(*names), "|---" * words + "|---:" * (len(names) - words) + "|"]


def _row(*cells: str) -> str:
    return "| " + " | ".join(cells) + " |"
