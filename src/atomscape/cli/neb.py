"""``atomscape neb``: the path of least energy between two structures, and the barrier on it."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from atomscape.cli.simulating import STOPPED, Dataset, Device, Dtype, Json, Overwrite, Resume, Run, With

if TYPE_CHECKING:
    from ase import Atoms

    from atomscape.simulate.neb import Chain
    from atomscape.simulate.passage import Passage
    from atomscape.simulate.potential import Trained


class Guess(StrEnum):
    """How the first images are made."""

    idpp = "idpp"
    straight = "straight"


Start = Annotated[str, typer.Argument(metavar="START", help="File; its first structure is the start.")]
End = Annotated[str, typer.Argument(metavar="END", help="File; its last structure is the end.")]
Images = Annotated[int, typer.Option(min=1, help="Between start and end.")]
Through = Annotated[
    str | None,
    typer.Option(
        metavar="FILE", help="Structures on the way; where as many as images, these are the images."
    ),
]
Between = Annotated[
    Guess, typer.Option(help="First images: by distances of atoms (idpp), or on a straight line.")
]
Fmax = Annotated[float, typer.Option(min=0, help="Largest force on the band that counts as none, eV/Å.")]
Climb = Annotated[bool, typer.Option(help="The highest image climbs to the saddle.")]
RelaxEnds = Annotated[bool, typer.Option("--relax-ends", help="Bring both ends to rest first.")]


def neb(
    run: Run,
    start: Start,
    end: End,
    images: Images = 7,
    through: Through = None,
    guess: Between = Guess.idpp,
    relax_ends: RelaxEnds = False,
    climb: Climb = True,
    spring: Annotated[float, typer.Option(min=1e-6, help="Between images, eV/Å².")] = 0.1,
    fmax: Fmax = 0.05,
    steps: Annotated[int, typer.Option("-n", "--steps", min=0, help="At most so many.")] = 500,
    out: Annotated[Path | None, typer.Option(help="Folder.", show_default="neb/START")] = None,
    resume: Resume = False,
    overwrite: Overwrite = False,
    json: Json = None,
    also: With = None,
    dataset: Dataset = None,
    dtype: Dtype = None,
    device: Device = "cpu",
) -> None:
    """Find the path from one minimum to another, and its barrier, by a nudged elastic band.

    All images are computed in one batch. Writes band.xyz after every step, and a picture at the end. Ctrl-C
    stops safely; --resume goes on as if nothing had happened. The exit status is 2 where the band did not
    come to rest.
    """
    from atomscape.cli.output import console
    from atomscape.cli.simulating import potential_of, refuse_existing, steps_shown, write_json
    from atomscape.simulate.neb_folder import band_in_folder

    refuse_existing([json] if json and not resume else [], overwrite)
    potential = potential_of(run, also, dataset, dtype, device)
    folder = out or Path("neb") / Path(start).stem
    settings: dict[str, Any] = {"model": potential.hash, "dataset": dataset, "start": start, "end": end}
    settings |= {"images": images, "through": through, "guess": guess.value, "relax_ends": relax_ends}
    settings |= {"climb": climb, "spring": spring}
    options = {"fmax": fmax, "steps": steps, "climb": climb, "spring": spring}
    ends = fmax if relax_ends else None
    first = lambda: _chain(potential, (start, end, through), images, guess is Guess.straight, ends)  # noqa: E731
    try:
        with steps_shown("band", steps) as tell:
            passage = band_in_folder(
                *(folder, first, potential),
                **{"settings": settings, "resume": resume, "overwrite": overwrite, **options},
                progress=lambda p: tell(p.steps, f"{p.force:.3g} eV/Å, barrier {p.barrier:.3f} eV"),
            )
    except KeyboardInterrupt:
        console().print(f"stopped; the same command with --resume continues from {folder}")
        raise typer.Exit(STOPPED) from None
    _told(passage, folder, fmax)
    write_json(json, {"model": potential.hash, **settings, **passage.as_dict()})
    if not passage.converged:
        raise typer.Exit(2)


def _chain(
    potential: Trained, files: tuple[str, str, str | None], n: int, straight: bool, rest: float | None
) -> Chain:
    """Images from files, with ends at rest (to forces below ``rest`` eV/Å) where wanted."""
    from atomscape.cli.simulating import images_of
    from atomscape.simulate.neb import first_chain, refuse_other_atoms

    start, end, through = files
    ends = [*images_of(start, 0), *images_of(end, -1)]
    refuse_other_atoms(ends[0], ends[1], "the end")
    if rest is not None:
        _bring_to_rest(potential, ends, rest)
    middle = images_of(through, slice(None)) if through else []
    return first_chain([ends[0], *middle, ends[1]], n, potential.inputs, straight)


def _bring_to_rest(potential: Trained, ends: list[Atoms], fmax: float) -> None:
    from atomscape.simulate.reading import fixed_atoms, structures_of
    from atomscape.simulate.relax import relax

    s = structures_of(ends, potential.inputs)
    done = relax(potential, s, fixed=fixed_atoms(ends), fmax=fmax, steps=500)
    for k, (image, name) in enumerate(zip(ends, ("start", "end"), strict=True)):
        if not bool(done.converged[k]):
            raise ValueError(
                f"the {name} does not come to rest: a force of {float(done.fmax[k]):.3g} eV/Å is left after "
                f"{int(done.steps[k])} steps. Look at it with atomscape relax"
            )
        image.set_positions(done.structures[k].positions.numpy(), apply_constraint=False)


def _told(passage: Passage, folder: Path, fmax: float) -> None:
    from atomscape.cli.output import console, table
    from atomscape.learn.checkpoint import write_atomic
    from atomscape.simulate.passage import passage_figure

    screen, labels = console(), passage.structures.labels
    made = table("image", "path, Å", "energy, eV", "", right=(0, 1, 2))
    last = len(passage.structures) - 1
    words = {0: "start", last: "end"}
    top = "saddle" if passage.climbed and passage.converged else "highest"
    words |= {passage.highest: top} if 0 < passage.highest < last else {}
    for k, (x, e) in enumerate(zip(passage.distances, passage.energies, strict=True)):
        made.add_row(str(k), f"{x:.3f}", f"{e:+.4f}", words.get(k, ""))
    screen.print(made)
    screen.print(
        f"barrier {passage.barrier:.4f} eV, back {passage.barrier_back:.4f} eV, reaction energy "
        f"{passage.reaction:+.4f} eV"
    )
    if passage.highest in (0, last):
        screen.print(
            "no image is higher than both ends: this path has no barrier, or too few images to see it"
        )
    if passage.hollows:
        where = ", ".join(map(str, passage.hollows))
        screen.print(f"image {where} lies in a hollow of its own: relax it, and make a band on each side")
    forces = labels["forces"].reshape(last + 1, -1, 3).square().sum(2).amax(1).sqrt()
    for k, name in ((0, "start"), (last, "end")):
        if float(forces[k]) > 2 * fmax:
            screen.print(f"the {name} is not at rest, {float(forces[k]):.2g} eV/Å; see --relax-ends")
    rest = "at rest" if passage.converged else "[bold red]not at rest[/]"
    screen.print(f"{rest} after {passage.steps} steps, {passage.force:.3g} eV/Å")
    write_atomic(folder / "band.svg", passage_figure(passage).encode())
    screen.print(f"band.xyz and band.svg in {folder}")
