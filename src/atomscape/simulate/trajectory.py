"""Frames as extended xyz: positions, momenta (in ASE's units), forces, energy, as every viewer reads them."""

from __future__ import annotations

import io
import re
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
from ase import Atoms, units
from ase.calculators.singlepoint import SinglePointCalculator
from ase.constraints import FixAtoms
from ase.io import write

from atomscape.atoms.ase import to_ase
from atomscape.atoms.structures import Structures
from atomscape.learn.checkpoint import write_atomic
from atomscape.simulate.motion import Motion
from atomscape.units import DALTON


def frames_of(motion: Motion, dt: float) -> list[Atoms]:
    """ASE structures of a batch, with velocities, forces, energy, and step and time (fs) in ``info``."""
    bare = Structures(*(getattr(motion.structures, n) for n in _GEOMETRY))
    images = to_ase(bare)
    offsets = motion.structures.offsets.tolist()
    mass = (motion.mass / DALTON).numpy()
    for k, image in enumerate(images):
        a, b = offsets[k], offsets[k + 1]
        image.info |= {"step": motion.step, "time": motion.step * dt}
        image.arrays["masses"] = mass[a:b].copy()
        image.set_velocities(motion.velocities[a:b].numpy() / units.fs)
        held = np.flatnonzero(motion.fixed[a:b].numpy())
        if len(held):
            image.set_constraint(FixAtoms(held))
        image.calc = SinglePointCalculator(
            image, energy=float(motion.energy[k]), forces=motion.forces[a:b].numpy().copy()
        )
    return images


_GEOMETRY = ("positions", "numbers", "cell", "pbc", "structure")


def cut_to_whole_frames(path: Path) -> None:
    """Take off a last frame that was not written to its end.

    Raises
    ------
    ValueError
        The file has no frames.
    """
    with path.open("r+b") as f:
        f.truncate(sum(len(line) for frame in _frames(path) for line in frame))


def cut_to_structures(path: Path, n: int) -> None:
    """Keep the frames of the first n structures, by the number that ``structure=`` gives them.

    Raises
    ------
    ValueError
        The file has no frames, or frames without that number.
    """
    kept = []
    for frame in _frames(path):
        number = re.search(rb"\bstructure=(\d+)", frame[1])
        if number is None:
            raise ValueError(f"{path} has frames that do not say of which structure they are; move it away")
        kept += frame if int(number[1]) < n else []
    write_atomic(path, b"".join(kept))


def _frames(path: Path) -> Iterator[list[bytes]]:
    """Lines of every whole frame."""
    lines = path.read_bytes().splitlines(keepends=True)
    at = 0
    while at < len(lines):
        if not lines[at].strip().isdigit():
            raise ValueError(f"line {at + 1} of {path} is no number of atoms, so it is no extended xyz")
        frame = lines[at : at + int(lines[at]) + 2]
        if len(frame) < int(lines[at]) + 2 or not frame[-1].endswith(b"\n"):
            return
        at += len(frame)
        yield frame


def extxyz(images: Sequence[Atoms]) -> bytes:
    """Frames as text."""
    text = io.StringIO()
    write(text, list(images), format="extxyz")
    return text.getvalue().encode()
