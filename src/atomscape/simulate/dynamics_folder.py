"""The folder of a simulation: trajectories, a log, and a state from which it goes on as if never stopped.

trajectory.xyz      frames (``trajectory-0.xyz``, ``-1``, … where there are several structures)
log.csv             step, time, structure, energies, temperature of every frame and of the steps between
uncertainty.csv     of an ensemble: how far its members disagree, at every line of the log
state.safetensors   positions, velocities, forces, and how long the files were when it was written
settings.json       what was asked, for people

Noise is a function of seed and step and forces do not depend on the skin, so a simulation that was killed and
continued has the bytes of one that was not.
"""

from __future__ import annotations

import json
import re
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from atomscape import __version__
from atomscape.atoms.structures import Structures
from atomscape.learn.checkpoint import FORMAT, read_tensors, upgraded, write_atomic, write_tensors
from atomscape.shapes import Tensor
from atomscape.simulate.dynamics import Observer, advance
from atomscape.simulate.ensemble import Doubt
from atomscape.simulate.integrators import Integrator
from atomscape.simulate.lock import locked
from atomscape.simulate.motion import Motion
from atomscape.simulate.potential import Potential
from atomscape.simulate.skin import SKIN
from atomscape.simulate.trajectory import extxyz, frames_of

STATE, LOG, SETTINGS, DOUBT = "state.safetensors", "log.csv", "settings.json", "uncertainty.csv"
COLUMNS = "step,time_fs,structure,energy_ev,kinetic_ev,temperature_k,conserved_ev"
DOUBTS = "step,time_fs,structure,energy_sigma_ev,force_sigma_ev_per_a"
Doubtful = Callable[[Structures], Doubt | None]
"""How sure a potential is of structures."""

_MOTION = ("velocities", "energy", "forces", "mass", "fixed", "freedom", "given")
_GEOMETRY = ("positions", "numbers", "cell", "pbc", "structure")


_OURS = re.compile(rf"trajectory(-\d+)?\.xyz|{LOG}|{SETTINGS}|{DOUBT}|log\.svg")


def trajectory_names(n: int) -> list[str]:
    """Names of the trajectories of n structures."""
    return ["trajectory.xyz"] if n == 1 else [f"trajectory-{k}.xyz" for k in range(n)]


@dataclass(eq=False)
class Recorder:
    """Appends frames and lines to a folder, and knows how long its files are."""

    folder: Path
    dt: float
    log_every: int
    frame_every: int
    doubtful: Doubtful | None = None
    sizes: dict[str, int] = field(default_factory=dict)

    def __call__(self, motion: Motion) -> None:
        """Write what is due at this step."""
        if motion.step % self.log_every == 0:
            self._append(LOG, "".join(_lines(motion, self.dt)).encode())
            self._doubt(motion)
        if motion.step % self.frame_every == 0:
            frames = frames_of(motion, self.dt)
            for name, frame in zip(trajectory_names(len(frames)), frames, strict=True):
                self._append(name, extxyz([frame]))

    def begin(self, n: int) -> None:
        """Empty files."""
        tables = {LOG: COLUMNS} | ({} if self.doubtful is None else {DOUBT: DOUBTS})
        for name in (*trajectory_names(n), *tables):
            (self.folder / name).write_bytes(b"")
            self.sizes[name] = 0
        for name, columns in tables.items():
            self._append(name, (columns + "\n").encode())

    def go_on(self, sizes: Mapping[str, int]) -> None:
        """Cut off what was written after the state was.

        Raises
        ------
        ValueError
            A file is shorter than it was.
        """
        for name, size in sizes.items():
            path = self.folder / name
            there = path.stat().st_size if path.is_file() else 0
            if there < size:
                raise ValueError(
                    f"{path} is {there:,} bytes long and was {size:,} when the state was written; put it "
                    "back, or start anew with --overwrite"
                )
            with path.open("r+b") as f:
                f.truncate(size)
        self.sizes = dict(sizes)

    def _doubt(self, motion: Motion) -> None:
        """Ask the members once more: what moves the atoms is their mean alone."""
        found = None if self.doubtful is None else self.doubtful(motion.structures)
        if found is not None:
            self._append(DOUBT, "".join(_rows(motion, self.dt, (found.energy, found.force))).encode())

    def _append(self, name: str, content: bytes) -> None:
        with (self.folder / name).open("ab") as f:
            f.write(content)
        self.sizes[name] += len(content)


def _lines(motion: Motion, dt: float) -> list[str]:
    return _rows(motion, dt, (motion.energy, motion.kinetic, motion.temperature, motion.conserved))


def _rows(motion: Motion, dt: float, columns: Sequence[Tensor]) -> list[str]:
    rows = zip(*(c.tolist() for c in columns), strict=True)
    return [
        f"{motion.step},{motion.step * dt:.10g},{k}," + ",".join(f"{x:.10g}" for x in row) + "\n"
        for k, row in enumerate(rows)
    ]


def save_motion(path: Path, motion: Motion, sizes: Mapping[str, int], settings: Mapping[str, Any]) -> None:
    """Write all that a simulation goes on from, atomically."""
    s = motion.structures
    tensors = {f"structures.{name}": getattr(s, name) for name in _GEOMETRY}
    tensors |= {f"labels.{name}": values for name, values in s.labels.items()}
    tensors |= {name: getattr(motion, name) for name in _MOTION}
    header = {"kind": "dynamics", "format": FORMAT, "atomscape": __version__}
    header |= {"step": motion.step, "seeds": list(motion.seeds), "ids": list(s.ids)}
    write_tensors(path, tensors, header | {"sizes": dict(sizes), "settings": dict(settings)})


def load_motion(path: Path) -> tuple[Motion, dict[str, int], dict[str, Any]]:
    """Motion, lengths of the files and settings.

    Raises
    ------
    ValueError
        No such file, or it is no state of a simulation.
    """
    tensors, header = read_tensors(path)
    if header.get("kind") != "dynamics":
        raise ValueError(f"{path} is a {header.get('kind')!r} file; the state of a simulation is needed")
    header = upgraded(header, path)
    labels = {k.removeprefix("labels."): v for k, v in tensors.items() if k.startswith("labels.")}
    s = Structures(
        positions=tensors["structures.positions"],
        numbers=tensors["structures.numbers"],
        cell=tensors["structures.cell"],
        pbc=tensors["structures.pbc"],
        structure=tensors["structures.structure"],
        labels=labels,
        ids=tuple(header["ids"]),
    )
    rest = {name: tensors[name] for name in _MOTION}
    motion = Motion(structures=s, **rest, seeds=tuple(header["seeds"]), step=header["step"])
    return motion, header["sizes"], header["settings"]


def run_in_folder(
    folder: str | Path,
    start: Callable[[], Motion],
    potential: Potential,
    integrator: Integrator,
    steps: int,
    *,
    settings: Mapping[str, Any],
    log_every: int = 10,
    frame_every: int = 100,
    skin: float = SKIN,
    doubtful: Doubtful | None = None,
    resume: bool = False,
    overwrite: bool = False,
    save_seconds: float = 60.0,
    progress: Callable[[Motion], None] | None = None,
) -> Motion:
    """Simulate until ``steps`` steps are done, in a folder that can be returned to.

    Parameters
    ----------
    start
        Makes the motion before the first step; not called where a simulation is resumed.
    settings
        What a continuation must agree with.
    doubtful
        How sure the potential is; its answers are kept beside the log.
    save_seconds
        Between two writings of the state; it is written at the end and when stopped too.
    progress
        Called after every step.

    Raises
    ------
    ValueError
        A simulation is there already, another one is to be resumed, or another process writes here.
    FloatingPointError
        The simulation exploded; what was written stays.
    """
    folder = Path(folder)
    recorder = Recorder(folder, integrator.dt, log_every, frame_every, doubtful)
    kept = {**settings, "log_every": log_every, "frame_every": frame_every}
    with locked(folder):
        motion = _opened(folder, start, recorder, kept, resume, overwrite)
        run = lambda watch: advance(  # noqa: E731
            potential, motion, integrator, steps - motion.step, skin=skin, observe=watch
        )
        return _recorded(run, motion, recorder, kept, save_seconds, progress)


def _recorded(
    run: Callable[[Observer], Motion],
    motion: Motion,
    recorder: Recorder,
    kept: Mapping[str, Any],
    save_seconds: float,
    progress: Callable[[Motion], None] | None,
) -> Motion:
    """Run with every step recorded, and the state written now and then, and however the run ends."""
    state = recorder.folder / STATE
    save_motion(state, motion, recorder.sizes, kept)  # killed from here on, it can be resumed
    point, saved = (motion, dict(recorder.sizes)), time.monotonic()

    def watch(now: Motion) -> None:
        nonlocal point, saved
        recorder(now)
        point = now, dict(recorder.sizes)  # in one go: a stop between them must not tear them apart
        if time.monotonic() - saved > save_seconds:
            save_motion(state, *point, kept)
            saved = time.monotonic()
        if progress is not None:
            progress(now)

    try:
        run(watch)
    finally:
        save_motion(state, *point, kept)
    return point[0]


def _opened(
    folder: Path,
    start: Callable[[], Motion],
    recorder: Recorder,
    settings: Mapping[str, Any],
    resume: bool,
    overwrite: bool,
) -> Motion:
    state = folder / STATE
    if state.is_file() and resume:
        motion, sizes, before = load_motion(state)
        refuse_other_settings(before, settings, folder)
        recorder.go_on(sizes)
        return motion
    if state.is_file() and not overwrite:
        raise ValueError(
            f"{folder} holds a simulation already: --resume continues it, --overwrite starts anew"
        )
    motion = start()
    there = [path.name for path in sorted(folder.iterdir()) if _OURS.fullmatch(path.name)]
    if there and not overwrite:
        raise ValueError(
            f"{folder} holds {', '.join(there)} of something else; --out names another folder, --overwrite "
            "replaces them"
        )
    for name in (STATE, *there):  # a former one may have had more structures, or an ensemble; its state goes
        (folder / name).unlink(missing_ok=True)  # first, for without its files it is none
    write_atomic(folder / SETTINGS, (json.dumps(settings, indent=1, ensure_ascii=False) + "\n").encode())
    recorder.begin(len(motion.structures))
    recorder(motion)
    return motion


def refuse_other_settings(before: Mapping[str, Any], now: Mapping[str, Any], folder: Path) -> None:
    """Raise ``ValueError`` that lists what differs."""
    changed = [
        f"{k}: {before.get(k)!r} → {now.get(k)!r}"
        for k in sorted({*before, *now})
        if before.get(k) != now.get(k)
    ]
    if changed:
        raise ValueError(
            f"the simulation in {folder} was started otherwise; continued it would be neither: "
            f"{'; '.join(changed)}"
        )
