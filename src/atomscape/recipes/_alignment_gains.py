"""What company does to a dataset's test error, with its uncertainty over seeds.

With E the error of one figure after the same number of steps, seed by seed,

    gain_s = (E_s(alone) − E_s(in company)) / mean E(alone)       positive: company helps

and over n seeds the mean is ± t_{0.975, n−1} sd/√n. The seeds differ in everything that is drawn: who tests,
the order of structures, and the first weights. Both trainings of a seed have the same of all of it.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from math import inf, sqrt
from typing import Any, Literal

import numpy as np
from scipy.special import stdtrit

from atomscape.recipes._alignment_runs import Error

FEW = 10
"""Test structures below which no gain is spoken of, whatever the seeds say."""

WIDE = 10.0
"""Per cent: an interval around 0 that reaches further leaves open what matters."""

Verdict = Literal["helps", "harms", "no effect", "too small to conclude"]


@dataclass(frozen=True)
class Gain:
    """One field of the matrix: a figure of a dataset in some company; per cent of the error alone."""

    encoder: str
    task: str
    property: str
    company: str
    gains: tuple[float, ...]
    mean: float
    half_width: float
    verdict: Verdict

    def as_dict(self) -> dict[str, Any]:
        """Plain data; a half width that one seed cannot give is None."""
        return asdict(self) | {
            "gains": list(self.gains),
            "half_width": self.half_width if self.half_width < inf else None,
        }


def interval(values: Sequence[float]) -> tuple[float, float]:
    """Mean and half width of the 95 % t interval; infinite where there is one value only."""
    n = len(values)
    if n < 2:
        return float(np.mean(values)), inf
    return float(np.mean(values)), float(stdtrit(n - 1, 0.975)) * float(np.std(values, ddof=1)) / sqrt(n)


def verdict_of(mean: float, half_width: float, test: int) -> Verdict:
    """What a gain and its interval say, given how many structures the smallest test has."""
    if test < FEW:
        return "too small to conclude"
    if mean - half_width > 0:
        return "helps"
    if mean + half_width < 0:
        return "harms"
    return "no effect" if abs(mean) + half_width <= WIDE else "too small to conclude"


def gains(alone: Iterable[Error], others: Iterable[Error], tests: dict[str, int]) -> list[Gain]:
    """Fields of the matrix: each error of ``others`` beside that of the same seed alone.

    ``tests`` tells how many structures the smallest test of each task has. A seed that is not on both sides
    does not count.
    """
    base: dict[tuple[str, str, str], dict[int, float]] = {}
    for e in alone:
        base.setdefault((e.training.encoder, e.task, e.property), {})[e.training.seed] = e.mae
    found: dict[tuple[str, str, str, str], dict[int, float]] = {}
    for e in others:
        found.setdefault((e.training.encoder, e.task, e.property, e.company), {})[e.training.seed] = e.mae
    matrix = []
    for (encoder, task, p, company), there in found.items():
        here = base.get((encoder, task, p), {})
        seeds = sorted(here.keys() & there.keys())
        if not seeds:
            continue
        size = float(np.mean([here[s] for s in seeds]))
        each = tuple(100 * (here[s] - there[s]) / size for s in seeds)
        mean, half = interval(each)
        matrix.append(Gain(encoder, task, p, company, each, mean, half, verdict_of(mean, half, tests[task])))
    return matrix


@dataclass(frozen=True)
class Alone:
    """Error of one figure of a dataset alone, over seeds, beside that of the mean of the training part."""

    encoder: str
    task: str
    property: str
    unit: str
    mae: float
    deviation: float
    mean: float
    seeds: int

    def as_dict(self) -> dict[str, Any]:
        """Plain data."""
        return asdict(self)


def summaries(errors: Iterable[Error]) -> list[Alone]:
    """Means over seeds, and their standard deviation (0 for one seed)."""
    rows: dict[tuple[str, str, str, str], list[Error]] = {}
    for e in errors:
        rows.setdefault((e.training.encoder, e.task, e.property, e.unit), []).append(e)
    made = []
    for key, found in rows.items():
        mae = [e.mae for e in found]
        deviation = float(np.std(mae, ddof=1)) if len(mae) > 1 else 0.0
        mean = float(np.mean([e.mean for e in found]))
        made.append(Alone(*key, float(np.mean(mae)), deviation, mean, len(found)))
    return made
