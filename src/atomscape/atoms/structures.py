"""Structures: a batch of molecules, crystals, surfaces or clusters, as flat tensors.

One structure is a batch of one; there is no other type. Atoms of all structures stand one after the other,
and ``structure[a]`` says which structure atom ``a`` belongs to (sorted, so structures are contiguous).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import pairwise

import torch

from atomscape.atoms.properties import Property, property_named
from atomscape.shapes import Bool, Float, Int, Tensor


@dataclass(frozen=True, eq=False)
class Structures:
    """A batch of structures (Å; rows of ``cell`` are lattice vectors, zero along non-periodic axes).

    ``labels`` maps a property's name to its values, first axis ``structures`` or ``atoms`` as the property
    says; NaN means "not known". ``ids`` names each structure in its source (may be empty).
    """

    positions: Float[Tensor, "atoms 3"]
    numbers: Int[Tensor, " atoms"]
    cell: Float[Tensor, "structures 3 3"]
    pbc: Bool[Tensor, "structures 3"]
    structure: Int[Tensor, " atoms"]
    labels: Mapping[str, Tensor] = field(default_factory=dict)
    ids: tuple[str, ...] = ()

    def __len__(self) -> int:
        """Return the number of structures."""
        return self.cell.shape[0]

    @property
    def n_atoms(self) -> int:
        """Number of atoms in the whole batch."""
        return self.positions.shape[0]

    @property
    def counts(self) -> Int[Tensor, " structures"]:
        """Atoms of each structure."""
        return torch.bincount(self.structure, minlength=len(self))

    @property
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

    def __getitem__(self, index: int | slice | Sequence[int] | Tensor) -> Structures:
        """Choose structures by number, slice, list, index tensor or boolean mask, in the order given."""
        chosen = _as_index(index, len(self), self.device)
        counts, first = self.counts[chosen], self.offsets[:-1][chosen]
        structure = torch.repeat_interleave(torch.arange(len(chosen), device=self.device), counts)
        within = torch.arange(len(structure), device=self.device) - (counts.cumsum(0) - counts)[structure]
        atoms = first[structure] + within
        labels = {k: v[atoms if _per_atom(k, v, self) else chosen] for k, v in self.labels.items()}
        ids = tuple(self.ids[i] for i in chosen.tolist()) if self.ids else ()
        return Structures(
            self.positions[atoms],
            self.numbers[atoms],
            self.cell[chosen],
            self.pbc[chosen],
            structure,
            labels,
            ids,
        )

    def __iter__(self) -> Iterator[Structures]:
        """Iterate over structures, each a batch of one."""
        return (self[i] for i in range(len(self)))

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
        offsets = self.offsets.tolist()
        return [flat[a:b] for a, b in pairwise(offsets)]

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
            The same label has different shapes in different parts.
        """
        parts = list(parts)
        if not parts:
            return Structures.empty()
        starts = [0]
        for p in parts:
            starts.append(starts[-1] + len(p))
        names = list(dict.fromkeys(k for p in parts for k in p.labels))
        return Structures(
            torch.cat([p.positions for p in parts]),
            torch.cat([p.numbers for p in parts]),
            torch.cat([p.cell for p in parts]),
            torch.cat([p.pbc for p in parts]),
            torch.cat([p.structure + s for p, s in zip(parts, starts, strict=False)]),
            {k: torch.cat(_aligned(k, parts)) for k in names},
            tuple(i for p in parts for i in (p.ids or [""] * len(p))) if any(p.ids for p in parts) else (),
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


def _as_index(index, n: int, device) -> Tensor:
    if isinstance(index, int):
        if not -n <= index < n:
            raise IndexError(f"structure {index} asked of a batch of {n}")
        return torch.tensor([index % n], device=device)
    if isinstance(index, slice):
        return torch.arange(n, device=device)[index]
    index = torch.as_tensor(index, device=device)
    if index.dtype == torch.bool:
        if index.shape != (n,):
            raise IndexError(f"mask of shape {tuple(index.shape)} for a batch of {n} structures")
        return index.nonzero().squeeze(1)
    index = index.to(torch.int64).reshape(-1)
    if len(index) and not (-n <= int(index.min()) and int(index.max()) < n):
        raise IndexError(f"structures {int(index.min())}…{int(index.max())} asked of a batch of {n}")
    return index % n if n else index


def _per_atom(name: str, values: Tensor, batch: Structures) -> bool:
    """Does a label run over atoms? The vocabulary decides; a name it does not know, by its length."""
    known: Property | None = property_named(name)
    if known is not None:
        return known.per == "atom"
    return values.shape[0] == batch.n_atoms and values.shape[0] != len(batch)


def _aligned(name: str, parts: list[Structures]) -> list[Tensor]:
    given = [p.labels[name] for p in parts if name in p.labels]
    shapes = {tuple(v.shape[1:]) for v in given}
    if len(shapes) > 1:
        raise ValueError(f"label {name!r} has different shapes in the parts to join: {sorted(shapes)}")
    owner = next(p for p in parts if name in p.labels)
    per_atom = _per_atom(name, owner.labels[name], owner)
    shape, dtype = shapes.pop(), torch.promote_types(given[0].dtype, torch.float32)

    def missing(p: Structures) -> Tensor:
        n = p.n_atoms if per_atom else len(p)
        return torch.full((n, *shape), torch.nan, dtype=dtype, device=p.device)

    return [p.labels[name] if name in p.labels else missing(p) for p in parts]
