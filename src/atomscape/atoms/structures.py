"""Structures: a batch of molecules, crystals, surfaces or clusters, as flat tensors.

One structure is a batch of one; there is no other type. Atoms of all structures stand one after the other,
and ``structure[a]`` says which structure atom ``a`` belongs to (sorted, so structures are contiguous).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from itertools import pairwise

import numpy as np
import torch

from atomscape.atoms.properties import property_named
from atomscape.shapes import Bool, Float, Int, Tensor

Index = int | slice | Sequence[int] | np.ndarray | Tensor
"""What chooses structures: a number, a slice, numbers in any order, or a boolean mask."""


@dataclass(frozen=True, eq=False)
class Structures:
    """A batch of structures (Å; rows of ``cell`` are lattice vectors, zero along non-periodic axes).

    ``labels`` maps a property's name to its values, first axis ``structures`` or ``atoms`` as the property
    says; NaN means "not known". ``ids`` names each structure in its source (may be empty). ``atom_labels``
    names those labels outside the vocabulary that run over atoms; it is needed only where their length does
    not tell, as for a batch of single atoms. A batch is never changed in place: slices share its memory.
    """

    positions: Float[Tensor, "atoms 3"]
    numbers: Int[Tensor, " atoms"]
    cell: Float[Tensor, "structures 3 3"]
    pbc: Bool[Tensor, "structures 3"]
    structure: Int[Tensor, " atoms"]
    labels: Mapping[str, Tensor] = field(default_factory=dict)
    ids: tuple[str, ...] = ()
    atom_labels: frozenset[str] = frozenset()

    def __post_init__(self) -> None:
        """Refuse tensors whose lengths do not fit together."""
        atoms, structures = self.positions.shape[0], self.cell.shape[0]
        expected = {"positions": (atoms, 3), "numbers": (atoms,), "structure": (atoms,)}
        expected |= {"cell": (structures, 3, 3), "pbc": (structures, 3)}
        for name, shape in expected.items():
            if getattr(self, name).shape != shape:
                given = tuple(getattr(self, name).shape)
                raise ValueError(
                    f"{name} has shape {given}; {atoms} atoms in {structures} structures need {shape}"
                )
        for name, values in self.labels.items():
            rows = (atoms,) if self.runs_over_atoms(name) else (structures,)
            if values.shape[:1] != rows:
                raise ValueError(
                    f"label {name!r} has shape {tuple(values.shape)}; its first axis should be {rows[0]} "
                    f"long ({atoms} atoms in {structures} structures)."
                )
        if self.ids and len(self.ids) != structures:
            raise ValueError(f"{len(self.ids)} ids for {structures} structures; give one each, or none")

    @staticmethod
    def of(
        positions, numbers, cell=None, pbc=None, labels: Mapping[str, object] | None = None, id: str = ""
    ) -> Structures:
        """One structure from arrays or lists; positions and cell become float64.

        Without ``pbc`` it is periodic along the non-zero rows of ``cell``. A label is one value of its
        property, or one per atom: ``Structures.of(x, [8, 1, 1], labels={"energy": -76.4, "forces": f})``.

        Raises
        ------
        ValueError
            The shapes do not fit, or a label is neither one value nor one per atom.
        """
        x = torch.as_tensor(np.asarray(positions), dtype=torch.float64).reshape(-1, 3)
        z = torch.as_tensor(np.asarray(numbers), dtype=torch.int64).reshape(-1)
        rows = np.zeros((3, 3)) if cell is None else np.asarray(cell, dtype=np.float64)
        rows = torch.from_numpy(np.diag(rows) if rows.shape == (3,) else rows.copy())
        periodic = rows.any(-1) if pbc is None else torch.as_tensor(np.asarray(pbc)).expand(3).bool()
        values = {k: _value(k, np.asarray(v, dtype=np.float64), len(x)) for k, v in (labels or {}).items()}
        free = frozenset(k for k, (per_atom, _) in values.items() if per_atom and property_named(k) is None)
        return Structures(
            x,
            z,
            rows.reshape(1, 3, 3),
            periodic.reshape(1, 3),
            torch.zeros(len(x), dtype=torch.int64),
            {k: v for k, (_, v) in values.items()},
            (id,) if id else (),
            free,
        )

    def __len__(self) -> int:
        """Return the number of structures."""
        return self.cell.shape[0]

    @property
    def n_structures(self) -> int:
        """Number of structures; a trace follows it, where ``len`` gives it a fixed number."""
        return self.cell.shape[0]

    @property
    def n_atoms(self) -> int:
        """Number of atoms in the whole batch."""
        return self.positions.shape[0]

    @cached_property
    def counts(self) -> Int[Tensor, " structures"]:
        """Atoms of each structure."""
        return torch.bincount(self.structure, minlength=len(self))

    @cached_property
    def offsets(self) -> Int[Tensor, " rows"]:
        """First atom of each structure, and the number of atoms at the end."""
        return torch.cat([self.counts.new_zeros(1), self.counts.cumsum(0)])

    @property
    def volume(self) -> Float[Tensor, " structures"]:
        """Volume of each cell in Å³; NaN where not all three directions are periodic."""
        volume = torch.linalg.det(self.cell).abs()
        return torch.where(self.pbc.all(1), volume, torch.full_like(volume, torch.nan))

    @property
    def device(self) -> torch.device:
        """Device of the tensors."""
        return self.positions.device

    def runs_over_atoms(self, name: str) -> bool:
        """Whether a label has one value per atom: by the vocabulary, else as given, else by its length."""
        known = property_named(name)
        if known is not None:
            return known.per == "atom"
        return name in self.atom_labels or self.labels[name].shape[0] == self.n_atoms != len(self)

    @cached_property
    def _free_atom_labels(self) -> frozenset[str]:
        return frozenset(k for k in self.labels if property_named(k) is None and self.runs_over_atoms(k))

    @cached_property
    def _bounds(self) -> list[int]:
        return self.offsets.tolist()

    def __getitem__(self, index: Index) -> Structures:
        """Choose structures by number, slice, list, index array or boolean mask, in the order given.

        Raises
        ------
        IndexError
            A number is out of range, or a mask has the wrong length.
        """
        if isinstance(index, slice) and index.step in (None, 1):
            start, stop, _ = index.indices(len(self))
            return self._between(start, max(start, stop))
        if _chooses_all(index, len(self)):
            return self._between(0, len(self))
        if isinstance(index, int) and -len(self) <= index < len(self):
            return self._between(index % len(self), index % len(self) + 1)
        return self._gathered(chosen_rows(index, len(self), self.device))

    def _between(self, start: int, stop: int) -> Structures:
        """Structures start … stop − 1, sharing memory."""
        here, atoms = slice(start, stop), slice(self._bounds[start], self._bounds[stop])
        return Structures(
            self.positions[atoms],
            self.numbers[atoms],
            self.cell[here],
            self.pbc[here],
            self.structure[atoms] - start if start else self.structure[atoms],
            {k: v[atoms if self.runs_over_atoms(k) else here] for k, v in self.labels.items()},
            self.ids[here],
            self._free_atom_labels,
        )

    def _gathered(self, chosen: Tensor) -> Structures:
        counts = self.counts[chosen]
        first = self.offsets[:-1][chosen] - (counts.cumsum(0) - counts)
        structure = torch.repeat_interleave(torch.arange(len(chosen), device=self.device), counts)
        atoms = torch.arange(len(structure), device=self.device) + first[structure]
        return Structures(
            self.positions[atoms],
            self.numbers[atoms],
            self.cell[chosen],
            self.pbc[chosen],
            structure,
            {k: v[atoms if self.runs_over_atoms(k) else chosen] for k, v in self.labels.items()},
            tuple(self.ids[i] for i in chosen.tolist()) if self.ids else (),
            self._free_atom_labels,
        )

    def __iter__(self) -> Iterator[Structures]:
        """Iterate over structures, each a batch of one."""
        return (self._between(i, i + 1) for i in range(len(self)))

    def to(self, device: torch.device | str | None = None, dtype: torch.dtype | None = None) -> Structures:
        """Move all tensors; ``dtype`` applies to floating-point tensors only."""

        def move(t: Tensor) -> Tensor:
            return t.to(device=device, dtype=dtype if t.is_floating_point() else None)

        return replace(
            self,
            **{k: move(getattr(self, k)) for k in ("positions", "numbers", "cell", "pbc", "structure")},
            labels={k: move(v) for k, v in self.labels.items()},
        )

    def with_labels(self, **labels: Tensor) -> Structures:
        """Return the same structures with labels added or replaced."""
        return replace(self, labels={**self.labels, **labels})

    def symbols(self) -> list[list[str]]:
        """Chemical symbols of each structure."""
        from ase.data import chemical_symbols

        flat = [chemical_symbols[z] for z in self.numbers.tolist()]
        return [flat[a:b] for a, b in pairwise(self._bounds)]

    def formulas(self) -> list[str]:
        """Formula of each structure in Hill order, for instance ``C2H6O``."""
        from ase.formula import Formula

        return [Formula.from_list(s).format("hill") for s in self.symbols()]

    @staticmethod
    def concatenate(parts: Iterable[Structures]) -> Structures:
        """Join batches. A label that some parts lack becomes NaN for their structures.

        Raises
        ------
        ValueError
            The same label has different shapes in different parts, or runs over atoms only in some.
        """
        parts = list(parts)
        if len(parts) <= 1:
            return parts[0] if parts else Structures.empty()
        lengths = torch.tensor([len(p) for p in parts])
        starts = (lengths.cumsum(0) - lengths).repeat_interleave(torch.tensor([p.n_atoms for p in parts]))
        structure = torch.cat([p.structure for p in parts])
        names = dict.fromkeys(k for p in parts for k in p.labels)
        free = frozenset().union(*(p._free_atom_labels for p in parts))
        return Structures(
            torch.cat([p.positions for p in parts]),
            torch.cat([p.numbers for p in parts]),
            torch.cat([p.cell for p in parts]),
            torch.cat([p.pbc for p in parts]),
            structure + starts.to(structure.device),
            {k: torch.cat(_aligned(k, parts, k in free)) for k in names},
            tuple(i for p in parts for i in (p.ids or [""] * len(p))) if any(p.ids for p in parts) else (),
            free,
        )

    @staticmethod
    def empty(dtype: torch.dtype = torch.float64) -> Structures:
        """Return a batch of no structures."""
        return Structures(
            torch.zeros(0, 3, dtype=dtype),
            torch.zeros(0, dtype=torch.int64),
            torch.zeros(0, 3, 3, dtype=dtype),
            torch.zeros(0, 3, dtype=torch.bool),
            torch.zeros(0, dtype=torch.int64),
        )


def chosen_rows(index: Index, n: int, device: torch.device) -> Int[Tensor, " chosen"]:
    """Non-negative numbers of the structures that ``index`` chooses out of ``n``.

    Raises
    ------
    IndexError
        A number is out of range, or a mask has the wrong length.
    """
    if isinstance(index, slice):
        return torch.tensor(range(n)[index], dtype=torch.int64, device=device)
    chosen = torch.as_tensor(index, device=device)
    if chosen.dtype == torch.bool:
        if chosen.shape != (n,):
            raise IndexError(f"mask of shape {tuple(chosen.shape)} for a batch of {n} structures")
        return chosen.nonzero().squeeze(1)
    if chosen.is_floating_point() and chosen.numel():
        raise IndexError(f"structures are chosen by whole numbers or a boolean mask, not by {chosen.dtype}")
    chosen = chosen.to(torch.int64).reshape(-1)
    if chosen.numel() and not (-n <= int(chosen.min()) and int(chosen.max()) < n):
        raise IndexError(f"structures {int(chosen.min())}…{int(chosen.max())} asked of a batch of {n}")
    return chosen % n if n else chosen


def _chooses_all(index: Index, n: int) -> bool:
    """Whether a mask leaves nothing out; then nothing needs to be copied."""
    mask = isinstance(index, Tensor) and index.dtype == torch.bool and index.shape == (n,)
    return mask and bool(torch.as_tensor(index).all())


def _value(name: str, values: np.ndarray, n_atoms: int) -> tuple[bool, Tensor]:
    """Whether a label of one structure runs over its atoms, and its values with that first axis."""
    known = property_named(name)
    per_atom = known.per == "atom" if known else values.ndim > 0 and len(values) == n_atoms
    if known is not None:
        expected = (n_atoms, *known.shape) if per_atom else known.shape
        if values.shape not in (expected, (1, *expected)):
            raise ValueError(
                f"label {name!r} has shape {values.shape}; for {n_atoms} atoms it should be {expected}"
            )
        values = values.reshape(expected)
    return per_atom, torch.from_numpy(np.array(values if per_atom else values[None]))


def _aligned(name: str, parts: list[Structures], free_per_atom: bool) -> list[Tensor]:
    """A label's values in all parts, NaN where it is missing."""
    given = [p for p in parts if name in p.labels]
    shapes = {tuple(p.labels[name].shape[1:]) for p in given}
    if len(shapes) > 1:
        raise ValueError(f"label {name!r} has different shapes in the parts to join: {sorted(shapes)}")
    per_atom = free_per_atom or given[0].runs_over_atoms(name)
    rows = [p.n_atoms if per_atom else len(p) for p in parts]
    dtypes = [p.labels[name].dtype for p in given] + ([torch.float32] if len(given) < len(parts) else [])
    dtype = dtypes[0]
    for other in dtypes[1:]:
        dtype = torch.promote_types(dtype, other)
    values = [
        p.labels[name].to(dtype)
        if name in p.labels
        else torch.full((n, *next(iter(shapes))), torch.nan, dtype=dtype, device=p.device)
        for p, n in zip(parts, rows, strict=True)
    ]
    wrong = next((v for v, n in zip(values, rows, strict=True) if len(v) != n), None)
    if wrong is not None:
        raise ValueError(f"label {name!r} runs over atoms in some of the parts to join and not in others")
    return values
