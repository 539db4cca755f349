"""Structures as whole numbers: one small, exact ``npz`` file that ships with the package.

Every value is kept as an integer multiple of a power of ten, so that what was labelled is what is read, to
the last digit, and zip compresses it well. Arrays of a file:

==================  ========================================================================
``counts``          atoms of each structure
``numbers``         atomic numbers, all structures one after the other
``positions``       [atoms, 3] in units of 10^-decimals Å
``cell``            [structures, 3, 3] in units of 10^-decimals Å; absent: no structure is periodic
``labels/<name>``   values in units of 10^-decimals of the property's unit; per atom or structure
``part``            0 train, 1 val, 2 test
``ids``             UTF-8 bytes, one id a line
``decimals``        JSON as UTF-8 bytes: name → decimals
==================  ========================================================================
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path

import numpy as np
import torch

from atomscape.atoms.structures import Structures
from atomscape.shapes import Tensor

PARTS = ("train", "val", "test")
_LABEL = "labels/"


def write_whole_numbers(
    path: Path, structures: Structures, part: np.ndarray, decimals: Mapping[str, int]
) -> None:
    """Write structures, their part (0 train, 1 val, 2 test) and labels rounded to ``decimals``.

    Raises
    ------
    ValueError
        A value is not a multiple of its unit (labels would no longer belong to the positions), or is NaN.
    """
    periodic = bool(structures.pbc.any())
    values = {"positions": structures.positions, **({"cell": structures.cell} if periodic else {})}
    values |= {_LABEL + name: v for name, v in structures.labels.items()}
    arrays = {name: _integers(name, v, decimals[name.removeprefix(_LABEL)]) for name, v in values.items()}
    texts = {"ids": "\n".join(structures.ids), "decimals": json.dumps(dict(decimals))}
    arrays |= {name: np.frombuffer(text.encode(), np.uint8) for name, text in texts.items()}
    np.savez_compressed(
        path,
        counts=structures.counts.numpy().astype(np.uint8),
        numbers=structures.numbers.numpy().astype(np.uint8),
        part=part.astype(np.uint8),
        **arrays,  # pyright: ignore[reportArgumentType]  (names of arrays, not options)
    )


def read_whole_numbers(path: Path, size: int = 1024) -> Iterator[Structures]:
    """Structures of a file in batches of ``size``, float64; periodic in all directions or none."""
    with np.load(path) as file:
        arrays = {name: file[name] for name in file.files}
    decimals = json.loads(arrays["decimals"].tobytes())
    ids = arrays["ids"].tobytes().decode().split("\n")
    counts = torch.from_numpy(arrays["counts"].astype(np.int64))

    def values(name: str) -> Tensor:
        return torch.from_numpy(arrays[name] / 10.0 ** decimals[name.removeprefix(_LABEL)])

    n, periodic = len(counts), "cell" in arrays
    whole = Structures(
        values("positions"),
        torch.from_numpy(arrays["numbers"].astype(np.int64)),
        values("cell") if periodic else torch.zeros(n, 3, 3, dtype=torch.float64),
        torch.full((n, 3), periodic),
        torch.repeat_interleave(torch.arange(n), counts),
        {name.removeprefix(_LABEL): values(name) for name in arrays if name.startswith(_LABEL)},
        tuple(ids),
    )
    for first in range(0, n, size):
        yield whole[first : first + size]


def read_parts(path: Path) -> dict[str, np.ndarray]:
    """Fixed split of a file, as structure numbers."""
    with np.load(path) as file:
        part = file["part"]
    return {name: np.flatnonzero(part == k) for k, name in enumerate(PARTS)}


def _integers(name: str, values: Tensor, decimals: int) -> np.ndarray:
    scaled = values.to(torch.float64).numpy() * 10.0**decimals
    whole = np.rint(scaled)
    if not (np.abs(scaled - whole) < 1e-3).all():
        raise ValueError(
            f"{name}: some values are NaN or no multiples of 1e-{decimals}; round before labelling"
        )
    largest = np.abs(whole).max(initial=0)
    return whole.astype(np.int32 if largest < 2**31 else np.int64)
