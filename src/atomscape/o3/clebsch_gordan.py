"""Real Clebsch–Gordan coefficients, exact to float64.

In the complex basis (Condon–Shortley) a coefficient is a signed root of a rational number. With
n = l₁+l₂−l₃ and binomials (a|b), Racah's formula is

    ⟨l₁μ₁ l₂μ₂|l₃μ₃⟩ = S √( (2l₁|n)(2l₂|n) / [(l₁+l₂+l₃+1|n)(2l₁|l₁−μ₁)(2l₂|l₂−μ₂)(2l₃|l₃−μ₃)] ),
    S = Σ_k (−1)^k (n|k) (2l₁−n|l₁−μ₁−k) (2l₂−n|l₂+μ₂−k).

The real harmonics are Y_m = Σ_μ U_mμ Y^μ with one or two terms,

    m > 0: ((−1)^m Y^m + Y^−m)/√2,     m = 0: Y⁰,     m < 0: i (Y^m − (−1)^m Y^−m)/√2,

so that a real coefficient is a sum of at most two complex ones of equal size: it, too, is a signed root of a
rational number. It is computed in integers and rounded once.

Sign rule: C = i^(l₁+l₂−l₃) U₁ U₂ U₃* ⟨l₁μ₁ l₂μ₂|l₃μ₃⟩. It makes all coefficients real,
C(l,0,l) = C(0,l,l) = 1, C(1,1,0) = δ/√3, C(1,1,1) = ε/√2 (the right-handed cross product), and for l₁+l₂+l₃
even the product of harmonics has a positive coefficient: Σ C Y_l₁ Y_l₂ = +κ Y_l₃. C/√(2l₃+1) is Wigner's 3j
symbol in the real basis: unchanged by cyclic permutations of (l₁, l₂, l₃) with their axes, multiplied by
(−1)^(l₁+l₂+l₃) when two are exchanged. e3nn's ``wigner_3j(l1, l2, l3)`` is C/√(2l₃+1), element by element,
signs included (its polar axis is y, a cyclic relabelling of x, y, z that leaves the numbers alone).

Degrees up to ``STORED`` are read from ``data/clebsch_gordan.npz``, written by
``python -m atomscape.o3.clebsch_gordan``; higher ones are computed when asked for.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from importlib.resources import files
from itertools import product
from math import comb, isqrt
from pathlib import Path

import numpy as np
import torch

from atomscape.shapes import Float, Tensor

STORED = 8
"""Highest degree in the data file."""

_FILE = "clebsch_gordan.npz"


def clebsch_gordan(l1: int, l2: int, l3: int) -> Float[Tensor, "m1 m2 m3"]:
    """Coefficients C[m₁, m₂, m₃] that couple degrees l₁ and l₂ to l₃, in the real basis; float64.

    Unitary: Σ_{m₁m₂} C[m₁,m₂,m₃] C[m₁,m₂,m₃'] = δ. Equivariant: with x and y of degrees l₁ and l₂,
    Σ C[m₁,m₂,m₃] x[m₁] y[m₂] has degree l₃. The result is the caller's own copy.

    Raises
    ------
    ValueError
        A negative degree, or no coupling: |l₁−l₂| ≤ l₃ ≤ l₁+l₂ is broken.
    """
    if min(l1, l2, l3) < 0 or not abs(l1 - l2) <= l3 <= l1 + l2:
        raise ValueError(
            f"degrees {l1} and {l2} do not couple to {l3}; "
            f"l3 must be one of {abs(l1 - l2)} … {l1 + l2} and no degree negative"
        )
    index, value = _sparse(l1, l2, l3)
    size = (2 * l1 + 1) * (2 * l2 + 1) * (2 * l3 + 1)
    dense = torch.zeros(size, dtype=torch.float64, device="cpu")
    dense[torch.from_numpy(index.astype(np.int64))] = torch.from_numpy(value.copy())
    return dense.reshape(2 * l1 + 1, 2 * l2 + 1, 2 * l3 + 1)


@cache
def _sparse(l1: int, l2: int, l3: int) -> tuple[np.ndarray, np.ndarray]:
    if max(l1, l2, l3) > STORED:
        return derive(l1, l2, l3)
    data = _stored()
    row = next(i for i, found in enumerate(data["degrees"].tolist()) if found == [l1, l2, l3])
    part = slice(*data["start"][row : row + 2].tolist())
    return data["index"][part], data["value"][part]


@cache
def _stored() -> dict[str, np.ndarray]:
    with (files("atomscape.o3") / "data" / _FILE).open("rb") as file, np.load(file) as data:
        return dict(data)


def derive(l1: int, l2: int, l3: int) -> tuple[np.ndarray, np.ndarray]:
    """Derive the non-zero coefficients from the algebra: flat indices into [m₁, m₂, m₃], and values."""
    found: dict[int, float] = {}
    for mu1 in range(l1 + 1):
        for mu2 in range(-l2 if mu1 else 0, l2 + 1):
            if abs(mu1 + mu2) <= l3:
                found |= _real((l1, l2, l3), (mu1, mu2, mu1 + mu2))
    index = sorted(found)
    return np.array(index, dtype=np.uint32), np.array([found[i] for i in index], dtype=np.float64)


def _real(ls: tuple[int, int, int], mus: tuple[int, int, int]) -> dict[int, float]:
    """Flat index → value of the real coefficients that the complex ones of (μ₁, μ₂, μ₃) and of −μ make up.

    The two differ by a phase only, ⟨−μ⟩ = (−1)^n ⟨μ⟩ and the powers of i in U: they cancel or double.
    """
    (l1, l2, l3), n = ls, ls[0] + ls[1] - ls[2]
    sign, numerator, denominator = _complex(l1, mus[0], l2, mus[1], l3, mus[2])
    if sign == 0:
        return {}
    terms = 4 if any(mus) else 1
    root = sign * _root(terms * numerator, denominator * 2 ** sum(mu != 0 for mu in mus))
    found = {}
    axes = [[(m, _phase(m, mu), _phase(m, -mu)) for m in {mu, -mu}] for mu in mus]
    for (m1, p1, q1), (m2, p2, q2), (m3, p3, q3) in product(*axes):
        phase, mirrored = p1 + p2 - p3 + n, q1 + q2 - q3 + 3 * n
        if (phase - mirrored) % 4 == 0:
            found[((m1 + l1) * (2 * l2 + 1) + m2 + l2) * (2 * l3 + 1) + m3 + l3] = (1 - phase % 4) * root
    return found


@cache
def _phase(m: int, mu: int) -> int:
    """Power of i in U_mμ (its size is 1 for m = 0, else 1/√2)."""
    if m > 0:
        return 2 * (m % 2) if mu > 0 else 0
    if m < 0:
        return 1 if mu < 0 else 3 + 2 * (m % 2)
    return 0


def _complex(l1: int, m1: int, l2: int, m2: int, l3: int, m3: int) -> tuple[int, int, int]:
    """Sign of ⟨l₁m₁ l₂m₂|l₃m₃⟩, and numerator and denominator of its square, by Racah's formula."""
    n = l1 + l2 - l3
    terms = range(max(0, l1 - m1 - (2 * l1 - n), l2 + m2 - (2 * l2 - n)), min(n, l1 - m1, l2 + m2) + 1)
    s = sum(
        (-1) ** k * comb(n, k) * comb(2 * l1 - n, l1 - m1 - k) * comb(2 * l2 - n, l2 + m2 - k) for k in terms
    )
    denominator = (
        comb(l1 + l2 + l3 + 1, n) * comb(2 * l1, l1 - m1) * comb(2 * l2, l2 - m2) * comb(2 * l3, l3 - m3)
    )
    return (s > 0) - (s < 0), comb(2 * l1, n) * comb(2 * l2, n) * s * s, denominator


def _root(numerator: int, denominator: int) -> float:
    """√(numerator/denominator), rounded once: 128 binary places and a sticky bit, then integer division."""
    shift = 128 + denominator.bit_length()
    scaled = (numerator << 2 * shift) // denominator
    root = isqrt(scaled)
    if root * root * denominator != numerator << 2 * shift:
        root |= 1
    return root / (1 << shift)


def triangles(l_max: int) -> Iterator[tuple[int, int, int]]:
    """All (l₁, l₂, l₃) that couple, no degree above l_max, in lexicographic order."""
    for l1 in range(l_max + 1):
        for l2 in range(l_max + 1):
            for l3 in range(abs(l1 - l2), min(l1 + l2, l_max) + 1):
                yield l1, l2, l3


def table(l_max: int) -> dict[str, np.ndarray]:
    """Derive the data file: ``degrees`` [n, 3], and ``index`` and ``value`` cut at ``start`` [n+1]."""
    degrees = list(triangles(l_max))
    parts = [derive(*ls) for ls in degrees]
    return {
        "degrees": np.array(degrees, dtype=np.uint8),
        "start": np.cumsum([0] + [len(i) for i, _ in parts], dtype=np.uint32),
        "index": np.concatenate([i for i, _ in parts]).astype(np.uint16),
        "value": np.concatenate([v for _, v in parts]),
    }


if __name__ == "__main__":
    path = Path(__file__).parent / "data" / _FILE
    path.parent.mkdir(exist_ok=True)
    np.savez_compressed(path, allow_pickle=False, **table(STORED))
    print(f"{path}: {path.stat().st_size / 1024:.0f} KiB")
