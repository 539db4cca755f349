"""Completion: where atoms are missing and which elements they are, as a probability density.

Every atom votes (``nn.position_density`` has the equations). From its invariants x a network gives the weight
of its vote for each element, and mean distance and width of each shell; the angular coefficients are linear
in its features of degree l, times a factor that the network gives:

    c[z, s, l, m] = g[z, s, l](x) · Σ_channels W[l, z, s, channel] h[l, m, channel]

Where elements are many and each is rare, as in crystals, they can share the places that an atom votes for
(``places: shared``): distances, widths and c then have no index z, and elements differ in the weights of
the shells. That has as many parameters for 89 elements as others have for four.

The loss is −log p(r, z), averaged over the atoms that are missing: several may be, and none has to be first.
"""

from __future__ import annotations

from dataclasses import replace
from functools import cached_property
from typing import Literal

import torch
from ase.data import atomic_numbers
from pydantic import BaseModel, ConfigDict, Field
from torch import nn

from atomscape.atoms.graph import Graph
from atomscape.atoms.nearest_image import nearest_image
from atomscape.atoms.neighbours import neighbour_graph
from atomscape.atoms.properties import Property
from atomscape.atoms.structures import Structures
from atomscape.nn.embedding import Embedding
from atomscape.nn.peaks import peaks
from atomscape.nn.position_density import NARROWEST, PositionDensity, bounded
from atomscape.nn.proposals import Proposals
from atomscape.o3.irreps import Irreps
from atomscape.ops.segment import segment_sum
from atomscape.shapes import Float, Int, Tensor

RIGHT = 0.5
"""Å: a guess closer than that to a missing atom of its element is right (Thomas et al. 2018, sec. 5.3)."""


class Config(BaseModel):
    """Hyper-parameters; ``elements`` left out are those of the training data."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    elements: tuple[str, ...] | None = Field(None, description="symbols of the elements that may be missing")
    hidden: int = Field(128, ge=1)
    shells: int = Field(2, ge=1, description="distances at which an atom can place an element")
    reach: float = Field(3.0, gt=0, description="Å; how far from itself an atom can place another")
    places: Literal["own", "shared"] = Field("own", description="of each element, or of all elements")


class CompletionHead(nn.Module):
    """Reads all degrees of the embedding; predicts one row of numbers per atom and element."""

    def __init__(self, config: Config, irreps: Irreps, properties: tuple[Property, ...]) -> None:
        super().__init__()
        if [p.name for p in properties] != ["missing_atoms"]:
            raise ValueError(f"head 'complete' gives missing_atoms; asked for {[p.name for p in properties]}")
        self.config, self.provides = config, properties
        symbols = config.elements or ("H", "C", "N", "O")
        unknown = [x for x in symbols if x not in atomic_numbers]
        if unknown:
            raise ValueError(f"head 'complete': no element {unknown[0]!r}")
        self.numbers = sorted(atomic_numbers[x] for x in symbols)
        self.blocks = _true_tensors(irreps)
        self.l_max = max(l for l, _ in self.blocks)
        if self.l_max == 0:
            raise ValueError(
                "head 'complete' needs directions: an encoder with features of degree l ≥ 1, such as tfn"
            )
        n, s = len(self.numbers), config.shells
        places = n if config.places == "own" else 1
        self.features = sum(mul for mul, _ in irreps)
        self.net = nn.Sequential(
            nn.Linear(self.features, config.hidden),
            nn.SiLU(),
            nn.Linear(config.hidden, config.hidden),
            nn.SiLU(),
            nn.Linear(config.hidden, n * (1 + s) + places * s * (2 + self.l_max)),
        )
        self.mix = nn.ParameterList(
            torch.randn(mul, places * s) / mul**0.5 for (l, _), mul in self.blocks.items() if l
        )

    error_unit = "wrong"

    def forward(
        self, embedding: Embedding, graph: Graph
    ) -> dict[str, Float[Tensor, "atoms elements numbers"]]:
        """Predict the numbers of the density; ``density`` names them."""
        votes, places, gates = self._split(self.net(embedding.invariants()))
        angular = []
        blocks = [k for k in self.blocks if k[0]]
        factors = gates.unflatten(-1, (self.l_max, self.config.shells)).unbind(2)
        for (l, p), W, gate in zip(blocks, self.mix, factors, strict=True):
            block = embedding.degree(l, p if (l, p) in embedding.blocks else None)
            c = (block @ W).unflatten(-1, gate.shape[1:])  # atoms, m, elements or one, shells
            angular.append(c.permute(0, 2, 3, 1) * gate.unsqueeze(-1))
        where = torch.cat([places, torch.cat(angular, -1).flatten(2)], -1)
        return {"missing_atoms": torch.cat([votes, where.expand(-1, len(self.numbers), -1)], -1)}

    def _split(self, out: Float[Tensor, "atoms numbers"]) -> tuple[Tensor, Tensor, Tensor]:
        """Output of the network as votes, distances with widths, and angular factors.

        Votes run over atoms, elements and one weight with those of the shells; the others over atoms,
        elements or one, and what stands for each shell.
        """
        n, s = len(self.numbers), self.config.shells
        parts = [1 + s, 2 * s, self.l_max * s]
        if self.config.places == "own":
            votes, places, gates = out.unflatten(-1, (n, -1)).split(parts, -1)
            return votes, places, gates
        votes, places, gates = out.split([n * parts[0], *parts[1:]], -1)
        return votes.unflatten(-1, (n, -1)), places.unsqueeze(1), gates.unsqueeze(1)

    def density(self, prediction: Float[Tensor, "atoms elements numbers"], graph: Graph) -> PositionDensity:
        """The density that the predicted numbers stand for."""
        s, config = graph.structures, self.config
        shells = config.shells
        weight, v, mu, sigma, c = prediction.split(
            [1, shells, shells, shells, prediction.shape[-1] - 1 - 3 * shells], -1
        )
        start = torch.linspace(-1, 1, shells + 2, dtype=v.dtype, device=v.device)[1:-1]
        return PositionDensity(
            torch.tensor(self.numbers, device=v.device),
            _log_softmax(weight[..., 0], s),
            v.log_softmax(-1),
            config.reach * (mu + 2 * start).sigmoid(),
            NARROWEST + 0.5 * (sigma - 1).sigmoid(),
            bounded(c.unflatten(-1, (shells, -1)), self.l_max),
            self.l_max,
        )

    def losses(
        self, prediction: Float[Tensor, "atoms elements numbers"], graph: Graph
    ) -> Float[Tensor, " structures"]:
        """−log p(r, z) of what is missing, mean over the missing atoms (nats; p in Å⁻³); NaN if none is.

        An element that the head does not know counts as −log e^−30.
        """
        s = graph.structures
        x, z, owner = missing(s)
        n = len(x)
        vectors, atom, point = self._pairs(s, x, z, owner)
        column = self._column(z)
        known = column[point] >= 0
        density = self.density(prediction, graph)
        found = density.log_density(
            vectors[known].to(prediction.dtype), atom[known], column[point][known], point[known], n
        )
        count = torch.bincount(owner, minlength=len(s))
        total = segment_sum(-found, owner, len(s))
        return torch.where(count > 0, total / count.clamp(min=1), torch.nan)

    def errors(
        self, prediction: Float[Tensor, "atoms elements numbers"], graph: Graph
    ) -> Float[Tensor, " structures"]:
        """0 where the first guess is right, within 0.5 Å of a missing atom and of its element, else 1.

        The first guess is the peak of the heaviest vote alone; the votes of all atoms together do better.
        """
        s = graph.structures
        x, z, owner = missing(s)
        guess, element = self.density(prediction, graph).heaviest_votes(graph)
        away = nearest_image(guess[owner] - x, s.cell[owner].to(x), s.pbc[owner]).norm(dim=1)
        right = (away < RIGHT) & (element[owner] == z)
        hits, asked = (torch.bincount(owner[rows], minlength=len(s)) for rows in (right, slice(None)))
        return torch.where(asked > 0, (hits == 0).to(prediction.dtype), torch.nan)

    def proposals(
        self, prediction: Float[Tensor, "atoms elements numbers"], graph: Graph, ranks: int
    ) -> Proposals:
        """The ``ranks`` most probable atoms for each structure; probabilities are masses within 0.5 Å.

        A density that was learned on several missing atoms is shared by them: each has its part of it.
        """
        s = graph.structures
        density = self.density(prediction, graph)
        found = peaks(density, s, ranks)

        def log_density(positions: Tensor, numbers: Tensor) -> Tensor:
            labels = {
                "missing_positions": positions.unsqueeze(1),
                "missing_numbers": numbers.unsqueeze(1).double(),
            }
            return -self.losses(prediction, graph.with_structures(s.with_labels(**labels)))

        return replace(found, log_density=log_density)

    def example(self, structures: Structures) -> Structures:
        """Label each structure as if an atom were missing at the mean of the others: for laws."""
        s = structures
        n = s.counts.clamp(min=1).to(s.positions).unsqueeze(1)
        x = segment_sum(s.positions, s.structure, len(s)) / n
        z = torch.full((len(s), 1), float(self.numbers[-1]), dtype=x.dtype, device=x.device)
        return s.with_labels(missing_positions=x.unsqueeze(1), missing_numbers=z)

    def _column(self, z: Int[Tensor, " points"]) -> Int[Tensor, " points"]:
        table = torch.full((256,), -1, device=z.device)
        table[self.numbers] = torch.arange(len(self.numbers), device=z.device)
        return table[z]

    def _pairs(
        self, s: Structures, x: Tensor, z: Tensor, owner: Tensor
    ) -> tuple[Float[Tensor, "pairs 3"], Int[Tensor, " pairs"], Int[Tensor, " pairs"]]:
        """Atoms (with images) in reach of points: vector from the atom, the atom, the point."""
        graph = neighbour_graph(with_points(s, x, z, owner), self.config.reach)
        row = origin(s, owner)
        wanted = (row[graph.centre] >= s.n_atoms) & (row[graph.neighbour] < s.n_atoms)
        vectors = -graph.vectors[wanted]
        return vectors, row[graph.neighbour[wanted]], row[graph.centre[wanted]] - s.n_atoms

    @cached_property
    def symbols(self) -> tuple[str, ...]:
        """Elements that can be proposed, by atomic number."""
        from ase.data import chemical_symbols

        return tuple(chemical_symbols[z] for z in self.numbers)


def missing(
    s: Structures,
) -> tuple[Float[Tensor, "points 3"], Int[Tensor, " points"], Int[Tensor, " points"]]:
    """Position and atomic number of each missing atom, and its structure, from the labels.

    Raises
    ------
    ValueError
        The structures do not say what is missing.
    """
    if "missing_positions" not in s.labels:
        raise ValueError(
            "nothing says which atoms are missing; remove some with the corruption 'remove_atoms' "
            "(`corrupt: {kind: remove_atoms}` on a dataset)"
        )
    x, z = s.labels["missing_positions"], s.labels["missing_numbers"]
    known = z.isfinite()
    owner = torch.arange(len(s), device=s.device).unsqueeze(1).expand_as(z)[known]
    return x[known], z[known].to(torch.int64), owner


def with_points(s: Structures, x: Tensor, z: Tensor, owner: Tensor) -> Structures:
    """Structures with further atoms, each behind the atoms of its own structure."""
    order = torch.argsort(torch.cat([s.structure, owner]), stable=True)
    return Structures(
        torch.cat([s.positions, x.to(s.positions.dtype)])[order],
        torch.cat([s.numbers, z])[order],
        s.cell,
        s.pbc,
        torch.cat([s.structure, owner])[order],
        ids=s.ids,
    )


def origin(s: Structures, owner: Tensor) -> Int[Tensor, " atoms"]:
    """Which atom, or ``n_atoms`` plus which point, each atom of ``with_points`` is."""
    return torch.argsort(torch.cat([s.structure, owner]), stable=True)


def _true_tensors(irreps: Irreps) -> dict[tuple[int, int], int]:
    """(l, parity) → channels of the blocks that turn as Y_lm do, in order of l."""
    found = {}
    for mul, ir in irreps:
        if ir.p == (-1) ** ir.l or not any(o.l == ir.l and o.p != ir.p for _, o in irreps):
            found[ir.l, ir.p] = mul
    return dict(sorted(found.items()))


def _log_softmax(scores: Float[Tensor, "atoms elements"], s: Structures) -> Float[Tensor, "atoms elements"]:
    """Log of the softmax over all atoms and elements of each structure."""
    top = scores.detach().amax(1)
    top = top.new_full((len(s),), -torch.inf).scatter_reduce(0, s.structure, top, "amax")
    shifted = scores - top[s.structure].unsqueeze(1)
    return shifted - segment_sum(shifted.exp().sum(1), s.structure, len(s)).log()[s.structure].unsqueeze(1)


def build(config: Config, irreps: Irreps, properties: tuple[Property, ...]) -> CompletionHead:
    """Make the head for an encoder of these irreps."""
    return CompletionHead(config, irreps, properties)
