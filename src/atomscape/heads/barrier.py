"""Barrier of a reaction, from reactant and product that stand in one structure.

Atoms carry the labels ``reaction_part`` (0 reactant, 1 transition state, 2 product) and ``reaction_atom``,
the same number for the same atom before (a) and after (a'). With x its invariants, and sums over atoms::

    ΔE   = Σ_a [e(x_a') − e(x_a)]                          energy of reaction; e a network
    B    = b( Σ_a c(x_a + x_a', (x_a' − x_a)²) )           intrinsic barrier; b, c networks
    E_a  = s (B + ΔE/2) + shift                            barrier of reactant → product

Reactant and product exchanged, B stays and ΔE changes its sign, so that the barrier back is less than that
there by the energy of reaction, exactly. The half of ΔE is the linear term of Marcus' equation (J. Phys.
Chem. 72, 891 (1968)); differences of the same atom before and after are those of Grambow, Pattanaik, Green,
J. Phys. Chem. Lett. 11, 2992 (2020). With ``transition_state`` the invariants of atoms there enter c as well.

Any other structure has no barrier: the prediction is NaN there.
"""

from __future__ import annotations

import torch
from pydantic import BaseModel, ConfigDict, Field
from torch import nn

from atomscape.atoms.graph import Graph
from atomscape.atoms.properties import Property
from atomscape.atoms.structures import Structures
from atomscape.nn.embedding import Embedding
from atomscape.nn.species import N_ELEMENTS
from atomscape.o3.irreps import Irreps
from atomscape.ops.segment import segment_mean, segment_sum
from atomscape.shapes import Bool, Float, Int, Tensor

REACTANT, TRANSITION_STATE, PRODUCT = 0, 1, 2


class Config(BaseModel):
    """Hyper-parameters; ``reads`` are the labels that say which atom belongs where."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    hidden: int = Field(64, ge=1)
    transition_state: bool = Field(False, description="read it too; every reaction must then have one")
    reads: tuple[str, ...] = Field(("reaction_part", "reaction_atom"), min_length=2, max_length=2)


class BarrierHead(nn.Module):
    """Reads the invariants of the parts of a reaction; ``references``, ``scale``, ``shift`` are fitted."""

    references: Float[Tensor, " elements"]
    scale: Float[Tensor, ""]
    shift: Float[Tensor, ""]

    def __init__(self, config: Config, irreps: Irreps, properties: tuple[Property, ...]) -> None:
        super().__init__()
        if len(properties) != 1 or not _is_barrier(properties[0]):
            raise ValueError(
                "head 'barrier' gives the barrier of a reaction, in eV; asked for "
                f"{[p.name for p in properties]}"
            )
        self.config, self.provides = config, properties
        features, hidden = sum(mul for mul, _ in irreps), config.hidden
        both = (3 if config.transition_state else 2) * features
        self.energy = nn.Sequential(nn.Linear(features, hidden), nn.SiLU(), nn.Linear(hidden, 1))
        self.change = nn.Sequential(nn.Linear(both, hidden), nn.SiLU(), nn.Linear(hidden, hidden), nn.SiLU())
        self.intrinsic = nn.Sequential(nn.Linear(2 * hidden, hidden), nn.SiLU(), nn.Linear(hidden, 1))
        self.register_buffer("references", torch.zeros(N_ELEMENTS, dtype=torch.float64))
        self.register_buffer("scale", torch.ones((), dtype=torch.float64))
        self.register_buffer("shift", torch.zeros((), dtype=torch.float64))

    def forward(self, embedding: Embedding, graph: Graph) -> dict[str, Float[Tensor, " structures"]]:
        """Predict, in float64."""
        s = graph.structures
        reactions = self.defined(s).nonzero().squeeze(1)
        value = torch.full((len(s),), torch.nan, dtype=torch.float64, device=s.device)
        if len(reactions):
            B, energy = self._terms(embedding.invariants(), s, reactions)
            mean = segment_mean(self.references[s.numbers], s.structure, len(s))[reactions]
            found = self.scale * (B + energy / 2) + mean + self.shift
            value = value.index_copy(0, reactions, found)
        return {self.provides[0].name: value}

    def reaction_energy(self, embedding: Embedding, graph: Graph) -> Float[Tensor, " structures"]:
        """Barrier there minus barrier back, in eV; NaN where there is no reaction."""
        s = graph.structures
        reactions = self.defined(s).nonzero().squeeze(1)
        value = torch.full((len(s),), torch.nan, dtype=torch.float64, device=s.device)
        _, energy = self._terms(embedding.invariants(), s, reactions)
        return value.index_copy(0, reactions, self.scale * energy)

    def _terms(
        self, x: Float[Tensor, "atoms features"], s: Structures, reactions: Int[Tensor, " reactions"]
    ) -> tuple[Float[Tensor, " reactions"], Float[Tensor, " reactions"]]:
        """Intrinsic barrier B and energy of reaction ΔE, in units of the scale."""
        r, p = (self._atoms(s, reactions, part) for part in (REACTANT, PRODUCT))
        owner = torch.searchsorted(reactions, s.structure[r])
        before, after, n = x[r], x[p], len(reactions)
        parts = [before + after, (after - before).square()]
        if self.config.transition_state:
            parts.append(x[self._atoms(s, reactions, TRANSITION_STATE)])
        c = self.change(torch.cat(parts, 1)).double()
        pooled = torch.cat([segment_mean(c, owner, n), segment_sum(c, owner, n) / 10], 1)
        B = self.intrinsic(pooled.to(x.dtype)).double().squeeze(1)
        e = (self.energy(after) - self.energy(before)).double().squeeze(1)
        return B, segment_sum(e, owner, n)

    def _atoms(self, s: Structures, reactions: Tensor, part: int) -> Int[Tensor, " some"]:
        """Atoms of one part of all reactions, by reaction and number: the same place is the same atom."""
        parts, numbers = (s.labels[name] for name in self.config.reads)
        mine = ((parts == part) & torch.isin(s.structure, reactions)).nonzero().squeeze(1)
        by_number = mine[numbers[mine].argsort(stable=True)]
        return by_number[s.structure[by_number].argsort(stable=True)]

    undefined = (
        "a barrier belongs to a reaction: reactant and product in one structure, their atoms labelled "
        "reaction_part (0 and 2) and reaction_atom (the same number before and after), as in rdb7_reactions"
    )

    def defined(self, structures: Structures) -> Bool[Tensor, " structures"]:
        """Structures in which every atom of the reactant is an atom of the product, and of all parts read."""
        s, (part_label, number_label) = structures, self.config.reads
        parts, numbers = s.labels.get(part_label), s.labels.get(number_label)
        if parts is None or numbers is None:
            return torch.zeros(len(s), dtype=torch.bool, device=s.device)
        needed = (REACTANT, PRODUCT) + ((TRANSITION_STATE,) if self.config.transition_state else ())
        known = numbers.isfinite()
        sums = [
            torch.stack([
                segment_sum(((parts == part) & known).double() * f, s.structure, len(s))
                for f in (torch.ones_like(numbers), torch.nan_to_num(numbers), torch.nan_to_num(numbers) ** 2)
            ])
            for part in needed
        ]  # fmt: skip
        same = torch.stack([(sums[0] == other).all(0) for other in sums[1:]]).all(0)
        return same & (sums[0][0] > 0)


def _is_barrier(p: Property) -> bool:
    return p.per == "structure" and not p.shape and not p.extensive and p.unit == "eV" and "barrier" in p.name


def build(config: Config, irreps: Irreps, properties: tuple[Property, ...]) -> BarrierHead:
    """Make the head for an encoder of these irreps."""
    return BarrierHead(config, irreps, properties)
