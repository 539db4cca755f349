"""What a fixed representation is: a function of structures that learns nothing, and what it claims of itself.

A file in ``representations/`` is one. It has ``Config``, a pydantic model of its settings, and
``build(config)``, which returns a ``Representation``. What is claimed is measured by the laws in ``testing``.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal, Protocol, TypeVar, runtime_checkable

import numpy as np
import torch

from atomscape.atoms.structures import Structures
from atomscape.find import suggest
from atomscape.shapes import Bool, Float, Tensor

INVARIANCES = (
    "rotation",
    "reflection",
    "translation",
    "permutation",
    "lattice translation",
    "unimodular cell",
    "supercell",
)
"""Changes of the description, or of the frame, that a representation may ignore; each has a law."""

SIGHTS = ("composition", "bonding", "geometry", "chirality")
"""Differences between structures that a representation may tell; each has a pair that differs in it."""

KINDS = ("molecules", "crystals", "partly periodic")
"""Kinds of structures, by the number of their periodic directions: none, three, one or two."""

Out = TypeVar("Out", bound=Tensor | np.ndarray, covariant=True)


@dataclass(frozen=True)
class Claims:
    """What a representation says of itself.

    ``invariances`` hold for every structure it applies to. ``sees`` names what changes it, ``form`` is what
    it returns: numbers ``[structures, features]`` (float64) or one text per structure. ``smooth`` says that
    derivatives with respect to positions exist.
    """

    invariances: frozenset[str]
    sees: frozenset[str]
    applies: frozenset[str] = field(default_factory=lambda: frozenset(KINDS))
    form: Literal["features", "text"] = "features"
    smooth: bool = False

    def __post_init__(self) -> None:
        """Refuse claims that no law knows."""
        for given, known in ((self.invariances, INVARIANCES), (self.sees, SIGHTS), (self.applies, KINDS)):
            for name in sorted(given - set(known)):
                raise ValueError(
                    f"no law about {name!r}{suggest(name, known)} Claims are of: {', '.join(known)}"
                )


@runtime_checkable
class Representation(Protocol[Out]):
    """A built representation."""

    claims: Claims

    def __call__(self, structures: Structures, /) -> Out:
        """One row of numbers, or one text, per structure.

        Raises
        ------
        ValueError
            A structure is of a kind, size or element that the representation does not apply to.
        """
        ...


def claim(*names: str) -> frozenset[str]:
    """Names as a set."""
    return frozenset(names)


def kinds_of(structures: Structures) -> list[str]:
    """Kind of each structure."""
    names = {0: "molecules", 1: "partly periodic", 2: "partly periodic", 3: "crystals"}
    return [names[n] for n in structures.pbc.sum(1).tolist()]


def refuse_others(structures: Structures, claims: Claims, what: str) -> None:
    """Raise ``ValueError`` naming the first structure of a kind that ``what`` does not apply to."""
    for i, kind in enumerate(kinds_of(structures)):
        if kind not in claims.applies:
            periodic = "".join("FT"[p] for p in structures.pbc[i].tolist())
            raise ValueError(
                f"{what} applies to {', '.join(sorted(claims.applies))}; structure {name_of(structures, i)} "
                f"has pbc={periodic}"
            )


def name_of(structures: Structures, i: int) -> str:
    """What an error calls a structure: its id, or its number in the batch."""
    return repr(structures.ids[i]) if structures.ids and structures.ids[i] else str(i)


def place_in_structure(structures: Structures) -> Tensor:
    """Number of each atom within its structure, int64 ``[atoms]``."""
    first = structures.offsets[:-1]
    return torch.arange(structures.n_atoms, device=structures.device) - first[structures.structure]


def padded(
    values: Float[Tensor, "atoms *rest"], structures: Structures, size: int, what: str
) -> tuple[Float[Tensor, "structures size *rest"], Bool[Tensor, "structures size"]]:
    """Values of atoms as ``[structures, size, …]``, zero behind the last atom, and which places are taken.

    Raises
    ------
    ValueError
        A structure has more atoms than ``size``.
    """
    largest = int(structures.counts.max()) if len(structures) else 0
    if largest > size:
        i = int(structures.counts.argmax())
        raise ValueError(
            f"{what} was asked for with room for {size} atoms; structure {name_of(structures, i)} has "
            f"{largest}: give atoms={largest} or more"
        )
    place = place_in_structure(structures)
    out = values.new_zeros(len(structures), size, *values.shape[1:])
    taken = torch.zeros(len(structures), size, dtype=torch.bool, device=values.device)
    taken[structures.structure, place] = True
    return out.index_put((structures.structure, place), values), taken
