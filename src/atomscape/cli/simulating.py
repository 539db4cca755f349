"""What the commands of simulation share: whose model, which structures, where results go."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from ase import Atoms

    from atomscape.atoms.structures import Structures
    from atomscape.simulate.potential import Trained

STOPPED = 130


class Precision(StrEnum):
    """In which a network computes."""

    float32 = "float32"
    float64 = "float64"


Run = Annotated[Path, typer.Argument(metavar="RUN", help="Folder of a run, a model file, or ensemble.json.")]
Structure = Annotated[
    str, typer.Argument(metavar="FILE", help="A file that ASE reads, a store or a named dataset.")
]
Row = Annotated[int, typer.Option(help="Which structure, from 0; −1 is the last.")]
With = Annotated[
    list[Path] | None,
    typer.Option("--with", metavar="RUN", help="Another run: the mean of all is used, their spread is told."),
]
Dataset = Annotated[
    str | None, typer.Option(help="Whose energy to use, where the model knows several datasets.")
]
Dtype = Annotated[
    Precision | None, typer.Option(help="Precision of the network.", show_default="as it was trained")
]
Fine = Annotated[Precision, typer.Option(help="Precision of the network; differences want float64.")]
Device = Annotated[str, typer.Option(help="cpu, or cuda.")]
Json = Annotated[Path | None, typer.Option(help="Also write the numbers to this file.")]
Overwrite = Annotated[bool, typer.Option("--overwrite", help="Replace what exists.")]
Resume = Annotated[bool, typer.Option("--resume", help="Go on where it stopped.")]
Clamped = Annotated[bool, typer.Option("--clamped", help="Keep atoms at their fractions.")]
AsGiven = Annotated[
    bool, typer.Option("--as-given", help="Take the crystal as it is; do not relax atoms and cell first.")
]


def potential_of(
    run: Path, more: Sequence[Path] | None, dataset: str | None, dtype: Precision | None, device: str
) -> Trained:
    """The potential of a run, or of several together.

    Raises
    ------
    ValueError
        There is no model, or it has no energy.
    """
    from atomscape.simulate.ensemble import load_runs

    runs = [run, *more] if more else run
    return load_runs(runs, dataset, None if dtype is None else dtype.value, device)


def images_of(what: str, rows: slice | int) -> list[Atoms]:
    """Structures of a file as ASE reads it, with constraints and velocities; else of a store or dataset.

    Raises
    ------
    ValueError
        The file cannot be read, or has no such structure.
    """
    from atomscape.atoms.ase import to_ase
    from atomscape.data.load import load

    path = Path(what)
    if path.is_file():
        from ase.io import read

        try:
            found = read(path, ":")
        except Exception as error:  # readers of ASE raise whatever their parsers do
            raise ValueError(f"ASE cannot read {what}: {error or type(error).__name__}") from error
        images = found if isinstance(found, list) else [found]
        _refuse_missing(what, rows, len(images))
        return images[rows] if isinstance(rows, slice) else [images[rows]]
    store = load(what)
    _refuse_missing(what, rows, len(store))
    chosen = list(range(len(store)))[rows] if isinstance(rows, slice) else [rows % len(store)]
    return to_ase(store[chosen])


def _refuse_missing(what: str, rows: slice | int, n: int) -> None:
    if isinstance(rows, int) and not -n <= rows < n:
        raise ValueError(f"--row {rows}: {what} has {n:,} structures, from 0")


def crystal_of(what: str, row: int, potential: Trained, as_given: bool) -> Structures:
    """A crystal, relaxed with its cell or as it was given.

    Raises
    ------
    ValueError
        It is no crystal, it does not come to rest, or training has not seen its elements.
    """
    from atomscape.simulate.equation_of_state import refuse_no_crystal
    from atomscape.simulate.reading import structures_of
    from atomscape.simulate.relax import relax

    s = structures_of(images_of(what, row), potential.inputs)
    refuse_no_crystal(s, "this command's result")
    potential.check(s)
    if as_given:
        return s
    done = relax(potential, s, cell="free", fmax=1e-3, smax=1e-5, steps=500)
    if not bool(done.converged[0]):
        raise ValueError(
            f"{what} does not come to rest: after {int(done.steps[0])} steps there is a force of "
            f"{float(done.fmax[0]):.3g} eV/Å and a stress of {float(done.smax[0]):.3g} eV/Å³. Look at it "
            "with atomscape relax; --as-given takes it as it is"
        )
    return done.structures


def stem_of(what: str) -> str:
    """What files are called after: the name of a file without its ending, or of a dataset."""
    return Path(what).stem if Path(what).exists() else what


def refuse_existing(files: Sequence[Path], overwrite: bool) -> None:
    """Raise ``FileExistsError`` unless what exists may be replaced."""
    there = [str(f) for f in files if f.exists()]
    if there and not overwrite:
        raise FileExistsError(
            f"{', '.join(there)} exists; --overwrite replaces it, --out names another place"
        )


def write_json(path: Path | None, record: dict[str, Any]) -> None:
    """Write numbers, if a file was named for them."""
    if path is not None:
        from json import dumps

        write_text(path, dumps(record, indent=1, ensure_ascii=False) + "\n")


def write_text(path: Path, text: str) -> None:
    """Write a picture or numbers, in a folder that is made where it is missing."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")


@contextmanager
def steps_shown(title: str, total: int | None) -> Iterator[Callable[..., None]]:
    """A bar of steps with a few words beside it, on standard error if that is a terminal."""
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    screen = Console(stderr=True)
    columns = (TextColumn(title), BarColumn(), MofNCompleteColumn(), TextColumn("{task.description}"))
    with Progress(
        *columns, TimeRemainingColumn(), console=screen, disable=not screen.is_terminal, transient=True
    ) as bar:
        task = bar.add_task("", total=total)
        yield lambda done, words="": bar.update(task, completed=done, description=words)
