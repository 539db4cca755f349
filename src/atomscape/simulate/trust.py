"""Trust: how sure a potential is of a structure, and whether that lies outside of what training has seen.

From the uncertainty of a run's last layers (``learn.uncertainty``); σ of forces is estimated by draws.

    energy_sigma     eV, per structure            forces_sigma   eV/Å, per component
    distance         leverage over the largest of the training set: above 1 the model extrapolates
    atom_distance    the same for each atom's share: where in the structure it does
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol, runtime_checkable

from atomscape.atoms.graph import Graph
from atomscape.learn.checkpoint import load_model
from atomscape.learn.uncertainty.file import UNCERTAINTY, load_uncertainty
from atomscape.learn.uncertainty.fit import LastLayerUncertainty
from atomscape.learn.uncertainty.predict import uncertain
from atomscape.shapes import Tensor
from atomscape.simulate.ensemble import Runs
from atomscape.simulate.potential import ModelPotential, Potential

DRAWS = 8
"""Draws of the last weights for σ of forces: it is then known to a quarter, for so many backward passes."""


@runtime_checkable
class Trust(Protocol):
    """How sure a prediction is, by the names above."""

    def __call__(self, graph: Graph, forces: bool = False) -> Mapping[str, Tensor]:
        """For every structure of a graph; σ of forces where asked."""
        ...


@dataclass(frozen=True, eq=False)
class LastLayerTrust:
    """From the last layers of the potential's own model."""

    potential: ModelPotential
    uncertainty: LastLayerUncertainty

    def __call__(self, graph: Graph, forces: bool = False) -> Mapping[str, Tensor]:
        """One pass of the encoder; with forces ``DRAWS`` backward passes."""
        wanted = ("forces",) if forces else ()
        p = self.potential
        found = uncertain(p.model, self.uncertainty, graph, p.dataset, wanted, DRAWS)
        energy = found["energy"]
        said = {
            "energy_sigma": energy.sigma,
            "distance": energy.distance,
            "atom_distance": energy.atom_distance,
        }
        return said | ({"forces_sigma": found["forces"].sigma} if forces else {})


def trust_of(what: Runs, potential: Potential) -> Trust | None:
    """What a run's folder knows of its own uncertainty; None where nothing was fitted.

    Raises
    ------
    ValueError
        It was fitted to other weights.
    """
    folder = Path(what) if isinstance(what, str | Path) else None
    if folder is None or not isinstance(potential, ModelPotential) or not (folder / UNCERTAINTY).is_file():
        return None
    device = next(potential.model.parameters()).device
    return LastLayerTrust(potential, load_uncertainty(folder, load_model(folder, device)))
