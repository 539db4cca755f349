"""Position density: where an atom may be and which element it is, as a mixture over the atoms that are there.

Atom i votes for element z with weight w[i, z], Σ w = 1 over a structure, and says where from its own place:

    p(r, z) = Σ_i w[i, z] Σ_s v[i, z, s] · N(d; μ, σ) / d² · A(û),     r − r_i = d û
    A(û)    = exp(Σ_{l ≥ 1, m} c[l, m] Y_lm(û)) / ∫ dΩ

Each *shell* s has a mean distance μ and width σ (Å) and an angular distribution of its own; v, μ, σ and c
depend on i and z, too. Every factor is normalised, so p is a density in Å⁻³ that integrates to one over space
and elements. It can have several peaks: a site is not averaged with its mirror image. It turns with the
structure, since the c[l, m] do.

The integral over the sphere is a Lebedev rule that is exact for polynomials of degree 65; the coefficients
are bounded (``SHARPEST``) so that it also holds for the exponential, to 1e-4 at worst. Expansions of this
kind were used by Daigavane et al. 2024 (Symphony, arXiv:2311.16199), there at one atom at a time and with the
distance on a grid.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

import torch

from atomscape.atoms.graph import Graph
from atomscape.o3.harmonics import spherical_harmonics as exact_harmonics
from atomscape.ops.harmonics import spherical_harmonics
from atomscape.ops.segment import segment_sum
from atomscape.shapes import Float, Int, Tensor

ORDER = 65
SHARPEST = 45.0
"""Largest value of Σ c Y on the sphere."""
NARROWEST = 0.02
"""Smallest σ in Å."""


@cache
@torch.inference_mode(False)
def sphere(l_max: int, dtype: torch.dtype) -> tuple[Tensor, Tensor, Tensor]:
    """Points ``[points, 3]`` of the Lebedev rule, log weights (Σ w = 4π), and Y_lm there, l = 1 … l_max."""
    from scipy.integrate import lebedev_rule

    points, weights = lebedev_rule(ORDER)
    points = torch.from_numpy(points.T.copy())
    Y = exact_harmonics(points, l_max)[:, 1:]
    return points.to(dtype), torch.from_numpy(weights).log().to(dtype), Y.to(dtype)


@dataclass(frozen=True, eq=False)
class Angular:
    """exp(Σ c Y) on the sphere, normalised; ``c`` has coefficients of l = 1 … l_max, bounded."""

    c: Float[Tensor, "*batch lm"]
    l_max: int

    def log_normaliser(self) -> Float[Tensor, "*batch"]:
        """Log of ∫ exp(Σ c Y) dΩ."""
        _, log_w, Y = sphere(self.l_max, self.c.dtype)
        return torch.logsumexp(self.c @ Y.mT.to(self.c.device) + log_w.to(self.c.device), -1)

    def log_density(self, vectors: Float[Tensor, "*batch 3"]) -> Float[Tensor, "*batch"]:
        """Log density per steradian in the directions of vectors of any length but zero."""
        flat = spherical_harmonics(vectors.reshape(-1, 3), self.l_max)[:, 1:]
        return (self.c * flat.reshape(self.c.shape)).sum(-1) - self.log_normaliser()


def bounded(c: Float[Tensor, "*batch lm"], l_max: int) -> Float[Tensor, "*batch lm"]:
    """Shorten coefficients so that |Σ c Y| ≤ |c| |Y| stays below ``SHARPEST``; small ones hardly change."""
    most = SHARPEST / ((l_max + 1) ** 2 - 1) ** 0.5  # |Y|² = Σ (2l + 1)
    return c / (1 + c.square().sum(-1, keepdim=True) / most**2).sqrt()


@dataclass(frozen=True, eq=False)
class PositionDensity:
    """The density of each structure of a batch; fields run over atoms, elements of the head, and shells."""

    elements: Int[Tensor, " elements"]
    log_weight: Float[Tensor, "atoms elements"]
    log_shell: Float[Tensor, "atoms elements shells"]
    mean: Float[Tensor, "atoms elements shells"]
    width: Float[Tensor, "atoms elements shells"]
    angular: Float[Tensor, "atoms elements shells lm"]
    l_max: int

    def log_density(
        self,
        vectors: Float[Tensor, "pairs 3"],
        atom: Int[Tensor, " pairs"],
        element: Int[Tensor, " pairs"],
        point: Int[Tensor, " pairs"],
        points: int,
    ) -> Float[Tensor, " points"]:
        """Log of p(r, z) in Å⁻³ at points, from the atoms (and their images) in reach of each.

        Parameters
        ----------
        vectors
            Point − atom, Å.
        atom, element
            The atom of each pair, and the number of the element (in ``elements``) that is asked about.
        point
            The point each pair belongs to; a point without any pair gets the floor, e^−30.
        """
        d2 = vectors.square().sum(-1).clamp(min=1e-4)
        d = d2.sqrt()
        angular = self._log_angular(vectors, atom, element)
        mean, width = self.mean[atom, element], self.width[atom, element]
        radial = -0.5 * ((d.unsqueeze(1) - mean) / width).square() - width.log() - 0.9189385332046727
        each = torch.logsumexp(self.log_shell[atom, element] + radial + angular, 1) - d2.log()
        return _log_sums(each + self.log_weight[atom, element], point, points)

    def total(
        self,
        points: Float[Tensor, "points 3"],
        places: Float[Tensor, "images 3"],
        atom: Int[Tensor, " images"],
    ) -> Float[Tensor, " points"]:
        """Σ_z p(r, z) in Å⁻³ at points (Å), from atoms (or images) at ``places``; one structure."""
        value = points.new_zeros(len(points))
        rest = (self.log_shell + self.log_weight.unsqueeze(-1)) - self.width.log() - 0.9189385332046727
        rest = rest - Angular(self.angular, self.l_max).log_normaliser()
        for place, a in zip(places, atom.tolist(), strict=True):
            away = points - place
            d2 = away.square().sum(-1).clamp(min=1e-4)
            Y = spherical_harmonics(away, self.l_max)[:, 1:]
            off = (d2.sqrt().view(-1, 1, 1) - self.mean[a]) / self.width[a]
            log = rest[a] - 0.5 * off.square() + (Y @ self.angular[a].flatten(0, 1).mT).view_as(off)
            value += log.flatten(1).exp().sum(1) / d2
        return value

    def _log_angular(
        self, vectors: Float[Tensor, "pairs 3"], atom: Int[Tensor, " pairs"], element: Int[Tensor, " pairs"]
    ) -> Float[Tensor, "pairs shells"]:
        """Log A(û) of each shell; what the images of an atom share, its normaliser, is worked out once."""
        asked, which = torch.unique(atom * len(self.elements) + element, return_inverse=True)
        c = self.angular[asked // len(self.elements), asked % len(self.elements)]
        Y = spherical_harmonics(vectors, self.l_max)[:, 1:]
        exponent = (c[which] * Y.unsqueeze(1)).sum(-1)
        return exponent - Angular(c, self.l_max).log_normaliser()[which]

    def heaviest_votes(
        self, graph: Graph
    ) -> tuple[Float[Tensor, "structures 3"], Int[Tensor, " structures"]]:
        """Peak of the heaviest single vote of each structure (Å), and its element; NaN without atoms."""
        s = graph.structures
        vote = (self.log_weight.unsqueeze(-1) + self.log_shell).flatten(1)
        best, which = vote.max(1)
        top = best.new_full((len(s),), -torch.inf).scatter_reduce(0, s.structure, best, "amax")
        heaviest = (best == top[s.structure]).nonzero().squeeze(1)
        atom = torch.zeros(len(s), dtype=torch.int64, device=s.device)
        atom[s.structure[heaviest]] = heaviest
        element, shell = which[atom] // self.mean.shape[2], which[atom] % self.mean.shape[2]
        points, _, Y = (t.to(s.device) for t in sphere(self.l_max, self.angular.dtype))
        u = points[(self.angular[atom, element, shell] @ Y.mT).argmax(1)]
        x = s.positions[atom] + (self.mean[atom, element, shell].unsqueeze(1) * u).to(s.positions.dtype)
        return torch.where((s.counts > 0).unsqueeze(1), x, torch.nan), self.elements[element]

    def element_probabilities(self, graph: Graph) -> Float[Tensor, "structures elements"]:
        """Probability of each element, wherever it is."""
        s = graph.structures
        return segment_sum(self.log_weight.exp(), s.structure, len(s))


def _log_sums(values: Tensor, index: Tensor, size: int) -> Tensor:
    """Log of Σ exp(values) of each segment, not below −30."""
    top = values.new_full((size,), -30.0).scatter_reduce(0, index, values.detach(), "amax")
    total = segment_sum((values - top[index]).exp(), index, size)
    return top + (total + (-30.0 - top).exp()).log()
