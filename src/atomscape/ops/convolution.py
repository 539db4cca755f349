"""Equivariant convolution on a graph (Thomas et al. 2018, Tensor field networks, eq. 4 and 5).

    out[i, l3 m3, c] = Σ_{j ∈ N(i)} Σ_paths w[ij, path, c] (x[j, l1, c] ⊗ Y_{l2}(ij))_{l3 m3}
    (x ⊗ Y)_{l3 m3}  = Σ_{m1 m2} C(l1 m1, l2 m2; l3 m3) x_{m1} Y_{m2}

It is linear in each of features ``x``, harmonics ``Y`` and radial weights ``w``. A path couples
(l1 of the neighbour) ⊗ (l2 of the edge) → l3; channels never mix.

Feature layout ``[atoms, lm, channels]``: degrees one after the other, ``lm = l² + l + m``. Parities:

- ``natural``: every degree has parity (−1)^l, so only paths with l1 + l2 + l3 even exist;
- ``so3``: parity is not tracked, all paths exist;
- ``both``: each degree twice, first with parity (−1)^l, then with the opposite one ("pseudo"), as a second
  run of ``lm`` behind the first; a path with l1 + l2 + l3 odd goes from one run to the other.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Literal, NamedTuple

import torch

from atomscape.o3.clebsch_gordan import clebsch_gordan
from atomscape.ops.op import Op
from atomscape.ops.segment import segment_sum
from atomscape.ops.traced import constant_when_traced
from atomscape.ops.transforms import lasting
from atomscape.shapes import Float, Int, Tensor

Parity = Literal["natural", "both", "so3"]


class Path(NamedTuple):
    """One coupling: degrees, and the run (0 natural or untracked, 1 pseudo) it reads and writes."""

    l1: int
    l2: int
    l3: int
    run_in: int
    run_out: int


@dataclass(frozen=True)
class Coupling:
    """All paths from degrees ≤ ``l_in`` of features and ≤ ``l_edge`` of harmonics to degrees ≤ ``l_out``.

    ``pseudo_in`` says whether the features carry the second, pseudo run (only with parity ``both``).
    """

    l_in: int
    l_edge: int
    l_out: int
    parity: Parity = "natural"
    pseudo_in: bool = False

    def __post_init__(self) -> None:
        """Refuse what cannot be."""
        if self.pseudo_in and self.parity != "both":
            raise ValueError(f"pseudo_in needs parity='both'; given parity={self.parity!r}")
        if min(self.l_in, self.l_edge, self.l_out) < 0:
            raise ValueError(
                f"degrees must be ≥ 0; given l_in={self.l_in}, l_edge={self.l_edge}, l_out={self.l_out}"
            )

    @cached_property
    def paths(self) -> tuple[Path, ...]:
        """Paths in order of their output block, then input block, then edge degree."""
        found = []
        for run_out in range(self.runs_out):
            for l3 in range(self.l_out + 1):
                for run_in in range(1 + self.pseudo_in):
                    found += self._into(l3, run_in, run_out)
        return tuple(found)

    def _into(self, l3: int, run_in: int, run_out: int) -> list[Path]:
        triples = [
            (l1, l2)
            for l1 in range(self.l_in + 1)
            for l2 in range(self.l_edge + 1)
            if abs(l1 - l2) <= l3 <= l1 + l2
        ]
        odd = run_in != run_out
        keep = [t for t in triples if self.parity == "so3" or (sum(t) + l3) % 2 == odd]
        return [Path(l1, l2, l3, run_in, run_out) for l1, l2 in keep]

    @property
    def runs_out(self) -> int:
        """Runs of ``lm`` in the output."""
        return 2 if self.parity == "both" else 1

    @property
    def lm_in(self) -> int:
        """Length of the features' ``lm`` axis."""
        return (1 + self.pseudo_in) * (self.l_in + 1) ** 2

    @property
    def lm_out(self) -> int:
        """Length of the output's ``lm`` axis."""
        return self.runs_out * (self.l_out + 1) ** 2


class _Block(NamedTuple):
    """One output block: its 2l3+1 orders, and (input block, path) of each of its paths."""

    size: int
    rows: int
    terms: tuple[tuple[int, int], ...]


_Tables = tuple[Tensor, tuple[_Block, ...]]
_kept: dict[tuple[Coupling, torch.dtype, torch.device], _Tables] = {}


@constant_when_traced
def _tables(
    l_in: int,
    l_edge: int,
    l_out: int,
    parity: Parity,
    pseudo_in: bool,
    dtype: torch.dtype,
    device: torch.device,
) -> _Tables:
    """Constant [lm_edge, Σ (2l3+1)·rows] that turns Y into the matrices M, and terms of the blocks.

    A coupling is given by its parts, because compilers before torch 2.12 cannot hold it as a constant.
    """
    coupling = Coupling(l_in, l_edge, l_out, parity, pseudo_in)
    key = coupling, dtype, device
    if key not in _kept:
        dense, blocks = _make_tables(coupling)
        tables = dense.to(device=device, dtype=dtype), blocks
        if not lasting(tables[0]):
            return tables
        _kept[key] = tables
    return _kept[key]


def _make_tables(coupling: Coupling) -> _Tables:
    """Tables in float64, on the CPU."""
    columns, blocks = [], []
    for run_out in range(coupling.runs_out):
        for l3 in range(coupling.l_out + 1):
            into = [(n, p) for n, p in enumerate(coupling.paths) if (p.l3, p.run_out) == (l3, run_out)]
            rows = sum(2 * p.l1 + 1 for _, p in into)
            shape = (coupling.l_edge + 1) ** 2, 2 * l3 + 1, rows
            dense = torch.zeros(shape, dtype=torch.float64, device="cpu")
            row = 0
            for _, p in into:
                c = clebsch_gordan(p.l1, p.l2, l3).permute(1, 2, 0) / len(into) ** 0.5
                dense[p.l2**2 : (p.l2 + 1) ** 2, :, row : row + 2 * p.l1 + 1] = c
                row += 2 * p.l1 + 1
            columns.append(dense.flatten(1))
            terms = tuple((p.run_in * (coupling.l_in + 1) + p.l1, n) for n, p in into)
            blocks.append(_Block(2 * l3 + 1, rows, terms))
    return torch.cat(columns, 1), tuple(blocks)


@Op
def convolution(
    x: Float[Tensor, "atoms lm_in channels"],
    Y: Float[Tensor, "edges lm_edge"],
    w: Float[Tensor, "edges paths channels"],
    centre: Int[Tensor, " edges"],
    neighbour: Int[Tensor, " edges"],
    coupling: Coupling,
) -> Float[Tensor, "atoms lm_out channels"]:
    """Gather neighbours, couple with the harmonics, weight, and sum over the edges of each centre.

    Written as a batched dense product: for each edge and output block, a matrix M(Y) of shape
    [2l3+1, rows] acts on the weighted features [rows, channels]; the sum over paths happens inside the
    product. Each output block is divided by √(number of its paths), so that unit-variance features and
    weights give unit-variance messages.
    """
    c = coupling
    dense, blocks = _tables(c.l_in, c.l_edge, c.l_out, c.parity, c.pseudo_in, x.dtype, x.device)
    degrees = list(range(coupling.l_in + 1)) * (1 + coupling.pseudo_in)
    features = x.index_select(0, neighbour).split([2 * l + 1 for l in degrees], 1)
    weights = w.split(1, 1)
    matrices = (Y @ dense).split([b.size * b.rows for b in blocks], 1)
    out = []
    for block, M in zip(blocks, matrices, strict=True):
        if not block.terms:
            out.append(x.new_zeros(neighbour.shape[0], block.size, x.shape[2]))
            continue
        weighted = torch.cat([features[i] * weights[path] for i, path in block.terms], 1)
        out.append(torch.bmm(M.unflatten(1, (block.size, block.rows)), weighted))
    return segment_sum(torch.cat(out, 1), centre, x.shape[0])
