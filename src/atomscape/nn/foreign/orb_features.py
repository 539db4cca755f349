"""Features of Orb's networks, from edges of ours; needs orb-models only, and none of this package.

Harmonics of the edge vectors enter as plain numbers, so its features follow the frame of the structure: no
component of them turns, and none is invariant. Its vectors point from sender to receiver; the sender is the
atom whose neighbours are counted, our centre.
"""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import torch


class Features:
    """A network, and its features after the embedding of elements and after every layer."""

    def __init__(self, model: Any, most: int, charge: float, spin: float) -> None:
        self.model, self.most = model.eval().requires_grad_(False), most
        self.state = {"total_charge": charge, "total_spin": spin}

    def described(self) -> dict[str, Any]:
        """What it is."""
        width = self.model.gnn_stacks[0].latent_dim
        return {
            "layers": [f"{width}x0e"] * (1 + len(self.model.gnn_stacks)),
            "cutoff": 6.0,  # written into its code
            "elements": list(range(1, 118)),
            "symmetry": "none",
        }

    def to(self, dtype: torch.dtype, device: torch.device) -> None:
        """Compute in this precision, there."""
        self.model.to(device, dtype)

    def __call__(self, x: torch.Tensor, graph: dict[str, torch.Tensor]) -> list[torch.Tensor]:
        """Features of all atoms, each layer ``[atoms, features]``."""
        numbers = graph["numbers"]
        kept = nearest(x, graph["centre"], len(numbers), self.most)
        elements = torch.nn.functional.one_hot(numbers, 118).to(x.dtype)
        batch = SimpleNamespace(
            senders=graph["centre"][kept],
            receivers=graph["neighbour"][kept],
            n_node=torch.tensor([len(numbers)], device=x.device),
            node_features={"atomic_numbers": numbers, "atomic_numbers_embedding": elements},
            edge_features={"vectors": x[kept]},
            system_features={k: x.new_tensor([v]) for k, v in self.state.items()},
        )
        found: list[torch.Tensor] = []
        layers = (self.model._encoder, *self.model.gnn_stacks)
        hooks = [n.register_forward_hook(lambda _, given, out: found.append(out[0])) for n in layers]
        try:
            self.model(batch)
        finally:
            for hook in hooks:
                hook.remove()
        return found


def nearest(x: torch.Tensor, centre: torch.Tensor, atoms: int, most: int) -> torch.Tensor:
    """Numbers of the edges that a network sees which looks at this many neighbours of an atom at most."""
    counts = torch.bincount(centre, minlength=atoms)
    if not len(centre) or int(counts.max()) <= most:
        return torch.arange(len(centre), device=x.device)
    order = torch.argsort(x.detach().square().sum(1), stable=True)
    order = order[torch.argsort(centre[order], stable=True)]
    place = torch.arange(len(centre), device=x.device) - (counts.cumsum(0) - counts)[centre[order]]
    return order[place < most].sort().values


def build(options: dict[str, Any]) -> Features:
    """One of the package's models with weights from ``options["file"]``, or random ones and these sizes."""
    from orb_models.forcefield import pretrained

    most = 10**9
    if options.get("file"):
        known = pretrained.ORB_PRETRAINED_MODELS
        if options["architecture"] not in known:
            raise ValueError(
                f"architecture {options['architecture']!r} (encoder.architecture) is none of the package's: "
                f"{', '.join(known)}"
            )
        load = known[options["architecture"]]
        whole = load(options["file"], device="cpu", precision="float32-highest", compile=False)
        most = whole.system_config.max_num_neighbors
    else:
        torch.manual_seed(options["seed"])
        whole = pretrained.orb_v3_conservative_architecture(
            latent_dim=options["channels"],
            base_mlp_hidden_dim=options["hidden_channels"],
            num_message_passing_steps=options["layers"],
            device="cpu",
        )
    return Features(whole.model, options.get("neighbours") or most, options["charge"], options["spin"])
