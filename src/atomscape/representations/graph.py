"""Bond graph: which atoms touch, and histograms of its nodes and edges.

Two atoms are bonded where they are closer than 1.25 times the sum of their covalent radii (B. Cordero et al.,
Dalton Trans. 2008, 2832; ``nn/elements.csv``); periodic images count, so that a crystal has the coordination
numbers it really has. In metals and salts metal atoms of the next shell may touch as well. ``bond_graph`` is
the list of bonds; features count, per atom, elements, elements with their coordination number, and bonds by
the elements at their ends. A kind of node or bond falls into one of ``bins`` slots by a fixed hash, so that
no list of elements is needed; few kinds share a slot.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from pydantic import BaseModel, ConfigDict, Field

from atomscape.atoms.graph import Graph
from atomscape.atoms.neighbours import neighbour_graph
from atomscape.atoms.representation import INVARIANCES, Claims, claim
from atomscape.atoms.structures import Structures
from atomscape.nn.species import covalent_radii
from atomscape.shapes import Float, Int, Tensor

TOLERANCE = 1.25
"""Longest bond, in sums of covalent radii."""


class Config(BaseModel):
    """Settings."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    bins: int = Field(512, ge=8, description="slots of each of the three histograms")


@dataclass(frozen=True)
class BondGraph:
    """The representation."""

    config: Config

    @property
    def claims(self) -> Claims:
        """It knows who touches whom, and no shape."""
        return Claims(frozenset(INVARIANCES), claim("composition", "bonding"))

    def __call__(self, structures: Structures) -> Float[Tensor, "structures features"]:
        """Three histograms of ``bins`` numbers, divided by the number of atoms."""
        g, bins = bond_graph(structures), self.config.bins
        Z, degree = structures.numbers, torch.bincount(g.centre, minlength=structures.n_atoms)
        low, high = torch.minimum(Z[g.centre], Z[g.neighbour]), torch.maximum(Z[g.centre], Z[g.neighbour])
        of_edge = structures.structure[g.centre]
        parts = [
            _histogram(_slot(Z, Z * 0, bins), structures.structure, structures, bins),
            _histogram(_slot(Z, degree, bins), structures.structure, structures, bins),
            _histogram(_slot(low, high, bins), of_edge, structures, bins) / 2,
        ]
        return torch.cat(parts, dim=1)


def bond_graph(structures: Structures) -> Graph:
    """Bonded pairs as a neighbour graph: each bond stands twice, once from either end."""
    radii = covalent_radii().to(structures.device)
    r = radii[structures.numbers]
    longest = 2 * TOLERANCE * float(r.max()) if len(r) else 1.0
    g = neighbour_graph(structures, longest)
    square = g.vectors.detach().double().square().sum(1)
    reach = TOLERANCE * (r[g.centre] + r[g.neighbour])
    kept = (square < reach.square()) & (square > 0.01)
    return Graph(structures, g.centre[kept], g.neighbour[kept], g.shift[kept], g.cutoff)


def _slot(a: Int[Tensor, " rows"], b: Int[Tensor, " rows"], bins: int) -> Int[Tensor, " rows"]:
    """Slot of a pair of small whole numbers, spread by multiplication with a large odd one."""
    return ((a * 1009 + b) * 2_654_435_761 % 2**32) * bins // 2**32


def _histogram(slot: Tensor, owner: Tensor, s: Structures, bins: int) -> Float[Tensor, "structures bins"]:
    counts = torch.bincount(owner * bins + slot, minlength=len(s) * bins).reshape(len(s), bins)
    return counts.double() / s.counts.clamp(min=1)[:, None]


def build(config: Config) -> BondGraph:
    """Make the representation."""
    return BondGraph(config)
