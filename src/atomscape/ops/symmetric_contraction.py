"""Many-body product: weighted equivariant polynomials of an atom's features (MACE, Batatia et al. 2022).

    B[i, L M, c] = Σ_paths w[species_i, path, c] p_path,M(A[i, :, c])
    p_path,M(A)  = Σ_{m₁ … m_ν} T[m₁ … m_ν, M] A[l₁m₁] … A[l_νm_ν] / √(k₁! k₂! …)

arXiv:2206.07697, eq. 10 and 11. If A[i] is a sum over the neighbours of atom i, a product of ν factors knows
the relative positions of ν neighbours at once: its body order is ν + 1. Channels never mix.

A path is a choice of factors (degrees l₁ ≤ … ≤ l_ν) and one of the symmetric Clebsch–Gordan maps T of these
factors to L (``o3.symmetric_coupling``); kₜ counts how often a degree enters. The paths of a coupling are all
equivariant polynomials of up to ``correlation`` factors, each once: none depends on the others. With the
factorials the polynomials of one ν are orthonormal for normally distributed features (in the sense of Wick
products), and each output block is divided by √(number of its paths), so that unit-variance features and
weights give outputs of order one.

Layout and parities are those of ``ops.convolution``; with parity ``both`` features and output have both runs.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from functools import cache, cached_property
from itertools import combinations_with_replacement
from math import factorial, prod
from typing import NamedTuple

import torch

from atomscape.o3.symmetric_coupling import symmetric_clebsch_gordan
from atomscape.ops.convolution import Parity
from atomscape.ops.op import Op
from atomscape.ops.traced import constant_when_traced
from atomscape.ops.transforms import lasting
from atomscape.shapes import Float, Int, Tensor

Block = tuple[int, int]
"""Run (0 natural or untracked, 1 pseudo) and degree."""

Monomial = tuple[int, ...]
"""Rows of A that are multiplied, in ascending order."""


class Product(NamedTuple):
    """One path: the blocks that are multiplied, the block they make, and which of the maps between them."""

    factors: tuple[Block, ...]
    out: Block
    number: int


@dataclass(frozen=True)
class SymmetricCoupling:
    """All products of up to ``correlation`` factors of degrees ≤ ``l_in`` that make degrees ≤ ``l_out``."""

    l_in: int
    l_out: int
    correlation: int
    parity: Parity = "natural"

    def __post_init__(self) -> None:
        """Refuse what cannot be."""
        if min(self.l_in, self.l_out) < 0 or self.correlation < 1:
            raise ValueError(
                f"degrees must be ≥ 0 and the correlation ≥ 1; given l_in={self.l_in}, "
                f"l_out={self.l_out}, correlation={self.correlation}"
            )

    @cached_property
    def paths(self) -> tuple[Product, ...]:
        """Paths in order of their output block, then number of factors, then factors."""
        return tuple(
            Product(factors, out, number)
            for out in self._blocks(self.l_out)
            for order in range(1, self.correlation + 1)
            for factors in combinations_with_replacement(self._blocks(self.l_in), order)
            if self._allowed(factors, out)
            for number in range(len(_maps(factors, out)))
        )

    @property
    def runs(self) -> int:
        """Runs of ``lm`` in features and output."""
        return 2 if self.parity == "both" else 1

    @property
    def lm_in(self) -> int:
        """Length of the features' ``lm`` axis."""
        return self.runs * (self.l_in + 1) ** 2

    @property
    def lm_out(self) -> int:
        """Length of the output's ``lm`` axis."""
        return self.runs * (self.l_out + 1) ** 2

    def _blocks(self, l_max: int) -> list[Block]:
        return [(run, l) for run in range(self.runs) for l in range(l_max + 1)]

    def _allowed(self, factors: tuple[Block, ...], out: Block) -> bool:
        """Parities of the factors, (−1)^(l + run) each, multiply to that of the result."""
        return self.parity == "so3" or sum(map(sum, factors)) % 2 == sum(out) % 2

    @cached_property
    def polynomials(self) -> tuple[dict[Monomial, dict[int, float]], ...]:
        """Of each path its monomials, and of each of these the coefficient in each row of the output."""
        share = Counter(path.out for path in self.paths)
        return tuple(self._polynomial(path, share[path.out] ** -0.5) for path in self.paths)

    def _polynomial(self, path: Product, scale: float) -> dict[Monomial, dict[int, float]]:
        T = _maps(path.factors, path.out)[path.number]
        starts = [run * (self.l_in + 1) ** 2 + l * l for run, l in path.factors]
        run, l = path.out
        first = run * (self.l_out + 1) ** 2 + l * l
        scale /= prod(factorial(k) for k in Counter(path.factors).values()) ** 0.5
        found: dict[Monomial, dict[int, float]] = {}
        for *orders, m in T.nonzero().tolist():
            monomial = tuple(sorted(start + k for start, k in zip(starts, orders, strict=True)))
            rows = found.setdefault(monomial, {})
            rows[first + m] = rows.get(first + m, 0.0) + scale * T[*orders, m].item()
        return dict(sorted(found.items()))


@cache
def _maps(factors: tuple[Block, ...], out: Block) -> Tensor:
    return symmetric_clebsch_gordan([l for _, l in factors], out[1], alike=factors)


class _Table(NamedTuple):
    """All maps of one number of factors: monomials, maps as linear functions of them, and where they go."""

    monomials: Tensor  # [factors, monomials] rows of A
    maps: Tensor  # [maps, monomials]
    path: Tensor  # [maps]
    spread: Tensor  # [lm_out, maps]


_kept: dict[tuple[SymmetricCoupling, torch.dtype, torch.device], tuple[_Table, ...]] = {}


@constant_when_traced
def _tables(coupling: SymmetricCoupling, dtype: torch.dtype, device: torch.device) -> tuple[_Table, ...]:
    """One table for each number of factors, kept for the next call if they can be."""
    key = coupling, dtype, device
    if key not in _kept:
        made = tuple(_make_table(coupling, order) for order in range(1, coupling.correlation + 1))
        moved = tuple(
            _Table(
                t.monomials.to(device),
                t.maps.to(device, dtype),
                t.path.to(device),
                t.spread.to(device, dtype),
            )
            for t in made
        )
        if not all(lasting(t) for t in moved[0]):
            return moved
        _kept[key] = moved
    return _kept[key]


def _make_table(coupling: SymmetricCoupling, order: int) -> _Table:
    """Table in float64, on the CPU."""
    entries = [
        (monomial, path, row, value)
        for path, polynomial in enumerate(coupling.polynomials)
        for monomial, rows in polynomial.items()
        for row, value in rows.items()
        if len(monomial) == order
    ]
    monomials = sorted({monomial for monomial, *_ in entries})
    targets = sorted({(path, row) for _, path, row, _ in entries})
    column = {monomial: n for n, monomial in enumerate(monomials)}
    target = {found: n for n, found in enumerate(targets)}
    maps = torch.zeros(len(targets), len(monomials), dtype=torch.float64, device="cpu")
    spread = torch.zeros(coupling.lm_out, len(targets), dtype=torch.float64, device="cpu")
    for monomial, path, row, value in entries:
        maps[target[path, row], column[monomial]] = value
        spread[row, target[path, row]] = 1.0
    index = torch.tensor(monomials, dtype=torch.int64, device="cpu").reshape(-1, order).T.contiguous()
    paths = torch.tensor([path for path, _ in targets], dtype=torch.int64, device="cpu")
    return _Table(index, maps, paths, spread)


@Op
def symmetric_contraction(
    A: Float[Tensor, "atoms lm_in channels"],
    w: Float[Tensor, "species paths channels"],
    species: Int[Tensor, " atoms"],
    coupling: SymmetricCoupling,
) -> Float[Tensor, "atoms lm_out channels"]:
    """Products of up to ν features of an atom, coupled to degrees, weighted for its species and summed.

    Written monomial by monomial: all products of rows of A that occur, one matrix that makes the maps of
    them, and the weighted sum of the maps.
    """
    weights = w.index_select(0, species)
    out = A.new_zeros(A.shape[0], coupling.lm_out, A.shape[2])
    for table in _tables(coupling, A.dtype, A.device):
        products = A.index_select(1, table.monomials[0])
        for rows in table.monomials[1:]:
            products = products * A.index_select(1, rows)
        maps = torch.matmul(table.maps, products)
        out = out + torch.matmul(table.spread, maps * weights.index_select(1, table.path))
    return out
