"""Read and write run configs: YAML files, shipped recipes, ``key.sub=value`` overrides, the JSON schema."""

from __future__ import annotations

import json
from collections.abc import Sequence
from importlib import resources
from pathlib import Path
from typing import Any

import yaml
from pydantic import ValidationError

from atomscape.find import suggest
from atomscape.learn.config import RunConfig, readable


def recipes() -> list[str]:
    """Names of the recipes shipped with the package."""
    folder = resources.files("atomscape").joinpath("recipes")
    return sorted(f.name[:-5] for f in folder.iterdir() if f.name.endswith(".yaml"))


def load_config(what: str | Path, overrides: Sequence[str] = ()) -> RunConfig:
    """Load a YAML file, or a shipped recipe by name, and apply overrides such as ``training.epochs=10``.

    A relative path of a split file, or of the model to start from, is looked up beside the YAML file.

    Raises
    ------
    ValueError
        Neither a file nor a recipe, broken YAML, an unknown key (with a suggestion) or a bad value.
    """
    path = Path(what)
    if (path / "config.yaml").is_file():
        path = path / "config.yaml"
    if path.suffix in (".yaml", ".yml"):
        if not path.is_file():
            raise ValueError(f"no config file {path}")
        return parse_config(path.read_text(), overrides, str(path), path.parent)
    if str(what) not in recipes():
        known = recipes()
        raise ValueError(
            f"{str(what)!r} is neither a YAML file nor a recipe{suggest(str(what), known)} "
            f"Known: {', '.join(known)}."
        )
    text = resources.files("atomscape").joinpath("recipes", f"{what}.yaml").read_text()
    return parse_config(text, overrides, f"recipe {what}")


def parse_config(
    text: str, overrides: Sequence[str] = (), what: str = "config", beside: Path | None = None
) -> RunConfig:
    """Parse YAML text and apply overrides; see ``load_config``."""
    try:
        raw = yaml.safe_load(text)
    except yaml.YAMLError as error:
        raise ValueError(f"{what} is not valid YAML: {error}") from None
    if not isinstance(raw, dict):
        raise ValueError(
            f"{what} must hold keys such as data, encoder, objectives; it holds {type(raw).__name__}"
        )
    if beside is not None:
        _find_files(raw, beside)
    return validate(apply_overrides(raw, overrides), what)


def validate(raw: dict[str, Any], what: str = "config") -> RunConfig:
    """Make a ``RunConfig`` of nested dicts; faults become one readable ``ValueError``."""
    try:
        return RunConfig.model_validate(raw)
    except ValidationError as error:
        raise ValueError(readable(error, what)) from None


def with_overrides(config: RunConfig, overrides: Sequence[str]) -> RunConfig:
    """Return the config with overrides applied."""
    return validate(apply_overrides(config.model_dump(mode="json"), overrides)) if overrides else config


def apply_overrides(raw: dict[str, Any], overrides: Sequence[str]) -> dict[str, Any]:
    """Set ``key.sub=value`` in nested dicts and lists; values are read as YAML. The input is not changed.

    Raises
    ------
    ValueError
        No ``=`` in an override, a value that cannot be read, or a list index that does not exist.
    """
    raw = json.loads(json.dumps(raw, default=str))
    for override in overrides:
        path, equals, value = override.partition("=")
        if not equals or not path:
            raise ValueError(
                f"override {override!r} is not of the form key.sub=value, as in training.epochs=10"
            )
        try:
            parsed = yaml.safe_load(value)
        except yaml.YAMLError:
            raise ValueError(f"override {override!r}: cannot read the value {value!r} as YAML") from None
        _set(raw, path.strip().split("."), parsed, override)
    return raw


def _set(raw: Any, keys: list[str], value: Any, override: str) -> None:
    node = raw
    for depth, key in enumerate(keys):
        where: Any = key
        if isinstance(node, list):
            if not key.lstrip("-").isdigit() or not -len(node) <= int(key) < len(node):
                raise ValueError(f"override {override!r}: {key!r} is not an index into a list of {len(node)}")
            where = int(key)
        elif not isinstance(node, dict):
            raise ValueError(
                f"override {override!r}: {'.'.join(keys[:depth])} is a value and has no key {key!r}"
            )
        if depth == len(keys) - 1:
            node[where] = value
        else:
            if isinstance(node, dict) and node.get(where) is None:
                node[where] = {}
            node = node[where]


def _find_files(raw: dict[str, Any], beside: Path) -> None:
    """Make paths of split files and of the model to start from absolute, where they lie beside the config."""
    start = raw.get("start_from")
    if isinstance(start, str) and (beside / start).exists():
        raw["start_from"] = str(beside.absolute() / start)
    if isinstance(start, dict) and (beside / str(start.get("model", ""))).exists() and start.get("model"):
        start["model"] = str(beside.absolute() / start["model"])
    datasets = raw.get("data")
    for dataset in datasets if isinstance(datasets, list) else ():
        split = dataset.get("split") if isinstance(dataset, dict) else None
        if isinstance(split, dict) and "path" in split and (beside / str(split["path"])).is_file():
            split["path"] = str(beside.absolute() / str(split["path"]))


def to_yaml(config: RunConfig) -> str:
    """Config as YAML, all defaults written out; ``parse_config(to_yaml(c)) == c``."""
    return yaml.safe_dump(config.model_dump(mode="json"), sort_keys=False, allow_unicode=True)


def json_schema() -> dict[str, Any]:
    """JSON schema of a run config, for editors."""
    return RunConfig.model_json_schema()
