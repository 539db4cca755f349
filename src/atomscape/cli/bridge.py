"""``atomscape data bridge``: the structures that two datasets share, and how their labels differ."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from rich.table import Table

    from atomscape.data.bridge import Comparison


def bridge(
    a: Annotated[str, typer.Argument(help="A dataset: name, store, file or folder.")],
    b: Annotated[str, typer.Argument(help="Another, for instance at another level of theory.")],
    by: Annotated[
        str, typer.Option(help="geometry (equal positions), ids, or fingerprint (turned, reordered, …).")
    ] = "geometry",
    out: Annotated[
        Path | None, typer.Option(help="Write the pairs of ids and the comparison as JSON.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print that JSON.")] = False,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace what exists.")] = False,
) -> None:
    """Find what two datasets share and compare their labels there: the way from one level to the other."""
    import json

    from atomscape.cli.output import console, escaped
    from atomscape.data.bridge import compare, find_bridge
    from atomscape.data.load import load

    if out is not None and out.exists() and not overwrite:
        raise FileExistsError(f"{out} exists and is not overwritten; give overwrite=True or another")
    one, other, screen = load(a), load(b), console()
    found = find_bridge(one, other, by)
    comparisons = compare(one, other, found)
    content = {
        "a": one.card.name,
        "b": other.card.name,
        "by": by,
        "pairs": [
            [one.ids[i], other.ids[j]]
            for i, j in zip(found.rows_a.tolist(), found.rows_b.tolist(), strict=True)
        ],
        "labels": [c.as_dict() for c in comparisons],
    }
    text = json.dumps(content, indent=1, ensure_ascii=False)
    if out is not None:
        out.write_text(text + "\n")
    if as_json:
        typer.echo(text)
        return
    share = f"{len(found):,} of {len(one):,} structures of {one.card.name} stand in {other.card.name} too"
    screen.print(escaped(f"{share} ({int(found.exact.sum()):,} with equal positions)"))
    if comparisons:
        screen.print(comparison_table(comparisons))
    for c in comparisons:
        if c.references:
            differences = "  ".join(f"{symbol} {value:.6g}" for symbol, value in c.references.items())
            screen.print(escaped(f"{c.property} per element, B − A ({c.unit}): {differences}"))
        if c.note:
            screen.print(escaped(f"{c.property} per element: {c.note}"))


def comparison_table(comparisons: list[Comparison]) -> Table:
    """One line per label: how B follows from A and how much is left."""
    from atomscape.cli.output import table

    made = table(
        "label", "unit", "values", "offset", "slope", "RMS of B − A", "RMS of the rest", right=(2, 3, 4, 5, 6)
    )
    for c in comparisons:
        unit = f"{c.unit}/atom" if c.references else c.unit
        made.add_row(
            c.property,
            unit,
            f"{c.count:,}",
            "per element" if c.references else f"{c.offset:.4g}",
            f"{c.slope:.4g}",
            f"{c.rmse:.4g}",
            f"{c.rest:.4g}",
        )
    return made
