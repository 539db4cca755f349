"""GFN2-xTB, an extended tight-binding method for all elements up to radon, computed by tblite.

C. Bannwarth, S. Ehlert, S. Grimme, J. Chem. Theory Comput. 15, 1652 (2019). Valence electrons only: energies
are comparable among GFN2-xTB energies. Partial charges are Mulliken's; the dipole moment of an ion refers to
the origin of its coordinates. The gap is that of the orbitals of the tight-binding Hamiltonian.
"""

from __future__ import annotations

from dataclasses import dataclass
from importlib.metadata import version

import numpy as np
from pydantic import BaseModel, ConfigDict, Field

from atomscape.atoms.structures import Structures
from atomscape.label.electrons import charge_and_unpaired, frontier
from atomscape.label.method import NotLabelled, needed, refuse_others
from atomscape.units import BOHR, BOLTZMANN, HARTREE

NAME = "GFN2-xTB"


class Config(BaseModel):
    """Settings."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    accuracy: float = Field(1.0, gt=0, description="thresholds of the self-consistency; smaller is tighter")
    temperature: float = Field(300.0, ge=0, description="of the electrons, K")
    iterations: int = Field(250, ge=1, description="of the self-consistency, at most")


@dataclass(frozen=True)
class Xtb:
    """The method."""

    config: Config
    provides = ("energy", "forces", "homo", "lumo", "gap", "dipole", "charges")
    citation = "C. Bannwarth, S. Ehlert, S. Grimme, J. Chem. Theory Comput. 15, 1652 (2019)"

    @property
    def level_of_theory(self) -> str:
        """For instance ``GFN2-xTB, gas phase, electronic temperature 300 K``."""
        return f"{NAME}, gas phase, electronic temperature {self.config.temperature:g} K"

    @property
    def made_with(self) -> str:
        """Program and version."""
        return f"tblite {version('tblite')}"

    def __call__(self, structure: Structures) -> dict[str, np.ndarray | float]:
        """Label one molecule."""
        refuse_others(structure, NAME)
        charge, unpaired = charge_and_unpaired(structure)
        found = self._solved(structure, charge, unpaired)
        electrons = round(float(found.get("orbital-occupations").sum()))
        # Of an open shell the singly occupied orbitals count as occupied, as xtb prints it.
        levels = found.get("orbital-energies") * HARTREE, (electrons + unpaired) // 2
        return {
            "energy": found.get("energy") * HARTREE,
            "forces": -found.get("gradient") * (HARTREE / BOHR),
            "dipole": found.get("dipole") * BOHR,
            "charges": found.get("charges"),
            **frontier(levels),
        }

    def _solved(self, structure: Structures, charge: int, unpaired: int):
        from tblite.exceptions import TBLiteRuntimeError, TBLiteValueError
        from tblite.interface import Calculator

        numbers, positions = structure.numbers.numpy(), structure.positions.double().numpy() / BOHR
        try:
            solver = Calculator(NAME, numbers, positions, charge, unpaired)
            solver.set("verbosity", 0)
            solver.set("accuracy", self.config.accuracy)
            solver.set("temperature", self.config.temperature * BOLTZMANN / HARTREE)
            solver.set("max-iter", self.config.iterations)
            return solver.singlepoint()
        except (TBLiteRuntimeError, TBLiteValueError) as error:
            raise NotLabelled(" ".join(str(error).split())) from error


def build(config: Config) -> Xtb:
    """Make the method.

    Raises
    ------
    ImportError
        tblite is not installed.
    """
    needed("tblite.interface", NAME)
    return Xtb(config)
