"""What a person sees of a run under way: a progress bar with the time left on a terminal, lines elsewhere."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)


class Display:
    """One bar over all batches of a run, and a line per evaluation above it."""

    def __init__(self, console: Console):
        self.console = console
        self._bar = Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
            TextColumn("left"),
            TimeRemainingColumn(elapsed_when_finished=True),
            console=console,
            disable=not console.is_terminal,
            transient=True,
        )
        self._task = self._bar.add_task("training", total=None)

    @contextmanager
    def shown(self, done: int, total: int) -> Iterator[None]:
        """Show the bar; ``done`` batches of ``total`` were done before."""
        self._bar.update(self._task, completed=done, total=total)
        with self._bar:
            yield

    def advance(self, epoch: int, loss: float) -> None:
        """One batch more."""
        self._bar.update(self._task, advance=1, description=f"epoch {epoch}  loss {loss:.4f}")

    def line(self, text: str) -> None:
        """A line that stays."""
        self._bar.console.print(text, highlight=False, soft_wrap=True)
