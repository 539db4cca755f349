"""``atomscape label``: stores and files, settings, what it counts and what it says of mistakes."""

from __future__ import annotations

import numpy as np
import pytest

from atomscape.data.load import load
from atomscape.find import available

pytest.importorskip("tblite", reason="tblite is not installed")


def test_a_store_with_the_labels_of_the_sample(run, here):
    """What ships with the package was made by the same method, with tighter thresholds and then rounded."""
    status, out, err = run("label", "sample", "--limit", 20, "--out", "labelled", "--set", "accuracy=0.01")
    assert (status, err) == (0, "")
    assert "labelled: 20 structures, GFN2-xTB, gas phase, electronic temperature 300 K" in out
    made, sample = load("labelled"), load("sample")
    known = sample[sample.rows_of(made.ids)]
    for name, error in {"energy": 2e-6, "forces": 2e-5, "dipole": 2e-5, "gap": 2e-5, "charges": 2e-5}.items():
        assert np.abs(made.values(name) - known.labels[name].numpy()).max() < error, name
    assert made.card.level_of_theory == sample.card.level_of_theory


def test_what_has_no_labels_is_counted(run, here):
    """Crystals among molecules: they are written, their labels unknown."""
    from ase.build import bulk, molecule
    from ase.io import write

    write("mixed.xyz", [molecule("H2O"), bulk("Cu"), molecule("CH4"), bulk("Al")], format="extxyz")
    status, out, err = run("label", "mixed.xyz", "--method", "gfn2_xtb", "--out", "labelled")
    assert (status, err) == (0, "")
    assert "2 without labels: periodic, and GFN2-xTB is here for molecules" in out
    assert np.isnan(load("labelled").values("energy")).tolist() == [False, True, False, True]


def test_ctrl_c(run, here, monkeypatch):
    """Status 130, one line that says where it goes on, and the same command continues."""
    from atomscape.label.methods import gfn2_xtb

    solved, calls = gfn2_xtb.Xtb._solved, []

    def stopping(self, *given):
        calls.append(1)
        if len(calls) == 4:
            raise KeyboardInterrupt
        return solved(self, *given)

    monkeypatch.setattr(gfn2_xtb.Xtb, "_solved", stopping)
    words = ("label", "sample", "--limit", 5, "--out", "labelled.extxyz")
    status, out, _ = run(*words)
    assert status == 130
    assert "the same command continues from labelled.extxyz.unfinished.jsonl (3 structures)" in " ".join(
        out.split()
    )
    assert not (here / "labelled.extxyz").exists()
    assert run(*words)[0] == 0
    assert len(calls) == 4 + 2
    assert len(load("labelled.extxyz")) == 5
    assert list(here.glob("*.jsonl")) == []


def test_list(run, here):
    """Every method with its settings."""
    status, text, _ = run("label", "list")
    assert status == 0
    assert set(available("label.methods")) <= {line.split("  ")[0] for line in text.splitlines()}
    assert "temperature=300.0" in text


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["sample"], "needs --out, a folder for a store or a file"),
        (
            ["sample", "--out", "x", "--method", "gfn2"],
            "did you mean 'gfn2_xtb'? Known: dft_pyscf, gfn2_xtb.",
        ),
        (["sample", "--out", "x", "--set", "acuracy=1"], "did you mean 'accuracy'?"),
        (["sample", "--out", "x", "--set", "accuracy=0"], "accuracy: Input should be greater than 0"),
        (["sample_crystals", "--out", "x", "--limit", "2"], "labels none of the structures"),
        (["samples", "--out", "x"], "did you mean 'sample'?"),
    ],
)
def test_mistakes(run, here, words, says):
    """One line that says what would work, and no file."""
    status, _, error = run("label", *words)
    assert status == 1
    assert says in " ".join(error.split())
    assert list(here.glob("x*")) == []
