"""Passage: a path from one minimum to another as a band of images has it, and the barrier on it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from atomscape.atoms.structures import Structures
from atomscape.shapes import Float, Tensor
from atomscape.simulate.lines_figure import COLOURS, Curve, Panel, lines_figure


@dataclass(frozen=True, eq=False)
class Passage:
    """Images with labels energy and forces, the largest force on the band (eV/Å), and after how many steps.

    ``climbed`` says that the highest image was driven to the saddle, so the barrier is that of the saddle and
    not of whichever image came nearest. ``history`` has the largest force and the barrier of every step.
    """

    structures: Structures
    force: float
    converged: bool
    climbed: bool
    steps: int
    history: Float[Tensor, "steps 2"]

    @property
    def energies(self) -> Float[np.ndarray, " images"]:
        """eV, less that of the start."""
        energy = self.structures.labels["energy"]
        return (energy - energy[0]).numpy()

    @property
    def places(self) -> Float[np.ndarray, "images atoms 3"]:
        """Positions by image."""
        return self.structures.positions.reshape(len(self.structures), -1, 3).numpy()

    @property
    def distances(self) -> Float[np.ndarray, " images"]:
        """Length of the path up to each image: the root of the sum over all atoms, Å."""
        steps = np.sqrt((np.diff(self.places, axis=0) ** 2).sum((1, 2)))
        return np.concatenate([[0.0], np.cumsum(steps)])

    @property
    def highest(self) -> int:
        """The image of highest energy."""
        return int(self.energies.argmax())

    @property
    def barrier(self) -> float:
        """From the start up, eV."""
        return float(self.energies.max())

    @property
    def barrier_back(self) -> float:
        """From the end up, eV."""
        return float(self.energies.max() - self.energies[-1])

    @property
    def reaction(self) -> float:
        """Energy of the end less that of the start, eV."""
        return float(self.energies[-1])

    @property
    def hollows(self) -> list[int]:
        """Images between the ends that lie lower than both neighbours: the path has a stop on the way."""
        e = self.energies
        return [k for k in range(1, len(e) - 1) if e[k] < e[k - 1] and e[k] < e[k + 1]]

    def curve(self) -> tuple[Float[np.ndarray, " points"], Float[np.ndarray, " points"]]:
        """Å and eV between the images: cubic, with the slopes that the forces say."""
        from ase.utils.forcecurve import fit_raw

        forces = self.structures.labels["forces"].reshape(self.places.shape).numpy()
        fit = fit_raw(self.energies, list(forces), [x.copy() for x in self.places])
        return np.asarray(fit.fit_path), np.asarray(fit.fit_energies)

    def as_dict(self) -> dict[str, Any]:
        """For JSON."""
        return {
            "barrier_ev": self.barrier,
            "barrier_back_ev": self.barrier_back,
            "reaction_energy_ev": self.reaction,
            "highest_image": self.highest,
            "hollows": self.hollows,
            "converged": self.converged,
            "climbed": self.climbed,
            "steps": self.steps,
            "force_ev_per_a": self.force,
            "distances_a": self.distances.tolist(),
            "energies_ev": self.energies.tolist(),
        }


def passage_figure(passage: Passage) -> str:
    """An SVG: energy along the path, and how the band came to rest."""
    x, y = passage.curve()
    line = Curve(x.tolist(), y.tolist())
    dots = Curve(passage.distances.tolist(), passage.energies.tolist(), points=True)
    panels = [Panel((line, dots), "path, Å", "energy − start, eV", "energy along the path", width=360)]
    if len(passage.history) > 1:
        step = torch.arange(len(passage.history)).double().tolist()
        force = passage.history[:, 0].clamp(min=1e-9).log10().tolist()
        fall = Curve(step, force, colour=COLOURS[1])
        panels.append(Panel((fall,), "step", "log₁₀ of eV/Å", "largest force", width=260))
    return lines_figure(panels)
