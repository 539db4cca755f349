"""Our models in torch-sim: what the calculator says, its validation, its dynamics step by step."""

from __future__ import annotations

import warnings

import numpy as np
import pytest
import torch
from ase.build import bulk, molecule

from atomscape.atoms.neighbours import neighbour_graph
from atomscape.atoms.properties import PROPERTIES
from atomscape.data.card import PropertyRecord
from atomscape.learn.architecture import Architecture, HeadRecord
from atomscape.learn.config import PlugIn
from atomscape.learn.model import Model
from atomscape.ops.segment import segment_sum
from atomscape.simulate.calculator import Calculator
from atomscape.simulate.dynamics import advance, started
from atomscape.simulate.integrators import VelocityVerlet
from atomscape.simulate.loading import load_potential
from atomscape.simulate.potential import EnergyFunction
from atomscape.simulate.reading import structures_of
from atomscape.simulate.trajectory import frames_of

with warnings.catch_warnings():  # of TorchScript, which torch-sim still uses
    warnings.simplefilter("ignore")
    ts = pytest.importorskip("torch_sim", reason="needs the extra torch-sim")


@pytest.fixture(scope="module")
def ours():
    from atomscape.simulate.torch_sim import TorchSimModel

    return TorchSimModel


def model_of(*elements: str, **encoder) -> Model:
    options = {"kind": "tfn", "l_max": 1, "channels": 4, "layers": 2, "cutoff": 4.0, "radial_hidden": 8}
    energy = PropertyRecord.of(PROPERTIES["energy"])
    head = HeadRecord(dataset="shared", predicts=energy, head=PlugIn(kind="scalar"))
    with torch.random.fork_rng():
        torch.manual_seed(1)
        plug = PlugIn.model_validate(options | encoder)
        model = Model(Architecture(encoder=plug, heads=(head,), datasets=("a",)))
    model.heads["shared:energy"].scale.fill_(3.0)
    model.about = {"elements": list(elements)}
    return model.eval()


def crystals(seed: int = 0):
    """Of different sizes and skew cells, so rows and columns are told apart."""
    rng = np.random.default_rng(seed)
    images = [bulk("MgO", "rocksalt", a=4.2), bulk("MgO", "rocksalt", a=4.3) * (2, 1, 1)]
    for image in images:
        image.set_cell(image.cell.array @ (np.eye(3) + 0.05 * rng.normal(size=(3, 3))), scale_atoms=True)
        image.rattle(0.05, rng=rng)
    return images


@pytest.mark.parametrize(("precision", "close"), [("float32", 1e-6), ("float64", 1e-10)])
def test_it_says_what_the_calculator_says(ours, precision, close):
    model = model_of("Mg", "O")
    mine = ours(model, precision=precision)
    for images in (crystals(), [molecule("O2"), *(molecule(n) for n in ("O3", "O2"))]):
        state = ts.io.atoms_to_state(images, mine.device, mine.dtype)
        found = mine(state)
        theirs = Calculator(model, dtype=precision).evaluate(images)
        assert {v.dtype for v in found.values()} == {torch.float64}
        np.testing.assert_allclose(found["energy"], [r["energy"] for r in theirs], atol=close)
        np.testing.assert_allclose(found["forces"], np.concatenate([r["forces"] for r in theirs]), atol=close)
        if images[0].pbc.all():
            voigt = found["stress"].numpy()[:, [0, 1, 2, 1, 0, 0], [0, 1, 2, 2, 2, 1]]
            np.testing.assert_allclose(voigt, [r["stress"] for r in theirs], atol=close)
            assert np.abs(voigt).max() > 1e-4
        else:
            assert found["stress"].isnan().all()


def test_torch_sim_takes_it_for_a_model(ours):
    """Its own validation, in either precision of states; autobatching counts pairs, or atoms."""
    from torch_sim.models.interface import validate_model_outputs

    model = model_of("Si", "Fe")
    for dtype in (torch.float64, torch.float32):
        validate_model_outputs(ours(model, dtype=dtype), torch.device("cpu"), dtype)
    assert ours(model).memory_scales_with == "n_atoms_x_density"
    atoms = ours(model, memory_scales_with="n_atoms", compute_stress=False)
    batcher = ts.BinningAutoBatcher(atoms, memory_scales_with=atoms.memory_scales_with, max_memory_scaler=12)
    state = ts.io.atoms_to_state([bulk("Si", cubic=True)] * 3, atoms.device, atoms.dtype)
    batcher.load_states(state)
    parts = [part.n_atoms for part in batcher]
    assert parts == [8, 8, 8]
    assert set(atoms(state)) == {"energy", "forces"}


def test_its_stress_has_the_sign_of_ours():
    """Their Lennard-Jones and the formula as a potential of ours, under pressure: sign and order of axes."""
    from torch_sim.models.lennard_jones import LennardJonesModel

    def energy(graph):
        c6 = (2.3**2 / graph.vectors.square().sum(1)) ** 3
        owner = graph.structures.structure[graph.centre]
        return segment_sum(2 * 0.4 * (c6.square() - c6), owner, len(graph.structures))

    image = bulk("Cu", cubic=True, a=3.4) * (3, 3, 3)
    image.set_cell(image.cell.array * [1.0, 1.02, 1.05], scale_atoms=True)
    image.rattle(0.05, seed=1)
    options = {"sigma": 2.3, "epsilon": 0.4, "cutoff": 4.5, "use_neighbor_list": False}
    theirs = LennardJonesModel(**options, dtype=torch.float64, compute_stress=True, compute_forces=True)
    found = theirs(ts.io.atoms_to_state([image], torch.device("cpu"), torch.float64))
    graph = neighbour_graph(structures_of([image]), 4.5)
    here = EnergyFunction(energy, 4.5)(graph, ("forces", "stress"))
    for name in ("forces", "stress"):
        a, b = found[name].flatten(), here[name].flatten()  # without a list, 0.3 counts each pair twice
        assert float(a @ b / (a.norm() * b.norm())) == pytest.approx(1, abs=1e-9)
    assert float(here["stress"].diagonal(dim1=1, dim2=2).max()) < -0.01


def test_dynamics_are_ours_step_by_step(ours):
    images, model = crystals(), model_of("Mg", "O")
    potential, rule, energies = load_potential(model, dtype="float64"), VelocityVerlet(1.0), []
    motion = started(potential, structures_of(images), rule, [0, 1], temperature=300)
    mine = ours(model, precision="float64")
    state = ts.io.atoms_to_state(images, mine.device, mine.dtype)
    momenta = np.concatenate([frame.get_momenta() for frame in frames_of(motion, 1.0)])
    state.momenta = torch.from_numpy(momenta)
    unit = ts.units.UnitSystem.metal
    time, kT = (torch.tensor(x).double() for x in (0.001 * float(unit.time), 300 * float(unit.temperature)))
    init, step = ts.nve(mine, dt=time, kT=kT)
    state = init(state)
    advance(potential, motion, rule, 10, observe=lambda m: energies.append(m.energy))
    for energy in energies:
        state = step(state)
        np.testing.assert_allclose(state.energy, energy, atol=1e-7)
    assert float((energies[-1] - motion.energy).abs().min()) > 1e-3


def test_what_a_state_cannot_hold(ours):
    with pytest.raises(ValueError, match=r"reads total_charge, and a state of torch-sim has no place"):
        ours(model_of("Mg", "O", inputs=[{"label": "total_charge"}]))
    with pytest.raises(ValueError, match="it can be 'n_atoms_x_density' or 'n_atoms'"):
        ours(model_of("Mg"), memory_scales_with="edges")
    mine = ours(model_of("Mg"))
    with pytest.raises(ValueError, match="O was never seen in training"):
        mine(ts.io.atoms_to_state(crystals(), mine.device, mine.dtype))
