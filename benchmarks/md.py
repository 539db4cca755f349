"""How fast is molecular dynamics? ``python benchmarks/md.py [--quick] [--json] [--threads 1 2]``.

Steps of a femtosecond of copper (face-centred cubic, 64 and 512 atoms at 300 K, cutoff 4 Å) with potentials
of random weights: ours by ``simulate``, with radial tables and the neighbour skin; mace-torch and nequip by
their ASE calculators, of equal sizes (``potential_sizes``). Peers live in environments of their own
(``scripts/peers.py``). All are timed in turns. Times are per step.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import torch
from apart import Apart, absent, here, race_apart
from ase.build import bulk
from interleaved import threads_of_torch
from limits import threads as words
from measure import Row, command
from potential_sizes import SIZES, SMALL, ours, theirs, write_frames
from potential_sizes import words as sizes_in_words

from atomscape.atoms.ase import from_ase
from atomscape.atoms.neighbours import neighbour_graph
from atomscape.atoms.properties import PROPERTIES
from atomscape.atoms.structures import Structures
from atomscape.find import available
from atomscape.learn.architecture import architecture_of
from atomscape.learn.config import RunConfig
from atomscape.learn.model import Model
from atomscape.simulate.dynamics import forces_of, started
from atomscape.simulate.integrators import VelocityVerlet
from atomscape.simulate.loading import load_potential

QUESTION = "md"
CUTOFF, LATTICE, CALLS = 4.0, 3.61, 5
TIMES = {64: 4, 512: 8}
"""Atoms → primitive cells along each vector."""


def run(quick: bool, only: str = "", threads: Sequence[int] = (1, 2)) -> Iterator[Row]:
    """A row for each kind of network, size and number of threads."""
    for count in threads:
        for kind, sizes in (SMALL if quick else SIZES).items():
            for atoms in (64,) if quick else TIMES:
                case = f"Cu, {atoms} atoms, {sizes_in_words(kind, sizes)}, {words(count)}"
                if only in case and kind in available("encoders"):
                    with threads_of_torch(count):
                        yield _row(case, kind, sizes, copper(atoms), count, 3 if quick else 9)


def copper(atoms: int) -> Structures:
    """A perfect crystal."""
    n = TIMES[atoms]
    return from_ase(bulk("Cu", a=LATTICE).repeat((n, n, n)))


def _row(case: str, kind: str, sizes: dict, crystal: Structures, count: int, rounds: int) -> Row:
    neighbours = neighbour_graph(crystal, CUTOFF).n_edges / crystal.n_atoms
    mine = here(steps(potential_of(kind, sizes, neighbours), crystal), count)
    reason = absent(kind)
    if reason:
        taken = race_apart({"": mine}, rounds, CALLS)
        return Row(QUESTION, case, taken[""], kind, None, reason, note=_note(taken[""]))
    with tempfile.TemporaryDirectory() as folder, Apart(kind, count) as peer:
        frames = str(Path(folder) / "frames.xyz")
        write_frames(frames, crystal)
        told = peer.ask("dynamics", **theirs(kind, sizes, CUTOFF, neighbours, crystal), frames=frames)
        taken = race_apart({"": mine, "peer": peer.turn}, rounds, CALLS)
    return Row(QUESTION, case, taken[""], told["name"], taken["peer"], note=_note(taken[""]))


def _note(seconds: float) -> str:
    return f"{1 / seconds:.3g} steps per second"


def potential_of(kind: str, sizes: dict, neighbours: float) -> Model:
    """A model of random weights with an energy and forces."""
    config = RunConfig.model_validate(
        {
            "data": [{"name": "m", "source": "sample"}],
            "encoder": ours(kind, sizes, CUTOFF, neighbours),
            "objectives": [{"property": "energy"}, {"property": "forces"}],
        }
    )
    torch.manual_seed(0)
    return Model(architecture_of(config, {name: PROPERTIES[name] for name in ("energy", "forces")}))


def steps(model: Model, crystal: Structures) -> Callable[[], object]:
    """One step of dynamics at a time."""
    potential, integrator = load_potential(model), VelocityVerlet(dt=1.0)
    motion = started(potential, crystal, integrator, seeds=[0], temperature=300)
    forces = forces_of(potential)

    def step() -> None:
        nonlocal motion
        motion = integrator.step(motion, forces)

    return step


if __name__ == "__main__":
    command(QUESTION, run, "step", "only", "threads")
