"""Tensors and forces under the crystal's own operations: they do not change where the crystal does not.

A tensor given in another frame than the positions (for instance that of the IEEE standard) is the usual slip.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from atomscape.atoms.crystal_symmetry import cartesian_operations
from atomscape.atoms.properties import Property
from atomscape.atoms.structures import Structures
from atomscape.data.check import Finding, rows_of
from atomscape.data.examined import Examined, numpy_label

question = "Are forces, stresses and other tensors invariant under the symmetry operations of their crystals?"
quick = False
needs = "tensors or forces of crystals; spglib"

SAMPLE = 400
LARGEST = 200  # atoms
PRECISION = 1e-3  # Å
BROKEN = 0.1
"""Change on symmetrising, relative to the tensor, above which it does not have the crystal's symmetry."""
SERIOUS = 0.2
"""Share of symmetric crystals."""
FREE = ("displacements", "velocities", "polarization")
"""Vectors that need not have the symmetry: where a structure goes, and what is known but for a quantum."""
SMALLEST = {"forces": 0.02, "stress": 1e-3}
"""Largest component below which nothing is asked: noise of the calculation."""


def run(data: Examined) -> Iterator[Finding]:
    """One finding per label, from a sample of crystals that have operations beyond translations.

    Raises
    ------
    ImportError
        spglib is not installed (extra ``crystals``).
    """
    tensors = {n: p for n, p in data.properties.items() if _is_tensor(p)}
    rows = np.flatnonzero(data.periodic & (data.counts <= LARGEST))
    if not tensors or not len(rows):
        return
    looked_at = data.sample(SAMPLE, rows)
    broken: dict[str, list[tuple[int, float]]] = {name: [] for name in tensors}
    asked = dict.fromkeys(tensors, 0)
    for here, s in data.chunks(looked_at):
        for k, row in enumerate(here.tolist()):
            operations = cartesian_operations(s[k], PRECISION)
            if operations is None:
                continue
            for name, prop in tensors.items():
                change = _change(s[k], name, prop, *operations)
                asked[name] += change is not None
                if change is not None and change > BROKEN:
                    broken[name].append((row, change))
    for name, found in broken.items():
        if found:
            yield _finding(name, found, asked[name])


def _finding(name: str, found: list[tuple[int, float]], asked: int) -> Finding:
    changes = [change for _, change in found]
    text = (
        f"{name} of {len(found)} of {asked} crystals with symmetry changes by "
        f"{100 * float(np.median(changes)):.0f} % "
        "(median) when it is symmetrised by the crystal's own operations"
    )
    few = len(found) < 3
    return Finding(
        "note" if few else "serious" if len(found) > SERIOUS * asked else "warning",
        text,
        rows_of([row for row, _ in found]),
        "it is given in another frame than the positions, or of another structure: rotate it into this "
        "frame; "
        "magnetic order can be a true cause",
    )


def _change(s: Structures, name: str, prop: Property, turns: np.ndarray, images: np.ndarray) -> float | None:
    """Norm of what symmetrising takes away, relative to the tensor; None where that is not known or tiny."""
    values = numpy_label(s, name)
    if not np.isfinite(values).all() or np.abs(values).max(initial=0) < SMALLEST.get(name, 1e-8):
        return None
    axial = _is_axial(prop)
    mean = np.zeros_like(values)
    for turn, image in zip(turns, images, strict=True):
        turned = values
        for axis in range(1, values.ndim):
            turned = np.moveaxis(np.tensordot(turned, turn, axes=([axis], [1])), -1, axis)
        if axial:
            turned = turned * np.linalg.det(turn)
        if prop.per == "atom":
            moved = np.empty_like(turned)
            moved[image] = turned
            turned = moved
        mean += turned / len(turns)
    return float(np.linalg.norm(values - mean) / np.linalg.norm(values))


def _is_tensor(prop: Property) -> bool:
    """Whether a label belongs to the crystal and turns with it; three numbers of a user's column need not."""
    if prop.name in FREE:
        return False
    return bool(prop.shape) and set(prop.shape) == {3} and (len(prop.shape) > 1 or prop.irreps.l_max > 0)


def _is_axial(prop: Property) -> bool:
    """Whether the tensor gets the sign of the determinant: its parity is not (−1)^rank."""
    parities = {irrep.p for _, irrep in prop.irreps}
    return prop.irreps.l_max > 0 and parities == {-((-1) ** len(prop.shape))}
