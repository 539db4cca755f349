"""Relaxation: the steps of ASE's optimisers, the minima of ASE's filters, batches as each alone."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from ase.build import bulk, fcc100
from ase.constraints import FixAtoms
from ase.filters import UnitCellFilter
from ase.optimize import FIRE, LBFGS

from atomscape.atoms.ase import from_ase, to_ase
from atomscape.simulate.optimise import LBFGS as Ours
from atomscape.simulate.reading import fixed_atoms, structures_of
from atomscape.simulate.relax import relax
from atomscape.units import GPA

ASE = {"fire": FIRE, "lbfgs": LBFGS}


def copper(a: float = 3.5, shake: float = 0.03, strain: float = 0.0, seed: int = 1):
    rng = np.random.default_rng(seed)
    atoms = bulk("Cu", cubic=True, a=a)
    atoms.set_cell(atoms.cell.array @ (np.eye(3) + strain * rng.normal(size=(3, 3))), scale_atoms=True)
    atoms.rattle(shake, rng=rng)
    return atoms


@pytest.mark.parametrize("name", ASE)
def test_the_first_steps_are_those_of_ase(lennard_jones, ase_lennard_jones, name):
    """While no step is long enough to be limited, place by place."""
    atoms = copper()
    seen = []
    relax(
        lennard_jones,
        from_ase(atoms),
        optimiser=name if name == "fire" else Ours(memory=100),
        fmax=0.0,
        steps=12,
        observe=lambda step: seen.append(step.structures.positions.numpy()),
    )
    atoms.calc = ase_lennard_jones()
    theirs = [atoms.positions.copy()]
    optimiser = ASE[name](atoms, logfile=None)
    optimiser.attach(lambda: theirs.append(atoms.positions.copy()))
    optimiser.run(fmax=0.0, steps=12)
    np.testing.assert_allclose(np.stack(seen), np.stack(theirs[-13:]), atol=1e-9)
    assert np.abs(seen[-1] - seen[0]).max() > 0.01


def test_cells_find_the_minimum_that_ase_finds(lennard_jones, ase_lennard_jones):
    """Strained cells of different symmetry in one batch, each as alone; the stress is then the outer one."""
    images = [copper(3.7, 0.05, 0.02, 2), copper(3.5, 0.1, 0.0, 3)]
    pressure = 3 * GPA
    small = {"cell": "free", "fmax": 1e-3, "smax": 1e-6, "pressure": pressure}
    done = relax(lennard_jones, from_ase(images), **small)
    assert done.converged.all()
    for k, atoms in enumerate(images):
        alone = relax(lennard_jones, from_ase(atoms), **small)
        assert int(alone.steps[0]) == int(done.steps[k])
        np.testing.assert_allclose(alone.structures.positions, done.structures[k].positions, atol=1e-9)
    atoms.calc = ase_lennard_jones()
    LBFGS(UnitCellFilter(atoms, scalar_pressure=pressure), logfile=None).run(fmax=1e-3, steps=300)
    assert float(done.structures.labels["energy"][1]) == pytest.approx(atoms.get_potential_energy(), abs=1e-5)
    np.testing.assert_allclose(done.structures.labels["stress"][0], -pressure * np.eye(3), atol=2e-6)


def test_a_cell_that_may_only_breathe_keeps_its_shape(lennard_jones):
    atoms = copper(3.8, 0.0, 0.02)
    done = relax(lennard_jones, from_ase(atoms), cell="isotropic", fmax=1e-3, smax=1e-6)
    ratio = done.structures.cell[0].numpy() / atoms.cell.array
    np.testing.assert_allclose(ratio, ratio[0, 0], rtol=1e-8)
    assert ratio[0, 0] < 0.98
    assert abs(float(done.structures.labels["stress"][0].diagonal().mean())) < 1e-6


def test_held_atoms_stay_and_the_rest_relaxes(lennard_jones):
    slab = fcc100("Cu", (1, 1, 4), a=3.5, vacuum=6)
    slab.set_constraint(FixAtoms([0, 1]))
    slab.positions[3, 2] += 0.3
    done = relax(lennard_jones, structures_of([slab]), fixed=fixed_atoms([slab]), fmax=1e-3)
    moved = np.abs(done.structures.positions.numpy() - slab.positions).max(1)
    assert moved[:2].tolist() == [0, 0]
    assert moved[3] > 0.1
    assert bool(done.converged[0])
    assert float(done.structures.labels["forces"][:2].abs().max()) > 1e-3
    with pytest.raises(ValueError, match="periodic in 2 of 3 directions"):
        relax(lennard_jones, structures_of([slab]), cell="free")


def test_what_has_converged_leaves_and_what_cannot_is_told(lennard_jones):
    images = [copper(3.55, 0.0), copper(3.55, 0.1)]
    sizes = []
    done = relax(lennard_jones, from_ase(images), steps=2, observe=lambda x: sizes.append(len(x.which)))
    assert sizes == [2, 1, 1]
    assert done.converged.tolist() == [True, False]
    assert done.steps.tolist() == [0, 2]
    assert float(done.fmax[1]) > 0.02
    assert [len(x) for x in to_ase(done.structures)] == [4, 4]
    with pytest.raises(LookupError, match=r"no optimiser 'bfgs'.*lbfgs"):
        relax(lennard_jones, from_ase(images), optimiser="bfgs")
    nowhere = from_ase(images)
    nowhere.positions[1] = nowhere.positions[0]
    with pytest.raises(FloatingPointError, match="a force on structure 0 is no number"):
        relax(lennard_jones, nowhere)


def test_constraints_that_batches_do_not_know():
    from ase.constraints import FixBondLength

    atoms = copper()
    atoms.set_constraint(FixBondLength(0, 1))
    with pytest.raises(ValueError, match=r"FixBondLength.*batches know FixAtoms alone"):
        fixed_atoms([atoms])


def test_torch_is_left_as_it_was(lennard_jones):
    before = torch.get_rng_state()
    relax(lennard_jones, from_ase(copper()), steps=1)
    assert torch.equal(before, torch.get_rng_state())
