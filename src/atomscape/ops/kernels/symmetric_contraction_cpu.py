"""The many-body product on CPUs: native code written from its polynomials (``jit/symmetric_contraction.py``).

Three torch operators: the product, its gradient and the gradient of that, one native pass each. Derivatives
beyond go through the reference.
"""

from __future__ import annotations

from functools import cache
from itertools import pairwise

import numpy as np
import torch

from atomscape.ops.convolution import Parity
from atomscape.ops.jit import launch
from atomscape.ops.jit import symmetric_contraction as native
from atomscape.ops.jit.axes import check_axes
from atomscape.ops.jit.compile import address_of
from atomscape.ops.jit.derivatives import define, derive_composed, given_or_nothing, like, wanted
from atomscape.ops.jit.team import threads_for
from atomscape.ops.symmetric_contraction import SymmetricCoupling, symmetric_contraction
from atomscape.ops.traced import constant_when_traced
from atomscape.shapes import Float, Int, Tensor

_MOST_TERMS = 10_000
"""Compiling takes a minute at this number (l ≤ 3 with both parities, correlation 3, l_out 1 has 7,016)."""

_ATOMS = 32
"""Most atoms in a task; more of one species are several tasks."""

_AXES = {
    **dict.fromkeys(("A", "vA"), "atoms lm_in channels"),
    "g": "atoms lm_out channels",
    **dict.fromkeys(("w", "vw"), "elements paths channels"),
    "species": "atoms",
}

_PARITIES: tuple[Parity, ...] = ("natural", "both", "so3")


def serves(A: Tensor, w: Tensor, species: Tensor, coupling: SymmetricCoupling) -> str | None:
    """Serve float32 and float64 tensors on the CPU, and polynomials that are worth compiling."""
    return launch.declined(A, w) or launch.not_indices(species) or _too_long(coupling)


@constant_when_traced
def _too_long(coupling: SymmetricCoupling) -> str | None:
    terms = _terms(coupling)
    return (
        None if terms <= _MOST_TERMS else f"{terms:,} terms; kernels are written up to {_MOST_TERMS:,} terms"
    )


@cache
def _terms(coupling: SymmetricCoupling) -> int:
    return sum(len(rows) for polynomial in coupling.polynomials for rows in polynomial.values())


def run(
    A: Float[Tensor, "atoms lm_in channels"],
    w: Float[Tensor, "species paths channels"],
    species: Int[Tensor, " atoms"],
    coupling: SymmetricCoupling,
) -> Float[Tensor, "atoms lm_out channels"]:
    """Same as the reference."""
    k = coupling
    numbers = [k.l_in, k.l_out, k.correlation, _PARITIES.index(k.parity)]
    return _operator(A, w, species, numbers)


@cache
def _made(l_in: int, l_out: int, correlation: int, parity: int) -> SymmetricCoupling:
    return SymmetricCoupling(l_in, l_out, correlation, _PARITIES[parity])


@cache
def _address(kind: str, coupling: SymmetricCoupling, number: str, lanes: int) -> int:
    name = f"symmetric_contraction_{kind}"
    return address_of(name, (coupling, number, lanes), lambda: native.write(kind, coupling, number, lanes))


def _launch(kind: str, coupling: SymmetricCoupling, species: Tensor, **tensors: Tensor) -> dict[str, Tensor]:
    """Run a kernel on the tensors that it reads; returns what it writes."""
    kernel = native.KERNELS[kind]
    A, w = tensors["A"], tensors["w"]
    read = {name: tensors[name] for name in kernel.reads + kernel.weights}
    sizes = {"lm_in": coupling.lm_in, "lm_out": coupling.lm_out, "paths": len(coupling.paths)}
    check_axes("symmetric_contraction", _AXES, {**read, "species": species}, sizes)
    atoms, _, channels = A.shape
    given = {name: t.contiguous() for name, t in read.items()}
    made = {name: A.new_empty(atoms, native.rows_of(name, coupling), channels) for name in kernel.writes}
    order, items = _plan(species, len(w))
    if kernel.sums_weights:
        made["dw"] = w.new_empty(len(items), len(coupling.paths), channels)
    lanes = launch.lanes_for(A.dtype, channels)
    sizes = {"tasks": len(items) * -(-channels // lanes), "channels": channels}
    if sizes["tasks"]:
        address = _address(kind, coupling, launch.NUMBER[A.dtype], lanes)
        threads = threads_for(4.0 * _terms(coupling) * atoms * channels)
        all_ = given | made | {"order": order, "items": items} | sizes
        launch.call(address, native.arguments(kernel), all_, threads)
    if kernel.sums_weights:
        total = w.new_zeros(w.shape)
        made["dw"] = total.index_add_(0, items[:, 2], made["dw"])
    return made


def _plan(species: Tensor, known: int) -> tuple[Tensor, Tensor]:
    """Atoms in order of their species, and items (first, last + 1, species) of places in that order."""
    kinds = species.numpy()
    order = np.argsort(kinds, kind="stable")
    kinds = kinds[order]
    if len(kinds) and not 0 <= kinds[0] <= kinds[-1] < known:
        raise IndexError(
            f"species {kinds[0]} … {kinds[-1]} are asked for, but weights are given for {known}: "
            f"species must be 0 … {known - 1}"
        )
    bounds = [0, *(np.flatnonzero(kinds[1:] != kinds[:-1]) + 1).tolist(), len(kinds)]
    items = [
        (first, min(first + _ATOMS, stop), int(kinds[start]))
        for start, stop in pairwise(bounds)
        for first in range(start, stop, _ATOMS)
    ]
    rows = np.array(items, dtype=np.int64).reshape(-1, 3)
    return torch.from_numpy(order.astype(np.int64, copy=False)), torch.from_numpy(rows)


def _forward(A, w, species, coupling):
    return _launch("forward", _made(*coupling), species, A=A, w=w)["out"]


def _backward(g, A, w, species, coupling, need):
    made = _launch("backward" if need[1] else "backward_A", _made(*coupling), species, A=A, g=g, w=w)
    return made["dA"] if need[0] else A.new_empty(0), made["dw"] if need[1] else w.new_empty(0)


def _second(g, A, w, vA, vw, species, coupling, moved):
    kind = "second_w" if moved else "second"
    made = _launch(kind, _made(*coupling), species, A=A, vA=vA, g=g, w=w, vw=vw)
    return made["out"], made["dA"], made["dw"]


def _derive(ctx, g):
    if g is None:
        return (None,) * 4
    need = wanted(ctx)[:2]
    found = _backward_operator(g, *ctx.saved_tensors, ctx.rest[0], need)
    return *given_or_nothing(found, need), None, None


def _derive_again(ctx, vA, vw):
    if vA is None and vw is None:
        return (None,) * 6
    g, A, w, species = ctx.saved_tensors
    vA, moved = torch.zeros_like(A) if vA is None else vA, vw is not None
    found = _second_operator(g, A, w, vA, vw if moved else w.new_empty(0), species, ctx.rest[0], moved)
    return *given_or_nothing(found, wanted(ctx)[:3]), None, None, None


def _composed(g, A, w, vA, vw, species, coupling, moved):
    """The gradient of vA·∂S/∂A + vw·∂S/∂w with S = g·B, by the reference."""
    g, A, w = (t if t.requires_grad else t.detach().requires_grad_() for t in (g, A, w))
    B = symmetric_contraction.reference(A, w, species, _made(*coupling))
    dA, dw = torch.autograd.grad(B, (A, w), g, create_graph=True)
    along = (dA * vA).sum() + ((dw * vw).sum() if moved else 0.0)
    return torch.autograd.grad(along, (g, A, w), create_graph=True)


_operator = define(
    "symmetric_contraction_cpu",
    "(Tensor A, Tensor w, Tensor species, int[] coupling) -> Tensor",
    _forward,
    lambda A, w, species, k: A.new_empty(A.shape[0], _made(*k).lm_out, A.shape[2]),
    _derive,
)
_backward_operator = define(
    "symmetric_contraction_cpu_backward",
    "(Tensor g, Tensor A, Tensor w, Tensor species, int[] coupling, bool[] need) -> (Tensor, Tensor)",
    _backward,
    lambda g, A, w, species, k, need: like((A, w), need),
    _derive_again,
)
_second_operator = define(
    "symmetric_contraction_cpu_second",
    "(Tensor g, Tensor A, Tensor w, Tensor vA, Tensor vw, Tensor species, int[] coupling, bool moved)"
    " -> (Tensor, Tensor, Tensor)",
    _second,
    lambda g, A, w, vA, vw, species, k, moved: like((g, A, w), [True] * 3),
    derive_composed(_composed, floating=5),
)
