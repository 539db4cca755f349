"""Electric dipole of a molecule from charges and dipoles of its atoms, and its magnitude.

    μ = Σ_a q_a (r_a − r_0) + Σ_a μ_a                      Σ_a q_a = Q
    |μ| ≈ √(μ² + ε²) − ε                                   ε = 10⁻³ e·Å

The charges q are read off the invariants of each atom and add up to the total charge Q exactly
(``nn.partial_charges``), so that μ does not change when a molecule is moved; of an ion it is that about r_0,
its centre of mass or of nuclear charge, as programs of quantum chemistry do. The dipoles μ_a are linear in
vectors (1o), each channel weighed by a gate of the invariants; an encoder without vectors leaves them out.
Both parts together: Veit, Wilkins, Yang, DiStasio, Ceriotti, J. Chem. Phys. 153, 024113 (2020); with a
network of messages: Schütt, Unke, Gastegger, ICML 2021 (PaiNN). Charges alone: Gastegger, Behler, Marquetand,
Chem. Sci. 8, 6924 (2017); Schütt et al., J. Chem. Theory Comput. 15, 448 (2019) (SchNetPack).

The magnitude is smooth at μ = 0, where a norm has no derivative; it is less than |μ| by at most ε = 0.005 D.

A periodic structure has no dipole of charges: moving one by a lattice vector would change it. The prediction
is NaN there, and labels there are refused before training.
"""

from __future__ import annotations

from typing import Literal

import torch
from ase.data import atomic_masses
from pydantic import BaseModel, ConfigDict, Field
from torch import nn

from atomscape.atoms.graph import Graph
from atomscape.atoms.properties import Property
from atomscape.atoms.structures import Structures
from atomscape.nn.blocks import block_of, channels_of
from atomscape.nn.embedding import Embedding
from atomscape.nn.gated_vector import GatedVector
from atomscape.nn.partial_charges import PartialCharges, Share, total_charge
from atomscape.nn.species import N_ELEMENTS
from atomscape.o3.irreps import Irrep, Irreps
from atomscape.ops.segment import segment_sum
from atomscape.shapes import Bool, Float, Tensor

SMOOTH = 1e-3
"""e·Å, ε: over which length the magnitude is rounded off at zero."""

VECTOR = Irrep("1o")


class Config(BaseModel):
    """Hyper-parameters; ``reads`` are labels that enter where they are known."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    hidden: int = Field(64, ge=1)
    centre: Literal["mass", "nuclear_charge"] = Field("mass", description="r_0, about which ions are taken")
    share: Share = Field("uniform", description="how the total charge is handed out to the atoms")
    reads: tuple[Literal["total_charge"], ...] = Field(
        ("total_charge",), description="net charge; taken as 0 where not known, or with an empty list"
    )


class DipoleHead(nn.Module):
    """Reads invariants and, where there are any, vectors; ``scale`` (e, and e·Å) is fitted to the labels.

    ``undefined`` says what to do where labels stand at structures that are not ``defined``.
    """

    references: Float[Tensor, " elements"]
    scale: Float[Tensor, ""]
    weights: Float[Tensor, " elements"]

    undefined = (
        "a periodic structure has no dipole of charges, for moving one by a lattice vector changes it. Mark "
        "molecules in a box as not periodic, or take `head: {kind: tensor}`, which adds up dipoles of atoms"
    )

    def __init__(self, config: Config, irreps: Irreps, properties: tuple[Property, ...]) -> None:
        super().__init__()
        if len(properties) != 1 or not _is_dipole(properties[0]):
            raise ValueError(
                "head 'dipole' gives dipole (a vector per structure) or dipole_norm, in e·Å; asked for "
                f"{[p.name for p in properties]}"
            )
        self.config, self.provides = config, properties
        features = sum(mul for mul, _ in irreps)
        self.charges = PartialCharges(features, config.hidden, config.share)
        channels = channels_of(VECTOR, irreps)
        self.vectors = GatedVector(channels, features, config.hidden) if channels else None
        of_mass = config.centre == "mass"
        weights = torch.tensor(atomic_masses) if of_mass else torch.arange(N_ELEMENTS).double()
        self.register_buffer("weights", weights, persistent=False)
        self.register_buffer("references", torch.zeros(N_ELEMENTS, dtype=torch.float64))
        self.register_buffer("scale", torch.ones((), dtype=torch.float64))

    def forward(self, embedding: Embedding, graph: Graph) -> dict[str, Float[Tensor, "structures *three"]]:
        """Predict, in float64."""
        s, p, x = graph.structures, self.provides[0], embedding.invariants()
        q = self.charges(x, s, total_charge(s, self.config.reads), self.scale, self.references)
        atoms = q.unsqueeze(1) * self._from_centre(s)
        if self.vectors is not None:
            atoms = atoms + self.vectors(block_of(embedding, VECTOR), x).double() * self.scale
        value = segment_sum(atoms, s.structure, len(s))
        if not p.shape:
            value = (value.square().sum(1) + SMOOTH**2).sqrt() - SMOOTH
        known = self.defined(s).view(-1, *[1] * len(p.shape))
        return {p.name: torch.where(known, value, torch.nan)}

    def defined(self, structures: Structures) -> Bool[Tensor, " structures"]:
        """Whether a structure has a dipole: where no direction is periodic."""
        return ~structures.pbc.any(1)

    def fit(self, structures: Structures) -> float:
        """Set the scale from structures whose label is known; return that of errors in the loss.

        Charges of ± ``scale`` at random would give dipoles as large as those of the labels.
        """
        p = self.provides[0]
        y = structures.labels[p.name].double()
        size = self._from_centre(structures).square().sum() / len(structures)
        mean_square = y.reshape(len(y), -1).square().sum(1).mean()
        if bool(size > 0) and bool(mean_square > 0):
            self.scale.copy_((mean_square / size).sqrt())
        rest = y / structures.counts.view(-1, 1) if p.shape else y - y.mean()
        spread = float(rest.square().mean().sqrt())
        return spread if spread > 1e-12 else 1.0

    def _from_centre(self, s: Structures) -> Float[Tensor, "atoms 3"]:
        """Positions relative to the centre of their structure, in Å, float64."""
        w = self.weights[s.numbers].to(torch.float64).unsqueeze(1)
        r = s.positions.to(torch.float64)
        centre = segment_sum(w * r, s.structure, len(s)) / segment_sum(w, s.structure, len(s))
        return r - centre[s.structure]


def _is_dipole(p: Property) -> bool:
    """A vector that adds up over parts, or its magnitude."""
    vector = p.shape == (3,) and p.irreps == Irreps(VECTOR) and p.extensive
    return p.per == "structure" and p.unit == "e·Å" and (vector or (not p.shape and not p.extensive))


def build(config: Config, irreps: Irreps, properties: tuple[Property, ...]) -> DipoleHead:
    """Make the head for an encoder of these irreps."""
    return DipoleHead(config, irreps, properties)
