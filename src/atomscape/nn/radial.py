"""Radial filters R(r) of the convolutions: a small network, or a table of its values for inference."""

from __future__ import annotations

import copy
from typing import NamedTuple, TypeVar

import torch
from torch import nn

from atomscape.nn.edges import Edges
from atomscape.ops.activation import silu
from atomscape.ops.radial import BASES
from atomscape.ops.radial_table import hermite_rows, hermite_table
from atomscape.shapes import Float, Int, Tensor

Module = TypeVar("Module", bound=nn.Module)


class Filter(NamedTuple):
    """Radial weights as factors: w[e] = Σ_k h[e, k] W[k], or Σ_k h[e, k] W[start[e] + k]."""

    h: Float[Tensor, "edges rank"]
    W: Float[Tensor, "rows paths channels"]
    start: Int[Tensor, " edges"] | None


class RadialNetwork(nn.Module):
    """Radial weights R(r) of every path and channel: basis → hidden → paths × channels (no biases).

    There are ``layers`` hidden ones. Without biases R is exactly zero where the cut-off basis is: no message
    survives beyond the cutoff. The last layer is left to the convolution, which applies it edge by edge. With
    ``unit_within``, a cutoff in Å, the last layer starts such that R has unit mean square over the sphere of
    that radius; without it R starts at about 0.05.
    """

    def __init__(
        self,
        n_radial: int,
        hidden: int,
        paths: int,
        channels: int,
        unit_within: float | None = None,
        basis: str = "bessel",
        layers: int = 1,
    ) -> None:
        super().__init__()
        self.n_radial, self.paths, self.channels, self.basis = n_radial, paths, channels, basis
        self.hidden = nn.Linear(n_radial, hidden, bias=False) if hidden else None
        further = range(layers - 1 if hidden else 0)
        self.further = nn.ModuleList(nn.Linear(hidden, hidden, bias=False) for _ in further)
        self.out = nn.Linear(hidden or n_radial, paths * channels, bias=False)
        nn.init.normal_(self.out.weight, std=(hidden or n_radial) ** -0.5)
        if unit_within is not None:
            self._set_unit_mean_square(unit_within)

    @torch.no_grad()
    def _set_unit_mean_square(self, cutoff: float) -> None:
        """Divide the last layer by the root mean square of R, expected over its weights."""
        r = torch.linspace(0, cutoff, 129, dtype=self.out.weight.dtype)
        h = self.factors(BASES[self.basis](r, cutoff, self.n_radial)).h
        share = r.square() / r.square().sum()
        self.out.weight /= (share @ h.square().mean(1)).sqrt()

    def forward(self, e: Edges) -> Filter:
        """Evaluate all but the last layer on the cut-off basis."""
        return self.factors(e.radial)

    def factors(self, radial: Float[Tensor, "edges basis"]) -> Filter:
        """Return the activations before the last layer, and its weights."""
        if self.hidden is not None:
            radial = silu(self.hidden(radial))
        for linear in self.further:
            radial = silu(linear(radial))
        return Filter(radial, self.out.weight.t().unflatten(1, (self.paths, self.channels)), None)


class RadialTable(nn.Module):
    """The same function as a network's, tabulated: several times faster, continuous with its derivative.

    The table is constant: a network that is trained further has to be tabulated again.
    """

    table: Tensor

    def __init__(self, network: RadialNetwork, cutoff: float, intervals: int) -> None:
        super().__init__()
        self.cutoff, self.intervals = cutoff, intervals
        self.register_buffer("table", tabulate(network, cutoff, intervals))

    def forward(self, e: Edges) -> Filter:
        """Interpolate at the lengths of the edges."""
        h, start = hermite_rows(e.lengths, self.cutoff, self.intervals)
        return Filter(h, self.table, start)


def tabulate(network: RadialNetwork, cutoff: float, intervals: int) -> Float[Tensor, "rows paths channels"]:
    """Values and slopes of a network at even knots, computed in float64, in the network's precision."""
    weight = network.out.weight
    exact = copy.deepcopy(network).double().requires_grad_(False)
    r = torch.linspace(0, cutoff, intervals + 1, dtype=torch.float64, device=weight.device)
    r.requires_grad_(True)
    h, W, _ = exact.factors(BASES[network.basis](r, cutoff, network.n_radial))
    slopes = [torch.autograd.grad(h[:, k].sum(), r, retain_graph=True)[0] for k in range(h.shape[1])]
    flat = W.flatten(1)
    values, slope = h.detach() @ flat, torch.stack(slopes, 1) @ flat
    table = hermite_table(values, slope, cutoff)
    return table.unflatten(1, (network.paths, network.channels)).to(weight.dtype).contiguous()


def with_radial_tables(module: Module, cutoff: float, intervals: int = 512) -> Module:
    """Copy of an encoder (or a layer) with every radial network tabulated: for inference.

    Raises
    ------
    ValueError
        There is no radial network in the module.
    """
    made = copy.deepcopy(module)
    found = [(parent, name, child) for parent in made.modules() for name, child in parent.named_children()]
    networks = [(parent, name, child) for parent, name, child in found if isinstance(child, RadialNetwork)]
    if not networks:
        raise ValueError(
            f"{type(module).__name__} has no radial network to tabulate; "
            "encoders whose filters are RadialNetwork have, such as tfn"
        )
    for parent, name, network in networks:
        setattr(parent, name, RadialTable(network, cutoff, intervals))
    return made
