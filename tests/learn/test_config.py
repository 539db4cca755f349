"""Configs: strict, round-tripping, and helpful about mistakes."""

from __future__ import annotations

import pytest
import yaml

from atomscape.learn.recipe import (
    apply_overrides,
    json_schema,
    load_config,
    parse_config,
    recipes,
    to_yaml,
    with_overrides,
)


@pytest.mark.parametrize("name", recipes())
def test_recipe_is_valid_and_survives_yaml(name):
    config = load_config(name)
    assert parse_config(to_yaml(config)) == config


def test_plug_in_defaults_are_written_out(make_config):
    assert yaml.safe_load(to_yaml(make_config()))["encoder"]["n_radial"] == 6
    assert make_config("encoder={kind: tfn}").encoder.options["l_max"] == 2


def test_overrides_reach_nested_keys_and_lists(make_config):
    config = make_config("training.batch.atoms=300", "data.0.limit=5", "training.learning_rate=1e-4")
    assert (config.training.batch.atoms, config.data[0].limit) == (300, 5)
    assert config.training.learning_rate == 1e-4
    assert with_overrides(config, ["seed=7"]).seed == 7


def test_overrides_leave_the_input_alone():
    raw = {"a": {"b": 1}}
    assert apply_overrides(raw, ["a.b=2", "c.d=x"]) == {"a": {"b": 2}, "c": {"d": "x"}}
    assert raw == {"a": {"b": 1}}


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("trainig.epochs=3", r"unknown key 'trainig'; did you mean 'training'\?"),
        ("training.epoch=3", r"training: unknown key 'epoch'; did you mean 'epochs'\?"),
        ("encoder.chanels=3", r"encoder: unknown key 'chanels'; did you mean 'channels'\?"),
        ("encoder.kind=schnt", r"no encoder called 'schnt'; did you mean 'schnet'\?"),
        ("objectives.0.head={kind: scalr}", r"did you mean 'scalar'\?"),
        ("objectives.0.head={kind: scalar, hiden: 3}", r"did you mean 'hidden'\?"),
        ("objectives.0.dataset=tyo", r"no dataset called 'tyo'; did you mean 'toy'\?"),
        ("training.epochs=0", r"training.epochs: .*greater than or equal to 1"),
        ("training.epochs=ten", r"training.epochs: .*valid integer"),
        ("data.0.split.kind=rndom", r"data.0.split: .*'rndom'"),
        ("data.3.limit=1", r"'3' is not an index into a list of 1"),
        ("name.x=1", r"name is a value and has no key 'x'"),
        ("seed", r"not of the form key.sub=value"),
        ("name=a/b", r"name: "),
        ("training.freeze=encoder", r"training.freeze: a list is wanted, such as \[encoder\]"),
    ],
)
def test_mistakes_are_named(make_config, override, message):
    with pytest.raises(ValueError, match=message):
        make_config(override)


def test_same_objective_twice_is_refused(make_config):
    with pytest.raises(ValueError, match="given twice"):
        make_config("objectives=[{property: gap}, {property: gap}]")


@pytest.mark.parametrize("name", recipes())
def test_a_recipe_leaves_something_to_test_on(name):
    """A random split gives to test what train and val, as shares, leave over."""
    for data in load_config(name).data:
        s = data.split
        if s.kind == "random" and s.train < 1 and s.val < 1 and s.test is None:
            assert s.train + s.val < 1


def test_unknown_recipe_gets_a_suggestion():
    with pytest.raises(ValueError, match=r"did you mean 'qm9_gap'\?"):
        load_config("qm9_gp")


def test_missing_file_and_broken_yaml(tmp_path):
    with pytest.raises(ValueError, match="no config file"):
        load_config(tmp_path / "none.yaml")
    (tmp_path / "broken.yaml").write_text("a: [")
    with pytest.raises(ValueError, match="not valid YAML"):
        load_config(tmp_path / "broken.yaml")
    (tmp_path / "list.yaml").write_text("- 1")
    with pytest.raises(ValueError, match="must hold keys"):
        load_config(tmp_path / "list.yaml")


def test_split_file_is_found_beside_the_config(tmp_path, make_config):
    (tmp_path / "split.json").write_text("{}")
    raw = yaml.safe_load(to_yaml(make_config()))
    raw["data"][0]["split"] = {"kind": "file", "path": "split.json"}
    (tmp_path / "run.yaml").write_text(yaml.safe_dump(raw))
    assert load_config(tmp_path / "run.yaml").data[0].split.path == tmp_path / "split.json"


def test_schema_knows_all_keys():
    schema = json_schema()
    assert {"data", "encoder", "objectives", "training"} <= set(schema["properties"])
    assert "cache_gigabytes" in schema["$defs"]["Training"]["properties"]


def test_an_override_that_is_no_yaml_is_named(make_config):
    with pytest.raises(ValueError, match=r"training\.betas=\[0\.9'.*cannot read the value"):
        make_config("training.betas=[0.9")


def test_data_that_is_no_list_is_refused_and_not_a_crash(tmp_path):
    text = "{data: 5, encoder: {kind: tfn}, objectives: [{property: gap}]}"
    with pytest.raises(ValueError, match="data: Input should be a valid tuple"):
        parse_config(text, beside=tmp_path)


def test_a_folder_of_the_same_name_does_not_hide_a_recipe(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "demo").mkdir()  # what the demo itself leaves behind
    assert load_config("demo").name == "demo"


def test_a_bare_no_is_the_word_and_not_false(make_config):
    assert make_config("training.precision=no").training.precision == "no"


@pytest.mark.parametrize("override", ["seed=-1", "training.learning_rate=.inf", "encoder={kind: os.path}"])
def test_values_that_would_fail_later_are_refused_now(make_config, override):
    with pytest.raises(ValueError, match=r"greater than or equal|finite number|has no Config"):
        make_config(override)
