"""Any tensor in, any tensor out: labels that enter the network, and objectives that turn."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from atomscape.atoms.components import from_components
from atomscape.atoms.properties import PROPERTIES, Property
from atomscape.atoms.structures import Structures
from atomscape.data.card import Card, records
from atomscape.data.store import write_store
from atomscape.learn.architecture import architecture_of
from atomscape.learn.checkpoint import load_model
from atomscape.learn.constants.fit import fit_heads
from atomscape.learn.evaluate import evaluate, predict
from atomscape.learn.model import Model
from atomscape.learn.prepare import prepare
from atomscape.learn.recipe import validate
from atomscape.learn.train import train
from atomscape.o3.irreps import Irreps

FIELD = Property("field", "V/Å", "structure", Irreps("1o"), False, None, (3,))
WEIGHT = Property("weight", "1", "atom", Irreps("0e"), False)


def clusters(n: int, seed: int = 0) -> Structures:
    """Clusters of H, C and O with a field, and weights of their atoms.

    The dipole is Σ_atoms weight · field, the polarizability Σ_atoms E[element] · 1 + Σ_bonds r ⊗ r.
    """
    g = torch.Generator().manual_seed(seed)
    counts = torch.randint(3, 6, (n,), generator=g)
    owner = torch.repeat_interleave(torch.arange(n), counts)
    atoms = len(owner)
    place = torch.cat([torch.arange(int(c)) for c in counts])
    x = torch.stack([1.2 * place, 0.8 * (place % 2), 0.0 * place], 1) + 0.3 * torch.rand(
        atoms, 3, generator=g
    )
    z = torch.tensor([1, 6, 8])[torch.randint(0, 3, (atoms,), generator=g)]
    weight, field = torch.rand(atoms, generator=g) + 0.5, torch.randn(n, 3, generator=g)
    s = Structures(x.double(), z, torch.zeros(n, 3, 3).double(), torch.zeros(n, 3, dtype=torch.bool), owner)
    total = torch.zeros(n).index_add(0, owner, weight)
    iso = torch.zeros(n).index_add(0, owner, z.float() / 4)
    outer = torch.zeros(n, 3, 3).index_add(0, owner, 0.1 * x[:, :, None] * x[:, None, :])
    labels = {
        "field": field,
        "weight": weight,
        "dipole": total[:, None] * field,
        "polarizability": iso[:, None, None] * torch.eye(3) + outer - 0.1 * _far(x, owner, n),
    }
    return Structures(
        s.positions, z, s.cell, s.pbc, owner, {k: v.double() for k, v in labels.items()},
        atom_labels=frozenset({"weight"}),
    )  # fmt: skip


def _far(x: torch.Tensor, owner: torch.Tensor, n: int) -> torch.Tensor:
    """What makes Σ x⊗x independent of the origin: n times the outer product of the centre."""
    count = torch.bincount(owner, minlength=n)[:, None]
    centre = torch.zeros(n, 3).index_add(0, owner, x) / count
    return count[:, :, None] * centre[:, :, None] * centre[:, None, :]


def stored(folder, structures: Structures, **properties):
    everything = {"field": FIELD, "weight": WEIGHT} | {
        k: PROPERTIES[k] for k in structures.labels if k in PROPERTIES
    }
    everything |= properties
    card = Card(name=folder.name, properties=records(*(everything[k] for k in structures.labels)))
    return write_store(folder, [structures], card)


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    return stored(tmp_path_factory.mktemp("stores") / "clusters", clusters(60))


def config_for(store, **changes):
    raw = {
        "name": "tensors",
        "data": [
            {"name": "a", "source": str(store.folder), "split": {"kind": "random", "train": 40, "val": 10}}
        ],
        "encoder": {"kind": "tfn", "l_max": 2, "channels": 8, "layers": 1, "cutoff": 3.0},
        "objectives": [{"property": "dipole"}],
        "training": {"epochs": 15, "batch": {"structures": 8}, "learning_rate": 0.02, "ema": 0.0},
    }
    raw["encoder"] |= changes.pop("encoder", {})
    return validate(raw | changes)


READS = {"inputs": [{"label": "field"}, "weight"], "species": False}


@pytest.fixture(scope="module")
def trained(store, tmp_path_factory):
    from rich.console import Console

    folder = tmp_path_factory.mktemp("run") / "run"
    config = config_for(store, encoder=READS)
    return train(config, folder, console=Console(quiet=True)), folder


def test_a_label_of_the_data_enters_and_is_described_in_the_model(trained):
    """The config names it; the data say that it is a vector per structure, and how large it is."""
    results, folder = trained
    field, weight = load_model(folder).architecture.encoder.options["inputs"]
    assert (field["per"], field["irreps"], field["shape"]) == ("structure", "1x1o", [3])
    assert (weight["per"], weight["irreps"], weight["shape"]) == ("atom", "1x0e", [])
    assert 0.8 < field["scale"] < 1.2
    assert results.metrics["test"][0].mae < 0.3 * results.baselines["mean"]["test"][0].mae


def test_a_loaded_model_reads_inputs_of_stores_and_structures(trained, store):
    _, folder = trained
    model = load_model(folder)
    rows = store[np.arange(10)]
    from_store = next(predict(model, store, range(10)))[1]["dipole"]
    torch.testing.assert_close(next(predict(model, rows))[1]["dipole"], from_store)
    doubled = rows.with_labels(field=2 * rows.labels["field"])
    assert not torch.allclose(next(predict(model, doubled))[1]["dipole"], from_store)
    assert {m.property for m in evaluate(model, store)} == {"dipole"}
    bare = Structures(rows.positions, rows.numbers, rows.cell, rows.pbc, rows.structure)
    with pytest.raises(ValueError, match="reads the label 'field' of each structure"):
        next(predict(model, bare))


@pytest.mark.parametrize(
    ("inputs", "message"),
    [
        (["fields"], "the encoder reads the label 'fields', and a has none; did you mean 'field'"),
        ([{"label": "field", "per": "atom", "irreps": "1o"}], "1x1o per atom, .* the data has values per"),
        ([{"label": "weight", "per": "atom", "irreps": "1o"}], r"the data has values per atom of shape \(\)"),
    ],
)
def test_inputs_that_the_data_do_not_have_are_refused(store, inputs, message):
    with pytest.raises(ValueError, match=message):
        prepare(config_for(store, encoder={"inputs": inputs}))


def test_unknown_values_are_refused_before_training(tmp_path):
    s = clusters(60)
    weight = s.labels["weight"].clone()
    weight[3] = math.nan
    store = stored(tmp_path / "gaps", s.with_labels(weight=weight))
    with pytest.raises(ValueError, match=r"reads 'weight', which is NaN or infinite for 1 of \d+ atoms"):
        prepare(config_for(store, encoder=READS))


def test_free_columns_become_vectors_where_the_config_says_so(tmp_path):
    """A user's column of three numbers per structure does not say that it turns."""
    numbers = Property("field", "", "structure", Irreps("3x0e"), False, None, (3,))
    store = stored(tmp_path / "free", clusters(60), field=numbers)
    found = prepare(config_for(store, encoder={"inputs": ["field"]})).inputs["field"]
    assert str(found.irreps) == "3x0e"
    given = [{"label": "field", "irreps": "1o"}]
    assert str(prepare(config_for(store, encoder={"inputs": given})).inputs["field"].irreps) == "1x1o"


def test_an_encoder_without_inputs_gets_no_labels(store):
    prepared = prepare(config_for(store))
    assert set(prepared.structures["train"].labels) == {"dipole"}
    assert prepared.inputs == {}


def test_isotropic_parts_are_fitted_before_training(store):
    """Σ E[element] of the polarizability is found by least squares; nothing of a dipole can be."""
    config = config_for(store, objectives=[{"property": "polarizability"}, {"property": "dipole"}])
    prepared = prepare(config)
    model = Model(architecture_of(config, prepared.properties))
    _, (alpha, mu) = fit_heads(config, model, prepared)
    assert [h.head.kind for h in model.architecture.heads] == ["tensor", "tensor"]
    for z in (1, 6, 8):
        assert alpha.references[z][0] == pytest.approx(3**0.5 * z / 4, abs=0.5)
    assert model.heads["shared:polarizability"].references[8, 0] == pytest.approx(alpha.references[8][0])
    assert (mu.references, mu.shift) == ({}, ())
    dipole = prepared.structures["train"].labels["dipole"] / prepared.structures["train"].counts[:, None]
    assert mu.scale == pytest.approx(float(dipole.square().mean().sqrt()))


@pytest.mark.parametrize("name", ["dielectric", "elastic", "shielding"])
def test_intensive_tensors_have_a_mean_and_atoms_their_element(tmp_path, name):
    """Made of isotropic parts alone, plus noise that has a direction."""
    p, s = PROPERTIES[name], clusters(60)
    g, rows = torch.Generator().manual_seed(2), s.n_atoms if p.per == "atom" else len(s)
    x = 0.01 * torch.randn(rows, p.irreps.dim, generator=g).double()
    n_iso = sum(n for n, ir in p.irreps if ir == (0, 1))
    x[:, :n_iso] += s.numbers[:, None] if p.per == "atom" else 4.0
    both = Structures(s.positions, s.numbers, s.cell, s.pbc, s.structure, {name: from_components(p, x)})
    store = stored(tmp_path / name, both)
    config = config_for(store, objectives=[{"property": name}], encoder={"l_max": 4, "parity": "both"})
    prepared = prepare(config)
    model = Model(architecture_of(config, prepared.properties))
    _, (fit,) = fit_heads(config, model, prepared)
    if p.per == "atom":
        assert [fit.references[z][0] for z in (1, 6, 8)] == pytest.approx([1, 6, 8], abs=0.02)
    else:
        assert fit.shift == pytest.approx([4.0] * n_iso, abs=0.02)
    assert fit.scale < 0.02
    assert fit.as_dict()["unit"] == p.unit


def test_forces_can_have_a_head_of_their_own(store, tmp_path, quiet):
    """Without an energy they are predicted directly, if that is asked for."""
    s = clusters(60)
    g = torch.Generator().manual_seed(0)
    forces = torch.randn(s.n_atoms, 3, generator=g).double()
    both = Structures(s.positions, s.numbers, s.cell, s.pbc, s.structure, {"forces": forces})
    data = stored(tmp_path / "forces", both)
    with pytest.raises(ValueError, match="or predict them directly as property non_conservative_forces"):
        train(config_for(data, objectives=[{"property": "forces"}]), tmp_path / "a", console=quiet)
    direct = [{"property": "forces", "head": {"kind": "tensor", "hidden": 8}}]
    config = config_for(data, objectives=direct, training={"epochs": 1})
    results = train(config, tmp_path / "run", console=quiet)
    assert [m.property for m in results.metrics["test"]] == ["forces"]
    assert load_model(tmp_path / "run").architecture.derivatives == ()


def test_own_references_are_of_scalars(store):
    row = {"property": "polarizability", "own_references": True}
    config = config_for(store, objectives=[row])
    with pytest.raises(ValueError, match="polarizability is no scalar and has no E0"):
        architecture_of(config, prepare(config).properties)


def test_the_table_before_training_names_inputs(store, tmp_path):
    from rich.console import Console

    screen = Console(record=True, width=150)
    changes = {"objectives": [{"property": "polarizability"}], "training": {"epochs": 1}}
    train(config_for(store, encoder=READS, **changes), tmp_path / "run", console=screen)
    text = screen.export_text()
    assert "field: 1x1o per structure, divided by" in text
    assert "polarizability per element" in text


def test_a_pseudoscalar_has_no_shift(tmp_path, quiet):
    """Its mean changes sign with a mirror image: nothing of it can be fitted but a scale."""
    chirality = Property("chirality", "1", "structure", Irreps("0o"), True)
    s = clusters(60)
    value = 3.0 + torch.rand(60, generator=torch.Generator().manual_seed(0)).double()
    both = Structures(s.positions, s.numbers, s.cell, s.pbc, s.structure, {"chirality": value})
    store = stored(tmp_path / "hands", both, chirality=chirality)
    config = config_for(store, objectives=[{"property": "chirality"}], encoder={"parity": "both"})
    prepared = prepare(config)
    model = Model(architecture_of(config, prepared.properties))
    _, (fit,) = fit_heads(config, model, prepared)
    assert model.architecture.heads[0].head.kind == "tensor"
    assert (fit.references, fit.shift) == ({}, ())
    assert fit.scale > 0.5
