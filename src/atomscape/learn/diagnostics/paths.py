"""Dead paths: which couplings l1 ⊗ l2 → l3 of a convolution have no radial weight left, or no gradient.

A path's strength is the root mean square of its weights in the last layer of the radial network, relative to
the strongest path of its layer; its pull is the norm of the gradient there.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

from torch import nn

from atomscape.nn.radial import RadialNetwork
from atomscape.ops.convolution import Coupling
from atomscape.shapes import Tensor

WEAK = 1e-4
"""Strength, relative to the strongest path of the layer, below which a path is dead."""


@runtime_checkable
class Convolution(Protocol):
    """A layer that couples its features with harmonics by the paths of ``coupling``."""

    radial: nn.Module
    coupling: Coupling


@dataclass(frozen=True)
class PathState:
    """One path: its layer (from 1), its degrees, its relative strength, and the norm of its gradient.

    There is no gradient where the weights are frozen, or an update of low rank stands for them.
    """

    layer: int
    path: str
    strength: float
    gradient: float | None


def path_states(encoder: nn.Module, gradients: Mapping[int, Tensor]) -> list[PathState]:
    """State of every path of an encoder; ``gradients`` by ``id`` of the parameters that are trained."""
    found = []
    layers = [m for m in encoder.modules() if isinstance(m, Convolution)]
    for number, layer in enumerate(layers, start=1):
        radial = layer.radial
        if not isinstance(radial, RadialNetwork):
            continue  # a table has nothing to learn
        shape = (radial.paths, radial.channels, -1)
        weight = radial.out.weight.detach().double().reshape(shape)
        sizes = weight.square().mean((1, 2)).sqrt()
        pull = gradients.get(id(radial.out.weight))
        pulls = [None] * radial.paths
        if pull is not None:
            pulls = pull.double().reshape(shape).square().sum((1, 2)).sqrt().tolist()
        strongest = max(float(sizes.max()), 1e-30)
        for path, size, gradient in zip(layer.coupling.paths, sizes.tolist(), pulls, strict=True):
            name = f"{path.l1} ⊗ {path.l2} → {path.l3}"
            found.append(PathState(number, name, size / strongest, gradient))
    return found


def in_words(found: list[PathState]) -> list[str]:
    """Dead paths as sentences, one per layer."""
    said = []
    for layer in dict.fromkeys(p.layer for p in found):
        mine = [p for p in found if p.layer == layer]
        weak = [p.path for p in mine if p.strength < WEAK]
        still = [p.path for p in mine if p.gradient == 0 and p.strength >= WEAK]
        if weak:
            said.append(f"layer {layer}: no weight is left on the paths {', '.join(weak)}")
        if still:
            said.append(f"layer {layer}: nothing is learned about the paths {', '.join(still)}")
    return said
