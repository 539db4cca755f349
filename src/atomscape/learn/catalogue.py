"""What ships ready to run: experiments (modules) and trainings (YAML), told about without being run."""

from __future__ import annotations

import ast
from importlib import resources
from importlib.util import find_spec
from pathlib import Path

from atomscape.find import available, find


def experiments() -> list[str]:
    """Names of the recipes that are modules."""
    return available("recipes")


def about(name: str) -> tuple[str, str]:
    """Title and target of an experiment. Its module is read and not run, which would load torch."""
    spec = find_spec(f"atomscape.recipes.{name}")
    if spec is None or spec.origin is None:  # of another package
        module = find("recipes", name)
        return title_of(module.__doc__), module.TARGET
    tree = ast.parse(Path(spec.origin).read_text(encoding="utf-8"))
    (target,) = (
        ast.literal_eval(node.value)
        for node in tree.body
        if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "TARGET"
    )
    return title_of(ast.get_docstring(tree)), target


def title_of(docstring: str | None) -> str:
    """First line of a docstring."""
    return (docstring or "").strip().partition("\n")[0]


def training_title(name: str) -> str:
    """What a shipped config is for: the comment that its file begins with."""
    text = resources.files("atomscape").joinpath("recipes", f"{name}.yaml").read_text(encoding="utf-8")
    return text.partition("\n")[0].removeprefix("#").strip()
