"""Labels made of other labels: metal or not from a gap, and what direct heads learn from forces and stress.

A dataset offers such a label where it has the one that it is made of. Its own, where it has one, is taken
instead. The rule is kept with the head, so that a model is judged on other data by the same rule.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import torch
from pydantic import BaseModel, ConfigDict, Field, model_validator

from atomscape.atoms.properties import PROPERTIES, Property, free_property
from atomscape.atoms.structures import Structures
from atomscape.shapes import Tensor


class Derive(BaseModel):
    """How a label is made: a copy of another or, with a bound, 1 where that keeps to it and 0 elsewhere."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    label: str = Field(description="the label it is made of")
    at_least: float | None = Field(default=None, description="in the unit of that label")
    at_most: float | None = Field(default=None, description="in the unit of that label")

    @model_validator(mode="after")
    def _bounds_leave_room(self) -> Derive:
        if self.at_least is not None and self.at_most is not None and self.at_least > self.at_most:
            raise ValueError(
                f"derive: at_least ({self.at_least:g}) is more than at_most ({self.at_most:g}); no "
                f"{self.label} keeps to both"
            )
        return self

    @property
    def bounded(self) -> bool:
        """Whether it answers yes or no."""
        return self.at_least is not None or self.at_most is not None

    def of(self, values: Tensor) -> Tensor:
        """The label; NaN stays NaN."""
        if not self.bounded:
            return values
        low = -torch.inf if self.at_least is None else self.at_least
        high = torch.inf if self.at_most is None else self.at_most
        return torch.where(values.isnan(), values, ((values >= low) & (values <= high)).to(values.dtype))

    def property(self, name: str, source: Property) -> Property:
        """What it is: of the vocabulary, else a yes or no, or as the label that it copies."""
        if name in PROPERTIES:
            return PROPERTIES[name]
        if self.bounded:
            return free_property(name, source.per, "1", description=f"whether {self}")
        return replace(source, name=name, derivative_of=None)

    def __str__(self) -> str:
        """``gap ≤ 0.1``."""
        low = "" if self.at_least is None else f"{self.at_least:g} ≤ "
        return low + self.label + ("" if self.at_most is None else f" ≤ {self.at_most:g}")


RULES: dict[str, Derive] = {
    "non_conservative_forces": Derive(label="forces"),
    "non_conservative_stress": Derive(label="stress"),
    "metal": Derive(label="gap", at_most=0.0),
}
"""Properties that need no words: each is made by this rule unless the objective has one of its own."""


def rule(name: str, given: Derive | None) -> Derive | None:
    """Rule for a property: the one given, else the one that is known; None where there is none."""
    return RULES.get(name) if given is None else given


def derivable(
    name: str, given: Derive | None, offered: Mapping[str, Property]
) -> tuple[Property, Derive] | None:
    """What a dataset can offer by a rule, and the rule; None where it has the label already, or cannot."""
    r = rule(name, given)
    if r is None or name in offered or r.label not in offered:
        return None
    return r.property(name, offered[r.label]), r


def with_derived(structures: Structures, rules: Mapping[str, Derive]) -> Structures:
    """Structures with the labels that rules make of those they have, as far as they lack them."""
    made = {
        name: r.of(structures.labels[r.label])
        for name, r in rules.items()
        if r.label in structures.labels and name not in structures.labels
    }
    return structures.with_labels(**made) if made else structures
