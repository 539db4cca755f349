"""The command line as a whole: help without weight, errors in one line, a clean stop."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

from atomscape.cli import app as cli

COMMANDS = ("demo", "data", "info", "train", "recipe", "evaluate", "embed", "map", "doctor")
HEAVY = ("torch", "numpy", "ase", "pydantic", "pyarrow", "sklearn", "accelerate")


def test_help_lists_the_commands(run):
    """Every command is there with a line about it."""
    status, out, err = run("--help")
    assert (status, err) == (0, "")
    assert all(f"│ {name}" in out for name in COMMANDS)


@pytest.mark.parametrize("name", COMMANDS)
def test_each_command_explains_itself(run, name):
    """Help of a command fits and names its options."""
    status, out, _ = run(name, "--help")
    assert status == 0
    assert "Usage: atomscape" in out


def test_help_loads_nothing_heavy():
    """What makes ``--help`` quick: none of the large libraries is imported to print it."""
    code = f"import sys, atomscape.cli; print([m for m in {HEAVY} if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_module_and_version():
    """``python -m atomscape`` is the command."""
    command = [sys.executable, "-m", "atomscape", "--version"]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert done.stdout.startswith("atomscape 0.")
    assert done.stderr == ""


def test_a_mistake_is_one_line(run):
    """What was asked, what is near; no traceback; status 1."""
    status, out, err = run("data", "info", "qm99")
    assert (status, out) == (1, "")
    assert "'qm99' is no file, no folder and no named dataset; did you mean 'qm9'?" in err
    assert "Traceback" not in err
    assert len(err.strip().splitlines()) == 1


def test_debug_shows_the_traceback(monkeypatch):
    """With ``--debug`` the exception itself comes out."""
    monkeypatch.setattr(sys, "argv", ["atomscape", "--debug", "data", "info", "qm99"])
    with pytest.raises(LookupError, match="qm99"):
        cli.main()


def test_an_unknown_command_is_explained(run):
    """Typer's own message, status 2."""
    status, _, err = run("trian")
    assert status == 2
    assert "train" in err


def test_ctrl_c_says_so_and_ends_with_130(run, monkeypatch):
    """No traceback on an interrupt."""

    def interrupted(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr("atomscape.data.get.catalogue", interrupted)
    status, _, err = run("data", "list")
    assert (status, err.strip()) == (130, "stopped")


@pytest.mark.parametrize(
    ("error", "text"),
    [
        (KeyError("no label 'a'"), "no label 'a'"),
        (FileNotFoundError(2, "No such file or directory", "a.xyz"), "a.xyz: No such file or directory"),
        (ValueError("cell [0, 0]"), "cell [0, 0]"),
        (OSError("cannot write x"), "cannot write x"),
        (LookupError(), "LookupError"),
    ],
)
def test_messages_are_printed_as_they_are(capsys, error, text):
    """Neither quoted, nor numbered, nor read as markup."""
    from atomscape.cli.output import show_error

    show_error(error)
    assert capsys.readouterr().err == f"error: {text}\n"


def test_a_closed_pipe_is_no_error():
    """``atomscape data list | head -1`` prints no traceback."""
    command = f"{sys.executable} -m atomscape data list | head -1"
    done = subprocess.run(command, shell=True, capture_output=True, text=True)
    assert "Traceback" not in done.stderr
    assert done.stdout.startswith("name")


def test_the_schema_of_a_config_is_json(run):
    """An editor can check a config with it."""
    status, out, _ = run("train", "--schema")
    assert status == 0
    assert {"data", "encoder", "objectives", "training"} <= set(json.loads(out)["properties"])
