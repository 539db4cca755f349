"""Units of the house and factors into them (CODATA 2018; the elementary charge and Avogadro's number are exact).

Inside: Å, eV, eV/Å, eV/Å³ (tension positive), fs, e, e·Å, Å³ for polarizabilities, eV/K for heat capacities.
A reader multiplies by one of these factors, once: ``energy_eV = energy_hartree * HARTREE``.

======================  =====================================
``HARTREE``             eV
``RYDBERG``             eV
``KCAL_PER_MOL``        eV (thermochemical calorie, 4.184 J)
``KJ_PER_MOL``          eV
``CAL_PER_MOL_K``       eV/K
``BOHR``                Å
``DEBYE``               e·Å
``GPA``, ``KBAR``       eV/Å³
``MEV``                 eV
======================  =====================================
"""

from __future__ import annotations

ELEMENTARY_CHARGE = 1.602176634e-19  # C, exact
AVOGADRO = 6.02214076e23  # 1/mol, exact
SPEED_OF_LIGHT = 299792458.0  # m/s, exact

HARTREE = 27.211386245988
RYDBERG = HARTREE / 2
BOHR = 0.529177210903
MEV = 1e-3
KJ_PER_MOL = 1e3 / (AVOGADRO * ELEMENTARY_CHARGE)
KCAL_PER_MOL = 4.184 * KJ_PER_MOL
CAL_PER_MOL_K = 1e-3 * KCAL_PER_MOL
DEBYE = 1e-21 / SPEED_OF_LIGHT / ELEMENTARY_CHARGE * 1e10
GPA = 1e9 * 1e-30 / ELEMENTARY_CHARGE
KBAR = GPA / 10
