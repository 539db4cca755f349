"""``atomscape view``: pages, pictures, features of a model, and what it says of mistakes."""

from __future__ import annotations

import ase.build
import ase.io
import pytest
import torch

from atomscape.learn.architecture import Architecture
from atomscape.learn.checkpoint import save_model
from atomscape.learn.model import Model


@pytest.fixture
def file(here):
    """Two molecules in one file."""
    ase.io.write(here / "two.xyz", [ase.build.molecule("H2O"), ase.build.molecule("CH4")])
    return here / "two.xyz"


@pytest.fixture
def model(here):
    """A model file with random weights."""
    with torch.random.fork_rng():
        torch.manual_seed(0)
        made = Model(
            Architecture.model_validate(
                {
                    "encoder": {"kind": "tfn", "l_max": 1, "channels": 4, "layers": 1},
                    "heads": [],
                    "datasets": [],
                }
            )
        )
    return save_model(made, here / "model.safetensors")


def test_page_and_picture(run, file):
    """A page beside the file's name unless another is asked for; the row that is asked for."""
    status, text, _ = run("view", file)
    assert status == 0
    assert text.startswith("two.html: ")
    assert "<title>H₂O</title>" in (file.parent / "two.html").read_text()
    status, _, _ = run("view", file, "--row", -1, "--out", "picture.svg", "--dark")
    assert status == 0
    text = (file.parent / "picture.svg").read_text()
    assert "<title>CH₄</title>" in text
    assert "#14171d" in text


def test_features_of_a_model(run, file, model):
    """Surfaces at every atom; the layer is named."""
    status, _, error = run("view", file, "--model", model, "--features", "layer 1,1", "--out", "f.html")
    assert status == 0, error
    page = (file.parent / "f.html").read_text()
    assert "degree 1 of layer 1" in page
    assert '"component 1"' in page


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["--row", 2], "--row 2"),
        (["--out", "x.gif"], "write a page, NAME.html, or a picture, NAME.svg"),
        (["--model", "model.safetensors", "--features", "2"], "is not LAYER,L"),
        (["--model", "model.safetensors", "--features", "layer1,1"], "did you mean 'layer 1'?"),
        (["--model", "model.safetensors", "--features", "last,3"], "degree l=3"),
        (["--model", "nothing"], "no such file"),
    ],
)
def test_mistakes(run, file, model, words, says):
    status, _, error = run("view", file, *words)
    assert status == 1
    assert says in " ".join(error.split())
