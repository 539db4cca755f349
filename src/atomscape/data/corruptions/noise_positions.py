"""Noise on positions, to be predicted: denoising (Zaidi et al. 2022, arXiv:2206.00133; Godwin et al. 2021,
arXiv:2106.07971).

    x' = x + t,    t = what a structure can know of σ n,    n ~ N(0, 1) for each atom that is moved

For one σ and structures at minima of their energy, predicting t from x' is learning a force field: the best
prediction is −σ² times the force of an energy E, with exp(−E) ∝ Σ over structures of Gaussians around them
(Zaidi et al., sec. 3.2). As such a force, t sums to zero, and without periodic directions its moment about
the centre is zero too. The part of σ n that moves the whole, or turns a molecule as a whole, is therefore
taken out of t and of x': no network that turns and moves with its input could predict more of it than zero.
Turning is taken out to first order. In a crystal the cell shows how the atoms turned, and nothing of that is
taken out.

Labels that say what was done: ``position_noise`` is t in Å, ``scaled_position_noise`` is t/σ, which weighs
all levels alike where σ is drawn, ``noise_level`` is σ. Labels of the clean structure are no longer known,
but for those in ``keep``: small noise hardly changes a gap, and learning it from noisy structures makes a
network less sure of single positions ("noisy nodes", Godwin et al.). With ``share`` below 1 some structures
stay as they are, with all their labels: so an energy and its forces are learned beside denoising.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import torch
from pydantic import BaseModel, ConfigDict, Field

from atomscape.atoms.properties import PROPERTIES, Property
from atomscape.atoms.structures import Structures
from atomscape.data.holding_labels import holding_labels
from atomscape.data.noise_levels import Level, drawn_levels
from atomscape.ops.segment import segment_mean, segment_sum
from atomscape.shapes import Float, Tensor


class Config(BaseModel):
    """How large the noise is, and of what."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    sigma: Level = Field(0.05, description="Å; two numbers: drawn between them, log-uniformly, per structure")
    atoms: float = Field(1.0, gt=0, le=1, description="share of the atoms that are moved")
    share: float = Field(1.0, gt=0, le=1, description="share of the structures that are noisy")
    keep: tuple[str, ...] = Field((), description="labels of clean structures that noisy ones keep")


@dataclass(frozen=True)
class NoisePositions:
    """The corruption; it works on each structure of a batch alone."""

    config: Config

    @property
    def properties(self) -> dict[str, Property]:
        """What can be learned from it."""
        return {k: PROPERTIES[k] for k in ("position_noise", "scaled_position_noise", "noise_level")}

    def __call__(self, structures: Structures, rng: np.random.Generator) -> Structures:
        """Move atoms; labels say by how much."""
        s, c = structures, self.config
        noisy = torch.from_numpy(rng.random(len(s)) < c.share)
        level = torch.where(noisy, drawn_levels(c.sigma, len(s), rng), 0.0)
        noise = torch.from_numpy(rng.standard_normal((s.n_atoms, 3)))
        if c.atoms < 1:
            noise = torch.where(torch.from_numpy(rng.random((s.n_atoms, 1)) < c.atoms), noise, 0.0)
        t = internal(s, noise * level[s.structure].unsqueeze(1))
        unknown = ~noisy[s.structure].unsqueeze(1)
        labels = holding_labels(s, noisy, c.keep) | {
            "position_noise": t.masked_fill(unknown, torch.nan),
            "scaled_position_noise": (t / level[s.structure].unsqueeze(1)).masked_fill(unknown, torch.nan),
            "noise_level": level,
        }
        return replace(s, positions=s.positions + t, labels=labels)


def internal(s: Structures, moves: Float[Tensor, "atoms 3"]) -> Float[Tensor, "atoms 3"]:
    """Displacements without what moves each structure as a whole, or turns it if nothing is periodic.

    With r from the centre of the atoms, Σ t and Σ r × t are zero: the turn that is taken out is ω × r with
    (Σ |r|² 1 − r rᵀ) ω = Σ r × t. Along the axis of a linear molecule ω is zero.
    """
    index, n = s.structure, len(s)
    t = moves - segment_mean(moves, index, n)[index]
    r = s.positions - segment_mean(s.positions, index, n)[index]
    r = torch.where(s.pbc.any(1)[index].unsqueeze(1), 0.0, r)
    size = r.square().sum(1).view(-1, 1, 1) * torch.eye(3, dtype=r.dtype)
    inertia = segment_sum(size - r.unsqueeze(2) * r.unsqueeze(1), index, n)
    moment = segment_sum(torch.linalg.cross(r, t), index, n)
    inverse = torch.linalg.pinv(inertia, rtol=1e-9, hermitian=True)
    turn = torch.einsum("sij,sj->si", inverse, moment)
    return t - torch.linalg.cross(turn[index], r)


def build(config: Config) -> NoisePositions:
    """Make the corruption."""
    return NoisePositions(config)
