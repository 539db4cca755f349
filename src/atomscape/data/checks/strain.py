"""Stress against strain: sign, order of the shear components and unit, from cells that differ by a strain.

Among crystals of the same atoms at the same fractional coordinates, stress changes with strain by the elastic
constants: positive definite, 1 to 500 GPa, and a shear is answered by its own shear stress most.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import permutations

import numpy as np

from atomscape.atoms.stresses import to_voigt
from atomscape.data.check import Correction, Finding
from atomscape.data.edits import Exchanged, Multiplied
from atomscape.data.examined import Examined, numpy_label
from atomscape.data.work import families
from atomscape.units import GPA, KBAR

question = "Does stress answer strain with the right sign, order of components and size?"
quick = False
needs = "stresses of strained cells"

SMALL, LARGE = 2e-3, 0.12
"""Strains that count."""
SAME_SITES = 0.03
"""Largest difference of fractional coordinates."""
MEMBERS, FAMILIES, FEWEST = 600, 40, 6
MODULI = (0.004, 4.0)
"""Bulk modulus in eV/Å³ that matter may have (0.6 to 640 GPa)."""
SHEARS = ("yz", "xz", "xy")


def run(data: Examined) -> Iterator[Finding]:
    """Findings on sign, unit and order; nothing where no cells differ by a strain."""
    prop = data.properties.get("stress")
    if prop is None or prop.shape != (3, 3):
        return
    strain, stress, energy = _pairs(data)
    if len(strain) < FEWEST:
        return
    every = tuple(range(len(data)))
    yield from _size(strain, stress, energy, every)
    yield from _order(strain, stress, every)


def _size(
    strain: np.ndarray, stress: np.ndarray, energy: np.ndarray, every: tuple[int, ...]
) -> Iterator[Finding]:
    """Bulk modulus from volume changes, and the work of the stress against the energy."""
    dilation = strain[:, :3].sum(1)
    pressure = stress[:, :3].mean(1)
    kept = np.abs(dilation) > SMALL
    if kept.sum() < FEWEST:
        return
    moduli = pressure[kept] / dilation[kept]
    modulus = float(np.median(moduli))
    if (np.sign(moduli) == np.sign(modulus)).mean() < 0.75:
        return
    evidence = (
        f"stress over volume strain is {modulus:.4g} eV/Å³ = {modulus / GPA:.4g} GPa (median of "
        f"{kept.sum()} pairs)"
    )
    factor, steps = 1.0, []
    if modulus < 0:
        factor, steps = -1.0, ["multiply stress by −1: tension is positive"]
    if not MODULI[0] < abs(modulus) < MODULI[1]:
        unit = _unit(abs(modulus), stress, strain, energy, np.sign(modulus))
        if unit is None:
            yield Finding("serious", evidence, (), "the unit of the stress is none known: state it")
            return
        factor *= {"kbar": KBAR, "GPa": GPA}[unit]
        steps.append(f"convert stress from {unit}")
    if not steps:
        return
    edit = Correction(f"stress multiplied by {factor:.6g}", Multiplied(("stress",), factor), every)
    if modulus < 0:
        evidence += ": compression makes it more tense, so pressure is positive"
    yield Finding("serious", evidence, (), " and ".join(steps), edit)


def _unit(
    modulus: float, stress: np.ndarray, strain: np.ndarray, energy: np.ndarray, sign: float
) -> str | None:
    """Unit of the stress, by the energy of deformation where it is known, else by the possible moduli."""
    work = (stress * strain * [1, 1, 1, 2, 2, 2]).sum(1) * sign
    known = np.isfinite(energy) & (np.abs(work) > 0.1 * np.nanmax(np.abs(work)))
    possible = [u for u, f in (("kbar", KBAR), ("GPa", GPA)) if MODULI[0] < modulus * f < MODULI[1]]
    if known.sum() >= FEWEST:
        ratio = float(np.median(energy[known] / work[known]))
        if ratio > 0:
            near = {u: abs(np.log(ratio / f)) for u, f in (("kbar", KBAR), ("GPa", GPA)) if u in possible}
            best = min(near, key=near.__getitem__) if near else None
            if best is not None and near[best] < 0.5:
                return best
    return min(
        possible, key=lambda u: abs(np.log(modulus * (KBAR if u == "kbar" else GPA) / 0.5)), default=None
    )


def _order(strain: np.ndarray, stress: np.ndarray, every: tuple[int, ...]) -> Iterator[Finding]:
    """Which shear stress answers which shear strain."""
    e, s = strain[:, 3:], stress[:, 3:]
    enough = (np.abs(e) > SMALL).sum(0) >= 3
    if enough.sum() < 2:
        return
    norm = np.sqrt((e**2).sum(0))[:, None] * np.sqrt((s**2).sum(0)) + 1e-12
    together = (e.T @ s) / norm
    size = np.abs(together)
    identity = (0, 1, 2)
    best = max(permutations(identity), key=lambda p: sum(size[k, p[k]] for k in range(3)))
    moved = [k for k in range(3) if best[k] != k and enough[k]]
    if not moved or any(size[k, best[k]] < 0.6 or size[k, k] > 0.5 * size[k, best[k]] for k in moved):
        return
    said = ", ".join(
        f"{SHEARS[k]} strain goes with {SHEARS[best[k]]} stress ({together[k, best[k]]:.2f}) and not with "
        f"{SHEARS[k]} ({together[k, k]:.2f})"
        for k in moved
    )
    names = " and ".join(SHEARS[k] for k in sorted({*moved, *(best[k] for k in moved)}))
    edit = Correction(
        f"components {names} of the stress exchanged", Exchanged("stress", (best[0], best[1], best[2])), every
    )
    yield Finding(
        "serious", f"correlation over {len(strain)} pairs of cells: {said}", (), f"exchange {names}", edit
    )


def _pairs(data: Examined) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Strains and changes of stress (Voigt) to a reference; changes of energy beyond the linear (eV/Å³)."""
    family = families(data)
    known = np.flatnonzero(data.periodic & np.isfinite(data.values("stress")).all((1, 2)))
    names, counts = np.unique(family[known], return_counts=True)
    found: list[tuple[np.ndarray, np.ndarray, float]] = []
    for name in names[np.argsort(-counts, kind="stable")][:FAMILIES]:
        rows = data.sample(MEMBERS, known[family[known] == name])
        if len(rows) >= 3:
            found += _family(data, rows)
    strain, stress, energy = zip(*found, strict=True) if found else ((), (), ())
    return np.array(strain).reshape(-1, 6), np.array(stress).reshape(-1, 6), np.array(energy)


def _family(data: Examined, rows: np.ndarray) -> list[tuple[np.ndarray, np.ndarray, float]]:
    s = data[rows]
    n = int(s.counts[0])
    cell, stress = s.cell.double().numpy(), numpy_label(s, "stress")
    energy = numpy_label(s, "energy") if "energy" in s.labels else np.full(len(s), np.nan)
    x = s.positions.double().numpy().reshape(len(s), n, 3)
    fractions = np.einsum("sai,sij->saj", x, np.linalg.inv(cell))
    out, left = [], np.arange(len(s))
    while len(left) >= 3:
        volume = np.abs(np.linalg.det(cell[left]))
        reference = left[np.argsort(volume)[len(left) // 2]]
        change = np.linalg.inv(cell[reference]) @ cell[left] - np.eye(3)
        way = fractions[left] - fractions[reference]
        way -= np.rint(way)
        way -= way.mean(1, keepdims=True)
        near = (np.abs(way).max((1, 2)) < SAME_SITES) & (np.abs(change).max((1, 2)) < LARGE)
        for k in np.flatnonzero(near & (np.abs(change).max((1, 2)) > SMALL)):
            strain = (change[k] + change[k].T) / 2
            v = abs(np.linalg.det(cell[reference]))
            difference = stress[left[k]] - stress[reference]
            linear = (stress[reference] * strain).sum()
            gained = 2 * ((energy[left[k]] - energy[reference]) / v - linear)
            out.append((to_voigt(strain), to_voigt(difference), gained))
        left = left[~near]
    return out
