"""Values of a property ↔ components of its irreps: the one place where a tensor changes its basis.

A label is kept as people write it: a vector as x, y, z, a stress as 3×3. A network works with irreps. Three
kinds of property are told apart, by their shape and the symmetry of their indices:

==========================  ==========================================================================
Cartesian tensor            ``symmetry`` is an equation of indices (``"ij=ji"``); a vector needs none
spherical tensor            shape ``(dim,)``: the components themselves, degree by degree, m = −l … l
numbers that do not turn    ``0e`` as often as there are entries, in any shape
==========================  ==========================================================================

Both ways are linear and orthonormal, so that the norm of the components is that of the values.
"""

from __future__ import annotations

from math import prod

from atomscape.atoms.properties import Property
from atomscape.o3.cartesian import CartesianTensor, cartesian_tensor
from atomscape.o3.irreps import Irrep
from atomscape.shapes import Float, Tensor


def to_components(property: Property, values: Float[Tensor, "rows *shape"]) -> Float[Tensor, "rows dim"]:
    """Components of values ``[rows, *property.shape]``; what lacks the index symmetry is projected out.

    Raises
    ------
    ValueError
        The values have another shape, or the property's own shape, symmetry and irreps do not fit together.
    """
    cartesian = change_of_basis(property)
    if tuple(values.shape[1:]) != property.shape:
        raise ValueError(
            f"{property.name} has values of shape {property.shape} each; given {tuple(values.shape)}"
        )
    if cartesian is None:
        return values.reshape(len(values), property.irreps.dim)
    return cartesian.to_irreps(values)


def from_components(
    property: Property, components: Float[Tensor, "rows dim"]
) -> Float[Tensor, "rows *shape"]:
    """Values ``[rows, *property.shape]`` of components; they have the index symmetry exactly.

    Raises
    ------
    ValueError
        There are more or fewer components than the irreps have.
    """
    cartesian = change_of_basis(property)
    if components.shape[1] != property.irreps.dim:
        raise ValueError(
            f"{property.name} has {property.irreps.dim} components ({property.irreps}); "
            f"given {tuple(components.shape)}"
        )
    if cartesian is None:
        return components.reshape(len(components), *property.shape)
    return cartesian.to_cartesian(components)


def change_of_basis(property: Property) -> CartesianTensor | None:
    """Change of basis of a Cartesian property; None where the components are the values as they stand.

    Raises
    ------
    ValueError
        Shape, symmetry and irreps do not fit together.
    """
    symmetry = property.symmetry or ("i" if is_vector(property) else "")
    if not symmetry:
        if prod(property.shape) != property.irreps.dim:
            raise ValueError(
                f"{property.name} has shape {property.shape}, and {property.irreps} has "
                f"{property.irreps.dim} components; give the symmetry of its indices, as 'ij=ji'"
            )
        return None
    found = cartesian_tensor(symmetry)
    blocks = [(n, ir.l) for n, ir in property.irreps.simplify()]
    parities = {ir.p * (-1) ** found.rank for _, ir in property.irreps}
    if property.shape != (3,) * found.rank or blocks != [(n, ir.l) for n, ir in found.irreps]:
        raise ValueError(
            f"{property.name} has shape {property.shape} and irreps {property.irreps}; tensors {symmetry!r} "
            f"have shape {(3,) * found.rank} and irreps {found.irreps}"
        )
    if len(parities) > 1:
        raise ValueError(f"{property.name}: the parts {property.irreps} of one tensor have one parity")
    return found


def is_vector(property: Property) -> bool:
    """Whether values are vectors or pseudovectors, written x, y, z."""
    return property.shape == (3,) and [(n, ir.l) for n, ir in property.irreps] == [(1, 1)]


def is_scalar(property: Property) -> bool:
    """Whether it is one number that neither rotations nor reflections change."""
    return not property.shape and [(n, ir) for n, ir in property.irreps] == [(1, Irrep("0e"))]


def isotropic(property: Property) -> tuple[int, ...]:
    """Where the components lie that no rotation or reflection changes: the ``0e`` of the irreps."""
    found: list[int] = []
    for (n, ir), place in zip(property.irreps, property.irreps.slices(), strict=True):
        found += range(place.start, place.start + n) if ir == Irrep("0e") else ()
    return tuple(found)
