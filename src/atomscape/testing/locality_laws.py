"""What an atom may know: its surroundings up to the cutoff, fading smoothly, and nothing further away."""

from __future__ import annotations

import torch

from atomscape.atoms.neighbours import neighbour_graph
from atomscape.atoms.structures import Structures
from atomscape.shapes import Tensor
from atomscape.testing import tolerances
from atomscape.testing.cases import crystal, molecule
from atomscape.testing.compare import (
    blocks,
    compare,
    compare_derivatives,
    compare_features,
    derivative_tolerance,
    derivatives,
    exact,
    features,
)


def check_cutoff_continuity(encoder, *, numbers: tuple[int, int, int] = (8, 6, 1), case: str = "") -> float:
    """Features and their first derivative are continuous while an atom crosses the cutoff.

    A third atom near the centre keeps every block away from zero: a jump cannot hide in a square.
    Float64 encoders only: the step is ``tolerances.CUTOFF_STEP``.

    Raises
    ------
    AssertionError
        A jump; or the atom is not seen inside the cutoff at all, so that nothing was tested.
    """
    law, c, step = "cutoff continuity", encoder.cutoff, tolerances.CUTOFF_STEP
    inside, outside = (_crossing(encoder, numbers, c + s) for s in (-step, step))
    if inside[2] == outside[2]:
        raise AssertionError(
            f"{law} law, case {case!r}: the neighbour graph does not change at the cutoff {c} Å"
        )
    near = _crossing(encoder, numbers, 0.7 * c)
    worst = 0.0
    for key, value in inside[0].items():
        what = f"block l={key[1]} parity={key[2]}"
        scale = max(_largest(v) for v in near[0].values())
        worst = max(worst, compare(law, case, what, value, outside[0][key], tolerances.CUTOFF_JUMP, scale))
        slope = max(_largest(v) for v in near[1].values())
        if slope < tolerances.FLOOR:
            raise AssertionError(f"{law} law, case {case!r}: nothing depends on an atom at 0.7 of the cutoff")
        found = outside[1][key]
        error = compare(law, case, f"d/dr of {what}", inside[1][key], found, tolerances.CUTOFF_JUMP, slope)
        worst = max(worst, error)
    return worst


def check_large_separation(encoder, first: Structures, second: Structures, *, case: str = "") -> float:
    """Molecules further apart than the cutoff do not feel each other: features side by side, energies add."""
    law = "large separation"
    both = molecule(
        [*first.numbers.tolist(), *second.numbers.tolist()],
        torch.cat([first.positions, second.positions + (50 * encoder.cutoff + 100) / 3**0.5]),
    )
    a, b, together = features(encoder, first), features(encoder, second), features(encoder, both)
    error = compare_features(law, case, {k: torch.cat([a[k], b[k]]) for k in a}, together, exact(together))
    da, db, d = (derivatives(encoder, s) for s in (first, second, both))
    tolerance = derivative_tolerance(together)
    forces = torch.cat([da.forces, db.forces])
    return max(
        error,
        compare(law, case, "readout", da.value + db.value, d.value, tolerance),
        compare(law, case, "forces", forces, d.forces, tolerance),
    )


def check_isolated_atom(encoder, *, number: int = 8, case: str = "") -> float:
    """An atom without neighbours has no direction (l > 0 vanish), no forces, and needs no box to stand in."""
    law = "isolated atom"
    alone = molecule([number], [[0.3, -0.2, 0.1]])
    found = features(encoder, alone)
    for key, block in found.items():
        if not bool(torch.isfinite(block).all()):
            raise AssertionError(f"{law} law, case {case!r}: {key} is not finite")
    zero = {k: torch.zeros_like(b) if k[1] > 0 or k[2] == -1 else b for k, b in found.items()}
    error = compare_features(law, case, zero, found, exact(found))
    d = derivatives(encoder, alone)
    tolerance = derivative_tolerance(found)
    error = max(error, compare(law, case, "forces", torch.zeros_like(d.forces), d.forces, tolerance, 1.0))
    boxed = crystal([number], [[0.5, 0.5, 0.5]], (4 * encoder.cutoff + 10) * torch.eye(3))
    error = max(error, compare_features(law, case, found, features(encoder, boxed), exact(found)))
    return max(error, compare_derivatives(law, case, d, derivatives(encoder, boxed), tolerance))


def check_no_edges(encoder, structures: Structures, *, case: str = "") -> float:
    """In a structure of atoms too far apart each has the features of the isolated atom of its element."""
    law = "no edges"
    if neighbour_graph(structures, encoder.cutoff).n_edges:
        raise ValueError(f"the {law} law needs a structure without edges")
    found = features(encoder, structures)
    each = [features(encoder, molecule([z], [[0.0, 0.0, 0.0]])) for z in structures.numbers.tolist()]
    return compare_features(
        law, case, {k: torch.cat([e[k] for e in each]) for k in found}, found, exact(found)
    )


def check_empty(encoder, *, case: str = "") -> float:
    """A batch of no structures has features of no atoms, in the same blocks as any other, and derivatives."""
    law = "empty graph"
    nothing, some = features(encoder, Structures.empty()), features(encoder, molecule([8], [[0.0, 0.0, 0.0]]))
    if nothing.keys() != some.keys():
        raise AssertionError(f"{law} law, case {case!r}: blocks {sorted(nothing)} instead of {sorted(some)}")
    for key, block in nothing.items():
        if block.shape != (0, *some[key].shape[1:]):
            raise AssertionError(f"{law} law, case {case!r}: block {key} has shape {tuple(block.shape)}")
    d = derivatives(encoder, Structures.empty())
    if d.value.shape != (0,) or d.forces.shape != (0, 3) or d.virial.shape != (0, 3, 3):
        raise AssertionError(f"{law} law, case {case!r}: derivatives of an empty batch have the wrong shapes")
    return 0.0


def _crossing(encoder, numbers: tuple[int, int, int], r: float) -> tuple[dict, dict, int]:
    """Last-layer blocks, the derivative of a random projection of each by r, and the number of edges."""
    direction = torch.tensor([0.48, -0.6, 0.64], dtype=torch.float64)
    distance = torch.tensor(r, dtype=torch.float64, requires_grad=True)
    third = 0.25 * encoder.cutoff * torch.tensor([-0.2, 0.7, 0.6], dtype=torch.float64)
    positions = torch.stack([torch.zeros(3, dtype=torch.float64), third, distance * direction])
    graph = neighbour_graph(molecule(list(numbers), positions.detach()), encoder.cutoff)
    s = graph.structures
    moved = type(s)(positions, s.numbers, s.cell, s.pbc, s.structure)
    found = {k: b for k, b in blocks(encoder(graph.with_structures(moved))).items() if k[0] == "last"}
    slopes = {}
    for i, (key, block) in enumerate(found.items()):
        cotangent = torch.randn(block.shape, generator=torch.Generator().manual_seed(i), dtype=torch.float64)
        total = (block * cotangent).sum()
        (slope,) = torch.autograd.grad(total, distance, retain_graph=True)
        slopes[key] = slope
    return {k: b.detach() for k, b in found.items()}, slopes, graph.n_edges


def _largest(t: Tensor) -> float:
    return float(t.abs().max()) if t.numel() else 0.0
