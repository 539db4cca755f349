"""Bridges: structures that two datasets share, and how the labels of the two levels of theory differ on them.

On a bridge, sums over atoms differ mostly by another energy per element and hardly in the bonding:

    y_B ≈ y_A + Σ_atoms Δ[element] + rest,          rest per atom: bonding of B ≈ slope · bonding of A
    other scalars     y_B ≈ offset + slope · y_A
    directed ones     y_B ≈ slope · y_A      (forces, dipoles, stresses; only where positions are equal)

Δ is what two datasets need to be learned by one head (E0 apart); a slope far from 1 or a large rest says that
they need heads of their own.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import torch
from ase.data import chemical_symbols

from atomscape.atoms.formulas import composition_of
from atomscape.atoms.properties import Property
from atomscape.data.copies import copies, identities
from atomscape.data.geometry_keys import geometry_keys
from atomscape.data.grouping import chunks
from atomscape.data.references import fit_references
from atomscape.data.store import Store
from atomscape.find import suggest

WAYS = ("geometry", "ids", "fingerprint")


@dataclass(frozen=True, eq=False)
class Bridge:
    """``rows_a[k]`` of one store is ``rows_b[k]`` of the other; ``exact``: positions are equal."""

    rows_a: np.ndarray
    rows_b: np.ndarray
    exact: np.ndarray

    def __len__(self) -> int:
        """Return the number of shared structures."""
        return len(self.rows_a)


@dataclass(frozen=True)
class Comparison:
    """How a label of B follows from that of A, in the label's unit (``rmse`` of sums over atoms: per atom).

    ``rmse`` is of y_B − y_A as they are, ``rest`` of what remains when offset, slope and the difference
    ``references`` per element are taken into account; ``count`` says from how many values.
    """

    property: str
    unit: str
    count: int
    offset: float
    slope: float
    rmse: float
    rest: float
    references: dict[str, float]
    note: str = ""

    def as_dict(self) -> dict[str, Any]:
        """Plain data."""
        return asdict(self)


def find_bridge(a: Store, b: Store, by: str = "geometry") -> Bridge:
    """Structures that both stores hold; one that stands several times in a store counts once.

    Parameters
    ----------
    by
        ``geometry``: equal positions; ``ids``: equal names; ``fingerprint``: the same after rotation,
        translation, permutation or another choice of cell (some milliseconds per structure).

    Raises
    ------
    ValueError
        No such way.
    """
    if by not in WAYS:
        raise ValueError(f"structures are not matched by {by!r}{suggest(by, WAYS)} Known: {', '.join(WAYS)}.")
    keys_a, keys_b = (np.concatenate([geometry_keys(s) for s in chunks(x)]) for x in (a, b))
    if by == "fingerprint":
        rows_a, rows_b = _alike(a, b)
    else:
        named = (a.ids, b.ids) if by == "ids" else (keys_a.tolist(), keys_b.tolist())
        rows_a, rows_b = _equal(*named)
    return Bridge(rows_a, rows_b, keys_a[rows_a] == keys_b[rows_b])


def compare(a: Store, b: Store, bridge: Bridge) -> list[Comparison]:
    """Compare every label that both stores have, over the bridge; labels known in none of it are left out."""
    shared = [p for name, p in a.properties.items() if b.properties.get(name) == p]
    found = []
    for p in shared:
        directed = p.per == "atom" or bool(p.shape)
        rows = slice(None) if not directed else bridge.exact
        rows_a, rows_b = bridge.rows_a[rows], bridge.rows_b[rows]
        one, other = (s[r].labels.get(p.name) for s, r in ((a, rows_a), (b, rows_b)))
        if one is None or other is None or not len(one):
            continue
        y_a, y_b = one.double().numpy(), other.double().numpy()
        if p.extensive and not directed:
            counts = composition_of(a[rows_a])
            found.append(_of_sums(p, counts, y_a, y_b))
        else:
            found.append(_of_values(p, y_a.reshape(-1), y_b.reshape(-1), through_zero=bool(p.shape)))
    return [c for c in found if c.count]


def _of_sums(p: Property, counts: torch.Tensor, y_a: np.ndarray, y_b: np.ndarray) -> Comparison:
    known = np.isfinite(y_a) & np.isfinite(y_b)
    if not known.any():
        return Comparison(p.name, p.unit, 0, 0.0, 1.0, 0.0, 0.0, {})
    x, a, b = counts[torch.from_numpy(known)], torch.from_numpy(y_a[known]), torch.from_numpy(y_b[known])
    atoms = x.sum(1)
    delta, condition = fit_references(x, b - a)
    bonding_a = (a - x @ fit_references(x, a)[0]) / atoms
    bonding_b = (b - x @ delta - x @ fit_references(x, a)[0]) / atoms
    slope = _ratio(bonding_a.numpy(), bonding_b.numpy())
    present = (x.sum(0) > 0).nonzero().squeeze(1).tolist()
    return Comparison(
        p.name,
        p.unit,
        int(known.sum()),
        0.0,
        slope,
        _rms(((b - a) / atoms).numpy()),
        _rms(((b - a - x @ delta) / atoms).numpy()),
        {chemical_symbols[z]: float(delta[z]) for z in present},
        str(condition) if condition.rank < condition.elements else "",
    )


def _of_values(p: Property, y_a: np.ndarray, y_b: np.ndarray, through_zero: bool) -> Comparison:
    known = np.isfinite(y_a) & np.isfinite(y_b)
    a, b = y_a[known], y_b[known]
    if not len(a):
        return Comparison(p.name, p.unit, 0, 0.0, 1.0, 0.0, 0.0, {})
    mean_a, mean_b = (0.0, 0.0) if through_zero else (float(a.mean()), float(b.mean()))
    slope = _ratio(a - mean_a, b - mean_b)
    offset = mean_b - slope * mean_a
    return Comparison(p.name, p.unit, len(a), offset, slope, _rms(b - a), _rms(b - offset - slope * a), {})


def _equal(names_a: Sequence, names_b: Sequence) -> tuple[np.ndarray, np.ndarray]:
    first = {name: row for row, name in reversed(list(enumerate(names_a))) if name != ""}
    pairs: dict[int, int] = {}
    for row, name in enumerate(names_b):
        if name in first:
            pairs.setdefault(first[name], row)
    return _sorted(pairs)


def _alike(a: Store, b: Store) -> tuple[np.ndarray, np.ndarray]:
    formulas, prints = identities(s for store in (a, b) for s in chunks(store, size=8192))
    found = copies(formulas, prints)
    pairs: dict[int, int] = {}
    taken: set[int] = set()
    for i, j in found[np.lexsort((found[:, 1], found[:, 0]))].tolist():
        if i < len(a) <= j and i not in pairs and j not in taken:
            pairs[i] = j - len(a)
            taken.add(j)
    return _sorted(pairs)


def _sorted(pairs: dict[int, int]) -> tuple[np.ndarray, np.ndarray]:
    both = np.array(sorted(pairs.items()), dtype=np.int64).reshape(-1, 2)
    return both[:, 0], both[:, 1]


def _ratio(a: np.ndarray, b: np.ndarray) -> float:
    """Slope of b over a through zero; 1 where a does not vary."""
    square = float((a * a).sum())
    return float((a * b).sum()) / square if square > 1e-20 else 1.0


def _rms(x: np.ndarray) -> float:
    return float(np.sqrt(np.mean(np.square(x)))) if len(x) else 0.0
