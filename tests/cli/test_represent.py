"""``atomscape represent``: files, settings and what it says of mistakes."""

from __future__ import annotations

import numpy as np
import pyarrow.parquet as pq
import pytest

from atomscape.cli.represent import built
from atomscape.data.load import load
from atomscape.find import available


def test_features_in_either_file(run, here):
    """The same numbers in both formats, those of the representation itself, with ids."""
    for out in ("made.npz", "made.parquet"):
        status, text, _ = run(
            *("represent", "soap", "sample", "--limit", 300, "--set", "l_max=2", "--set", "channels=2"),
            *("--out", out),
        )
        assert status == 0
        assert "300 structures, 234 features each" in text
    with np.load("made.npz") as file:
        features, ids = file["features"], file["ids"]
    table = pq.read_table("made.parquet")
    assert table["id"].to_pylist() == ids.tolist()
    assert np.array_equal(np.stack(table["features"].to_numpy()), features)
    store = load("sample")
    some = store[store.rows_of(ids[[0, 299]].tolist())]
    own = built("soap", ["l_max=2", "channels=2"])(some)
    assert np.allclose(own.numpy(), features[[0, 299]], rtol=1e-5)


def test_texts(run, here):
    """SMILES perceived from geometries agree with those the molecules were made from."""
    chem = pytest.importorskip("rdkit.Chem", reason="RDKit is not installed")
    words = ("--limit", 100, "--set", "chirality=false", "--out", "made.npz")
    status, text, _ = run("represent", "smiles", "sample", *words)
    assert status == 0
    assert "100 structures, one text each" in text
    with np.load("made.npz") as file:
        made = [chem.MolFromSmiles(i.split("~")[0]) for i in file["ids"].tolist()]
        alike = [
            chem.MolToSmiles(m, isomericSmiles=False) == t for m, t in zip(made, file["text"], strict=True)
        ]
    assert np.mean(alike) > 0.9


def test_list(run, here):
    """Every representation with its settings."""
    status, text, _ = run("represent", "list")
    assert status == 0
    assert set(available("representations")) <= {line.split("  ")[0] for line in text.splitlines()}
    assert "cutoff=5.0" in text


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["sop", "sample", "--out", "x.npz"], "did you mean 'soap'?"),
        (["soap", "sample", "--out", "x.csv"], "written as .npz or .parquet"),
        (["soap"], "needs data, and --out"),
        (["soap", "sample", "--out", "x.npz", "--set", "cutof=3"], "did you mean 'cutoff'?"),
        (
            ["soap", "sample", "--out", "x.npz", "--set", "cutoff=-3"],
            "cutoff: Input should be greater than 1",
        ),
        (["soap", "sample", "--out", "x.npz", "--set", "elements=H,C"], "Name all, or none"),
        (["morgan", "sample_crystals", "--out", "x.npz"], "applies to molecules; structure"),
    ],
)
def test_mistakes(run, here, words, says):
    """One line that says what would work, and no file."""
    status, _, error = run("represent", *words)
    assert status == 1
    assert says in " ".join(error.split())
    assert list(here.glob("x.*")) == []


def test_a_file_that_exists(run, here):
    """It is kept, unless told otherwise."""
    words = ("represent", "composition", "sample", "--limit", 5, "--out", "made.npz")
    assert run(*words)[0] == 0
    status, _, error = run(*words)
    assert status == 1
    assert "--overwrite replaces it" in error
    assert run(*words, "--overwrite")[0] == 0
