"""What the commands print through: one console for results, one for errors."""

from __future__ import annotations

import re
import sys

from rich.console import Console
from rich.table import Table

# Tables written to a file or a pipe get room for paths; a terminal says its own width.
WIDTH_OF_A_FILE = 120

# Messages name arguments of functions; on the command line they are options.
OPTIONS = (
    (r"overwrite=True", "--overwrite"),
    (r"give other names", "give other --names"),
    (r"skip_unreadable=True", "--skip-unreadable"),
    (r"trust=True", "--trust"),
    (r"keys=\{'(\w+)': '?(\w+)'?\}", r"--key \1=\2"),
    (r"units=\{'(\w+)': '?([\w/Å³]+)'?\}", r"--unit \1=\2"),
    (r"stress='tension'\|'compression'", "--stress tension or compression"),
)


def console() -> Console:
    """Console on standard output as it is now (tests and pipes exchange it)."""
    return Console(width=None if sys.stdout.isatty() else WIDTH_OF_A_FILE, highlight=False)


def show_error(error: BaseException) -> None:
    """One line in red on standard error: what an error of ours says, without its traceback."""
    Console(stderr=True, highlight=False, soft_wrap=True).print(
        f"[bold red]error:[/] {escaped(sentence(error))}", emoji=False
    )


def sentence(error: BaseException) -> str:
    """The message of an exception. ``str`` of a KeyError would quote it, of an OSError lead with a number."""
    if isinstance(error, KeyError) and error.args:
        return str(error.args[0])
    if isinstance(error, OSError) and error.strerror:
        names = [str(n) for n in (error.filename, error.filename2) if n is not None]
        return ": ".join([" → ".join(names), error.strerror] if names else [error.strerror])
    text = str(error) or type(error).__name__
    for pattern, option in OPTIONS:
        text = re.sub(pattern, option, text)
    return text


def escaped(text: str) -> str:
    """Text with square brackets that rich shall not read as markup."""
    from rich.markup import escape

    return escape(text)


def table(*columns: str, title: str = "", right: tuple[int, ...] = ()) -> Table:
    """An empty table in the style all commands share; ``right`` are the columns of numbers.

    Without any name there is no line of names.
    """
    made = Table(
        show_header=any(columns),
        title=title or None,
        title_justify="left",
        title_style="bold",
        box=None,
        pad_edge=False,
        padding=(0, 2),
    )
    for i, name in enumerate(columns):
        made.add_column(name, justify="right" if i in right else "left", header_style="bold", overflow="fold")
    return made


def one_line_each(made: Table, whole: tuple[int, ...]) -> Table:
    """The table with a line for each row: where there is no room, all columns but the ``whole`` are cut."""
    for i, column in enumerate(made.columns):
        column.no_wrap, column.overflow = True, "ellipsis"
        if i in whole:
            column.min_width = max(map(len, map(str, column.cells)), default=0)
    return made
