"""Strict: a part of a config that refuses keys it does not know, and says which was probably meant."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, model_validator

from atomscape.find import suggest

Count = Annotated[int, Field(ge=1)]


def refuse_unknown(given: dict[str, Any], known: list[str]) -> None:
    """Raise ``ValueError`` that names the first key not in ``known`` and the nearest that is."""
    for key in given:
        if key not in known:
            raise ValueError(f"unknown key {key!r}{suggest(str(key), known)} Known: {', '.join(known)}.")


class Strict(BaseModel):
    """A model that refuses unknown keys and says which key was probably meant."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    @model_validator(mode="before")
    @classmethod
    def _known_keys_only(cls, given: Any) -> Any:
        if isinstance(given, dict):
            refuse_unknown(given, list(cls.model_fields))
        return given
