"""The exported energy is the network's, in TorchScript and through metatomic, on structures of any size."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from ase import Atoms
from ase.build import bulk, molecule

from atomscape.atoms.ase import from_ase
from atomscape.atoms.neighbours import neighbour_graph
from atomscape.find import available, find
from atomscape.learn.architecture import Architecture
from atomscape.learn.model import Model
from atomscape.simulate.calculator import Calculator
from atomscape.simulate.loading import load_potential
from atomscape.simulate.tracing import reach, traced_energy

pytestmark = pytest.mark.filterwarnings(r"ignore:.*torch\.jit:DeprecationWarning")

SMALL = {"channels": 5, "layers": 2, "cutoff": 3.2, "n_radial": 4, "l_max": 2, "average_neighbours": 20.0}
OWN = {"escn": {"m_max": 1}, "nequip": {"l_max": 1, "parity": "both"}, "attention": {"head_channels": 4}}
KINDS = [name for name in available("encoders") if name != "foreign"]
"""Every encoder that there is."""


def model_of(kind: str, dtype: str = "float64", **options) -> Model:
    """A model with random weights that says it was trained on hydrogen, oxygen and silicon."""
    fields = find("encoders", kind).Config.model_fields
    wanted = {**SMALL, **OWN.get(kind, {})}
    encoder = {"kind": kind, **{k: v for k, v in wanted.items() if k in fields}, **options}
    head = {
        "dataset": "shared",
        "predicts": {"name": "energy", "unit": "eV", "per": "structure", "extensive": True},
        "head": {"kind": "scalar", "hidden": 8},
    }
    with torch.random.fork_rng():
        torch.manual_seed(1)
        model = Model(
            Architecture.model_validate(
                {"encoder": encoder, "heads": [head], "datasets": ["a"], "dtype": dtype}
            )
        )
    model.heads["shared:energy"].references[1:20] = torch.linspace(-3, -40, 19)
    model.about = {"elements": ["H", "O", "Si"]}
    return model


def images() -> list[Atoms]:
    """A crystal, a molecule, a slab and a lone atom."""
    crystal, water = bulk("Si", cubic=True), molecule("H2O")
    slab = bulk("Si") * (2, 2, 1)
    slab.pbc = (True, True, False)
    slab.cell[2] = 0
    for k, a in enumerate((crystal, water, slab)):
        a.rattle(0.1, seed=k)
    return [crystal, water, slab, Atoms("O")]


@pytest.mark.parametrize("kind", KINDS)
def test_every_encoder_leaves_python(kind):
    potential = load_potential(model_of(kind), tables=False)
    energy = traced_energy(potential)
    g = neighbour_graph(from_ase(images()), potential.cutoff)
    order = torch.randperm(g.n_edges, generator=torch.Generator().manual_seed(0))
    vectors = g.vectors[order].requires_grad_()
    found = energy(vectors, g.structures.numbers, g.centre[order], g.neighbour[order])
    expected = potential.energies(g)
    assert float((found - expected).detach().abs().max()) < 1e-9 * float(expected.abs().max())
    slope = torch.autograd.grad(found.sum(), vectors)[0]
    forces = torch.zeros(g.n_atoms, 3, dtype=torch.float64)
    forces = forces.index_add(0, g.centre[order], slope).index_add(0, g.neighbour[order], -slope)
    exact = potential(g, ("forces",))["forces"]
    assert float((forces - exact).abs().max()) < 1e-9 * float(exact.abs().max().clamp(min=1.0))


def test_reach_counts_the_layers_that_send_messages():
    assert [reach(load_potential(model_of("tfn", layers=n), tables=False)) for n in (1, 3)] == [1, 3]


def test_what_cannot_leave_is_refused():
    with pytest.raises(ValueError, match="tables=False"):
        traced_energy(load_potential(model_of("tfn")))
    inputs = [{"label": "charge", "per": "structure", "irreps": "0e"}]
    with pytest.raises(ValueError, match="reads charge"):
        traced_energy(load_potential(model_of("tfn", inputs=inputs), tables=False))


@pytest.fixture(scope="module")
def saved(tmp_path_factory):
    """File of a model, and the model."""
    metatomic = pytest.importorskip("atomscape.simulate.metatomic", reason="metatomic-torch is not installed")
    made = model_of("mace", "float32")
    path = tmp_path_factory.mktemp("export") / "my.pt"
    metatomic.save(metatomic.exported(load_potential(made, tables=False), "mine", ("me",)), path)
    return path, made


def test_its_calculator_says_the_same_as_ours(saved):
    from metatomic_ase import MetatomicCalculator

    path, made = saved
    theirs, ours = MetatomicCalculator(path, check_consistency=True), Calculator(made)
    for atoms in images()[:1] + images()[2:3]:
        other = atoms.copy()
        atoms.calc, other.calc = ours, theirs
        assert abs(atoms.get_potential_energy() - other.get_potential_energy()) < 1e-6 * len(atoms)
        assert np.abs(atoms.get_forces() - other.get_forces()).max() < 1e-5
        if atoms.pbc.all():
            assert np.abs(atoms.get_stress() - other.get_stress()).max() < 1e-6


def test_atoms_are_selected_and_systems_batched(saved):
    from metatensor.torch import Labels
    from metatomic.torch import ModelOutput, load_atomistic_model
    from metatomic_ase import MetatomicCalculator

    path, made = saved
    potential = load_potential(made, tables=False)
    g = neighbour_graph(from_ase(images()[:1] + images()[2:3]), potential.cutoff)
    each = potential.energies(g)
    calculator = MetatomicCalculator(path, check_consistency=True)
    atoms = images()[:1] + images()[2:3]
    by_atom = {"energy": ModelOutput(unit="eV", sample_kind="atom")}
    block = calculator.run_model(atoms, by_atom)["energy"].block()
    assert torch.allclose(block.values[:, 0], each, atol=1e-5)
    chosen = Labels(["system", "atom"], torch.tensor([[0, 1], [1, 0]], dtype=torch.int32))
    part = calculator.run_model(atoms, {"energy": ModelOutput(unit="meV")}, selected_atoms=chosen)[
        "energy"
    ].block()
    assert torch.allclose(part.values[:, 0], 1e3 * each[[1, 8]], atol=1e-2)
    says = load_atomistic_model(path)
    assert (says.metadata().name, says.metadata().authors) == ("mine", ["me"])
    assert says.capabilities().atomic_types == [1, 8, 14]
    assert says.capabilities().interaction_range == pytest.approx(2 * 3.2)


def test_a_file_that_cannot_be_finished_is_not_there(saved, tmp_path, monkeypatch):
    from metatomic.torch import AtomisticModel, load_atomistic_model

    from atomscape.simulate import metatomic

    def broken(self, file):
        Path(file).write_text("half")
        raise OSError("disk full")

    model = load_atomistic_model(saved[0])
    with pytest.raises(ValueError, match=r"\.pt"):
        metatomic.save(model, tmp_path / "my.model")
    monkeypatch.setattr(AtomisticModel, "save", broken)
    with pytest.raises(OSError, match="disk full"):
        metatomic.save(model, tmp_path / "my.pt")
    assert not list(tmp_path.iterdir())


def test_a_model_of_unknown_elements_is_refused(saved):
    from atomscape.simulate import metatomic

    model = model_of("schnet")
    model.about = {}
    model.heads["shared:energy"].references.zero_()
    with pytest.raises(ValueError, match="which elements"):
        metatomic.exported(load_potential(model, tables=False))
