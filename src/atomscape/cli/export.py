"""``atomscape export``: a trained potential as one file for simulation engines."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from atomscape.cli.simulating import Dataset, Device, Dtype, Overwrite


def export(
    run: Annotated[Path, typer.Argument(metavar="RUN", help="Folder of a run, or a model file.")],
    out: Annotated[Path, typer.Option(metavar="FILE.pt", help="The file.")],
    name: Annotated[
        str, typer.Option(help="Name of the model, kept in the file.", show_default="its encoder")
    ] = "",
    author: Annotated[list[str] | None, typer.Option(help="Who made it; as often as needed.")] = None,
    overwrite: Overwrite = False,
    dataset: Dataset = None,
    dtype: Dtype = None,
    device: Device = "cpu",
) -> None:
    """A metatomic model for LAMMPS, i-PI, GROMACS, PLUMED and ASE, with the network in TorchScript.

    The file needs neither Python nor this package, gives the same energies and forces to rounding, and is
    slower than they are here. It computes on the device that it was exported for.
    """
    from atomscape.cli.output import console
    from atomscape.cli.simulating import refuse_existing
    from atomscape.simulate.loading import load_potential
    from atomscape.simulate.metatomic import exported, save

    refuse_existing([out], overwrite)
    if run.suffix == ".json":
        raise ValueError(f"{run} joins several runs; one file holds one network, so name one of them")
    potential = load_potential(run, dataset, None if dtype is None else dtype.value, device, tables=False)
    model = exported(potential, name, tuple(author or ()))
    save(model, out)
    says, screen = model.capabilities(), console()
    screen.print(f"{model.metadata().description}")
    screen.print(
        f"cutoff {potential.cutoff:g} Å, range {says.interaction_range:g} Å, checked against the network on "
        "other structures"
    )
    screen.print(f"wrote {out}", soft_wrap=True)
