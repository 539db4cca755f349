"""Labels agree with figures that others published or compute, in the units of the vocabulary."""

from __future__ import annotations

import numpy as np
import pytest
from ase.build import molecule

from atomscape.atoms.structures import Structures
from atomscape.find import find
from atomscape.label.method import NotLabelled
from atomscape.units import BOHR, HARTREE

# The first record of QM9, R. Ramakrishnan et al., Sci. Data 1, 140022 (2014): Å, hartree.
METHANE = [
    [-0.0126981359, 1.0858041578, 0.0080009958],
    [0.002150416, -0.0060313176, 0.0019761204],
    [1.0117308433, 1.4637511618, 0.0002765748],
    [-0.540815069, 1.4475266138, -0.8766437152],
    [-0.5238136345, 1.4379326443, 0.9063972942],
]
U0, ZERO_POINT, HOMO, GAP = -40.47893, 0.044749, -0.3877, 0.5048


def method(name: str, program: str, **settings):
    """A method, or the test is skipped where its program is missing."""
    pytest.importorskip(program, reason=f"{program} is not installed")
    module = find("label.methods", name)
    return module.build(module.Config(**settings))


def of(atoms, **labels: float) -> Structures:
    return Structures.of(atoms.positions, atoms.numbers, labels=labels)


def test_the_molecule_in_the_documentation_of_tblite():
    """Sixteen atoms of six elements: the energy that the page of tblite's calculator shows, in hartree."""
    numbers = [1, 1, 6, 5, 1, 15, 8, 17, 13, 15, 5, 1, 9, 15, 1, 15]
    bohr = [
        [+2.79274810283778, +3.82998228828316, -2.79287054959216],
        [-1.43447454186833, +0.43418729987882, +5.53854345129809],
        [-3.26268343665218, -2.50644032426151, -1.56631149351046],
        [+2.14548759959147, -0.88798018953965, -2.24592534506187],
        [-4.30233097423181, -3.93631518670031, -0.48930754109119],
        [+0.06107643564880, -3.82467931731366, -2.22333344469482],
        [+0.41168550401858, +0.58105573172764, +5.56854609916143],
        [+4.41363836635653, +3.92515871809283, +2.57961724984000],
        [+1.33707758998700, +1.40194471661647, +1.97530004949523],
        [+3.08342709834868, +1.72520024666801, -4.42666116106828],
        [-3.02346932078505, +0.04438199934191, -0.27636197425010],
        [+1.11508390868455, -0.97617412809198, +6.25462847718180],
        [+0.61938955433011, +2.17903547389232, -6.21279842416963],
        [-2.67491681346835, +3.00175899761859, +1.05038813614845],
        [-4.13181080289514, -2.34226739863660, -3.44356159392859],
        [+2.85007173009739, -2.64884892757600, +0.71010806424206],
    ]
    found = method("gfn2_xtb", "tblite")(Structures.of(np.array(bohr) * BOHR, numbers))
    assert found["energy"] / HARTREE == pytest.approx(-31.716159156026254, abs=1e-6)


@pytest.mark.parametrize(("name", "spin"), [("CH3CH2OH", 1), ("O2", 3), ("CH3", 2), ("SiH4", 1)])
def test_xtb_as_the_calculator_for_ase_has_it(name, spin):
    """Energy, forces, dipole moment and charges, of closed and open shells; its constants differ by 1e-8."""
    atoms = molecule(name)
    found = method("gfn2_xtb", "tblite")(of(atoms, total_spin=spin))
    from tblite.ase import TBLite

    atoms.calc = TBLite(method="GFN2-xTB", verbosity=0, multiplicity=spin)
    assert found["energy"] == pytest.approx(atoms.get_potential_energy(), rel=3e-8)
    assert found["forces"] == pytest.approx(atoms.get_forces(), abs=1e-5)
    assert found["dipole"] == pytest.approx(atoms.get_dipole_moment(), abs=1e-5)
    assert found["charges"] == pytest.approx(atoms.get_charges(), abs=1e-5)
    assert found["gap"] == pytest.approx(found["lumo"] - found["homo"])
    assert found["gap"] > 1


def test_the_label_of_qm9_is_reproduced():
    """Total energy, HOMO and gap of methane, at the level that the method has when nothing is set."""
    found = method("dft_pyscf", "pyscf")(Structures.of(METHANE, [6, 1, 1, 1, 1]))
    assert found["energy"] == pytest.approx((U0 - ZERO_POINT) * HARTREE, abs=2e-4)
    assert found["homo"] == pytest.approx(HOMO * HARTREE, abs=3e-3)
    assert found["gap"] == pytest.approx(GAP * HARTREE, abs=3e-3)
    assert np.linalg.norm(found["dipole"]) < 1e-4
    assert found["charges"].sum() == pytest.approx(0, abs=1e-8)


@pytest.mark.real
def test_labels_of_qm9_on_its_own_file(real_data):
    """Water of the file: energy of the nuclei at rest, HOMO, gap and dipole moment."""
    real_data("qm9")
    from atomscape.data.load import load

    store = load("qm9")
    compute = method("dft_pyscf", "pyscf")
    for one in store[store.rows_of(["gdb_3"])]:
        found, known = compute(one), {k: float(v[0]) for k, v in one.labels.items()}
        resting = known["energy_zero_kelvin"] - known["zero_point_energy"]
        assert found["energy"] == pytest.approx(resting, abs=2e-4)
        assert found["homo"] == pytest.approx(known["homo"], abs=3e-3)
        assert found["gap"] == pytest.approx(known["gap"], abs=3e-3)
        assert np.linalg.norm(found["dipole"]) == pytest.approx(known["dipole_norm"], abs=1e-4)


def test_the_hydrogen_atom():
    """One electron by exact exchange alone: close to −½ hartree, from above."""
    found = method("dft_pyscf", "pyscf", functional="hf", basis="cc-pvtz")(Structures.of([[0, 0, 0]], [1]))
    assert found["energy"] == pytest.approx(-HARTREE / 2, abs=6e-3)
    assert found["energy"] > -HARTREE / 2
    assert found["homo"] == pytest.approx(found["energy"], abs=1e-5)


def test_several_polarization_functions():
    """Carbon's d functions in 6-31G(2df,p) are those of 6-31G(d) scaled by 4^±½; PySCF's are of 6-311G."""
    pytest.importorskip("pyscf", reason="pyscf is not installed")
    from atomscape.label.pople import is_of_the_family, shells

    exponents = [s[1][0] for s in shells("6-31G(2df,p)", "C") if s[0] == 2]
    assert exponents == pytest.approx([1.6, 0.4])
    assert [s[1][0] for s in shells("6-31G(2df,p)", "O") if s[0] == 3] == [1.4]
    assert [s[1][0] for s in shells("6-31G(d,2p)", "H") if s[0] == 1] == pytest.approx([2.2, 0.55])
    assert [s[1][0] for s in shells("6-31G*", "C") if s[0] == 2] == [0.8]
    assert is_of_the_family("6-31+G(d,p)")
    assert not is_of_the_family("6-311G(d,p)")
    assert not is_of_the_family("cc-pvdz")


@pytest.mark.parametrize(("name", "program"), [("gfn2_xtb", "tblite"), ("dft_pyscf", "pyscf")])
@pytest.mark.parametrize(
    ("structure", "why"),
    [
        (Structures.of([[0, 0, 0]], [29], cell=[2.5, 2.5, 2.5]), "periodic"),
        (Structures.of([[0, 0, 0], [0, 0, 0]], [1, 1]), "closer than 0.3 Å"),
        (Structures.of([[0, 0, 0]], [1], labels={"total_charge": 1}), "leaves no electron"),
        (Structures.of([[0, 0, 0]], [8], labels={"total_spin": 2}), "cannot have the multiplicity 2"),
        (Structures.of([[0, 0, 0]], [8], labels={"total_charge": 0.5}), "is no whole number"),
        (Structures.of([[0, 0, 0]], [95]), "95|Am|elements"),
        (Structures.of(np.zeros((0, 3)), []), "no atoms"),
    ],
)
def test_what_has_no_labels_is_refused(name, program, structure, why):
    """By an exception of one kind, with the reason in a few words."""
    with pytest.raises(NotLabelled, match=why):
        method(name, program)(structure)


@pytest.mark.parametrize(("name", "program"), [("gfn2_xtb", "tblite"), ("dft_pyscf", "pyscf")])
def test_what_does_not_converge_is_refused(name, program):
    """And so is nothing else: two cycles are too few, the default is enough."""
    with pytest.raises(NotLabelled, match="not converged in 2 cycles"):
        method(name, program, iterations=2)(of(molecule("H2O")))


def test_functionals_and_basis_sets_that_are_not_there():
    """A functional is refused at once; a basis set where an element is missing in it."""
    with pytest.raises(ValueError, match="knows no functional 'b4lyp'; known are for instance b3lypg"):
        method("dft_pyscf", "pyscf", functional="b4lyp")
    with pytest.raises(NotLabelled, match="no basis set cc-nothing for some of H, O"):
        method("dft_pyscf", "pyscf", basis="cc-nothing")(of(molecule("H2O")))


@pytest.mark.parametrize(("name", "program"), [("gfn2_xtb", "tblite"), ("dft_pyscf", "pyscf")])
def test_a_program_that_is_missing(monkeypatch, name, program):
    """The message says what to install."""
    import sys

    for known in [m for m in sys.modules if m.partition(".")[0] == program]:
        monkeypatch.delitem(sys.modules, known)
    monkeypatch.setitem(sys.modules, program, None)
    module = find("label.methods", name)
    with pytest.raises(ImportError, match=rf"computed by {program}: pip install 'atomscape\[label\]'"):
        module.build(module.Config())
