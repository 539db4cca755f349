"""What the README says runs."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
README = (ROOT / "README.md").read_text(encoding="utf-8")


def test_the_python_example_prints_what_it_says(capsys):
    """The block runs as it stands; each ``print`` gives what its comment promises."""
    (code,) = re.findall(r"```python\n(.*?)```", README, re.DOTALL)
    exec(compile(code, "README.md", "exec"), {})
    promised = [
        line.split("# ")[1].split(": ")[0].strip() for line in code.splitlines() if line.startswith("print")
    ]
    assert capsys.readouterr().out.split("\n")[:-1] == promised
    assert len(code.splitlines()) <= 17


def test_the_make_targets_exist():
    """Both commands, and the targets named elsewhere, stand in the Makefile."""
    targets = set(re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    asked = set(re.findall(r"^make ([a-z]+)", README, re.MULTILINE)) | set(
        re.findall(r"`make ([a-z]+)`", README)
    )
    assert {"demo", "test"} <= asked <= targets


@pytest.mark.parametrize("link", sorted(set(re.findall(r"\]\(([^)#:]+)\)", README))))
def test_links_lead_to_files(link):
    """No link or picture is dead."""
    assert (ROOT / link).is_file()
