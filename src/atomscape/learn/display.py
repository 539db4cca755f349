"""What a person sees of a run under way: a live view on a terminal, lines elsewhere.

The view shows how far the run is, the loss as bars, the errors of each evaluation in units beside the best so
far, the learning rate, how fast it goes, and what the diagnostics have to say.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.padding import Padding
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)
from rich.table import Table
from rich.text import Text

from atomscape.learn.metrics import Metric, shown
from atomscape.learn.sparkline import sparkline

REFRESH = 4
"""Times per second that the view is drawn."""
KEPT = 4096
"""Losses that the bars are made of; older ones are joined in pairs."""


class Display:
    """A bar over all steps of a run, and what the last step, evaluation and look have found."""

    def __init__(self, console: Console):
        self.console = console
        self._bar = Progress(
            TextColumn("[bold]{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
            TextColumn("left"),
            TimeRemainingColumn(elapsed_when_finished=True),
            console=console,
        )
        self._task = self._bar.add_task("training", total=None)
        self._losses: list[float] = []
        self._each, self._pending = 1, []
        self._rate, self._speed, self._notes = 0.0, {}, ()
        self._errors: dict[str, list[float]] = {}
        self._said: set[str] = set()

    @contextmanager
    def shown(self, done: int, total: int) -> Iterator[None]:
        """Show the view; ``done`` steps of ``total`` were done before."""
        self._bar.update(self._task, completed=done, total=total)
        if not self.console.is_terminal:
            yield
            return
        with Live(
            console=self.console, get_renderable=self.view, refresh_per_second=REFRESH, transient=True
        ) as live:
            yield
            live.refresh()

    def advance(self, epoch: int, loss: float, rate: float = 0.0) -> None:
        """One step more."""
        self._bar.update(self._task, advance=1, description=f"epoch {epoch}")
        self._rate = rate
        self._pending.append(loss)
        if len(self._pending) >= self._each:
            self._losses.append(sum(self._pending) / len(self._pending))
            self._pending = []
        if len(self._losses) > KEPT:
            pairs = zip(self._losses[::2], self._losses[1::2], strict=False)
            self._losses, self._each = [(a + b) / 2 for a, b in pairs], 2 * self._each

    def evaluated(self, metrics: Sequence[Metric], datasets: int) -> None:
        """Errors of an evaluation."""
        for m in metrics:
            value, unit = shown(m.mae, m.unit)
            name = f"{m.dataset}: {m.property}" if datasets > 1 else m.property
            self._errors.setdefault(f"{name}, {unit}", []).append(value)

    def speed(self, rates: dict[str, float]) -> None:
        """How fast it goes, as ``Speed.report`` says it."""
        self._speed = rates

    def notes(self, words: Sequence[str]) -> None:
        """What the diagnostics say now; where there is no view, each sentence once."""
        self._notes = tuple(words)
        for sentence in words:
            if not self.console.is_terminal and sentence not in self._said:
                self.line(f"note: {sentence}")
            self._said.add(sentence)

    def line(self, text: str) -> None:
        """A line that stays."""
        self.console.print(text, highlight=False, soft_wrap=True)

    def view(self) -> RenderableType:
        """Everything at once, as it stands."""
        parts: list[RenderableType] = [self._bar, Padding(self._facts(), (0, 0, 0, 2))]
        if self._errors:
            parts.append(Padding(self._table(), (0, 0, 0, 2)))
        parts += [Text(f"  note  {sentence}", style="yellow") for sentence in self._notes[:6]]
        if len(self._notes) > 6:
            parts.append(Text(f"  note  and {len(self._notes) - 6} more", style="yellow"))
        parts.append(Text("  Ctrl-C stops and saves", style="dim"))
        return Group(*parts)

    def _facts(self) -> Table:
        facts = Table.grid(padding=(0, 2))
        if self._losses:
            bars = Text(sparkline(self._losses), style="cyan")
            facts.add_row("loss", bars.append(f"  {self._losses[-1]:.4g}", style="default"))
            facts.add_row("learning rate", f"{self._rate:.3g}")
        if self._speed:
            facts.add_row("speed", in_words(self._speed))
        return facts

    def _table(self) -> Table:
        table = Table("MAE on val", box=None, padding=(0, 2, 0, 0), header_style="dim")
        for column in ("now", "best"):
            table.add_column(column, justify="right")
        table.add_column("")
        for name, values in self._errors.items():
            table.add_row(
                name, f"{values[-1]:.4g}", f"{min(values):.4g}", Text(sparkline(values, 24), "cyan")
            )
        return table


def in_words(rates: dict[str, float]) -> str:
    """``312 structures/s · 5.6k atoms/s · …``."""
    words = [f"{_short(rates[f'{k}_per_second'])} {k}/s" for k in ("structures", "atoms", "edges")]
    words.append(f"{100 * rates['waiting']:.0f} % of the time for data")
    return " · ".join([*words, f"{rates['memory_gigabytes']:.1f} GB"])


def _short(x: float) -> str:
    for size, letter in ((1e9, "G"), (1e6, "M"), (1e3, "k")):
        if x >= size:
            return f"{x / size:.3g}{letter}"
    return f"{x:.3g}"
