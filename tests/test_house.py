"""The house keeps its own rules: sizes, names, nothing happens on import."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
FILES = sorted((ROOT / "src").rglob("*.py"))
FORBIDDEN = {"utils", "util", "helpers", "helper", "common", "base", "manager", "misc"}
LONGEST_FILE, LONGEST_FUNCTION, MOST_NAMES = 400, 60, 25


def _tree(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"))


def test_files_are_short_and_named_after_an_idea():
    """No file is longer than 400 lines, none has a name that says nothing."""
    long = {str(f): n for f in FILES if (n := len(f.read_text(encoding="utf-8").splitlines())) > LONGEST_FILE}
    assert long == {}
    assert [str(f) for f in FILES if f.stem in FORBIDDEN] == []


def test_functions_are_short():
    """No function is longer than 60 lines."""
    found = {}
    for path in FILES:
        for node in ast.walk(_tree(path)):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                lines = (node.end_lineno or node.lineno) - node.lineno + 1
                if lines > LONGEST_FUNCTION:
                    found[f"{path.name}:{node.lineno} {node.name}"] = lines
    assert found == {}


@pytest.mark.parametrize("path", [f for f in FILES if f.name == "__init__.py"], ids=lambda p: p.parent.name)
def test_packages_hold_names_only(path):
    """An ``__init__.py`` has a docstring, imports, ``__all__`` and the version; at most 25 public names."""
    names = set()
    for node in _tree(path).body:
        if isinstance(node, ast.Expr):
            assert isinstance(node.value, ast.Constant), f"code at {path}:{node.lineno}"
        elif isinstance(node, ast.ImportFrom | ast.Import):
            names |= {a.asname or a.name for a in node.names}
        else:
            assert isinstance(node, ast.Assign), f"code at {path}:{node.lineno}"
            assert {t.id for t in node.targets if isinstance(t, ast.Name)} <= {"__all__", "__version__"}
    assert len({n for n in names if not n.startswith("_")}) <= MOST_NAMES


def test_importing_does_nothing(tmp_path):
    """``import atomscape`` loads neither torch nor plug-ins and makes no file or folder."""
    code = "import sys, atomscape; print(sorted({'torch', 'numpy', 'rich', 'pydantic'} & set(sys.modules)))"
    home = {"HOME": str(tmp_path), "PATH": "", "XDG_CACHE_HOME": str(tmp_path / "cache")}
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, env=home, cwd=tmp_path
    )
    assert (done.stdout.strip(), done.stderr) == ("[]", "")
    assert list(tmp_path.iterdir()) == []


def test_constraints_pin_every_requirement():
    """Each direct requirement, of all extras, has one exact version in ``constraints.txt``."""
    import re
    import tomllib

    lines = [x for x in (ROOT / "constraints.txt").read_text().splitlines() if not x.startswith("#")]
    assert lines[0] == "torch==2.13.0"
    assert all(re.fullmatch(r"[a-z0-9.\-]+==[a-z0-9.]+", line) for line in lines)
    pinned = [line.split("==")[0] for line in lines]
    assert len(set(pinned)) == len(pinned)
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    asked = [
        *project["dependencies"],
        *(r for extra in project["optional-dependencies"].values() for r in extra),
    ]
    names = {re.match(r"[A-Za-z0-9.\-]+", r).group(0).lower() for r in asked} - {"atomscape"}
    assert names - set(pinned) == set()
