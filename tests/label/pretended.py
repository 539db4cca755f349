"""A method that costs nothing: sums over atoms. It refuses sulphur, and counts its calls in a file."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from pydantic import BaseModel, ConfigDict

from atomscape.atoms.structures import Structures
from atomscape.label.method import NotLabelled


class Config(BaseModel):
    """Settings: ``calls`` is the file that counts, ``stop`` the number of calls after which Ctrl-C comes."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    calls: str = ""
    stop: int = 0
    scale: float = 1.0


@dataclass(frozen=True)
class Pretended:
    """The method."""

    config: Config
    provides = ("energy", "dipole", "charges")
    level_of_theory = "sums over atoms"
    citation = "nobody"
    made_with = "pretended 1"

    def __call__(self, structure: Structures) -> dict[str, np.ndarray | float]:
        """Label one structure."""
        if self.config.calls:
            with Path(self.config.calls).open("a") as file:
                file.write(f"{os.getpid()}\n")
            if len(Path(self.config.calls).read_text().splitlines()) == self.config.stop:
                raise KeyboardInterrupt
        if (structure.numbers == 16).any():
            raise NotLabelled("sulphur")
        charges = structure.numbers.numpy() / 3
        dipole = charges @ structure.positions.numpy()
        return {"energy": self.config.scale * charges.sum(), "dipole": dipole, "charges": charges}


def build(config: Config) -> Pretended:
    """Make the method."""
    return Pretended(config)
