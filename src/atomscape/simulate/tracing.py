"""A trained energy as a TorchScript function of edges, for programs that have torch but no Python.

    energies = f(vectors, numbers, centre, neighbour)      eV per atom, float64, reference energies included

The function holds torch's own operations only: every operation of ours is traced through its reference, and
radial filters are networks, not tables. It is slower than what runs in Python, and the same numbers to
rounding. Sizes are free; edges may come in any order.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from typing import cast

import torch
from torch import nn
from torch.jit._trace import TracerWarning

from atomscape.atoms.graph import Graph
from atomscape.atoms.neighbours import neighbour_graph
from atomscape.atoms.structures import Structures
from atomscape.nn.radial import RadialTable
from atomscape.ops.op import REFERENCE, ops
from atomscape.shapes import Float, Int, Tensor
from atomscape.simulate.potential import ModelPotential, energies_of_atoms

TOLERANCE = {torch.float32: 1e-4, torch.float64: 1e-9}
"""By which a trace may differ from what was traced, relative to the largest number; rounding stays below."""

LONGEST = 24
"""Atoms of the chain in which messages are followed."""


@dataclass(frozen=True, eq=False)
class EdgeGraph(Graph):
    """A graph whose edge vectors are given, wherever its atoms are."""

    given: Float[Tensor, "edges 3"] = field(default_factory=lambda: torch.empty(0, 3))

    @property
    def vectors(self) -> Float[Tensor, "edges 3"]:
        """Edge vectors as they were given."""
        return self.given


class EnergyOfEdges(nn.Module):
    """Energy of every atom from edge vectors; see the module's text."""

    def __init__(self, potential: ModelPotential) -> None:
        super().__init__()
        self.model, self.dataset = potential.model, potential.dataset

    def forward(
        self,
        vectors: Float[Tensor, "edges 3"],
        numbers: Int[Tensor, " atoms"],
        centre: Int[Tensor, " edges"],
        neighbour: Int[Tensor, " edges"],
    ) -> Float[Tensor, " atoms"]:
        """Evaluate."""
        s = Structures(
            vectors.new_zeros(numbers.shape[0], 3),
            numbers,
            vectors.new_zeros(1, 3, 3),
            torch.zeros(1, 3, dtype=torch.bool, device=vectors.device),
            torch.zeros_like(numbers),
        )
        shift = torch.zeros_like(vectors, dtype=torch.int64)
        graph = EdgeGraph(s, centre, neighbour, shift, self.model.cutoff, vectors)
        return energies_of_atoms(self.model, graph, self.dataset)


def traced_energy(potential: ModelPotential) -> torch.jit.ScriptModule:
    """The energy of a potential as a TorchScript function; see the module's text.

    It is compared with the potential on structures of other sizes, gradients too, before it is returned.

    Raises
    ------
    ValueError
        The network reads labels, belongs to another package, has tables in it, or cannot be traced.
    """
    _refuse_what_cannot_leave(potential)
    numbers = sorted(potential.elements or {1, 6, 8})
    device = next(potential.model.parameters()).device
    cells = [_jumble(n, numbers, potential.cutoff, device) for n in (5, 9, 2)]
    energy = EnergyOfEdges(potential).eval()
    with _by_reference():
        expected = [_with_gradient(energy, inputs) for inputs in cells]  # keeps tables from being traced
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", TracerWarning)
            warnings.simplefilter("ignore", DeprecationWarning)
            made = cast(torch.jit.ScriptModule, torch.jit.trace(energy, cells[0], check_trace=False))
    _refuse_difference(potential, made, cells, expected)
    return made


def reach(potential: ModelPotential) -> int:
    """How many edges away an atom still has an influence: the network's layers that send messages.

    Counted on a chain in which each atom has two neighbours.
    """
    numbers = sorted(potential.elements or {6})[:1] * LONGEST
    x = torch.zeros(LONGEST, 3, dtype=torch.float64)
    x[:, 0] = 0.55 * potential.cutoff * torch.arange(LONGEST)
    device = next(potential.model.parameters()).device
    g = neighbour_graph(Structures.of(x.numpy(), numbers), potential.cutoff).to(device)
    vectors = g.vectors.requires_grad_()
    with torch.enable_grad():
        first = EnergyOfEdges(potential)(vectors, g.structures.numbers, g.centre, g.neighbour)[0]
        slope = torch.autograd.grad(first, vectors)[0]
    return int(g.neighbour[(slope != 0).any(1)].max())


def _refuse_what_cannot_leave(potential: ModelPotential) -> None:
    model, kind = potential.model, potential.model.architecture.encoder.kind
    if potential.inputs:
        raise ValueError(
            f"the network reads {', '.join(potential.inputs)}, which no engine gives it; a network without "
            "such inputs can be exported"
        )
    if kind.startswith("foreign."):
        raise ValueError(f"{kind} is a network of another package; export it with that package")
    if any(isinstance(m, RadialTable) for m in model.modules()):
        raise ValueError("the potential has radial tables; load it with tables=False to export it")


@contextmanager
def _by_reference() -> Iterator[None]:
    """Every operation by its reference, in torch alone."""
    with ExitStack() as stack:
        for op in ops().values():
            stack.enter_context(op.force(REFERENCE))
        yield


def _jumble(n: int, elements: list[int], cutoff: float, device: torch.device) -> tuple[Tensor, ...]:
    """Edges of ``n`` atoms in a periodic box, at distances as matter has."""
    source = torch.Generator().manual_seed(n)
    fractions = (torch.arange(n) + 0.3 * torch.rand(n, generator=source)) / n
    across = torch.rand(n, 2, generator=source)
    side = max(0.6 * cutoff, 2.0)
    x = torch.stack([fractions * n * 1.4, *(across * side).unbind(1)], 1).double()
    z = torch.tensor(elements)[torch.arange(n) % len(elements)]
    s = Structures.of(x.numpy(), z.numpy(), cell=[n * 1.4, side + 1.0, side + 1.0])
    g = neighbour_graph(s, cutoff).to(device)
    return g.vectors, g.structures.numbers, g.centre, g.neighbour


def _with_gradient(energy: nn.Module, inputs: tuple[Tensor, ...]) -> tuple[Tensor, Tensor]:
    vectors = inputs[0].detach().clone().requires_grad_()
    with torch.enable_grad():
        value = energy(vectors, *inputs[1:])
        return value.detach(), torch.autograd.grad(value.sum(), vectors)[0]


def _refuse_difference(
    potential: ModelPotential,
    made: torch.jit.ScriptModule,
    cells: list[tuple[Tensor, ...]],
    expected: list[tuple[Tensor, Tensor]],
) -> None:
    tolerance, kind = TOLERANCE[potential.model.dtype], potential.model.architecture.encoder.kind
    for inputs, values in zip(cells, expected, strict=True):
        try:
            found = _with_gradient(made, inputs)
        except RuntimeError as error:
            last = str(error).strip().splitlines()[-1]
            raise ValueError(
                f"{kind} cannot be traced: the trace holds for one size only ({last})"
            ) from error
        for name, a, b in zip(("energies", "gradients"), found, values, strict=True):
            off = float((a - b).abs().max() / b.abs().max().clamp(min=1.0))
            if not off < tolerance:
                raise ValueError(f"{kind} cannot be traced: {name} of its trace are off by {off:.2g}")
