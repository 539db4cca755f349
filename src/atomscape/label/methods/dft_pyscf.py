"""Density functional theory in Gaussian basis sets, computed by PySCF.

Q. Sun et al., J. Chem. Phys. 153, 024109 (2020). As set, it is the level of QM9: B3LYP/6-31G(2df,p) as
Gaussian defines both, that is with the local correlation VWN3, six Cartesian d and seven pure f functions.
Closed shells are restricted, open shells unrestricted. Partial charges are Mulliken's; the dipole moment of
an ion refers to the origin of its coordinates. The gap is that of the Kohn–Sham orbitals.
"""

from __future__ import annotations

from dataclasses import dataclass
from importlib.metadata import version
from typing import Any
from warnings import catch_warnings, simplefilter

import numpy as np
from ase.data import chemical_symbols
from pydantic import BaseModel, ConfigDict, Field

from atomscape.atoms.structures import Structures
from atomscape.label.electrons import charge_and_unpaired, frontier
from atomscape.label.method import NotLabelled, needed, refuse_others
from atomscape.label.pople import is_of_the_family, orthonormal, pure_above_d, shells
from atomscape.units import BOHR, HARTREE

WORDS = {"b3lypg": "B3LYP (with VWN3)", "b3lyp5": "B3LYP (with VWN5)"}
"""Functionals whose name in PySCF says less than it should."""


class Config(BaseModel):
    """Settings."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    functional: str = Field("b3lypg", description="as PySCF names it; b3lypg is Gaussian's B3LYP")
    basis: str = Field("6-31G(2df,p)", description="as PySCF names it")
    forces: bool = Field(False, description="derivatives of the energy too")
    grid: int = Field(3, ge=0, le=9, description="of the integration; larger is finer")
    tolerance: float = Field(1e-9, gt=0, description="of the energy, hartree")
    iterations: int = Field(100, ge=1, description="of the self-consistency, at most")


@dataclass(frozen=True)
class KohnSham:
    """The method."""

    config: Config
    citation = "Q. Sun et al., J. Chem. Phys. 153, 024109 (2020)"

    @property
    def provides(self) -> tuple[str, ...]:
        """Forces only where they were asked for."""
        forces = ("forces",) if self.config.forces else ()
        return ("energy", *forces, "homo", "lumo", "gap", "dipole", "charges")

    @property
    def level_of_theory(self) -> str:
        """For instance ``B3LYP (with VWN3)/6-31G(2df,p), gas phase, d functions Cartesian, f pure``."""
        c = self.config
        name = WORDS.get(c.functional.lower(), c.functional.upper())
        shapes = "d functions Cartesian, f pure" if is_of_the_family(c.basis) else "functions pure"
        return f"{name}/{c.basis}, gas phase, {shapes}"

    @property
    def made_with(self) -> str:
        """Program and version."""
        return f"PySCF {version('pyscf')}"

    def __call__(self, structure: Structures) -> dict[str, np.ndarray | float]:
        """Label one molecule."""
        refuse_others(structure, "this DFT")
        field = solved(structure, self.config)
        labels = {
            "energy": field.e_tot * HARTREE,
            "dipole": field.dip_moment(unit="AU", verbose=0) * BOHR,
            "charges": field.mulliken_pop(verbose=0)[1],
            **_frontier(field),
        }
        if self.config.forces:
            labels["forces"] = -field.nuc_grad_method().kernel() * (HARTREE / BOHR)
        return labels


def solved(structure: Structures, config: Config):
    """Self-consistent Kohn–Sham object of PySCF for one molecule.

    Raises
    ------
    NotLabelled
        It does not converge, or the basis set lacks an element.
    """
    from pyscf import dft

    molecule = _molecule(structure, config.basis)
    field: Any = dft.UKS(molecule) if molecule.spin else dft.RKS(molecule)
    field.xc, field.grids.level = config.functional, config.grid
    field.conv_tol, field.max_cycle, field.chkfile = config.tolerance, config.iterations, None
    if molecule.cart:
        # PySCF makes all functions Cartesian or none. It takes orbitals from the span of these columns.
        columns = orthonormal(pure_above_d(molecule), molecule.intor("int1e_ovlp"))
        field.check_linear_dependency = lambda *_, **__: columns
    try:
        with catch_warnings():
            simplefilter("ignore")  # of linear algebra; what does not converge is refused
            field.kernel()
    except (np.linalg.LinAlgError, RuntimeError, ValueError) as error:
        raise NotLabelled(f"PySCF: {' '.join(str(error).split())}") from error
    if not field.converged:
        raise NotLabelled(f"SCF not converged in {config.iterations} cycles")
    return field


def _molecule(structure: Structures, basis: str):
    """Molecule of PySCF, with its basis set."""
    from pyscf import gto

    charge, unpaired = charge_and_unpaired(structure)
    symbols = [chemical_symbols[z] for z in structure.numbers.tolist()]
    atoms = list(zip(symbols, (structure.positions.double() / BOHR).tolist(), strict=True))
    family = is_of_the_family(basis)
    try:
        with catch_warnings():
            simplefilter("ignore")  # advice to install more basis sets
            functions = {s: shells(basis, s) for s in set(symbols)} if family else basis
            return gto.M(
                atom=atoms, unit="Bohr", basis=functions, charge=charge, spin=unpaired, cart=family, verbose=0
            )
    except (KeyError, RuntimeError) as error:
        raise NotLabelled(f"no basis set {basis} for some of {', '.join(sorted(set(symbols)))}") from error


def _frontier(field) -> dict[str, float]:
    """Highest occupied and lowest empty orbital, of either spin."""
    energies, n = np.atleast_2d(field.mo_energy) * HARTREE, field.mol.nelec
    return frontier(*((np.sort(e), int(k)) for e, k in zip(energies, n, strict=False)))


def build(config: Config) -> KohnSham:
    """Make the method.

    Raises
    ------
    ImportError
        PySCF is not installed.
    ValueError
        It knows no such functional.
    """
    libxc = needed("pyscf.dft.libxc", "dft_pyscf")
    try:
        libxc.parse_xc(config.functional)
    except KeyError as error:
        raise ValueError(
            f"PySCF knows no functional {config.functional!r}; known are for instance b3lypg (B3LYP as in "
            "Gaussian), pbe, pbe0, r2scan, wb97x-v, hf"
        ) from error
    return KohnSham(config)
