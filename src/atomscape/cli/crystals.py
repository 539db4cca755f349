"""``atomscape eos``, ``elastic`` and ``phonons``: what a trained model says of a crystal."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from atomscape.cli.simulating import (
    AsGiven,
    Clamped,
    Dataset,
    Device,
    Fine,
    Json,
    Overwrite,
    Precision,
    Row,
    Run,
    Structure,
    With,
)

if TYPE_CHECKING:
    from atomscape.simulate.equation_of_state import EquationOfState
    from atomscape.simulate.phonons import Phonons

Picture = Annotated[Path | None, typer.Option(help="Picture, .svg.", show_default="FILE-COMMAND.svg")]


def eos(
    run: Run,
    what: Structure,
    row: Row = 0,
    span: Annotated[float, typer.Option(min=0.005, max=0.4, help="Share by which volumes differ.")] = 0.06,
    points: Annotated[int, typer.Option(min=5, help="Volumes.")] = 11,
    clamped: Clamped = False,
    as_given: AsGiven = False,
    picture: Picture = None,
    json: Json = None,
    overwrite: Overwrite = False,
    also: With = None,
    dataset: Dataset = None,
    dtype: Fine = Precision.float64,
    device: Device = "cpu",
) -> None:
    """Equation of state: volume, bulk modulus and its derivative, by Birch and Murnaghan."""
    from atomscape.cli.output import console, table
    from atomscape.cli.simulating import (
        crystal_of,
        potential_of,
        refuse_existing,
        stem_of,
        write_json,
        write_text,
    )
    from atomscape.simulate.equation_of_state import equation_of_state
    from atomscape.units import GPA

    target = picture or Path(f"{stem_of(what)}-eos.svg")
    refuse_existing([f for f in (target, json) if f is not None], overwrite)
    potential = potential_of(run, also, dataset, dtype, device)
    s = crystal_of(what, row, potential, as_given)
    found = equation_of_state(potential, s, span, points, None if clamped else 0.005)
    made = table("", "", "", right=(1,), title=f"{s.formulas()[0]}: equation of state")
    made.add_row("volume", f"{found.volume / found.atoms:.4f}", "Å³/atom")
    made.add_row("bulk modulus", f"{found.bulk_modulus / GPA:.2f}", "GPa")
    made.add_row("its derivative", f"{found.derivative:.2f}", "")
    made.add_row("energy", f"{found.energy / found.atoms:.5f}", "eV/atom")
    made.add_row("misfit", f"{1e3 * found.misfit:.3f}", "meV/atom")
    console().print(made)
    write_text(target, _eos_figure(found))
    write_json(json, {"model": potential.hash, **found.as_dict()})
    console().print(f"picture: {target}")


def elastic(
    run: Run,
    what: Structure,
    row: Row = 0,
    strain: Annotated[float, typer.Option(min=1e-5, max=0.05, help="Size of the strains.")] = 0.005,
    clamped: Clamped = False,
    as_given: AsGiven = False,
    json: Json = None,
    overwrite: Overwrite = False,
    also: With = None,
    dataset: Dataset = None,
    dtype: Fine = Precision.float64,
    device: Device = "cpu",
) -> None:
    """Elastic constants: the 6×6 matrix, moduli of a polycrystal, and whether the crystal is stable."""
    from atomscape.cli.output import console, table
    from atomscape.cli.simulating import (
        crystal_of,
        potential_of,
        refuse_existing,
        write_json,
    )
    from atomscape.simulate.elastic import elastic_constants

    refuse_existing([json] if json else [], overwrite)
    potential = potential_of(run, also, dataset, dtype, device)
    s = crystal_of(what, row, potential, as_given)
    found = elastic_constants(potential, s, strain, None if clamped else 0.002)
    title = f"{s.formulas()[0]}: elastic constants, GPa"
    made = table("", "xx", "yy", "zz", "yz", "xz", "xy", right=tuple(range(1, 7)), title=title)
    for name, line in zip(("xx", "yy", "zz", "yz", "xz", "xy"), found.C.tolist(), strict=True):
        made.add_row(name, *(f"{round(c, 2) + 0.0:.2f}" for c in line))
    screen, says = console(), found.as_dict()
    screen.print(made)
    screen.print(
        f"bulk {says['bulk_modulus_gpa']:.2f}, shear {says['shear_modulus_gpa']:.2f}, Young "
        f"{says['youngs_modulus_gpa']:.2f} GPa, Poisson {says['poissons_ratio']:.3f} (Hill); "
        f"differences are symmetric to {found.asymmetry:.2g} GPa"
    )
    lowest = float(found.eigenvalues[0])
    verdict = "stable" if lowest > 0 else "[bold red]not stable[/]"
    screen.print(f"{verdict}: lowest eigenvalue {lowest:.2f} GPa")
    write_json(json, {"model": potential.hash, **says})


def phonons(
    run: Run,
    what: Structure,
    row: Row = 0,
    supercell: Annotated[
        str | None, typer.Option(metavar="NxNxN", help="Repetitions.", show_default="10 Å in all directions")
    ] = None,
    displacement: Annotated[float, typer.Option(min=1e-4, max=0.2, help="Å")] = 0.02,
    as_given: AsGiven = False,
    picture: Picture = None,
    json: Json = None,
    overwrite: Overwrite = False,
    also: With = None,
    dataset: Dataset = None,
    dtype: Fine = Precision.float64,
    device: Device = "cpu",
) -> None:
    """Phonons: bands and density of states, and whether any mode is imaginary.

    The relaxed crystal should be its primitive cell or one that symmetry can reduce to it. The exit status is
    2 where a mode is imaginary.
    """
    from atomscape.cli.output import console
    from atomscape.cli.simulating import (
        crystal_of,
        potential_of,
        refuse_existing,
        stem_of,
        write_json,
        write_text,
    )
    from atomscape.simulate.phonons import phonons as spectrum

    target = picture or Path(f"{stem_of(what)}-phonons.svg")
    refuse_existing([f for f in (target, json) if f is not None], overwrite)
    potential = potential_of(run, also, dataset, dtype, device)
    s = crystal_of(what, row, potential, as_given)
    found = spectrum(potential, s, repeats(supercell), displacement)
    screen = console()
    size = "×".join(map(str, found.supercell))
    screen.print(
        f"{s.formulas()[0]}, supercell {size}, {found.displacements} displacements: {found.lowest:.3f} to "
        f"{max(float(b.max()) for b in found.bands):.3f} THz, zero-point energy {found.zero_point:.3f} kJ/mol"
    )
    screen.print("no imaginary modes" if found.stable else "[bold red]imaginary modes[/]: it would distort")
    write_text(target, _phonon_figure(found))
    write_json(json, {"model": potential.hash, **found.as_dict()})
    screen.print(f"picture: {target}")
    if not found.stable:
        raise typer.Exit(2)


def repeats(text: str | None) -> tuple[int, int, int] | None:
    """``3x3x2`` as numbers.

    Raises
    ------
    ValueError
        It is not three whole numbers.
    """
    if text is None:
        return None
    parts = text.lower().replace("×", "x").split("x")
    if len(parts) == 3 and all(p.isdigit() and int(p) > 0 for p in parts):
        return int(parts[0]), int(parts[1]), int(parts[2])
    raise ValueError(f"--supercell {text!r}: give three repetitions, as in 3x3x3")


def _eos_figure(found: EquationOfState) -> str:
    import numpy as np

    from atomscape.simulate.lines_figure import Curve, Panel, lines_figure

    v = np.linspace(found.volumes.min(), found.volumes.max(), 100)
    n = found.atoms
    line = Curve((v / n).tolist(), ((found.at(v) - found.energy) / n).tolist())
    dots = Curve((found.volumes / n).tolist(), ((found.energies - found.energy) / n).tolist(), points=True)
    return lines_figure([Panel((line, dots), "Å³/atom", "energy − lowest, eV/atom", "equation of state")])


def _phonon_figure(found: Phonons) -> str:
    from atomscape.simulate.lines_figure import Curve, Panel, lines_figure

    bands = tuple(
        Curve(d.tolist(), b[:, k].tolist())
        for d, b in zip(found.distances, found.bands, strict=True)
        for k in range(b.shape[1])
    )
    states = Curve(found.density.tolist(), found.frequencies.tolist())
    return lines_figure(
        [
            Panel(bands, "", "frequency, THz", "phonons", found.ticks, width=420),
            Panel((states,), "states per THz", "frequency, THz", "density of states", width=160),
        ]
    )
