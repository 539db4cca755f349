"""What a filter of a tensor field network is: R(r) Y_lm(r̂), a learned function of distance times a harmonic.

Thomas et al. 2018 (arXiv:1802.08219), eq. 3. Each path l_in ⊗ l_filter → l_out of each layer has a radial
function per channel. Here they come out of a network as data, as a slice through space, and as surfaces.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import nn

from atomscape.encoders.tfn import Layer as Convolution
from atomscape.encoders.tfn import TensorFieldNetwork
from atomscape.nn.radial import RadialNetwork
from atomscape.o3.harmonics import spherical_harmonics
from atomscape.ops.convolution import Parity, Path
from atomscape.ops.radial import BASES
from atomscape.shapes import Float
from atomscape.view.grid import Grid, sampled
from atomscape.view.harmonic_surface import NEGATIVE, POSITIVE
from atomscape.view.isosurface import isosurface
from atomscape.view.scene import Layer, Scene

NEAREST = 0.7
"""Å; no two atoms are closer, so nobody ever asks a filter for less."""

Z_UP = np.array([[1.0, 0.0, 0.0], [0.0, np.sin(0.35), np.cos(0.35)], [0.0, -np.cos(0.35), np.sin(0.35)]])
"""Looking along y, from a little above: x to the right, z upwards."""


@dataclass(frozen=True, eq=False)
class RadialFunction:
    """R(r) of one path in one layer (counted from 1): values at distances r (Å), a column per channel.

    The network divides the sum over paths by the root of their number; R is as it is before that.
    """

    layer: int
    path: Path
    name: str
    r: Float[np.ndarray, " points"]
    values: Float[np.ndarray, "points channels"]

    def main(self) -> tuple[Float[np.ndarray, " points"], float]:
        """The function that the channels share most, and the share of their squares that it holds.

        It is the first principal component over channels at distances from ``NEAREST`` on, divided by the
        root of their number; its largest value there is positive.
        """
        met = self.r >= min(NEAREST, 0.5 * self.r[-1])
        _, size, axes = np.linalg.svd(self.values[met], full_matrices=False)
        shape = self.values @ axes[0] / self.values.shape[1] ** 0.5
        shape = shape * np.sign(shape[met][np.abs(shape[met]).argmax()])
        return shape, float(size[0] ** 2 / max((size**2).sum(), 1e-300))

    def at(self, r: Float[np.ndarray, " n"], channel: int | None = None) -> Float[np.ndarray, " n"]:
        """R at other distances, between the known ones on straight lines; beyond the last one 0."""
        values = self.main()[0] if channel is None else self.values[:, channel]
        return np.interp(r, self.r, values, right=0.0)


def radial_functions(encoder: nn.Module, points: int = 256) -> tuple[RadialFunction, ...]:
    """Every radial function of a network, layer after layer, in the order of its paths.

    Raises
    ------
    TypeError
        The encoder is no tensor field network.
    ValueError
        The radial networks were tabulated for inference.
    """
    if not isinstance(encoder, TensorFieldNetwork):
        raise TypeError(f"{type(encoder).__name__} has no filters R(r) Y_lm; the encoder 'tfn' has")
    found = []
    layers = [layer for layer in encoder.layers if isinstance(layer, Convolution)]
    for number, layer in enumerate(layers, start=1):
        if not isinstance(layer.radial, RadialNetwork):
            raise ValueError("radial functions of a network before it is tabulated are drawn; give that one")
        r, values = evaluated(layer.radial, encoder.cutoff, points)
        for k, path in enumerate(layer.coupling.paths):
            name = path_name(path, encoder.config.parity)
            found.append(RadialFunction(number, path, name, r, values[:, k]))
    return tuple(found)


def evaluated(
    network: RadialNetwork, cutoff: float, points: int = 256
) -> tuple[Float[np.ndarray, " points"], Float[np.ndarray, "points paths channels"]]:
    """Distances from 0 to the cutoff (Å), and the radial network's values there."""
    weight = network.out.weight
    r = torch.linspace(0, cutoff, points, dtype=torch.float64)
    with torch.no_grad():
        h, W, _ = network.factors(BASES[network.basis](r, cutoff, network.n_radial).to(weight))
        values = torch.einsum("rk,kpc->rpc", h, W)
    return r.numpy(), values.cpu().double().numpy()


def path_name(path: Path, parity: Parity) -> str:
    """``1 ⊗ 2 → 1``; with parity letters where every degree has both."""

    def degree(l: int, run: int) -> str:
        return f"{l}{'eo'[(l + run) % 2]}" if parity == "both" else str(l)

    return f"{degree(path.l1, path.run_in)} ⊗ {degree(path.l2, 0)} → {degree(path.l3, path.run_out)}"


def filter_values(
    function: RadialFunction, m: int, places: Float[np.ndarray, "n 3"], channel: int | None = None
) -> Float[np.ndarray, " n"]:
    """R(r) Y_lm(r̂) at places around the origin (Å), l the path's filter; without a channel, the main R.

    Raises
    ------
    ValueError
        The order m does not belong to the filter's degree.
    """
    l = function.path.l2
    if abs(m) > l:
        raise ValueError(f"a filter of degree {l} has no order m = {m}; it has −{l} … {l}")
    Y = spherical_harmonics(torch.from_numpy(np.ascontiguousarray(places)), l)[:, l * l + l + m].numpy()
    return function.at(np.linalg.norm(places, axis=1), channel) * Y


def filter_slice(
    function: RadialFunction, m: int, points: int = 161, channel: int | None = None
) -> tuple[Float[np.ndarray, " points"], Float[np.ndarray, "points points"]]:
    """The filter in the plane x z: coordinates (Å), and values[row z, column x] within the cutoff."""
    x = np.linspace(-function.r[-1], function.r[-1], points)
    X, Z = np.meshgrid(x, x)
    places = np.stack([X, np.zeros_like(X), Z], -1).reshape(-1, 3)
    return x, filter_values(function, m, places, channel).reshape(points, points)


def filter_scene(function: RadialFunction, channel: int | None = None, level: float = 0.25) -> Scene:
    """Surfaces where a filter is ± ``level`` of its largest value, a layer per order m, z upwards.

    Nearer than ``NEAREST`` to the centre, where no atom ever is, the filter is faded out.

    Raises
    ------
    ValueError
        The filter is zero everywhere.
    """
    strong = np.abs(function.at(function.r, channel))
    strong = np.where(function.r < NEAREST, 0, strong)
    edge = function.r[np.flatnonzero(strong >= 0.4 * level * strong.max())[-1]]
    reach = np.full(3, max(float(edge), 2 * NEAREST))

    def faded(places: Float[np.ndarray, "n 3"], m: int) -> Float[np.ndarray, " n"]:
        inside = np.clip(np.linalg.norm(places, axis=1) / NEAREST, 0, 1) ** 4
        return inside * filter_values(function, m, places, channel)

    layers = []
    l = function.path.l2
    for m in range(-l, l + 1):
        grid = sampled(lambda x, m=m: faded(x, m), -reach, reach, reach[0] / 32)
        layers.append(filter_layer(grid, level, f"m = {m}".replace("-", "−"), shown=m == 0))
    note = f"layer {function.layer}; surfaces at {level:.0%} of the largest value; orange +, blue −"
    return Scene(tuple(layers), f"R(r) Y, path {function.name}", note, Z_UP)


def filter_layer(grid: Grid, level: float, name: str, shown: bool = True) -> Layer:
    """Surfaces of a function with two signs, at ± ``level`` of its largest value.

    Raises
    ------
    ValueError
        The function is zero everywhere.
    """
    top = float(np.abs(grid.values).max())
    if top == 0:
        raise ValueError("the function is zero everywhere on the grid: it has no surface")
    turned = Grid(grid.origin, grid.steps, -grid.values)
    meshes = (
        isosurface(grid, level * top, POSITIVE, 0.75, "positive"),
        isosurface(turned, level * top, NEGATIVE, 0.75, "negative"),
    )
    return Layer(name, meshes=meshes, group="order", shown=shown)
