"""``atomscape relax``: structures go downhill, their cells too where wanted."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from atomscape.cli.simulating import Dataset, Device, Dtype, Json, Overwrite, Run, Structure, With

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ase import Atoms

    from atomscape.simulate.ensemble import Doubt
    from atomscape.simulate.relax import Relaxed


class Cell(StrEnum):
    """What of the cell may change."""

    fixed = "fixed"
    isotropic = "isotropic"
    free = "free"


class Way(StrEnum):
    """How to go downhill."""

    lbfgs = "lbfgs"
    fire = "fire"


def relax(
    run: Run,
    what: Structure,
    out: Annotated[
        Path | None, typer.Option(help="Relaxed structures, .xyz.", show_default="FILE-relaxed.xyz")
    ] = None,
    cell: Annotated[Cell, typer.Option(help="What of the cell may change.")] = Cell.fixed,
    pressure: Annotated[float, typer.Option(help="Outer pressure in GPa, where the cell may change.")] = 0.0,
    optimiser: Annotated[Way, typer.Option(help="lbfgs takes fewer steps, fire is sturdier.")] = Way.lbfgs,
    fmax: Annotated[float, typer.Option(min=0, help="Largest force that counts as none, eV/Å.")] = 0.02,
    smax: Annotated[float, typer.Option(min=0, help="Largest stress that counts as none, GPa.")] = 0.05,
    steps: Annotated[int, typer.Option(min=0, help="At most so many.")] = 500,
    limit: Annotated[int | None, typer.Option(min=1, help="The first so many structures only.")] = None,
    trajectory: Annotated[bool, typer.Option(help="Also write every step.")] = False,
    batch: Annotated[int, typer.Option(min=1, help="Atoms that are relaxed together.")] = 2048,
    resume: Annotated[bool, typer.Option("--resume", help="Leave out what OUT has already.")] = False,
    overwrite: Overwrite = False,
    json: Json = None,
    also: With = None,
    dataset: Dataset = None,
    dtype: Dtype = None,
    device: Device = "cpu",
) -> None:
    """Relax structures, many at a time; atoms that ASE's FixAtoms holds stay.

    Relaxed structures are written as their batch is done, with energy, forces and stress, in the order given.
    A structure that is not at rest after all steps is written too, with `converged=F`; the exit status is
    then 2.
    """
    from atomscape.cli.output import console
    from atomscape.cli.simulating import images_of, potential_of, stem_of, steps_shown, write_json
    from atomscape.learn.evaluate import batches_in_order
    from atomscape.simulate.ensemble import doubt
    from atomscape.units import GPA

    potential = potential_of(run, also, dataset, dtype, device)
    images = images_of(what, slice(limit))
    target = out or Path(f"{stem_of(what)}-relaxed.xyz")
    path = target.with_name(f"{target.stem}-steps.xyz") if trajectory else None
    there = _opened(what, images, target, path, resume, overwrite, json)
    start, rows = len(there), there
    options: dict[str, Any] = {"optimiser": optimiser.value, "fmax": fmax, "smax": smax * GPA, "steps": steps}
    options |= {"cell": cell.value, "pressure": pressure * GPA}
    with steps_shown("relaxing", len(images)) as tell:
        for span in batches_in_order([len(image) for image in images[start:]], batch):
            some = images[start + span.start : start + span.stop]
            first = start + span.start
            done = _relaxed(potential, some, options, path, first, lambda w, n=first: tell(n, w))
            rows += _written(target, some, done, first, doubt(potential, done.structures))
    _told(console(), rows[start:], target, cell is not Cell.fixed, start)
    write_json(json, {"model": potential.hash, **options, "structures": rows})
    if not all(row["converged"] for row in rows):
        raise typer.Exit(2)


def _opened(
    what: str,
    images: Sequence[Atoms],
    target: Path,
    path: Path | None,
    resume: bool,
    overwrite: bool,
    json: Path | None,
) -> list[dict[str, Any]]:
    """Numbers of every structure that is there already; files of others are cleared."""
    from atomscape.cli.simulating import refuse_existing

    if target.suffix not in (".xyz", ".extxyz"):
        raise ValueError(f"--out {target}: structures are written as extended xyz, so name it NAME.xyz")
    if resume and target.is_file():
        return _there(what, images, target, path)
    refuse_existing([f for f in (target, path, json) if f is not None], overwrite)
    for f in (target, path):
        if f is not None:
            f.parent.mkdir(parents=True, exist_ok=True)
            f.write_bytes(b"")
    return []


def _there(what: str, images: Sequence[Atoms], target: Path, path: Path | None) -> list[dict[str, Any]]:
    """What an earlier call has written; the structures have to be the same, in the same order."""
    from ase.io import iread

    from atomscape.simulate.trajectory import cut_to_structures, cut_to_whole_frames

    cut_to_whole_frames(target)
    done = list(iread(target, ":", format="extxyz")) if target.stat().st_size else []
    now = [image.get_chemical_formula() for image in images]
    for k, frame in enumerate(done):
        before, here = frame.get_chemical_formula(), now[k] if k < len(now) else "no such structure"
        if before != here:
            raise ValueError(
                f"structure {k} is {before} in {target}, and {here} in {what}, so it is another relaxation; "
                "--out names another file, --overwrite replaces this one"
            )
    if path is not None and path.is_file():
        cut_to_structures(path, len(done))
    return [_row(k, images[k], frame) for k, frame in enumerate(done)]


def _relaxed(
    potential, images: Sequence[Atoms], options: dict[str, Any], path: Path | None, first: int, tell
) -> Relaxed:
    from atomscape.atoms.ase import to_ase
    from atomscape.simulate.reading import fixed_atoms, structures_of
    from atomscape.simulate.relax import relax as go
    from atomscape.simulate.trajectory import extxyz

    def watch(step) -> None:
        tell(f"step {step.number}: {len(step.which)} left, {float(step.fmax.max()):.3g} eV/Å")
        if path is not None:
            frames = to_ase(step.structures)
            for frame, k in zip(frames, step.which.tolist(), strict=True):
                frame.info |= {"structure": first + k, "step": step.number}
            with path.open("ab") as f:
                f.write(extxyz(frames))

    s = structures_of(images, potential.inputs)
    return go(potential, s, fixed=fixed_atoms(images), observe=watch, **options)


def _written(
    target: Path, before: Sequence[Atoms], done: Relaxed, first: int, doubts: Doubt | None
) -> list[dict[str, Any]]:
    """Append relaxed structures; a line of numbers for each."""
    from atomscape.atoms.ase import to_ase
    from atomscape.simulate.trajectory import extxyz

    frames = to_ase(done.structures)
    for k, (image, frame) in enumerate(zip(before, frames, strict=True)):
        frame.set_constraint(image.constraints)
        frame.info |= {"converged": bool(done.converged[k]), "steps": int(done.steps[k])}
        frame.info |= {"fmax": float(done.fmax[k]), "smax": float(done.smax[k])}
        if doubts is not None:
            frame.info |= {"energy_sigma": float(doubts.energy[k]), "force_sigma": float(doubts.force[k])}
    with target.open("ab") as f:
        f.write(extxyz(frames))
    return [_row(first + k, *pair) for k, pair in enumerate(zip(before, frames, strict=True))]


_TOLD = ("fmax", "smax", "energy_sigma", "force_sigma")
"""Numbers of a relaxation in ``info``: eV/Å, eV/Å³, eV and eV/Å."""


def _row(k: int, image: Atoms, frame: Atoms) -> dict[str, Any]:
    """Numbers of a relaxed structure, of which its frame in the file knows all."""
    from atomscape.units import GPA

    moved = frame.positions - image.positions
    if image.cell.rank == 3:  # what the cell carried along does not count
        moved = frame.positions - image.get_scaled_positions(wrap=False) @ frame.cell.array
    said = {name: float(value) for name, value in frame.info.items() if name in _TOLD}
    smax, steps = said.get("smax"), frame.info.get("steps")
    row = {
        "structure": k,
        "formula": image.get_chemical_formula(),
        "converged": bool(frame.info.get("converged", True)),
        "steps": None if steps is None else int(steps),
        "energy_ev": float(frame.get_potential_energy()),
        "fmax_ev_per_a": said.get("fmax"),
        "smax_gpa": None if smax is None else smax / GPA,
        "largest_move_a": float((moved**2).sum(1).max() ** 0.5),
        "volume_change": frame.cell.volume / image.cell.volume - 1 if image.cell.rank == 3 else None,
    }
    if "energy_sigma" in said:
        row |= {"energy_sigma_ev": said["energy_sigma"], "force_sigma_ev_per_a": said["force_sigma"]}
    return row


def _told(screen, rows: list[dict[str, Any]], target: Path, cells: bool, start: int) -> None:
    from atomscape.cli.output import table

    doubts = any("force_sigma_ev_per_a" in row for row in rows)
    names = ["", "structure", "steps", "energy, eV", "force, eV/Å", "moved, Å"]
    names += [*(("stress, GPa", "volume, %") if cells else ()), *(["σ force, eV/Å"] if doubts else [])]
    made = table(*names, right=(0, *range(2, len(names))))
    for row in rows[:20]:
        cell = ()
        if cells:
            cell = f"{row['smax_gpa']:.3f}", f"{100 * (row['volume_change'] or 0):+.2f}"
        made.add_row(
            str(row["structure"]),
            row["formula"],
            f"{row['steps']}" + ("" if row["converged"] else " (not at rest)"),
            f"{row['energy_ev']:.6f}",
            f"{row['fmax_ev_per_a']:.4f}",
            f"{row['largest_move_a']:.3f}",
            *cell,
            *([f"{row['force_sigma_ev_per_a']:.4f}"] if doubts else []),
        )
    screen.print(made)
    rest = sum(row["converged"] for row in rows)
    before = f"{start:,} were there, " if start else ""
    screen.print(f"{before}{rest:,} of {len(rows):,} at rest, written to {target}")
