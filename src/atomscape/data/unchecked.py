"""Read a file that ``load`` refuses, to say what is wrong in it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from atomscape.atoms.ase import from_ase
from atomscape.atoms.labels import label_map
from atomscape.data.audit import Audit, audit
from atomscape.data.check import Finding
from atomscape.data.examined import Examined
from atomscape.data.files import read_frames

if TYPE_CHECKING:
    from atomscape.data.reading import Reading


def read_unchecked(path: Path, reading: Reading) -> Examined:
    """All structures of one file, ill-formed ones too, in memory.

    Raises
    ------
    ValueError
        The file cannot be read, or its labels can be understood in two ways.
    """
    frames = list(read_frames(path))
    labels = label_map(frames, reading.keys, reading.units, reading.stress)
    return Examined.of(from_ase(frames, labels, checked=False), labels.properties)


def audit_of_refused(path: Path, reading: Reading, error: ValueError, quick: bool = False) -> Audit:
    """Audit of a file that ``load`` refused; where nothing can be read, this error is the finding."""
    try:
        data = read_unchecked(path, reading)
    except (ValueError, OSError):
        what = Finding("serious", str(error), (), "say how the file is to be read", None, "reading")
        return Audit(path.name, 0, (what,), {}, {})
    return audit(data, name=path.name, quick=quick)
