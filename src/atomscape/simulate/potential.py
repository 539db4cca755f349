"""Potential: what a simulation needs of a model, and two ways to have one.

    found = potential(graph, ("forces", "stress"))    # energy eV, forces eV/Å, stress eV/Å³, tension positive

A trained model is one (``ModelPotential``), and so is any energy that can be differentiated
(``EnergyFunction``): forces and stress follow as −∂E/∂r and (1/V) ∂E/∂ε. Structures of a batch do not touch.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import torch

from atomscape.atoms.graph import Graph
from atomscape.atoms.properties import Property
from atomscape.atoms.structures import Structures
from atomscape.learn.evaluate import evaluating
from atomscape.learn.model import Model, per_volume, strained_leaves
from atomscape.shapes import Float, Tensor


@runtime_checkable
class Potential(Protocol):
    """Energy of each structure and, where ``wanted`` names them, forces and stress, all float64."""

    @property
    def cutoff(self) -> float:
        """Cutoff of the neighbour graph in Å."""
        ...

    def __call__(self, graph: Graph, wanted: Sequence[str] = ("forces",)) -> Mapping[str, Tensor]:
        """Energy, and the derivatives that are wanted, without a graph of derivatives."""
        ...

    def check(self, structures: Structures) -> None:
        """Raise ``ValueError`` for structures that it knows nothing of; called when a simulation starts."""
        ...


@runtime_checkable
class Trained(Potential, Protocol):
    """A potential that was learned: one model, or several."""

    @property
    def hash(self) -> str:
        """Equal hashes mean equal predictions."""
        ...

    @property
    def inputs(self) -> tuple[str, ...]:
        """Labels that it reads."""
        ...

    @property
    def properties(self) -> Mapping[str, Property]:
        """Every property that it predicts."""
        ...

    def energies(self, graph: Graph) -> Float[Tensor, " atoms"]:
        """Each atom's share of the energy in eV."""
        ...


@dataclass(frozen=True, eq=False)
class EnergyFunction:
    """A potential from an energy per structure, written in torch; zero from ``cutoff`` (Å) on."""

    energy: Callable[[Graph], Float[Tensor, " structures"]]
    cutoff: float

    def __call__(self, graph: Graph, wanted: Sequence[str] = ("forces",)) -> Mapping[str, Tensor]:
        """Energy and derivatives."""
        with torch.enable_grad():
            strained, positions, strain = strained_leaves(graph)
            energy = self.energy(strained)
            d_positions, d_strain = torch.autograd.grad(
                energy.sum() + 0 * positions.sum(), (positions, strain), materialize_grads=True
            )
        found = {"energy": energy.detach()}
        if "forces" in wanted:
            found["forces"] = -d_positions
        if "stress" in wanted:
            found["stress"] = per_volume(d_strain, graph)
        return found

    def check(self, structures: Structures) -> None:
        """Nothing is unknown to a formula."""


@dataclass(frozen=True, eq=False)
class ModelPotential:
    """A trained model with an energy, as one of its datasets has it.

    ``elements`` are the atomic numbers that training has seen; None where nobody knows. ``inputs`` are the
    labels that the network reads.
    """

    model: Model
    dataset: str | None = None
    elements: frozenset[int] | None = None
    inputs: tuple[str, ...] = ()

    @property
    def cutoff(self) -> float:
        """Cutoff of the neighbour graph in Å."""
        return self.model.cutoff

    @property
    def hash(self) -> str:
        """That of the model."""
        return self.model.hash

    @property
    def properties(self) -> Mapping[str, Property]:
        """Every property that the model predicts."""
        return self.model.properties

    def __call__(self, graph: Graph, wanted: Sequence[str] = ("forces",)) -> Mapping[str, Tensor]:
        """Every property that the model predicts, and the derivatives that are wanted, where the graph is."""
        there, here = next(self.model.parameters()).device, graph.structures.device
        with evaluating(self.model):
            found = self.model(graph.to(there), self.dataset, tuple(wanted))
        return {name: value.to(here) for name, value in found.items()}

    def energies(self, graph: Graph) -> Float[Tensor, " atoms"]:
        """Each atom's share of the energy, its reference energy included (eV); their sum is the energy."""
        with evaluating(self.model):
            return energies_of_atoms(self.model, graph, self.dataset)

    def check(self, structures: Structures) -> None:
        """Raise ``ValueError`` that names the elements which training has never seen."""
        from ase.data import chemical_symbols

        if self.elements is None:
            return
        strangers = sorted(set(structures.numbers.unique().tolist()) - self.elements)
        if strangers:
            names, known = (
                ", ".join(chemical_symbols[z] for z in some) for some in (strangers, sorted(self.elements))
            )
            raise ValueError(
                f"{names} was never seen in training, so what the model says of it is arbitrary; it was "
                f"trained on {known}"
            )


def energies_of_atoms(model: Model, graph: Graph, dataset: str | None) -> Float[Tensor, " atoms"]:
    """Each atom's share of the energy in eV, differentiable.

    The heads sum over the atoms of a structure: asked with every atom as a structure of its own, they give
    the shares.
    """
    s = graph.structures
    alone = Structures(
        s.positions,
        s.numbers,
        s.cell[s.structure],
        s.pbc[s.structure],
        torch.arange(s.n_atoms, device=s.device),
    )
    index = model.dataset_index(dataset, graph)[s.structure]
    return model.read(model.encoder(graph), graph.with_structures(alone), index, ("energy",))["energy"]
