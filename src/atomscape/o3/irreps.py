"""Irreducible representations of O(3): names, parsing, direct sums and tensor products.

An irrep of O(3) is a degree l = 0, 1, 2 … and a parity p = ±1 (even ``e``, odd ``o``) under inversion:
``0e`` is a scalar, ``0o`` a pseudoscalar, ``1o`` a vector, ``1e`` an axial vector, ``2e`` a symmetric
traceless tensor. A representation is a direct sum of irreps with multiplicities, written ``16x0e+8x1o``
as e3nn writes it. In a flat vector the blocks follow one another; within a block the multiplicity is the
slow index, the order m the fast one.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from typing import TypeAlias

_IRREP = re.compile(r"\s*(\d+)\s*([eoy])\s*")
_BLOCK = re.compile(r"\s*(?:(\d+)\s*x)?\s*(\d+\s*[eoy])\s*")


class Irrep(tuple[int, int]):
    """One irrep ``(l, p)``: ``Irrep("1o")``, ``Irrep(1, -1)`` and ``Irrep((1, -1))`` are the same.

    The letter ``y`` stands for the natural parity (−1)^l of spherical harmonics. Sorting puts odd parity
    first: 0o < 0e < 1o < 1e < 2o < 2e (as e3nn). ``a * b`` is the tensor product, ``a + b`` the direct sum.

    Raises
    ------
    ValueError
        Text that is not degree and parity, a negative degree, a parity other than ±1.
    """

    __slots__ = ()

    def __new__(cls, l: str | int | tuple[int, int], p: int | None = None) -> Irrep:
        if isinstance(l, str):
            l, p = _parse_irrep(l)
        if isinstance(l, tuple):
            l, p = l
        if p is None:
            raise ValueError(
                f"irrep of degree {l} has no parity; write Irrep('{l}e'), Irrep('{l}o') or Irrep({l}, ±1)"
            )
        if l < 0 or p not in (1, -1):
            raise ValueError(
                f"irrep (l={l}, p={p}) does not exist; the degree is ≥ 0 and the parity +1 or −1"
            )
        return super().__new__(cls, (int(l), int(p)))

    @property
    def l(self) -> int:  # noqa: E743
        """Degree."""
        return self[0]

    @property
    def p(self) -> int:
        """Parity under inversion, +1 or −1."""
        return self[1]

    @property
    def dim(self) -> int:
        """Dimension, 2l + 1."""
        return 2 * self.l + 1

    @property
    def natural(self) -> bool:
        """Whether the parity is (−1)^l, that of the spherical harmonics."""
        return self.p == (-1) ** self.l

    def __mul__(self, other: Irrep) -> tuple[Irrep, ...]:  # type: ignore[override]
        """Irreps of the tensor product, each once: |l₁ − l₂| … l₁ + l₂, parities multiplied."""
        return tuple(Irrep(l, self.p * other.p) for l in range(abs(self.l - other.l), self.l + other.l + 1))

    def __add__(self, other: str | Irrep | Irreps) -> Irreps:  # type: ignore[override]
        return Irreps(self) + other

    def __rmul__(self, n: int) -> Irreps:  # type: ignore[override]
        return Irreps([(n, self)])

    def __str__(self) -> str:
        return f"{self.l}{'e' if self.p == 1 else 'o'}"

    __repr__ = __str__


BlockLike: TypeAlias = "str | Irrep | tuple[int, str | tuple[int, int]]"


class Irreps(tuple[tuple[int, Irrep], ...]):
    """A direct sum of irreps: an immutable sequence of ``(multiplicity, Irrep)``.

    Made from text (``"16x0e+8x1o"``, ``"0e+2e"``, ``""``), from an :class:`Irrep`, or from a sequence of
    blocks ``(16, "0e")``, ``(16, (0, 1))``, ``"8x1o"`` or ``Irrep("1o")``. ``a + b`` is the direct sum, ``n *
    a`` n copies, ``a.product(b)`` the tensor product.

    Raises
    ------
    ValueError
        A block that cannot be read; a negative multiplicity.
    """

    __slots__ = ()

    def __new__(cls, irreps: str | Irrep | Iterable[BlockLike] = ()) -> Irreps:
        if isinstance(irreps, Irreps):
            return irreps
        if isinstance(irreps, str):
            irreps = irreps.split("+") if irreps.strip() else ()
        elif isinstance(irreps, Irrep):
            irreps = (irreps,)
        return super().__new__(cls, tuple(_block(b) for b in irreps))

    @property
    def dim(self) -> int:
        """Dimension of the representation, Σ mul (2l + 1)."""
        return sum(mul * ir.dim for mul, ir in self)

    @property
    def num_irreps(self) -> int:
        """Number of irreps, Σ mul."""
        return sum(mul for mul, _ in self)

    @property
    def l_max(self) -> int:
        """Highest degree present.

        Raises
        ------
        ValueError
            The representation is empty.
        """
        present = [ir.l for mul, ir in self if mul]
        if not present:
            raise ValueError("an empty representation has no highest degree")
        return max(present)

    def slices(self) -> tuple[slice, ...]:
        """Where each block lies in a flat vector of length ``dim``."""
        found, start = [], 0
        for mul, ir in self:
            found.append(slice(start, start + mul * ir.dim))
            start += mul * ir.dim
        return tuple(found)

    def count(self, ir: str | tuple[int, int]) -> int:  # type: ignore[override]
        """Total multiplicity of one irrep."""
        wanted = Irrep(ir)
        return sum(mul for mul, present in self if present == wanted)

    def simplify(self) -> Irreps:
        """Join neighbouring blocks of the same irrep and drop empty ones; the flat layout does not change."""
        blocks: list[tuple[int, Irrep]] = []
        for mul, ir in self:
            if mul and blocks and blocks[-1][1] == ir:
                blocks[-1] = (blocks[-1][0] + mul, ir)
            elif mul:
                blocks.append((mul, ir))
        return Irreps(blocks)

    def sort(self) -> Irreps:
        """Order the blocks 0o, 0e, 1o, 1e, 2o … (stable)."""
        return Irreps(sorted(self, key=lambda block: block[1]))

    def product(self, other: str | Irrep | Irreps) -> Irreps:
        """Tensor product ⊗ as a sorted, simplified direct sum."""
        blocks = [(n * k, ir) for n, a in self for k, b in Irreps(other) for ir in a * b]
        return Irreps(blocks).sort().simplify()

    def __add__(self, other: str | Irrep | Irreps) -> Irreps:  # type: ignore[override]
        return Irreps((*self, *Irreps(other)))

    def __mul__(self, n: int) -> Irreps:  # type: ignore[override]
        return Irreps(tuple(self) * n)

    def __rmul__(self, n: int) -> Irreps:  # type: ignore[override]
        return self * n

    def __contains__(self, ir: object) -> bool:
        return isinstance(ir, str | tuple) and self.count(ir) > 0  # type: ignore[arg-type]

    def __iter__(self) -> Iterator[tuple[int, Irrep]]:
        return super().__iter__()

    def __str__(self) -> str:
        return "+".join(f"{mul}x{ir}" for mul, ir in self)

    __repr__ = __str__


def _parse_irrep(text: str) -> tuple[int, int]:
    found = _IRREP.fullmatch(text)
    if found is None:
        raise ValueError(f"cannot read {text!r} as an irrep; write degree and parity, as '0e', '1o', '2e'")
    l = int(found[1])
    return l, {"e": 1, "o": -1, "y": -1 if l % 2 else 1}[found[2]]


def _block(block: BlockLike) -> tuple[int, Irrep]:
    if isinstance(block, Irrep):
        return 1, block
    if isinstance(block, str):
        found = _BLOCK.fullmatch(block)
        if found is None:
            raise ValueError(f"cannot read {block!r} as irreps; write for instance '16x0e+8x1o' or '0e+2e'")
        return int(found[1] or 1), Irrep(found[2])
    mul, ir = block
    if mul < 0:
        raise ValueError(f"multiplicity {mul} of {Irrep(ir)} is negative")
    return int(mul), Irrep(ir)
