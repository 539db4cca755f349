"""``atomscape data split`` and ``data leaks``."""

from __future__ import annotations

import json

import pytest


def test_split_by_composition_leaks_nothing_and_trains_by_its_file(run, here):
    """The file lists ids; no formula is in two parts."""
    status, out, err = run("data", "split", "sample", "--by", "composition", "--out", "s.json")
    assert (status, err) == (0, "")
    assert "train 4,0" in out
    assert "no leaks found" in out
    content = json.loads((here / "s.json").read_text())
    assert set(content["splits"]) == {"train", "val", "test"}
    assert "CCO" in {i for part in content["splits"].values() for i in part}
    status, out, _ = run("data", "leaks", "sample", "s.json", "--quick")
    assert (status, "no leaks found" in out) == (0, True)


def test_a_random_split_of_polymorphs_is_noted_and_nothing_is_overwritten(run, here):
    """Random parts share formulas; a second run must not replace the file."""
    status, out, _ = run("data", "split", "sample", "--parts", "train=100,test=50", "--out", "s.json")
    assert status == 0
    assert "note:" in out
    assert "reduced formula" in out
    status, _, err = run("data", "split", "sample", "--out", "s.json")
    assert (status, "exists and is not overwritten" in err) == (1, True)
    assert run("data", "split", "sample", "--out", "s.json", "--overwrite")[0] == 0


def test_folds_cover_everything_once(run, here):
    """One file per fold; test parts are disjoint and complete."""
    assert run("data", "split", "sample", "--folds", 4, "--by", "composition", "--out", "f.json")[0] == 0
    tests = [json.loads((here / f"f-{k}.json").read_text())["splits"]["test"] for k in range(4)]
    assert len({i for t in tests for i in t}) == sum(map(len, tests)) == 5022


def test_a_structure_in_two_parts_is_an_error_status(run, here, copper):
    """The same frame twice in a file: found, named, status 1; as JSON too."""
    lines = copper.read_text().splitlines()
    (here / "twice.xyz").write_text("\n".join(lines + lines[:8]) + "\n")
    (here / "s.json").write_text(json.dumps({"splits": {"train": list(range(30)), "test": [30]}}))
    status, out, _ = run("data", "leaks", "twice.xyz", "s.json")
    assert status == 1
    assert "leak: 1 of 1 structures of test stand in train too" in out
    status, out, _ = run("data", "leaks", "twice.xyz", "s.json", "--json")
    found = json.loads(out)
    assert (status, found[0]["kind"], found[0]["count"], found[0]["serious"]) == (1, "structure", 1, True)


def test_against_another_dataset(run, here, copper):
    """Every frame of a copy is found in the original."""
    (here / "copy.xyz").write_text(copper.read_text())
    status, out, _ = run("data", "leaks", "copper.xyz", "--against", "copy.xyz", "--quick")
    assert status == 1
    assert "30 of 30 structures of copy/whole stand in copper/all too" in out


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("split", "sample", "--by", "compositon", "--out", "s.json"), "did you mean 'composition'?"),
        (("split", "sample", "--parts", "train:3", "--out", "s.json"), "is not of the form train=0.8"),
        (("split", "sample", "--stable", "--out", "s.json"), "--stable needs --by"),
        (("leaks", "copper.xyz"), "has no split of its own; name a split file"),
    ],
)
def test_mistakes(run, copper, arguments, message):
    """One line that says what would work."""
    status, _, err = run("data", *arguments)
    assert status == 1
    assert message in " ".join(err.split())


def test_parts_are_called_by_their_names(run, copper):
    """A typo in the name of a part is not a new part; parts that got nothing are told."""
    status, _, err = run("data", "split", copper, "--parts", "trian=0.8,test=0.2", "--out", "s.json")
    assert (status, "'trian'" in err, "train, val, test" in err) == (1, True, True)
    _, out, _ = run("data", "split", copper, "--by", "composition", "--out", "s.json")
    assert "note: nothing is in val, test" in out
