"""Inputs: labels of atoms or structures that enter a network, as features of their degree and parity.

A charge, an applied field, a strain or the spin of an atom is no element and no position. Each such label
is turned into irreps, and every degree l and parity p gets its channels by a matrix of its own::

    h[a, l p, m, c] = Σ_k x[a, k, l p, m] W[l p, k, c]

with k over all copies of that irrep in all inputs; x is divided by the input's ``scale``. What belongs to a
structure is given to each of its atoms.
"""

from __future__ import annotations

from math import prod
from typing import Any, Literal

import torch
from pydantic import BaseModel, ConfigDict, Field, model_validator
from torch import nn

from atomscape.atoms.components import change_of_basis, to_components
from atomscape.atoms.properties import Property, property_named
from atomscape.atoms.structures import Structures
from atomscape.find import suggest
from atomscape.nn.layout import Layout
from atomscape.o3.cartesian import cartesian_tensor
from atomscape.o3.irreps import Irrep, Irreps
from atomscape.shapes import Float, Tensor


class Input(BaseModel):
    """A label that enters, and how it turns; of labels of the vocabulary the name says all.

    ``symmetry`` of the indices makes it a Cartesian tensor (``"ij=ji"``). ``irreps`` alone make it a scalar
    (``0e``), a vector x, y, z (``1o``), a pseudovector (``1e``), or components degree by degree. ``scale`` is
    the size of a typical value; training measures it where it is not given.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    label: str
    per: Literal["atom", "structure"] | None = None
    irreps: str = ""
    symmetry: str = ""
    shape: tuple[int, ...] | None = None
    scale: float | None = Field(None, gt=0)

    @model_validator(mode="before")
    @classmethod
    def _completed(cls, given: Any) -> Any:
        """Read a bare name, and fill in what follows from the vocabulary or from what is given."""
        given = {"label": given} if isinstance(given, str) else dict(given)
        known = property_named(given.get("label", ""))
        if known is not None:
            says = {"per": known.per} if given.get("irreps") or given.get("symmetry") else described(known)
            given |= {k: v for k, v in says.items() if not given.get(k)}
        if given.get("symmetry") and not given.get("irreps"):
            given["irreps"] = str(cartesian_tensor(given["symmetry"]).irreps)
        if given.get("irreps") and given.get("shape") is None:
            given["shape"] = _shape(Irreps(given["irreps"]), given.get("symmetry", ""))
        return given

    def property(self) -> Property:
        """The label as a property.

        Raises
        ------
        ValueError
            It is not in the vocabulary and not described, or the description contradicts itself.
        """
        if self.per is None or not self.irreps:
            raise ValueError(
                f"input {self.label!r} is not in the vocabulary; say how it turns, for instance "
                f"{{label: {self.label}, per: atom, irreps: 0e}} or {{…, per: structure, symmetry: ij=ji}}"
            )
        shape = self.shape or ()
        p = Property(self.label, "", self.per, Irreps(self.irreps), False, None, shape, "", self.symmetry)
        change_of_basis(p)
        return p


def described(property: Property) -> dict[str, Any]:
    """What an input says of a property."""
    p = property
    return {"per": p.per, "irreps": str(p.irreps), "symmetry": p.symmetry, "shape": p.shape}


def _shape(irreps: Irreps, symmetry: str) -> tuple[int, ...]:
    if symmetry:
        return (3,) * cartesian_tensor(symmetry).rank
    return () if irreps.dim == 1 else (irreps.dim,)


class InputEmbedding(nn.Module):
    """Features ``[atoms, lm, channels]`` of ``layout``, made of the inputs; degrees not among them are 0.

    Raises
    ------
    ValueError
        An input has a degree or a parity that the network does not have.
    """

    def __init__(self, inputs: tuple[Input, ...], network: Layout, channels: int) -> None:
        super().__init__()
        self.properties = [i.property() for i in inputs]
        self.scales = [i.scale or 1.0 for i in inputs]
        for p in self.properties:
            _refuse(p, network)
        irreps = [(n, ir) for p in self.properties for n, ir in p.irreps]
        self.layout = Layout(max(ir.l for _, ir in irreps), network.parity)
        self.channels = channels
        counts: dict[str, int] = {}
        for n, ir in irreps:
            name = _name(self.layout, ir)
            counts[name] = counts.get(name, 0) + n
        self.weights = nn.ParameterDict(
            {name: nn.Parameter(torch.randn(n, channels) / n**0.5) for name, n in sorted(counts.items())}
        )

    def forward(self, structures: Structures) -> Float[Tensor, "atoms lm channels"]:
        """Features of the atoms.

        Raises
        ------
        ValueError
            A label is absent, has another shape, or is not known everywhere.
        """
        dtype = next(iter(self.weights.values())).dtype
        copies: dict[str, list[Tensor]] = {name: [] for name in self.weights}
        for p, scale in zip(self.properties, self.scales, strict=True):
            x = (to_components(p, values_of(p, structures)) / scale).to(dtype)
            x = x if p.per == "atom" else x[structures.structure]
            for (n, ir), place in zip(p.irreps, p.irreps.slices(), strict=True):
                copies[_name(self.layout, ir)].append(x[:, place].unflatten(1, (n, ir.dim)))
        blocks = []
        for key in self.layout.keys:
            name = f"{key[0]}{_LETTER[key[1]]}"
            if name in copies:
                blocks.append(torch.einsum("akm,kc->amc", torch.cat(copies[name], 1), self.weights[name]))
            else:
                size = structures.n_atoms, 2 * key[0] + 1, self.channels
                blocks.append(torch.zeros(size, dtype=dtype, device=structures.device))
        return torch.cat(blocks, 1)


_LETTER = {1: "e", -1: "o", 0: "y"}


def _name(layout: Layout, ir: Irrep) -> str:
    """Name of the weights of an irrep; where parity is not tracked, degree alone counts."""
    return f"{ir.l}{'y' if layout.parity == 'so3' else _LETTER[ir.p]}"


NONE_UNLESS_SAID = frozenset({"noise_level"})
"""Inputs that are zero where structures lack the label: what nobody has disturbed is as it is."""


def values_of(property: Property, structures: Structures) -> Tensor:
    """Values of an input in a batch; a batch of nothing needs none.

    Raises
    ------
    ValueError
        The label is absent, has another shape, or is not known everywhere.
    """
    p, labels = property, structures.labels
    rows = structures.n_atoms if p.per == "atom" else len(structures)
    if p.name not in labels:
        if not rows or p.name in NONE_UNLESS_SAID:
            return structures.positions.new_zeros(rows, *p.shape)
        raise ValueError(
            f"the network reads the label {p.name!r} of each {p.per}, which these structures do not have"
            f"{suggest(p.name, list(labels))} Labels there: {', '.join(labels) or 'none'}."
        )
    values = labels[p.name]
    if tuple(values.shape) != (rows, *p.shape):
        raise ValueError(
            f"the network reads {p.name!r} as {p.irreps} per {p.per}, of shape {(rows, *p.shape)}; "
            f"given {tuple(values.shape)}"
        )
    unknown = int((~torch.isfinite(values)).reshape(rows, prod(p.shape)).any(1).sum())
    if unknown:
        raise ValueError(
            f"the network reads {p.name!r} of each {p.per}; it is NaN or infinite for {unknown} of {rows}"
        )
    return values


def _refuse(property: Property, network: Layout) -> None:
    """Raise ``ValueError`` where a property holds what features of the network cannot."""
    p, what = property, f"input {property.name!r} holds {property.irreps}"
    if p.irreps.l_max > network.l_max:
        raise ValueError(
            f"{what}; the network has degrees up to {network.l_max}: set l_max: {p.irreps.l_max}"
        )
    odd = [str(ir) for _, ir in p.irreps if not ir.natural]
    if odd and network.parity == "natural":
        raise ValueError(
            f"{what}; {', '.join(odd)} has not the natural parity (−1)^l of its degree: set parity: both"
        )
