"""What of a tensor does not turn (the ``0e`` of its irreps) is fitted as scalars are; the rest has no shift.

    extensive   Σ_atoms E[element]        by least squares, for each 0e apart
    per atom    mean of the element
    intensive   mean

Values are components, orthonormal: of a symmetric 3×3 tensor the trace over √3. The scale is the root mean
square of what is left, per entry of the tensor (of sums over atoms: per atom).
"""

from __future__ import annotations

from math import prod, sqrt
from typing import NamedTuple

import torch

from atomscape.atoms.components import isotropic, to_components
from atomscape.atoms.formulas import composition_of
from atomscape.atoms.properties import Property
from atomscape.atoms.structures import Structures
from atomscape.data.references import fit_references
from atomscape.shapes import Bool, Float, Int, Tensor

Several = tuple[float, ...]


class Isotropic(NamedTuple):
    """Per-element values and shift, one number for each ``0e`` of the property, and the scale of the rest."""

    references: dict[int, Several]
    shift: Several
    scale: float


def fit_isotropic(
    p: Property, s: Structures, known: Bool[Tensor, " rows"], constants: bool = True
) -> Isotropic:
    """Fit the label of rows (atoms or structures) that are known; without ``constants`` only the scale."""
    x = to_components(p, s.labels[p.name][known])
    places = list(isotropic(p)) if constants else []
    scalars, rest = x[:, places], x.clone()
    references, shift = {}, ()
    if p.per == "atom":
        references, fitted = _per_element(scalars, s.numbers[known])
    elif p.extensive:
        references, fitted = _summed(scalars, s[known])
    else:
        fitted = scalars.mean(0, keepdim=True)
        shift = tuple(fitted[0].tolist())
    rest[:, places] = scalars - fitted
    if p.extensive and p.per == "structure":
        rest = rest / s[known].counts.unsqueeze(1)
    return Isotropic(references if places else {}, shift, _size(rest, len(x) * prod(p.shape)))


def _per_element(
    scalars: Float[Tensor, "atoms scalars"], numbers: Int[Tensor, " atoms"]
) -> tuple[dict[int, Several], Float[Tensor, "atoms scalars"]]:
    means = {int(z): scalars[numbers == z].mean(0) for z in numbers.unique()}
    fitted = torch.zeros_like(scalars)
    for z, mean in means.items():
        fitted[numbers == z] = mean
    return {z: tuple(mean.tolist()) for z, mean in means.items()}, fitted


def _summed(
    scalars: Float[Tensor, "structures scalars"], s: Structures
) -> tuple[dict[int, Several], Float[Tensor, "structures scalars"]]:
    counts = composition_of(s)
    tables = [fit_references(counts, column)[0] for column in scalars.unbind(1)]
    if not tables:
        return {}, scalars
    table = torch.stack(tables, 1)
    return {int(z): tuple(table[z].tolist()) for z in s.numbers.unique()}, counts @ table


def _size(rest: Tensor, entries: int) -> float:
    size = sqrt(float(rest.square().sum()) / entries) if entries else 0.0
    return size if size > 1e-12 else 1.0
