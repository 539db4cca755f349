"""Forces are the slope of the energy: between near frames the energy changes by the work of the forces."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from atomscape.data.check import Correction, Finding, rows_of
from atomscape.data.edits import Multiplied
from atomscape.data.examined import Examined
from atomscape.data.work import FACTORS, Work, explained, work_of

question = (
    "Does the energy change between near frames by the work of the forces: same unit, sign, per structure?"
)
quick = False
needs = "energies and forces of near frames"

FLOPPY, STIFF = 0.02, 250.0  # eV/Å²; a C≡C bond has 100, and a mean over all ways much less
RIGHT = 0.35
"""|ln| of the factor up to which energies and forces are taken to fit."""
GRADIENTS = "forces of the opposite sign"
CLOSE = 0.15
"""Spread from which on a factor that nothing explains is not believed."""


def run(data: Examined) -> Iterator[Finding]:
    """One finding where pairs of near frames agree that energies and forces do not fit, or are too stiff."""
    measured = work_of(data)
    if measured is None:
        return
    if measured.stiffness > STIFF or 0 < measured.stiffness < FLOPPY:
        yield Finding(
            "serious",
            f"forces change by {measured.stiffness:.3g} eV/Å per Å of way (median of {len(measured.rows)} "
            "pairs of "
            f"near frames); in matter it is {FLOPPY} to {STIFF:g}",
            (),
            "forces, or positions, are in another unit: state it",
        )
    right = abs(np.log(abs(measured.factor))) < RIGHT and measured.factor > 0 and not measured.per_atom
    if right:
        yield from _single_frames(measured)
        return
    if not measured.clear:
        return
    reason = explained(measured.factor, 0.25)
    if reason is None and measured.factor > 0 and measured.spread > CLOSE:
        return
    if measured.factor < 0:
        reason = explained(-measured.factor, 0.25)
        reason = GRADIENTS if reason == "right" else f"{GRADIENTS}, {reason}" if reason else None
    share = "energies per atom" if measured.per_atom else ""
    why = "; ".join(x for x in (share, reason if reason != "right" else "") if x)
    times = "the number of atoms times the energy" if measured.per_atom else "the energy"
    yield Finding(
        "serious",
        f"{times} changes by {measured.factor:.4g} times the work of the forces ({len(measured.rows)} "
        "pairs of near "
        f"frames, half of them within {100 * measured.spread:.0f} %): {why or 'no known unit explains it'}",
        (),
        _proposal(measured, reason),
        _correction(data, measured, reason),
    )


def _proposal(measured: Work, reason: str | None) -> str:
    steps = ["multiply energies by the number of atoms"] if measured.per_atom else []
    if reason == GRADIENTS:
        steps.append("multiply forces by −1 (gradients were called forces)")
    elif reason not in (None, "right"):
        steps.append(f"convert {reason}" if reason in FACTORS else "multiply forces by −1 and convert them")
    return " and ".join(steps) or "find out to which calculation energies and forces belong"


def _correction(data: Examined, measured: Work, reason: str | None) -> Correction | None:
    """What is certain: the number of atoms, the sign of forces, a known unit."""
    every = tuple(range(len(data)))
    if reason is None:
        return None
    if reason == GRADIENTS:
        return Correction("forces multiplied by −1", Multiplied(("forces",), -1.0), every)
    if reason not in FACTORS:
        return None
    factor = FACTORS[reason]
    if measured.per_atom and reason == "right":
        says = "energy multiplied by the number of atoms"
        return Correction(says, Multiplied(("energy",), 1.0, True), every)
    if reason.startswith("energies"):
        says = f"energy multiplied by {1 / factor:.6g} ({reason}, to eV)"
        return Correction(says, Multiplied(("energy",), 1 / factor, measured.per_atom), every)
    says = f"forces multiplied by {factor:.6g} ({reason}, to eV/Å)"
    return Correction(says, Multiplied(("forces",), factor), every) if not measured.per_atom else None


def _single_frames(measured: Work) -> Iterator[Finding]:
    """Frames whose energy jumps against the work on both sides, where the others fit well."""
    if measured.spread > 0.1 or not measured.clear:
        return
    off = np.abs(measured.change - measured.work)
    usual = float(np.median(off / measured.atoms)) + 1e-5
    wrong = (
        (off / measured.atoms > 0.05) & (off / measured.atoms > 50 * usual) & (off > np.abs(measured.work))
    )
    if wrong.any():
        text = (
            f"the energy jumps by up to {off[wrong].max():.3g} eV between near frames where the work of "
            "the forces "
            f"says otherwise ({wrong.sum()} of {len(off)} pairs)"
        )
        rows = np.unique(measured.rows[wrong])
        yield Finding("warning", text, rows_of(rows), "look at these frames: unconverged, or mixed up")
