"""Run the kernels of ``jit/convolve.py`` on torch tensors: variants, memory for results, slices, threads."""

from __future__ import annotations

import collections.abc
from functools import cache

import torch

from atomscape.ops.convolution import Coupling, Parity
from atomscape.ops.jit import convolve, launch, radial
from atomscape.ops.jit.axes import check_convolution
from atomscape.ops.jit.compile import address_of
from atomscape.ops.jit.paths import groups
from atomscape.ops.jit.sequence import Sequence, sequence
from atomscape.ops.jit.team import threads_for
from atomscape.ops.jit.variant import ARGUMENTS, Variant
from atomscape.shapes import Tensor

HIGHEST = 6
RANKS = 128
_PARITIES: tuple[Parity, ...] = ("natural", "both", "so3")
_STREAM = 1 << 22  # bytes of dw that would push everything else out of the caches
_OPTIONAL = ("start", "D")  # without elements where there is none
_EDGES, _SUMMED, _MOST = 256, 16, 256  # edges of a slice at least; slices with sums of their own, others


def too_high(coupling: Coupling) -> str | None:
    """Why a coupling has no kernel, or None."""
    top = max(coupling.l_in, coupling.l_edge, coupling.l_out)
    return None if top <= HIGHEST else f"degree {top}; kernels are written up to degree {HIGHEST}"


def numbers_of(coupling: Coupling) -> list[int]:
    """Write a coupling as the numbers that a torch operator can take."""
    k = coupling
    return [k.l_in, k.l_edge, k.l_out, _PARITIES.index(k.parity), int(k.pseudo_in)]


def coupling_of(numbers: collections.abc.Sequence[int]) -> Coupling:
    """Coupling of its numbers."""
    return _coupling(tuple(numbers))


@cache
def _coupling(numbers: tuple[int, ...]) -> Coupling:
    l_in, l_edge, l_out, parity, pseudo = numbers
    return Coupling(l_in, l_edge, l_out, _PARITIES[parity], bool(pseudo))


@cache
def _address(kernel: str, variant: Variant) -> int:
    write = {"forward": convolve.forward, "backward": convolve.backward}[kernel]
    return address_of(f"convolution_{kernel}", (variant,), lambda: write(variant))


def variant(x: Tensor, coupling: collections.abc.Sequence[int], **more) -> Variant:
    """Variant of a kernel for features ``x`` [atoms, lm, channels]."""
    channels = x.shape[2]
    lanes = launch.lanes_for(x.dtype, channels)
    tail = channels % lanes != 0
    if tail:
        more["stream"] = False
    return Variant(coupling_of(coupling), launch.NUMBER[x.dtype], lanes, tail, **more)


def streams(dw: Tensor) -> bool:
    """Whether so large a result should go past the caches."""
    return dw.nbytes > _STREAM


def _slices(edges: int, most: int) -> int:
    """Slices where rounding depends on them: a matter of the number of edges alone, so rounding is too."""
    return max(1, min(edges // _EDGES, most))


@cache
def _split(coupling: Coupling) -> bool:
    """Whether paths are taken in groups: they add to a row tile by tile, and tiles begin where slices do."""
    return len(groups(coupling)) > 1


def named(coupling: collections.abc.Sequence[int], names: str, *tensors: Tensor) -> dict[str, Tensor]:
    """Contiguous tensors by the names that the kernels have for them, checked to fit one another."""
    given = {n: t.contiguous() for n, t in zip(names.split(), tensors, strict=True)}
    there = {n: t for n, t in given.items() if n not in _OPTIONAL or t.numel()}
    check_convolution(coupling_of(coupling), there)
    return given


def run_forward(v: Variant, tensors: dict[str, Tensor]) -> None:
    """Sum into ``out`` over the edges of each centre."""
    _run("forward", v, tensors, tensors["centre"], tensors["neighbour"], None)


def run_backward(v: Variant, tensors: dict[str, Tensor]) -> None:
    """Gradients, dx summed over the edges of each neighbour; dg and dW slice by slice, then over these."""
    neighbour, centre = tensors["neighbour"], tensors["centre"]
    sums = v.need_W or v.need_g
    _run("backward", v, tensors, neighbour, centre, _slices(len(centre), _SUMMED) if sums else None)


def _run(
    kernel: str, v: Variant, tensors: dict[str, Tensor], key: Tensor, other: Tensor, slices: int | None
) -> None:
    edges, (atoms, _, channels) = len(key), tensors["x"].shape
    if 0 in (edges, channels):
        return
    paths = len(v.coupling.paths)
    threads = threads_for((5.0 + v.rank) * paths * edges * channels)
    if slices is None:
        slices = _slices(edges, _MOST) if _split(v.coupling) else 1 if threads == 1 else 4 * threads
    threads = min(threads, slices)
    edges_of = sequence(key, other, atoms, slices)
    given = tensors | {"order": edges_of.order, "bounds": edges_of.bounds}
    given |= {"edges": edges, "channels": channels, "slices": slices}
    if v.radial == "dense" and v.need[2]:
        given |= {f"{n}t": _turned(tensors[n], v) for n in ("W", "D") if n in tensors and tensors[n].numel()}
    if v.radial != "memory":
        size = threads * len(radial.TILES) * v.lanes * paths * channels
        given["scratch"] = tensors["x"].new_empty(size)
    pieces = -(-slices // threads) if v.radial == "memory" else 1
    partial = _Partial(v, tensors, edges_of, slices)
    launch.call(_address(kernel, v), ARGUMENTS, given | partial.memory, threads, pieces)
    partial.sum()


def _turned(W: Tensor, v: Variant) -> Tensor:
    """Wᵀ [paths · channels, rank], rows filled up with zeros to whole vectors."""
    missing = radial.padded(v.rank, v.lanes) - v.rank
    return torch.nn.functional.pad(W.flatten(1).t(), (0, missing)).contiguous()


class _Partial:
    """Memory of the sums that each slice has of its own, and their addition in the order of the slices."""

    def __init__(self, v: Variant, tensors: dict[str, Tensor], edges_of: Sequence, slices: int) -> None:
        self.tensors, self.memory = tensors, {}
        if v.need_W and slices > 1:
            self.memory["dW"] = tensors["dW"].new_zeros(slices, *tensors["dW"].shape)
        self.windows: list[list[int]] = []
        if v.need_g:
            row = tensors["dg"][0].numel()
            low, high = edges_of.windows.unbind(1)
            sizes = high - low
            ends = sizes.cumsum(0)
            self.windows = torch.stack([low, high, ends - sizes], 1).tolist()
            self.memory["dg"] = tensors["dg"].new_zeros(int(ends[-1]), *tensors["dg"].shape[1:])
            self.memory["shifts"] = (ends - sizes - low) * row

    def sum(self) -> None:
        """Add the slices' sums to the results."""
        for part in self.memory.get("dW", ()):
            self.tensors["dW"] += part
        for low, high, at in self.windows:
            self.tensors["dg"][low:high] += self.memory["dg"][at : at + high - low]
