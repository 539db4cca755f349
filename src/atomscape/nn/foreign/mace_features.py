"""Features of mace-torch's networks, from edges of ours; needs mace-torch only, and none of this package.

What its networks make of vectors from neighbour to centre, ours are made of vectors from centre to neighbour:
where its features are odd under inversion they have the opposite sign of what its descriptors say.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import torch


class Features:
    """A network, and its features after the embedding of elements and after every layer, as e3nn has them."""

    def __init__(self, model: torch.nn.Module) -> None:
        self.model: Any = model.eval().requires_grad_(False)
        self.elements = [int(z) for z in self.model.atomic_numbers]
        rows = torch.full((max(self.elements) + 1,), -1)
        rows[torch.tensor(self.elements)] = torch.arange(len(self.elements))
        self.rows = rows

    def described(self) -> dict[str, Any]:
        """What it is."""
        products = [str(p.linear.irreps_out) for p in self.model.products]
        return {
            "layers": [str(self.model.node_embedding.linear.irreps_out), *products],
            "cutoff": round(float(self.model.r_max), 6),
            "elements": self.elements,
        }

    def to(self, dtype: torch.dtype, device: torch.device) -> None:
        """Compute in this precision, there."""
        self.model.to(device, dtype)
        self.rows = self.rows.to(device)

    def __call__(self, x: torch.Tensor, graph: dict[str, torch.Tensor]) -> list[torch.Tensor]:
        """Features of all atoms, each layer ``[atoms, features]``."""
        n, kinds = len(graph["numbers"]), len(self.elements)
        attributes = torch.nn.functional.one_hot(self.rows[graph["numbers"]], kinds).to(x.dtype)
        data = {
            "positions": x.new_zeros(n, 3),
            "shifts": x,
            "unit_shifts": torch.zeros_like(x),
            "edge_index": torch.stack([graph["neighbour"], graph["centre"]]),
            "node_attrs": attributes,
            "cell": x.new_zeros(3, 3),
            "batch": torch.zeros_like(graph["numbers"]),
            "ptr": torch.tensor([0, n], device=x.device),
        }
        found = self.model(data, compute_force=False)["node_feats"]
        sizes = [p.linear.irreps_out.dim for p in self.model.products]
        return [self.model.node_embedding(attributes), *found.split(sizes, dim=1)]


def build(options: dict[str, Any]) -> Features:
    """From a model file, ``options["file"]``, or of random weights and these sizes."""
    if options.get("file"):
        model = torch.load(options["file"], map_location="cpu", weights_only=False)
        return Features(model)
    return Features(untrained(options))


def untrained(options: dict[str, Any]) -> torch.nn.Module:
    """A network of random weights."""
    from mace import modules

    torch.manual_seed(options["seed"])
    irreps = modules.blocks.o3.Irreps
    hidden = [(options["channels"], (l, (-1) ** l)) for l in range(options["l_hidden"] + 1)]
    kind = modules.interaction_classes["RealAgnosticResidualInteractionBlock"]
    return modules.ScaleShiftMACE(
        r_max=options["cutoff"],
        num_bessel=options["n_radial"],
        num_polynomial_cutoff=5,
        max_ell=options["l_max"],
        interaction_cls=kind,
        interaction_cls_first=kind,
        num_interactions=options["layers"],
        num_elements=len(options["elements"]),
        hidden_irreps=irreps(hidden),
        MLP_irreps=irreps("16x0e"),
        gate=torch.nn.functional.silu,
        atomic_energies=np.zeros((1, len(options["elements"]))),
        avg_num_neighbors=options["average_neighbours"],
        atomic_numbers=options["elements"],
        correlation=options["correlation"],
        radial_MLP=[64, 64, 64],
        radial_type="bessel",
        atomic_inter_scale=1.0,
        atomic_inter_shift=0.0,
    )
