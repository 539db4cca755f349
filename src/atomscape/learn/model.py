"""Model: one encoder, run once per batch, and any number of heads.

Heads are keyed ``dataset:property`` or ``shared:property``. A structure's property comes from the head of its
own dataset if there is one, else from the shared head; NaN where neither exists. Forces and stress are never
heads: with strain ε applied as r → r(1+ε), cell → cell(1+ε), they are −∂E/∂r and (1/V) ∂E/∂ε.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Collection, Sequence
from dataclasses import replace
from typing import Any

import torch
from torch import nn

from atomscape.atoms.graph import Graph
from atomscape.atoms.properties import PROPERTIES, Property
from atomscape.find import find, suggest
from atomscape.learn.architecture import Architecture
from atomscape.learn.constants.references import DatasetReferences
from atomscape.learn.objectives import ByPositions, OwnLoss, own_loss
from atomscape.nn.embedding import Embedding
from atomscape.shapes import Float, Int, Tensor

DERIVATIVES = ("forces", "stress")


class Model(nn.Module):
    """Encoder and heads built from an ``Architecture``; predicts in the units of the properties."""

    def __init__(self, architecture: Architecture):
        super().__init__()
        self.architecture = architecture
        encoder = find("encoders", architecture.encoder.kind)
        self.encoder = encoder.build(encoder.Config(**architecture.encoder.options))
        self.heads = nn.ModuleDict()
        for h in architecture.heads:
            module = find("heads", h.head.kind)
            property = h.predicts.property()
            self.heads[h.key] = module.build(
                module.Config(**h.head.options), self.encoder.irreps, (property,)
            )
        self.encoder.to(architecture.torch_dtype)
        self.own_references = nn.ModuleDict(
            {
                h.key: DatasetReferences(len(architecture.datasets))
                for h in architecture.heads
                if h.own_references
            }
        )
        for p in self.heads.parameters():  # buffers (reference energies, scales) stay float64
            p.data = p.data.to(architecture.torch_dtype)
        self._by_positions = any(isinstance(head, ByPositions) for head in self.heads.values())
        self.about: dict[str, Any] = {}

    @property
    def cutoff(self) -> float:
        """Cutoff of the neighbour graph in Å."""
        return self.encoder.cutoff

    @property
    def dtype(self) -> torch.dtype:
        """Dtype the network computes in."""
        return self.architecture.torch_dtype

    @property
    def properties(self) -> dict[str, Property]:
        """Every property the model predicts, derivatives of the energy included."""
        own = {h.predicts.name: h.predicts.property() for h in self.architecture.heads}
        return own | {name: PROPERTIES[name] for name in self.architecture.derivatives}

    def own_losses(self) -> dict[tuple[int, str], OwnLoss]:
        """Heads that judge their output themselves, by (dataset, property)."""
        found: dict[tuple[int, str], OwnLoss] = {}
        for h in self.architecture.heads:
            head = own_loss(self.heads[h.key])
            if head is not None:
                names = self.architecture.datasets
                served = range(len(names)) if h.dataset == "shared" else [names.index(h.dataset)]
                found |= {(d, h.predicts.name): head for d in served}
        return found

    @property
    def n_parameters(self) -> int:
        """Number of trained numbers."""
        return sum(p.numel() for p in self.parameters() if p.requires_grad)

    @property
    def hash(self) -> str:
        """SHA-256 over architecture and weights; equal hashes mean equal predictions."""
        digest = hashlib.sha256(
            json.dumps(self.architecture.model_dump(mode="json"), sort_keys=True).encode()
        )
        for name, tensor in sorted(self.state_dict().items()):
            digest.update(name.encode())
            digest.update(tensor.detach().cpu().contiguous().view(-1).view(torch.uint8).numpy().tobytes())
        return digest.hexdigest()

    def forward(
        self,
        graph: Graph,
        dataset: str | Int[Tensor, " structures"] | None = None,
        derivatives: Sequence[str] | None = None,
    ) -> dict[str, Tensor]:
        """Predict every property for every structure (or atom).

        Parameters
        ----------
        dataset
            Name of the dataset whose heads to use, or an index into ``architecture.datasets`` per structure;
            None takes the only dataset there is, or the shared heads.
        derivatives
            Which of forces and stress to compute; None takes those the model was trained on.

        Raises
        ------
        LookupError
            No such dataset, no such derivative, or one asked of a model without an energy head.
        """
        wanted = tuple(self.architecture.derivatives if derivatives is None else derivatives)
        index = self.dataset_index(dataset, graph)
        if not wanted and not self._by_positions:
            return self.read(self.encoder(graph), graph, index)
        other = [name for name in wanted if name not in DERIVATIVES]
        if other:
            raise LookupError(
                f"no derivative {other[0]!r}{suggest(other[0], DERIVATIVES)} Known: {', '.join(DERIVATIVES)}."
            )
        if wanted and not any(h.predicts.name == "energy" for h in self.architecture.heads):
            raise LookupError(
                f"{', '.join(wanted)} need an energy head; this model predicts {list(self.properties)}"
            )
        with torch.enable_grad():
            strained, positions, strain = strained_leaves(graph)
            predictions = self.read(self.encoder(strained), strained, index)
            if not wanted:
                return predictions if self.training else {k: v.detach() for k, v in predictions.items()}
            energy = torch.nan_to_num(predictions["energy"]).sum()
            d_positions, d_strain = torch.autograd.grad(
                energy, (positions, strain), create_graph=self.training, materialize_grads=True
            )
        if not self.training:
            predictions = {k: v.detach() for k, v in predictions.items()}
        unknown = predictions["energy"].isnan().view(-1, 1)  # no head for that dataset: no derivatives either
        if "forces" in wanted:
            forces = torch.where(unknown[graph.structures.structure], torch.nan, -d_positions)
            predictions["forces"] = forces
        if "stress" in wanted:
            predictions["stress"] = torch.where(unknown.unsqueeze(2), torch.nan, per_volume(d_strain, graph))
        return predictions

    def read(
        self,
        embedding: Embedding,
        graph: Graph,
        index: Int[Tensor, " structures"],
        names: Collection[str] | None = None,
    ) -> dict[str, Tensor]:
        """Predictions from an embedding; ``index`` is the dataset of each structure.

        ``names`` are the properties wanted; None: those of all heads.
        """
        predictions: dict[str, Tensor] = {}
        for h in self.architecture.heads:  # shared heads come first, a dataset's own head overrides them
            name = h.predicts.name
            if names is not None and name not in names:
                continue
            value = self.heads[h.key](embedding, graph)[name]
            if h.own_references:
                value = value + self.own_references[h.key](graph, index)
            if h.dataset == "shared":
                predictions[name] = value
                continue
            mine = index == self.architecture.datasets.index(h.dataset)
            if h.predicts.per == "atom":
                mine = mine[graph.structures.structure]
            other = predictions.get(name, torch.full_like(value, torch.nan))
            predictions[name] = torch.where(mine.view(-1, *[1] * (value.dim() - 1)), value, other)
        return predictions

    def dataset_index(
        self, dataset: str | Int[Tensor, " structures"] | None, graph: Graph
    ) -> Int[Tensor, " structures"]:
        """Index into ``architecture.datasets`` of each structure, −1 for the shared heads alone.

        Raises
        ------
        LookupError
            No such dataset, or none named where it matters.
        """
        names, n = self.architecture.datasets, graph.structures.n_structures
        if isinstance(dataset, Tensor):
            return dataset
        if dataset is None:
            if len(names) > 1 and len(self.own_references):
                raise LookupError(
                    f"{', '.join(self.own_references)} have references per dataset; say whose to use: "
                    f"{', '.join(names)}"
                )
            return torch.full((n,), 0 if len(names) == 1 else -1, device=graph.structures.device)
        if dataset not in names:
            raise LookupError(
                f"no dataset {dataset!r} in this model{suggest(dataset, names)} Known: {', '.join(names)}."
            )
        return torch.full((n,), names.index(dataset), device=graph.structures.device)


def strained_leaves(graph: Graph) -> tuple[Graph, Tensor, Tensor]:
    """Graph whose positions and cells depend on leaves ``positions`` and ``strain`` (zero) per structure."""
    s = graph.structures
    positions = s.positions.detach().clone().requires_grad_()
    strain = torch.zeros_like(s.cell).requires_grad_()
    symmetric = (strain + strain.transpose(1, 2)) / 2
    moved = positions + torch.einsum("ai,aij->aj", positions, symmetric[s.structure])
    cell = s.cell + s.cell @ symmetric
    return graph.with_structures(replace(s, positions=moved, cell=cell)), positions, strain


def per_volume(d_strain: Float[Tensor, "structures 3 3"], graph: Graph) -> Float[Tensor, "structures 3 3"]:
    """(1/V) ∂E/∂ε; NaN for structures that are not periodic in all three directions."""
    volume = graph.structures.volume
    full = volume.isfinite()
    stress = d_strain / torch.where(full, volume, 1.0).view(-1, 1, 1)
    return torch.where(full.view(-1, 1, 1), stress, torch.nan)
