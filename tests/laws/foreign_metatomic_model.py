"""A small metatomic model: ``python foreign_metatomic_model.py FILE SEED ELEMENTS...``; needs metatomic only.

Three outputs of each atom, each made of other things: scalars of the vectors of a full neighbour list;
scalars and spherical vectors of positions and cells, over half a list; Cartesian vectors of both.
"""

import sys
from typing import Dict, List, Optional  # noqa: UP035  TorchScript reads these

import torch
from metatensor.torch import Labels, TensorBlock, TensorMap
from metatomic.torch import (
    AtomisticModel,
    ModelCapabilities,
    ModelMetadata,
    ModelOutput,
    NeighborListOptions,
    System,
)

FULL, HALF = 3.4, 3.0  # Å


class Tiny(torch.nn.Module):
    """Densities of neighbours, with weights of elements."""

    def __init__(self, seed: int) -> None:
        super().__init__()
        generator = torch.Generator().manual_seed(seed)
        self.weights = torch.nn.Parameter(torch.randn(119, 4, generator=generator).double())
        self.full = NeighborListOptions(FULL, True, True)
        self.half = NeighborListOptions(HALF, False, True)

    def requested_neighbor_lists(self) -> List[NeighborListOptions]:  # noqa: UP006
        return [self.full, self.half]

    def scalars(self, system: System) -> torch.Tensor:
        """After one exchange of densities, from the vectors of the list."""
        pairs = system.get_neighbor_list(self.full)
        r2 = pairs.values.reshape(-1, 3).square().sum(1, keepdim=True)
        first, second = pairs.samples.column("first_atom").long(), pairs.samples.column("second_atom").long()
        fade = (1 - r2 / 3.4**2) ** 3
        h = self.weights[system.types.long()]
        h = h + torch.zeros_like(h).index_add(0, first, fade * r2.sin() * h[second])
        return torch.tanh(h + torch.zeros_like(h).index_add(0, first, fade * h[second]))

    def vectors(self, system: System) -> torch.Tensor:
        """Σ f(r) w r in x, y, z, from positions and cells, ``[atoms, 3, 4]``."""
        pairs = system.get_neighbor_list(self.half).samples.values.long()
        first, second = pairs[:, 0], pairs[:, 1]
        x, w = system.positions, self.weights[system.types.long()].unsqueeze(1)
        r = (x[second] - x[first] + pairs[:, 2:].to(x.dtype) @ system.cell).unsqueeze(2)
        fade = (1 - r.square().sum(1, keepdim=True) / 3.0**2) ** 3
        v = torch.zeros_like(x.unsqueeze(2) * w)
        v = v.index_add(0, first, fade * r * w[second])
        return v.index_add(0, second, -fade * r * w[first])

    def forward(
        self,
        systems: List[System],  # noqa: UP006
        outputs: Dict[str, ModelOutput],  # noqa: UP006
        selected_atoms: Optional[Labels],  # noqa: UP045
    ) -> Dict[str, TensorMap]:  # noqa: UP006
        h = torch.cat([self.scalars(s) for s in systems])
        v = torch.cat([self.vectors(s) for s in systems])
        rows: List[List[int]] = []  # noqa: UP006
        for i, s in enumerate(systems):
            for a in range(len(s)):
                rows.append([i, a])
        samples = Labels(["system", "atom"], torch.tensor(rows).to(h.device))
        none: List[Labels] = []  # noqa: UP006
        n = Labels(["n"], torch.arange(4, device=h.device).unsqueeze(1))
        one = Labels(["_"], torch.zeros(1, 1, dtype=torch.int64, device=h.device))
        degrees = Labels(["o3_lambda", "o3_sigma"], torch.tensor([[0, 1], [1, 1]]).to(h.device))
        zero = Labels(["o3_mu"], torch.zeros(1, 1, dtype=torch.int64, device=h.device))
        mu = Labels(["o3_mu"], torch.tensor([[-1], [0], [1]]).to(h.device))
        scalar = TensorBlock(v.square().sum(1, keepdim=True), samples, [zero], n)
        spherical = TensorBlock(v[:, [1, 2, 0]], samples, [mu], n)
        xyz = Labels(["xyz"], torch.arange(3, device=h.device).unsqueeze(1))
        arrow = TensorBlock(v * h.unsqueeze(1), samples, [xyz], n)
        made = {
            "feature": TensorMap(one, [TensorBlock(h, samples, none, n)]),
            "mtt::aux::spherical": TensorMap(degrees, [scalar, spherical]),
            "mtt::aux::arrow": TensorMap(one, [arrow]),
        }
        return {name: made[name] for name in outputs.keys()}  # noqa: SIM118


def main() -> None:
    """Export it."""
    outputs = {name: ModelOutput(sample_kind="atom") for name in ("feature", *AUXILIARY)}
    outputs["energy"] = ModelOutput(unit="eV", sample_kind="system")
    can = ModelCapabilities(outputs, [int(z) for z in sys.argv[3:]], 2 * FULL, "angstrom", ["cpu"], "float64")
    model = AtomisticModel(Tiny(int(sys.argv[2])).eval(), ModelMetadata(), can)
    model.save(sys.argv[1])


AUXILIARY = ("mtt::aux::spherical", "mtt::aux::arrow")

if __name__ == "__main__":
    main()
