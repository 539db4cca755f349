"""A regulariser and no prediction: features that vary from atom to atom, each in its own way.

VICReg (Bardes, Ponce, LeCun 2022, arXiv:2105.04906) keeps features from collapsing by their variance over a
batch and by their covariance, eq. 1 to 4. Here each degree l and parity is taken by itself, and both so that
no rotation changes them. With features x[a, m, c] of atoms a::

    C[c, d] = mean over a and m of x[a, m, c] x[a, m, d],    for true scalars about their mean over a
    v = mean_c max(0, γ − √(s[c] + ε)),                        s[c] = C[c, c]                       (eq. 1, 2)
    k = (1/channels) Σ_{c ≠ d} C[c, d]²                                                            (eq. 3, 4)
    loss = Σ_l weight[l] (variance · v + covariance · k)

C is the covariance of the components m of all structures seen from all directions: over rotations their
mean is zero, components m ≠ m' are uncorrelated, and all m have the same covariance (Schur's lemma). With
``variance_of: norms`` s[c] is the variance over atoms of what heads read of the block, the mean square over
m, so that sizes have to differ and not only directions.

Where a crystal's symmetry makes features zero, x is zero and with it the gradient of everything here: x
enters by squares, and the root is of ε at least. A batch is judged as a whole, so the loss of a structure is
that of its batch: it depends on which others are there (and with several processes on each one's share).
"""

from __future__ import annotations

from typing import Literal

import torch
from pydantic import BaseModel, ConfigDict, Field
from torch import nn

from atomscape.atoms.graph import Graph
from atomscape.atoms.properties import Property
from atomscape.atoms.structures import Structures
from atomscape.nn.embedding import Embedding
from atomscape.o3.irreps import Irreps
from atomscape.ops.invariants import power_spectrum
from atomscape.shapes import Float, Tensor


class Config(BaseModel):
    """Weights of the terms, as published, and of the degrees."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    variance: float = Field(25.0, ge=0)
    covariance: float = Field(1.0, ge=0)
    spread: float = Field(1.0, gt=0, description="γ: standard deviation from which on features vary enough")
    variance_of: Literal["features", "norms"] = "features"
    degrees: dict[int, float] = Field({}, description="degree → weight; one that is not named has weight 1")


class Decorrelate(nn.Module):
    """Has no parameters: its gradients go to the encoder. ``error_unit``: an error is the loss itself."""

    error_unit = "1"

    def __init__(self, config: Config, irreps: Irreps, properties: tuple[Property, ...]) -> None:
        super().__init__()
        if [p.name for p in properties] != ["feature_decorrelation"]:
            raise ValueError(
                f"head 'decorrelate' gives feature_decorrelation; asked for {[p.name for p in properties]}"
            )
        absent = sorted(set(config.degrees) - {ir.l for _, ir in irreps})
        if absent:
            raise ValueError(
                f"head 'decorrelate': weight for degree {absent[0]}, and the encoder gives {irreps}"
            )
        self.config, self.provides = config, properties

    def forward(self, embedding: Embedding, graph: Graph) -> dict[str, Float[Tensor, " structures"]]:
        """Loss of the batch, once for each structure, in float64."""
        c, total = self.config, torch.zeros((), dtype=torch.float64, device=graph.structures.device)
        for (l, p), block in embedding.blocks.items():
            weight = c.degrees.get(l, 1.0)
            if weight:
                v, k = spread_and_covariance(block.double(), (l, p), c.spread, c.variance_of == "norms")
                total = total + weight * (c.variance * v + c.covariance * k)
        return {"feature_decorrelation": total.expand(len(graph.structures))}

    def losses(self, prediction: Float[Tensor, " structures"], graph: Graph) -> Float[Tensor, " structures"]:
        """The prediction is the loss."""
        return prediction

    def errors(self, prediction: Float[Tensor, " structures"], graph: Graph) -> Float[Tensor, " structures"]:
        """The loss."""
        return prediction

    def example(self, structures: Structures) -> Structures:
        """Structures as they are: no label is read."""
        return structures


EPSILON = 1e-4
"""ε of the root, as published."""


def spread_and_covariance(
    block: Float[Tensor, "atoms m channels"], key: tuple[int, int], spread: float, norms: bool = False
) -> tuple[Float[Tensor, ""], Float[Tensor, ""]]:
    """V and k of one block with (degree, parity) ``key``; zero without atoms."""
    atoms, m, channels = block.shape
    invariant = key[0] == 0 and key[1] != -1
    if not atoms:
        return block.sum(), block.sum()
    x = block - block.mean(0) if invariant else block
    C = torch.einsum("amc,amd->cd", x, x) / (max(atoms - 1, 1) if invariant else atoms * m)
    s = C.diagonal()
    if norms and not invariant:
        s = power_spectrum(block).var(0, correction=min(1, atoms - 1))
    v = (spread - (s + EPSILON).sqrt()).relu().mean()
    k = (C.square().sum() - C.diagonal().square().sum()) / channels
    return v, k


def build(config: Config, irreps: Irreps, properties: tuple[Property, ...]) -> Decorrelate:
    """Make the head for an encoder of these irreps."""
    return Decorrelate(config, irreps, properties)
