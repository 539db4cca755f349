"""HDF5 files opened, with a word where the library is missing."""

from __future__ import annotations

from pathlib import Path
from typing import Any

MAGIC = b"\x89HDF\r\n\x1a\n"


def is_hdf5(path: Path) -> bool:
    """Whether a file is HDF5, by its first bytes."""
    if not path.is_file():
        return False
    with path.open("rb") as file:
        return file.read(8) == MAGIC


def opened(path: Path, mode: str = "r") -> Any:
    """The file, by h5py.

    Raises
    ------
    ImportError
        h5py is not installed.
    """
    try:
        import h5py
    except ImportError as error:
        raise ImportError(f"{path} is HDF5, which needs h5py: pip install 'atomscape[formats]'") from error
    return h5py.File(path, mode)
