"""Everything wrong is said before training starts, and nothing on disk is lost."""

from __future__ import annotations

import math
import os

import pytest
import torch

from atomscape.learn.train import train


def test_missing_label_key(make_config, tmp_path, quiet):
    with pytest.raises(
        ValueError, match=r"no label 'gpa' in toy; did you mean 'gap'\? Labels there:\n  dataset  label "
    ):
        train(make_config("objectives=[{property: gpa}]"), tmp_path / "run", console=quiet)
    assert not (tmp_path / "run").exists()


def test_labels_all_nan(make_config, tmp_path, quiet, store_of, toy_structures):
    s = toy_structures(30)
    store_of(tmp_path / "nan", s.with_labels(gap=torch.full((30,), math.nan, dtype=torch.float64)))
    config = make_config(
        f"data.0.source={tmp_path / 'nan'}", "data.0.split={train: 20, val: 5, kind: random}"
    )
    with pytest.raises(ValueError, match="all labels of the train part are NaN"):
        train(config, tmp_path / "run", console=quiet)


def test_too_few_structures_and_empty_parts(make_config, tmp_path, quiet):
    with pytest.raises(ValueError, match="60 structures, too few for train 100"):
        train(make_config("data.0.split.train=100"), tmp_path / "run", console=quiet)
    (tmp_path / "split.json").write_text('{"splits": {"train": [1, 2], "val": [3], "test": []}}')
    config = make_config(f"data.0.split={{kind: file, path: {tmp_path / 'split.json'}}}")
    with pytest.raises(ValueError, match="the test part of its split is empty"):
        train(config, tmp_path / "run", console=quiet)


def test_forces_without_energy(make_config, tmp_path, quiet):
    with pytest.raises(ValueError, match="add an objective for energy"):
        train(make_config("objectives=[{property: forces}]"), tmp_path / "run", console=quiet)


def test_unknown_dataset(make_config, tmp_path, quiet):
    with pytest.raises(LookupError, match="no named dataset"):
        train(make_config("data.0.source=nowhere"), tmp_path / "run", console=quiet)


def test_existing_run_is_kept(make_config, tmp_path, quiet):
    folder = tmp_path / "run"
    train(make_config(), folder, console=quiet)
    before = {p.name: p.read_bytes() for p in folder.iterdir()}
    with pytest.raises(ValueError, match="--resume continues it, --overwrite starts anew"):
        train(make_config(), folder, console=quiet)
    assert {p.name: p.read_bytes() for p in folder.iterdir()} == before
    train(make_config("seed=5"), folder, overwrite=True, console=quiet)
    assert (folder / "best.safetensors").read_bytes() != before["best.safetensors"]


def test_a_folder_with_other_things_is_not_touched(make_config, tmp_path, quiet):
    (tmp_path / "thesis.tex").write_text("years of work")
    with pytest.raises(ValueError, match="not empty and holds no run"):
        train(make_config(), tmp_path, overwrite=True, console=quiet)
    assert [p.name for p in tmp_path.iterdir()] == ["thesis.tex"]


def test_unwritable_folder(make_config, tmp_path, quiet):
    (tmp_path / "file").write_text("")
    with pytest.raises(OSError, match="cannot write the run folder"):
        train(make_config(), tmp_path / "file" / "run", console=quiet)


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
def test_folder_without_permission(make_config, tmp_path, quiet):
    (tmp_path / "closed").mkdir(mode=0o500)
    with pytest.raises(OSError, match="cannot write the run folder"):
        train(make_config(), tmp_path / "closed" / "run", console=quiet)


def test_a_head_that_does_not_fit(make_config, tmp_path, quiet):
    config = make_config("objectives=[{property: charges, head: {kind: scalar}}]")
    with pytest.raises(ValueError, match="head 'scalar' gives one scalar per structure"):
        train(config, tmp_path / "run", console=quiet)


def test_an_extensive_property_is_not_averaged(make_config, tmp_path, quiet):
    config = make_config("objectives=[{property: energy, head: {kind: scalar, pooling: mean}}]")
    with pytest.raises(ValueError, match=r"energy is extensive .* Use pooling: sum"):
        train(config, tmp_path / "run", console=quiet)
