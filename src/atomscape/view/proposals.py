"""Ranked completions of a structure as a scene: one layer each, and the density they were drawn from.

The layers exclude one another: on a page one steps through them, in a picture they stand side by side.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch

from atomscape.atoms.structures import Structures
from atomscape.shapes import Float, Int
from atomscape.view.elements import ball_radii, colour, symbol_of
from atomscape.view.grid import Density, level_that_holds, sampled_closely
from atomscape.view.isosurface import isosurface
from atomscape.view.molecule import SUBSCRIPTS, Look, good_side, structure_layer
from atomscape.view.scene import Label, Layer, Scene

SHARES = (0.5, 0.9)
"""Shares of the probability that the surfaces of a density hold."""

DENSITY = colour("f0992b")
ROOM = 2.0
"""Å around the proposals within which a density is looked for."""


@dataclass(frozen=True, eq=False)
class Proposal:
    """Atoms added to a structure, and how probable that is; ``note`` is shown beside it.

    Raises
    ------
    ValueError
        There is no atom, as many numbers as positions are not given, or the probability is none.
    """

    numbers: Int[np.ndarray, " added"]
    positions: Float[np.ndarray, "added 3"]
    probability: float
    note: str = ""

    def __post_init__(self) -> None:
        """Refuse what could not be drawn."""
        if not len(self.numbers) == len(self.positions) > 0:
            raise ValueError(
                f"a proposal of {len(self.numbers)} elements and {len(self.positions)} positions; "
                "give one of each for every added atom"
            )
        if not 0 <= self.probability <= 1:
            raise ValueError(f"a probability of {self.probability}; it lies between 0 and 1")

    @property
    def formula(self) -> str:
        """Symbols of the added atoms, as in ``O H``."""
        return " ".join(symbol_of(z) for z in self.numbers.tolist())


def proposals_scene(
    structure: Structures, proposals: Sequence[Proposal], density: Density | None = None, title: str = ""
) -> Scene:
    """Draw a structure with its ranked completions, the most probable first.

    Parameters
    ----------
    density
        Probability density of the missing atom's place, as a function of points (Å): drawn as the surfaces
        that hold half and nine tenths of it.

    Raises
    ------
    ValueError
        There are no proposals, or the batch has more or fewer than one structure.
    """
    if not proposals:
        raise ValueError("no proposals to draw; give at least one")
    turn = good_side(completed(structure, proposals[0]))
    ranked = sorted(proposals, key=lambda p: -p.probability)
    layers = [structure_layer(structure, "given")]
    layers += [_layer(structure, p, k, turn) for k, p in enumerate(ranked, start=1)]
    if density is not None:
        layers.append(density_layer(density, np.concatenate([p.positions for p in ranked])))
    what = f"{structure.formulas()[0].translate(SUBSCRIPTS)} completed"
    return Scene(tuple(layers), title or what, turn=turn)


def completed(structure: Structures, proposal: Proposal) -> Structures:
    """The structure with the proposed atoms at its end, without labels."""
    n = len(proposal.numbers)
    return Structures(
        torch.cat([structure.positions, torch.as_tensor(proposal.positions).to(structure.positions)]),
        torch.cat([structure.numbers, torch.as_tensor(proposal.numbers).to(structure.numbers)]),
        structure.cell,
        structure.pbc,
        torch.cat([structure.structure, structure.structure.new_zeros(n)]),
    )


def _layer(structure: Structures, proposal: Proposal, rank: int, turn: np.ndarray) -> Layer:
    whole = completed(structure, proposal)
    added = range(structure.n_atoms, whole.n_atoms)
    name = f"{rank} · {proposal.formula}"
    made = structure_layer(whole, name, only=added, look=Look(ring=True))
    text = f"{proposal.formula}  {percent(proposal.probability)}"
    above = ball_radii(proposal.numbers[:1])[0] + 0.5
    place = made.balls[0].positions[0] + above * turn[1]
    note = " · ".join(t for t in (f"probability {percent(proposal.probability)}", proposal.note) if t)
    return Layer(name, made.balls, made.sticks, (), (Label(text, place),), "proposals", rank == 1, note)


def density_layer(density: Density, around: Float[np.ndarray, "points 3"], name: str = "density") -> Layer:
    """Surfaces that hold half and nine tenths of a probability density near the points given (Å)."""
    grid = sampled_closely(density, around.min(0) - ROOM, around.max(0) + ROOM, around)
    # Tails fall exponentially; their logarithm is nearly straight between points of the grid.
    tiny = np.finfo(np.float64).tiny
    smooth = replace(grid, values=np.log(np.maximum(grid.values, tiny)))
    meshes = []
    for share, opacity in zip(SHARES, (0.4, 0.16), strict=True):
        level = float(np.log(level_that_holds(grid, share)))
        meshes.append(isosurface(smooth, level, DENSITY, opacity, f"{share:.0%} of the density"))
    return Layer(name, meshes=tuple(meshes), note="surfaces hold 50 % and 90 %")


def percent(probability: float) -> str:
    """A probability in words that do not claim certainty: ``83 %``, ``> 99 %``, ``< 1 %``."""
    if probability > 0.995:
        return "> 99 %"
    return f"{probability:.0%}".replace("%", " %") if probability >= 0.005 else "< 1 %"
