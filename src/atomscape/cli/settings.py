"""Settings of a plug-in from ``--set KEY=VALUE`` options, for commands that run one by its name."""

from __future__ import annotations

from types import ModuleType
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from pydantic import BaseModel

Set = Annotated[
    list[str] | None, typer.Option("--set", metavar="KEY=VALUE", help="A setting; `list` shows them.")
]


def configured(module: ModuleType, name: str, settings: list[str]) -> BaseModel:
    """The ``Config`` of a plug-in with settings given as ``key=value``.

    Raises
    ------
    ValueError
        There is no such setting, or it may not have that value.
    """
    import yaml
    from pydantic import ValidationError

    from atomscape.find import suggest

    fields = module.Config.model_fields
    given = {}
    for text in settings:
        key, equals, value = text.partition("=")
        if not equals or key not in fields:
            raise ValueError(
                f"--set {text!r}: {name} has no such setting{suggest(key, list(fields))} Settings are given "
                f"as KEY=VALUE: {', '.join(fields) or 'there are none'}"
            )
        listed = isinstance(fields[key].default, tuple)  # elements=H,C,O
        given[key] = [v for v in value.strip("[]").split(",") if v] if listed else yaml.safe_load(value)
    try:
        return module.Config(**given)
    except ValidationError as error:
        first = error.errors()[0]
        raise ValueError(f"{name}: {'.'.join(map(str, first['loc']))}: {first['msg']}") from None


def in_words(config: BaseModel) -> str:
    """Settings and their values on a line."""
    values = config.model_dump().items()
    return ", ".join(f"{key}={'all' if value == () else value}" for key, value in values)
