"""How fast is the many-body product? ``python benchmarks/many_body.py [--quick] [--json] [--only TEXT]``.

Features of 200 atoms of four species, products of up to three factors, weights by species: forward; forward +
backward (gradients of features and weights); second order (the gradients of a random combination of the
features' gradient, as training on forces needs). Times are per atom.

Peers compute the same polynomials: our reference, MACE's module (if installed; it needs e3nn 0.4.4, so an
environment of its own), and MACE's algorithm on our maps: weights and full symmetric tensors are contracted
with the features one factor after the other. MACE's weights are set so that its result is ours: its paths are
all chains of couplings, more than there are independent polynomials.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import permutations

import torch
from interleaved import absent, deviation, precision, race, threads_of_torch
from limits import threads as words
from measure import Row, command

from atomscape.ops.symmetric_contraction import SymmetricCoupling, symmetric_contraction

QUESTION = "many_body"
ATOMS, SPECIES, CORRELATION = 200, 4, 3
CASES = [
    *((l, l_out, 128, torch.float32) for l in (2, 3) for l_out in (0, 1)),
    (3, 1, 64, torch.float32),
    (3, 2, 128, torch.float32),
    (3, 1, 128, torch.float64),
]
PASSES = ("forward", "forward + backward", "second order")
Tensor = torch.Tensor


@dataclass(frozen=True, eq=False)
class Problem:
    """Features, weights, species and random cotangents in our layout."""

    coupling: SymmetricCoupling
    A: Tensor
    w: Tensor
    species: Tensor
    g: Tensor
    v: Tensor

    @classmethod
    def make(cls, l_in: int, l_out: int, channels: int, dtype: torch.dtype) -> Problem:
        """Random numbers."""
        coupling, generator = SymmetricCoupling(l_in, l_out, CORRELATION), torch.Generator().manual_seed(0)

        def random(*shape: int) -> Tensor:
            return torch.randn(shape, dtype=dtype, generator=generator)

        A, v = (random(ATOMS, coupling.lm_in, channels) for _ in range(2))
        w, g = random(SPECIES, len(coupling.paths), channels), random(ATOMS, coupling.lm_out, channels)
        return cls(coupling, A, w, torch.randint(SPECIES, (ATOMS,), generator=generator), g, v)

    def full(self, order: int, l: int) -> tuple[Tensor, Tensor]:
        """Symmetric tensors [m, lm, …, lm, paths] of a degree and number of factors, and their paths."""
        k = self.coupling
        chosen = [n for n, path in enumerate(k.paths) if len(path.factors) == order and path.out == (0, l)]
        U = torch.zeros(2 * l + 1, *[k.lm_in] * order, len(chosen), dtype=torch.float64)
        for column, n in enumerate(chosen):
            for monomial, rows in k.polynomials[n].items():
                places = set(permutations(monomial))
                for row, value in rows.items():
                    for place in places:
                        U[row - l * l, *place, column] = value / len(places)
        return U, torch.tensor(chosen)


@dataclass(frozen=True, eq=False)
class Side:
    """One way to do it: ``run(A)`` in its own layout with its own ``weights``.

    ``back`` and ``back_features`` lead from its layout to ours.
    """

    run: Callable[[Tensor], Tensor]
    weights: Sequence[Tensor]
    A: Tensor
    g: Tensor
    v: Tensor
    back: Callable[[Tensor], Tensor] = lambda x: x
    back_features: Callable[[Tensor], Tensor] = lambda x: x

    def timed(self, what: str) -> Callable[[], Sequence[Tensor]]:
        """Return the pass, ready to be called again and again."""
        if what == "forward":
            return torch.no_grad()(lambda: (self.run(self.A),))
        A, g = self.A.clone().requires_grad_(), self.g.clone().requires_grad_()
        if what == "forward + backward":
            return lambda: torch.autograd.grad(self.run(A), (A, *self.weights), self.g)

        def twice() -> Sequence[Tensor]:
            (force,) = torch.autograd.grad(self.run(A), A, g, create_graph=True)
            return torch.autograd.grad(force, (A, g, *self.weights), self.v, allow_unused=True)

        return twice

    def outcome(self, what: str) -> Tensor:
        """First result of a pass in our layout: the product, or a gradient of the features."""
        result = self.timed(what)()[0].detach()
        return (self.back if what == "forward" else self.back_features)(result)


def ours(p: Problem) -> Side:
    """Our operation, by whichever back-end serves."""
    w = p.w.clone().requires_grad_()
    return Side(lambda A: symmetric_contraction(A, w, p.species, p.coupling), [w], p.A, p.g, p.v)


def reference(p: Problem) -> Side:
    """Our reference."""
    w = p.w.clone().requires_grad_()
    return Side(lambda A: symmetric_contraction.reference(A, w, p.species, p.coupling), [w], p.A, p.g, p.v)


def einsum_chain(p: Problem) -> Side:
    """MACE's algorithm: contract the highest order with one factor, add the next lower order, contract again.

    The largest tensor is never multiplied by the weights of every atom: the outer product of weights and
    features enters one matrix product.
    """
    tensors = [
        [(U.to(p.A.dtype), paths) for order in range(CORRELATION, 0, -1) for U, paths in [p.full(order, l)]]
        for l in range(p.coupling.l_out + 1)
    ]
    w = p.w.clone().requires_grad_()

    def run(A: Tensor) -> Tensor:
        weights, blocks = w[p.species], []
        for (top, first), *lower in tensors:
            outer = torch.einsum("bkc,bpc->bckp", A, weights[:, first]).flatten(2)
            left = (outer @ top.flatten(-2).flatten(0, -2).T).unflatten(2, top.shape[:-2])
            for U, paths in lower:
                left = left + torch.einsum("bpc,...p->bc...", weights[:, paths], U)
                left = torch.einsum("bc...k,bkc->bc...", left, A)
            blocks.append(left.transpose(1, 2))
        return torch.cat(blocks, 1)

    return Side(run, [w], p.A, p.g, p.v)


def of_mace(p: Problem) -> Side:
    """MACE 0.3's SymmetricContraction as it comes; features [atoms, channels, lm], results flat by degree."""
    torch.serialization.add_safe_globals([slice])  # for the constants of e3nn 0.4.4
    from e3nn import o3
    from mace.modules.symmetric_contraction import SymmetricContraction

    k, channels = p.coupling, p.A.shape[2]
    irreps = [o3.Irreps([(channels, (l, (-1) ** l)) for l in range(top + 1)]) for top in (k.l_in, k.l_out)]
    torch.set_default_dtype(p.A.dtype)
    module = SymmetricContraction(*irreps, CORRELATION, num_elements=SPECIES)
    torch.set_default_dtype(torch.float32)
    for l, contraction in enumerate(module.contractions):
        named = [contraction.weights_max, *contraction.weights]
        for order, weight in zip(range(CORRELATION, 0, -1), named, strict=True):
            wanted, paths = p.full(order, l)
            given = _symmetrised(contraction.U_tensors(order).double().reshape(*wanted.shape[:-1], -1))
            change = torch.linalg.pinv(given.flatten(0, -2)) @ wanted.flatten(0, -2)
            weight.data = torch.einsum("qp,spc->sqc", change, p.w[:, paths].double()).to(p.A.dtype)
    elements = torch.nn.functional.one_hot(p.species, SPECIES).to(p.A.dtype)
    sizes = [2 * l + 1 for l in range(k.l_out + 1)]

    def back(x: Tensor) -> Tensor:
        blocks = zip(x.split([channels * n for n in sizes], 1), sizes, strict=True)
        return torch.cat([b.unflatten(1, (channels, n)).transpose(1, 2) for b, n in blocks], 1)

    def turned(x: Tensor) -> Tensor:
        return x.transpose(1, 2).contiguous()

    g = torch.cat([b.transpose(1, 2).flatten(1) for b in p.g.split(sizes, 1)], 1)
    weights = [w for w in module.parameters() if w.requires_grad]
    return Side(lambda A: module(A, elements), weights, turned(p.A), g, turned(p.v), back, turned)


def _symmetrised(U: Tensor) -> Tensor:
    """Mean over all orders of the factors, which are all axes but the first and the last."""
    orders = list(permutations(range(1, U.dim() - 1)))
    return torch.stack([U.permute(0, *order, U.dim() - 1) for order in orders]).mean(0)


def run(quick: bool, only: str = "", threads: Sequence[int] = (1, 2)) -> Iterator[Row]:
    """Rows for every size, precision, pass and number of threads."""
    for count in threads:
        for l_in, l_out, channels, dtype in CASES[:1] if quick else CASES:
            size = f"l {l_in} → {l_out}, {channels} channels, {precision(dtype)}"
            passes = {what: f"{size}, {what}, {words(count)}" for what in PASSES}
            passes = {what: case for what, case in passes.items() if only in case}
            if not passes:
                continue
            problem = Problem.make(l_in, l_out, channels, dtype)
            with threads_of_torch(count):
                sides = {"": ours(problem), "our reference": reference(problem)}
                sides["einsum chain (MACE's algorithm)"] = einsum_chain(problem)
                if not absent("mace"):
                    sides["MACE"] = of_mace(problem)
                for what, case in passes.items():
                    yield from _rows(problem, sides, what, case, count, 2 if quick else 7)


def _rows(
    p: Problem, sides: dict[str, Side], what: str, case: str, threads: int, rounds: int
) -> Iterator[Row]:
    taken = race({name: side.timed(what) for name, side in sides.items()}, threads, rounds)
    chosen = symmetric_contraction.explain(p.A, p.w, p.species, p.coupling).chosen
    truth, mine = sides[""].outcome(what), taken[""] / ATOMS
    for name in list(sides)[1:]:
        error = f"{deviation(truth, sides[name].outcome(what)):.1e}"
        yield Row(QUESTION, case, mine, name, taken[name] / ATOMS, error, note=chosen)
    if absent("mace"):
        reason = "mace-torch is not installed; it pins e3nn 0.4.4, so give it an environment of its own"
        yield Row(QUESTION, case, mine, "MACE", None, reason, note=chosen)


if __name__ == "__main__":
    command(QUESTION, run, "atom", "only", "threads")
