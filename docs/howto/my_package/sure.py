"""Sort structures by whether a run can be trusted with them."""

from __future__ import annotations

from pathlib import Path

from atomscape.atoms.structures import Structures
from atomscape.learn.checkpoint import load_model
from atomscape.learn.uncertainty.file import load_uncertainty
from atomscape.learn.uncertainty.predict import predict_uncertain


def sure(run: Path, structures: Structures, name: str, largest: float) -> tuple[list[int], list[int]]:
    """Numbers of the structures whose σ is at most ``largest``, and of those that lie too far away."""
    model = load_model(run)
    uncertainty = load_uncertainty(run, model)
    trusted, far, first = [], [], 0
    for batch, found in predict_uncertain(model, uncertainty, structures, derivatives=()):
        prediction = found[name]
        for k in range(len(batch)):
            if prediction.extrapolates[k]:
                far.append(first + k)
            elif prediction.sigma[k] <= largest:
                trusted.append(first + k)
        first += len(batch)
    return trusted, far
