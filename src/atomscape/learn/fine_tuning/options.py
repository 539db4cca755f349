"""Options of a run that builds on another run.

Each may be given by its main word alone: ``start_from: runs/qm9``, ``lora: 8``.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field, model_validator

from atomscape.learn.strict import Count, Strict


class StartFrom(Strict):
    """A trained model whose encoder a run starts from, and those of its heads that agree.

    ``heads``: head of the new model → head of the old one (``dataset:property``, ``shared:property``) where
    names do not tell; ``false`` takes none.
    """

    model: str
    heads: dict[str, str] | Literal[False] = Field(default={})

    @model_validator(mode="before")
    @classmethod
    def _by_model(cls, given: Any) -> Any:
        return {"model": given} if isinstance(given, str) else given


class LowRank(Strict):
    """Low-rank adapters: what ``parts`` names stays as it is but for a trained update of this rank."""

    rank: Count = 4
    scale: float = Field(default=1.0, gt=0, description="factor on the update")
    parts: Annotated[tuple[str, ...], Field(min_length=1)] = ("encoder",)

    @model_validator(mode="before")
    @classmethod
    def _by_rank(cls, given: Any) -> Any:
        whole = isinstance(given, int) and not isinstance(given, bool)
        return {"rank": given} if whole else given
