"""Class of a structure or of an atom, as probabilities: softmax of a network on its features.

    u = mean over atoms of silu(W₁ x_a + b₁)            of an atom: u = silu(W₁ x_a + b₁)
    log p(class) = log softmax(W₃ silu(W₂ u + b₂) + b₃)

x_a are the invariants of an atom. With ``chiral`` its pseudoscalars, which change sign in a mirror, enter as
they are, so that mirror images can be two classes; without it they count by their squares only, and mirror
images have the same probabilities up to rounding. The loss is the cross-entropy −log p of the class that is
labelled, which is least where the probabilities are the frequencies; of atoms the mean over those of a
structure that are labelled. With ``balanced`` it is weighed by n / (K n_k), where n_k of n rows of the
training part are of this one of K classes: rare classes then count as much as common ones, and probabilities
are those of classes that are equally common. With ``smoothing`` ε the labelled class counts 1 − ε and all
classes share the rest (Szegedy et al. 2016, arXiv:1512.00567, section 7): a network that knows its training
set by heart then does not grow ever surer, which costs other heads of the same encoder their best weights.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from pydantic import BaseModel, ConfigDict, Field, model_serializer
from torch import nn

from atomscape.atoms.graph import Graph
from atomscape.atoms.properties import Property
from atomscape.atoms.structures import Structures
from atomscape.nn.embedding import Embedding
from atomscape.o3.irreps import Irreps
from atomscape.ops.segment import segment_mean, segment_sum
from atomscape.shapes import Bool, Float, Int, Tensor

PSEUDOSCALAR = (0, -1)


class Config(BaseModel):
    """Hyper-parameters. Labels are the whole numbers first, first + 1, …, first + count − 1."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    count: int = Field(2, ge=2, description="classes")
    first: int = Field(0, ge=0, description="the smallest label: 1 for numbers of space groups")
    hidden: int = Field(64, ge=1)
    balanced: bool = Field(False, description="weigh classes so that all count alike")
    chiral: bool = Field(False, description="tell mirror images apart; needs an encoder with pseudoscalars")
    smoothing: float = Field(0.0, ge=0, lt=1, description="share of a label that all classes get alike")

    @model_serializer(mode="wrap")
    def _short(self, write: Callable[[Any], dict[str, Any]]) -> dict[str, Any]:
        """Leave out what is not used, so that models without it keep their hash."""
        return {k: v for k, v in write(self).items() if k not in ("balanced", "smoothing") or v}


class ClassHead(nn.Module):
    """Reads the invariants of the embedding, with ``chiral`` its pseudoscalars; gives log p of each class.

    ``error_unit``: an error is 1 where the likeliest class is wrong, else 0; the share of wrong atoms.
    """

    error_unit = "wrong"
    weights: Float[Tensor, " classes"]

    def __init__(self, config: Config, irreps: Irreps, properties: tuple[Property, ...]) -> None:
        super().__init__()
        if len(properties) != 1 or not _counts(properties[0]):
            raise ValueError(
                "head 'classes' gives the class of a structure or an atom, a whole number without unit such "
                f"as space_group; asked for {[p.name for p in properties]}"
            )
        handed = sum(mul for mul, ir in irreps if (ir.l, ir.p) == PSEUDOSCALAR)
        if config.chiral and not handed:
            raise ValueError(
                f"head 'classes' with chiral needs pseudoscalars; the encoder gives {irreps}. Encoders with "
                "`parity: both` have them. With `parity: so3` scalars are handed themselves: leave chiral out"
            )
        self.config, self.provides = config, properties
        self.of_atoms = properties[0].per == "atom"
        features = sum(mul for mul, _ in irreps) + (handed if config.chiral else 0)
        self.atoms = nn.Sequential(nn.Linear(features, config.hidden), nn.SiLU())
        self.whole = nn.Sequential(
            nn.Linear(config.hidden, config.hidden), nn.SiLU(), nn.Linear(config.hidden, config.count)
        )
        if config.balanced:
            self.register_buffer("weights", torch.ones(config.count, dtype=torch.float64))

    def forward(self, embedding: Embedding, graph: Graph) -> dict[str, Float[Tensor, "rows classes"]]:
        """Predict log p of each class, in float64."""
        x = embedding.invariants()
        if self.config.chiral:
            x = torch.cat([x, embedding.blocks[PSEUDOSCALAR][:, 0]], 1)
        u = self.atoms(x)
        if not self.of_atoms:
            u = segment_mean(u, graph.structures.structure, len(graph.structures))
        return {self.provides[0].name: self.whole(u).double().log_softmax(1)}

    def losses(self, prediction: Float[Tensor, "rows classes"], graph: Graph) -> Float[Tensor, " structures"]:
        """−log p of the labelled class, in nats, smoothed as asked; NaN where no class is known.

        Raises
        ------
        ValueError
            A label is none of the classes.
        """
        target, known = self.targets(graph.structures)
        chosen = prediction.gather(1, target.unsqueeze(1)).squeeze(1)
        if self.config.smoothing:
            chosen = torch.lerp(chosen, prediction.mean(1), self.config.smoothing)
        if self.config.balanced:
            chosen = chosen * self.weights[target]
        return self._of_structures(-chosen, known, graph)

    def errors(self, prediction: Float[Tensor, "rows classes"], graph: Graph) -> Float[Tensor, " structures"]:
        """1 where the likeliest class is wrong, 0 where it is right, NaN where no class is known."""
        target, known = self.targets(graph.structures)
        wrong = (prediction.argmax(1) != target).to(prediction.dtype)
        return self._of_structures(wrong, known, graph)

    def guess(self, labels: Float[Tensor, " rows"]) -> Float[Tensor, " classes"]:
        """Log of the frequency of each class; the likeliest is the commonest."""
        c = self.config
        counts = torch.bincount(labels.long() - c.first, minlength=c.count)[: c.count]
        return (counts.double() / max(1, len(labels))).log()

    def refuse_labels(self, structures: Structures) -> None:
        """Raise ``ValueError`` that names a label which is none of the classes, and the range of all."""
        self.targets(structures)

    def example(self, structures: Structures) -> Structures:
        """Label each structure by its number of atoms, each atom by its element: for laws."""
        c, s = self.config, structures
        label = c.first + ((s.numbers if self.of_atoms else s.counts) % c.count).double()
        return s.with_labels(**{self.provides[0].name: label})

    def fit(self, structures: Structures) -> float:
        """Count the classes where they are to be balanced; one that is not there keeps weight 1."""
        if self.config.balanced:
            target, known = self.targets(structures)
            counts = torch.bincount(target[known], minlength=self.config.count).double()
            weights = counts.sum() / (int((counts > 0).sum()) * counts)
            self.weights.copy_(torch.where(counts > 0, weights, 1.0))
        return 1.0

    def targets(self, structures: Structures) -> tuple[Int[Tensor, " rows"], Bool[Tensor, " rows"]]:
        """Place of each label among the classes (0 where unknown), and whether it is known."""
        name, c = self.provides[0].name, self.config
        label = structures.labels[name]
        known = label.isfinite()
        place = torch.where(known, label, c.first) - c.first
        outside = (place < 0) | (place >= c.count) | (place != place.round())
        if bool(outside.any()):
            first, last = float(label[known].min()), float(label[known].max())
            whole = bool((label[known] == label[known].round()).all())
            raise ValueError(
                f"{name} = {float(label[outside][0]):g} is none of the classes {c.first} … "
                f"{c.first + c.count - 1} of head 'classes'; labels run from {first:g} to {last:g}: "
                + (
                    "give its `first` and `count`"
                    if whole
                    else "not whole numbers; head 'scalar' learns them"
                )
            )
        return place.to(torch.int64), known

    def _of_structures(self, values: Tensor, known: Tensor, graph: Graph) -> Float[Tensor, " structures"]:
        """Values of structures as they are; of atoms their mean over those known."""
        if not self.of_atoms:
            return torch.where(known, values, torch.nan)
        s = graph.structures
        count = torch.bincount(s.structure[known], minlength=len(s))
        total = segment_sum(torch.where(known, values, 0.0), s.structure, len(s))
        return torch.where(count > 0, total / count.clamp(min=1), torch.nan)


def _counts(p: Property) -> bool:
    return not p.shape and p.unit == "1" and not p.extensive


def build(config: Config, irreps: Irreps, properties: tuple[Property, ...]) -> ClassHead:
    """Make the head for an encoder of these irreps."""
    return ClassHead(config, irreps, properties)
