"""Laws of fixed representations: what one claims of itself is measured, in both directions.

An invariance that is claimed holds on every structure it applies to; a difference that is said to be seen
changes it, and one that is not said to be seen does not.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch

from atomscape.atoms.representation import Representation, kinds_of
from atomscape.atoms.structures import Structures
from atomscape.atoms.transform import (
    lattice_translated,
    permuted,
    recelled,
    repeated,
    rotated,
    strained,
    translated,
)
from atomscape.o3.rotation import random_rotation
from atomscape.shapes import Tensor
from atomscape.testing import cases

EXACT = 1e-8
"""Largest relative difference where a claim holds; eigenvalues and orthonormal orbitals cost digits."""


SEEN = 1e-6
"""Smallest relative difference that counts as one."""


def applicable(representation: Representation, structures: Structures) -> Structures:
    """Those of a batch that are of a kind the representation applies to."""
    kinds = kinds_of(structures)
    return structures[[i for i, k in enumerate(kinds) if k in representation.claims.applies]]


def difference(a: Tensor | np.ndarray, b: Tensor | np.ndarray) -> float:
    """Largest difference relative to the largest number, NaN being equal to NaN; of texts 0.0 or 1.0."""
    if isinstance(a, np.ndarray):
        return 0.0 if bool(np.array_equal(a, b)) else 1.0
    x, y = torch.as_tensor(a).detach(), torch.as_tensor(b).detach()
    if x.shape != y.shape or not torch.equal(x.isnan(), y.isnan()):
        return 1.0
    x, y = torch.nan_to_num(x), torch.nan_to_num(y)
    return float((x - y).abs().max() / x.abs().max().clamp_min(1e-12)) if x.numel() else 0.0


def changed(invariance: str, structures: Structures, seed: int = 0) -> Structures:
    """The same structures described anew, in the way an invariance is about."""
    return CHANGES[invariance](structures, torch.Generator().manual_seed(seed))


def violation(
    representation: Representation, invariance: str, structures: Structures, seed: int = 0
) -> float:
    """Relative change of a representation where an invariance would have none."""
    other = changed(invariance, structures, seed)
    return difference(representation(structures), representation(other))


def check_invariance(
    representation: Representation, invariance: str, structures: Structures, *, case: str = "", seed: int = 0
) -> float:
    """Violation of a claimed invariance.

    Raises
    ------
    AssertionError
        It is more than rounding.
    """
    error = violation(representation, invariance, structures, seed)
    if not error <= EXACT:
        raise AssertionError(f"{invariance} law, case {case!r}: error {error:.2e} > tolerance {EXACT:.0e}")
    return error


def check_sight(representation: Representation, sight: str) -> float:
    """Smallest change between pairs that differ in one respect only, as the claims say it.

    Raises
    ------
    AssertionError
        A pair that should be told apart is not, or one that should not is.
    """
    seen, smallest = sight in representation.claims.sees, 1.0
    for kind, (one, other) in pairs_that_differ_in(sight).items():
        if kind not in representation.claims.applies:
            continue
        found = difference(representation(one), representation(other))
        smallest = min(smallest, found)
        if (found > SEEN) != seen:
            says = "is said to be seen" if seen else "is not said to be seen"
            raise AssertionError(f"{sight} {says}; the {kind} that differ in it differ by {found:.1e}")
    return smallest


def check_batch(representation: Representation, structures: Structures, *, case: str = "") -> float:
    """A structure in a batch is represented as it is alone.

    Raises
    ------
    AssertionError
        It is not.
    """
    together = representation(structures)
    alone = [representation(s) for s in structures]
    error = max((difference(together[i : i + 1], a) for i, a in enumerate(alone)), default=0.0)
    if not error <= EXACT:
        raise AssertionError(f"batch = alone law, case {case!r}: error {error:.2e}")
    return error


def check_smooth(representation: Representation, structures: Structures, *, case: str = "") -> float:
    """Derivatives of a random combination of features are its differences, and finite everywhere.

    Raises
    ------
    AssertionError
        They are not.
    """
    from dataclasses import replace

    x = structures.positions.clone().requires_grad_(True)
    features = torch.as_tensor(representation(replace(structures, positions=x)))
    weights = torch.randn(
        features.shape, generator=torch.Generator().manual_seed(1), dtype=features.dtype
    ) / features.detach().abs().max().clamp_min(1e-12)
    (slope,) = torch.autograd.grad((features * weights).sum(), x)
    step = torch.randn(x.shape, generator=torch.Generator().manual_seed(2), dtype=x.dtype)

    def value(t: float) -> float:
        moved = replace(structures, positions=structures.positions + t * step)
        return float((torch.as_tensor(representation(moved)) * weights).sum())

    h = 1e-4
    measured = (8 * (value(h) - value(-h)) - (value(2 * h) - value(-2 * h))) / (12 * h)
    scale = max(abs(measured), 1.0)
    error = abs(float((slope * step).sum()) - measured) / scale
    if not (bool(slope.isfinite().all()) and error <= 1e-6):
        raise AssertionError(f"smoothness law, case {case!r}: derivative off by {error:.1e}")
    return error


def pairs_that_differ_in(sight: str) -> dict[str, tuple[Structures, Structures]]:
    """Two molecules and two crystals that differ in one respect, and only in those that follow from it.

    ``composition``: another element at the same places. ``bonding``: isomers, and two lattices of one
    element. ``geometry``: conformers with the same bonds, and a crystal under strain. ``chirality``: mirror
    images.
    """
    ethanol, salt = cases.ethanol(), cases.rattled_rocksalt()
    return {
        "composition": lambda: {
            "molecules": (ethanol, _renumbered(ethanol, {8: 16})),
            "crystals": (salt, _renumbered(salt, {8: 16})),
        },
        "bonding": lambda: {
            "molecules": (ethanol, dimethyl_ether()),
            "crystals": (_renumbered(cases.bcc(), {26: 14}), cases.diamond()),
        },
        "geometry": lambda: {
            "molecules": (ethanol, _hydroxyl_turned(ethanol)),
            "crystals": (
                cases.rocksalt(),
                strained(cases.rocksalt(), torch.diag(torch.tensor([0.02, 0, 0]))),
            ),
        },
        "chirality": lambda: {
            "molecules": (cases.chiral(), _mirrored(cases.chiral())),
            "crystals": (salt, _mirrored(salt)),
        },
    }[sight]()


def dimethyl_ether() -> Structures:
    """An isomer of ethanol: the same atoms, other bonds."""
    carbon, up = 1.165, 0.595
    half = [
        [carbon, -0.195, 0.0],
        [2.0200, 0.4900, 0.0],
        [1.2120, -0.8360, 0.8915],
        [1.2120, -0.8360, -0.8915],
    ]
    other = [[-x, y, z] for x, y, z in half]
    return cases.molecule([8, 6, 1, 1, 1, 6, 1, 1, 1], [[0.0, up, 0.0], *half, *other])


def _renumbered(s: Structures, elements: dict[int, int]) -> Structures:
    from dataclasses import replace

    return replace(s, numbers=torch.tensor([elements.get(z, z) for z in s.numbers.tolist()]))


def _hydroxyl_turned(ethanol: Structures) -> Structures:
    """The hydrogen on oxygen turned by 75° about the C–O bond."""
    from dataclasses import replace

    x = ethanol.positions.clone()
    axis = (x[2] - x[1]) / (x[2] - x[1]).norm()
    r, angle = x[3] - x[2], torch.tensor(75.0, dtype=x.dtype).deg2rad()
    turned = (
        r * angle.cos() + torch.linalg.cross(axis, r) * angle.sin() + axis * (axis @ r) * (1 - angle.cos())
    )
    x[3] = x[2] + turned
    return replace(ethanol, positions=x)


def _mirrored(s: Structures) -> Structures:
    return rotated(s, torch.diag(torch.tensor([1.0, 1.0, -1.0], dtype=torch.float64)))


def _rotated(s: Structures, g: torch.Generator) -> Structures:
    return rotated(s, random_rotation(max(len(s), 1), generator=g)[: len(s)])


def _reflected(s: Structures, g: torch.Generator) -> Structures:
    return rotated(s, -random_rotation(max(len(s), 1), generator=g)[: len(s)])


def _moved(s: Structures, g: torch.Generator) -> Structures:
    return translated(s, 3 * torch.randn(len(s), 3, generator=g, dtype=torch.float64))


def _shuffled(s: Structures, g: torch.Generator) -> Structures:
    order = torch.randperm(s.n_atoms, generator=g)
    return permuted(s, order[s.structure[order].argsort(stable=True)])


def _moved_by_vectors(s: Structures, g: torch.Generator) -> Structures:
    shifts = torch.randint(-2, 3, (s.n_atoms, 3), generator=g)
    return lattice_translated(s, shifts * s.pbc[s.structure])


def _sheared(s: Structures, g: torch.Generator) -> Structures:
    change = torch.eye(3, dtype=torch.int64).repeat(len(s), 1, 1)
    change[:, 0, 1] = (s.pbc[:, 0] & s.pbc[:, 1]).long()
    change[:, 2, 0] = -(s.pbc[:, 2] & s.pbc[:, 0]).long()
    return recelled(s, change)


def _twice(s: Structures, g: torch.Generator) -> Structures:
    return repeated(s, (2, 1, 1))[0]


CHANGES: dict[str, Callable[[Structures, torch.Generator], Structures]] = {
    "rotation": _rotated,
    "reflection": _reflected,
    "translation": _moved,
    "permutation": _shuffled,
    "lattice translation": _moved_by_vectors,
    "unimodular cell": _sheared,
    "supercell": _twice,
}
"""Invariance → how structures are described anew."""
