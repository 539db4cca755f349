"""Several runs as one potential: their mean moves the atoms, their spread says how far it can be trusted.

    potential = load_runs(["runs/a", "runs/b", "runs/c"])      # or the ensemble.json of atomscape uncertainty
    found = potential(graph, ("forces", "stress"))             # and energy_sigma, forces_sigma, stress_sigma

    value = mean over members,    σ² = Σ (member − value)² / (k − 1)

The mean of energies has the mean of forces as its derivative, so it is conserved. σ is the bare spread of a
list of runs; an ``ensemble.json`` has scales that were fitted to errors (``learn.uncertainty.ensemble``), and
they are used for what they were fitted to. Neighbours are searched once, for the longest cutoff.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import torch

from atomscape.atoms.graph import Graph
from atomscape.atoms.neighbours import neighbour_graph
from atomscape.atoms.properties import Property
from atomscape.atoms.structures import Structures
from atomscape.learn.evaluate import batches_in_order
from atomscape.learn.run_folder import BEST
from atomscape.learn.uncertainty.calibrate import Scale
from atomscape.learn.uncertainty.ensemble_file import ENSEMBLE, load_ensemble
from atomscape.learn.uncertainty.last_layers import sizes_of
from atomscape.shapes import Float, Tensor
from atomscape.simulate.loading import RunOrModel, load_potential
from atomscape.simulate.potential import ModelPotential, Potential, Trained
from atomscape.simulate.rows import longest
from atomscape.simulate.skin import within

SPREAD = ("energy", "forces", "stress")
"""Of what the spread is told, as NAME_sigma."""

Runs = RunOrModel | Sequence[RunOrModel]
"""A run, a model file or a model; several of them; or the ``ensemble.json`` that joins runs (its folder)."""


@dataclass(frozen=True, eq=False)
class EnsemblePotential:
    """Members, and the scales (by property) that make their spread a σ."""

    members: tuple[ModelPotential, ...]
    scales: Mapping[str, Scale] = field(default_factory=dict)

    @property
    def cutoff(self) -> float:
        """Longest cutoff of the members in Å."""
        return max(member.cutoff for member in self.members)

    @property
    def inputs(self) -> tuple[str, ...]:
        """Labels that any member reads."""
        return tuple(dict.fromkeys(name for member in self.members for name in member.inputs))

    @property
    def properties(self) -> Mapping[str, Property]:
        """What all members predict."""
        others = [member.properties for member in self.members[1:]]
        return {k: p for k, p in self.members[0].properties.items() if all(k in o for o in others)}

    @property
    def hash(self) -> str:
        """SHA-256 over the members' hashes."""
        return hashlib.sha256(" ".join(member.hash for member in self.members).encode()).hexdigest()

    def __call__(self, graph: Graph, wanted: Sequence[str] = ("forces",)) -> Mapping[str, Tensor]:
        """Means of what all members predict, and σ of energy, forces and stress."""
        said = [member(self._own(graph, member), wanted) for member in self.members]
        found: dict[str, Tensor] = {}
        for name in said[0]:
            if not all(name in one for one in said):
                continue
            values = torch.stack([one[name].double() for one in said])
            found[name] = values.mean(0)
            if name in SPREAD:
                found[f"{name}_sigma"] = self._sigma(name, values.var(0, correction=1), graph.structures)
        return found

    def energies(self, graph: Graph) -> Float[Tensor, " atoms"]:
        """Mean over members of each atom's share of the energy."""
        said = [member.energies(self._own(graph, member)).double() for member in self.members]
        return torch.stack(said).mean(0)

    def check(self, structures: Structures) -> None:
        """Raise ``ValueError`` for elements that one of the members has never seen."""
        for member in self.members:
            member.check(structures)

    def _own(self, graph: Graph, member: ModelPotential) -> Graph:
        return graph if member.cutoff == graph.cutoff else within(graph, member.cutoff)

    def _sigma(self, name: str, variance: Tensor, s: Structures) -> Tensor:
        scale = self.scales.get(name)
        if scale is not None:
            variance = scale.variance(variance, sizes_of(self.members[0].properties[name], s).to(variance))
        return variance.sqrt()


def load_runs(
    runs: Runs,
    dataset: str | None = None,
    dtype: str | None = None,
    device: torch.device | str = "cpu",
    tables: bool = True,
) -> Trained:
    """One run as ``load_potential`` has it, several as an ensemble.

    Raises
    ------
    ValueError
        As of ``load_potential``; two of the runs are the same; or weights are others than when an ensemble
        was calibrated.
    """
    options = {"dataset": dataset, "dtype": dtype, "device": device, "tables": tables}
    if isinstance(runs, str | Path) and _joins_runs(Path(runs)):
        known = load_ensemble(runs)
        members = [load_potential(model, **options) for model in known.models]
        return EnsemblePotential(tuple(members), known.spread)
    if isinstance(runs, RunOrModel):
        return load_potential(runs, **options)
    if len(runs) == 1:
        return load_potential(runs[0], **options)
    members = [load_potential(run, **options) for run in runs]
    hashes = [member.hash for member in members]
    for k, one in enumerate(hashes):
        if one in hashes[:k]:
            raise ValueError(
                f"runs {hashes.index(one) + 1} and {k + 1} have the same weights, so they cannot disagree; "
                "give runs that differ in their seed"
            )
    return EnsemblePotential(tuple(members))


def _joins_runs(path: Path) -> bool:
    """Whether it is the file of an ensemble, or a folder of one that is no run itself."""
    return path.suffix == ".json" or ((path / ENSEMBLE).is_file() and not (path / BEST).is_file())


@dataclass(frozen=True, eq=False)
class Doubt:
    """σ of the energy of each structure (eV), and the largest σ of a force on one of its atoms (eV/Å)."""

    energy: Float[Tensor, " structures"]
    force: Float[Tensor, " structures"]


def doubt(potential: Potential, structures: Structures) -> Doubt | None:
    """How far the members of an ensemble disagree; None where there is one model only."""
    energy, force = [], []
    for span in batches_in_order(structures.counts):
        part = structures[list(span)]
        found = potential(neighbour_graph(part, potential.cutoff), ("forces",))
        if "energy_sigma" not in found:
            return None
        energy.append(found["energy_sigma"].double())
        force.append(longest(found["forces_sigma"].double(), part.structure, len(part)))
    return Doubt(torch.cat(energy), torch.cat(force)) if energy else None


def doubtful(potential: Potential) -> Callable[[Structures], Doubt | None] | None:
    """``doubt`` of an ensemble, as a function of structures; None of any other potential."""
    return partial(doubt, potential) if isinstance(potential, EnsemblePotential) else None
