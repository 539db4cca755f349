"""A folder is one process's: a second one is told whose, and gets it when the first has gone."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from atomscape.simulate.lock import LOCK, locked

HOLD = """
import sys, time
from atomscape.simulate.lock import locked
with locked(sys.argv[1]):
    print("held", flush=True)
    time.sleep(60)
"""


def test_a_second_process_is_told_of_the_first(tmp_path):
    """It waits for nothing; a process that was killed leaves no lock behind."""
    folder = tmp_path / "made/for/this"
    first = subprocess.Popen([sys.executable, "-c", HOLD, str(folder)], stdout=subprocess.PIPE, text=True)
    try:
        assert first.stdout is not None
        assert first.stdout.readline() == "held\n"
        with (
            pytest.raises(ValueError, match=rf"process {first.pid} is writing in .*this at this moment"),
            locked(folder),
        ):
            pass
    finally:
        first.kill()
        first.communicate()
    assert (folder / LOCK).exists()
    with locked(folder):
        assert (folder / LOCK).read_text() == f"{os.getpid()}\n"
        with pytest.raises(ValueError, match=f"process {os.getpid()} is writing"), locked(folder):
            pass
        (folder / "kept").touch()
    assert [path.name for path in folder.iterdir()] == ["kept"]


def test_folders_made_for_nothing_go_again(tmp_path):
    with pytest.raises(ZeroDivisionError), locked(tmp_path / "a/b"):
        raise ZeroDivisionError
    assert list(tmp_path.iterdir()) == []
