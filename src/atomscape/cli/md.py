"""``atomscape md``: molecular dynamics with a trained model, in a folder that can be returned to."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from atomscape.cli.simulating import STOPPED, Dataset, Device, Dtype, Overwrite, Resume, Run, Structure, With

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ase import Atoms

    from atomscape.simulate.integrators import Integrator
    from atomscape.simulate.motion import Motion
    from atomscape.simulate.potential import Trained


class Ensemble(StrEnum):
    """What stays constant."""

    nve = "nve"
    langevin = "langevin"
    csvr = "csvr"


Temperature = Annotated[
    float | None,
    typer.Option(
        min=0, help="K; with nve of the first velocities.", show_default="300, or the file's velocities"
    ),
]
Rows = Annotated[
    list[int] | None, typer.Option("--row", help="Which structures, from 0; several move side by side.")
]
Keeps = Annotated[Ensemble, typer.Option(help="nve: constant energy; langevin, csvr: constant temperature.")]
Skin = Annotated[float, typer.Option(min=0, help="Å beyond which neighbours are kept; for speed.")]
Friction = Annotated[float, typer.Option(min=0, help="Of langevin, 1/fs.")]
Copies = Annotated[int, typer.Option(min=1, help="Of each structure, with noise of their own.")]
SEEDS = "Of velocities and noise; the second structure or copy has the next, and so on."
Every = Annotated[int, typer.Option(min=1, help="Steps between two frames.")]
LogEvery = Annotated[int, typer.Option(min=1, help="Steps between two lines of the log.")]


def md(
    run: Run,
    what: Structure,
    out: Annotated[Path | None, typer.Option(help="Folder.", show_default="md/FILE")] = None,
    steps: Annotated[int, typer.Option("-n", "--steps", min=0, help="Steps in all.")] = 1000,
    timestep: Annotated[float, typer.Option(min=0.001, help="fs")] = 1.0,
    ensemble: Keeps = Ensemble.langevin,
    temperature: Temperature = None,
    friction: Friction = 0.01,
    relaxation: Annotated[float, typer.Option(min=0.1, help="Of csvr, fs.")] = 100.0,
    seed: Annotated[int, typer.Option(min=0, help=SEEDS)] = 0,
    every: Every = 100,
    log_every: LogEvery = 10,
    row: Rows = None,
    copies: Copies = 1,
    skin: Skin = 0.5,
    resume: Resume = False,
    overwrite: Overwrite = False,
    also: With = None,
    dataset: Dataset = None,
    dtype: Dtype = None,
    device: Device = "cpu",
) -> None:
    """Let atoms move.

    Writes trajectories (extended xyz), log.csv with energies and temperatures, and a picture of them. Ctrl-C
    stops safely; --resume continues bit by bit as if nothing had happened, and with more --steps goes on from
    the end.
    """
    from atomscape.cli.output import console
    from atomscape.cli.simulating import images_of, potential_of, stem_of
    from atomscape.simulate.dynamics_folder import run_in_folder
    from atomscape.simulate.ensemble import doubtful

    potential = potential_of(run, also, dataset, dtype, device)
    rows = row if row is not None else [0]
    images = [image for r in rows for image in images_of(what, r) for _ in range(copies)]
    moving = ensemble is Ensemble.nve and temperature is None and any(a.has("momenta") for a in images)
    heat = None if moving else 300.0 if temperature is None else temperature
    rule = _rule(ensemble, timestep, heat, friction, relaxation)
    folder = out or Path("md") / stem_of(what)
    settings: dict[str, Any] = {"model": potential.hash, "dataset": dataset, "structure": what}
    settings |= {"rows": rows, "copies": copies, "rule": repr(rule), "temperature": heat, "seed": seed}
    screen, sure = console(), doubtful(potential)
    try:
        with _shown(steps) as progress:
            motion = run_in_folder(
                *(folder, lambda: _start(potential, images, rule, heat, seed), potential, rule, steps),
                **{"settings": settings, "log_every": log_every, "frame_every": every, "skin": skin},
                **{"resume": resume, "overwrite": overwrite, "progress": progress, "doubtful": sure},
            )
    except KeyboardInterrupt:
        screen.print(f"stopped; the same command with --resume continues from {folder}")
        raise typer.Exit(STOPPED) from None
    _told(screen, motion, folder)


def _start(
    potential: Trained, images: Sequence[Atoms], rule: Integrator, heat: float | None, seed: int
) -> Motion:
    """Structures with velocities drawn at a temperature, or with those they have."""
    from atomscape.simulate.dynamics import started
    from atomscape.simulate.reading import fixed_atoms, structures_of

    s = structures_of(images, potential.inputs)
    v = _velocities(images) if heat is None else None
    given = {"velocities": v, "mass": _masses(images), "fixed": fixed_atoms(images)}
    return started(potential, s, rule, range(seed, seed + len(images)), temperature=heat, **given)


def _rule(
    ensemble: Ensemble, dt: float, temperature: float | None, friction: float, relaxation: float
) -> Integrator:
    from atomscape.simulate.integrators import Langevin, StochasticRescaling, VelocityVerlet

    if ensemble is Ensemble.nve or temperature is None:
        return VelocityVerlet(dt)
    if ensemble is Ensemble.langevin:
        return Langevin(temperature, dt, friction)
    return StochasticRescaling(temperature, dt, relaxation)


def _velocities(images: Sequence[Atoms]):
    """Å/fs"""
    import numpy as np
    import torch
    from ase.units import fs

    return torch.from_numpy(np.concatenate([image.get_velocities() * fs for image in images]))


def _masses(images: Sequence[Atoms]):
    import numpy as np
    import torch

    return torch.from_numpy(np.concatenate([image.get_masses() for image in images]))


def _shown(steps: int):
    """A bar with temperature and speed."""
    from contextlib import contextmanager
    from time import perf_counter

    from atomscape.cli.simulating import steps_shown

    @contextmanager
    def bar():
        with steps_shown("moving", steps) as tell:
            begun: list[float] = []

            def progress(motion: Motion) -> None:
                begun.append(perf_counter()) if not begun else None
                if motion.step % 10 == 0 or motion.step == steps:
                    tell(motion.step, f"{float(motion.temperature.mean()):.0f} K")

            yield progress

    return bar()


def _told(screen, motion: Motion, folder: Path) -> None:
    from atomscape.cli.output import table
    from atomscape.learn.checkpoint import write_atomic
    from atomscape.simulate.dynamics_folder import DOUBT, LOG
    from atomscape.simulate.log_figure import log_figure, read_log, summary

    columns = read_log(folder / LOG)
    doubts = read_log(folder / DOUBT) if (folder / DOUBT).is_file() else None
    names = ("structure", "steps", "temperature, K", "energy, eV", "drift, meV/atom/ps")
    made = table(*names, right=(1, 2, 3, 4))
    counts = motion.structures.counts.tolist()
    for k, formula in enumerate(motion.structures.formulas()):
        mean, drift = summary(columns, k, counts[k])
        shown = "–" if drift is None else f"{drift:+.3f}"
        made.add_row(formula, f"{motion.step:,}", f"{mean:.0f}", f"{float(motion.energy[k]):.5f}", shown)
    screen.print(made)
    write_atomic(folder / "log.svg", log_figure(columns, doubts).encode())
    if doubts is not None:
        worst = int(doubts["force_sigma_ev_per_a"].argmax())
        screen.print(
            f"members disagree by up to {doubts['force_sigma_ev_per_a'][worst]:.3g} eV/Å on an atom, at "
            f"{doubts['time_fs'][worst]:.10g} fs"
        )
    screen.print(f"trajectories, log.csv and log.svg in {folder}")
