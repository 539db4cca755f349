"""What an encoder must do as a program: keep its precision, repeat itself, return from a file unchanged."""

from __future__ import annotations

import copy
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory

import torch
from safetensors.torch import load_file, save_file

from atomscape.atoms.neighbours import neighbour_graph
from atomscape.atoms.structures import Structures
from atomscape.testing import tolerances
from atomscape.testing.compare import compare_features, derivatives, features


def check_single_precision(encoder: torch.nn.Module, structures: Structures, *, case: str = "") -> float:
    """The same weights in float32 give float32 features that agree with those in float64."""
    law = "float32 ≈ float64"
    double, single = copy.deepcopy(encoder).double(), copy.deepcopy(encoder).float()
    expected, found = features(double, structures), features(single, structures)
    for name, blocks, dtype in (("float64", expected, torch.float64), ("float32", found, torch.float32)):
        wrong = {k: b.dtype for k, b in blocks.items() if b.dtype != dtype}
        if wrong:
            raise AssertionError(f"{law} law, case {case!r}: a {name} encoder returned {wrong}")
    forces = derivatives(single, structures).forces
    if forces.dtype != structures.positions.dtype:
        raise AssertionError(f"{law} law, case {case!r}: forces are {forces.dtype}, positions are not")
    return compare_features(law, case, expected, found, tolerances.SINGLE_PRECISION)


def check_same_twice(
    build: Callable[[], torch.nn.Module], structures: Structures, *, case: str = "", seed: int = 7
) -> float:
    """Built twice from one seed and run twice, an encoder gives bit-identical features and derivatives."""
    law = "same seed twice"
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        first = build()
        torch.manual_seed(seed)
        second = build()
    a, b, again = features(first, structures), features(second, structures), features(first, structures)
    compare_features(law, f"{case}: built twice", a, b, 0.0)
    compare_features(law, f"{case}: run twice", a, again, 0.0)
    forces = [derivatives(first, structures).forces for _ in range(2)]
    if not torch.equal(*forces):
        raise AssertionError(f"{law} law, case {case!r}: forces differ between two runs")
    return 0.0


def check_save_load(build: Callable[[], torch.nn.Module], structures: Structures, *, case: str = "") -> float:
    """Weights written to a safetensors file and read into a new encoder give bit-identical features."""
    law = "save and load"
    encoder, other = build(), build()
    with torch.no_grad():
        for p in other.parameters():
            p.add_(1.0)
    state = {k: v.contiguous() for k, v in encoder.state_dict().items()}
    with TemporaryDirectory() as folder:
        file = Path(folder) / "weights.safetensors"
        save_file(state, file)
        other.load_state_dict(load_file(file))
    return compare_features(law, case, features(encoder, structures), features(other, structures), 0.0)


def check_layers(encoder, structures: Structures, *, case: str = "") -> float:
    """The last layer is the embedding itself; unasked there are none; ``irreps`` says what comes."""
    law = "layers"
    graph = neighbour_graph(structures, encoder.cutoff)
    with torch.no_grad():
        plain, asked = encoder(graph), encoder(graph, layers=True)
    if plain.layers or len(asked.layers) < 2:
        raise AssertionError(
            f"{law} law, case {case!r}: {len(plain.layers)} layers unasked, {len(asked.layers)} asked"
        )
    if plain.irreps != encoder.irreps:
        raise AssertionError(f"{law} law, case {case!r}: irreps {plain.irreps} instead of {encoder.irreps}")
    last = {("last", *k): b for k, b in plain.blocks.items()}
    compare_features(law, case, last, {("last", *k): b for k, b in asked.blocks.items()}, 0.0)
    return compare_features(
        law, case, last, {("last", *k): b for k, b in asked.layers[-1].blocks.items()}, 0.0
    )


def check_alive(encoder, structures: Structures, *, case: str = "") -> float:
    """No block vanishes on a structure without symmetry: otherwise the other laws would hold for nothing.

    Returns the smallest share that a block of the last layer has of the largest one.
    """
    found = {k: b for k, b in features(encoder, structures).items() if k[0] == "last"}
    largest = max(float(b.abs().max()) for b in found.values())
    shares = {k: float(b.abs().max()) / largest for k, b in found.items()}
    (_, l, p), smallest = min(shares.items(), key=lambda item: item[1])
    if not smallest >= tolerances.ALIVE:
        raise AssertionError(
            f"alive law, case {case!r}, block l={l} parity={p}: {smallest:.1e} of the largest block; "
            f"at least {tolerances.ALIVE:.0e} is needed"
        )
    return smallest
