"""Options that say how a file's columns are to be understood, shared by the commands that read files."""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from atomscape.data.reading import Reading


class Sign(StrEnum):
    """Which sign of the stress is positive in a file."""

    tension = "tension"
    compression = "compression"


What = Annotated[
    str, typer.Argument(help="A named dataset, a store, a file that ASE reads, a folder of CIFs.")
]
Key = Annotated[
    list[str] | None, typer.Option("--key", metavar="LABEL=COLUMN", help="Which column holds a label.")
]
Unit = Annotated[
    list[str] | None, typer.Option("--unit", metavar="LABEL=UNIT", help="Unit in the file, as in stress=GPa.")
]
Stress = Annotated[Sign | None, typer.Option("--stress", help="What is positive in the file.")]
SkipUnreadable = Annotated[
    bool, typer.Option("--skip-unreadable", help="Leave out files of a folder that cannot be read.")
]
Trust = Annotated[
    bool,
    typer.Option("--trust", help="Read files of pickles; they are searched for numbers, and never run."),
]


def reading(
    key: list[str] | None, unit: list[str] | None, stress: Sign | None, skip: bool, trust: bool = False
) -> Reading:
    """How to read files, from the options.

    Raises
    ------
    ValueError
        An option is not of the form LABEL=VALUE.
    """
    from atomscape.data.reading import Reading

    return Reading(
        keys=_pairs("--key", key),
        units=_pairs("--unit", unit),
        stress=None if stress is None else stress.value,
        skip_unreadable=skip,
        trust=trust,
    )


def _pairs(option: str, given: list[str] | None) -> dict[str, str]:
    pairs = {}
    for text in given or ():
        name, equals, value = text.partition("=")
        if not (name and equals and value):
            raise ValueError(
                f"{option} {text!r} is not of the form LABEL=VALUE, as in {option} energy=my_column"
            )
        pairs[name.strip()] = value.strip()
    return pairs
