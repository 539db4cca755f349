"""Convolutions of a size that keeps a GPU busy, and everybody who can do them there."""

from __future__ import annotations

from dataclasses import replace

import torch
from convolution_peers import (
    PEERS,
    Problem,
    Side,
    channels_inside,
    channels_outside,
    ours,
    reference,
)
from interleaved import absent

LARGEST = 14  # cells of four atoms along each side
WEIGHTS = 2**30  # bytes of radial weights: beyond every cache, and second order of the peers still fits
NEIGHBOURS = 42
KERNELS = {"cuequivariance_torch": ("cuequivariance_ops_torch",)}
"""What a peer needs besides to be fast on a GPU."""

INSTALL = {
    "cuequivariance_ops_torch": "cuequivariance-ops-torch-cu13 (or -cu12)",
    "openequivariance": "openequivariance",
}


def problem(l_max: int, channels: int, dtype: torch.dtype, device: torch.device, quick: bool) -> Problem:
    """Copper, as many atoms as the weights allow."""
    one = Problem.make(l_max, channels, dtype, repeat=2)
    per_edge = one.w[0].nbytes
    atoms = WEIGHTS / per_edge / NEIGHBOURS
    repeat = 5 if quick else max(5, min(LARGEST, int((atoms / 4) ** (1 / 3))))
    return Problem.make(l_max, channels, dtype, repeat, device)


def on_device(p: Problem, device: torch.device, dtype: torch.dtype) -> Problem:
    """The same problem there, in that precision."""
    floats = {name: getattr(p, name).to(device, dtype) for name in ("x", "Y", "w", "g")}
    indices = {name: getattr(p, name).to(device) for name in ("centre", "neighbour")}
    return replace(p, **floats, **indices, second=tuple(t.to(device, dtype) for t in p.second))


def sides(p: Problem, compiled: bool) -> tuple[dict[str, Side], dict[str, str]]:
    """Everybody who can take part, and the reasons of those who cannot."""
    able, reasons = {"": ours(p), "our reference": reference(p)}, {}
    peers = {**PEERS, "OpenEquivariance": ("openequivariance", of_openequivariance)}
    for name, (module, make) in peers.items():
        reason = next((absent_on_gpu(m) for m in (module, *KERNELS.get(module, ())) if absent(m)), "")
        if reason:
            reasons[name] = reason
            continue
        try:
            able[name] = make(p)
        except Exception as error:  # a peer that cannot be built is named with what it says
            reasons[name] = brief(error)
    if compiled:
        able["our reference, torch.compile"] = reference(p, compiled=True)
    return able, reasons


def absent_on_gpu(module: str) -> str:
    """Why a peer cannot take part, with what to install."""
    return (
        f"{module} is not installed; pip install {INSTALL[module]}" if module in INSTALL else absent(module)
    )


def of_openequivariance(p: Problem) -> Side:
    """Its fused convolution without atomics, in the layout of e3nn."""
    import openequivariance as oeq
    from e3nn import o3

    channels, paths = p.x.shape[2], len(p.coupling.paths)
    irreps = o3.Irreps([(channels, (l, (-1) ** l)) for l in range(p.coupling.l_in + 1)])
    precision = oeq.torch_to_oeq_dtype(p.x.dtype)
    product = oeq.TPProblem(
        irreps,
        o3.Irreps.spherical_harmonics(p.coupling.l_edge),
        irreps,
        [(q.l1, q.l2, q.l3, "uvu", True) for q in p.coupling.paths],
        shared_weights=False,
        internal_weights=False,
        irrep_dtype=precision,
        weight_dtype=precision,
    )
    convolution = oeq.TensorProductConv(product, deterministic=True)
    by_sender = torch.argsort(p.neighbour, stable=True)

    def run(x: torch.Tensor, Y: torch.Tensor, w: torch.Tensor) -> torch.Tensor:
        return convolution(x, Y, w, p.centre, p.neighbour, by_sender)

    rows = (lambda w: w.flatten(1)), (lambda w: w.unflatten(1, (paths, channels)))
    return Side(p, run, channels_outside, lambda x: channels_inside(x, channels), *rows)


def brief(error: Exception) -> str:
    """First line of what went wrong."""
    return f"{type(error).__name__}: {str(error).strip().partition(chr(10))[0][:160]}"
