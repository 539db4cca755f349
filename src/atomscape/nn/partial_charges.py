"""Partial charges whose sum over a structure is its total charge, exactly.

A network gives every atom a charge f_a of its own and, with ``share="hardness"``, a softness w_a > 0. What
the sum lacks of the total charge Q is handed out by softness::

    q_a = f_a + w_a (Q − Σ_b f_b) / Σ_b w_b

With w = 1 every atom gets the same (Unke & Meuwly, J. Chem. Theory Comput. 15, 3678 (2019), PhysNet). With
f = −χ/η and w = 1/η it is the minimum of Σ_a (χ_a q_a + η_a q_a²/2) under Σ q = Q, that is equalised
electronegativity χ at hardness η without Coulomb terms (Mortier, Ghosh, Shankar, J. Am. Chem. Soc. 108, 4315
(1986)): where a charge goes is learned, for instance to one end of a long molecule.
"""

from __future__ import annotations

from typing import Literal

import torch
from torch import nn

from atomscape.atoms.structures import Structures
from atomscape.ops.segment import segment_sum
from atomscape.shapes import Float, Tensor

Share = Literal["uniform", "hardness"]


class PartialCharges(nn.Module):
    """Charges of atoms in units of ``scale`` e, float64, from features that do not turn."""

    def __init__(self, features: int, hidden: int, share: Share) -> None:
        super().__init__()
        self.share = share
        outputs = 2 if share == "hardness" else 1
        self.net = nn.Sequential(nn.Linear(features, hidden), nn.SiLU(), nn.Linear(hidden, outputs))

    def forward(
        self,
        features: Float[Tensor, "atoms features"],
        structures: Structures,
        total: Float[Tensor, " structures"],
        scale: Float[Tensor, ""],
        references: Float[Tensor, " elements"],
    ) -> Float[Tensor, " atoms"]:
        """Charges in e: ``scale`` times the network, plus a reference per element, made to add up."""
        out = self.net(features).double()
        charges = out[:, 0] * scale + references[structures.numbers]
        softness = out[:, 1].exp() if self.share == "hardness" else torch.ones_like(charges)
        return with_total(charges, softness, total, structures)


def with_total(
    charges: Float[Tensor, " atoms"],
    softness: Float[Tensor, " atoms"],
    total: Float[Tensor, " structures"],
    structures: Structures,
) -> Float[Tensor, " atoms"]:
    """Charges that add up to ``total`` in every structure; what was missing is handed out by softness."""
    index, n = structures.structure, len(structures)
    missing = total - segment_sum(charges, index, n)
    return charges + softness * (missing / segment_sum(softness, index, n))[index]


def total_charge(structures: Structures, reads: tuple[str, ...]) -> Float[Tensor, " structures"]:
    """Label ``total_charge`` in e, float64, if it is among what is read; 0 where it is not known."""
    label = structures.labels.get("total_charge") if "total_charge" in reads else None
    if label is None:
        return torch.zeros(len(structures), dtype=torch.float64, device=structures.device)
    return torch.nan_to_num(label.double(), nan=0.0)
