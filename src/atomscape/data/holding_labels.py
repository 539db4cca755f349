"""Labels of structures that were changed: which still hold, and which are no longer known.

An energy, a gap, a space group belong to a geometry and its elements. Where those are changed, the label is
that of another structure: it becomes NaN. What holds for any geometry (the charge of the whole, the tag of an
atom) stays, as does what earlier changes say of themselves, and what a config keeps on purpose.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch

from atomscape.atoms.properties import COPIES, property_named
from atomscape.atoms.structures import Structures
from atomscape.find import suggest
from atomscape.shapes import Bool, Tensor

WHATEVER_THE_GEOMETRY = frozenset(
    {
        "total_charge",
        "total_spin",
        "isolated_atom",
        "reaction_role",
        "reaction_part",
        "reaction_atom",
        "tags",
        "fixed",
    }
)
SAID_OF_CHANGES = frozenset(
    {
        "missing_positions",
        "missing_numbers",
        "position_noise",
        "scaled_position_noise",
        "noise_level",
        "strain_noise",
        "masked_element",
    }
)


def holding_labels(
    s: Structures, changed: Bool[Tensor, " structures"], keep: Sequence[str] = ()
) -> dict[str, Tensor]:
    """Labels of structures of which some were changed: NaN where they hold no longer.

    ``keep`` names labels of the clean structure that are learned from the changed one all the same.

    Raises
    ------
    ValueError
        A label to keep that the structures do not have, or that is a derivative of the energy.
    """
    refuse_keeping(s, keep)
    stays = WHATEVER_THE_GEOMETRY | SAID_OF_CHANGES | set(keep)
    labels = {}
    for name, values in s.labels.items():
        if name in stays or not values.is_floating_point():
            labels[name] = values
            continue
        lost = changed[s.structure] if s.runs_over_atoms(name) else changed
        labels[name] = torch.where(lost.view(-1, *[1] * (values.dim() - 1)), torch.nan, values)
    return labels


def refuse_keeping(s: Structures, keep: Sequence[str]) -> None:
    """Raise ``ValueError`` for a label that cannot be kept, or is not there."""
    for name in keep:
        known = property_named(COPIES.get(name, name))
        if known is not None and known.derivative_of is not None:
            raise ValueError(
                f"keep: {name} is a derivative of the {known.derivative_of}, which changes with the first "
                "order of a displacement; it does not hold for a changed structure"
            )
        if name not in s.labels:
            raise ValueError(
                f"keep: these structures have no label {name!r}{suggest(name, list(s.labels))} Only labels "
                f"of the run's objectives can be kept: {', '.join(s.labels) or 'none'}."
            )
