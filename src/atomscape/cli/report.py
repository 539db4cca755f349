"""``atomscape report``: a run as one HTML page."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def report(
    run: Annotated[Path, typer.Argument(help="Folder of a run, ended or under way.")],
    out: Annotated[Path | None, typer.Option(help="The page.", show_default="RUN/report.html")] = None,
) -> None:
    """Write a run as one HTML file that works offline: curves, predictions, errors, the network, the data."""
    from atomscape.cli.output import console
    from atomscape.report.page import write_report

    console().print(f"report: {write_report(run, out)}", soft_wrap=True)
