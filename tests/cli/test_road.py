"""From a data file to a map by commands alone, and the mistakes one makes on the way."""

from __future__ import annotations

import json

import pytest

SMALL = (
    "encoder.l_max=1",
    "encoder.channels=4",
    "encoder.layers=1",
    "encoder.cutoff=3.5",
    "training.epochs=2",
)


def test_the_whole_road(run, copper, here):
    """Info, train without a config, evaluate, embed, map; each says what to do next."""
    status, out, err = run("info", copper)
    assert (status, err) == (0, "")
    assert "30" in out
    assert "Cu" in out
    assert "energy" in out
    status, out, err = run("train", copper, *SMALL)
    assert (status, err) == (0, "")
    assert "forces" in out
    assert "meV/Å" in out
    assert "atomscape embed runs/copper" in out
    status, out, err = run("evaluate", "runs/copper", "--json", "errors.json")
    assert (status, err) == (0, "")
    errors = json.loads((here / "errors.json").read_text())
    filed = json.loads((here / "runs/copper/results.json").read_text())["metrics"]["test"]
    assert [e["mae"] for e in errors] == pytest.approx([m["mae"] for m in filed])
    status, out, err = run("evaluate", "runs/copper", copper)
    assert (status, err) == (0, "")
    assert "30" in out
    status, out, err = run("embed", "runs/copper", copper)
    assert (status, err) == (0, "")
    assert "atomscape map runs/copper/embeddings/copper" in out
    status, out, err = run(
        "map", "runs/copper/embeddings/copper", "--projection", "pca", "--colour", "energy"
    )
    assert (status, err) == (0, "")
    assert "trustworthiness" in out
    assert (here / "map.html").read_text(encoding="utf-8").lower().startswith("<!doctype html>")


def test_resume(run, copper, here):
    """A run is not overwritten by accident; resumed it is complete; other settings are refused."""
    assert run("train", copper, *SMALL, "--out", "a")[0] == 0
    status, _, err = run("train", copper, *SMALL, "--out", "a")
    assert status == 1
    assert "--resume" in err
    assert run("train", "a", "--resume")[0] == 0
    status, _, err = run("train", "a", "training.epochs=9", "--resume")
    assert status == 1
    assert "training.epochs: 2 → 9" in err


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        (("train", "demmo"), "did you mean 'demo'?"),
        (("train", "demo", "training.epoch=1"), "did you mean 'epochs'"),
        (("train", "demo", "training.epochs"), "key.sub=value"),
        (("train", "nowhere.yaml"), "nowhere.yaml"),
        (("evaluate", "nowhere"), "nowhere"),
        (("embed", "nowhere", "sample"), "nowhere"),
        (("map", "nowhere"), "no embeddings at nowhere"),
        (("info", "nowhere.xyz"), "nowhere.xyz"),
    ],
)
def test_mistakes(run, here, arguments, text):
    """One line that helps, status 1, and nothing written."""
    status, _, err = run(*arguments)
    assert status == 1
    assert text in err
    assert "Traceback" not in err
    assert [p for p in here.iterdir() if p.name != "cache"] == []


def test_bad_files(run, here):
    """An empty file, and one whose positions are not numbers."""
    (here / "empty.xyz").write_text("")
    (here / "nan.xyz").write_text("1\nProperties=species:S:1:pos:R:3 energy=1.0\nH nan 0 0\n")
    (here / "element.xyz").write_text("1\nProperties=species:S:1:pos:R:3 energy=1.0\nXq 0 0 0\n")
    for name in ("empty.xyz", "nan.xyz", "element.xyz"):
        status, _, err = run("train", name)
        assert status == 1
        assert name in err
        assert "Traceback" not in err


def test_a_place_that_cannot_be_written(run, copper, here):
    """Said before any training."""
    (here / "file").write_text("")
    status, out, err = run("train", copper, *SMALL, "--out", "file/run")
    assert status == 1
    assert "file/run" in err
    assert "epoch" not in out


def test_data_commands(run, copper, here):
    """List, describe, convert; a store is not overwritten by accident."""
    status, out, _ = run("data", "list")
    assert status == 0
    assert "qm9" in out
    assert "embedded" in out
    assert max(map(len, out.splitlines())) <= 120, "a line each"
    assert "QM9" in run("data", "list", "qm9")[1]
    assert "lips" not in run("data", "list", "qm9")[1]
    listed = json.loads(run("data", "list", "--here", "--json")[1])
    assert {"sample", "n_body:charged"} & {row["name"] for row in listed}
    assert not any(row["state"].startswith("to ") for row in listed)
    assert "no named dataset" in run("data", "list", "nothing like it")[1]
    status, out, _ = run("data", "info", "qm9")
    assert status == 0
    assert "atomscape data get qm9" in out
    status, out, _ = run("data", "convert", copper, "store")
    assert (status, "30 structures" in out) == (0, True)
    status, out, _ = run("data", "info", "store")
    assert (status, "eV/Å" in out) == (0, True)
    status, _, err = run("data", "convert", copper, "store")
    assert (status, "store" in err) == (1, True)
    assert run("data", "convert", copper, "store", "--overwrite")[0] == 0


def test_doctor(run, here):
    """Versions, operations and who serves them, data, all on a machine without data."""
    status, out, err = run("doctor")
    assert (status, err) == (0, "")
    assert "torch" in out
    assert "convolution" in out
    assert "reference" in out
    assert "atomscape data get qm9" in out
