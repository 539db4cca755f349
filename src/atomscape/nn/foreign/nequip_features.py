"""Features of nequip's networks, from edges of ours; needs nequip only, and none of this package."""

from __future__ import annotations

from typing import Any

import torch


class Features:
    """A network, and its features after the embedding of elements and after every layer, as e3nn has them."""

    def __init__(self, model: Any, elements: list[int], cutoff: float) -> None:
        self.model, self.elements, self.cutoff = model.eval().requires_grad_(False), elements, cutoff
        rows = torch.full((max(elements) + 1,), -1)
        rows[torch.tensor(elements)] = torch.arange(len(elements))
        self.rows = rows
        found = [m for m in model.modules() if "layer0_convnet" in dict(m.named_children())]
        self.steps = dict(found[0].named_children())
        self.layers = [name for name in self.steps if name == "type_embed" or name.endswith("_convnet")]

    def described(self) -> dict[str, Any]:
        """What it is."""
        return {
            "layers": [str(self.steps[name].irreps_out["node_features"]) for name in self.layers],
            "cutoff": self.cutoff,
            "elements": self.elements,
        }

    def to(self, dtype: torch.dtype, device: torch.device) -> None:
        """Compute in this precision, there."""
        self.model.to(device, dtype)
        self.rows = self.rows.to(device)
        for module in self.model.modules():
            if "model_dtype" in vars(module):
                module.model_dtype = dtype
            if "_output_dtype" in vars(module):
                module._output_dtype = dtype

    def __call__(self, x: torch.Tensor, graph: dict[str, torch.Tensor]) -> list[torch.Tensor]:
        """Features of all atoms, each layer ``[atoms, features]``."""
        data = {
            "pos": x.new_zeros(len(graph["numbers"]), 3),
            "edge_vectors": x.double(),
            "edge_index": torch.stack([graph["centre"], graph["neighbour"]]),
            "atom_types": self.rows[graph["numbers"]],
        }
        found = []
        for name, step in self.steps.items():
            if name == "per_atom_energy_readout":
                break
            data = step(data)
            if name in self.layers:
                found.append(data["node_features"].to(x.dtype))
        return found


def build(options: dict[str, Any]) -> Features:
    """From a checkpoint, ``options["file"]``, or of random weights and these sizes."""
    from ase.data import atomic_numbers, chemical_symbols
    from nequip.utils.global_state import set_global_state

    set_global_state()
    if options.get("file"):
        from nequip.model.saved_models import ModelFromCheckpoint

        saved = torch.load(options["file"], map_location="cpu", weights_only=False)
        settings = saved["hyper_parameters"]["model"]
        model = ModelFromCheckpoint(options["file"])
        return Features(model, [atomic_numbers[s] for s in settings["type_names"]], settings["r_max"])
    from nequip.model import NequIPGNNModel

    model = NequIPGNNModel(
        seed=options["seed"],
        model_dtype="float32",
        r_max=options["cutoff"],
        type_names=[chemical_symbols[z] for z in options["elements"]],
        num_layers=options["layers"],
        l_max=options["l_max"],
        parity=options["parity"] == "both",
        num_features=options["channels"],
        num_bessels=options["n_radial"],
        avg_num_neighbors=options["average_neighbours"],
        per_type_energy_scales=1.0,
        per_type_energy_shifts=0.0,
    )
    return Features(model, options["elements"], options["cutoff"])
