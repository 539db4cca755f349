"""The rule by which a label is made of another one: a yes or no by bounds, or a copy under another name."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, Field, model_validator

from atomscape.atoms.properties import COPIES


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

    def __str__(self) -> str:
        """``gap ≤ 0.1``."""
        low = "" if self.at_least is None else f"{self.at_least:g} ≤ "
        return low + self.label + ("" if self.at_most is None else f" ≤ {self.at_most:g}")


RULES: dict[str, Derive] = {name: Derive(label=label) for name, label in COPIES.items()}
RULES["metal"] = Derive(label="gap", at_most=0.0)
"""Properties that need no words: each is made by this rule unless the objective has one of its own."""


def rule(name: str, given: Derive | None) -> Derive | None:
    """Rule for a property: the one given, else the one that is known; None where there is none."""
    return RULES.get(name) if given is None else given
