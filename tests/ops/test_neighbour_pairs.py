"""The native neighbour search gives what its reference gives, and vesin where that would take too long."""

from __future__ import annotations

import math
from itertools import pairwise

import numpy as np
import pytest
import torch
from ase.build import bulk
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from vesin import NeighborList

from atomscape.ops.kernels import neighbour_pairs_cpu
from atomscape.ops.neighbours import dual_vectors, neighbour_pairs
from atomscape.ops.op import REFERENCE

some = settings(
    max_examples=60, deadline=None, derandomize=True, database=None, suppress_health_check=list(HealthCheck)
)


def batch(*parts: tuple) -> tuple:
    """Arguments of the operation from (positions, cell, pbc) of each structure."""
    x = [torch.as_tensor(np.asarray(p[0], float)).reshape(-1, 3) for p in parts]
    cell = torch.as_tensor(np.asarray([p[1] for p in parts], float)).reshape(-1, 3, 3)
    pbc = torch.as_tensor(np.asarray([p[2] for p in parts], bool)).reshape(-1, 3)
    offsets = torch.tensor([0, *np.cumsum([len(p) for p in x])], dtype=torch.int64)
    return torch.cat([*x, torch.zeros(0, 3).double()]), cell, pbc, offsets


def crystal(seed: int, atoms: int, spread: float = 1.0) -> tuple:
    """Random atoms of 12 Å³ each in a random cell, some directions periodic, ``spread`` cells apart."""
    rng = np.random.default_rng(seed)
    cell = (12.0 * max(atoms, 1)) ** (1 / 3) * (np.eye(3) + 0.3 * rng.normal(size=(3, 3)))
    return spread * rng.random((atoms, 3)) @ cell, cell, rng.random(3) < 0.7


def same(a: tuple, b: tuple) -> bool:
    return all(torch.equal(p, q) for p, q in zip(a, b, strict=True))


def reference(*arguments) -> tuple:
    with neighbour_pairs.force(REFERENCE):
        return neighbour_pairs(*arguments)


def native(*arguments) -> tuple:
    with neighbour_pairs.force("cpu"):
        return neighbour_pairs(*arguments)


def with_vesin(arguments: tuple, cutoff: float) -> tuple:
    """Pairs of vesin, structure by structure, in our order."""
    x, cell, pbc, offsets = (t.numpy() for t in arguments)
    search, parts = NeighborList(cutoff=cutoff, full_list=True), []
    for s, (start, stop) in enumerate(pairwise(offsets)):
        i, j, shift = search.compute(x[start:stop], cell[s], pbc[s], "ijS")
        parts.append(np.column_stack([i.astype(int) + start, j.astype(int) + start, shift]))
    rows = np.concatenate(parts)
    rows = torch.from_numpy(rows[np.lexsort(rows.T[::-1])].astype(np.int64))
    return rows[:, 0], rows[:, 1], rows[:, 2:]


@some
@given(
    st.lists(st.tuples(st.integers(0, 10**6), st.integers(0, 9), st.sampled_from([1.0, 4.0])), max_size=4),
    st.sampled_from([0.5, 2.0, 3.7, 6.0]),
)
def test_equals_the_reference(plan, cutoff):
    arguments = batch(*(crystal(*p) for p in plan))
    assert same(native(*arguments, cutoff), reference(*arguments, cutoff))


@pytest.mark.parametrize("atoms", [150, 700])
@pytest.mark.parametrize("cutoff", [4.0, 7.5])
def test_equals_vesin_where_images_are_sorted_into_bins(atoms, cutoff):
    """Skewed cells, with more neighbours than are put in order at once."""
    arguments = batch(crystal(1, atoms), crystal(2, 3), crystal(3, atoms))
    arguments = (arguments[0], arguments[1], torch.ones_like(arguments[2]), arguments[3])
    assert same(native(*arguments, cutoff), with_vesin(arguments, cutoff))


def test_equals_vesin_on_ten_thousand_atoms():
    copper = bulk("Cu", cubic=True) * (14, 14, 13)
    copper.rattle(0.05, seed=1)
    arguments = batch((copper.positions, copper.cell.array, [True, True, True]))
    found = native(*arguments, 5.0)
    assert len(found[0]) > 400_000
    assert same(found, with_vesin(arguments, 5.0))


def test_any_number_of_threads_gives_the_same():
    arguments = batch(crystal(4, 400), crystal(5, 0), crystal(6, 7), crystal(7, 1900))
    before, results = torch.get_num_threads(), []
    try:
        for threads in (1, 2, 5):
            torch.set_num_threads(threads)
            results.append(native(*arguments, 5.0))
    finally:
        torch.set_num_threads(before)
    assert same(results[0], results[1])
    assert same(results[0], results[2])


@pytest.mark.parametrize("repeats", [2, 5])
@pytest.mark.parametrize("shell", [1, 3])
def test_a_shell_at_the_very_cutoff_is_judged_by_one_arithmetic(repeats, shell):
    """Perfect fcc: thousands of distances equal the cutoff up to rounding."""
    copper = bulk("Cu", cubic=True) * repeats
    copper.positions += 0.1234567
    arguments = batch((copper.positions, copper.cell.array, [True, True, True]))
    cutoff = copper.cell[0, 0] / repeats * math.sqrt(shell / 2)
    i, j, s = found = native(*arguments, cutoff)
    assert same(found, reference(*arguments, cutoff))
    edges = set(zip(i.tolist(), j.tolist(), map(tuple, s.tolist()), strict=True))
    assert all((b, a, tuple(-k for k in t)) in edges for a, b, t in edges)


@pytest.mark.parametrize("atoms", [5, 300])
def test_atoms_far_outside_the_cell(atoms):
    """A million cells away: the same edges, with shifts that lead back."""
    x, cell, _ = crystal(8, atoms)
    moved = np.random.default_rng(9).integers(-(10**6), 10**6, size=(atoms, 3))
    near = batch((x, cell, [True] * 3))
    far = batch((x + moved @ cell, cell, [True] * 3))
    i, j, s = native(*near, 4.0)
    there = torch.from_numpy(moved)
    assert same(native(*far, 4.0), (i, j, s - there[j] + there[i]))


def test_a_cutoff_of_many_cells():
    arguments = batch(([[0.1, 0.2, 0.3]], 1.1 * np.eye(3), [True, True, True]))
    found = native(*arguments, 8.0)
    assert len(found[0]) > 1500
    assert same(found, reference(*arguments, 8.0))


def test_coincident_atoms_and_atoms_far_apart():
    """Two atoms in one place, and clusters that no regular bins would suit."""
    rng = np.random.default_rng(0)
    x = rng.normal(size=(900, 3)) * 4
    x[7] = x[3]
    x[600:] += [[1e5, -2e4, 3e6]]
    arguments = batch((x, np.zeros((3, 3)), [False] * 3), ([[0, 0, 0], [0, 0, 0]], np.eye(3) * 9, [True] * 3))
    i, j, _ = found = native(*arguments, 3.0)
    assert (3, 7) in set(zip(i.tolist(), j.tolist(), strict=True))
    assert same(found, reference(*arguments, 3.0))


@pytest.mark.parametrize("cutoff", [0.0, 1e-300, 1e-10])
@pytest.mark.parametrize("atoms", [3, 900])
def test_atoms_in_one_place(atoms, cutoff):
    """However small the cutoff: bins have a width, and an atom always finds itself."""
    place = ([[0.0, 0, 0]] * atoms, np.eye(3), [False] * 3)
    arguments = batch(place, crystal(1, 3), place)
    found = native(*arguments, cutoff)
    assert same(found, reference(*arguments, cutoff))


def test_nothing_and_strided_arguments():
    i, j, s = native(*batch(), 3.0)
    assert (i.shape, j.shape, s.shape) == ((0,), (0,), (0, 3))
    x, cell, pbc, offsets = batch(crystal(1, 8), crystal(2, 5))
    strided = x.T.contiguous().T, cell.mT.contiguous().mT, pbc, offsets.repeat_interleave(2)[::2]
    assert same(native(*strided, 4.0), native(x, cell, pbc, offsets, 4.0))


def test_numbers_whose_sign_torch_has_yet_to_turn():
    x, cell, pbc, offsets = batch(crystal(1, 8))
    turned = torch.complex(x, -x).conj().imag
    assert turned.is_neg()
    minus = torch.complex(cell, -cell).conj().imag
    assert same(native(turned, minus, pbc, offsets, 4.0), native(x, cell, pbc, offsets, 4.0))


def test_what_cannot_be_numbered_is_refused():
    x, cell, _ = crystal(1, 4)
    with pytest.raises(ValueError, match=r"structure 1 has an atom 10⁹ or more cells"):
        native(*batch((x, cell, [True] * 3), (x + 1e12, cell, [True] * 3)), 4.0)
    with pytest.raises(ValueError, match="ask for a smaller cutoff"):
        native(*batch((x, cell, [True] * 3)), 1e5)


def test_dual_vectors_of_periodic_directions():
    _, cell, pbc, _ = batch(*(crystal(k, 3) for k in range(12)))
    product = cell @ dual_vectors(cell, pbc)
    periodic = pbc[:, :, None] & pbc[:, None, :]
    assert torch.allclose(product[periodic], torch.eye(3).double().expand(12, 3, 3)[periodic], atol=1e-12)
    assert not dual_vectors(cell, pbc).mT[~pbc].any()


def test_without_numba_the_reference_serves(monkeypatch):
    arguments = batch(crystal(1, 5))
    monkeypatch.setattr(neighbour_pairs_cpu, "_numba", lambda: False)
    told = neighbour_pairs.explain(*arguments, 3.0)
    assert told.chosen == REFERENCE
    assert "numba is not installed" in told.declined["cpu"]


@pytest.mark.parametrize("name", ["positions", "cell", "pbc", "offsets"])
def test_an_argument_elsewhere_is_not_served(name):
    """Native code would take its address for one in this memory."""
    names = "positions", "cell", "pbc", "offsets"
    arguments = [
        t.to("meta" if n == name else "cpu") for n, t in zip(names, batch(crystal(1, 5)), strict=True)
    ]
    told = neighbour_pairs.explain(*arguments, 3.0)
    assert told.declined["cpu"] == f"{name}: on meta, not on the CPU"


def test_native_code_must_not_raise():
    from atomscape.ops.jit.scalar import longs, native, written

    @native
    def raises(args, thread, threads):
        if thread == threads:
            raise IndexError
        longs(args[0])[0] = thread

    with pytest.raises(ValueError, match="must not raise"):
        written(raises, "raises")


WRONG = {
    "not a number": ({"positions": torch.full((2, 3), torch.nan)}, "not finite"),
    "infinite": ({"positions": torch.tensor([[0.0, 0, 0], [torch.inf, 0, 0]])}, "not finite"),
    "beyond squares": ({"positions": torch.tensor([[0.0, 0, 0], [1e300, 0, 0]]).double()}, "not finite"),
    "cutoff": ({"cutoff": float("inf")}, "cutoff of inf"),
    "atoms": ({"offsets": torch.tensor([0, 5])}, "ascend from 0 to 2 atoms"),
    "order": ({"offsets": torch.tensor([0, 2, 1, 2]), "copies": 3}, "ascend from 0 to 2 atoms"),
    "first": ({"offsets": torch.tensor([1, 2])}, "ascend from 0 to 2 atoms"),
    "none": ({"offsets": torch.tensor([0]), "copies": 0}, "ascend from 0 to 2 atoms"),
    "structures": ({"offsets": torch.tensor([0, 1, 2])}, r"offsets has shape \[3\]"),
    "cell": ({"cell": torch.full((1, 3, 3), torch.nan)}, "position or cell that is not finite"),
}


@pytest.mark.parametrize("what", WRONG)
def test_what_native_code_cannot_bear_is_refused(what):
    changes, message = WRONG[what]
    copies = changes.get("copies", 1)
    given = {
        "positions": torch.zeros(2, 3, dtype=torch.float64),
        "cell": torch.eye(3, dtype=torch.float64).expand(copies, 3, 3),
        "pbc": torch.zeros(copies, 3, dtype=torch.bool),
        "offsets": torch.tensor([0, 2]),
        "cutoff": 3.0,
    } | {name: value for name, value in changes.items() if name != "copies"}
    with neighbour_pairs.force("cpu"), pytest.raises(ValueError, match=message):
        neighbour_pairs(**given)


def test_offsets_of_32_bits():
    x = torch.tensor([[0.0, 0, 0], [1, 0, 0], [0, 1, 0]], dtype=torch.float64)
    rest = torch.eye(3).expand(2, 3, 3), torch.zeros(2, 3, dtype=torch.bool)
    with neighbour_pairs.force("cpu"):
        centre, neighbour, _ = neighbour_pairs(x, *rest, torch.tensor([0, 1, 3], dtype=torch.int32), 2.0)
    assert (centre.tolist(), neighbour.tolist()) == ([1, 2], [2, 1])
