"""Labels made of other labels: metal or not from a gap, and what direct heads learn from forces and stress.

A dataset offers such a label where it has the one that it is made of. Its own, where it has one, is taken
instead. The rule is kept with the head, so that a model is judged on other data by the same rule.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence, Set
from dataclasses import replace

import torch

from atomscape.atoms.properties import PROPERTIES, Property, free_property
from atomscape.atoms.structures import Structures
from atomscape.learn.labels.derive_rule import Derive, rule
from atomscape.shapes import Tensor


def made_by(rule: Derive, values: Tensor) -> Tensor:
    """The label that a rule makes of values of another; NaN stays NaN."""
    if not rule.bounded:
        return values
    low = -torch.inf if rule.at_least is None else rule.at_least
    high = torch.inf if rule.at_most is None else rule.at_most
    return torch.where(values.isnan(), values, ((values >= low) & (values <= high)).to(values.dtype))


def property_by(rule: Derive, name: str, source: Property) -> Property:
    """What a made label is: of the vocabulary, else a yes or no, or as the label that it copies."""
    if name in PROPERTIES:
        return PROPERTIES[name]
    if rule.bounded:
        return free_property(name, source.per, "1", description=f"whether {rule}")
    return replace(source, name=name, derivative_of=None)


def derivable(
    name: str, given: Derive | None, offered: Mapping[str, Property]
) -> tuple[Property, Derive] | None:
    """What a dataset can offer by a rule, and the rule; None where it has the label already, or cannot."""
    r = rule(name, given)
    if r is None or name in offered or r.label not in offered:
        return None
    return property_by(r, name, offered[r.label]), r


def kept_with(keep: Sequence[str], rules: Mapping[str, Derive], wanted: Set[str]) -> tuple[str, ...]:
    """Labels that stay where those in ``keep`` do: what is made of them, and they themselves if wanted."""
    made = [name for name, r in rules.items() if r.label in keep]
    sources = {rules[name].label for name in made}
    return tuple(dict.fromkeys([*(name for name in keep if name in wanted or name not in sources), *made]))


def with_derived(structures: Structures, rules: Mapping[str, Derive]) -> Structures:
    """Structures with the labels that rules make of those they have, as far as they lack them.

    Stress needs a volume: labels on structures not periodic in three directions count as unknown.
    """
    if "stress" in structures.labels:
        whole = structures.pbc.all(1).view(-1, 1, 1)
        structures = structures.with_labels(stress=torch.where(whole, structures.labels["stress"], torch.nan))
    made = {
        name: made_by(r, structures.labels[r.label])
        for name, r in rules.items()
        if r.label in structures.labels and name not in structures.labels
    }
    return structures.with_labels(**made) if made else structures
