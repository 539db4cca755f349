"""How the terms of a loss are added: by the weights of the config, or by weights that change in training.

A weighting is a module called with the terms and their sums (``objectives.term_sums``). Its parameters and
buffers are part of the training state. Terms of which nothing is known in a batch add nothing, and change
nothing that a weighting keeps.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Protocol, cast

import torch
from accelerate import Accelerator
from torch import nn

from atomscape.learn.objectives import Term, total_loss
from atomscape.learn.weighting.balanced import BalancedWeights
from atomscape.learn.weighting.learned import LearnedWeights
from atomscape.learn.weighting.options import Weighting
from atomscape.shapes import Float, Int, Tensor

Sums = Sequence[tuple[Float[Tensor, ""], Int[Tensor, ""]]]


class Weigher(Protocol):
    """What the loop asks of a weighting."""

    def __call__(self, terms: Sequence[Term], sums: Sums) -> Float[Tensor, ""]:
        """The loss to descend."""
        ...

    def weights(self, terms: Sequence[Term]) -> dict[str, float]:
        """Factor on each term by its name as it is now; nothing where the config says it all."""
        ...


class FixedWeights(nn.Module):
    """Σ weight · mean over the known labels."""

    def forward(self, terms: Sequence[Term], sums: Sums) -> Float[Tensor, ""]:
        """Add the terms."""
        return total_loss(terms, sums)

    def weights(self, terms: Sequence[Term]) -> dict[str, float]:
        """Nothing that the config does not say."""
        return {}


def weighting_of(
    asked: Weighting,
    terms: Sequence[Term],
    encoder: nn.Module,
    mean: Callable[[Tensor], Tensor] = lambda x: x,
) -> FixedWeights | LearnedWeights | BalancedWeights:
    """The weighting that a config asks for.

    Parameters
    ----------
    mean
        Mean of a tensor over all processes.

    Raises
    ------
    ValueError
        Gradients are to be balanced at an encoder of which nothing is trained.
    """
    if asked.kind == "fixed":
        return FixedWeights()
    if asked.kind == "learned":
        return LearnedWeights(terms)
    trained = tuple(p for p in encoder.parameters() if p.requires_grad)
    if not trained:
        raise ValueError(
            "training.weighting: gradient balances how the objectives pull at the encoder, and all of it is "
            "frozen; use weighting: fixed or learned, or freeze less"
        )
    return BalancedWeights(terms, trained, asked.every, asked.asymmetry, mean)


def mean_over(accelerator: Accelerator) -> Callable[[Tensor], Tensor]:
    """Mean of a tensor over the processes of a run."""
    return lambda x: x if accelerator.num_processes == 1 else cast(Tensor, accelerator.reduce(x, "mean"))


@torch.no_grad()
def average_gradients(weighting: nn.Module, mean: Callable[[Tensor], Tensor]) -> None:
    """Replace the gradients of a weighting's parameters by their mean over all processes."""
    for p in weighting.parameters():
        if p.grad is not None:
            p.grad.copy_(mean(p.grad))
