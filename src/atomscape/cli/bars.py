"""Progress bars of commands that go through structures; where the output is no terminal there are none."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rich.console import Console

    from atomscape.data.convert import Bar


def bars(screen: Console) -> Bar:
    """A maker of bars on this console: title, share, structures, time left."""

    @contextmanager
    def bar(title: str, total: int | None) -> Iterator[Callable[[int], None]]:
        from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

        columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
        with Progress(*columns, console=screen, disable=not screen.is_terminal, transient=True) as shown:
            task = shown.add_task(title, total=total)
            yield lambda n: shown.update(task, advance=n)

    return bar
