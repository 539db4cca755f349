"""``atomscape complete``: files, table, and the errors a person can make."""

import pytest
import torch
from ase import Atoms
from ase.io import read, write

from atomscape.atoms.properties import PROPERTIES
from atomscape.data.card import PropertyRecord
from atomscape.learn.architecture import Architecture, HeadRecord
from atomscape.learn.checkpoint import save_model
from atomscape.learn.config import PlugIn
from atomscape.learn.model import Model


@pytest.fixture
def model(here):
    """A small model with random weights: it proposes something, of whatever value."""
    return saved(
        here / "small.safetensors",
        {"kind": "tfn", "l_max": 1, "channels": 4, "layers": 1},
        {"kind": "complete", "elements": ["H", "C", "O"], "hidden": 4},
    )


def saved(path, encoder, head):
    """A model of missing atoms with random weights, in a file."""
    encoder, head = PlugIn.model_validate(encoder), PlugIn.model_validate(head)
    missing = PropertyRecord.of(PROPERTIES["missing_atoms"])
    heads = (HeadRecord(dataset="shared", predicts=missing, head=head),)
    with torch.random.fork_rng():
        torch.manual_seed(0)
        made = Model(Architecture(encoder=encoder, heads=heads, datasets=("any",)))
    return save_model(made, path)


@pytest.fixture
def broken(here):
    from ase.build import molecule

    atoms = molecule("CH3CH2OH")
    del atoms[2]
    write(here / "broken.xyz", atoms)
    return here / "broken.xyz"


def test_ranked_structures_a_picture_and_a_page(run, here, broken, model):
    status, out, err = run("complete", broken, "-n", 2, "--model", model, "--ranks", 3)
    assert (status, err) == (0, "")
    images = read(here / "broken-completed.xyz", ":")
    assert 1 <= len(images) <= 3
    whole = read(broken)
    for rank, image in enumerate(images, start=1):
        assert image.info["rank"] == rank
        assert len(image) == len(whole) + 2
        assert abs(image.positions[: len(whole)] - whole.positions).max() < 1e-6
    shares = [image.info["probability"] for image in images]
    assert shares == sorted(shares, reverse=True)
    assert (here / "broken-completed.svg").read_text().startswith("<svg")
    assert "<canvas" in (here / "broken-completed.html").read_text()
    assert "broken-completed.xyz" in out


def test_the_density_is_in_the_page_of_one_missing_atom(run, here, broken, model):
    status, _, err = run("complete", broken, "--model", model, "--no-page")
    assert (status, err) == (0, "")
    assert not (here / "broken-completed.html").exists()
    status, _, err = run("complete", broken, "--model", model)
    assert status == 1
    assert "--overwrite" in err
    assert run("complete", broken, "--model", model, "--overwrite")[0] == 0
    assert (here / "broken-completed.html").stat().st_size > 50_000


def test_the_first_proposal_is_the_same_however_many_are_asked_for(run, here, broken, model):
    shares = []
    for ranks in (1, 3):
        target = here / "new folder" / f"{ranks}.xyz"
        arguments = ("-n", 2, "--model", model, "--ranks", ranks, "--out", target, "--no-page")
        status, _, err = run("complete", broken, *arguments)
        assert (status, err) == (0, "")
        shares.append(read(target, 0).info["probability"])
    assert shares[0] == shares[1]


def test_a_model_without_a_density_has_a_page_of_places(run, here, broken):
    kinds = ({"kind": f"atomscape.recipes.tfn_2018.{part}"} for part in ("network", "vote"))
    status, _, err = run("complete", broken, "--model", saved(here / "vote.safetensors", *kinds))
    assert (status, err) == (0, "")
    assert "<canvas" in (here / "broken-completed.html").read_text()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--model", "nowhere"), "no run, no model file"),
        (("--row", 7), "has 1 structures"),
        (("-n", 0), "Invalid value"),
        (("--out", "whole.cif"), "so name it NAME.xyz"),
    ],
)
def test_mistakes_are_explained(run, broken, arguments, message):
    status, _, err = run("complete", broken, *arguments)
    assert status != 0
    assert message in " ".join(err.split())


def test_elements_that_no_shipped_model_knows(run, here):
    write(here / "gold.xyz", Atoms("Au2", [[0, 0, 0], [0, 0, 2.6]]))
    status, _, err = run("complete", here / "gold.xyz")
    assert status == 1
    assert "molecules of Au" in " ".join(err.split())


def test_elements_that_a_model_was_not_trained_on_are_told(run, here, model):
    from ase.build import molecule

    write(here / "fluoride.xyz", molecule("HF"))
    status, out, err = run("complete", here / "fluoride.xyz", "--model", model, "--no-page")
    assert (status, err) == (0, "")
    assert "what it makes of F is a guess" in out


def test_two_atoms_on_one_spot_are_refused(run, here, model):
    write(here / "twice.xyz", Atoms("OHH", [[0, 0, 0], [0.96, 0, 0], [0.96, 0, 0.01]]))
    status, _, err = run("complete", here / "twice.xyz", "--model", model)
    assert status == 1
    assert "atoms 1 and 2 are closer than 0.3 Å" in " ".join(err.split())
