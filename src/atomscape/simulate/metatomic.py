"""A trained potential as a metatomic model: one file that LAMMPS, i-PI, GROMACS, PLUMED and ASE can run.

    atomscape export runs/my-run --out my.pt

metatomic (Bigi et al. 2025, arXiv:2508.15704) is an interface between models in TorchScript and simulation
engines. The engine searches neighbours and differentiates the energy; the file holds the network as
``simulate.tracing`` makes it, the elements it knows, its range and where it comes from. Needs the extra
``[export]``.
"""

import warnings
from pathlib import Path
from typing import Dict, List, Optional, cast  # noqa: UP035 - TorchScript reads these annotations

import torch
from ase.data import chemical_symbols

from atomscape import __version__
from atomscape.simulate.potential import ModelPotential
from atomscape.simulate.tracing import reach, traced_energy

try:
    from metatensor.torch import Labels, TensorBlock, TensorMap  # pyright: ignore[reportAttributeAccessIssue]
    from metatomic.torch import (
        AtomisticModel,
        ModelCapabilities,
        ModelInterface,
        ModelMetadata,
        ModelOutput,
        NeighborListOptions,
        System,
    )
except ImportError as error:
    raise ImportError("a metatomic model needs metatomic-torch: pip install 'atomscape[export]'") from error


class Exported(torch.nn.Module):
    """What metatomic runs: energies of systems, or of their atoms, in eV."""

    def __init__(self, energy: torch.jit.ScriptModule, cutoff: float) -> None:
        super().__init__()
        self.energy = energy
        self.neighbours = NeighborListOptions(cutoff=cutoff, full_list=True, strict=True)

    def requested_neighbor_lists(self) -> List[NeighborListOptions]:  # noqa: UP006
        """What the engine has to search."""
        return [self.neighbours]

    def forward(
        self,
        systems: List[System],  # noqa: UP006
        outputs: Dict[str, ModelOutput],  # noqa: UP006
        selected_atoms: Optional[Labels],  # noqa: UP045
    ) -> Dict[str, TensorMap]:  # noqa: UP006
        """Evaluate all systems at once; where atoms are selected, their energies only."""
        found: Dict[str, TensorMap] = {}  # noqa: UP006
        if "energy" not in outputs or len(systems) == 0:
            return found
        vectors: List[torch.Tensor] = []  # noqa: UP006
        numbers: List[torch.Tensor] = []  # noqa: UP006
        centre: List[torch.Tensor] = []  # noqa: UP006
        neighbour: List[torch.Tensor] = []  # noqa: UP006
        samples: List[torch.Tensor] = []  # noqa: UP006
        first = 0
        for k, system in enumerate(systems):
            pairs = system.get_neighbor_list(self.neighbours)
            ends = pairs.samples.values.to(torch.int64)
            vectors.append(pairs.values.reshape(-1, 3).to(torch.float64))
            numbers.append(system.types.to(torch.int64))
            centre.append(ends[:, 0] + first)
            neighbour.append(ends[:, 1] + first)
            n = len(system)
            atoms = torch.arange(n, device=system.types.device)
            samples.append(torch.stack([torch.full_like(atoms, k), atoms], 1))
            first += n
        energies = self.energy(
            torch.cat(vectors), torch.cat(numbers), torch.cat(centre), torch.cat(neighbour)
        ).unsqueeze(1)
        rows = torch.cat(samples).to(torch.int32)
        if selected_atoms is not None:
            kept = Labels(["system", "atom"], rows).select(selected_atoms)
            energies, rows = energies.index_select(0, kept), rows.index_select(0, kept)
        names = ["system", "atom"]
        if outputs["energy"].sample_kind == "system":
            of = rows[:, 0].to(torch.int64)
            energies = torch.zeros([len(systems), 1], dtype=energies.dtype, device=energies.device).index_add(
                0, of, energies
            )
            rows = torch.arange(len(systems), device=rows.device).to(torch.int32).unsqueeze(1)
            names = ["system"]
        none: List[Labels] = []  # noqa: UP006
        device = energies.device
        zero = torch.zeros(1, 1, dtype=torch.int32, device=device)
        block = TensorBlock(energies, Labels(names, rows), none, Labels(["energy"], zero))
        found["energy"] = TensorMap(Labels(["_"], zero), [block])
        return found


def exported(potential: ModelPotential, name: str = "", authors: tuple[str, ...] = ()) -> AtomisticModel:
    """The metatomic model of a potential, ready to be saved; its dtype is float64, as the engines' is.

    Raises
    ------
    ValueError
        It cannot be traced (``tracing.traced_energy``), or nobody knows which elements it was trained on.
    """
    model = potential.model
    if potential.elements is None:
        raise ValueError("the model does not say which elements it was trained on; give the run's folder")
    energy = traced_energy(potential)
    device = next(model.parameters()).device.type
    output = ModelOutput(unit="eV", sample_kind="atom", description="energy of the reference calculations")
    capabilities = ModelCapabilities(
        outputs={"energy": output},
        atomic_types=sorted(potential.elements),
        interaction_range=reach(potential) * potential.cutoff,
        length_unit="angstrom",
        supported_devices=[device],
        dtype="float64",
    )
    symbols = ", ".join(chemical_symbols[z] for z in sorted(potential.elements))
    parameters = sum(p.numel() for p in model.parameters())
    kind, network = model.architecture.encoder.kind, str(model.dtype).removeprefix("torch.")
    metadata = ModelMetadata(
        name=name or f"atomscape {kind}",
        description=f"{kind} of {symbols}, {parameters:,} parameters, computes in {network}",
        authors=list(authors),
        references={"implementation": [f"atomscape {__version__}"]},
        extra={"model_hash": model.hash, "dataset": potential.dataset or ""},
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        module = cast(ModelInterface, Exported(energy, potential.cutoff).eval())
        return AtomisticModel(module, metadata, capabilities)


def save(model: AtomisticModel, path: Path) -> None:
    """Write the file, whole or not at all.

    Raises
    ------
    ValueError
        Its name does not end in ``.pt``, as engines want it.
    """
    if path.suffix != ".pt":
        raise ValueError(f"{path}: engines want a name that ends in .pt")
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(f".{path.stem}.part.pt")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)  # of TorchScript, which engines still read
            model.save(str(part))
        part.replace(path)
    finally:
        part.unlink(missing_ok=True)
