"""A band of images for ASE's methods of paths: each has a calculator, and all ask the potential at once.

ASE's nudged elastic band moves all images and then asks one after the other for its forces. The first that
asks has the whole band computed, in one batch; the others find their results there. The ends are computed
once, apart from the rest, so that a band that is continued computes what one that never stopped does.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from ase import Atoms
from ase.calculators.calculator import Calculator as AseCalculator
from ase.calculators.calculator import all_changes
from ase.constraints import FixAtoms

from atomscape.atoms.neighbours import neighbour_graph
from atomscape.atoms.structures import Structures
from atomscape.learn.evaluate import batches_in_order
from atomscape.shapes import Bool, Float, Tensor
from atomscape.simulate.potential import Potential


class ImageCalculator(AseCalculator):
    """Energy and forces of one image of a band."""

    implemented_properties = ["energy", "forces"]  # noqa: RUF012 (ASE declares it so)

    def __init__(self, band: Band, k: int) -> None:
        super().__init__()
        self.band, self.k = band, k

    def calculate(
        self,
        atoms: Atoms | None = None,
        properties: Sequence[str] = ("energy",),
        system_changes: Sequence[str] = all_changes,
    ) -> None:
        """Look up what the band knows of this image."""
        super().calculate(atoms, list(properties), list(system_changes))
        self.results = self.band.of(self.k)


class Band:
    """Images as ASE's structures, of which those between the ends move. ``evaluations`` counts batches."""

    def __init__(self, potential: Potential, structures: Structures, fixed: Bool[Tensor, " atoms"]) -> None:
        self.potential, self.evaluations = potential, 0
        self._first, n = structures, len(structures)
        self.images = [
            Atoms(s.numbers.numpy(), s.positions.numpy(), cell=s.cell[0].numpy(), pbc=s.pbc[0].numpy())
            for s in structures
        ]
        held = np.flatnonzero(fixed[: len(self.images[0])].numpy())
        self._found: list[dict[str, Any]] = [{} for _ in range(n)]
        self._seen: np.ndarray | None = None
        self._compute([0, n - 1])
        for k, image in enumerate(self.images):
            image.calc = ImageCalculator(self, k)
            image.set_constraint(FixAtoms(held) if len(held) else None)

    def of(self, k: int) -> dict[str, Any]:
        """Energy (eV) and forces (eV/Å) of image k, where the images are now."""
        last = len(self.images) - 1
        if 0 < k < last:
            now = np.stack([image.positions for image in self.images[1:-1]])
            if self._seen is None or not np.array_equal(now, self._seen):
                self._compute(range(1, last))
                self._seen = now
        return self._found[k]

    @property
    def structures(self) -> Structures:
        """Images with the labels energy and forces."""
        s, found = self._first, [self.of(k) for k in range(len(self.images))]
        energy = torch.tensor([f["energy"] for f in found], dtype=torch.float64)
        forces = torch.from_numpy(np.concatenate([f["forces"] for f in found]))
        moved = Structures(self._positions(), s.numbers, s.cell, s.pbc, s.structure, s.labels, s.ids)
        return moved.with_labels(energy=energy, forces=forces)

    def _positions(self) -> Float[Tensor, "atoms 3"]:
        return torch.from_numpy(np.concatenate([image.positions for image in self.images]))

    def _compute(self, which: Sequence[int]) -> None:
        s = self._first
        s = Structures(self._positions(), s.numbers, s.cell, s.pbc, s.structure, s.labels, s.ids)
        self.evaluations += 1
        for span in batches_in_order([len(self.images[k]) for k in which]):
            some = [which[k] for k in span]
            found = self.potential(neighbour_graph(s[some], self.potential.cutoff), ("forces",))
            forces = found["forces"].double().cpu().numpy().reshape(len(some), -1, 3)
            for k, energy, f in zip(some, found["energy"].double().tolist(), forces, strict=True):
                if not np.isfinite(f).all():
                    raise FloatingPointError(
                        f"a force on image {k} is no number; two atoms have come too close for the "
                        "potential. Give a better first guess (--through FILE), or more images"
                    )
                self._found[k] = {"energy": energy, "free_energy": energy, "forces": f.copy()}
