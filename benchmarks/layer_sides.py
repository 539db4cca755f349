"""A whole layer with energy and forces, by us in three variants and by e3nn.

    E = ½ Σ_i |m_i|²,    m_i = Σ_j Σ_paths R_path(r_ij) (x_j ⊗ Y(r̂_ij)),    F = −∂E/∂positions

R is a network 8-64-64-64-(paths · channels) on cut-off Bessel functions, without biases: the same function on
both sides. Basis, nonlinearity, harmonics, product and sum are each side's own, the matrix products torch's.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from itertools import pairwise

import torch
from ase import Atoms
from ase.build import bulk
from convolution_peers import channels_outside, e3nn_convolution

from atomscape.atoms.ase import from_ase
from atomscape.atoms.neighbours import neighbour_graph
from atomscape.ops.activation import silu
from atomscape.ops.convolution import Coupling, convolution
from atomscape.ops.harmonics import spherical_harmonics
from atomscape.ops.radial import bessel_basis, lengths, polynomial_cutoff, radial_basis
from atomscape.ops.radial_convolution import radial_convolution
from atomscape.ops.radial_table import hermite_rows, hermite_table

Tensor = torch.Tensor
CUTOFF, BASIS, HIDDEN = 4.7, 8, 64
INTERVALS = 512


@dataclass(frozen=True, eq=False)
class System:
    """Positions and graph, node features, weights of the radial network, forces to be learned."""

    coupling: Coupling
    positions: Tensor
    offset: Tensor  # shift · cell of every edge
    centre: Tensor
    neighbour: Tensor
    x: Tensor
    network: tuple[Tensor, ...]
    target: Tensor

    @classmethod
    def make(cls, l_max: int, channels: int, atoms: Atoms) -> System:
        """Draw features and weights for a structure."""
        generator = torch.Generator().manual_seed(l_max)
        graph = neighbour_graph(from_ase([atoms]), CUTOFF)
        coupling, s = Coupling(l_max, l_max, l_max), graph.structures
        positions = s.positions.detach().float()
        offset = (graph.vectors.detach() - s.positions[graph.neighbour] + s.positions[graph.centre]).float()

        def random(*shape: int, scale: float = 1.0) -> Tensor:
            return scale * torch.randn(shape, generator=generator)

        sizes = (BASIS, HIDDEN, HIDDEN, HIDDEN, len(coupling.paths) * channels)
        network = tuple(random(a, b, scale=a**-0.5) for a, b in pairwise(sizes))
        x, target = random(len(atoms), coupling.lm_in, channels), random(len(atoms), 3)
        return cls(coupling, positions, offset, graph.centre, graph.neighbour, x, network, target)

    @property
    def leaves(self) -> tuple[Tensor, ...]:
        """Copies of positions, features and weights that are differentiated."""
        return tuple(t.clone().requires_grad_() for t in (self.positions, self.x, *self.network))

    def vectors(self, positions: Tensor) -> Tensor:
        """Edge vectors in Å."""
        return (
            positions.index_select(0, self.neighbour) - positions.index_select(0, self.centre) + self.offset
        )


def crystal(repeat: tuple[int, int, int]) -> Atoms:
    """Rattled copper, 42 neighbours per atom."""
    atoms = bulk("Cu", cubic=True, a=3.6) * repeat
    atoms.rattle(0.05, seed=0)
    return atoms


def cluster() -> Atoms:
    """Twenty atoms without a cell."""
    atoms = bulk("Cu", cubic=True, a=3.6) * (2, 2, 2)
    atoms.rattle(0.05, seed=0)
    atoms = atoms[atoms.get_distances(0, list(range(len(atoms)))).argsort()[:20]]
    atoms.pbc = False
    return atoms


def hidden(r: Tensor, network: tuple[Tensor, ...]) -> Tensor:
    """All layers of the radial network but the last, with our basis and nonlinearity."""
    h = radial_basis(r, CUTOFF, BASIS)
    for weight in network[:-1]:
        h = silu(h @ weight)
    return h


def hidden_in_torch(r: Tensor, network: tuple[Tensor, ...]) -> Tensor:
    """Compute the same with torch's functions alone, as models built on e3nn do."""
    h = bessel_basis.reference(r, CUTOFF, BASIS) * polynomial_cutoff.reference(r, CUTOFF).unsqueeze(-1)
    for weight in network[:-1]:
        h = torch.nn.functional.silu(h @ weight)
    return h


Messages = Callable[..., Tensor]


def exact(s: System) -> Messages:
    """Weights of every edge in memory, then the convolution."""

    def messages(positions: Tensor, x: Tensor, *network: Tensor) -> Tensor:
        v = s.vectors(positions)
        w = (hidden(lengths(v), network) @ network[-1]).unflatten(1, (len(s.coupling.paths), -1))
        Y = spherical_harmonics(v, s.coupling.l_edge)
        return convolution(x, Y, w, s.centre, s.neighbour, s.coupling)

    return messages


def in_kernel(s: System) -> Messages:
    """Return the same function; the last layer of the network is inside the convolution."""

    def messages(positions: Tensor, x: Tensor, *network: Tensor) -> Tensor:
        v = s.vectors(positions)
        h, W = hidden(lengths(v), network), network[-1].unflatten(1, (len(s.coupling.paths), -1))
        Y = spherical_harmonics(v, s.coupling.l_edge)
        return radial_convolution(x, Y, h, W, s.centre, s.neighbour, s.coupling)

    return messages


def tables(s: System) -> Messages:
    """Cubic Hermite tables in place of the network; it is called once, in float64, to fill them."""
    r = torch.linspace(0, CUTOFF, INTERVALS + 1, dtype=torch.float64)
    network = tuple(w.double() for w in s.network)
    values, slopes = torch.func.jvp(
        lambda r: hidden_in_torch(r, network) @ network[-1], (r,), (torch.ones_like(r),)
    )
    table = hermite_table(values, slopes, CUTOFF).unflatten(1, (len(s.coupling.paths), -1)).float()

    def messages(positions: Tensor, x: Tensor, *_: Tensor) -> Tensor:
        v = s.vectors(positions)
        h, start = hermite_rows(lengths(v), CUTOFF, INTERVALS)
        Y = spherical_harmonics(v, s.coupling.l_edge)
        return radial_convolution(x, Y, h, table, s.centre, s.neighbour, s.coupling, start)

    return messages


def of_e3nn(s: System) -> Messages:
    """Harmonics, product and scatter of e3nn, in its own layout and axes; see ``for_e3nn``."""
    from e3nn import o3

    degrees = list(range(s.coupling.l_edge + 1))
    harmonics = o3.SphericalHarmonics(degrees, normalize=True, normalization="component")
    channels = s.network[-1].shape[1] // len(s.coupling.paths)
    convolve = e3nn_convolution(s.coupling, channels, s.x.dtype, s.centre, s.neighbour)

    def messages(positions: Tensor, x: Tensor, *network: Tensor) -> Tensor:
        v = s.vectors(positions)
        return convolve(x, harmonics(v), hidden_in_torch(lengths.reference(v), network) @ network[-1])

    return messages


def for_e3nn(s: System) -> System:
    """Return the same system with e3nn's axes, (y, z, x), and layout of features; energies are the same."""
    turned = {name: getattr(s, name)[:, [1, 2, 0]] for name in ("positions", "offset", "target")}
    return replace(s, x=channels_outside(s.x), **turned)


def energy_and_forces(messages: Messages, leaves: tuple[Tensor, ...]) -> tuple[Tensor, Tensor]:
    """Inference: no gradient but that of the positions."""
    positions = leaves[0]
    energy = 0.5 * messages(positions, *(t.detach() for t in leaves[1:])).square().sum()
    return energy.detach(), -torch.autograd.grad(energy, positions)[0]


def training_step(messages: Messages, leaves: tuple[Tensor, ...], target: Tensor) -> tuple[Tensor, ...]:
    """Gradients of E + ½ Σ |F − target|² for features and weights."""
    energy = 0.5 * messages(*leaves).square().sum()
    (slope,) = torch.autograd.grad(energy, leaves[0], create_graph=True)
    loss = energy + 0.5 * (slope + target).square().sum()
    return torch.autograd.grad(loss, leaves[1:])


VARIANTS = {"exact": exact, "radial layer in the kernel": in_kernel, "radial tables": tables}
