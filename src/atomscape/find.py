"""A file is a registration: ``find("encoders", "tfn")`` is the module ``atomscape/encoders/tfn.py``.

A plug-in is a module. It is found, in this order, as

1. a dotted path to any importable module (``"my_package.my_encoder"``), or to a file in a folder of that
   folder (``"foreign.mace"``),
2. a file in the folder of that kind inside this package,
3. an entry point of another installed package in the group ``atomscape.<kind>``.

Adding an encoder, head or dataset is therefore adding one file; nothing else has to be edited.
"""

from __future__ import annotations

import sys
from difflib import get_close_matches
from functools import cache
from importlib import import_module, resources
from importlib.metadata import EntryPoints, entry_points
from types import ModuleType

KINDS = (
    "encoders",
    "heads",
    "data.sources",
    "data.formats",
    "data.checks",
    "data.corruptions",
    "data.groups",
    "label.methods",
    "learn.trackers",
    "representations",
    "recipes",
    "ops.kernels",
)


def available(kind: str) -> list[str]:
    """Names that ``find`` knows for this kind, sorted; nothing is imported to list them."""
    _check(kind)
    return sorted(_files(kind) | {e.name for e in _offered(kind)})


def find(kind: str, name: str) -> ModuleType:
    """Import and return the plug-in module.

    Raises
    ------
    LookupError
        No plug-in has that name, or a dotted path leads to no module; the message lists those that exist and
        the nearest spelling.
    """
    _check(kind)
    if "." in name:
        return _imported(f"atomscape.{kind}.{name}" if _in_a_sub_folder(kind, name) else name)
    if name in _files(kind):
        return import_module(f"atomscape.{kind}.{name}")
    for entry in _offered(kind).select(name=name):
        return entry.load()
    names = available(kind)
    raise LookupError(
        f"no {_in_words(kind)} called {name!r}{suggest(name, names)} Known: {', '.join(names)}."
    )


def _in_a_sub_folder(kind: str, name: str) -> bool:
    *folders, file = name.split(".")
    path = resources.files("atomscape").joinpath(*kind.split("."), *folders, f"{file}.py")
    return all(folders) and path.is_file()


def _in_words(kind: str) -> str:
    """What one plug-in of a kind is called: ``data.sources`` → ``source``."""
    return kind.rpartition(".")[2].removesuffix("s")


def _imported(path: str) -> ModuleType:
    if path.startswith("."):
        raise LookupError(f"{path!r} is not the dotted path of a module: it begins with a dot")
    try:
        return import_module(path)
    except ModuleNotFoundError as error:
        if error.name is None or not f"{path}.".startswith(f"{error.name}."):
            raise  # the module is there; something that it needs is not
        raise LookupError(f"no module {path!r}: {error.name!r} cannot be imported from here") from None


def suggest(name: str, known: list[str] | tuple[str, ...]) -> str:
    """End of a sentence about an unknown name: ``"; did you mean 'tfn'?"`` or ``"."``."""
    near = get_close_matches(name, known, n=1, cutoff=0.5)
    return f"; did you mean {near[0]!r}?" if near else "."


def _offered(kind: str) -> EntryPoints:
    """Entry points of other packages."""
    return _on(tuple(sys.path), f"atomscape.{kind}")


@cache
def _on(path: tuple[str, ...], group: str) -> EntryPoints:
    """Entry points on a path; every installed package has to be opened for them, so only once."""
    return entry_points(group=group)


def _files(kind: str) -> set[str]:
    folder = resources.files("atomscape").joinpath(*kind.split("."))
    return {f.name[:-3] for f in folder.iterdir() if f.name.endswith(".py") and not f.name.startswith("_")}


def _check(kind: str) -> None:
    if kind not in KINDS:
        raise LookupError(
            f"no kind of plug-in called {kind!r}{suggest(kind, KINDS)} Known: {', '.join(KINDS)}."
        )
