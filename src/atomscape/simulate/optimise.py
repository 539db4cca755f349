"""Two ways downhill for batches: FIRE and L-BFGS. Both take forces, never energies, and no line search.

FIRE (Bitzek et al., Phys. Rev. Lett. 97, 170201 (2006)) lets atoms roll, and stops them where they go uphill.
With power P = F·v, v ← (1 − α) v + α |v| F/|F|; while P > 0 the time step grows and α falls, else v = 0 and
both start over.

L-BFGS (Nocedal and Wright, Numerical Optimization, algorithm 7.4) makes an inverse Hessian of the last steps
s and changes of the gradient y, starting from 1/``stiffness``. Pairs with s·y ≤ 0 are left out: there the
energy is not convex.

What differs between structures (time steps, lengths) is kept for each, so none waits for another.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Protocol, runtime_checkable

import torch

from atomscape.shapes import Float, Int, Tensor
from atomscape.simulate.rows import dot, limited


@runtime_checkable
class Optimiser(Protocol):
    """A rule for steps; what it remembers has rows and structures as its axes."""

    def start(self, force: Float[Tensor, "rows 3"], n: int) -> Memory:
        """Memory before the first step of n structures."""
        ...

    def step(
        self, memory: Memory, force: Float[Tensor, "rows 3"], owner: Int[Tensor, " rows"]
    ) -> tuple[Float[Tensor, "rows 3"], Memory]:
        """The next step of every row (Å), and what to remember."""
        ...


@dataclass(frozen=True, eq=False)
class Memory:
    """Tensors ``[…, rows, 3]`` in ``by_row``, tensors ``[…, structures]`` in ``by_structure``."""

    by_row: dict[str, Tensor]
    by_structure: dict[str, Tensor]
    steps: int = 0

    def kept(self, rows: Tensor, structures: Tensor) -> Memory:
        """Memory of some structures alone."""
        return replace(
            self,
            by_row={k: v[..., rows, :] for k, v in self.by_row.items()},
            by_structure={k: v[..., structures] for k, v in self.by_structure.items()},
        )


@dataclass(frozen=True)
class Fire:
    """FIRE with the parameters of its paper; times in Å·(eV)^(−1/2)·u^(1/2) of atoms of mass 1."""

    dt: float = 0.1
    dt_most: float = 1.0
    patience: int = 5
    grow: float = 1.1
    shrink: float = 0.5
    alpha: float = 0.1
    fade: float = 0.99
    most: float = 0.2

    def start(self, force: Float[Tensor, "rows 3"], n: int) -> Memory:
        """At rest."""
        return Memory(
            {"v": torch.zeros_like(force)},
            {
                "dt": force.new_full((n,), self.dt),
                "alpha": force.new_full((n,), self.alpha),
                "downhill": force.new_zeros(n),
            },
        )

    def step(
        self, memory: Memory, force: Float[Tensor, "rows 3"], owner: Int[Tensor, " rows"]
    ) -> tuple[Float[Tensor, "rows 3"], Memory]:
        """Mix velocities towards the force, or stop; then semi-implicit Euler."""
        v, (dt, alpha, downhill) = memory.by_row["v"], memory.by_structure.values()
        n = len(dt)
        good = dot(force, v, owner, n) > 0
        size = (dot(v, v, owner, n) / dot(force, force, owner, n).clamp(min=1e-300)).sqrt()
        a = alpha[owner].unsqueeze(1)
        v = torch.where(good[owner].unsqueeze(1), (1 - a) * v + a * size[owner].unsqueeze(1) * force, 0.0)
        longer = good & (downhill > self.patience)
        first = memory.steps == 0  # at rest P is zero, and nothing has to be started over
        dt = torch.where(longer, (dt * self.grow).clamp(max=self.dt_most), dt)
        dt = dt if first else torch.where(good, dt, dt * self.shrink)
        alpha = torch.where(longer, alpha * self.fade, torch.where(good, alpha, self.alpha))
        downhill = torch.where(good, downhill + 1, 0.0)
        v = v + dt[owner].unsqueeze(1) * force
        step = limited(dt[owner].unsqueeze(1) * v, owner, n, self.most)
        by_structure = {"dt": dt, "alpha": alpha, "downhill": downhill}
        return step, Memory({"v": v}, by_structure, memory.steps + 1)


@dataclass(frozen=True)
class LBFGS:
    """L-BFGS; ``stiffness`` (eV/Å²) is the curvature that is assumed at first."""

    memory: int = 20
    stiffness: float = 70.0
    most: float = 0.2

    def start(self, force: Float[Tensor, "rows 3"], n: int) -> Memory:
        """No pair is known."""
        pairs = force.new_zeros(self.memory, *force.shape)
        return Memory(
            {"s": pairs, "y": pairs.clone(), "step": torch.zeros_like(force), "force": force},
            {"rho": force.new_zeros(self.memory, n)},
        )

    def step(
        self, memory: Memory, force: Float[Tensor, "rows 3"], owner: Int[Tensor, " rows"]
    ) -> tuple[Float[Tensor, "rows 3"], Memory]:
        """Take in the last pair, then the two loops of algorithm 7.4."""
        s, y, last, before = memory.by_row.values()
        (rho,) = memory.by_structure.values()
        n = rho.shape[1]
        if memory.steps:
            change = before - force
            curvature = dot(last, change, owner, n)
            convex = curvature > 1e-12
            s, y = torch.cat([s[1:], last[None]]), torch.cat([y[1:], change[None]])
            rho = torch.cat([rho[1:], torch.where(convex, 1 / curvature, 0.0)[None]])
        q, a = -force, {}
        used = range(max(0, self.memory - memory.steps), self.memory)
        for k in reversed(used):
            a[k] = rho[k] * dot(s[k], q, owner, n)
            q = q - a[k][owner].unsqueeze(1) * y[k]
        z = q / self.stiffness
        for k in used:
            b = rho[k] * dot(y[k], z, owner, n)
            z = z + s[k] * (a[k] - b)[owner].unsqueeze(1)
        step = limited(-z, owner, n, self.most)
        return step, Memory({"s": s, "y": y, "step": step, "force": force}, {"rho": rho}, memory.steps + 1)


OPTIMISERS: dict[str, Optimiser] = {"fire": Fire(), "lbfgs": LBFGS()}
