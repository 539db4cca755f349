"""Features of fairchem's equivariant networks, UMA and eSEN, from edges of ours; needs fairchem-core only.

Components of its features are in e3nn's order, and its vectors point from the atom that receives a message to
the one that sends it, as ours do. Complex weights of its convolutions in the frames of edges turn with the
structure, but a reflection changes what they do.
"""

from __future__ import annotations

from collections import UserDict
from typing import Any

import torch


class Batch(UserDict):
    """What the network reads of a batch, by name."""


class Features:
    """A network, and its features after the embedding of elements and after every layer.

    The last ones are normalised, as heads of the network read them.
    """

    def __init__(self, model: Any, dataset: str | None, charge: int, spin: int) -> None:
        self.model = model.eval().requires_grad_(False)
        self.model.otf_graph = False  # edges are given
        self.model.regress_config.direct_forces = True  # derivatives are taken by who asks for features
        self.dataset, self.charge, self.spin = dataset, charge, spin
        known = list(model.dataset_mapping or ()) if model.use_dataset_embedding else []
        if known and dataset not in known:
            raise ValueError(
                f"dataset {dataset!r} (encoder.dataset) is none of this network's: {', '.join(known)}"
            )

    def described(self) -> dict[str, Any]:
        """What it is."""
        c, degrees = self.model.sphere_channels, range(self.model.lmax + 1)
        whole = "+".join(f"{c}x{l}e" for l in degrees)
        return {
            "layers": [f"{c}x0e", *[whole] * len(self.model.blocks)],
            "cutoff": float(self.model.cutoff),
            "elements": list(range(1, self.model.max_num_elements)),
            "symmetry": "SO(3)",
        }

    def to(self, dtype: torch.dtype, device: torch.device) -> None:
        """Compute in this precision, there."""
        self.model.to(device, dtype)

    def __call__(self, x: torch.Tensor, graph: dict[str, torch.Tensor]) -> list[torch.Tensor]:
        """Features of all atoms, each layer ``[atoms, features]``."""
        batch = self._batch(x, graph)
        system = self.model.csd_embedding(batch["charge"], batch["spin"], batch["dataset"])
        species = self.model.sphere_embedding(graph["numbers"]) + system[graph["structure"]]
        layers: list[torch.Tensor] = []
        later = self.model.blocks[1:]
        hooks = [b.register_forward_pre_hook(lambda _, given: layers.append(given[0])) for b in later]
        try:
            with torch.random.fork_rng([x.device] if x.is_cuda else []):
                torch.manual_seed(0)  # frames of edges have a roll at random, which changes the last digits
                layers.append(self.model(batch)["node_embedding"])
        finally:
            for hook in hooks:
                hook.remove()
        return [species, *(self._row(h) for h in layers)]

    def _batch(self, x: torch.Tensor, graph: dict[str, torch.Tensor]) -> Batch:
        """Atoms at the origin, with edge vectors for the shifts by lattice vectors of length 1."""
        structure = graph["structure"]
        n = int(structure[-1]) + 1
        return Batch(
            pos=x.new_zeros(len(structure), 3),
            atomic_numbers=graph["numbers"],
            batch=structure,
            natoms=torch.bincount(structure, minlength=n),
            edge_index=torch.stack([graph["neighbour"], graph["centre"]]),
            nedges=torch.bincount(structure[graph["centre"]], minlength=n),
            cell=torch.eye(3, dtype=x.dtype, device=x.device).expand(n, 3, 3),
            cell_offsets=x,
            charge=torch.full((n,), self.charge, device=x.device),
            spin=torch.full((n,), self.spin, device=x.device),
            dataset=[self.dataset] * n,
        )

    def _row(self, h: torch.Tensor) -> torch.Tensor:
        """From ``[atoms, lm, channels]`` to degree by degree, each channel by channel."""
        degrees = range(self.model.lmax + 1)
        return torch.cat([h[:, l * l : (l + 1) ** 2].mT.flatten(1) for l in degrees], 1)


def build(options: dict[str, Any]) -> Features:
    """From a checkpoint for inference, ``options["file"]``, or of random weights and these sizes."""
    from fairchem.core.models.uma.escn_md import eSCNMDBackbone

    if options.get("file"):
        from fairchem.core.units.mlip_unit.utils import load_inference_model

        model = load_inference_model(options["file"], use_ema=True, return_checkpoint=False).module.backbone
        if not isinstance(model, eSCNMDBackbone):
            raise ValueError(
                f"{options['file']} holds a {type(model).__name__}, not one of the networks of UMA"
            )
    else:
        torch.manual_seed(options["seed"])
        model = eSCNMDBackbone(
            sphere_channels=options["channels"],
            hidden_channels=options["hidden_channels"],
            edge_channels=options["channels"],
            lmax=options["l_max"],
            mmax=min(options["m_max"], options["l_max"]),
            num_layers=options["layers"],
            cutoff=options["cutoff"],
            num_distance_basis=options["n_radial"],
            ff_type=options["feed_forward"],
            use_dataset_embedding=False,
        )
    return Features(model, options["dataset"], options["charge"], options["spin"])
