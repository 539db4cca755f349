"""Electrons of a molecule: how many, how many of them unpaired, and the energies of the frontier orbitals."""

from __future__ import annotations

import numpy as np

from atomscape.atoms.structures import Structures
from atomscape.label.method import NotLabelled
from atomscape.shapes import Float, Tensor


def charge_and_unpaired(one: Structures) -> tuple[int, int]:
    """Net charge (e) and number of unpaired electrons, 2S, of one molecule.

    They are its labels ``total_charge`` and ``total_spin`` (2S + 1). Where these are unknown the molecule is
    neutral and has as few unpaired electrons as their number allows.

    Raises
    ------
    NotLabelled
        A label is no whole number, or no such state exists.
    """
    charge = _whole("total_charge", one.labels.get("total_charge"), 0)
    electrons = int(one.numbers.sum()) - charge
    unpaired = _whole("total_spin", one.labels.get("total_spin"), electrons % 2 + 1) - 1
    if electrons < 1:
        raise NotLabelled(f"charge {charge:+d} leaves no electron")
    if unpaired < 0 or unpaired > electrons or (electrons - unpaired) % 2:
        raise NotLabelled(f"{electrons} electrons cannot have the multiplicity {unpaired + 1}")
    return charge, unpaired


def _whole(name: str, values: Tensor | None, otherwise: int) -> int:
    value = np.nan if values is None else float(values[0])
    if np.isnan(value):
        return otherwise
    if value != round(value):
        raise NotLabelled(f"{name}={value:g} is no whole number")
    return round(value)


def frontier(*spins: tuple[Float[np.ndarray, " orbitals"], int]) -> dict[str, float]:
    """``homo``, ``lumo`` and ``gap`` from orbital energies in ascending order and the number occupied.

    One pair for orbitals that both spins share (or of which only the singly occupied are asked for), or one
    for each spin. NaN where a basis leaves no orbital empty, or none is occupied.
    """
    occupied = [energies[n - 1] for energies, n in spins if n]
    empty = [energies[n] for energies, n in spins if n < len(energies)]
    homo, lumo = max(occupied, default=np.nan), min(empty, default=np.nan)
    return {"homo": float(homo), "lumo": float(lumo), "gap": float(lumo - homo)}
