"""Read a file that ``load`` refuses, to say what is wrong in it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from atomscape.atoms.ase import from_ase
from atomscape.data.audit import Audit, audit
from atomscape.data.check import Finding
from atomscape.data.examined import Examined
from atomscape.data.files import Frames, labels_of, pieces_of

if TYPE_CHECKING:
    from atomscape.data.reading import Reading


def read_unchecked(path: Path, reading: Reading) -> Examined:
    """All structures of one file, ill-formed ones too, in memory.

    Raises
    ------
    ValueError
        The file cannot be read, or its labels can be understood in two ways.
    """
    frames = Frames(pieces_of(path), reading)
    labels = labels_of(frames)
    return Examined.of(from_ase(frames, labels, checked=False), labels.properties)


def audit_of_refused(path: Path, reading: Reading, error: ValueError, quick: bool = False) -> Audit:
    """Audit of a file that ``load`` refused; where nothing can be read, this error is the finding."""
    try:
        data = read_unchecked(path, reading)
    except (ValueError, OSError):
        what = Finding("serious", str(error), check="reading")
        return Audit(path.name, 0, (what,), {}, {})
    return audit(data, name=path.name, quick=quick)
