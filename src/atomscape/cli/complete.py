"""``atomscape complete``: the atoms that a structure lacks, ranked, with probabilities and a picture."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from atomscape.cli.reading import Key, Stress, Unit, reading

if TYPE_CHECKING:
    from atomscape.atoms.structures import Structures
    from atomscape.generate.complete import Completion
    from atomscape.learn.model import Model


COINCIDENT = 0.3
"""Å; no two atoms are as close."""


def complete(
    what: Annotated[str, typer.Argument(metavar="FILE", help="A file that ASE reads, or any other data.")],
    missing: Annotated[int, typer.Option("-n", "--missing", min=1, help="How many atoms are missing.")] = 1,
    model: Annotated[
        str | None, typer.Option(help="A run, a model file, or a model that comes with atomscape.")
    ] = None,
    ranks: Annotated[int, typer.Option(min=1, help="Proposals given.")] = 5,
    row: Annotated[int, typer.Option(help="Which structure, from 0; −1 is the last.")] = 0,
    out: Annotated[
        Path | None,
        typer.Option(help="Completed structures, .xyz.", show_default="FILE-completed.xyz"),
    ] = None,
    page: Annotated[bool, typer.Option(help="Also write a page in 3D with the density.")] = True,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace files that exist.")] = False,
    key: Key = None,
    unit: Unit = None,
    stress: Stress = None,
) -> None:
    """Propose the atoms that are missing: where, which element, and how probable.

    Writes the completed structures (one per frame, the most probable first; new atoms stand last), a picture
    of them, and a page to look at them in 3D.
    """
    from atomscape.cli.output import console, table
    from atomscape.generate.complete import BEAMS
    from atomscape.generate.complete import complete as completions
    from atomscape.generate.density import has_density
    from atomscape.generate.models import completion_model, strangers
    from atomscape.generate.scoring import proposer

    screen, s = console(), _structure(what, row, reading(key, unit, stress, False))
    target = out or Path(f"{Path(what).stem if Path(what).exists() else what}-completed.xyz")
    files = [target, target.with_suffix(".svg")] + ([target.with_suffix(".html")] if page else [])
    _refuse_others(target)
    _refuse_existing(files, overwrite)
    chosen, name = completion_model(model, s)
    found = completions(proposer(chosen, max(2 * ranks, BEAMS)), s, missing, ranks)
    if not found:
        raise ValueError(f"{name} has no proposal for {what}: no atom of it has anything to say")
    shown = table("rank", "probability", "atoms (Å)", right=(0, 1))
    for k, c in enumerate(found, start=1):
        shown.add_row(str(k), f"{100 * c.probability:.1f} %", _in_words(c))
    screen.print(f"{s.formulas()[0]}: {missing} missing, by {name}")
    for line in strangers(chosen, s):
        screen.print(line)
    screen.print(shown)
    _write(files, s, found, chosen if missing == 1 and has_density(chosen) else None)
    screen.print(f"written: {', '.join(map(str, files))}")


def _structure(what: str, row: int, how) -> Structures:
    from atomscape.data.load import load

    store = load(what, how)
    if not -len(store) <= row < len(store):
        raise ValueError(f"--row {row}: {what} has {len(store):,} structures, from 0")
    chosen = store[row]
    _refuse_coincident(chosen)
    return chosen


def _refuse_coincident(s: Structures) -> None:
    from atomscape.atoms.neighbours import neighbour_graph

    pairs = neighbour_graph(s, COINCIDENT)
    if pairs.n_edges:
        i, j = int(pairs.centre[0]), int(pairs.neighbour[0])
        raise ValueError(
            f"atoms {i} and {j} are closer than {COINCIDENT} Å to one another; take one of them out"
        )


def _refuse_others(target: Path) -> None:
    if target.suffix not in (".xyz", ".extxyz"):
        raise ValueError(
            f"--out {target}: structures are written as extended xyz, so name it NAME.xyz; the picture and "
            "the page become NAME.svg and NAME.html"
        )


def _refuse_existing(files: list[Path], overwrite: bool) -> None:
    there = [str(f) for f in files if f.exists()]
    if there and not overwrite:
        raise FileExistsError(
            f"{', '.join(there)} exists; --overwrite replaces it, --out names another place"
        )


def _in_words(c: Completion) -> str:
    from ase.data import chemical_symbols

    atoms = zip(c.numbers.tolist(), c.positions.tolist(), strict=True)
    return "   ".join(f"{chemical_symbols[z]:<2} {x:8.3f} {y:8.3f} {w:8.3f}" for z, (x, y, w) in atoms)


def _write(files: list[Path], s: Structures, found: list[Completion], model: Model | None) -> None:
    """Write structures, picture and page; the page shows the density of ``model``, if one is given."""
    from ase.io import write

    from atomscape.atoms.ase import to_ase
    from atomscape.generate.complete import added
    from atomscape.generate.density import density_of
    from atomscape.view.page import write_page
    from atomscape.view.picture import write_picture
    from atomscape.view.proposals import Proposal, proposals_scene

    files[0].parent.mkdir(parents=True, exist_ok=True)
    images = []
    for k, c in enumerate(found, start=1):
        image = to_ase(added(s, c))[0]
        image.info |= {"rank": k, "probability": round(c.probability, 6), "added": len(c.numbers)}
        images.append(image)
    write(files[0], images, format="extxyz")
    drawn = [Proposal(c.numbers.numpy(), c.positions.numpy(), c.probability) for c in found]
    write_picture(proposals_scene(s, drawn), files[1])
    if len(files) > 2:
        write_page(proposals_scene(s, drawn, None if model is None else density_of(model, s)), files[2])
