"""Voxel image: the density of Gaussians of width σ on the atoms, on a cubic grid of points.

Channels are the elements named, or, without any, one with every atom weighted by its atomic number. Molecules
lie with their centroid in the middle of a cubic box of edge ``box``; what sticks out is refused. Crystals
have the grid along their lattice vectors, and their density is summed in reciprocal space, so that it is
periodic; waves that the grid cannot carry are left out. The nine numbers of the cell (zero for molecules)
follow the image, as they say where its points are. The frame shows in it, as in any image.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from pydantic import BaseModel, ConfigDict, Field

from atomscape.atoms.representation import Claims, claim, name_of, refuse_others
from atomscape.atoms.structures import Structures
from atomscape.nn.species import N_ELEMENTS, numbers_of
from atomscape.ops.segment import segment_mean
from atomscape.shapes import Float, Tensor


class Config(BaseModel):
    """Settings."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    grid: int = Field(16, ge=2, description="points along each direction")
    box: float = Field(16.0, gt=0, description="edge of the box for molecules, Å")
    sigma: float = Field(0.6, gt=0, description="width of the Gaussians, Å")
    elements: tuple[str, ...] = Field((), description="symbols, a channel each; none: one of all")


@dataclass(frozen=True)
class Voxels:
    """The representation: channels × grid³ numbers in Å⁻³ (times Z without elements), then the cell."""

    config: Config

    @property
    def claims(self) -> Claims:
        """An image ignores the order of the atoms, and for a crystal which image of an atom is given."""
        return Claims(
            claim("permutation", "lattice translation"),
            claim("composition", "bonding", "geometry", "chirality"),
            claim("molecules", "crystals"),
            smooth=True,
        )

    def __call__(self, structures: Structures) -> Float[Tensor, "structures features"]:
        """Images, flattened."""
        refuse_others(structures, self.claims, "the voxel image")
        s, w = structures, self._weights(structures)
        middle = segment_mean(s.positions.double(), s.structure, len(s))
        x = s.positions.double() - middle[s.structure] * ~s.pbc[s.structure].any(1, keepdim=True)
        self._refuse_outside(x, s)
        images, periodic = [], s.pbc.all(1).tolist()
        for i, (a, b) in enumerate(zip(s.offsets[:-1].tolist(), s.offsets[1:].tolist(), strict=True)):
            cell = s.cell[i].double()
            images.append(
                self._of_crystal(x[a:b], cell, w[a:b]) if periodic[i] else self._in_box(x[a:b], w[a:b])
            )
        size = w.shape[1] * self.config.grid**3
        density = torch.stack([m.flatten() for m in images]) if images else w.new_zeros(0, size)
        return torch.cat([density, s.cell.double().flatten(1)], dim=1)

    def _weights(self, s: Structures) -> Float[Tensor, "atoms channels"]:
        if not self.config.elements:
            return s.numbers.double()[:, None]
        known = torch.tensor(numbers_of(self.config.elements), device=s.device)
        return torch.nn.functional.one_hot(known, N_ELEMENTS).double().T[s.numbers]

    def _refuse_outside(self, x: Tensor, s: Structures) -> None:
        out = (x.detach().abs().amax(1) > self.config.box / 2) & ~s.pbc[s.structure].any(1)
        if bool(out.any()):
            i = int(s.structure[out.nonzero()[0, 0]])
            raise ValueError(
                f"structure {name_of(s, i)} is larger than the box of {self.config.box} Å; give a larger box"
            )

    def _in_box(self, x: Float[Tensor, "n 3"], w: Float[Tensor, "n channels"]) -> Tensor:
        n, sigma = self.config.grid, self.config.sigma
        ticks = (torch.arange(n, dtype=x.dtype, device=x.device) + 0.5) * (self.config.box / n)
        d = ticks - self.config.box / 2 - x[:, :, None]
        g = torch.exp(-0.5 * (d / sigma).square()) / (sigma * math.sqrt(2 * math.pi))
        return torch.einsum("ac,ax,ay,az->cxyz", w, g[:, 0], g[:, 1], g[:, 2])

    def _of_crystal(self, x: Tensor, cell: Float[Tensor, "3 3"], w: Tensor) -> Tensor:
        n = self.config.grid
        h = torch.fft.fftfreq(n, 1 / n, dtype=x.dtype, device=x.device)
        inverse = torch.linalg.inv(cell)
        phase = torch.exp(-2j * math.pi * (x @ inverse)[:, :, None] * h)
        waves = torch.einsum("ac,ax,ay,az->cxyz", w.to(phase.dtype), phase[:, 0], phase[:, 1], phase[:, 2])
        G = 2 * math.pi * torch.stack(torch.meshgrid(h, h, h, indexing="ij"), -1) @ inverse.mT
        damped = waves * torch.exp(-0.5 * self.config.sigma**2 * G.square().sum(-1))
        return torch.fft.ifftn(damped, dim=(1, 2, 3)).real * (n**3 / torch.linalg.det(cell).abs())


def build(config: Config) -> Voxels:
    """Make the representation."""
    numbers_of(config.elements)
    return Voxels(config)
