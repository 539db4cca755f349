"""Self-conditioned denoising: a network denoises a structure knowing its own summary of the clean one.

After Perez and Gómez-Bombarelli 2026 (arXiv:2603.17196). The network runs twice. From the clean structure it
makes a code, from the noisy one, with the code, the noise::

    u = norm(mean over atoms of silu(W₁ x_a(clean) + b₁))
    code = norm(W₃ silu(W₂ u + b₂) + b₃)
    h_a ← h_a + V_n code      before layer n, on the true scalars

Denoising alone rewards local vectors. Here whatever of the whole structure helps to tell noise from geometry
pays if it is in the code, whose size keeps it from being a copy. Gradients flow through both runs, or with
``detach`` not through the first. In a share ``drop`` of the structures there is no code, so the network
denoises without one too, and a structure without noise, later, is embedded in one run as if it had none.

x_a are the invariants of an atom, norm subtracts the mean of a vector's entries and divides by their spread
(of ε at least): structures differ little in their means, and without it the code stays small and unused.
The paper lets the code scale and shift the features of attention blocks, sums over atoms, and replaces a
dropped code by a learned one; here it shifts scalars, is a mean, and is dropped to nothing. V starts at zero.
"""

from __future__ import annotations

from dataclasses import replace

import torch
from pydantic import BaseModel, ConfigDict, Field
from torch import nn

from atomscape.atoms.graph import Graph
from atomscape.atoms.neighbours import neighbour_graph
from atomscape.atoms.structures import Structures
from atomscape.nn.embedding import Embedding
from atomscape.o3.irreps import Irreps
from atomscape.ops.segment import segment_mean
from atomscape.shapes import Float, Tensor


class Config(BaseModel):
    """Size of the code, and when there is none."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    code: int = Field(16, ge=1, description="numbers that summarise a structure")
    drop: float = Field(0.2, ge=0, lt=1, description="share of structures in training that get no code")
    detach: bool = Field(False, description="no gradients through the run on the clean structure")


class SelfCondition(nn.Module):
    """Makes codes of embeddings, and what they add before each layer."""

    def __init__(self, config: Config, irreps: Irreps, channels: int, layers: int) -> None:
        super().__init__()
        self.config = config
        features = sum(mul for mul, _ in irreps)
        self.read = nn.Sequential(nn.Linear(features, channels), nn.SiLU())
        self.narrow = nn.Sequential(
            nn.LayerNorm(channels),
            nn.Linear(channels, channels),
            nn.SiLU(),
            nn.Linear(channels, config.code),
            nn.LayerNorm(config.code),
        )
        self.shifts = nn.ModuleList(nn.Linear(config.code, channels, bias=False) for _ in range(layers))
        for shift in self.shifts:
            nn.init.zeros_(shift.weight)  # pyright: ignore[reportArgumentType]

    def forward(self, embedding: Embedding, structures: Structures) -> Float[Tensor, "structures code"]:
        """Code of each structure; zero for those that get none."""
        x = embedding.invariants()
        x = x.detach() if self.config.detach else x
        pooled = segment_mean(self.read(x), structures.structure, len(structures))
        code = self.narrow(pooled)
        if not self.training:
            return code
        return code * (torch.rand(len(code), 1, dtype=code.dtype, device=code.device) >= self.config.drop)

    def added(
        self, h: Float[Tensor, "atoms lm channels"], code: Tensor, structures: Structures, layer: int
    ) -> Float[Tensor, "atoms lm channels"]:
        """Features before a layer with what the code adds to their true scalars, which stand first."""
        shift = self.shifts[layer](code)[structures.structure].unsqueeze(1)
        return torch.cat([h[:, :1] + shift, h[:, 1:]], 1)


def clean_graph(graph: Graph, cutoff: float) -> Graph | None:
    """Graph of the structures before noise and masks, as their labels say; None where they say nothing."""
    s = clean_structures(graph.structures)
    return None if s is None else neighbour_graph(s, cutoff)


def clean_structures(s: Structures) -> Structures | None:
    """Structures before a strain, noise of positions after it, and hidden elements; None without labels."""
    x, numbers, cell, labels = s.positions, s.numbers, s.cell, s.labels
    if not {"position_noise", "strain_noise", "masked_element"} & labels.keys():
        return None
    if "position_noise" in labels:
        x = x - labels["position_noise"].nan_to_num(0.0)
    if "strain_noise" in labels:
        strain = labels["strain_noise"].nan_to_num(0.0)
        back = torch.linalg.inv(torch.eye(3, dtype=strain.dtype, device=s.device) + strain)
        x, cell = torch.einsum("ai,aij->aj", x, back[s.structure].to(x)), cell @ back.to(cell)
    if "masked_element" in labels:
        element = labels["masked_element"]
        numbers = torch.where(element.isfinite(), element.nan_to_num(0.0).to(numbers.dtype), numbers)
    return replace(s, positions=x, numbers=numbers, cell=cell)
