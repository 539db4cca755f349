"""Every command line that the documentation shows exists, with its options, recipes and settings."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest
import typer

from atomscape.cli.app import app
from atomscape.learn.config import RunConfig
from atomscape.learn.recipe import recipes

ROOT = Path(__file__).resolve().parents[2]
PAGES = [
    ROOT / "README.md",
    *sorted((ROOT / "docs").glob("*.md")),
    *sorted((ROOT / "docs/howto").glob("*.md")),
]


def shown(page: Path) -> list[str]:
    """Lines that begin with ``atomscape``, joined where they end in a backslash, without their comments."""
    lines = []
    for block in re.findall(r"```bash\n(.*?)```", page.read_text(encoding="utf-8"), re.DOTALL):
        joined = block.replace("\\\n", " ").replace(".venv/bin/", "")
        lines += [line.split(" #")[0] for line in joined.splitlines() if line.startswith("atomscape ")]
    return lines


COMMANDS = sorted({(page.name, line) for page in PAGES for line in shown(page)})


@pytest.mark.parametrize(("page", "line"), COMMANDS)
def test_a_line_of_the_documentation(page, line):
    """Sub-commands and options are known; settings name keys that a config has."""
    _, *words = shlex.split(line.split(" > ")[0])
    command = typer.main.get_command(app)
    while hasattr(command, "commands") and words and not words[0].startswith("-"):
        assert words[0] in command.commands, f"{page}: no command {words[0]!r} in {line!r}"
        command = command.commands[words.pop(0)]
    known = {opt for p in command.params for opt in p.opts} | {"--help"}
    for word in words:
        if word.startswith("--"):
            assert word.split("=")[0] in known, f"{page}: no option {word!r} in {line!r}"
        elif re.fullmatch(r"[a-z]\w*(\.\w+)*=\S+", word) and command.name == "train":
            assert word.split("=")[0].split(".")[0] in RunConfig.model_fields, f"{page}: {word!r}"


def test_recipes_that_are_named_exist():
    """``atomscape train NAME`` with a name that is neither a file nor data of the reader's."""
    named = {shlex.split(line)[2] for _, line in COMMANDS if line.startswith("atomscape train ")}
    theirs = {n for n in named if "." not in n and "/" not in n and not n.startswith("-")} - {"ethanol"}
    assert theirs
    assert theirs <= set(recipes())
