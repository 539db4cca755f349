"""Forces: huge ones, ones that do not add up to zero, and zeros where symmetry does not say so."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import torch

from atomscape.atoms.neighbours import neighbour_graph
from atomscape.atoms.structures import Structures
from atomscape.data.check import Correction, Finding, by_share, rows_of
from atomscape.data.edits import Unknown
from atomscape.data.examined import Examined, numpy_label

question = "Are forces of a possible size, do they add up to zero, and are zeros due to symmetry?"
quick = True
needs = "forces"

LARGE = 50.0  # eV/Å
TYPICAL = 10.0  # eV/Å
NET = 0.05  # eV/Å
REACH = 5.0  # Å, of the neighbours that decide whether symmetry forbids a force
UNEVEN = 0.05  # Å
SAMPLE = 2000


def run(data: Examined) -> Iterator[Finding]:
    """Forces beyond 50 eV/Å, net forces, and forces that are exactly zero in uneven surroundings."""
    prop = data.properties.get("forces")
    if prop is None or prop.shape != (3,):
        return
    largest, net, scale = _sizes(data)
    typical = float(np.nanmedian(scale / data.counts)) if np.isfinite(scale).any() else 0.0
    if typical > TYPICAL:
        text = f"forces are typically {typical:.3g} eV/Å: they are probably in another unit"
        yield Finding("serious", text, (), "kcal/mol/Å × 0.0434, kJ/mol/nm × 0.00104, meV/Å × 0.001")
    huge = np.flatnonzero(largest > LARGE)
    if huge.size and typical <= TYPICAL:
        text = f"forces above {LARGE:g} eV/Å, up to {np.nanmax(largest):.4g}"
        proposal = "leave them out: a few such frames dominate a squared loss"
        yield Finding(by_share(huge, len(data), 0.2), text, rows_of(huge), proposal)
    wrong = np.flatnonzero(net > NET + 1e-2 * scale)
    if wrong.size:
        text = f"forces of {wrong.size} structures do not add up to zero (up to {net[wrong].max():.3g} eV/Å)"
        proposal = "forces of constrained atoms may have been set to zero; mask those atoms"
        yield Finding("warning", text, rows_of(wrong), proposal)
    still = np.flatnonzero((scale == 0) & (data.counts > 1))
    looked_at = data.sample(SAMPLE, still)
    zero = [here[uneven(s)] for here, s in data.chunks(looked_at)]
    zero = np.concatenate([np.zeros(0, np.int64), *zero])
    if zero.size:
        of = "" if len(looked_at) == len(still) else f" ({len(looked_at)} of {len(still)} looked at)"
        text = f"all forces are exactly 0 in {zero.size} structures where symmetry does not say so{of}"
        edit = Correction("forces set to unknown where all are 0 without cause", Unknown("forces"))
        severity = by_share(zero, len(data), 0.02)
        yield Finding(severity, text, rows_of(zero), "set them to NaN", edit)


def _sizes(data: Examined) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Of each structure the largest force, the norm of the sum, and the sum of the norms (eV/Å)."""
    largest, net, scale = (np.full(len(data), np.nan) for _ in range(3))
    for here, s in data.chunks():
        forces, owner, n = numpy_label(s, "forces"), s.structure.numpy(), len(s)
        size = np.linalg.norm(forces, axis=1)
        top = np.zeros(n)
        np.fmax.at(top, owner, size)
        total = np.stack([np.bincount(owner, forces[:, k], minlength=n) for k in range(3)], axis=1)
        largest[here], net[here] = top, np.linalg.norm(total, axis=1)
        scale[here] = np.bincount(owner, size, minlength=n)
    return largest, net, scale


def uneven(s: Structures) -> np.ndarray:
    """Whether some atom has more neighbours on one side than on the other, so that a force may act on it."""
    g = neighbour_graph(s, REACH)
    pull = g.vectors * (1 - g.vectors.square().sum(1, keepdim=True) / REACH**2) ** 2
    net = torch.zeros_like(g.structures.positions).index_add(0, g.centre, pull)
    found = np.zeros(len(s), dtype=bool)
    found[s.structure[net.norm(dim=1) > UNEVEN].numpy()] = True
    return found
