"""Remove atoms: one or several at random, or an atom with its nearest neighbours; the rest is what is seen.

Two labels say what is missing, padded with NaN: ``missing_positions`` (Å, in the frame of the structure) and
``missing_numbers``. Labels of the whole structure do not hold for what is left of it: they become NaN.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from pydantic import BaseModel, ConfigDict, Field

from atomscape.atoms.nearest_image import nearest_image
from atomscape.atoms.properties import PROPERTIES, Property
from atomscape.atoms.structures import Structures
from atomscape.shapes import Bool, Int, Tensor


class Config(BaseModel):
    """How many atoms go, and in which share of the structures they are a group: an atom and those nearest."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    least: int = Field(1, ge=1)
    most: int = Field(1, ge=1, description="atoms; a number from least to most is drawn for each structure")
    together: float = Field(0.0, ge=0, le=1, description="share of structures that lack neighbouring atoms")


@dataclass(frozen=True)
class RemoveAtoms:
    """The corruption; it works on each structure of a batch alone."""

    config: Config

    @property
    def properties(self) -> dict[str, Property]:
        """What can be learned from it."""
        return {"missing_atoms": PROPERTIES["missing_atoms"]}

    def __call__(self, structures: Structures, rng: np.random.Generator) -> Structures:
        """Remove atoms; at least one always stays."""
        return without(structures, self._chosen(structures, rng), self.config.most)

    def _chosen(self, s: Structures, rng: np.random.Generator) -> Bool[Tensor, " atoms"]:
        c, counts = self.config, s.counts.numpy()
        wanted = rng.integers(c.least, c.most + 1, len(s)) if c.most > c.least else np.full(len(s), c.least)
        wanted = np.minimum(wanted, np.maximum(counts - 1, 0))
        key = torch.from_numpy(rng.random(s.n_atoms))
        if c.together and s.n_atoms:
            near = _distance_from(s, _lowest(key, s, np.minimum(wanted, 1)))
            group = torch.from_numpy(rng.random(len(s)) < c.together)
            key = torch.where(group[s.structure], near, key)
        return _lowest(key, s, wanted)


def _lowest(key: Tensor, s: Structures, wanted: np.ndarray) -> Bool[Tensor, " atoms"]:
    """The ``wanted[i]`` atoms of structure i whose keys are lowest."""
    order = np.lexsort((key.numpy(), s.structure.numpy()))
    rank = np.empty(s.n_atoms, dtype=np.int64)
    rank[order] = np.arange(s.n_atoms) - s.offsets.numpy()[s.structure.numpy()]
    return torch.from_numpy(rank < wanted[s.structure.numpy()])


def _distance_from(s: Structures, chosen: Bool[Tensor, " atoms"]) -> Tensor:
    """Distance of each atom to the chosen one of its structure, to its nearest image, in Å."""
    centre = s.positions.new_full((len(s), 3), torch.inf)
    centre[s.structure[chosen]] = s.positions[chosen]
    away = torch.where(centre.isfinite()[s.structure], s.positions - centre[s.structure], 0.0)
    return nearest_image(away, s.cell[s.structure], s.pbc[s.structure]).norm(dim=1)


def without(s: Structures, chosen: Bool[Tensor, " atoms"], room: int | None = None) -> Structures:
    """Structures without the chosen atoms, labelled with what is missing.

    Parameters
    ----------
    room
        Length of the labels' axis of missing atoms; None takes the most there are.
    """
    gone = torch.bincount(s.structure[chosen], minlength=len(s))
    room = max(1, int(gone.max()) if len(gone) else 1) if room is None else room
    place = _place(s.structure[chosen], gone)
    positions = s.positions.new_full((len(s), room, 3), torch.nan)
    positions[s.structure[chosen], place] = s.positions[chosen]
    numbers = s.positions.new_full((len(s), room), torch.nan)
    numbers[s.structure[chosen], place] = s.numbers[chosen].to(numbers.dtype)
    stays = ~chosen
    labels = {}
    for name, values in s.labels.items():
        rows = values[stays] if s.runs_over_atoms(name) else values
        labels[name] = torch.full_like(rows, torch.nan) if rows.is_floating_point() else rows
    labels |= {"missing_positions": positions, "missing_numbers": numbers}
    return Structures(
        s.positions[stays],
        s.numbers[stays],
        s.cell,
        s.pbc,
        s.structure[stays],
        labels,
        s.ids,
        frozenset(k for k in s.labels if s.runs_over_atoms(k)),
    )


def _place(structure: Int[Tensor, " gone"], counts: Int[Tensor, " structures"]) -> Int[Tensor, " gone"]:
    """Number of each missing atom within its structure."""
    return torch.arange(len(structure)) - (counts.cumsum(0) - counts)[structure]


def build(config: Config) -> RemoveAtoms:
    """Make the corruption.

    Raises
    ------
    ValueError
        At least more atoms are to go than at most.
    """
    if config.least > config.most:
        raise ValueError(f"remove_atoms: least ({config.least}) is more than most ({config.most})")
    return RemoveAtoms(config)
