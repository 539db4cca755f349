"""What is learned: data, split, cutoff and budget of each row of the comparison; the same for all sides."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path

import torch
from ase.io import write

from atomscape.atoms.ase import to_ase
from atomscape.atoms.formulas import composition_of
from atomscape.atoms.structures import Structures
from atomscape.data.references import fit_references
from atomscape.learn.config import RunConfig
from atomscape.learn.prepare import Prepared, prepare
from atomscape.learn.recipe import load_config
from atomscape.shapes import Float, Tensor

HERE = Path(__file__).resolve().parent
SPLITS = HERE.parent / "splits"


@dataclass(frozen=True, eq=False)
class Task:
    """One data set to make a potential of.

    ``minutes`` of CPU time on one thread; ``cutoff`` in Å; ``ends``: name → number of the first frame of the
    source's test set that does not belong to that part of it any more.
    """

    name: str
    config_file: str
    minutes: float
    cutoff: float
    overrides: tuple[str, ...] = ()
    ends: dict[str, int] = field(default_factory=dict)

    def config(self, seed: int, *more: str) -> RunConfig:
        """Config of a training of ours, without encoder unless ``more`` names one."""
        return load_config(HERE / self.config_file, [f"seed={seed}", *self.overrides, *more])

    def limited(self, frames: int) -> Task:
        """The same with so many frames of each part at most."""
        return replace(self, overrides=(*self.overrides, f"data.0.limit={frames}"))

    @cached_property
    def prepared(self) -> Prepared:
        """Data with its parts."""
        return prepare(self.config(0))

    def structures(self, part: str) -> Structures:
        """Structures of ``train``, ``val`` or ``test``, with their labels."""
        return self.prepared.structures[part]

    @cached_property
    def references(self) -> Float[Tensor, "119"]:
        """Energy per element in eV, least squares on the training part."""
        train = self.structures("train")
        return fit_references(composition_of(train), train.labels["energy"])[0]

    def reference_energies(self, structures: Structures) -> Float[Tensor, " structures"]:
        """Sums of the references: what no network has to learn, and what float32 cannot hold."""
        return composition_of(structures).double() @ self.references

    def parts(self, structures: Structures) -> dict[str, Tensor]:
        """Parts of the test structures beside the whole, as masks; frames are numbered in their ids."""
        if not self.ends:
            return {}
        number = torch.tensor([int(name.rpartition("/")[2]) for name in structures.ids])
        found, start = {}, 0
        for name, end in self.ends.items():
            found[name], start = (number >= start) & (number < end), end
        return found

    def export(self, folder: Path) -> None:
        """Write ``train``, ``val`` and ``test`` as extended XYZ, energies less those of the references.

        Columns are ``REF_energy`` (eV), ``REF_forces`` (eV/Å) and ``REF_stress`` (eV/Å³, tension positive);
        the test frames have none of them.
        """
        folder.mkdir(parents=True, exist_ok=True)
        for part in ("train", "val", "test"):
            s = self.structures(part)
            relative = s.labels["energy"] - self.reference_energies(s)
            images = to_ase(s)
            for image, energy in zip(images, relative.tolist(), strict=True):
                labels, image.calc = image.calc.results, None
                image.info.clear()
                if part == "test":
                    continue
                image.info["REF_energy"] = energy
                image.arrays["REF_forces"] = labels["forces"]
                if "stress" in labels:
                    image.info["REF_stress"] = labels["stress"]
            write(folder / f"{part}.xyz", images, format="extxyz")

    @property
    def has_stress(self) -> bool:
        """Whether stress is learned."""
        return "stress" in self.prepared.properties

    @property
    def elements(self) -> list[int]:
        """Atomic numbers."""
        return self.structures("train").numbers.unique().tolist()

    @property
    def neighbours(self) -> float:
        """Mean number of neighbours in the training part."""
        edges = self.prepared.graphs("train", self.cutoff, 0.0).edge_counts
        return float(edges.sum()) / self.structures("train").n_atoms


def _mlearn(element: str, cutoff: float) -> Task:
    split = SPLITS / f"mlearn_{element}.json"
    source = (f"data.0.source=mlearn:{element}", f"data.0.split.path={split}")
    return Task(element, "mlearn.yaml", 15, cutoff, source)


TASKS = {
    task.name: task
    for task in (
        Task("3bpa", "3bpa.yaml", 40, 5.0, ends={"300 K": 167, "600 K": 334, "1200 K": 500}),
        Task("lips", "lips.yaml", 20, 5.0),
        _mlearn("Cu", 4.0),
        _mlearn("Ge", 5.0),
        _mlearn("Li", 5.0),
        _mlearn("Mo", 5.0),
        _mlearn("Ni", 4.0),
        _mlearn("Si", 5.0),
    )
}
"""The frames of 3BPA's mixed set stand in three blocks, at 300, 600 and 1200 K: the jumps of the mean square
force are after 167 and 334 of them."""
