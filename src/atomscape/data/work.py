"""Work: the energy between two near frames of one system is minus the mean force times the way.

    E₂ − E₁ ≈ −½ Σ_a (F₁ + F₂)·(r₂ − r₁)

right to third order in the way. Frames are neighbours in a trajectory (same group, one after the other), or
the nearest among structures of the same atoms in the same order and the same cell. Molecules are turned onto
each other; crystals move by fractional coordinates.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from atomscape.atoms.cells import completed
from atomscape.atoms.structures import Structures
from atomscape.data.examined import Examined, numpy_label
from atomscape.units import conversion_factor

FRAMES, FAMILIES, MEMBERS = 2000, 30, 250
"""Most frames of trajectories looked at; most families of other structures, and most members of each."""
FARTHEST = 0.6  # Å, largest way of an atom
SAME_CELL = 1e-4  # Å
FEWEST = 12


@dataclass(frozen=True, eq=False)
class Work:
    """What pairs of near frames say: rows [pairs, 2], changes of energy and work (eV), numbers of atoms.

    ``stiffness`` is the median of −ΔF·Δr / Δr² (eV/Å²). Energies change by ``factor`` times the work; where
    ``per_atom``, they do so after being multiplied by the number of atoms. ``spread`` is the median |ln| of
    single pairs from that factor, ``agreement`` the share of pairs that have its sign.
    """

    rows: np.ndarray
    change: np.ndarray
    work: np.ndarray
    atoms: np.ndarray
    stiffness: float
    factor: float
    per_atom: bool
    spread: float
    agreement: float

    @property
    def clear(self) -> bool:
        """Whether the pairs agree on the factor."""
        return self.agreement > 0.8 and self.spread < 0.4


FACTORS: dict[str, float] = {
    "right": 1.0,
    "energies in kcal/mol": 1 / conversion_factor("kcal/mol", "eV"),
    "energies in kJ/mol": 1 / conversion_factor("kJ/mol", "eV"),
    "energies in meV": 1e3,
    "energies in hartree": 1 / conversion_factor("Ha", "eV"),
    "energies in rydberg": 1 / conversion_factor("Ry", "eV"),
    "forces in kcal/mol/Å": conversion_factor("kcal/mol", "eV"),
    "forces in kJ/mol/Å": conversion_factor("kJ/mol", "eV"),
    "forces in meV/Å": 1e-3,
    "forces in hartree/bohr": conversion_factor("Ha/a0", "eV/Å"),
    "forces per bohr": conversion_factor("eV/a0", "eV/Å"),
}
"""What makes energies change by this many times the work."""


def explained(factor: float, within: float = 0.12) -> str | None:
    """What explains a factor between energies and work; None where nothing known does."""
    if factor <= 0:
        return None
    name, value = min(FACTORS.items(), key=lambda item: abs(np.log(factor / item[1])))
    return name if abs(np.log(factor / value)) < within else None


def work_of(data: Examined) -> Work | None:
    """Measured once per dataset; None without energies and forces, or with too few near frames."""
    return data.once("work", lambda: _measured(data))


def families(data: Examined) -> np.ndarray:
    """Number of each structure's atoms: equal where the same elements stand in the same order."""

    def number() -> np.ndarray:
        known: dict[bytes, int] = {}
        out = np.zeros(len(data), np.int64)
        for here, s in data.chunks():
            z, bounds = s.numbers.numpy().astype(np.uint8), s.offsets.tolist()
            for k, (a, b) in zip(here.tolist(), pairwise(bounds), strict=True):
                out[k] = known.setdefault(z[a:b].tobytes(), len(known))
        return out

    return data.once("families", number)


def near_pairs(data: Examined) -> np.ndarray:
    """Rows of frames that may be near: neighbours in trajectories, nearest members of families [pairs, 2]."""
    family, group = families(data), data.groups
    follows = (family[1:] == family[:-1]) & (group[1:] == group[:-1]) & (group[1:] >= 0)
    first = data.sample(FRAMES, np.flatnonzero(follows))
    pairs = [np.stack([first, first + 1], axis=1)]
    loose = np.flatnonzero(group < 0) if len(first) else np.arange(len(data))
    names, counts = np.unique(family[loose], return_counts=True)
    chosen = names[np.argsort(-counts, kind="stable")][:FAMILIES]
    for name in chosen[np.sort(counts)[::-1][:FAMILIES] >= FEWEST]:
        pairs.append(_nearest_members(data, data.sample(MEMBERS, loose[family[loose] == name])))
    return np.concatenate(pairs)


def _nearest_members(data: Examined, rows: np.ndarray) -> np.ndarray:
    """Each member of a family with its nearest, by distances of atoms or fractional coordinates."""
    s = data[rows]
    n = int(s.counts[0])
    x = s.positions.double().numpy().reshape(len(rows), n, 3)
    free = ~s.pbc.numpy().any(1)
    if free.all() and n > 1:
        atoms = np.unique(np.linspace(0, n - 1, min(n, 40)).astype(int))
        i, j = np.triu_indices(len(atoms), 1)
        features = np.linalg.norm(x[:, atoms[i]] - x[:, atoms[j]], axis=2)
        apart = np.sqrt(
            np.maximum((features**2).sum(1)[:, None] + (features**2).sum(1) - 2 * features @ features.T, 0)
        )
    elif s.pbc.all():
        fractions = np.einsum("sai,sij->saj", x, np.linalg.inv(s.cell.double().numpy()))
        apart = np.full((len(rows), len(rows)), np.inf)
        for k in range(len(rows)):
            way = fractions - fractions[k]
            way -= np.rint(way)
            way -= way.mean(1, keepdims=True)
            apart[k] = np.sqrt((way**2).sum((1, 2)))
            apart[k, (s.cell - s.cell[k]).abs().amax((1, 2)).numpy() > SAME_CELL] = np.inf
    else:
        return np.zeros((0, 2), np.int64)
    np.fill_diagonal(apart, np.inf)
    pairs = np.sort(np.stack([np.arange(len(rows)), apart.argmin(1)], axis=1), axis=1)
    pairs = pairs[np.isfinite(apart.min(1))]
    return rows[np.unique(pairs, axis=0)]


def _measured(data: Examined) -> Work | None:
    if not {"energy", "forces"} <= data.properties.keys():
        return None
    pairs = near_pairs(data)
    found, rows = [], []
    for start in range(0, len(pairs), 128):
        block = pairs[start : start + 128]
        s = data[block.reshape(-1)]
        for k, pair in enumerate(block):
            result = work_between(s[2 * k], s[2 * k + 1])
            if result is not None:
                found.append(result)
                rows.append(pair)
    if len(found) < FEWEST:
        return None
    change, work, stiffness = np.array(found).T
    rows = np.array(rows)
    return _judged(rows, change, work, data.counts[rows[:, 0]].astype(float), float(np.median(stiffness)))


def _judged(
    rows: np.ndarray, change: np.ndarray, work: np.ndarray, atoms: np.ndarray, stiffness: float
) -> Work | None:
    """The factor between energy and work from the pairs with most work, where noise counts least."""
    strong = np.abs(work) >= np.median(np.abs(work))
    strong &= (np.abs(work) > 1e-6) & (change != 0)
    if strong.sum() < FEWEST // 2:
        return None
    best: tuple[float, float, bool, float] | None = None
    for per_atom in (False, True):
        ratio = (change * (atoms if per_atom else 1.0) / np.where(strong, work, 1.0))[strong]
        sign = 1.0 if (ratio > 0).mean() >= 0.5 else -1.0
        logs = np.log(np.abs(ratio))
        factor = float(np.exp(np.median(logs[sign * ratio > 0])))
        spread = float(np.median(np.abs(logs - np.log(factor))))
        known = 0.0 if explained(factor) else 0.3
        score = spread + known + (0.05 if per_atom else 0.0)
        if best is None or score < best[0]:
            best = (score, sign * factor, per_atom, spread)
    assert best is not None
    _, factor, per_atom, spread = best
    agreement = float(((change * work)[strong] * factor > 0).mean())
    return Work(rows, change, work, atoms, stiffness, factor, per_atom, spread, agreement)


def work_between(a: Structures, b: Structures) -> tuple[float, float, float] | None:
    """Change of energy, work (eV) and stiffness (eV/Å²) between two frames; None where they are not near."""
    change = float(b.labels["energy"][0]) - float(a.labels["energy"][0])
    x, y = a.positions.double().numpy(), b.positions.double().numpy()
    f, g = numpy_label(a, "forces"), numpy_label(b, "forces")
    if not (np.isfinite(change) and np.isfinite(f).all() and np.isfinite(g).all()):
        return None
    if not a.pbc.any() and not b.pbc.any():
        way, g = _turned(x, y, g)
    else:
        moved = _moved(a, b, x, y)
        if moved is None:
            return None
        way = moved
    longest = float(np.linalg.norm(way, axis=1).max())
    if longest < 1e-4 or longest > FARTHEST:
        return None
    work = -0.5 * float(((f + g) * way).sum())
    return change, work, -float(((g - f) * way).sum()) / float((way**2).sum())


def _turned(x: np.ndarray, y: np.ndarray, forces: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The way from x to y when y is turned onto x (W. Kabsch, 1976), and the forces turned with it."""
    x, y = x - x.mean(0), y - y.mean(0)
    u, _, v = np.linalg.svd(y.T @ x)
    u[:, -1] *= np.sign(np.linalg.det(u @ v))
    return y @ u @ v - x, forces @ u @ v


def _moved(a: Structures, b: Structures, x: np.ndarray, y: np.ndarray) -> np.ndarray | None:
    """Way by the nearest images, without a shift of the whole; None where the cells differ."""
    pbc = a.pbc.numpy()
    c, d = (completed(s.cell.double().numpy(), pbc)[0] for s in (a, b))
    if not bool((a.pbc == b.pbc).all()) or np.abs(d - c).max() > SAME_CELL:
        return None
    way = (y - x) @ np.linalg.inv(c)
    way -= np.where(pbc[0], np.rint(way), 0.0)
    way = way @ c
    # A slab on fixed layers does not drift; a crystal as a whole may.
    return way - np.median(way, axis=0) if pbc.all() and np.abs(way).min() > 1e-6 else way
