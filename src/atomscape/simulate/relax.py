"""Relaxation of batches: atoms, and cells where wanted, go downhill until forces and stress are small.

    done = relax(potential, structures, cell="free")
    done.structures, done.converged, done.steps

Each structure takes the steps that it would take alone; one that has converged leaves the batch, and costs
nothing from then on. Relaxed structures carry the labels energy, forces and, of crystals, stress.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import torch

from atomscape.atoms.structures import Structures
from atomscape.find import suggest
from atomscape.shapes import Bool, Float, Int, Tensor
from atomscape.simulate.deformation import CellFreedom, Deformed
from atomscape.simulate.optimise import OPTIMISERS, Optimiser
from atomscape.simulate.potential import Potential
from atomscape.simulate.rows import longest
from atomscape.simulate.skin import SKIN, NeighbourSkin


@dataclass(frozen=True, eq=False)
class Relaxed:
    """Structures where they came to rest (or to the last step), whether they did, and after how many steps.

    ``fmax`` is the largest force on an atom that may move (eV/Å), ``smax`` the largest component of the
    stress that the cell may follow (eV/Å³; zero where cells are fixed).
    """

    structures: Structures
    converged: Bool[Tensor, " structures"]
    steps: Int[Tensor, " structures"]
    fmax: Float[Tensor, " structures"]
    smax: Float[Tensor, " structures"]


@dataclass(frozen=True, eq=False)
class Step:
    """What an observer sees of a step: its number, the structures still moving with labels, who they are."""

    number: int
    structures: Structures
    which: Int[Tensor, " active"]
    fmax: Float[Tensor, " active"]
    smax: Float[Tensor, " active"]
    converged: Bool[Tensor, " active"]


def relax(
    potential: Potential,
    structures: Structures,
    *,
    optimiser: str | Optimiser = "lbfgs",
    fmax: float = 0.02,
    smax: float = 5e-4,
    steps: int = 500,
    cell: CellFreedom = "fixed",
    pressure: float = 0.0,
    fixed: Bool[Tensor, " atoms"] | None = None,
    skin: float = SKIN,
    observe: Callable[[Step], None] | None = None,
) -> Relaxed:
    """Relax every structure of a batch.

    Parameters
    ----------
    optimiser
        ``"lbfgs"`` (fewer steps), ``"fire"`` (sturdier far from a minimum), or one with other parameters.
    fmax, smax
        Largest force (eV/Å) on an atom and stress (eV/Å³) that count as none.
    steps
        At most so many.
    cell
        What may change of it: ``"fixed"``, ``"isotropic"`` or ``"free"``.
    pressure
        Outer pressure in eV/Å³ (``units.GPA``).
    fixed
        Atoms that keep their place; in a cell that changes, their fractional one.
    observe
        Called with every step before it is taken.

    Raises
    ------
    ValueError
        Structures that the potential does not know, or a cell that cannot be relaxed.
    LookupError
        No such optimiser.
    FloatingPointError
        A force is no number.
    """
    rule = optimiser_named(optimiser) if isinstance(optimiser, str) else optimiser
    potential.check(structures)
    state = Deformed.of(structures, fixed, cell, pressure)
    near = NeighbourSkin(potential.cutoff, skin)
    return _gathered(_descend(potential, near, state, rule, (fmax, smax), steps, observe))


def optimiser_named(name: str) -> Optimiser:
    """The optimiser of that name, as its paper has it.

    Raises
    ------
    LookupError
        There is none.
    """
    if name not in OPTIMISERS:
        raise LookupError(
            f"no optimiser {name!r}{suggest(name, list(OPTIMISERS))} Known: {', '.join(OPTIMISERS)}."
        )
    return OPTIMISERS[name]


def _descend(
    potential: Potential,
    near: NeighbourSkin,
    state: Deformed,
    optimiser: Optimiser,
    small: tuple[float, float],
    steps: int,
    observe: Callable[[Step], None] | None,
) -> dict[int, Rest]:
    """Steps until nothing is left in the batch; where each structure came to rest."""
    which, memory = torch.arange(len(state.first)), None
    rest: dict[int, Rest] = {}
    for number in range(steps + 1):
        found = potential(near.graph(state.structures), _wanted(state))
        here = _seen(state, found, number, which, *small)
        if observe is not None:
            observe(here)
        done = here.converged if number < steps else torch.ones_like(here.converged)
        rest |= {int(which[k]): _rest(here, k) for k in done.nonzero().squeeze(1).tolist()}
        if bool(done.all()):
            break
        force = state.force(found)
        memory = optimiser.start(force, len(done)) if memory is None else memory
        if bool(done.any()):
            which = which[~done]
            state, rows = state.kept(~done)
            memory, force = memory.kept(rows, ~done), force[rows]
        step, memory = optimiser.step(memory, force, state.owner)
        state = state.moved(step)
    return rest


Rest = tuple[Structures, bool, int, float, float]
"""A structure, whether it converged, its steps, its largest force and stress."""


def _wanted(state: Deformed) -> tuple[str, ...]:
    """Stress where every structure has one; where cells are free, all have."""
    return ("forces", "stress") if bool(state.first.pbc.all()) else ("forces",)


def _seen(
    state: Deformed, found: Mapping[str, Tensor], number: int, which: Tensor, fmax: float, smax: float
) -> Step:
    s = state.structures
    labels = {k: found[k].detach().double() for k in ("energy", "forces", "stress") if k in found}
    if not bool(labels["forces"].isfinite().all()):
        bad = int(s.structure[~labels["forces"].isfinite().all(1)][0])
        raise FloatingPointError(
            f"step {number}: a force on structure {int(which[bad])} is no number; its atoms are where the "
            "potential makes no sense. Start from a better structure, or use optimiser='fire'"
        )
    f = longest(state.held_forces(labels["forces"]), s.structure, len(s))
    sigma = torch.zeros_like(f)
    if state.cell != "fixed":
        sigma = state.excess(labels["stress"]).abs().amax((1, 2))
    return Step(number, s.with_labels(**labels), which, f, sigma, (f < fmax) & (sigma < smax))


def _rest(here: Step, k: int) -> Rest:
    return (
        here.structures[k],
        bool(here.converged[k]),
        here.number,
        float(here.fmax[k]),
        float(here.smax[k]),
    )


def _gathered(rest: dict[int, Rest]) -> Relaxed:
    rows = [rest[k] for k in sorted(rest)]
    columns = list(zip(*rows, strict=True)) if rows else [(), (), (), (), ()]
    return Relaxed(
        Structures.concatenate(columns[0]),
        torch.tensor(columns[1], dtype=torch.bool),
        torch.tensor(columns[2], dtype=torch.int64),
        torch.tensor(columns[3], dtype=torch.float64),
        torch.tensor(columns[4], dtype=torch.float64),
    )
