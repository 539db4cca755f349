"""The same convolution by everybody: ours, e3nn, cuEquivariance; each with its own layout of features.

All three have the same coupling coefficients, element by element (harmonics differ by a cyclic change of
axes, which no coefficient sees), and the same order of paths. e3nn and we divide an output block by the root
of its number of paths. e3nn stores [channels, m] for each degree. cuEquivariance may store as we do; its
ChannelWiseTensorProduct keeps paths apart: they are summed on the atoms, and the weights take the root.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from math import isqrt

import torch
from ase.build import bulk

from atomscape.atoms.ase import from_ase
from atomscape.atoms.neighbours import neighbour_graph
from atomscape.o3.clebsch_gordan import clebsch_gordan
from atomscape.ops.convolution import Coupling, convolution
from atomscape.ops.harmonics import spherical_harmonics

Tensor = torch.Tensor


@dataclass(frozen=True, eq=False)
class Problem:
    """Features, harmonics, weights and cotangents on the graph of a rattled crystal, in our layout."""

    coupling: Coupling
    x: Tensor
    Y: Tensor
    w: Tensor
    centre: Tensor
    neighbour: Tensor
    g: Tensor
    second: tuple[Tensor, Tensor, Tensor]

    @classmethod
    def make(
        cls, l_max: int, channels: int, dtype: torch.dtype, repeat: int, device: torch.device | str = "cpu"
    ) -> Problem:
        """Copper of about ``4 · repeat³`` atoms, 42 neighbours each."""
        generator = torch.Generator(device).manual_seed(l_max + channels)
        size = (4, 5, 5) if repeat == 4 else (repeat,) * 3
        crystal = bulk("Cu", cubic=True, a=3.6) * size
        crystal.rattle(0.05, seed=0)
        graph = neighbour_graph(from_ase([crystal]), 4.7)
        coupling = Coupling(l_max, l_max, l_max)

        def random(*shape: int) -> Tensor:
            return torch.randn(shape, dtype=dtype, generator=generator, device=device)

        edges, atoms, paths = len(graph.centre), len(crystal), len(coupling.paths)
        shapes = (atoms, coupling.lm_in, channels), (edges, (l_max + 1) ** 2), (edges, paths, channels)
        x, _, w = (random(*shape) for shape in shapes)
        Y = spherical_harmonics(graph.vectors.detach().to(dtype), l_max).to(device)
        second = random(*shapes[0]), random(*shapes[1]), random(*shapes[2])
        g = random(atoms, coupling.lm_out, channels)
        centre, neighbour = graph.centre.to(device), graph.neighbour.to(device)
        return cls(coupling, x, Y, w, centre, neighbour, g, second)


@dataclass(frozen=True, eq=False)
class Side:
    """One way to do it: ``run(x, Y, w)`` in a layout that ``into`` makes of ours and ``back`` undoes."""

    problem: Problem
    run: Callable[[Tensor, Tensor, Tensor], Tensor]
    into: Callable[[Tensor], Tensor] = lambda x: x
    back: Callable[[Tensor], Tensor] = lambda x: x
    weights_into: Callable[[Tensor], Tensor] = lambda w: w
    weights_back: Callable[[Tensor], Tensor] = lambda w: w
    inputs: tuple[Tensor, Tensor, Tensor] = field(init=False)

    def __post_init__(self) -> None:
        """Lay the inputs out once; none of it is timed."""
        object.__setattr__(self, "inputs", self._laid_out((self.problem.x, self.problem.Y, self.problem.w)))

    def timed(self, what: str) -> Callable[[], Sequence[Tensor]]:
        """Return the pass, ready to be called again and again; its results are in this side's layout."""
        if what == "forward":
            return lambda: (self.run(*self.inputs),)
        leaves = [t.clone().requires_grad_() for t in self.inputs]
        g = self.into(self.problem.g).clone()
        if what == "forward + backward":
            return lambda: torch.autograd.grad(self.run(*leaves), leaves, g)
        g.requires_grad_()
        second = self._laid_out(self.problem.second)

        def twice() -> Sequence[Tensor]:
            first = torch.autograd.grad(self.run(*leaves), leaves, g, create_graph=True)
            return torch.autograd.grad(first, (*leaves, g), second)

        return twice

    def outcome(self, what: str) -> list[tuple[str, Tensor]]:
        """Results of the pass in our layout, with what they are."""
        results = self.timed(what)()
        if what == "forward":
            return [("out", self.back(results[0]))]
        x, Y, w = self.back(results[0]), results[1], self.weights_back(results[2])
        out = [("d x", x), ("d Y", Y), ("d w", w)]
        return [*out, ("d g", self.back(results[3]))] if what == "second order" else out

    def _laid_out(self, ours: tuple[Tensor, Tensor, Tensor]) -> tuple[Tensor, Tensor, Tensor]:
        x, Y, w = ours
        return self.into(x).contiguous(), Y, self.weights_into(w).contiguous()


def ours(p: Problem) -> Side:
    """Our operation, by whichever back-end serves."""
    return Side(p, lambda x, Y, w: convolution(x, Y, w, p.centre, p.neighbour, p.coupling))


def reference(p: Problem, compiled: bool = False) -> Side:
    """Return our reference, eager or compiled."""
    run = convolution.reference
    if compiled:
        torch._dynamo.reset()  # or it gives up after a few sizes, and runs the eager code
        run = torch.compile(run)
    return Side(p, lambda x, Y, w: run(x, Y, w, p.centre, p.neighbour, p.coupling))


def of_e3nn(p: Problem) -> Side:
    """e3nn 0.6 as it comes: eager code generated by fx; its TorchScript mode measured no faster."""
    channels, paths = p.x.shape[2], len(p.coupling.paths)
    run = e3nn_convolution(p.coupling, channels, p.x.dtype, p.centre, p.neighbour)
    rows = (lambda w: w.flatten(1)), (lambda w: w.unflatten(1, (paths, channels)))
    return Side(p, run, channels_outside, lambda x: channels_inside(x, channels), *rows)


def e3nn_convolution(
    coupling: Coupling, channels: int, dtype: torch.dtype, centre: Tensor, neighbour: Tensor
) -> Callable[[Tensor, Tensor, Tensor], Tensor]:
    """Gather, e3nn's tensor product, scatter."""
    product = e3nn_product(coupling, channels).to(centre.device, dtype)

    def run(x: Tensor, Y: Tensor, w: Tensor) -> Tensor:
        messages = product(x.index_select(0, neighbour), Y, w)
        return messages.new_zeros(len(x), messages.shape[1]).index_add(0, centre, messages)

    return run


def e3nn_product(coupling: Coupling, channels: int):
    """e3nn's tensor product with the paths of a coupling of natural parity; weights come from outside."""
    from e3nn import o3

    def irreps(l_max: int) -> o3.Irreps:
        return o3.Irreps([(channels, (l, (-1) ** l)) for l in range(l_max + 1)])

    return o3.TensorProduct(
        irreps(coupling.l_in),
        o3.Irreps.spherical_harmonics(coupling.l_edge),
        irreps(coupling.l_out),
        [(p.l1, p.l2, p.l3, "uvu", True) for p in coupling.paths],
        shared_weights=False,
        internal_weights=False,
    )


def channels_outside(x: Tensor) -> Tensor:
    """e3nn's layout of our features: for each degree [channels, m], one after the other."""
    sizes = _orders(x.shape[1])
    return torch.cat([b.transpose(1, 2).flatten(1) for b in x.split(sizes, 1)], 1)


def channels_inside(x: Tensor, channels: int) -> Tensor:
    """Our layout of e3nn's features."""
    sizes = _orders(x.shape[1] // channels)
    blocks = zip(x.split([channels * n for n in sizes], 1), sizes, strict=True)
    return torch.cat([b.unflatten(1, (channels, n)).transpose(1, 2) for b, n in blocks], 1)


def _orders(lm: int) -> list[int]:
    return [2 * l + 1 for l in range(isqrt(lm))]


def of_cuequivariance(p: Problem) -> Side:
    """One polynomial whose paths meet in the output, with our coefficients: the fastest form found."""
    import cuequivariance as cue
    import cuequivariance_torch as cuet

    channels, degrees = p.x.shape[2], range(p.coupling.l_in + 1)
    product = cue.SegmentedTensorProduct.from_subscripts("u,iu,j,ku+ijk")
    for _ in p.coupling.paths:
        product.add_segment(0, (channels,))
    for l in degrees:
        product.add_segment(1, (2 * l + 1, channels))
        product.add_segment(2, (2 * l + 1,))
        product.add_segment(3, (2 * l + 1, channels))
    into = [sum(q.l3 == l for q in p.coupling.paths) for l in degrees]
    for n, q in enumerate(p.coupling.paths):
        product.add_path(n, q.l1, q.l2, q.l3, c=clebsch_gordan(*q[:3]).numpy() / into[q.l3] ** 0.5)
    polynomial = cue.SegmentedPolynomial.eval_last_operand(product)
    module = cuet.SegmentedPolynomial(polynomial, method=cue_method(p), math_dtype=p.x.dtype).to(p.x.device)

    def run(x: Tensor, Y: Tensor, w: Tensor) -> Tensor:
        return module([w, x, Y], {1: p.neighbour}, {0: x.new_empty(len(x), 1)}, {0: p.centre})[0]

    return _flat(p, run)


def of_cuequivariance_channelwise(p: Problem) -> Side:
    """The module that cuEquivariance offers, as MACE uses it; its paths are summed on the atoms."""
    import cuequivariance as cue
    import cuequivariance_torch as cuet

    channels, degrees, paths = p.x.shape[2], range(p.coupling.l_in + 1), p.coupling.paths
    irreps = cue.Irreps("O3", [(channels, cue.O3(l, (-1) ** l)) for l in degrees])
    module = cuet.ChannelWiseTensorProduct(
        irreps,
        cue.Irreps("O3", [(1, cue.O3(l, (-1) ** l)) for l in degrees]),
        [cue.O3(l, (-1) ** l) for l in degrees],
        layout=cue.ir_mul,
        shared_weights=False,
        internal_weights=False,
        method=cue_method(p),
        device=p.x.device,
        dtype=p.x.dtype,
        math_dtype=p.x.dtype,
    )
    into = [sum(q.l3 == l for q in paths) for l in degrees]
    scale = torch.tensor([into[q.l3] ** -0.5 for q in paths], dtype=p.x.dtype, device=p.x.device).unsqueeze(1)

    def run(x: Tensor, Y: Tensor, w: Tensor) -> Tensor:
        apart = module(x, Y, w, indices_1=p.neighbour, indices_out=p.centre, size_out=len(x))
        blocks = apart.split([into[l] * (2 * l + 1) * channels for l in degrees], 1)
        summed = [b.unflatten(1, (into[l], -1)).sum(1) for l, b in enumerate(blocks)]
        return torch.cat(summed, 1)

    return _flat(p, run, lambda w: w * scale)


def cue_method(p: Problem) -> str:
    """CuEquivariance's kernels on a GPU, where they exist; on a CPU it has its fallback only."""
    return "naive" if p.x.device.type == "cpu" else "uniform_1d"


def _flat(p: Problem, run: Callable, weigh: Callable[[Tensor], Tensor] = lambda w: w) -> Side:
    """Side whose features and weights are ours in one row; ``weigh`` scales weights and their gradients."""
    channels = p.x.shape[2]
    return Side(
        p,
        run,
        lambda x: x.flatten(1),
        lambda x: x.unflatten(1, (-1, channels)),
        lambda w: weigh(w).flatten(1),
        lambda w: weigh(w.unflatten(1, (-1, channels))),
    )


PEERS: dict[str, tuple[str, Callable[[Problem], Side]]] = {
    "e3nn": ("e3nn", of_e3nn),
    "cuEquivariance, channel-wise": ("cuequivariance_torch", of_cuequivariance_channelwise),
    "cuEquivariance, summed paths": ("cuequivariance_torch", of_cuequivariance),
}
