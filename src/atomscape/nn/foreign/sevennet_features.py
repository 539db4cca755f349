"""Features of SevenNet's networks, from edges of ours; needs sevenn only, and none of this package.

Its edges are named the other way round than in other packages that use e3nn, centre first, but its vectors
point from the centre to the neighbour as ours do.
"""

from __future__ import annotations

from typing import Any

import torch


class Features:
    """A network, and its features after the embedding of elements and after every layer, as e3nn has them."""

    def __init__(self, model: Any, settings: dict[str, Any], modality: str | None) -> None:
        self.model = model.eval().requires_grad_(False)
        self.model.set_is_batch_data(False)
        self.settings, self.modality = settings, _modality(settings, modality)
        self.elements = [z for z in sorted(settings["_type_map"]) if z]
        self.rows = model.z_to_onehot_tensor
        self.steps = dict(model.named_children())
        self.layers = [n for n in self.steps if n == "onehot_to_feature_x" or n.endswith("_equivariant_gate")]

    def described(self) -> dict[str, Any]:
        """What it is."""
        first, *gates = (self.steps[name] for name in self.layers)
        return {
            "layers": [str(first.irreps_out), *(str(g.gate.irreps_out) for g in gates)],
            "cutoff": float(self.settings["cutoff"]),
            "elements": self.elements,
            "symmetry": "O(3)" if self.settings["is_parity"] else "SO(3)",
        }

    def to(self, dtype: torch.dtype, device: torch.device) -> None:
        """Compute in this precision, there."""
        self.model.to(device, dtype)
        self.rows = self.rows.to(device)

    def __call__(self, x: torch.Tensor, graph: dict[str, torch.Tensor]) -> list[torch.Tensor]:
        """Features of all atoms, each layer ``[atoms, features]``."""
        data = {
            "edge_vec": x,
            "edge_index": torch.stack([graph["centre"], graph["neighbour"]]),
            "x": self.rows[graph["numbers"]],
            "modal_type": torch.tensor(self.modality, device=x.device),
        }
        found = []
        for name, step in self.steps.items():
            data = step(data)
            if name == "onehot_idx_to_onehot":  # made in single precision whatever the network has
                data["x"], data["node_attr"] = data["x"].to(x.dtype), data["node_attr"].to(x.dtype)
            if name in self.layers:
                found.append(data["x"])
            if len(found) == len(self.layers):
                break
        return found


def _modality(settings: dict[str, Any], name: str | None) -> int:
    """Number of the level of theory that is asked for; networks of a single one have none to choose."""
    known = settings.get("_modal_map") or {}
    if name in known:
        return known[name]
    if known or name:
        raise ValueError(
            f"modality {name!r} (encoder.modality) is none of this network's, which are "
            f"{', '.join(known) or 'none: leave it out'}"
        )
    return 0


def build(options: dict[str, Any]) -> Features:
    """From a checkpoint, ``options["file"]``, or of random weights and these sizes."""
    if options.get("file"):
        from sevenn.util import model_from_checkpoint

        model, settings = model_from_checkpoint(options["file"])
    else:
        model, settings = untrained(options)
    return Features(model, settings, options.get("modality"))


def untrained(options: dict[str, Any]) -> tuple[torch.nn.Module, dict[str, Any]]:
    """A network of random weights, and its settings."""
    from ase.data import chemical_symbols
    from sevenn._const import DEFAULT_E3_EQUIVARIANT_MODEL_CONFIG as DEFAULTS
    from sevenn.model_build import build_E3_equivariant_model
    from sevenn.util import chemical_species_preprocess

    torch.manual_seed(options["seed"])
    settings = {
        **DEFAULTS,
        **chemical_species_preprocess([chemical_symbols[z] for z in options["elements"]]),
        "cutoff": options["cutoff"],
        "channel": options["channels"],
        "lmax": options["l_max"],
        "is_parity": options["parity"] == "both",
        "num_convolution_layer": options["layers"],
        "self_connection_type": options["self_connection"],
        "radial_basis": {"radial_basis_name": "bessel", "bessel_basis_num": options["n_radial"]},
        "conv_denominator": options["average_neighbours"],
        "shift": 0.0,
        "scale": 1.0,
    }
    return build_E3_equivariant_model(settings), settings
