"""Datasets by name: modules of ``data/sources/``, parts of collections (``md17:aspirin``), dotted paths."""

from __future__ import annotations

from collections.abc import Mapping
from importlib.util import find_spec
from types import ModuleType
from typing import cast

from atomscape.data.source import Part, Source
from atomscape.find import available, find, suggest

KIND = "data.sources"


def source_names() -> list[str]:
    """Names of all datasets, collections by their parts."""
    names = []
    for name in available(KIND):
        parts = _parts(find(KIND, name))
        names += [name] if parts is None else [f"{name}:{part}" for part in parts]
    return names


def find_source(name: str) -> Source:
    """Source of that name.

    Raises
    ------
    LookupError
        There is none, or the name is that of a collection; the message lists the parts it has.
    """
    base, _, wanted = name.partition(":")
    module = find(KIND, base)
    parts = _parts(module)
    if parts is None:
        if wanted:
            raise LookupError(f"{base} is one dataset, without parts; ask for {base!r}, not for {name!r}")
        return cast(Source, module)
    if wanted not in parts:
        asked = (
            f"{base} has no part {wanted!r}" if wanted else f"{base} is a collection; name one of its parts"
        )
        hint = suggest(wanted, list(parts)) if wanted else "."
        raise LookupError(f"{asked}{hint} Parts: {', '.join(f'{base}:{part}' for part in parts)}.")
    return parts[wanted]


def is_source_name(name: str) -> bool:
    """Whether a text is the name of a source or collection, or the dotted path of a module."""
    base = name.partition(":")[0]
    if base in available(KIND):
        return True
    if "." not in base or not all(part.isidentifier() for part in base.split(".")):
        return False
    try:
        return find_spec(base) is not None
    except ModuleNotFoundError:
        return False


def _parts(module: ModuleType) -> Mapping[str, Part] | None:
    return getattr(module, "parts", None)
