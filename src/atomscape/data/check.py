"""What a module in ``data/checks/`` offers, and what it finds. Adding a check is adding one such file.

A finding is a suspicion with its numbers: what was seen, in which rows, and what would put it right. Where
that can be done by machine it carries a ``Correction``.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal, Protocol, runtime_checkable

import numpy as np

from atomscape.atoms.structures import Structures

if TYPE_CHECKING:
    from atomscape.data.examined import Examined

Severity = Literal["serious", "warning", "note"]
SEVERITIES: tuple[Severity, ...] = ("serious", "warning", "note")
"""Serious: training on it teaches something false. Warning: look at it. Note: good to know."""


@dataclass(frozen=True, eq=False)
class Correction:
    """What puts rows right: an edit, or leaving them out where ``edit`` is None.

    ``edit`` takes the rows concerned as a batch and returns as many structures with the same atoms. ``rows``
    None means those of the finding. Where ``part`` is given, they are left out of this part of the split
    alone.
    """

    says: str
    edit: Callable[[Structures], Structures] | None = None
    rows: tuple[int, ...] | None = None
    part: str = ""


@dataclass(frozen=True, eq=False)
class Finding:
    """One suspicion: how bad, what was seen, in which structures, what to do.

    ``check`` is the name of the check and filled in by the audit. ``correction`` is given only where it is
    certain.
    """

    severity: Severity
    evidence: str
    rows: tuple[int, ...] = field(default=(), repr=False)
    proposal: str = ""
    correction: Correction | None = field(default=None, repr=False)
    check: str = ""

    def __str__(self) -> str:
        """The evidence, and the first structures it is about."""
        if not self.rows:
            return self.evidence
        first = ", ".join(str(n) for n in self.rows[:5]) + (", …" if len(self.rows) > 5 else "")
        return f"{self.evidence} (structure{'s' if len(self.rows) > 1 else ''} {first})"

    def as_dict(self) -> dict[str, object]:
        """For JSON: check, severity, evidence, rows, proposal."""
        return {
            "check": self.check,
            "severity": self.severity,
            "evidence": self.evidence,
            "rows": list(self.rows),
            "proposal": self.proposal,
        }


@runtime_checkable
class Check(Protocol):
    """One question to a dataset.

    ``question`` is a sentence for the documentation. ``quick`` says that ``atomscape info`` asks it too: it
    looks at every structure once and needs no neighbours beyond the closest. ``needs`` says without what it
    has nothing to ask.
    """

    question: str
    quick: bool
    needs: str

    def run(self, data: Examined, /) -> Iterator[Finding]:
        """Findings on a dataset; ImportError where an optional library is needed and not there."""
        ...


def rows_of(rows) -> tuple[int, ...]:
    """Numbers of structures as plain integers, sorted."""
    return tuple(np.sort(np.asarray(rows, dtype=np.int64)).tolist())


def by_share(rows, of: int, serious: float, warning: float = 0.0) -> Severity:
    """Severity by the share of ``of`` structures that is concerned."""
    share = len(rows) / max(of, 1)
    return "serious" if share >= serious else "warning" if share >= warning else "note"
