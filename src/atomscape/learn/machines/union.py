"""One optimiser step on a union of batches: taken one after the other, each by its process, or both.

A loss is a mean over known labels, so the mean of the gradients of parts is not the gradient of the whole
where parts know different numbers of labels. The known labels N of each term are counted over the union
first; then a part contributes

    Σ_terms weight · (Σ over the part of ℓ) / N

and all parts together give what one process gives for one batch of them all, to rounding.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import numpy as np
import torch

from atomscape.atoms.graph import Graph
from atomscape.learn.machines.ranks import Ranks
from atomscape.learn.objectives import Term, term_sums
from atomscape.shapes import Float, Int, Tensor

Part = tuple[Graph, Int[Tensor, " structures"]]
Sums = Sequence[tuple[Float[Tensor, ""], Int[Tensor, ""]]]


def parts_of(group: Sequence[np.ndarray], ranks: Ranks) -> tuple[list[np.ndarray], bool]:
    """Batches of a group that this process takes, and whether they count.

    At the end of an epoch there may be fewer batches than processes. A process without one takes the first,
    for nothing: gradients are exchanged by all or not at all.
    """
    mine = list(ranks.mine(group))
    return (mine, True) if mine else ([group[0]], False)


def known_labels(
    terms: Sequence[Term],
    model: Callable[..., Mapping[str, Tensor]],
    parts: Sequence[Part],
    counts: bool,
    ranks: Ranks,
) -> list[int] | None:
    """Known labels of each term in the union of all parts of all processes; None where the part is all.

    A head that judges itself says what it knows together with its losses: for those the parts are predicted
    once more, without gradients.
    """
    if len(parts) == 1 and ranks.count == 1:
        return None
    numbers = torch.zeros(len(terms), dtype=torch.float64)
    own = any(t.own is not None for t in terms)
    with torch.no_grad(), torch.random.fork_rng(enabled=own):
        for graph, dataset in parts:
            predictions = model(graph, dataset) if own else graph.structures.labels
            found = [float(n) for _, n in term_sums(terms, predictions, graph, dataset)]
            numbers += torch.tensor(found, dtype=torch.float64) * counts
    return [int(n) for n in ranks.summed(numbers.tolist())]


def share_of_loss(
    weighting: Callable[[Sequence[Term], Sums], Tensor], terms: Sequence[Term], sums: Sums, first: bool
) -> Float[Tensor, ""]:
    """What one part adds to the loss; what a weighting adds by itself comes with the ``first`` part only."""
    loss = weighting(terms, sums)
    if first:
        return loss
    return loss - weighting(terms, [(torch.zeros_like(s), n) for s, n in sums])


def share(sums: Sums, known: Sequence[int] | None, counts: bool, ranks: Ranks) -> Sums:
    """Sums of one part, to be divided by the known labels of the union.

    They are multiplied by the number of processes, because gradients are averaged over those.
    """
    if known is None:
        return sums
    factor = float(ranks.count * counts)
    return [(s * factor, torch.full_like(k, n)) for (s, k), n in zip(sums, known, strict=True)]
