"""Stores grow, are joined and are checked from the command line."""

from __future__ import annotations


def test_append_merge_verify(run, copper):
    """A store is made of a file, grown by it, joined with another, and read through."""
    assert run("data", "convert", copper, "store")[0] == 0
    status, out, err = run("data", "append", "store", copper)
    assert (status, err) == (0, "")
    assert "30 + 30 = 60 structures, in store" in out
    assert "appended copper (fingerprint" in run("data", "info", "store")[1].replace("\n", " ")
    status, out, err = run("data", "merge", "both", "store", copper)
    assert (status, out) == (1, "")
    assert "cannot be told apart by name" in err


def test_verify_tells_what_is_wrong(run, copper, here):
    """The state of a store is status 0 or one line and status 1."""
    run("data", "convert", copper, "store")
    status, out, err = run("data", "verify", "store")
    assert (status, err) == (0, "")
    assert "store is what its card says: 30 structures in 1 file, " in out
    shard = here / "store" / "shard-00000.arrow"
    content = bytearray(shard.read_bytes())
    content[len(content) // 2] ^= 1
    shard.write_bytes(bytes(content))
    status, out, err = run("data", "verify", "store")
    assert (status, out) == (1, "")
    assert "shard-00000.arrow was altered" in err
    assert len(err.strip().splitlines()) == 1
    assert run("data", "verify", "nothing")[0] == 1


def test_merge_joins(run, copper, here):
    """Two datasets of different names become one."""
    copper.rename(here / "first.xyz")
    (here / "second.xyz").write_text((here / "first.xyz").read_text())
    status, out, err = run("data", "merge", "both", "first.xyz", "second.xyz")
    assert (status, err) == (0, "")
    assert "30 + 30 = 60 structures, 360 atoms, in both" in out
    assert run("data", "verify", "both")[0] == 0
    status, _, err = run("data", "merge", "both", "first.xyz", "second.xyz")
    assert status == 1
    assert "--overwrite" in err


def test_the_same_structures_twice_are_told(run, copper):
    """Appending by accident twice is seen; stores of one name are joined under names of their own."""
    run("data", "convert", copper, "store")
    _, out, _ = run("data", "append", "store", copper)
    assert "30 of them have ids that stood in the store before" in out
    status, out, err = run("data", "merge", "both", "store", copper, "--names", "old,new")
    assert (status, err) == (0, "")
    assert "60 + 30 = 90 structures" in out
