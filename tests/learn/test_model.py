"""Model: derivatives of the energy, heads by dataset, mixed batches, saving."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from atomscape.atoms.neighbours import neighbour_graph
from atomscape.atoms.properties import PROPERTIES
from atomscape.atoms.structures import Structures
from atomscape.data.card import PropertyRecord
from atomscape.learn.architecture import Architecture, HeadRecord, architecture_of
from atomscape.learn.checkpoint import load_model, save_model, write_tensors
from atomscape.learn.config import PlugIn
from atomscape.learn.model import Model

ENCODER = PlugIn(kind="schnet", channels=8, layers=2, cutoff=3.0, n_radial=6)


def record(dataset: str, name: str) -> HeadRecord:
    """A head of default options."""
    p = PROPERTIES[name]
    kind = "scalar" if p.per == "structure" else "atom_scalar"
    return HeadRecord(dataset=dataset, predicts=PropertyRecord.of(p), head=PlugIn(kind=kind))


@pytest.fixture
def model() -> Model:
    """Shared energy and charges; a gap of dataset b alone, and one of c; float64."""
    heads = [record("shared", "energy"), record("shared", "charges"), record("b", "gap"), record("c", "gap")]
    architecture = Architecture(
        encoder=ENCODER,
        heads=tuple(heads),
        datasets=("a", "b", "c"),
        derivatives=("forces",),
        dtype="float64",
    )
    with torch.random.fork_rng():
        torch.manual_seed(3)
        return Model(architecture).eval()


def energy_of(model: Model, s) -> torch.Tensor:
    with torch.no_grad():
        return model(neighbour_graph(s, model.cutoff), derivatives=())["energy"]


def test_forces_and_stress_are_derivatives(model, toy_structures):
    s = toy_structures(2, seed=5, periodic=True)
    out = model(neighbour_graph(s, model.cutoff), derivatives=("forces", "stress"))
    h = 1e-4
    for atom, axis in [(0, 0), (3, 2), (s.n_atoms - 1, 1)]:
        step = torch.zeros_like(s.positions)
        step[atom, axis] = h
        up = energy_of(model, replace(s, positions=s.positions + step)).sum()
        down = energy_of(model, replace(s, positions=s.positions - step)).sum()
        assert float(out["forces"][atom, axis]) == pytest.approx(-float(up - down) / (2 * h), abs=1e-7)
    for i, j in [(0, 0), (0, 1), (2, 1)]:
        strain = torch.zeros(3, 3, dtype=torch.float64)
        strain[i, j] += h / 2
        strain[j, i] += h / 2
        ends = []
        for sign in (1, -1):
            deform = torch.eye(3, dtype=torch.float64) + sign * strain
            ends.append(energy_of(model, replace(s, positions=s.positions @ deform, cell=s.cell @ deform)))
        stress = (ends[0] - ends[1]) / (2 * h) / s.volume
        assert torch.allclose(out["stress"][:, i, j], stress, atol=1e-7)
    assert torch.allclose(out["stress"], out["stress"].transpose(1, 2))


def test_stress_of_a_molecule_is_unknown_and_harmless(model, toy_structures):
    s = toy_structures(2)
    model.train()
    out = model(neighbour_graph(s, model.cutoff), derivatives=("forces", "stress"))
    assert out["stress"].isnan().all()
    out["forces"].square().sum().backward()
    assert all(p.grad is None or p.grad.isfinite().all() for p in model.parameters())


def test_isolated_atom_has_zero_force(model, toy_structures):
    one = replace(toy_structures(1)[0], labels={})
    atom = replace(one, positions=one.positions[:1], numbers=one.numbers[:1], structure=one.structure[:1])
    out = model(neighbour_graph(atom, model.cutoff))
    assert torch.equal(out["forces"], torch.zeros(1, 3, dtype=torch.float64))


def test_heads_follow_the_dataset(model, toy_structures):
    s = toy_structures(6)
    graph = neighbour_graph(s, model.cutoff)
    mixed = model(graph, torch.tensor([0, 1, 2, 2, 1, 0]))
    assert mixed["gap"].isnan().tolist() == [True, False, False, False, False, True]
    for name, rows in (("b", [1, 4]), ("c", [2, 3])):
        alone = model(graph, name)
        assert torch.equal(mixed["gap"][rows], alone["gap"][rows])
        assert torch.equal(mixed["energy"], alone["energy"])
    assert not torch.equal(model(graph, "b")["gap"], model(graph, "c")["gap"])
    assert model(graph)["gap"].isnan().all()


def test_unknown_dataset_and_missing_energy(model, toy_structures):
    graph = neighbour_graph(toy_structures(1), model.cutoff)
    with pytest.raises(LookupError, match="no dataset 'd'"):
        model(graph, "d")
    architecture = Architecture(encoder=ENCODER, heads=(record("shared", "gap"),), datasets=("a",))
    with pytest.raises(LookupError, match="need an energy head"):
        Model(architecture)(graph, derivatives=("forces",))


def test_references_stay_float64_in_a_float32_model(toy_structures):
    architecture = Architecture(encoder=ENCODER, heads=(record("shared", "energy"),), datasets=("a",))
    model = Model(architecture)
    model.heads["shared:energy"].references[:] = -1234.56789012345
    s = toy_structures(3)
    energy = energy_of(model, s)
    assert {p.dtype for p in model.parameters()} == {torch.float32}
    assert energy.dtype == torch.float64
    with torch.no_grad():
        for p in model.heads.parameters():
            p.zero_()
    assert torch.allclose(energy_of(model, s), -1234.56789012345 * s.counts.double(), rtol=1e-14)


def test_save_and_load(model, tmp_path, toy_structures):
    path = save_model(model, tmp_path / "m.safetensors", origin="test")
    again = load_model(path)
    graph = neighbour_graph(toy_structures(3), model.cutoff)
    for name, value in model(graph, "b").items():
        assert torch.equal(again(graph, "b")[name], value)
    assert again.hash == model.hash
    assert again.about == {"origin": "test"}
    assert (again.cutoff, again.architecture) == (3.0, model.architecture)
    with torch.no_grad():
        next(again.parameters()).add_(1e-3)
    assert again.hash != model.hash


def test_files_that_are_no_models(model, tmp_path):
    with pytest.raises(ValueError, match="no such file"):
        load_model(tmp_path / "none.safetensors")
    with pytest.raises(ValueError, match=r"holds no best\.safetensors"):
        load_model(tmp_path)
    path = save_model(model, tmp_path / "m.safetensors")
    path.write_bytes(path.read_bytes()[:-10])
    with pytest.raises(ValueError, match="damaged"):
        load_model(path)
    write_tensors(path, {}, {"kind": "training state"})
    with pytest.raises(ValueError, match="a model is needed"):
        load_model(path)
    write_tensors(path, {}, {"kind": "model", "format": 99, "atomscape": "9.9"})
    with pytest.raises(ValueError, match=r"written by atomscape 9\.9 .* update atomscape"):
        load_model(path)


def test_derivatives_are_unknown_where_the_energy_is(toy_structures):
    architecture = Architecture(
        encoder=ENCODER,
        heads=(record("a", "energy"), record("b", "gap")),
        datasets=("a", "b"),
        derivatives=("forces", "stress"),
        dtype="float64",
    )
    s = toy_structures(2, periodic=True)
    model = Model(architecture)
    out = model(neighbour_graph(s, model.cutoff), torch.tensor([0, 1]))
    assert out["forces"].isnan().any(1).tolist() == (s.structure == 1).tolist()
    assert out["stress"].isnan().flatten(1).any(1).tolist() == [False, True]
    out["forces"].nansum().backward()
    assert all(p.grad is None or p.grad.isfinite().all() for p in model.parameters())


def test_a_derivative_nobody_knows_is_refused(model, toy_structures):
    with pytest.raises(LookupError, match="did you mean 'forces'"):
        model(neighbour_graph(toy_structures(1), model.cutoff), derivatives=("force",))


def test_forces_need_an_energy_on_their_own_dataset(make_config):
    base = make_config().data[0].source
    data = ", ".join(f"{{name: {n}, source: {base}}}" for n in "ab")
    rows = "{property: energy, dataset: a}, {property: forces, dataset: b}"
    config = make_config(f"data=[{data}]", f"objectives=[{rows}]")
    with pytest.raises(ValueError, match="forces of b are derivatives of the energy"):
        architecture_of(config, PROPERTIES)


def test_stress_of_skewed_cells_in_a_mixed_batch(model, toy_structures):
    skewed = toy_structures(1, seed=4, periodic=True)
    shear = torch.tensor([[1.0, 0.4, 0.0], [0.0, 1.1, 0.3], [0.2, 0.0, 0.9]], dtype=torch.float64)
    skewed = replace(skewed, positions=skewed.positions @ shear, cell=skewed.cell @ shear)
    s = Structures.concatenate([toy_structures(1), skewed])
    stress = model(neighbour_graph(s, model.cutoff), derivatives=("stress",))["stress"]
    assert stress[0].isnan().all()
    h, eye = 1e-4, torch.eye(3, dtype=torch.float64)
    for i, j in [(0, 0), (0, 1), (2, 1)]:
        strain = torch.zeros(3, 3, dtype=torch.float64)
        strain[i, j] += h / 2
        strain[j, i] += h / 2
        up, down = (
            energy_of(model, replace(s, positions=s.positions @ F, cell=s.cell @ F))[1]
            for F in (eye + strain, eye - strain)
        )
        assert float(stress[1, i, j]) == pytest.approx(float((up - down) / (2 * h) / s.volume[1]), abs=1e-7)
