"""The audit as a whole: order of findings, corrected copies, the command and its reports."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest
import torch
from typer.testing import CliRunner

from atomscape.atoms.ase import to_ase
from atomscape.atoms.structures import Structures
from atomscape.cli.app import app
from atomscape.data import repeated
from atomscape.data.audit import audit, check_names
from atomscape.data.card import Card
from atomscape.data.corrected import Corrected
from atomscape.data.examined import Examined
from atomscape.data.fix import corrections_of, write_corrected
from atomscape.data.report import html_report
from atomscape.data.store import Store, write_store

from .audited import copper, molecules


def spoilt() -> Structures:
    """Copper with pressure in kbar for stress, energies per atom, and its first three frames twice."""
    batch = copper()
    batch = batch.with_labels(
        stress=batch.labels["stress"] * -1602.1766, energy=batch.labels["energy"] / batch.counts
    )
    return Structures.concatenate([batch, replace(batch[:3], ids=("again-0", "again-1", "again-2"))])


@pytest.fixture
def store(tmp_path) -> Store:
    splits = {"train": np.arange(30), "test": np.arange(30, 51)}
    return write_store(tmp_path / "spoilt", [spoilt()], Card(name="spoilt", provenance="made"), splits)


def test_the_worst_comes_first_and_memory_and_store_agree(store) -> None:
    found = audit(store)
    severities = [f.severity for f in found.findings]
    assert severities == sorted(severities, key=["serious", "warning", "note"].index)
    assert found.serious
    assert found.name == "spoilt"
    assert {f.check for f in found.findings} >= {"strain", "stress", "work", "repeats", "leaks"}
    held = audit(Examined.of(spoilt(), splits=store.splits))
    assert [f.as_dict() for f in held.findings] == [f.as_dict() for f in found.findings]


def test_a_corrected_copy_is_right_and_says_what_was_done(store, tmp_path) -> None:
    found = audit(store)
    before = store.folder.joinpath("card.json").read_bytes()
    fixed = write_corrected(store, found, tmp_path / "fixed")
    assert store.folder.joinpath("card.json").read_bytes() == before
    assert len(fixed) == 51, "no structure is lost: the test keeps its own, training goes without"
    for name in ("energy", "stress"):
        values = fixed.values(name)[:48]
        np.testing.assert_allclose(values, copper().labels[name].numpy(), rtol=1e-6, atol=1e-9)
    assert {k: v.tolist() for k, v in fixed.splits.items()} == {
        "train": list(range(3, 30)),
        "test": list(range(30, 51)),
    }
    for line in corrections_of(found):
        assert line in fixed.card.provenance
    assert not audit(fixed).serious
    with pytest.raises(ValueError, match="certain of no correction"):
        write_corrected(fixed, audit(fixed), tmp_path / "again")
    with pytest.raises(FileExistsError):
        write_corrected(store, found, tmp_path / "fixed")


def test_rows_keep_their_numbers_when_some_are_set_aside(tmp_path) -> None:
    broken = replace(molecules()[3], positions=torch.full_like(molecules()[3].positions, torch.nan))
    whole = Structures.concatenate([molecules()[:10], broken, molecules()[10:]])
    energy = whole.labels["energy"].clone()
    energy[20] = -999.0
    data = Examined.of(whole.with_labels(energy=energy))
    found = {f.check: f for f in audit(data).findings}
    assert found["well_formed"].rows == (10,)
    assert found["sentinels"].rows == (20,)
    fixed = write_corrected(data, audit(data), tmp_path / "fixed")
    assert np.isnan(fixed.values("energy")).nonzero()[0].tolist() == [19]


def test_corrections_of_some_rows_leave_the_others(rng) -> None:
    data = molecules().with_labels(
        energy=torch.where(torch.arange(60) % 7 == 0, -999.0, molecules().labels["energy"])
    )
    rows = Corrected(data, audit(data, checks=["sentinels"]).findings)
    order = rng.permutation(60)
    expected = data.labels["energy"].clone()
    expected[expected == -999.0] = torch.nan
    torch.testing.assert_close(rows[order].labels["energy"], expected[order], equal_nan=True)
    torch.testing.assert_close(rows[order].positions, data[order].positions)


def test_every_check_is_asked_once() -> None:
    found = audit(molecules())
    assert list(found.seconds) == check_names()
    assert list(audit(molecules(), quick=True).seconds) == check_names(quick=True)
    assert set(check_names(quick=True)) < set(check_names())


def test_json_and_exit_status(store, tmp_path) -> None:
    done = CliRunner().invoke(app, ["data", "audit", str(store.folder), "--json"])
    assert done.exit_code == 1
    findings = json.loads(done.stdout)
    assert set(findings[0]) == {"check", "severity", "evidence", "rows", "proposal"}
    assert findings[0]["severity"] == "serious"
    clean = write_store(tmp_path / "clean", [molecules()], Card(name="clean"))
    done = CliRunner().invoke(app, ["data", "audit", str(clean.folder), "--json", "--quick"])
    assert (done.exit_code, json.loads(done.stdout)) == (0, [])


def test_terminal_report_html_and_fix(store, tmp_path) -> None:
    page, out = tmp_path / "report.html", tmp_path / "fixed"
    done = CliRunner().invoke(
        app, ["data", "audit", str(store.folder), "--html", str(page), "--fix", str(out)], terminal_width=200
    )
    assert done.exit_code == 1, done.output
    for text in ("serious", "kbar", "energy multiplied by the number of atoms", "Corrected copy of 51"):
        assert text in done.stdout
    assert not audit(Store.open(out)).serious
    text = page.read_text(encoding="utf-8")
    assert text.startswith("<!doctype html>")
    assert "http" not in text, "nothing is loaded from elsewhere"
    assert all(name.replace("_", " ") in text for name in check_names())


def test_a_page_escapes_what_it_is_given() -> None:
    found = replace(audit(molecules()[:2]), name="<b>&")
    assert "&lt;b&gt;&amp;" in html_report(found)
    assert "No check found anything" in html_report(found)


def test_a_file_that_cannot_be_loaded_is_audited(tmp_path) -> None:
    water = to_ase(molecules()[0])[0]
    water.pbc = True
    path = tmp_path / "water.traj"
    water.write(path)
    done = CliRunner().invoke(app, ["data", "audit", str(path), "--json", "--fix", str(tmp_path / "fixed")])
    assert done.exit_code == 1
    assert [f["check"] for f in json.loads(done.stdout)] == ["well_formed"]
    assert not Store.open(tmp_path / "fixed").values("pbc").any()


def test_labels_that_are_refused_are_a_finding(tmp_path) -> None:
    crystal = to_ase(copper()[0])[0]
    crystal.info["virial"] = np.eye(3) * 1e3
    crystal.write(tmp_path / "two.extxyz")
    done = CliRunner().invoke(app, ["data", "audit", str(tmp_path / "two.extxyz"), "--json"])
    (found,) = json.loads(done.stdout)
    assert (found["check"], found["severity"]) == ("reading", "serious")
    assert "contradict" in found["evidence"]


def test_what_cannot_be_read_is_one_finding(tmp_path) -> None:
    (tmp_path / "empty.extxyz").touch()
    done = CliRunner().invoke(app, ["data", "audit", str(tmp_path / "empty.extxyz")])
    assert done.exit_code == 1
    assert "0 structures" in done.stdout
    assert "is empty" in done.stdout
    assert "checks in" not in done.stdout, "none was asked"


def test_only_so_many_atoms_are_compared(monkeypatch) -> None:
    monkeypatch.setattr(repeated, "MOST_ATOMS", 60)
    twice = replace(molecules(), positions=molecules().positions.flip(1).contiguous())
    data = Examined.of(Structures.concatenate([molecules(), twice]))
    (found,) = audit(data, checks=["duplicates"]).findings
    assert 0 < len(found.rows) < 60
    assert f"{repeated.looked_at(data)} structures looked at" in found.evidence
    compared = data.counts[list(found.rows)].sum()
    assert compared <= 60


def test_one_trajectory_is_not_compared_with_itself() -> None:
    frames = replace(molecules(), ids=tuple(f"run/{k}" for k in range(60)))
    assert len(repeated.same_pairs(Examined.of(frames))) == 0
    assert repeated.looked_at(Examined.of(frames)) == 60
