"""``atomscape recipe``: the list, the last line, the exit status, and being run again."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

RECIPE = '''
"""How many of the throws are hits."""

from atomscape.learn.experiment import Options, Outcome, Stopped, Value

TARGET = "half of them"


class Config(Options):
    hits: int = 3
    throws: int = 4


def run(config, out, console):
    """The first call with 13 throws is stopped; the second goes on with what the first has left."""
    before = out / "before"
    if config.throws == 13 and not before.exists():
        before.write_text("7")
        raise Stopped
    console.print(f"seed {config.seed}")
    share = Value("share of hits", 100 * config.hits / config.throws, "%", 50.0)
    found = Value("found from before", float(before.exists()))
    return Outcome(f"throws: {share}", (share, found), {"throws": config.throws})
'''


@pytest.fixture
def throws(here, monkeypatch):
    """Name of a recipe that lives in another package."""
    package = here / "package_of_recipes"
    package.mkdir()
    (package / "throws.py").write_text(RECIPE)
    monkeypatch.setattr(sys, "path", [str(here), *sys.path])
    return "package_of_recipes.throws"


def test_the_list_has_every_recipe(run):
    """Names, what they are for, and targets."""
    from atomscape.learn.catalogue import about, experiments, training_title
    from atomscape.learn.recipe import recipes

    status, out, err = run("recipe", "list")
    assert (status, err) == (0, "")
    text = " ".join(out.split())
    for name in experiments():
        title, target = about(name)
        assert title
        assert target
        assert name.replace("_", "-") in text
    for name in recipes():
        assert training_title(name)
        assert name in text


def test_listing_loads_no_torch():
    """It is a table of texts."""
    code = (
        "import sys; from atomscape.cli.recipe import list_recipes as f; f(); print('torch' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    assert done.stdout.splitlines()[-1] == "False"


def test_a_target_that_is_met(run, throws, here):
    """The last line is the figure; all numbers are in the file."""
    status, out, err = run("recipe", "run", throws, "--out", "a", "--seed", "7")
    assert (status, err) == (0, "")
    assert "seed 7" in out
    assert out.splitlines()[-1] == "throws: 75 % (target ≥ 50 %): target met"
    record = json.loads((here / "a" / "results.json").read_text())
    assert record["title"] == "How many of the throws are hits."
    assert (record["target"], record["met"], record["seed"]) == ("half of them", True, 7)
    assert record["values"][0] == {
        "name": "share of hits", "value": 75.0, "unit": "%", "target": 50.0, "sense": "at least", "met": True,
    }  # fmt: skip
    assert record["details"] == {"throws": 4}
    assert record["wall_seconds"] >= 0
    assert {"atomscape", "torch", "python"} <= set(record["versions"])


def test_a_target_that_is_missed(run, throws):
    """Exit status 1, and it says so; it is no error."""
    status, out, err = run("recipe", "run", throws, "hits=1", "--out", "a")
    assert (status, err) == (1, "")
    assert out.splitlines()[-1] == "throws: 25 % (target ≥ 50 %): target missed"


def test_it_is_not_done_twice(run, throws, here):
    """A finished run is only read; another one is not overwritten by accident, nor mixed with this one."""
    assert run("recipe", "run", throws, "--out", "a")[0] == 0
    before = (here / "a" / "results.json").read_bytes()
    status, _, err = run("recipe", "run", throws, "--out", "a")
    assert status == 1
    assert "--resume continues it, --overwrite starts anew" in err
    status, out, _ = run("recipe", "run", throws, "--out", "a", "--resume")
    assert status == 0
    assert out.splitlines()[-1].endswith("target met")
    assert (here / "a" / "results.json").read_bytes() == before
    status, _, err = run("recipe", "run", throws, "hits=4", "--out", "a", "--resume")
    assert status == 1
    assert "hits=3, not hits=4" in err
    assert run("recipe", "run", throws, "hits=1", "--out", "a", "--overwrite")[0] == 1
    assert json.loads((here / "a" / "results.json").read_text())["met"] is False


def test_stopped_it_says_how_to_go_on(run, throws):
    """Status 130; asked again it goes on with what is there."""
    status, out, _ = run("recipe", "run", throws, "throws=13", "hits=12", "--out", "a")
    assert status == 130
    assert f"Continue with: atomscape recipe run {throws} throws=13 hits=12 --out a --resume" in out
    status, out, _ = run("recipe", "run", throws, "throws=13", "hits=12", "--out", "a", "--resume")
    assert status == 0
    assert "found from before" in out


def test_other_files_are_left_alone(run, throws, here):
    """A folder with something else in it."""
    (here / "mine").mkdir()
    (here / "mine" / "thesis.tex").write_text("…")
    for option in ("--resume", "--overwrite"):
        status, _, err = run("recipe", "run", throws, "--out", "mine", option)
        assert status == 1
        assert "nothing in it was touched" in err
    assert [f.name for f in (here / "mine").iterdir()] == ["thesis.tex"]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("tetriss", "--out", "a"), "no recipe called 'tetriss'; did you mean 'tetris'?"),
        (("tetris", "epoch=3", "--out", "a"), "unknown key 'epoch'; did you mean 'epochs'?"),
        (("tetris", "seed=-1", "--out", "a"), "seed"),
        (("tetris",), "--out DIR"),
    ],
)
def test_mistakes_are_explained(run, here, arguments, message):
    """Names and options get suggestions; nothing is made."""
    status, out, err = run("recipe", "run", *arguments)
    assert (status, out) == (1, "")
    assert message in err
    assert list(here.iterdir()) == []


def test_a_training_has_a_figure_and_no_target(run, copper, here):
    """A config from the package, on data of one's own."""
    small = ("encoder.l_max=1", "encoder.channels=4", "encoder.layers=1", "training.epochs=1")
    arguments = ("recipe", "run", "potential", f"data.0.source={copper}", *small, "--out", "a", "--seed", "3")
    status, out, err = run(*arguments)
    assert (status, err) == (0, "")
    assert out.splitlines()[-1].startswith("potential: test MAE of energy ")
    assert out.splitlines()[-1].endswith("(no target)")
    assert json.loads((here / "a" / "results.json").read_text())["seed"] == 3


def test_starting_anew_keeps_what_was_there(tmp_path):
    from atomscape.learn.experiment import Options, open_folder

    out = tmp_path / "out"
    open_folder(out, "tetris", Options(), False, False)
    (out / "notes.txt").write_text("mine")
    open_folder(out, "tetris", Options(), False, True)
    assert not (out / "notes.txt").exists()
    assert (tmp_path / "out-before-1" / "notes.txt").read_text() == "mine"
