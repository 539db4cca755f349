"""Weights by gradient: all terms pull at the encoder with the force that the config wants (GradNorm).

Chen, Badrinarayanan, Lee, Rabinovich 2018 (arXiv:1711.02257). With G_i = ‖∇_W L_i‖, the norm of the gradient
of a term with respect to the shared weights W, and r_i how slowly it falls beside the others (sec. 3.1)::

    r_i = (L_i / L_i(0)) / mean_j (L_j / L_j(0))
    w_i G_i  ∝  weight_i r_i^α,         Σ_i w_i = Σ_i weight_i          (their eq. 1)

Two things differ. They approach these weights by gradient descent, with a learning rate of its own; here the
equation is solved, and G and L are running means, so that weights are right from the first step and do not
depend on how large losses are. And W is the whole encoder, not its last layer: forces are derivatives with
respect to positions and reach all layers by ways that do not pass through the last. That costs one backward
pass per term, every so many steps.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import nn

from atomscape.learn.objectives import Term
from atomscape.shapes import Float, Int, Tensor

KEPT = 0.7
"""How much of the running means is left after one more measurement."""


class BalancedWeights(nn.Module):
    """Running means of each term's gradient norm and loss, its first loss, and the factors that follow.

    NaN stands for terms that were not met yet; they have the weight of the config. ``mean`` is the mean of a
    tensor over all processes.
    """

    step: Int[Tensor, ""]
    norms: Float[Tensor, " terms"]
    losses: Float[Tensor, " terms"]
    first: Float[Tensor, " terms"]

    def __init__(
        self,
        terms: Sequence[Term],
        shared: tuple[nn.Parameter, ...],
        every: int,
        asymmetry: float,
        mean: Callable[[Tensor], Tensor],
    ) -> None:
        super().__init__()
        self.shared, self.every, self.asymmetry, self.mean = shared, every, asymmetry, mean
        self.register_buffer("step", torch.zeros((), dtype=torch.int64))
        for name in ("norms", "losses", "first"):
            self.register_buffer(name, torch.full((len(terms),), torch.nan, dtype=torch.float64))

    def forward(
        self, terms: Sequence[Term], sums: Sequence[tuple[Float[Tensor, ""], Int[Tensor, ""]]]
    ) -> Float[Tensor, ""]:
        """Σ w_i L_i; measures anew if it is time."""
        means = [value / known.clamp(min=1) for value, known in sums]
        if int(self.step) % self.every == 0:
            self._measure(terms, means, [bool(known > 0) for _, known in sums])
        self.step += 1
        total = self.norms.new_zeros(())
        for w, mean in zip(self._factors(terms), means, strict=True):
            total = total + w * mean
        return total

    def weights(self, terms: Sequence[Term]) -> dict[str, float]:
        """Factor on each term."""
        return {t.name: float(w) for t, w in zip(terms, self._factors(terms), strict=True)}

    def _measure(self, terms: Sequence[Term], means: Sequence[Tensor], known: Sequence[bool]) -> None:
        """Take in gradient norm and loss of each term that is known here, on any of the processes."""
        found = self.norms.new_zeros(3, len(terms))
        for i, (t, mean) in enumerate(zip(terms, means, strict=True)):
            if known[i] and t.weight > 0 and mean.requires_grad:
                found[0, i], found[1, i], found[2, i] = 1.0, _norm(mean, self.shared), mean.detach()
        found = self.mean(found)
        share = found[0].clamp(min=1e-12)
        norms, losses = found[1] / share, found[2] / share
        met = (found[0] > 0) & (norms > 0) & norms.isfinite() & losses.isfinite()
        new = met & self.norms.isnan()
        for kept, value in ((self.norms, norms), (self.losses, losses)):
            kept.copy_(torch.where(met, torch.where(new, value, KEPT * kept + (1 - KEPT) * value), kept))
        self.first.copy_(torch.where(new, losses, self.first))

    def _factors(self, terms: Sequence[Term]) -> Float[Tensor, " terms"]:
        weight = self.norms.new_tensor([t.weight for t in terms])
        met = ~self.norms.isnan()
        if not bool(met.any()):
            return weight
        behind = torch.where(met, self.losses / self.first.clamp(min=1e-12), 0.0)
        rate = torch.where(met, behind / behind[met].mean().clamp(min=1e-12), 1.0)
        pull = torch.where(met, weight * rate.clamp(min=1e-3) ** self.asymmetry / self.norms, 0.0)
        return torch.where(met, pull * weight[met].sum() / pull.sum(), weight)


def _norm(loss: Tensor, weights: tuple[nn.Parameter, ...]) -> Tensor:
    """‖∇ loss‖ with respect to some weights; the graph is kept for the step to come."""
    gradients = torch.autograd.grad(loss, weights, retain_graph=True, allow_unused=True)
    squares = [g.detach().double().square().sum() for g in gradients if g is not None]
    return torch.stack(squares).sum().sqrt() if squares else loss.new_zeros((), dtype=torch.float64)
