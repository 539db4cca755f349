"""Tensors of any kind, per atom or per structure: vectors, polarizabilities, elastic constants, shieldings.

The components of the property's irreps are read off the blocks of the embedding that have their degree and
parity, by linear maps whose channels are weighed by gates, and turned into Cartesian form at the end::

    y[a, l p, m, k] = s · Σ_c V[k, c] g[a, c] Σ_d h[a, l p, m, d] W[d, c]        g = network(invariants)
    y[a, 0e, k]     = s · network(invariants)[k] + reference[element, k]         what does not turn

    per atom: y;   extensive: Σ_atoms y;   intensive: mean over atoms of y, and for 0e a shift

With ``nonlinear: false`` there is no network and no constant: y[l p] = s · V h[l p] for all degrees. Scale,
references and shift are fitted before training; what turns has no shift, for no direction is preferred.
"""

from __future__ import annotations

from typing import Any, cast

import torch
from pydantic import BaseModel, ConfigDict, Field
from torch import nn

from atomscape.atoms.components import change_of_basis, from_components, isotropic
from atomscape.atoms.graph import Graph
from atomscape.atoms.properties import Property
from atomscape.nn.blocks import block_of, channels_of, serving
from atomscape.nn.embedding import Embedding
from atomscape.nn.last_layer import LastLayer, with_constant
from atomscape.nn.species import N_ELEMENTS
from atomscape.o3.irreps import Irrep, Irreps
from atomscape.ops.segment import segment_mean, segment_sum
from atomscape.shapes import Float, Tensor


class Config(BaseModel):
    """Hyper-parameters; ``hidden`` is also the number of gated channels of each block."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    hidden: int = Field(64, ge=1)
    nonlinear: bool = Field(True, description="false: linear in the features, no gates")


class TensorHead(nn.Module):
    """Reads blocks of the embedding by degree and parity; ``references``, ``scale``, ``shift`` are fitted.

    ``references`` and ``shift`` have one column for each ``0e`` of the property, in order; none if linear.
    """

    references: Float[Tensor, "elements scalars"]
    scale: Float[Tensor, ""]
    shift: Float[Tensor, " scalars"]

    def __init__(self, config: Config, irreps: Irreps, properties: tuple[Property, ...]) -> None:
        super().__init__()
        if len(properties) != 1:
            raise ValueError(f"head 'tensor' gives one property; asked for {[p.name for p in properties]}")
        self.config, self.provides, self.property = config, properties, properties[0]
        change_of_basis(self.property)
        refuse_missing(self.property, irreps)
        self.isotropic = isotropic(self.property) if config.nonlinear else ()
        self.blocks = [(n, ir) for n, ir in self.property.irreps if n]
        hidden, read = config.hidden, []
        for n, ir in self.blocks:
            channels = channels_of(ir, irreps)
            if config.nonlinear and ir != SCALAR:
                read.append(nn.ModuleList([_linear(channels, hidden), _linear(hidden, n)]))
            elif not config.nonlinear:
                read.append(nn.ModuleList([_linear(channels, n)]))
            else:
                read.append(nn.ModuleList())
        self.read = nn.ModuleList(read)
        self.sizes = [n if ir == SCALAR else hidden for n, ir in self.blocks]
        features = sum(c for c, _ in irreps)
        self.net = nn.Sequential(
            nn.Linear(features, hidden), nn.SiLU(), nn.Linear(hidden, sum(self.sizes))
        ) if config.nonlinear else None  # fmt: skip
        scalars = len(self.isotropic)
        self.register_buffer("references", torch.zeros(N_ELEMENTS, scalars, dtype=torch.float64))
        self.register_buffer("scale", torch.ones((), dtype=torch.float64))
        self.register_buffer("shift", torch.zeros(scalars, dtype=torch.float64))

    def forward(self, embedding: Embedding, graph: Graph) -> dict[str, Float[Tensor, "rows *shape"]]:
        """Predict, in float64; sums run in float64."""
        s, p = graph.structures, self.property
        y = self._components(embedding) * self.scale
        y = y.index_add(1, self._places(y), self.references[s.numbers])
        if p.per == "structure":
            reduce = segment_sum if p.extensive else segment_mean
            y = reduce(y, s.structure, len(s))
        if not p.extensive:
            y = y.index_add(1, self._places(y), self.shift.expand(len(y), -1))
        return {p.name: from_components(p, y)}

    def _places(self, y: Tensor) -> Tensor:
        return torch.tensor(self.isotropic, dtype=torch.int64, device=y.device)

    def last_layer(self, embedding: Embedding, graph: Graph) -> dict[str, LastLayer]:
        """Gated channels of every atom, block by block; each copy of an irrep has weights of its own."""
        s, p = graph.structures, self.property
        blocks = self._last_channels(embedding)
        columns = [w.numel() for _, w in blocks]
        rows = [w.shape[0] * x.shape[1] for x, w in blocks]
        features = embedding.invariants().new_zeros(s.n_atoms, sum(rows), sum(columns)).double()
        row = column = 0
        for (x, w), height, width in zip(blocks, rows, columns, strict=True):
            copies = torch.eye(w.shape[0], dtype=x.dtype, device=x.device)
            block = torch.einsum("amc,kj->akmjc", x, copies).reshape(len(x), height, width)
            features[:, row : row + height, column : column + width] = block
            row, column = row + height, column + width
        if p.per == "structure" and not p.extensive:
            features = features / s.counts[s.structure].view(-1, 1, 1)
        weights = torch.cat([w.double().flatten() for _, w in blocks])
        return {p.name: LastLayer(features * self.scale, weights)}

    def _last_channels(self, embedding: Embedding) -> list[tuple[Tensor, Tensor]]:
        """What enters the last map of each block, [atoms, m, channels], and the map, [copies, channels]."""
        found: list[tuple[Tensor, Tensor]] = []
        read: Any = self.read
        if self.net is None:
            blocks = zip(self.blocks, read, strict=True)
            return [(block_of(embedding, ir).double(), maps[0].weight) for (_, ir), maps in blocks]
        hidden, last, start = self.net[:2](embedding.invariants()), cast(nn.Linear, self.net[2]), 0
        for (_, ir), maps, size in zip(self.blocks, read, self.sizes, strict=True):
            rows = slice(start, start + size)
            start += size
            if ir == SCALAR:
                own = torch.cat([last.weight, last.bias.unsqueeze(1)], 1)[rows]
                found.append((with_constant(hidden).unsqueeze(1), own))
                continue
            gate = nn.functional.linear(hidden, last.weight[rows], last.bias[rows])
            gated = maps[0](block_of(embedding, ir)) * (1 + gate).unsqueeze(1)
            found.append((gated.double(), maps[1].weight))
        return found

    def _components(self, embedding: Embedding) -> Float[Tensor, "atoms dim"]:
        """Components of every atom, block by block, in float64."""
        factors = [None] * len(self.blocks)
        if self.net is not None:
            factors = self.net(embedding.invariants()).split(self.sizes, 1)
        parts = []
        for (_, ir), maps, factor in zip(self.blocks, self.read, factors, strict=True):
            if factor is not None and ir == SCALAR:
                parts.append(factor)
                continue
            x = block_of(embedding, ir)
            for n, linear in enumerate(maps):  # pyright: ignore[reportArgumentType]
                x = linear(x if n == 0 or factor is None else x * (1 + factor).unsqueeze(1))
            parts.append(x.mT.flatten(1))
        return torch.cat(parts, 1).double()


SCALAR = Irrep("0e")


def _linear(channels_in: int, channels_out: int) -> nn.Linear:
    """Linear map of channels, without a constant: a constant has a direction."""
    made = nn.Linear(channels_in, channels_out, bias=False)
    nn.init.normal_(made.weight, std=channels_in**-0.5)
    return made


def refuse_missing(property: Property, irreps: Irreps) -> None:
    """Raise ``ValueError`` that names the blocks an encoder lacks and the option that gives them."""
    missing = [ir for n, ir in property.irreps if n and serving(ir, irreps) is None]
    if not missing:
        return
    degree = max(ir.l for ir in missing)
    ways = [f"l_max: {degree}"] if degree > irreps.l_max else []
    ways += ["parity: both"] if any(not ir.natural for ir in missing) else []
    raise ValueError(
        f"head 'tensor': {property.name} is {property.irreps}, and the encoder gives {irreps}: no "
        f"{', '.join(map(str, missing))}. Give the encoder {' and '.join(ways) or 'blocks of these degrees'}"
    )


def build(config: Config, irreps: Irreps, properties: tuple[Property, ...]) -> TensorHead:
    """Make the head for an encoder of these irreps."""
    return TensorHead(config, irreps, properties)
