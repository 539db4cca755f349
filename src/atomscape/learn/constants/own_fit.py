"""What heads may do by themselves before training: fit their buffers, and say where they have no answer.

A head with neither is fitted as ``learn.constants.fit`` says, and answers for every structure.
"""

from __future__ import annotations

from typing import Protocol, runtime_checkable

from torch import Tensor

from atomscape.atoms.structures import Structures
from atomscape.shapes import Bool


@runtime_checkable
class OwnFit(Protocol):
    """A head whose buffers no rule for its property would fit well."""

    def fit(self, structures: Structures) -> float:
        """Set the buffers from structures whose label is known; return the scale of errors in the loss."""
        ...


@runtime_checkable
class Partial(Protocol):
    """A head whose property does not exist for every structure; it predicts NaN where it does not."""

    undefined: str

    def defined(self, structures: Structures) -> Bool[Tensor, " structures"]:
        """Structures that have the property; ``undefined`` says why others have not, and what to do."""
        ...


def own_fit(head: object) -> OwnFit | None:
    """The head, if it fits itself; else None."""
    return head if isinstance(head, OwnFit) else None


def refuse_undefined(head: object, structures: Structures, name: str, dataset: str) -> None:
    """Raise ``ValueError`` if labels are known for structures that cannot have the property."""
    if not isinstance(head, Partial):
        return
    without = ~head.defined(structures)
    if bool(without.any()):
        first = int(without.nonzero()[0])
        named = f", the first {structures.ids[first]}" if structures.ids and structures.ids[first] else ""
        raise ValueError(
            f"objective {name!r} on {dataset!r}: {int(without.sum()):,} of {len(structures):,} labelled "
            f"structures{named}: {head.undefined}"
        )
