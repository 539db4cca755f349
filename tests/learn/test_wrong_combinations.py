"""Properties, datasets and heads that do not go together: the error says what is there and what would fit."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest
import torch

from atomscape.atoms.properties import PROPERTIES
from atomscape.atoms.structures import Structures
from atomscape.data.card import Card, PropertyRecord
from atomscape.data.store import write_store
from atomscape.learn.architecture import architecture_of
from atomscape.learn.labels.offer import offered
from atomscape.learn.misfits import fitting_model, heads_for, refuse_labels
from atomscape.learn.prepare import prepare
from atomscape.o3.irreps import Irreps


def checked(config):
    """As far as a run goes before it trains."""
    prepared = prepare(config)
    model = fitting_model(architecture_of(config, prepared.properties))
    refuse_labels(model, prepared.structures)


def message(config) -> str:
    with pytest.raises(ValueError) as caught:  # noqa: PT011
        checked(config)
    return str(caught.value)


@pytest.fixture
def beside(make_config, toy_crystals):
    """Configs of ``toy`` and of ``crystals``, which have no gap."""
    base = make_config().data[0]
    split = "split: {kind: random, train: 20, val: 8}"
    both = [
        f"{{name: {n}, source: {p}, {split}}}" for n, p in (("toy", base.source), ("crystals", toy_crystals))
    ]
    return lambda rows, *more: make_config(f"data=[{', '.join(both)}]", f"objectives=[{rows}]", *more)


def rows_of(text: str) -> dict[tuple[str, str], list[str]]:
    """Lines of the table under an error by dataset and label."""
    lines = [line.split() for line in text.splitlines() if line.startswith("  ")]
    return {(line[0], line[1]): line[2:] for line in lines}


def test_a_property_that_a_dataset_lacks(beside):
    text = message(beside("{property: energy}, {property: gap, dataset: crystals}"))
    assert text.startswith("no label 'gap' in crystals. toy has it: set `dataset: toy`. Labels there:")
    table = rows_of(text)
    assert table["crystals", "energy"] == ["eV", "structure", "40", "of", "40", "scalar"]
    assert table["crystals", "forces"] == ["eV/Å", "atom", "40", "of", "40", "none:", "from", "energy"]
    assert table["crystals", "charges"][-1] == "atom_scalar"
    assert not any(dataset == "toy" for dataset, _ in table)


def test_a_property_unknown_in_one_part_is_counted_part_by_part(
    make_config, tmp_path, store_of, toy_structures
):
    s = toy_structures(30)
    gap, forces = s.labels["gap"].clone(), s.labels["forces"].clone()
    gap[20:], forces[s.structure < 7] = math.nan, math.nan
    store = store_of(tmp_path / "holes", s.with_labels(gap=gap, forces=forces))
    parts = {"train": list(range(15)), "val": list(range(15, 22)), "test": list(range(22, 30))}
    (tmp_path / "split.json").write_text(str({"splits": parts}).replace("'", '"'))
    split = f"data.0.split={{kind: file, path: {tmp_path / 'split.json'}}}"
    text = message(make_config(f"data.0.source={tmp_path / 'holes'}", split))
    assert "objective 'gap' on 'all': all labels of the test part are NaN" in text
    assert "toy      gap    eV    structure  15 of 15        5 of 7        0 of 8         scalar" in text
    assert rows_of(offered({"holes": store}))["holes", "forces"][2:5] == ["23", "of", "30"]


def test_a_label_of_two_units(make_config, tmp_path, toy_structures):
    s, data = toy_structures(30), []
    for name, unit in (("a", "GPa"), ("b", "eV")):
        record = PropertyRecord.of(replace(PROPERTIES["gap"], name="hardness", unit=unit))
        labels = {"hardness": s.labels["gap"]}
        one = Structures(s.positions, s.numbers, s.cell, s.pbc, s.structure, labels)
        write_store(tmp_path / name, [one], Card(name=name, properties=(record,)))
        split = "split: {kind: random, train: 20, val: 5}"
        data.append(f"{{name: {name}, source: {tmp_path / name}, {split}}}")
    text = message(make_config(f"data=[{', '.join(data)}]", "objectives=[{property: hardness}]"))
    assert "'hardness' means different things in two datasets: unit GPa and eV. Convert" in text
    assert rows_of(text).keys() >= {("a", "hardness"), ("b", "hardness")}


def test_a_tensor_on_an_invariant_encoder(beside):
    text = message(beside("{property: stress, dataset: crystals, head: {kind: tensor}}"))
    assert "objective 'stress' on 'crystals': head 'tensor'" in text
    assert "a tensor of shape (3, 3), 1x0e+1x2e, per structure, unit eV/Å³" in text
    assert "heads that fit it with encoder schnet: none" in text
    assert "tfn (l_max: 2) with head tensor" in text


def test_a_head_for_atoms_asked_for_a_structure_and_back(make_config):
    text = message(make_config("objectives=[{property: gap, head: {kind: atom_scalar}}]"))
    assert "asked for ['gap']" in text
    assert "gap: a scalar per structure, unit eV, does not add up over atoms" in text
    assert "heads that fit it with encoder schnet: scalar, tensor" in text
    text = message(make_config("objectives=[{property: charges, head: {kind: scalar}}]"))
    assert "heads that fit it with encoder schnet: atom_scalar, charges, tensor" in text


@pytest.mark.parametrize(
    ("objectives", "expected"),
    [
        ("{property: forces}", "forces of crystals, toy are derivatives of the energy: add an objective"),
        ("{property: energy, head: {kind: scalar, pooling: mean}}", "would average it. Use pooling: sum"),
        ("{property: gap, dataset: tyo}", "did you mean 'toy'? Datasets: toy, crystals, or all."),
        (
            "{property: energy}, {property: forces, dataset: toy}, "
            "{property: forces, dataset: crystals, head: {kind: tensor}}",
            "forces: head tensor on 'crystals', and elsewhere the derivative of energy",
        ),
    ],
)  # fmt: skip
def test_rows_that_cannot_be(beside, objectives, expected):
    with pytest.raises(ValueError) as caught:  # noqa: PT011
        checked(beside(objectives))
    assert expected in str(caught.value)


def classes(tmp_path, toy_structures, values, name="groups"):
    """A store with ``space_group`` labels."""
    s = toy_structures(30)
    made = Structures(s.positions, s.numbers, s.cell, s.pbc, s.structure, {"space_group": values.double()})
    record = PropertyRecord.of(PROPERTIES["space_group"])
    write_store(tmp_path / name, [made], Card(name=name, properties=(record,)), overwrite=True)
    return f"{{name: {name}, source: {tmp_path / name}, split: {{kind: random, train: 20, val: 5}}}}"


CLASSES = "{property: space_group, dataset: DATASET, head: {kind: classes, count: 4, first: 1}}"


def test_class_labels_that_are_none(make_config, tmp_path, toy_structures):
    data = classes(tmp_path, toy_structures, 1 + torch.arange(30) % 7)
    text = message(make_config(f"data=[{data}]", f"objectives=[{CLASSES.replace('DATASET', 'all')}]"))
    assert "objective 'space_group', the train part: space_group = " in text
    assert "labels run from 1 to 7: give its `first` and `count`" in text
    data = classes(tmp_path, toy_structures, 1 + torch.arange(30) / 16)
    text = message(make_config(f"data=[{data}]", f"objectives=[{CLASSES.replace('DATASET', 'all')}]"))
    assert "not whole numbers; head 'scalar' learns them" in text


def test_heads_of_one_property_that_clash(make_config, tmp_path, toy_structures):
    a = classes(tmp_path, toy_structures, 1 + torch.arange(30) % 4, "a")
    b = classes(tmp_path, toy_structures, 1 + torch.arange(30) % 4, "b")
    mine = CLASSES.replace("DATASET", "a")
    for other in (CLASSES.replace("DATASET", "b").replace("4", "5"), "{property: space_group, dataset: b}"):
        text = message(make_config(f"data=[{a}, {b}]", f"objectives=[{mine}, {other}]"))
        assert "space_group is to be predicted by head classes" in text
        assert "Give both the same head" in text
    checked(make_config(f"data=[{a}, {b}]", f"objectives=[{mine}, {CLASSES.replace('DATASET', 'b')}]"))


def test_a_fault_inside_a_list_is_not_told_twice(make_config):
    with pytest.raises(ValueError) as caught:  # noqa: PT011
        make_config("data.0.corrupt={kind: remove_atom}")
    lines = str(caught.value).splitlines()
    assert len(lines) == 2
    assert "did you mean 'remove_atoms'" in lines[1]
    with pytest.raises(ValueError, match="data: Tuple should have at least 1 item"):
        make_config("data=[]")


def test_heads_are_told_by_what_they_accept():
    assert "tensor" in heads_for(PROPERTIES["dipole"], Irreps("4x0e+4x1o"))
    assert "tensor" not in heads_for(PROPERTIES["dipole"], Irreps("4x0e"))
