"""Dynamics: what Newton's equations conserve, what a temperature is, and simulations that were stopped."""

from __future__ import annotations

import shutil
from dataclasses import replace

import numpy as np
import pytest
import torch
from ase.build import bulk
from ase.io import read
from ase.md.verlet import VelocityVerlet as AseVerlet
from ase.units import fs

from atomscape.atoms.ase import from_ase
from atomscape.atoms.structures import Structures
from atomscape.ops.segment import segment_sum
from atomscape.simulate.dynamics import advance, started
from atomscape.simulate.dynamics_folder import run_in_folder
from atomscape.simulate.integrators import Langevin, StochasticRescaling, VelocityVerlet
from atomscape.simulate.potential import EnergyFunction
from atomscape.units import BOLTZMANN

K, APART = 3.0, 8.0  # eV/Å², Å


def springs(k: float) -> EnergyFunction:
    """½ k x² on every coordinate, x from the nearest place of a lattice: atoms ignore one another."""

    def energy(graph):
        s = graph.structures
        return segment_sum(0.5 * k * away(s.positions).square().sum(1), s.structure, len(s))

    return EnergyFunction(energy, 0.1)


def away(positions: torch.Tensor) -> torch.Tensor:
    return positions - APART * (positions.detach() / APART).round()


def oscillators(structures: int, atoms: int) -> Structures:
    n = structures * atoms
    places = APART * torch.arange(n, dtype=torch.float64)
    return Structures(
        torch.stack([places, torch.zeros_like(places), torch.zeros_like(places)], 1),
        torch.full((n,), 14),
        torch.zeros(structures, 3, 3, dtype=torch.float64),
        torch.zeros(structures, 3, dtype=torch.bool),
        torch.arange(structures).repeat_interleave(atoms),
    )


def copper() -> Structures:
    atoms = bulk("Cu", cubic=True, a=3.55)
    atoms.rattle(0.05, seed=1)
    return from_ase(atoms)


def test_steps_are_those_of_ase(lennard_jones, ase_lennard_jones):
    rule = VelocityVerlet(2.0)
    motion = started(lennard_jones, copper(), rule, [3], temperature=500)
    atoms = bulk("Cu", cubic=True, a=3.55)
    atoms.positions = motion.structures.positions.numpy()
    atoms.set_velocities(motion.velocities.numpy() / fs)
    atoms.calc = ase_lennard_jones()
    AseVerlet(atoms, 2.0 * fs).run(10)
    motion = advance(lennard_jones, motion, rule, 10)
    np.testing.assert_allclose(motion.structures.positions, atoms.positions, atol=1e-7)
    assert float(motion.kinetic[0]) == pytest.approx(atoms.get_kinetic_energy(), rel=1e-5)


def test_energy_drifts_with_the_square_of_the_step_and_time_can_be_reversed(lennard_jones):
    start = {
        dt: started(lennard_jones, copper(), VelocityVerlet(dt), [0], temperature=600) for dt in (2.0, 4.0)
    }
    worst = {}
    for dt, motion in start.items():
        seen = []
        there = advance(
            lennard_jones,
            motion,
            VelocityVerlet(dt),
            int(160 / dt),
            observe=lambda m, s=seen: s.append(m.conserved),
        )
        worst[dt] = float((torch.stack(seen) - motion.conserved).abs().max())
    assert 3 < worst[4.0] / worst[2.0] < 5
    back = advance(lennard_jones, replace(there, velocities=-there.velocities), VelocityVerlet(4.0), 40)
    torch.testing.assert_close(back.structures.positions, start[4.0].structures.positions, rtol=0, atol=1e-9)
    momentum = (there.mass.unsqueeze(1) * there.velocities).sum(0)
    assert float(momentum.abs().max()) < 1e-10
    assert float(start[4.0].temperature[0]) == pytest.approx(600)


def test_langevin_samples_positions_exactly_even_with_long_steps():
    """ω Δt = 1: BAOAB has ⟨x²⟩ = kT/K all the same, where other schemes are off by a quarter."""
    s, T, wells = oscillators(1, 1500), 300.0, springs(K)
    rule = Langevin(T, dt=31.2, friction=0.03)
    motion = started(wells, s, rule, [1], temperature=T)
    omega2 = K / float(motion.mass[0])
    assert (omega2**0.5 * rule.dt) == pytest.approx(1.0, abs=0.02)
    motion, squares = advance(wells, motion, rule, 20), []
    advance(
        wells,
        motion,
        rule,
        120,
        observe=lambda m: squares.append(away(m.structures.positions).square().mean()),
    )
    assert float(torch.stack(squares).mean()) == pytest.approx(BOLTZMANN * T / K, rel=0.015)
    assert int(motion.freedom[0]) == 4500


def test_rescaling_has_the_kinetic_energies_of_the_canonical_ensemble():
    """Of atoms that fly freely: mean f kT/2 and variance f (kT)²/2, f without the centre of mass."""
    s, T, nothing = oscillators(60, 4), 500.0, springs(0.0)
    rule = StochasticRescaling(T, dt=2.0, time=2.0)
    motion = started(nothing, s, rule, range(60), temperature=100.0)
    motion, seen = advance(nothing, motion, rule, 20), []
    advance(nothing, motion, rule, 120, observe=lambda m: seen.append(m.kinetic), every=3)
    kinetic, f, kT = torch.stack(seen), 9, BOLTZMANN * T
    assert motion.freedom.tolist() == [f] * 60
    assert float(kinetic.mean()) == pytest.approx(f * kT / 2, rel=0.03)
    assert float(kinetic.var()) == pytest.approx(f * kT**2 / 2, rel=0.15)


def test_rescaling_to_no_temperature_takes_energy_out():
    """By e^(−Δt/τ) in each step, eq. A7 without its noise."""
    rule, s = StochasticRescaling(0.0, 1.0, 10.0), oscillators(1, 4)
    free = springs(0.0)
    motion = started(free, s, rule, [0], temperature=300)
    later = advance(free, motion, rule, 20)
    assert float(later.kinetic[0] / motion.kinetic[0]) == pytest.approx(np.exp(-2.0), rel=1e-9)


@pytest.mark.parametrize("rule", [Langevin(400, 2.0), StochasticRescaling(400, 2.0, 20.0)])
def test_what_a_thermostat_gives_is_booked_and_batches_are_as_alone(lennard_jones, rule):
    s = copper()
    both = started(lennard_jones, Structures.concatenate([s, s]), rule, [5, 6], temperature=400)
    later = advance(lennard_jones, both, rule, 40, skin=1.0)
    assert float((later.conserved - both.conserved).abs().max()) < 0.01
    assert float(later.given.abs().min()) > 0.01
    alone = advance(lennard_jones, started(lennard_jones, s, rule, [6], temperature=400), rule, 40, skin=0)
    torch.testing.assert_close(alone.structures.positions, later.structures[1].positions, rtol=0, atol=1e-10)
    assert not torch.allclose(later.structures[0].positions, later.structures[1].positions, atol=1e-2)


def test_held_atoms_and_single_ones(lennard_jones):
    s = copper()
    fixed = torch.tensor([True, False, False, False])
    rule = Langevin(500, 2.0, 0.05)
    motion = advance(
        lennard_jones, started(lennard_jones, s, rule, [0], temperature=500, fixed=fixed), rule, 10
    )
    assert torch.equal(motion.structures.positions[0], s.positions[0])
    assert float((motion.structures.positions[1:] - s.positions[1:]).abs().min()) > 0
    assert int(motion.freedom[0]) == 9
    one = Structures.of([[0.0, 0, 0]], [18])
    motion = advance(
        lennard_jones,
        started(lennard_jones, one, VelocityVerlet(), [0], temperature=300),
        VelocityVerlet(),
        2,
    )
    assert float(motion.temperature[0]) == 0
    with pytest.raises(ValueError, match="2 seeds for 1 structures"):
        started(lennard_jones, one, rule, [0, 1])


def test_an_explosion_is_told(lennard_jones):
    s = Structures.of([[0.0, 0, 0], [1.2, 0, 0]], [29, 29])
    rule = VelocityVerlet(5.0)
    with pytest.raises(FloatingPointError, match=r"step 1: atom [01] of structure 0 moves .* take a shorter"):
        advance(lennard_jones, started(lennard_jones, s, rule, [0]), rule, 5)


@pytest.mark.parametrize("rule", [Langevin(400, 2.0), StochasticRescaling(400, 2.0)])
def test_a_simulation_that_was_killed_has_the_bytes_of_one_that_was_not(lennard_jones, tmp_path, rule):
    """Also when frames were written after the state was, and with another skin."""
    s = Structures.concatenate([copper(), copper()])

    def start():
        return started(lennard_jones, s, rule, [1, 2], temperature=400)

    def run(folder, steps, skin, **how):
        return run_in_folder(
            tmp_path / folder,
            start,
            lennard_jones,
            rule,
            steps,
            settings={"rule": str(rule)},
            log_every=2,
            frame_every=5,
            skin=skin,
            **how,
        )

    run("whole", 31, 0.0)
    run("killed", 12, 0.5)
    shutil.copy(tmp_path / "killed/state.safetensors", tmp_path / "then")
    run("killed", 21, 1.0, resume=True)
    shutil.copy(tmp_path / "then", tmp_path / "killed/state.safetensors")
    run("killed", 31, 0.3, resume=True)
    names = sorted(p.name for p in (tmp_path / "whole").iterdir())
    assert names == ["log.csv", "settings.json", "state.safetensors", "trajectory-0.xyz", "trajectory-1.xyz"]
    for name in names:
        assert (tmp_path / "whole" / name).read_bytes() == (tmp_path / "killed" / name).read_bytes(), name
    frames = read(tmp_path / "whole/trajectory-1.xyz", ":")
    assert [f.info["step"] for f in frames] == [0, 5, 10, 15, 20, 25, 30]
    log = (tmp_path / "whole/log.csv").read_text().splitlines()
    assert len(log) == 1 + 2 * 16
    at_ten = next(x.split(",") for x in log if x.startswith("10,20,1,"))
    assert frames[2].get_potential_energy() == pytest.approx(float(at_ten[3]), abs=1e-6)
    assert frames[2].get_kinetic_energy() == pytest.approx(float(at_ten[4]), rel=1e-5)
    with pytest.raises(ValueError, match="holds a simulation already: --resume continues"):
        run("whole", 40, 0.0)
    with pytest.raises(ValueError, match="was started otherwise"):
        run_in_folder(tmp_path / "whole", start, lennard_jones, rule, 40, settings={"rule": "x"}, resume=True)
    (tmp_path / "whole/log.csv").write_text("")
    with pytest.raises(ValueError, match="is 0 bytes long"):
        run("whole", 40, 0.0, resume=True)


def test_a_folder_is_never_taken_without_asking_and_can_be_resumed_from_its_first_step(
    lennard_jones, tmp_path
):
    rule = VelocityVerlet(1.0)

    def run(steps, **how):
        def start():
            return started(lennard_jones, copper(), rule, [0], temperature=100)

        return run_in_folder(tmp_path, start, lennard_jones, rule, steps, settings={}, **how)

    (tmp_path / "log.csv").write_text("mine\n")
    with pytest.raises(ValueError, match=r"holds log\.csv of something else; --out names another folder"):
        run(3)
    with pytest.raises(ValueError, match="of something else"):
        run(3, resume=True)
    assert (tmp_path / "log.csv").read_text() == "mine\n"

    def killed(motion):
        """Copies what a process that ends here leaves behind."""
        if motion.step == 2 and not (tmp_path / "then").exists():
            shutil.copy(tmp_path / "state.safetensors", tmp_path / "then")

    for name in ("trajectory-0.xyz", "trajectory-1.xyz", "uncertainty.csv", "notes.txt"):  # of two structures
        (tmp_path / name).touch()
    run(3, overwrite=True, progress=killed)
    made = {"log.csv", "settings.json", "state.safetensors", "trajectory.xyz", "then", "notes.txt"}
    assert {path.name for path in tmp_path.iterdir()} == made
    whole = (tmp_path / "log.csv").read_bytes()
    shutil.move(tmp_path / "then", tmp_path / "state.safetensors")
    assert run(3, resume=True).step == 3
    assert (tmp_path / "log.csv").read_bytes() == whole
