"""Complete a structure: put back atoms one after the other, keeping the most probable ways to do so.

A model's density is shared by all atoms that are missing, so putting them back is a drawing, one atom after
the other, and the probability of a completion is that of all orders in which it can be drawn:

    P(set) = Σ_{a ∈ set} P(set without a) · (mass of a in the density of the structure with them)

Every partial completion is continued with several proposals; the best are kept (beam search). Ways that end
in the same structure, in whatever order, are one, and their probabilities add up. Two proposals for the same
completion that are next to one another are one too; the weaker adds nothing, since its mass lies elsewhere.
The number of missing atoms is given, so where it is more than one the probabilities of all ways that were
found, those that are not kept too, are divided by their sum.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import torch

from atomscape.atoms.nearest_image import nearest_image
from atomscape.atoms.structures import Structures
from atomscape.generate.scoring import Propose
from atomscape.shapes import Float, Int, Tensor

BEAMS = 10
"""Partial completions kept on the way."""

SAME = 0.5
"""Å; two completions whose atoms pair up within it are one."""


@dataclass(frozen=True, eq=False)
class Completion:
    """One way to complete a structure: its new atoms, and the probability that all of them are right."""

    positions: Float[Tensor, "added 3"]
    numbers: Int[Tensor, " added"]
    probability: float


def complete(
    propose: Propose, structure: Structures, missing: int = 1, ranks: int = 5, beams: int = BEAMS
) -> list[Completion]:
    """Ranked ways to add ``missing`` atoms to a structure, the most probable first; maybe none.

    Parameters
    ----------
    propose
        Ranked proposals for structures, as ``scoring.proposer(model)`` makes them.
    ranks
        Completions given at most.
    beams
        Partial completions kept on the way.

    Raises
    ------
    ValueError
        More or fewer than one structure, no atom in it, or no atom asked for.
    """
    if len(structure) != 1 or structure.n_atoms == 0:
        given = f"{len(structure)} structures of {structure.n_atoms} atoms"
        raise ValueError(f"{given} to complete; give one structure that has atoms")
    if missing < 1 or ranks < 1 or beams < 1:
        raise ValueError(f"missing={missing}, ranks={ranks}, beams={beams}: each has to be 1 or more")
    none = structure.positions.new_zeros(0, 3), structure.numbers.new_zeros(0)
    kept = [Completion(*none, 1.0)]
    for _ in range(missing):
        kept = _continued(propose, structure, kept[: max(ranks, beams)]) if kept else []
    total = sum(c.probability for c in kept)
    if missing > 1 and total > 0:
        kept = [replace(c, probability=c.probability / total) for c in kept]
    return kept[:ranks]


def added(structure: Structures, completion: Completion) -> Structures:
    """The structure with a completion's atoms at its end, without labels."""
    n = len(completion.numbers)
    return Structures(
        torch.cat([structure.positions, completion.positions.to(structure.positions)]),
        torch.cat([structure.numbers, completion.numbers]),
        structure.cell,
        structure.pbc,
        torch.cat([structure.structure, structure.structure.new_zeros(n)]),
        ids=structure.ids,
    )


def _continued(propose: Propose, s: Structures, kept: Sequence[Completion]) -> list[Completion]:
    """Each completion with one atom more: all that differ, the most probable first."""
    given = propose(Structures.concatenate([added(s, c) for c in kept]))
    children = []
    for i, parent in enumerate(kept):
        for k in range(given.numbers.shape[1]):
            if int(given.numbers[i, k]) == 0:
                continue
            sure = float(given.probabilities[i, k])
            x = torch.cat([parent.positions, given.positions[i, k : k + 1].to(parent.positions)])
            z = torch.cat([parent.numbers, given.numbers[i, k : k + 1]])
            children.append((Completion(x, z, parent.probability * sure), i))
    found: list[Completion] = []
    ways: list[set[int]] = []
    for child, parent in sorted(children, key=lambda c: -c[0].probability):
        same = next((k for k, other in enumerate(found) if _same(child, other, s)), None)
        if same is None:
            found.append(child)
            ways.append({parent})
        elif parent not in ways[same]:
            total = min(1.0, found[same].probability + child.probability)
            found[same] = replace(found[same], probability=total)
            ways[same].add(parent)
    return sorted(found, key=lambda c: -c.probability)


def _same(a: Completion, b: Completion, s: Structures) -> bool:
    """Whether two completions place the same elements at the same places."""
    if not torch.equal(a.numbers.sort().values, b.numbers.sort().values):
        return False
    n = len(a.numbers)
    away = (a.positions.unsqueeze(1) - b.positions.unsqueeze(0)).flatten(0, 1)
    away = nearest_image(away, s.cell.expand(n * n, 3, 3), s.pbc.expand(n * n, 3)).norm(dim=1).view(n, n)
    pairs = (away < SAME) & (a.numbers.unsqueeze(1) == b.numbers)
    return bool(pairs.any(1).all() and pairs.any(0).all())
