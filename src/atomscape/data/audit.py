"""Find wrong labels: ask a dataset every question in ``data/checks/``.

Some checks come first: structures that no neighbour search could bear, fractional coordinates, numbers that
mean unknown, lengths and energies in another unit. Where they are certain of a correction, the other checks
see the corrected structures. All work in chunks; those whose cost grows faster than the dataset look at a
sample and say so.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from time import perf_counter
from typing import cast

import numpy as np

from atomscape.atoms.structures import Structures
from atomscape.data.check import SEVERITIES, Check, Finding
from atomscape.data.corrected import Corrected
from atomscape.data.examined import Examined
from atomscape.data.store import Store
from atomscape.find import available, find

KIND = "data.checks"
FIRST = ("well_formed", "fractional", "length_unit", "sentinels", "energy_unit")
"""Checks whose corrections the others need."""


@dataclass(frozen=True)
class Audit:
    """What was found, the worst first; ``skipped`` says which checks could not be asked and why.

    ``seconds`` is the wall time of each check.
    """

    name: str
    structures: int
    findings: tuple[Finding, ...]
    skipped: dict[str, str]
    seconds: dict[str, float]

    @property
    def serious(self) -> bool:
        """Whether any finding is serious."""
        return any(f.severity == "serious" for f in self.findings)


def check_names(quick: bool = False) -> list[str]:
    """Names of all checks in the order in which they are asked, or of the quick ones."""
    names = [*FIRST, *(n for n in available(KIND) if n not in FIRST)]
    return [n for n in names if not quick or _check(n).quick]


def examined(data: Store | Structures | Examined, other: Store | Structures | None = None) -> Examined:
    """A dataset as checks see it, with another one to compare."""
    beside = None if other is None else examined(other)
    if isinstance(data, Examined):
        return data
    if isinstance(data, Structures):
        return Examined.of(data, other=beside)
    return Examined(data, data.properties, data.ids, data.splits, data.counts, beside)


def audit(
    data: Store | Structures | Examined,
    *,
    name: str = "",
    against: Store | Structures | None = None,
    quick: bool = False,
    checks: Sequence[str] | None = None,
    progress: Callable[[str], None] | None = None,
) -> Audit:
    """Look for what is wrong in a dataset.

    Parameters
    ----------
    data
        A store, or structures in memory, ill-formed ones too.
    against
        Another dataset, to look for structures that stand in both.
    quick
        Ask only the quick checks, some 0.1 ms per structure.
    checks
        Names of the checks to ask; all where None is given.
    progress
        Called with the name of each check before it is asked.
    """
    whole = examined(data, against)
    wanted = check_names(quick) if checks is None else [n for n in check_names() if n in checks]
    findings: list[Finding] = []
    skipped: dict[str, str] = {}
    seconds: dict[str, float] = {}
    seen, kept = whole, np.arange(len(whole))
    for check in [*dict.fromkeys([FIRST[0], *wanted])] if len(whole) else [FIRST[0]]:
        if progress is not None:
            progress(check)
        start = perf_counter()
        try:
            new = [_numbered(f, check, kept) for f in _check(check).run(seen)]
        except ImportError as error:
            skipped[check], new = str(error), []
        seconds[check] = perf_counter() - start
        findings += new
        if check in FIRST and any(f.correction for f in new):
            seen, kept = _put_right(whole, findings)
            if not len(seen):
                break
    label = name or (data.card.name if isinstance(data, Store) else "structures")
    order = sorted(findings, key=lambda f: SEVERITIES.index(f.severity))
    return Audit(label, len(whole), tuple(order), skipped, seconds)


def _check(name: str) -> Check:
    return cast(Check, find(KIND, name))


def _numbered(finding: Finding, check: str, kept: np.ndarray) -> Finding:
    """The finding with its check's name, in the dataset's own numbers."""

    def original(rows: tuple[int, ...]) -> tuple[int, ...]:
        return tuple(kept[list(rows)].tolist())

    correction = finding.correction
    if correction is not None and correction.rows is not None:
        correction = replace(correction, rows=original(correction.rows))
    return replace(finding, check=check, rows=original(finding.rows), correction=correction)


def _put_right(data: Examined, findings: list[Finding]) -> tuple[Examined, np.ndarray]:
    rows = Corrected(data.rows, findings)
    ids = [data.ids[k] for k in rows.kept.tolist()] if len(data.ids) else ()
    splits = rows.splits(data.splits)
    return Examined(rows, data.properties, ids, splits, data.counts[rows.kept], data.other), rows.kept
