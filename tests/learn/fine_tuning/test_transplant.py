"""A run that starts from another: the encoder to the bit, heads that agree, constants for the new labels."""

from __future__ import annotations

import io
import json
import shutil
from dataclasses import replace

import pytest
import torch
from rich.console import Console

from atomscape.learn.architecture import architecture_of
from atomscape.learn.checkpoint import load_model, read_tensors
from atomscape.learn.evaluate import evaluate
from atomscape.learn.fine_tuning.transplant import adopted, origin, started
from atomscape.learn.model import Model
from atomscape.learn.prepare import prepare
from atomscape.learn.recipe import validate
from atomscape.learn.train import train

ENERGY = "objectives=[{property: energy, loss: mse}]"
E0 = {1: -13.6, 6: -1029.0, 8: -2041.0}
STILL = ("training.epochs=1", "training.learning_rate=1e-12", "training.weight_decay=0")


@pytest.fixture(scope="module")
def first(toy, tmp_path_factory):
    """A run that has learned energies."""
    split = {"kind": "random", "train": 40, "val": 10}
    config = {
        "name": "first",
        "dtype": "float64",
        "data": [{"name": "toy", "source": str(toy), "split": split}],
        "encoder": {"kind": "schnet", "channels": 8, "layers": 1, "cutoff": 3.0, "n_radial": 6},
        "objectives": [{"property": "energy", "loss": "mse"}],
        "training": {"epochs": 15, "batch": {"structures": 8}, "learning_rate": 0.01},
    }
    folder = tmp_path_factory.mktemp("runs") / "first"
    train(validate(config), folder, console=Console(quiet=True))
    return folder


def begun(config):
    """A new model of a config, and what it took."""
    prepared, start = prepare(config), origin(config)
    assert start is not None
    with torch.random.fork_rng():
        torch.manual_seed(0)
        model = Model(adopted(architecture_of(config, prepared.properties), start))
    _, fitted, taken = started(config, model, prepared, start)
    return model, fitted, taken, prepared


def other_level(structures, shift):
    """The same bonding on top of other energies of atoms."""
    moved = torch.tensor([shift[int(z)] for z in structures.numbers], dtype=torch.float64)
    return structures.with_labels(
        energy=structures.labels["energy"].index_add(0, structures.structure, moved)
    )


def test_a_run_takes_encoder_and_head_and_says_so(make_config, first, tmp_path):
    out = io.StringIO()
    config = make_config(ENERGY, "dtype=float64", f"start_from={first}", *STILL)
    results = train(config, tmp_path / "run", console=Console(file=out, width=200))
    assert results is not None
    source = load_model(first)
    assert results.started_from["hash"] == source.hash
    assert results.started_from["heads"] == {"shared:energy": "shared:energy"}
    assert json.loads((tmp_path / "run" / "results.json").read_text())["started_from"]["model"] == "first"
    assert str(tmp_path) not in json.dumps(results.config["start_from"])
    assert "start: head shared:energy from shared:energy" in out.getvalue()
    a, b = source.state_dict(), load_model(tmp_path / "run").state_dict()
    for name in a:
        torch.testing.assert_close(a[name], b[name], rtol=0, atol=1e-9 if "references" not in name else 1.0)


def test_references_are_fitted_to_what_the_head_leaves(
    make_config, first, tmp_path, store_of, toy_structures
):
    """Of another level of theory with the same bonding a taken head knows everything but the E0."""
    shift = {1: 3.0, 6: -250.0, 8: -470.0}
    store_of(tmp_path / "high", other_level(toy_structures(40, seed=5), shift), "high")
    config = make_config(
        f"data=[{{name: high, source: {tmp_path / 'high'}, split: {{kind: random, train: 20, val: 10}}}}]",
        ENERGY, "dtype=float64", f"start_from={first}",
    )  # fmt: skip
    model, (energy,), taken, prepared = begun(config)
    assert taken is not None
    assert taken.heads == {"shared:energy": "shared:energy"}
    source = load_model(first)
    for z, moved in shift.items():
        here, there = (float(m.heads["shared:energy"].references[z]) for m in (model, source))
        assert here - there == pytest.approx(moved, abs=0.2)
        assert energy.references[z] == here
    assert float(model.heads["shared:energy"].scale) == float(source.heads["shared:energy"].scale)
    (_, per_atom) = evaluate(model.eval(), prepared.stores["high"])
    config = make_config(ENERGY)
    known = {m.unit: m for m in evaluate(source, prepare(config).stores["toy"])}["eV/atom"]
    assert per_atom.mae < 2 * known.mae


def test_given_references_are_not_corrected(make_config, first):
    given = "{H: -13.0, C: -1000.0, O: -2000.0}"
    model, (energy,), _, _ = begun(
        make_config(
            f"objectives=[{{property: energy, references: {given}}}]", "dtype=float64", f"start_from={first}"
        )
    )
    assert float(model.heads["shared:energy"].references[6]) == -1000.0 == energy.references[6]
    assert float(model.heads["shared:energy"].scale) == energy.scale
    source = load_model(first)
    assert energy.scale == float(source.heads["shared:energy"].scale)


def test_classes_are_balanced_as_the_new_labels_are(make_config, tmp_path, quiet):
    def rows(bound):
        head = "head: {kind: classes, hidden: 4, balanced: true}"
        return f"objectives=[{{property: wide, {head}, derive: {{label: gap, at_least: {bound}}}}}]"

    train(make_config(rows(5.5), *STILL), tmp_path / "old", console=quiet)
    weights = begun(make_config(rows(6.5), f"start_from={tmp_path / 'old'}"))[0].heads["shared:wide"].weights
    new = make_config(rows(6.5), *STILL)
    train(new, tmp_path / "new", console=quiet)
    assert torch.equal(weights, load_model(tmp_path / "new").heads["shared:wide"].weights)
    assert not torch.equal(weights, load_model(tmp_path / "old").heads["shared:wide"].weights)


def test_a_measured_option_is_that_of_the_source(make_config, tmp_path, quiet):
    """The average number of neighbours is part of the function, also when other data would give another."""
    encoder = "encoder={kind: tfn, l_max: 1, channels: 4, layers: 1, cutoff: 3.0}"
    train(make_config(encoder, *STILL), tmp_path / "first", console=quiet)
    there = load_model(tmp_path / "first").architecture.encoder.options["average_neighbours"]
    config = make_config(
        encoder, f"start_from={tmp_path / 'first'}", "data.0.split={kind: random, train: 3, val: 3}"
    )
    train(config, tmp_path / "run", console=quiet)
    model = load_model(tmp_path / "run")
    assert model.architecture.encoder.options["average_neighbours"] == there


def test_every_difference_of_the_encoders_is_named(make_config, first, tmp_path, quiet):
    wrong = ["encoder.channels=9", "encoder.cutoff=4", f"start_from={first}"]
    with pytest.raises(ValueError, match=r"encoder.channels: 9 here, 8 there\n  encoder.cutoff: 4.0 here, 3.0 there") as caught:  # fmt: skip  # noqa: E501
        train(make_config(*wrong), tmp_path / "run", console=quiet)
    assert "encoder: {kind: schnet, channels: 8, layers: 1, cutoff: 3.0, n_radial: 6}" in str(caught.value)
    with pytest.raises(ValueError, match=r"encoder.kind: 'tfn' here, 'schnet' there\nTo"):
        train(make_config("encoder={kind: tfn}", f"start_from={first}"), tmp_path / "run", console=quiet)
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize(
    ("start", "message"),
    [
        ("nowhere", "no file or folder 'nowhere' here"),
        ("{model: FIRST, heads: {shared:gap: shared:energy}}", "cannot start from shared:energy: name gap"),
        ("{model: FIRST, heads: {shared:gpa: shared:energy}}", "'shared:gpa'; did you mean 'shared:gap'"),
        ("{model: FIRST, heads: {shared:gap: toy:energy}}", "first has no head 'toy:energy'; did you mean"),
    ],
)  # fmt: skip
def test_mistakes_are_named(make_config, first, start, message):
    config = make_config(f"start_from={start.replace('FIRST', str(first))}")
    with pytest.raises(ValueError, match=message):
        begun(config)


def test_heads_that_do_not_agree_are_new_and_say_why(make_config, first):
    rows = "objectives=[{property: energy, head: {kind: scalar, hidden: 9}}, {property: gap}]"
    model, _, taken, _ = begun(make_config(rows, f"start_from={first}"))
    assert taken is not None
    assert taken.heads == {}
    assert taken.left == {
        "shared:energy": "hidden 9 here, 64 there",
        "shared:gap": "first has none for this property",
    }
    source = load_model(first)
    for name, value in source.encoder.state_dict().items():
        torch.testing.assert_close(model.encoder.state_dict()[name].double(), value, rtol=1e-6, atol=1e-7)
    _, _, taken, _ = begun(make_config(ENERGY, f"start_from={{model: {first}, heads: false}}"))
    assert taken is not None
    assert taken.left == {"shared:energy": "none was to be taken (heads: false)"}


def test_one_old_head_serves_several_new_ones_and_several_old_ones_are_asked_about(
    make_config, first, tmp_path, quiet, store_of, toy_structures
):
    store_of(tmp_path / "mine", toy_structures(40, seed=5), "mine")
    split = "{kind: random, train: 20, val: 10}"
    data = [make_config().data[0].source, tmp_path / "mine"]
    both = ", ".join(
        f"{{name: {n}, source: {s}, split: {split}}}" for n, s in zip(("old", "mine"), data, strict=True)
    )
    rows = "objectives=[{property: energy, dataset: old}, {property: energy, dataset: mine}]"
    replay = make_config(f"data=[{both}]", rows, "dtype=float64", f"start_from={first}", "training.epochs=1")
    assert train(replay, tmp_path / "two", console=quiet) is not None
    heads = load_model(tmp_path / "two").state_dict()
    assert any("heads.mine:energy" in k for k in heads)
    single = make_config(ENERGY, "dtype=float64", f"start_from={tmp_path / 'two'}")
    _, _, taken, _ = begun(single)
    assert taken is not None
    assert "several, old:energy, mine:energy; say which" in taken.left["shared:energy"]
    asked = f"start_from={{model: {tmp_path / 'two'}, heads: {{shared:energy: mine:energy}}}}"
    model, _, _, _ = begun(make_config(ENERGY, "dtype=float64", asked))
    assert torch.equal(
        model.state_dict()["heads.shared:energy.net.0.weight"], heads["heads.mine:energy.net.0.weight"]
    )


def test_references_of_datasets_go_with_them(make_config, first, tmp_path, quiet, store_of, toy_structures):
    """From one table to rows of datasets, and from rows back to a table."""
    shift = {1: 3.0, 6: -250.0, 8: -470.0}
    store_of(tmp_path / "high", other_level(toy_structures(40, seed=5), shift), "high")
    split = "{kind: random, train: 20, val: 10}"
    data = {"toy": make_config().data[0].source, "high": tmp_path / "high"}
    both = ", ".join(f"{{name: {n}, source: {s}, split: {split}}}" for n, s in data.items())
    rows = "objectives=[{property: energy, own_references: true}]"
    config = make_config(f"data=[{both}]", rows, "dtype=float64", f"start_from={first}", *STILL)
    assert train(config, tmp_path / "two", console=quiet) is not None
    two = load_model(tmp_path / "two")
    table = two.own_references["shared:energy"].table
    for z, moved in shift.items():
        assert float(table[1, z] - table[0, z]) == pytest.approx(moved, abs=0.3)
    assert not two.heads["shared:energy"].references.any()
    back = make_config(
        f"data=[{{name: high, source: {tmp_path / 'high'}, split: {split}}}]",
        "objectives=[{property: energy, dataset: high}]", "dtype=float64", f"start_from={tmp_path / 'two'}",
    )  # fmt: skip
    model, _, _, _ = begun(back)
    torch.testing.assert_close(model.heads["high:energy"].references, table[1], rtol=0, atol=1e-6)


def test_elements_that_the_source_did_not_see_are_named(
    make_config, first, tmp_path, store_of, toy_structures
):
    s = toy_structures(30, seed=8)
    store_of(tmp_path / "new", replace(s, numbers=torch.where(s.numbers == 8, 16, s.numbers)), "new")
    data = f"data=[{{name: new, source: {tmp_path / 'new'}, split: {{kind: random, train: 20, val: 5}}}}]"
    _, _, taken, _ = begun(make_config(data, ENERGY, f"start_from={first}"))
    assert taken is not None
    assert taken.unseen == ("S",)


def test_resuming_needs_the_model_it_started_from(make_config, first, tmp_path, quiet):
    first = shutil.copytree(first, tmp_path / "first")
    config = make_config(ENERGY, f"start_from={first}", "dtype=float64", "training.epochs=1")
    done = train(config, tmp_path / "run", console=quiet)
    assert train(config, tmp_path / "run", resume=True, console=quiet) == done
    (first / "best.safetensors").write_bytes((tmp_path / "run" / "best.safetensors").read_bytes())
    with pytest.raises(ValueError, match="started from changed since"):
        train(config, tmp_path / "run", resume=True, console=quiet)


def test_the_state_of_a_run_from_nothing_names_no_start(make_config, tmp_path, quiet):
    results = train(make_config("training.epochs=1"), tmp_path / "run", console=quiet)
    assert results is not None
    assert "started_from" not in results.as_dict()
    assert "start_from" not in read_tensors(tmp_path / "run" / "last.safetensors")[1]["run"]


def test_replay_keeps_a_model_from_forgetting(make_config, first, tmp_path, quiet, store_of, toy_structures):
    """Bonding of the other sign is learned as well with the first data beside it, which stay known so."""
    s = toy_structures(60, seed=2)
    each = torch.tensor([E0[int(z)] for z in s.numbers], dtype=torch.float64)
    free = torch.zeros(len(s), dtype=torch.float64).index_add(0, s.structure, each)
    store_of(tmp_path / "mine", s.with_labels(energy=2 * free - s.labels["energy"]), "mine")
    split = "{kind: random, train: 40, val: 10}"
    sources = {"toy": make_config().data[0].source, "mine": tmp_path / "mine"}
    data = ", ".join(f"{{name: {n}, source: {p}, split: {split}}}" for n, p in sources.items())
    errors = {}
    for weight in (1, 0):
        rows = [f"{{property: energy, dataset: toy, loss: mse, weight: {weight}}}"]
        rows += ["{property: energy, dataset: mine, loss: mse}"]
        settings = [
            f"data=[{data}]",
            f"objectives=[{', '.join(rows)}]",
            "dtype=float64",
            "training.epochs=12",
        ]
        results = train(make_config(*settings, f"start_from={first}"), tmp_path / f"{weight}", console=quiet)
        assert results is not None
        errors[weight] = {m.dataset: m.rmse for m in results.metrics["test"] if m.unit == "eV/atom"}
    assert errors[1]["toy"] < 0.4 * errors[0]["toy"]
    assert errors[1]["mine"] < 1.5 * errors[0]["mine"]
