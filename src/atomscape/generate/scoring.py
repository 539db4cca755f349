"""Scores of a model that finds missing atoms: every atom of every structure is removed and asked for.

A proposal is *right* if it is of the element that was removed and not farther than 0.5 Å from where that
atom stood (Thomas et al. 2018). Most atoms of a molecule are hydrogen, so beside the share of right first
proposals stands its mean over elements, which is not deaf to the rare ones.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields
from typing import Any

import numpy as np
import torch
from ase.data import chemical_symbols

from atomscape.atoms.nearest_image import nearest_image
from atomscape.atoms.neighbours import neighbour_graph
from atomscape.atoms.structures import Structures
from atomscape.data.store import Store
from atomscape.generate.calibration import reliability
from atomscape.generate.removals import Removals, removals
from atomscape.learn.evaluate import evaluating
from atomscape.learn.model import Model
from atomscape.nn.proposals import Proposals

NEAR = 0.5
"""Å; a proposal of the right element that is not farther off is right."""

RANKS = 3
"""Proposals that are looked at."""

Propose = Callable[[Structures], Proposals]


@dataclass(frozen=True, eq=False)
class Answers:
    """One row per removal: what was asked, and what the proposals were worth.

    ``row`` and ``atom`` say which atom of which structure was removed, ``number`` its element. ``distance``
    (Å) and ``proposed`` belong to the first proposal, ``probability`` is what the model gave it, ``rank`` the
    first proposal that is right (from 0; ``RANKS`` if none is), ``loss`` −log p of the truth in nats, NaN
    where the model has no density.
    """

    row: np.ndarray
    atom: np.ndarray
    number: np.ndarray
    proposed: np.ndarray
    distance: np.ndarray
    probability: np.ndarray
    rank: np.ndarray
    loss: np.ndarray

    def __len__(self) -> int:
        """Return the number of removals."""
        return len(self.row)

    @property
    def right(self) -> np.ndarray:
        """Where the first proposal is right."""
        return self.rank == 0


def proposer(model: Model, ranks: int = RANKS) -> Propose:
    """Proposals of a trained model.

    Raises
    ------
    LookupError
        The model was not trained to find missing atoms.
    """
    if "missing_atoms" not in model.properties:
        raise LookupError(
            f"this model predicts {', '.join(model.properties)}; missing atoms are proposed by one that was "
            "trained on missing_atoms"
        )
    key = next(h.key for h in model.architecture.heads if h.predicts.name == "missing_atoms")
    head: Any = model.heads[key]
    device = next(model.parameters()).device

    def propose(structures: Structures) -> Proposals:
        graph = neighbour_graph(structures, model.cutoff).to(device)
        with evaluating(model):
            return head.proposals(model(graph)["missing_atoms"], graph, ranks)

    return propose


def ask(
    propose: Propose,
    data: Store | Structures,
    rows: Sequence[int] | np.ndarray | None = None,
    atoms: int = 4096,
    progress: Callable[[int], None] = lambda done: None,
) -> Answers:
    """Remove every atom of the structures ``rows`` (None: all) in turn and judge what is proposed.

    Parameters
    ----------
    propose
        Ranked proposals for structures that lack one atom each.
    atoms
        About how many atoms are given to it at once.
    progress
        Called with the number of removals done.
    """
    parts, done = [], 0
    for asked in removals(data, rows, atoms):
        parts.append(judged(asked, propose(asked.structures)))
        done += len(asked)
        progress(done)
    if not parts:
        raise ValueError("no atom can be removed: there is no structure of two atoms or more")
    return Answers(*(np.concatenate([getattr(p, f.name) for p in parts]) for f in fields(Answers)))


def judged(asked: Removals, given: Proposals) -> Answers:
    """Compare proposals with what was removed; in crystals by the nearest image."""
    s, n = asked.structures, len(asked)
    places, numbers = given.positions[:, :RANKS].cpu().double(), given.numbers[:, :RANKS].cpu()
    ranks = places.shape[1]
    off = (places - asked.positions.unsqueeze(1)).flatten(0, 1)
    cell, pbc = s.cell.repeat_interleave(ranks, 0), s.pbc.repeat_interleave(ranks, 0)
    distance = nearest_image(off, cell, pbc).norm(dim=1).view(n, ranks)
    right = (numbers == asked.numbers.unsqueeze(1)) & (distance <= NEAR)
    rank = torch.where(right.any(1), right.int().argmax(1), RANKS)
    loss = torch.full((n,), torch.nan)
    if given.log_density is not None:
        loss = -given.log_density(asked.positions, asked.numbers).cpu()
    first = given.probabilities[:, 0].cpu()
    columns = (asked.row, asked.atom, asked.numbers, numbers[:, 0], distance[:, 0], first, rank, loss)
    return Answers(*(c.detach().numpy() for c in columns))


def report(answers: Answers) -> dict[str, Any]:
    """All scores as plain data: each with the number of removals (or elements) it is over.

    ``accuracy`` is the share of right first proposals, ``top_3_accuracy`` of those with a right one among the
    first three, ``distance_mae`` (Å) runs over all first proposals, right or wrong; ``balanced_accuracy`` and
    ``balanced_element_accuracy`` are means over elements. ``nll`` (nats) and ``calibration`` are None where
    the model has no density, or gives no probabilities.
    """
    elements = {
        chemical_symbols[z]: _scores(answers, answers.number == z) for z in np.unique(answers.number).tolist()
    }
    known = np.isfinite(answers.loss)
    sure = np.isfinite(answers.probability)
    return {
        "structures": len(np.unique(answers.row)),
        **_scores(answers, np.ones(len(answers), dtype=bool)),
        "balanced_accuracy": _balanced(elements, "accuracy"),
        "balanced_element_accuracy": _balanced(elements, "element_accuracy"),
        "nll": _mean(answers.loss[known]) if known.any() else None,
        "calibration": reliability(answers.probability[sure], answers.right[sure]) if sure.any() else None,
        "elements": elements,
    }


def _scores(answers: Answers, chosen: np.ndarray) -> dict[str, Any]:
    distance = answers.distance[chosen]
    return {
        "accuracy": _mean(answers.right[chosen]),
        "element_accuracy": _mean((answers.proposed == answers.number)[chosen]),
        "within_0.5": _mean(distance <= NEAR),
        "distance_mae": _mean(distance),
        "top_3_accuracy": _mean((answers.rank < RANKS)[chosen]),
    }


def _mean(values: np.ndarray) -> dict[str, float | int]:
    return {"value": float(values.mean()), "count": len(values)}


def _balanced(elements: dict[str, Any], score: str) -> dict[str, float | int]:
    return _mean(np.array([scores[score]["value"] for scores in elements.values()]))
