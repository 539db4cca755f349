"""A trained model as a model of torch-sim: its batched integrators, optimisers and autobatching run ours.

    import torch_sim as ts
    from atomscape.simulate.torch_sim import TorchSimModel

    model = TorchSimModel("runs/si")
    ts.integrate(system=images, model=model, integrator=ts.nve, n_steps=100, temperature=300, timestep=0.001)

torch-sim (github.com/TorchSim/torch-sim) keeps cells as columns, takes times in ps, and has Å, eV, eV/Å and
stress in eV/Å³ with tension positive, as we do. Its states have one precision for positions and energies:
here float64, whatever the network computes in. A state's ``pbc`` is one for all its systems, or one for each
direction; torch-sim 0.3 turns a slab (periodic in two directions) into an isolated one when it reads it, so
give slabs a third period with vacuum.
"""

from __future__ import annotations

from typing import Any

import torch

from atomscape.atoms.structures import Structures
from atomscape.shapes import Tensor
from atomscape.simulate.loading import RunOrModel, load_potential
from atomscape.simulate.skin import SKIN, NeighbourSkin

try:
    from torch_sim.models.interface import ModelInterface
    from torch_sim.state import SimState
except ImportError as error:
    raise ImportError("models for torch-sim need the package: pip install 'atomscape[torch-sim]'") from error


class TorchSimModel(ModelInterface):
    """A run, a model file or a model, as torch-sim's ``ModelInterface``.

    Parameters
    ----------
    run_or_model, dataset, tables
        As of ``simulate.calculator.Calculator``.
    precision
        ``"float32"`` or ``"float64"``, of the network; None: as it was trained.
    dtype
        Precision of the states that it takes, and of what it says of them.
    skin
        Å by which neighbours are searched further than needed, to serve again.
    compute_stress
        Whether every call computes the stress; NaN for systems that are not periodic in all directions.
    memory_scales_with
        What torch-sim's autobatching counts: pairs within the cutoff (``"n_atoms_x_density"``), or atoms
        (``"n_atoms"``), for molecules without a cell.

    Raises
    ------
    ValueError
        No model there, one without energy, or one that reads labels, for which a state has no place.
    """

    def __init__(
        self,
        run_or_model: RunOrModel,
        dataset: str | None = None,
        precision: str | None = None,
        device: torch.device | str = "cpu",
        *,
        dtype: torch.dtype = torch.float64,
        tables: bool = True,
        skin: float = SKIN,
        compute_stress: bool = True,
        memory_scales_with: str = "n_atoms_x_density",
    ) -> None:
        super().__init__()
        potential = load_potential(run_or_model, dataset, precision, device, tables)
        if potential.inputs:
            raise ValueError(
                f"the network reads {', '.join(potential.inputs)}, and a state of torch-sim has no place for "
                "it; use ASE's calculator or atomscape md"
            )
        if memory_scales_with not in ("n_atoms_x_density", "n_atoms"):
            raise ValueError(
                f"memory_scales_with={memory_scales_with!r}; it can be 'n_atoms_x_density' or 'n_atoms'"
            )
        self.network, self._potential = potential.model, potential
        self._near = NeighbourSkin(potential.cutoff, skin)
        self._device, self._dtype = torch.device(device), dtype
        self._compute_stress, self._compute_forces = compute_stress, True
        self._memory_scales_with: Any = memory_scales_with
        self._known = torch.zeros(0, dtype=torch.int64)

    def forward(self, state: SimState | dict[str, Tensor], **_: Any) -> dict[str, Tensor]:
        """Energy ``[systems]``, forces ``[atoms, 3]`` and stress ``[systems, 3, 3]`` of a state.

        Raises
        ------
        ValueError
            Elements that training has never seen.
        """
        potential, s = self._potential, structures_of_state(state)
        if not torch.equal(s.numbers, self._known):
            potential.check(s)
            self._known = s.numbers
        wanted = ("forces", "stress") if self._compute_stress else ("forces",)
        found = potential(self._near.graph(s).to(self._device), wanted)
        return {name: found[name].to(self._device, self._dtype) for name in ("energy", *wanted)}


_STATE = ("positions", "cell", "pbc", "atomic_numbers", "system_idx")


def structures_of_state(state: SimState | dict[str, Tensor]) -> Structures:
    """Structures of a state, on the CPU in float64, where neighbours are searched."""
    given = state if isinstance(state, dict) else {name: getattr(state, name) for name in _STATE}
    positions = given["positions"].detach().cpu().double()
    columns = given["cell"].detach().cpu().double().reshape(-1, 3, 3)
    owner = given.get("system_idx")
    owner = torch.zeros(len(positions), dtype=torch.int64) if owner is None else owner.cpu().long()
    pbc = torch.as_tensor(given["pbc"]).cpu().bool().expand(len(columns), 3)
    rows = torch.where(pbc.unsqueeze(2), columns.transpose(1, 2), 0.0)
    return Structures(positions, given["atomic_numbers"].cpu().long(), rows, pbc.clone(), owner)
