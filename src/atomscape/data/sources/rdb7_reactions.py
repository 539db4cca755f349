"""RDB7 as reactions: reactant and product of each in one structure, far apart, for barriers of both.

What belongs together then stays together: in batches, in splits, in files. The files are those of ``rdb7``.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import torch

from atomscape.atoms.structures import Structures
from atomscape.data.card import Card, records
from atomscape.data.source import no_splits
from atomscape.data.sources import rdb7

GAP = 100.0
"""Å between the boxes around reactant and product: more than any cutoff."""

card = Card(
    name="rdb7_reactions",
    title="RDB7 reactions, reactant and product together",
    description="Elementary reactions of molecules of up to seven C, N, O atoms: each structure is reactant "
    "and product of one, 100 Å apart, so that they do not see each other. reaction_part is 0 for atoms of "
    "the reactant and 2 for those of the product, reaction_atom the same number for the same atom in both. "
    "barrier is that of the forward reaction, with zero-point energies. Transition states are in rdb7.",
    licence=rdb7.card.licence,
    citation=rdb7.card.citation,
    level_of_theory=rdb7.card.level_of_theory,
    url=rdb7.card.url,
    folders=("rdb7",),
    properties=records("barrier", "reaction_part", "reaction_atom"),
    files=rdb7.card.files,
    verified=rdb7.card.verified,
)
splits = no_splits
inputs = rdb7.inputs


def read(folder: Path) -> Iterator[Structures]:
    """One structure per reaction, atoms of the reactant first."""
    for triples in rdb7.read(folder):
        yield joined(triples)


def joined(triples: Structures) -> Structures:
    """Reactant and product of each three structures (reactant, transition state, product), as one."""
    role = triples.labels["reaction_role"][triples.structure]
    kept = role != 1
    place = torch.arange(triples.n_atoms) - triples.offsets[:-1][triples.structure]
    positions, reaction = triples.positions[kept].clone(), triples.structure[kept] // 3
    product = role[kept] == 2
    n = len(triples) // 3
    x = positions[:, 0]
    none = torch.full((n,), -torch.inf, dtype=x.dtype)
    end = none.scatter_reduce(0, reaction[~product], x[~product], "amax")
    start = -none.scatter_reduce(0, reaction[product], -x[product], "amax")
    positions[product, 0] += (end - start + GAP)[reaction[product]]
    return Structures(
        positions,
        triples.numbers[kept],
        triples.cell[::3],
        triples.pbc[::3],
        reaction,
        {
            "barrier": triples.labels["barrier"][::3],
            "reaction_part": role[kept],
            "reaction_atom": place[kept].double(),
        },
        tuple(id.removesuffix("/reactant") for id in triples.ids[::3]),
    )
