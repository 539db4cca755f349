"""Stress as files keep it: Voigt or 3×3, as stress or as virial, and the marks of a wrong sign or unit."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from ase import Atoms

from atomscape.units import GPA

LARGEST = 1.0
"""Median of the largest stress component in eV/Å³ (160 GPa) above which another unit is likelier."""

_VOIGT = np.array([[0, 5, 4], [5, 1, 3], [4, 3, 2]])


def from_voigt(values: np.ndarray) -> np.ndarray:
    """Symmetric 3×3 tensors of ASE's order xx, yy, zz, yz, xz, xy: [..., 6] → [..., 3, 3]."""
    return values[..., _VOIGT]


def to_voigt(tensors: np.ndarray) -> np.ndarray:
    """ASE's order xx, yy, zz, yz, xz, xy of the symmetric part: [..., 3, 3] → [..., 6]."""
    symmetric = (tensors + np.swapaxes(tensors, -1, -2)) / 2
    return symmetric[..., [0, 1, 2, 1, 0, 0], [0, 1, 2, 2, 2, 1]]


def as_tensor(value: object) -> np.ndarray:
    """A 3×3 tensor from 3×3, 9 or (Voigt) 6 numbers.

    Raises
    ------
    ValueError
        Another number of values.
    """
    array = np.asarray(value, dtype=np.float64)
    if array.size == 6:
        return from_voigt(array.reshape(6))
    if array.size == 9:
        return array.reshape(3, 3)
    raise ValueError(f"a symmetric tensor has 6 (Voigt) or 9 numbers, this one has shape {array.shape}")


def holds_virials(key: str) -> bool:
    """Whether a column that serves as stress holds virials, −σ V, by its name."""
    return key.split("_")[-1] in ("virial", "virials")


def stress_of(image: Atoms, value: object, virial: bool) -> np.ndarray:
    """Stress in the column's unit and sign, NaN where there is no volume: σ = −virial / V."""
    if not image.pbc.all() or image.cell.rank < 3:
        return np.full((3, 3), np.nan)
    tensor = as_tensor(value)
    return -tensor / image.cell.volume if virial else tensor


def refuse_ambiguous(used: str, stresses: Mapping[str, Mapping[int, np.ndarray]]) -> None:
    """Refuse a stress whose sign or unit can be read in two ways.

    Parameters
    ----------
    used
        The column to be believed.
    stresses
        Column → number of the structure → stress, for all columns that hold stresses or virials.

    Raises
    ------
    ValueError
        Stress and virial columns disagree, or the stress is larger than matter bears.
    """
    believed = stresses[used]
    for other, values in stresses.items():
        both = [n for n in values if n in believed]
        if other != used and both:
            a, b = np.stack([believed[n] for n in both]), np.stack([values[n] for n in both])
            _refuse_contradiction(used, a, other, b)
    largest = np.array([np.abs(s).max() for s in believed.values() if np.isfinite(s).all()])
    if len(largest) and np.median(largest) > LARGEST:
        typical = float(np.median(largest))
        raise ValueError(
            f"{used}: typically {typical:.3g}; in eV/Å³ that would be {typical / GPA:.0f} GPa, so it is "
            "probably in another unit. Say which: units={'stress': 'GPa'}, 'kbar', or 'eV/Å³'."
        )


def _refuse_contradiction(used: str, a: np.ndarray, other: str, b: np.ndarray) -> None:
    both = np.isfinite(a) & np.isfinite(b)
    a, b = a[both], b[both]
    if not a.size or np.allclose(a, b, rtol=1e-2, atol=1e-2 * np.abs(b).max() + 1e-8):
        return
    ratio = float(a @ b / (b @ b)) if b @ b > 0 else 0.0
    known = {-1.0: "opposite signs", 1 / GPA: "GPa against eV/Å³", 10 / GPA: "kbar against eV/Å³"}
    known |= {GPA: "eV/Å³ against GPa", GPA / 10: "eV/Å³ against kbar"}
    meaning = next((why for r, why in known.items() if np.allclose(a, r * b, rtol=2e-2, atol=1e-6)), "")
    raise ValueError(
        f"{used} and {other} contradict each other (ratio {ratio:.4g}{'; ' + meaning if meaning else ''}); "
        "here tension is positive and virial = −σ·V. Say which to believe and how to read it: "
        "keys={'stress': column} with units={'stress': unit} or stress='tension'|'compression'."
    )
