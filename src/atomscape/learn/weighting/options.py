"""Options of a run that finds the weights of its objectives itself, by one word or with details."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import Field, model_validator

from atomscape.learn.strict import Count, Strict

OF_KIND = {"rate": "learned", "every": "gradient", "asymmetry": "gradient"}
"""Option → the kind that reads it. Configs that were written out hold the defaults of all."""


class Weighting(Strict):
    """How the terms of the loss are weighed against each other, on top of the ``weight`` of each objective.

    ``fixed``: by ``weight`` alone. ``learned``: by the noise of each term (``learn.weighting.learned``).
    ``gradient``: so that all terms pull at the encoder alike (``learn.weighting.balanced``).
    """

    kind: Literal["fixed", "learned", "gradient"] = "fixed"
    rate: float = Field(default=10.0, gt=0, description="learned: multiple of learning_rate for the noise")
    every: Count = Field(default=10, description="gradient: steps between two measurements")
    asymmetry: float = Field(default=0.5, ge=0, description="gradient: pull of terms that lag behind")

    @model_validator(mode="after")
    def _of_this_kind(self) -> Weighting:
        for key, kind in OF_KIND.items():
            default = type(self).model_fields[key].default
            if kind != self.kind and getattr(self, key) != default:
                own = [k for k, other in OF_KIND.items() if other == self.kind]
                raise ValueError(
                    f"weighting: {key} is an option of kind: {kind}, and {self.kind} would ignore it; "
                    f"options of {self.kind}: {', '.join(own) or 'none'}"
                )
        return self

    @model_validator(mode="before")
    @classmethod
    def _by_kind(cls, given: Any) -> Any:
        return {"kind": given} if isinstance(given, str) else given
