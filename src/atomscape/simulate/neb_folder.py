"""The folder of a band: images, a picture, and a state from which it goes on as if never stopped.

band.xyz            images from start to end, with energy and forces
state.safetensors   images and the optimiser's memory, written after every step
settings.json       what was asked, for people
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from ase.constraints import FixAtoms

from atomscape import __version__
from atomscape.atoms.ase import to_ase
from atomscape.atoms.structures import Structures
from atomscape.learn.checkpoint import FORMAT, read_tensors, upgraded, write_atomic, write_tensors
from atomscape.simulate.dynamics_folder import SETTINGS, STATE, refuse_other_settings
from atomscape.simulate.lock import locked
from atomscape.simulate.neb import Chain, find_passage
from atomscape.simulate.optimise import Memory
from atomscape.simulate.passage import Passage
from atomscape.simulate.potential import Potential
from atomscape.simulate.trajectory import extxyz

BAND = "band.xyz"
_GEOMETRY = ("positions", "numbers", "cell", "pbc", "structure")


def save_chain(path: Path, chain: Chain, settings: Mapping[str, Any]) -> None:
    """Write all that a band goes on from, atomically."""
    s, memory = chain.structures, chain.memory
    tensors = {f"structures.{name}": getattr(s, name) for name in _GEOMETRY}
    tensors |= {f"labels.{name}": values for name, values in s.labels.items()}
    tensors |= {"fixed": chain.fixed, "history": chain.history}
    header = {"kind": "band", "format": FORMAT, "atomscape": __version__, "settings": dict(settings)}
    header |= {"step": chain.step, "climbing": chain.climbing, "ids": list(s.ids), "memory": None}
    if memory is not None:
        tensors |= {f"row.{name}": values for name, values in memory.by_row.items()}
        tensors |= {f"one.{name}": values for name, values in memory.by_structure.items()}
        names = {"row": list(memory.by_row), "one": list(memory.by_structure), "steps": memory.steps}
        header["memory"] = names  # an optimiser knows its tensors by their order
    write_tensors(path, tensors, header)


def load_chain(path: Path) -> tuple[Chain, dict[str, Any]]:
    """A band and its settings.

    Raises
    ------
    ValueError
        No such file, or it is no state of a band.
    """
    tensors, header = read_tensors(path)
    if header.get("kind") != "band":
        raise ValueError(f"{path} is a {header.get('kind')!r} file; the state of a band is needed")
    header = upgraded(header, path)
    labels = {k.removeprefix("labels."): v for k, v in tensors.items() if k.startswith("labels.")}
    x, z, cell, pbc, owner = (tensors[f"structures.{name}"] for name in _GEOMETRY)
    s, names = Structures(x, z, cell, pbc, owner, labels, tuple(header["ids"])), header["memory"]
    memory = None
    if names is not None:
        by_row, by_one = ({n: tensors[f"{kind}.{n}"] for n in names[kind]} for kind in ("row", "one"))
        memory = Memory(by_row, by_one, names["steps"])
    chain = Chain(s, tensors["fixed"], header["climbing"], memory, header["step"], tensors["history"])
    return chain, header["settings"]


def band_in_folder(
    folder: str | Path,
    start: Callable[[], Chain],
    potential: Potential,
    *,
    settings: Mapping[str, Any],
    resume: bool = False,
    overwrite: bool = False,
    progress: Callable[[Passage], None] | None = None,
    **options: Any,
) -> Passage:
    """Find a passage in a folder that can be returned to.

    Parameters
    ----------
    start
        Makes the first chain; not called where a band is resumed.
    settings
        What a continuation must agree with.
    progress
        Called with every band.
    options
        Those of ``find_passage``.

    Raises
    ------
    ValueError
        There is a band already, another one is to be resumed, or another process writes here.
    """
    folder = Path(folder)
    with locked(folder):
        chain = _opened(folder, start, settings, resume, overwrite)

        def watch(passage: Passage, chain: Chain) -> None:
            save_chain(folder / STATE, chain, settings)
            write_atomic(folder / BAND, band_text(passage.structures, chain))
            if progress is not None:
                progress(passage)

        return find_passage(potential, chain, observe=watch, **options)


def band_text(structures: Structures, chain: Chain) -> bytes:
    """Images as extended xyz, with their number and the atoms that are held."""
    images = to_ase(structures)
    held = np.flatnonzero(chain.fixed[: len(images[0])].numpy())
    for k, image in enumerate(images):
        image.info["image"] = k
        image.set_constraint(FixAtoms(held) if len(held) else None)
    return extxyz(images)


def _opened(
    folder: Path, start: Callable[[], Chain], settings: Mapping[str, Any], resume: bool, overwrite: bool
) -> Chain:
    state = folder / STATE
    if state.is_file() and resume:
        chain, before = load_chain(state)
        refuse_other_settings(before, settings, folder)
        return chain
    there = [name for name in (STATE, BAND, SETTINGS) if (folder / name).exists()]
    if there and not overwrite:
        raise ValueError(
            f"{folder} holds {', '.join(there)}: --resume continues a band, --overwrite starts anew, --out "
            "names another folder"
        )
    chain = start()
    state.unlink(missing_ok=True)
    write_atomic(folder / SETTINGS, (json.dumps(settings, indent=1, ensure_ascii=False) + "\n").encode())
    return chain
