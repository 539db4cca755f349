"""What looks wrong in a batch of structures: rules, one function each, that say what they saw and where.

A finding is a suspicion. Rules look for the slips that spoil data sets unnoticed: sentinel values, wrong
units, per-atom energies among totals, frames written twice, forces that do not belong to the structure.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field

import numpy as np
import torch
from ase.data import chemical_symbols, covalent_radii

from atomscape.atoms.neighbours import neighbour_graph
from atomscape.atoms.properties import Property
from atomscape.atoms.structures import Structures
from atomscape.atoms.validate import check
from atomscape.units import HARTREE

SENTINELS = (-9999.0, -999.0, -99.0, 999.0, 9999.0, 99999.0)
CLOSEST = 0.5  # Å
CLOSEST_RATIO = 0.5  # of the sum of covalent radii
STRETCHED_RATIO = 1.6  # 1.89 if Bohr were read as Å
LARGE_FORCE = 50.0  # eV/Å
TYPICAL_FORCE = 10.0  # eV/Å
NET_FORCE = 0.05  # eV/Å
OUTLIER = 5.0  # eV/atom beside the composition's share, and 30 times the median deviation
VOLUMES = (3.0, 150.0)  # Å³ per atom
REACH = 5.0  # Å, of the neighbours that decide whether symmetry forbids a force
UNEVEN = 0.05  # Å
SAMPLE = 4000
_CHUNK = 512


@dataclass(frozen=True)
class Finding:
    """One suspicion: of which kind, what was seen, and the numbers of the structures concerned."""

    kind: str
    message: str
    structures: tuple[int, ...] = field(default=(), repr=False)

    def __str__(self) -> str:
        """The message, and the first structures it is about."""
        if not self.structures:
            return self.message
        first = ", ".join(str(n) for n in self.structures[:5]) + (", …" if len(self.structures) > 5 else "")
        return f"{self.message} (structure{'s' if len(self.structures) > 1 else ''} {first})"


Labels = dict[str, np.ndarray]
Rule = Callable[[Structures, Labels, Mapping[str, Property]], Iterator[Finding]]


def all_findings(structures: Structures, properties: Mapping[str, Property]) -> list[Finding]:
    """All suspicions about a batch on the CPU; an ill-formed one gives only that it is so.

    ``properties`` has the property of every label.
    """
    try:
        check(structures)
    except ValueError as error:
        return [Finding("ill-formed", str(error))]
    labels = {name: v.detach().double().numpy() for name, v in structures.labels.items()}
    rules: tuple[Rule, ...] = (
        _close_atoms,
        _duplicates,
        _volumes,
        _rare_elements,
        _unknown_values,
        _sentinels,
        _units,
        _energies_per_atom,
        _energy_outliers,
        _forces,
        _stresses,
        _spins,
    )
    return [finding for rule in rules for finding in rule(structures, labels, properties)]


def _close_atoms(s: Structures, labels: Labels, properties: Mapping[str, Property]) -> Iterator[Finding]:
    """Atoms on top of each other, and distances that suggest another unit of length."""
    radii = covalent_radii[s.numbers.numpy()]
    reach = max(CLOSEST, 2 * CLOSEST_RATIO * float(radii.max()))
    close, tight = {}, {}
    for start in range(0, len(s), _CHUNK):
        g = neighbour_graph(s[start : start + _CHUNK], reach)
        r = g.vectors.norm(dim=1).numpy()
        first = int(s.offsets[start])
        owner = g.structures.structure[g.centre].numpy() + start
        ratio = r / (radii[g.centre.numpy() + first] + radii[g.neighbour.numpy() + first])
        for found, bad in ((close, r < CLOSEST), (tight, (r >= CLOSEST) & (ratio < CLOSEST_RATIO))):
            for k in np.flatnonzero(bad):
                found[owner[k]] = min(found.get(owner[k], np.inf), float(r[k]))
    if close:
        yield _at(close, "close atoms", f"atoms closer than {CLOSEST} Å, down to {min(close.values()):.3g} Å")
    tight = {k: r for k, r in tight.items() if k not in close}
    if tight:
        text = f"atoms closer than half the sum of their covalent radii, down to {min(tight.values()):.3g} Å"
        yield _at(tight, "close atoms", text)
    sample = s[np.linspace(0, len(s) - 1, min(len(s), 500)).astype(int)]
    g = neighbour_graph(sample, REACH)
    z = covalent_radii[sample.numbers.numpy()]
    ratio = g.vectors.norm(dim=1).numpy() / (z[g.centre.numpy()] + z[g.neighbour.numpy()])
    nearest = np.full(sample.n_atoms, np.inf)
    np.minimum.at(nearest, g.centre.numpy(), ratio)
    nearest = nearest[np.isfinite(nearest)]
    if nearest.size and np.median(nearest) > STRETCHED_RATIO:
        yield Finding(
            "length unit",
            f"nearest neighbours are typically {np.median(nearest):.2f} times their covalent distance apart; "
            "positions may be in Bohr",
        )


def _duplicates(s: Structures, labels: Labels, properties: Mapping[str, Property]) -> Iterator[Finding]:
    """Structures with the same atoms, charge and spin in the same places (to 0.001 Å, but for a shift)."""
    seen: dict[bytes, int] = {}
    repeats: dict[int, int] = {}
    x, z = s.positions.detach().double().numpy(), s.numbers.numpy()
    cell, bounds = s.cell.detach().double().numpy(), s.offsets.tolist()
    state = np.stack(
        [labels[k] for k in ("total_charge", "total_spin") if k in labels] or [np.zeros(len(s))], 1
    )
    for k in range(len(s)):
        here = slice(bounds[k], bounds[k + 1])
        shape = np.concatenate([x[here] - x[here.start], cell[k]])
        key = np.rint(shape * 1e3).astype(np.int64).tobytes() + z[here].tobytes() + state[k].tobytes()
        if key in seen:
            repeats[k] = seen[key]
        else:
            seen[key] = k
    if not repeats:
        return
    yield _at(repeats, "duplicates", f"{len(repeats)} of {len(s)} structures repeat an earlier one")
    if "energy" in labels:
        e = labels["energy"]
        different = [k for k, j in repeats.items() if abs(e[k] - e[j]) > 1e-3]
        if different:
            yield _at(different, "duplicates", f"{len(different)} of them with another energy")


def _volumes(s: Structures, labels: Labels, properties: Mapping[str, Property]) -> Iterator[Finding]:
    per_atom = s.volume.detach().double().numpy() / s.counts.numpy()
    low, high = np.flatnonzero(per_atom < VOLUMES[0]), np.flatnonzero(per_atom > VOLUMES[1])
    if low.size:
        text = f"less than {VOLUMES[0]:g} Å³ per atom, down to {per_atom[low].min():.3g}"
        yield _at(low, "volume", text)
    if high.size:
        text = (
            f"more than {VOLUMES[1]:g} Å³ per atom, up to {per_atom[high].max():.4g}: vacuum inside the cell"
        )
        yield _at(high, "volume", text)


def _rare_elements(s: Structures, labels: Labels, properties: Mapping[str, Property]) -> Iterator[Finding]:
    """Elements met once can be neither learnt nor tested."""
    if len(s) < 50:
        return
    pairs = np.unique(np.stack([s.numbers.numpy(), s.structure.numpy()]), axis=1)
    found, where, counts = np.unique(pairs[0], return_index=True, return_counts=True)
    rare = counts == 1
    if rare.any():
        names = ", ".join(chemical_symbols[z] for z in found[rare])
        yield _at(pairs[1][where[rare]], "rare elements", f"elements of one structure only: {names}")


def _unknown_values(s: Structures, labels: Labels, properties: Mapping[str, Property]) -> Iterator[Finding]:
    """Infinite values, and labels per atom that are known for some atoms of a structure."""
    owner = s.structure.numpy()
    for name, values in labels.items():
        flat = values.reshape(len(values), -1)
        infinite = np.isinf(flat).any(1)
        per_atom = properties[name].per == "atom"
        if infinite.any():
            rows = owner[infinite] if per_atom else np.flatnonzero(infinite)
            yield _at(np.unique(rows), "infinite", f"{name} is infinite")
        if per_atom:
            unknown = np.bincount(owner, np.isnan(flat).any(1), minlength=len(s))
            partly = np.flatnonzero((unknown > 0) & (unknown < s.counts.numpy()))
            if partly.size:
                yield _at(
                    partly, "missing", f"{name} is known for some atoms of a structure and not for others"
                )


def _sentinels(s: Structures, labels: Labels, properties: Mapping[str, Property]) -> Iterator[Finding]:
    """Numbers that stand for "unknown", and zeros among values that are never near zero."""
    for name, values in labels.items():
        if values.ndim != 1 or properties[name].per != "structure":
            continue
        for value in SENTINELS:
            rows = np.flatnonzero(values == value)
            if rows.size:
                yield _at(rows, "sentinel", f"{name} is exactly {value:g}, which often means unknown")
        rows, others = np.flatnonzero(values == 0), np.abs(values[(values != 0) & np.isfinite(values)])
        counted = bool((others == np.rint(others)).all())
        if (
            rows.size
            and others.size > rows.size
            and not counted
            and np.quantile(others, 0.01) > 0.2 * np.median(others)
        ):
            text = (
                f"{name} is exactly 0 in {rows.size} of {len(values)}, elsewhere at least {others.min():.3g}"
            )
            yield _at(rows, "sentinel", text)


def _units(s: Structures, labels: Labels, properties: Mapping[str, Property]) -> Iterator[Finding]:
    """Energies beyond those of all electrons, 0.7687 Z^(7/3) Hartree (Thomas–Fermi), or such forces."""
    if "energy" in labels:
        bound = 1.2 * 0.7687 * HARTREE * s.numbers.double() ** (7 / 3)
        total = torch.zeros(len(s), dtype=torch.float64).index_add(0, s.structure, bound).numpy()
        beyond = np.flatnonzero(np.abs(labels["energy"]) > total)
        if beyond.size > len(s) / 2:
            text = "energies lie beyond those of all electrons together: they are probably not in eV"
            yield Finding("energy unit", text)
    size = np.linalg.norm(labels.get("forces", np.zeros((0, 3))).reshape(-1, 3), axis=1)
    if np.isfinite(size).any() and (typical := float(np.nanmedian(size))) > TYPICAL_FORCE:
        text = f"forces are typically {typical:.3g} eV/Å: they are probably in another unit"
        yield Finding("force unit", text)


def _composition(s: Structures) -> tuple[np.ndarray, np.ndarray]:
    """How many atoms of each element each structure has, and the elements."""
    elements, which = np.unique(s.numbers.numpy(), return_inverse=True)
    flat = np.bincount(s.structure.numpy() * len(elements) + which, minlength=len(s) * len(elements))
    return flat.reshape(len(s), len(elements)).astype(float), elements


def _bound(s: Structures, values: np.ndarray | None) -> np.ndarray:
    """Structures with a value, free atoms left out: their energies are not those of matter."""
    if values is None:
        return np.zeros(0, np.int64)
    free = (s.counts == 1) & ~s.pbc.any(1)
    return np.flatnonzero(np.isfinite(values) & ~free.numpy())


def _misfit(features: np.ndarray, values: np.ndarray) -> np.ndarray:
    solution = np.linalg.lstsq(features, values, rcond=None)[0]
    return values - features @ solution


def _energies_per_atom(
    s: Structures, labels: Labels, properties: Mapping[str, Property]
) -> Iterator[Finding]:
    """Extensive labels that follow the fractions of elements instead of their numbers, and the reverse."""
    counts, elements = _composition(s)
    for name in ("energy", "formation_energy"):
        rows = _bound(s, labels.get(name))[:SAMPLE]
        if len(rows) < 2 * len(elements) + 10:
            continue
        numbers, sizes = counts[rows], counts[rows].sum(1)
        if np.quantile(sizes, 0.9) < 1.5 * np.quantile(sizes, 0.1):
            continue
        values = labels[name][rows]
        total, share = (np.std(_misfit(f, values)) for f in (numbers, numbers / sizes[:, None]))
        if properties[name].extensive and share < 0.3 * total:
            yield Finding(
                "per atom", f"{name} does not grow with the structure: it may be per atom, not in total"
            )
        if not properties[name].extensive and total < 0.3 * share:
            yield Finding("per atom", f"{name} grows with the structure: it may be in total, not per atom")


def _energy_outliers(s: Structures, labels: Labels, properties: Mapping[str, Property]) -> Iterator[Finding]:
    known = _bound(s, labels.get("energy"))
    if known.size < 20:
        return
    energy = labels["energy"]
    counts, _ = _composition(s)
    sizes = counts[known].sum(1)
    rest = _misfit(counts[known] / sizes[:, None], energy[known] / sizes)
    away = np.abs(rest - np.median(rest))
    far = (away > OUTLIER) & (away > 30 * np.median(away))
    if far.any():
        text = f"energy up to {away.max():.3g} eV/atom away from what the composition suggests"
        yield _at(known[far], "energy outliers", text)


def _forces(s: Structures, labels: Labels, properties: Mapping[str, Property]) -> Iterator[Finding]:
    """Forces that are huge, do not cancel, or are all zero where others are not."""
    forces = labels.get("forces")
    if forces is None or forces.shape[1:] != (3,):
        return
    owner, n = s.structure.numpy(), len(s)
    size = np.linalg.norm(forces, axis=1)
    largest = np.zeros(n)
    np.fmax.at(largest, owner, size)
    huge = np.flatnonzero(largest > LARGE_FORCE)
    if huge.size:
        yield _at(huge, "huge forces", f"forces above {LARGE_FORCE:g} eV/Å, up to {largest.max():.4g}")
    total = np.stack([np.bincount(owner, forces[:, k], minlength=n) for k in range(3)], axis=1)
    scale = np.bincount(owner, size, minlength=n)
    net = np.flatnonzero(np.linalg.norm(total, axis=1) > NET_FORCE + 1e-2 * scale)
    if net.size:
        largest_net = np.linalg.norm(total[net], axis=1).max()
        text = f"forces of {net.size} structures do not add up to zero (up to {largest_net:.3g} eV/Å)"
        yield _at(net, "net force", text)
    zero = np.flatnonzero((scale == 0) & (s.counts.numpy() > 1))
    zero = zero[_uneven(s[zero])]
    if zero.size:
        text = f"all forces are exactly 0 in {zero.size} structures where symmetry does not say so"
        yield _at(zero, "sentinel", text)


def _uneven(s: Structures) -> np.ndarray:
    """Whether some atom has more neighbours on one side than on the other, so that a force may act on it."""
    found = np.zeros(len(s), dtype=bool)
    for start in range(0, len(s), _CHUNK):
        g = neighbour_graph(s[start : start + _CHUNK], REACH)
        pull = g.vectors * (1 - g.vectors.square().sum(1, keepdim=True) / REACH**2) ** 2
        net = torch.zeros_like(g.structures.positions).index_add(0, g.centre, pull)
        found[start + g.structures.structure[net.norm(dim=1) > UNEVEN].numpy()] = True
    return found


def _stresses(s: Structures, labels: Labels, properties: Mapping[str, Property]) -> Iterator[Finding]:
    stress = labels.get("stress")
    if stress is None or stress.shape[1:] != (3, 3):
        return
    size = np.abs(stress).max((1, 2))
    twist = np.abs(stress - np.swapaxes(stress, 1, 2)).max((1, 2))
    uneven = np.flatnonzero(twist > 1e-4 + 1e-2 * size)
    if uneven.size:
        yield _at(uneven, "stress", f"stress is not symmetric, by up to {twist[uneven].max():.3g} eV/Å³")
    huge = np.flatnonzero(size > 1.0)
    if huge.size:
        text = f"stress above 1 eV/Å³ (160 GPa), up to {size[huge].max():.3g}: the unit may be another"
        yield _at(huge, "stress", text)


def _spins(s: Structures, labels: Labels, properties: Mapping[str, Property]) -> Iterator[Finding]:
    """An odd number of electrons needs an even multiplicity, and the reverse."""
    if not {"total_spin", "total_charge"} <= labels.keys():
        return
    protons = torch.zeros(len(s), dtype=torch.int64).index_add(0, s.structure, s.numbers).numpy()
    electrons = protons - labels["total_charge"]
    wrong = np.flatnonzero(np.abs((electrons + labels["total_spin"]) % 2 - 1) > 0.1)
    if wrong.size:
        yield _at(wrong, "spin", "total_charge and total_spin do not fit the number of electrons")


def _at(structures, kind: str, message: str) -> Finding:
    return Finding(kind, message, tuple(int(k) for k in structures))
