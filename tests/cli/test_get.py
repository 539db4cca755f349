"""``atomscape data get``: what it says when it may not, cannot, or need not ask the network."""

from __future__ import annotations

import pytest


def test_offline_lists_what_to_bring(run, here):
    """Each file with its address and size, and the folder it belongs in."""
    status, _, err = run("data", "get", "qm9", "--offline")
    assert status == 1
    said = " ".join(err.split())
    assert "dsgdb9nsd.xyz.tar.bz2 from https://ndownloader.figshare.com/files/3195389 (86.1 MB)" in said
    assert "$ATOMSCAPE_DATA/qm9" in said
    assert list((here / "cache").glob("downloads/**/*.part")) == []


def test_offline_by_the_environment(run, here, monkeypatch):
    """The same, without the option."""
    monkeypatch.setenv("ATOMSCAPE_OFFLINE", "1")
    status, _, err = run("data", "get", "nomad", "--limit", "100")
    assert status == 1
    assert "atomscape data get nomad --limit 100" in " ".join(err.split())


def test_what_ships_needs_no_network(run, here):
    """The embedded sample is read, offline too."""
    status, out, _ = run("data", "get", "sample", "--offline")
    assert status == 0
    assert "structures" in out


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["nomad"], "millions of entries; say how many you want (--limit 10000)"),
        (["qm9", "--limit", "5"], "a dataset of files"),
        (["oqmd", "--limit", "0"], "asks for nothing"),
        (["carolina"], "has no address to download them from"),
        (["materials_project_api"], "set MP_API_KEY"),
        (["alexandria"], "name one of its parts. Parts: alexandria:pbe"),
        (["matbench:mp_gab"], "did you mean 'mp_gap'"),
    ],
)
def test_what_cannot_be_had_is_explained(run, here, monkeypatch, arguments, said):
    """In one line, before anything is asked of anybody."""
    monkeypatch.delenv("MP_API_KEY", raising=False)
    monkeypatch.setattr("atomscape.data.online.open_url", lambda *_: pytest.fail("the network was asked"))
    status, out, err = run("data", "get", *arguments)
    assert status == 1
    assert said.replace(" ", "") in "".join((out + err).split())


def test_list_and_info_tell_how_to_get_it(run, here):
    """By a download, by asking a service, or by bringing the file."""
    from atomscape.data.get import catalogue

    how = {entry.name: entry.how_to_get for entry in catalogue()}
    assert how["qm9"] == "atomscape data get qm9 (87 MB)"
    assert how["nomad"] == "atomscape data get nomad --limit 1000"
    assert how["carolina"] == "put its file into $ATOMSCAPE_DATA/matsciml_devsets"
    assert how["sample"] == "it is in the package"
    assert run("data", "list")[0] == 0
    _, out, _ = run("data", "info", "oqmd")
    assert "It is not on this machine: atomscape data get oqmd --limit 1000" in " ".join(out.split())
