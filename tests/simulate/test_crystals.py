"""Equation of state, elastic constants, phonons and checks, where theory says what comes out."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from ase.build import bulk

from atomscape.atoms.ase import from_ase
from atomscape.atoms.structures import Structures
from atomscape.simulate import checks
from atomscape.simulate.elastic import Elastic, elastic_constants
from atomscape.simulate.equation_of_state import birch_murnaghan, equation_of_state
from atomscape.simulate.lines_figure import Curve, Panel, lines_figure, round_numbers
from atomscape.simulate.phonons import phonons
from atomscape.simulate.potential import EnergyFunction
from atomscape.simulate.relax import relax
from atomscape.units import GPA


@pytest.fixture(scope="module")
def crystal(lennard_jones) -> Structures:
    """The primitive cell at rest."""
    s = from_ase(bulk("Cu", a=3.55))
    return relax(lennard_jones, s, cell="free", fmax=1e-5, smax=1e-8).structures


def test_birch_and_murnaghan_are_found_again():
    volumes = np.linspace(0.9, 1.1, 9) * 40
    known = birch_murnaghan(np.linspace(30, 50, 7), np.linspace(-5, 5, 7) ** 2.0)
    again = birch_murnaghan(volumes + known.volume - 40, known.at(volumes + known.volume - 40))
    for name in ("volume", "bulk_modulus", "derivative", "energy"):
        assert getattr(again, name) == pytest.approx(getattr(known, name), rel=1e-6), name
    assert again.misfit < 1e-9
    from ase.eos import EquationOfState

    rng = np.random.default_rng(0)
    energies = 0.02 * (volumes - 41) ** 2 + 1e-3 * rng.normal(size=9)
    v0, e0, b = EquationOfState(volumes, energies, eos="birchmurnaghan").fit()
    ours = birch_murnaghan(volumes, energies)
    assert (ours.volume, ours.energy, ours.bulk_modulus) == pytest.approx((v0, e0, b), rel=1e-3)
    with pytest.raises(ValueError, match=r"no minimum between 36 and 44 Å³ \(lowest at 36\)"):
        birch_murnaghan(volumes, volumes)
    with pytest.raises(ValueError, match="needs more"):
        birch_murnaghan(volumes[:4], energies[:4])


def test_moduli_of_a_pair_potential(lennard_jones, crystal):
    """Cauchy: C12 = C44 of central forces without stress; B of both routes; other constants are zero."""
    found = elastic_constants(lennard_jones, crystal)
    C11, C12, C44 = found.C[0, 0], found.C[0, 1], found.C[3, 3]
    assert pytest.approx(C44, rel=2e-3) == C12
    expected = np.zeros((6, 6))
    expected[:3, :3] = C12
    expected[range(3), range(3)], expected[range(3, 6), range(3, 6)] = C11, C44
    np.testing.assert_allclose(found.C, expected, atol=0.02 * C44 / 100)
    eos = equation_of_state(lennard_jones, crystal, span=0.02)
    assert eos.bulk_modulus / GPA == pytest.approx((C11 + 2 * C12) / 3, rel=5e-3)
    assert found.bulk == pytest.approx(((C11 + 2 * C12) / 3,) * 2)
    assert found.eigenvalues == pytest.approx(
        sorted([C11 + 2 * C12, *[C11 - C12] * 2, *[2 * C44] * 3]), rel=1e-4
    )
    voigt = (C11 - C12 + 3 * C44) / 5
    reuss = 5 * (C11 - C12) * C44 / (4 * C44 + 3 * (C11 - C12))
    assert found.shear == pytest.approx((voigt, reuss), rel=1e-4)
    assert found.as_dict()["stable"]
    soft = np.diag([1.0, 1, 1, -0.1, 1, 1])
    assert not Elastic(soft, 0.0).as_dict()["stable"]
    with pytest.raises(ValueError, match="this structure is periodic in 0 of 3"):
        elastic_constants(lennard_jones, Structures.of([[0.0, 0, 0]], [29]))
    loose = from_ase(bulk("Cu", cubic=True, a=3.5))
    loose.positions[0] += torch.tensor([0.1, 0.05, 0.0], dtype=torch.float64)
    with pytest.raises(ValueError, match=r"still feel .* after 300 steps; .*--clamped"):
        equation_of_state(lennard_jones, loose, fmax=1e-30)
    with pytest.raises(ValueError, match="is of one structure; given 2"):
        elastic_constants(lennard_jones, Structures.concatenate([crystal, crystal]))


def test_phonons_start_with_the_speed_of_sound(lennard_jones, crystal):
    """Near Γ along [100], ω = q √(C11/ρ) and q √(C44/ρ), the constants from stresses."""
    pytest.importorskip("phonopy", reason="phonons need the extra simulate")
    found = phonons(lennard_jones, crystal, supercell=(5, 5, 5), mesh=20.0)
    C = elastic_constants(lennard_jones, crystal).C * GPA
    mass = float(bulk("Cu").get_masses()[0]) * 103.642697  # eV fs²/Å²
    speeds = np.sqrt(np.array([C[3, 3], C[3, 3], C[0, 0]]) * float(crystal.volume[0]) / mass)  # Å/fs
    q, bands = found.distances[0][4], found.bands[0][4]  # 1/Å
    assert [name for _, name in found.ticks][:2] == ["G", "X"]
    np.testing.assert_allclose(bands, 1e3 * q * speeds, rtol=0.02)
    assert found.stable
    assert found.displacements == 1
    assert float(found.heat_capacity[-1]) == pytest.approx(3 * 8.314, rel=0.02), "Dulong and Petit"


def test_a_crystal_that_would_rather_distort_has_imaginary_modes(lennard_jones):
    pytest.importorskip("phonopy", reason="phonons need the extra simulate")
    stretched = from_ase(bulk("Cu", a=4.3))
    found = phonons(lennard_jones, stretched, supercell=(3, 3, 3), mesh=10.0)
    assert not found.stable
    assert found.lowest < -0.5


def test_labels_that_a_network_reads_go_with_strained_and_repeated_cells(lennard_jones):
    """An energy that reads them says what one does that knows charges by elements; the whole adds up."""
    pytest.importorskip("phonopy", reason="phonons need the extra simulate")

    def of(charge):
        def energy(graph):
            s, q = graph.structures, charge(graph.structures)
            square = graph.vectors.square().sum(1)
            fade = (1 - square / 25) ** 3
            c6 = (2.3**2 / square) ** 3
            pair = fade * (2 * 0.4 * (c6.square() - c6) + q[graph.centre] * q[graph.neighbour])
            return torch.zeros(len(s), dtype=pair.dtype).index_add(0, s.structure[graph.centre], pair)

        return EnergyFunction(energy, 5.0)

    def read(s):
        assert torch.equal(s.labels["total_charge"], 0.5 * s.counts / 2)
        return s.labels["charges"]

    by_label, by_element = of(read), of(lambda s: torch.where(s.numbers == 29, 0.8, -0.3).double())
    image = bulk("CuAl", "cesiumchloride", a=2.95)
    bare = relax(by_element, from_ase(image), cell="free", fmax=1e-6, smax=1e-8).structures
    charges = torch.tensor([0.8, -0.3], dtype=torch.float64)
    told = bare.with_labels(charges=charges, total_charge=torch.tensor([0.5], dtype=torch.float64))
    for name, what in (
        ("volume", lambda p, s: equation_of_state(p, s).volume),
        ("C", lambda p, s: elastic_constants(p, s).C),
        ("bands", lambda p, s: phonons(p, s, supercell=(2, 2, 1), mesh=5.0).bands[0]),
    ):
        np.testing.assert_allclose(what(by_label, told), what(by_element, bare), atol=1e-6, err_msg=name)


def test_checks_pass_what_is_sound_and_fail_what_is_broken(lennard_jones, crystal):
    s = from_ase(bulk("Cu", cubic=True, a=3.5))
    s.positions[0] += torch.tensor([0.1, 0.05, 0.0], dtype=torch.float64)
    sound = [
        *checks.check_derivatives(lennard_jones, s),
        *checks.check_frames(lennard_jones, s),
        *checks.check_cutoff(lennard_jones, [29]),
        *checks.check_pairs(checks.pair_curves(lennard_jones, [29])),
        *checks.check_drift(lennard_jones, s, steps=30)[0],
        *checks.check_crystal(lennard_jones, crystal),
    ]
    assert [c.what for c in sound if not c.passed] == []
    assert len(sound) == 12

    def cut(graph):
        """Stops where it still pulls, ignores one direction of space, and attracts when close."""
        r2 = graph.vectors.square()
        pair = 0.01 * torch.where(r2.sum(1) < 16, r2[:, 0] + r2[:, 1], 0.0)
        pair = pair.detach() * 0.5 + pair * 0.5
        owner = graph.structures.structure[graph.centre]
        return torch.zeros(len(graph.structures), dtype=pair.dtype).index_add(0, owner, pair)

    broken = EnergyFunction(cut, 4.0)
    failed = {
        c.what
        for c in (
            *checks.check_derivatives(broken, s),
            *checks.check_frames(broken, s),
            *checks.check_cutoff(broken, [29]),
            *checks.check_pairs(checks.pair_curves(broken, [29])),
        )
        if c.passed is False
    }
    assert failed >= {
        *("F = −∂E/∂r, relative", "σ = ∂E/∂ε / V", "energy turned and shifted", "force across the cutoff"),
        *("energy across the cutoff", "Cu–Cu repels when close"),
    }
    molecule = Structures.of([[0.0, 0, 0], [2.6, 0, 0]], [29, 29])
    assert [c.passed for c in checks.check_crystal(lennard_jones, molecule)] == [None]


def test_figures_have_round_numbers_and_refuse_nothing():
    assert round_numbers(0.0, 1.0) == [0, 0.2, 0.4, 0.6, 0.8, 1.0]
    assert round_numbers(-31.0, 44.0) == [-20, 0, 20, 40]
    figure = lines_figure([Panel((Curve([0, 1], [1, 1], "one"),), "x", "y < z")])
    assert "y &lt; z" in figure
    with pytest.raises(ValueError, match="no point is finite"):
        lines_figure([Panel((Curve([0.0], [float("nan")]),), "x", "y")])
