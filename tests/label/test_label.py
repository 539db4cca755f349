"""Labelling: of single structures and whole datasets, by one process or several, stopped and continued."""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from atomscape.atoms.structures import Structures
from atomscape.data.card import Card, records
from atomscape.data.load import load
from atomscape.data.store import Store, write_store
from atomscape.label.dataset import label_dataset
from atomscape.label.journal import Journal, journal_of
from atomscape.label.label import label

HERE = Path(__file__).parent
N = 40
NAME = "pretended_method.pretended"


@pytest.fixture
def pretended(tmp_path, monkeypatch):
    """The module, importable here and in processes started from here, counting in ``tmp_path/calls``."""
    import shutil
    from importlib import import_module

    home = tmp_path / "modules" / "pretended_method"
    home.mkdir(parents=True)
    shutil.copy(HERE / "pretended.py", home)
    (home / "__init__.py").touch()
    monkeypatch.syspath_prepend(str(home.parent))
    monkeypatch.setenv("PYTHONPATH", str(home.parent), prepend=":")
    yield import_module(NAME)
    for name in [m for m in sys.modules if m.startswith("pretended_method")]:
        del sys.modules[name]


@pytest.fixture
def chains(tmp_path) -> Store:
    """Chains of one to four atoms; the third of every ten has sulphur; with labels of another kind."""
    made = [
        Structures.of(
            np.arange(3 * n).reshape(n, 3) + k,
            [16 if k % 10 == 2 else 6] * n,
            labels={"energy": 99.0, "gap": 5.0, "total_charge": float(k % 2)},
            id=f"chain {k}",
        )
        for k, n in enumerate(np.arange(N) % 4 + 1)
    ]
    card = Card(name="chains", licence="CC0-1.0", properties=records("energy", "gap", "total_charge"))
    return write_store(tmp_path / "chains", made, card, {"train": np.arange(30), "test": np.arange(30, N)})


def calls(tmp_path) -> list[str]:
    return (tmp_path / "calls").read_text().splitlines()


def test_labels_of_structures(pretended, chains):
    """Per structure and per atom; unknown where refused. State, ids, geometry stay, other labels do not."""
    structures = chains[:]
    made, reasons = label(pretended.build(pretended.Config()), structures)
    sulphur = torch.arange(N) % 10 == 2
    assert reasons == dict.fromkeys(np.flatnonzero(sulphur).tolist(), "sulphur")
    assert set(made.labels) == {"energy", "dipole", "charges", "total_charge"}
    assert torch.equal(made.labels["energy"].isnan(), sulphur)
    assert torch.equal(made.labels["dipole"].isnan().all(1), sulphur)
    assert torch.equal(made.labels["charges"].isnan(), sulphur[made.structure])
    known = ~sulphur
    assert torch.equal(made.labels["energy"][known], 2.0 * structures.counts[known])
    total = torch.zeros(N, 3, dtype=torch.float64).index_add(0, made.structure, 2.0 * made.positions)
    assert torch.allclose(made.labels["dipole"][known], total[known])
    assert torch.equal(made.labels["total_charge"], structures.labels["total_charge"])
    assert (made.ids, made.positions is structures.positions) == (structures.ids, True)


def test_answers_that_are_no_labels(pretended, chains):
    """An infinite energy is unknown, with a reason; a label of a wrong shape is a fault of the method."""
    method = pretended.build(pretended.Config(scale=float("inf")))
    made, reasons = label(method, chains[:2])
    assert set(reasons.values()) == {"energy is infinite"}
    assert made.labels["energy"].isnan().all()

    class Wrong:
        provides, level_of_theory, citation, made_with = ("dipole",), "", "", ""

        def __call__(self, structure):
            return {"dipole": 1.0}

    with pytest.raises(ValueError, match=r"dipole has shape \(\), it should be \(3,\)"):
        label(Wrong(), chains[:1])


def test_a_dataset(pretended, chains, tmp_path):
    """A store with the labels alone, and a card that says where they are from; nothing is left beside it."""
    told = []
    done = label_dataset(NAME, pretended.Config(), chains, tmp_path / "out", progress=told.append)
    assert (done.structures, done.reasons, sum(told)) == (N, {"sulphur": 4}, N)
    store = Store.open(done.path)
    direct, _ = label(pretended.build(pretended.Config()), chains[:])
    for name, values in direct.labels.items():
        assert np.array_equal(store.values(name), values.numpy(), equal_nan=True), name
    assert set(store.properties) == {"total_charge", "energy", "dipole", "charges"}
    assert (store.ids, list(store.splits)) == (chains.ids, ["train", "test"])
    assert (store.card.name, store.card.level_of_theory) == ("chains-pretended", "sums over atoms")
    assert (store.card.licence, store.card.citation) == ("CC0-1.0", "nobody")
    assert store.card.columns == ("without labels: 4 structures: sulphur",)
    assert "pretended 1" in store.card.provenance
    assert chains.fingerprint in store.card.provenance
    assert not journal_of(done.path).exists()
    with pytest.raises(FileExistsError, match="overwrite=True"):
        label_dataset(NAME, pretended.Config(), chains, tmp_path / "out")
    label_dataset(NAME, pretended.Config(scale=2), chains, tmp_path / "out", overwrite=True)
    assert np.nanmax(Store.open(done.path).values("energy")) == 16


def test_a_file_of_some(pretended, chains, tmp_path):
    """Rows in the order given, in a format with a suffix; read back they are the same."""
    done = label_dataset(NAME, pretended.Config(), chains, tmp_path / "some.extxyz", rows=[7, 3])
    store = load(done.path)
    assert store.ids == ["chain 7", "chain 3"]
    assert store.values("energy").tolist() == [8.0, 8.0]
    assert store.values("dipole")[0] == pytest.approx(2.0 * chains[7].positions.sum(0).numpy())


def test_stopped_and_continued(pretended, chains, tmp_path):
    """What was asked before Ctrl-C is not asked again, and the result is that of a run without it."""
    config = pretended.Config(calls=str(tmp_path / "calls"), stop=25)
    target = tmp_path / "out"
    with pytest.raises(KeyboardInterrupt):
        label_dataset(NAME, config, chains, target)
    assert not target.exists()
    assert len(journal_of(target).read_bytes().splitlines()) == 1 + 24
    with journal_of(target).open("ab") as file:
        file.write(b'{"row": 24, "labels": {"energy": 8.')  # killed while it wrote
    told = []
    done = label_dataset(NAME, config, chains, target, progress=told.append)
    assert (told[0], sum(told), len(calls(tmp_path))) == (24, N, 25 + N - 24)
    whole = label_dataset(NAME, config, chains, tmp_path / "whole")
    one, other = Store.open(done.path), Store.open(whole.path)
    for name in one.properties:
        assert np.array_equal(one.values(name), other.values(name), equal_nan=True)


def test_other_work_is_not_continued(pretended, chains, tmp_path):
    """Of other settings or other data; the message says what differs. What was done stays."""
    target = tmp_path / "out"
    config = pretended.Config(calls=str(tmp_path / "calls"), stop=5)
    with pytest.raises(KeyboardInterrupt):
        label_dataset(NAME, config, chains, target)
    before = journal_of(target).read_bytes()
    with pytest.raises(ValueError, match=r"scale: 1.0 there, 2.0 asked for.*delete it to begin anew"):
        label_dataset(NAME, config.model_copy(update={"scale": 2.0}), chains, target)
    other = write_store(tmp_path / "other", [chains[:3]], Card(name="other"))
    with pytest.raises(ValueError, match="holds labels of other work"):
        label_dataset(NAME, config, other, target)
    assert journal_of(target).read_bytes() == before


def test_many_processes(pretended, chains, tmp_path):
    """They give what one gives, and the work was shared."""
    config = pretended.Config(calls=str(tmp_path / "calls"))
    done = label_dataset(NAME, config, chains, tmp_path / "out", jobs=2)
    direct, _ = label(pretended.build(pretended.Config()), chains[:])
    store = Store.open(done.path)
    assert np.array_equal(store.values("charges"), direct.labels["charges"].numpy(), equal_nan=True)
    assert len(calls(tmp_path)) == N
    assert len(set(calls(tmp_path))) == 2


def test_none_can_be_labelled(pretended, chains, tmp_path):
    """An error with the reasons, and no file."""
    rows = np.flatnonzero(np.arange(N) % 10 == 2)
    with pytest.raises(ValueError, match=r"labels none of the structures of chains \(4: sulphur\)"):
        label_dataset(NAME, pretended.Config(), chains, tmp_path / "out", rows=rows)
    assert not (tmp_path / "out").exists()
    assert not journal_of(tmp_path / "out").exists()


def test_a_journal_keeps_every_bit(tmp_path):
    """Numbers of any size, unknown ones, and reasons with letters of any alphabet."""
    numbers = np.array([np.pi, 1e-308, -0.0, np.nan, 1 / 3])
    with Journal.open(tmp_path / "j", {"method": "a"}) as journal:
        journal.add(3, {"charges": numbers, "energy": np.array(0.1 + 0.2)})
        journal.add(5, "Å too large")
    with Journal.open(tmp_path / "j", {"method": "a"}) as journal:
        assert (len(journal), 3 in journal, 4 in journal) == (2, True, False)
        answer = journal[3]
        assert not isinstance(answer, str)
        assert answer["charges"].tobytes() == numbers.tobytes()
        assert (answer["energy"].shape, float(answer["energy"])) == ((), 0.1 + 0.2)
        assert journal[5] == "Å too large"


def test_a_batch_of_single_atoms(pretended):
    """Where structures and atoms are as many, labels still go where they belong."""
    one = Structures.of([[1.0, 2.0, 3.0]], [6])
    made, _ = label(pretended.build(pretended.Config()), replace(Structures.concatenate([one, one]), ids=()))
    assert made.labels["charges"].shape == (2,)
    assert made.labels["dipole"].tolist() == [[2.0, 4.0, 6.0]] * 2
