"""Write a corrected copy of a dataset: the certain corrections of an audit, never in place."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from atomscape.atoms.structures import Structures
from atomscape.data.audit import Audit, examined
from atomscape.data.card import Card, records
from atomscape.data.check import Correction, Finding
from atomscape.data.corrected import Corrected
from atomscape.data.examined import Examined
from atomscape.data.store import Store, write_store


def corrections_of(found: Audit) -> list[str]:
    """What ``write_corrected`` would do, in words, and to how many structures."""
    return [f"{c.says} ({len(f.rows if c.rows is None else c.rows):,} structures)" for f, c in _chosen(found)]


def write_corrected(
    data: Store | Examined, found: Audit, out: str | Path, *, overwrite: bool = False
) -> Store:
    """New store with every correction of the audit applied; its card says what was changed.

    A correction that two checks come to is applied once.

    Raises
    ------
    ValueError
        The audit is certain of no correction, or none of the structures is left.
    FileExistsError
        The place exists and ``overwrite`` is False.
    """
    chosen = _chosen(found)
    if not chosen:
        raise ValueError(
            f"{found.name}: the audit is certain of no correction, so that there is nothing to fix"
        )
    seen = examined(data)
    rows = Corrected(seen.rows, [finding for finding, _ in chosen])
    if not len(rows):
        raise ValueError(f"{found.name}: no structure would be left; look at the findings instead")
    card = data.card if isinstance(data, Store) else Card(name=found.name)
    said = "; ".join(corrections_of(found))
    kept = [p for name, p in seen.properties.items() if name in rows[:1].labels]
    card = card.with_counts(
        properties=records(*kept),
        provenance=f"{card.provenance}; corrected by atomscape data audit: {said}".lstrip("; "),
    )
    return write_store(out, _batches(rows, seen), card, rows.splits(seen.splits), overwrite=overwrite)


def _batches(rows: Corrected, seen: Examined) -> Iterator[Structures]:
    view = Examined(rows, seen.properties, counts=seen.counts[rows.kept])
    return (s for _, s in view.chunks())


def _chosen(found: Audit) -> list[tuple[Finding, Correction]]:
    """Findings whose corrections are applied, in the order in which the checks were asked."""
    order = list(found.seconds)
    told: set[str] = set()
    chosen = []
    for finding in sorted((f for f in found.findings if f.correction), key=lambda f: order.index(f.check)):
        correction = finding.correction
        if correction is not None and correction.says not in told:
            told.add(correction.says)
            chosen.append((finding, correction))
    return chosen
