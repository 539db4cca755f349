"""Leaks are found whatever the copy looks like, and nothing else is called one."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from ase.build import bulk, make_supercell
from hypothesis import given
from hypothesis import strategies as st

from atomscape.atoms.ase import from_ase
from atomscape.atoms.fingerprint import matches
from atomscape.atoms.structures import Structures
from atomscape.data.copies import COPY, copies, identities
from atomscape.data.geometry_keys import geometry_keys
from atomscape.data.leaks import contents, find_leaks
from atomscape.data.load import load


def molecules(n: int, seed: int, prefix: str = "m") -> Structures:
    """Random clusters of H, C and O that differ from one another; ids ``m0``, ``m1``, …"""
    rng = np.random.default_rng(seed)
    return Structures.concatenate(
        [
            Structures.of(
                1.3 * rng.normal(size=(5, 3)), np.r_[rng.choice([1, 6, 8], 4), 1 + k % 9], id=f"{prefix}{k}"
            )
            for k in range(n)
        ]
    )


def leaks_of(train: Structures, test: Structures, fingerprint: bool = False, datasets=("", "")):
    a = contents(datasets[0], "train", train, fingerprint=fingerprint)
    b = contents(datasets[1], "test", test, fingerprint=fingerprint)
    return {leak.kind: leak for leak in find_leaks([a, b])}


def renamed(s: Structures, prefix: str) -> Structures:
    ids = tuple(f"{prefix}{k}" for k in range(len(s)))
    return Structures(s.positions, s.numbers, s.cell, s.pbc, s.structure, s.labels, ids)


def test_disjoint_structures_leak_nothing_serious() -> None:
    found = leaks_of(molecules(40, 0, "a"), molecules(40, 1, "b"), fingerprint=True)
    assert not found.keys() & {"id", "structure", "trajectory"}


def test_an_id_on_both_sides() -> None:
    leak = leaks_of(molecules(5, 0), molecules(3, 1))["id"]
    assert (leak.count, leak.of, leak.examples, leak.serious) == (3, 3, ("m0", "m1", "m2"), True)
    assert str(leak) == (
        "3 of 3 structures of test have an id that stands in train too, for instance m0, m1, m2"
    )
    assert "id" not in leaks_of(molecules(5, 0), molecules(3, 1), datasets=("x", "y"))


def test_structures_without_ids_are_told_by_number() -> None:
    s = molecules(4, 0)
    bare = Structures(s.positions, s.numbers, s.cell, s.pbc, s.structure)
    found = leaks_of(bare, bare[2:])
    assert "id" not in found
    assert found["structure"].examples == ("number 0", "number 1")


@pytest.mark.parametrize("datasets", [("", ""), ("pbe", "r2scan")])
def test_equal_positions_within_and_across_datasets(datasets) -> None:
    s = molecules(20, 0)
    leak = leaks_of(s, renamed(s[[3, 7, 11]], "other"), datasets=datasets)["structure"]
    assert (leak.count, leak.of, leak.serious) == (3, 3, True)
    assert leak.a == ("pbe/train" if datasets[0] else "train")


def test_turned_and_reordered_copies_need_the_fingerprint() -> None:
    s = molecules(12, 0)
    turn = torch.linalg.qr(
        torch.randn(3, 3, dtype=torch.float64, generator=torch.Generator().manual_seed(1))
    )[0]
    copies = []
    for k, one in enumerate(s[:5]):
        order = torch.randperm(5, generator=torch.Generator().manual_seed(k))
        copies.append(Structures.of((one.positions @ turn + 4.0)[order], one.numbers[order], id=f"c{k}"))
    both = Structures.concatenate([*copies, *molecules(3, 9, "new")])
    assert "structure" not in leaks_of(s, both)
    assert leaks_of(s, both, fingerprint=True)["structure"].count == 5


def test_a_supercell_is_the_same_crystal() -> None:
    cell = bulk("NaCl", "rocksalt", a=5.6)
    train = from_ase([cell, bulk("Cu")])
    test = from_ase([make_supercell(cell, np.diag([2, 1, 1])), bulk("Ni")])
    leak = leaks_of(train, test, fingerprint=True)["structure"]
    assert (leak.count, leak.of) == (1, 2)


@pytest.mark.parametrize(("decimals", "step", "same"), [(4, 0.0, True), (3, 0.0, True), (9, 0.03, False)])
def test_rounded_positions_are_copies_and_frames_of_dynamics_are_not(rng, decimals, step, same) -> None:
    crystal = bulk("NaCl", "rocksalt", a=5.6, cubic=True)
    crystal.positions += 0.1 * rng.normal(size=crystal.positions.shape)
    other = make_supercell(crystal, np.diag([1, 2, 1]))
    other.positions = (other.positions + step * rng.normal(size=other.positions.shape)).round(decimals)
    other.rotate(30, (1, 1, 3), rotate_cell=True)
    assert ("structure" in leaks_of(from_ase(crystal), from_ase(other), fingerprint=True)) == same


@pytest.mark.real
@pytest.mark.parametrize("name", ["3bpa", "lips"])
def test_frames_of_dynamics_are_no_copies(real_data, name) -> None:
    real_data(name)
    store = load(name)
    rows = np.flatnonzero(store.counts > 1)[:160]
    formulas, prints = identities([store[rows]])
    assert len(copies(formulas, prints)) == 0
    pairs = matches(np.zeros(len(rows), np.int64), prints, 30 * COPY)
    assert len(pairs) > 0, "they are near, and the tolerance tells them apart"


@pytest.mark.real
def test_the_official_test_of_mlearn_holds_copies_of_its_training_structures(real_data) -> None:
    """Strained cells that a symmetry of the crystal maps onto one another; frames of dynamics are none."""
    real_data("mlearn")
    store = load("mlearn:Si")
    parts = [contents("", part, store, rows, fingerprint=True) for part, rows in store.splits.items()]
    leak = next(leak for leak in find_leaks(parts) if leak.kind == "structure")
    rows = store.rows_of(leak.examples)
    assert 1 <= leak.count < leak.of / 2
    assert float(store[rows].labels["forces"].abs().max()) < 2.0


def test_frames_of_one_trajectory() -> None:
    train, test = renamed(molecules(4, 0), "run1/"), renamed(molecules(4, 1), "run1/1")
    found = leaks_of(train, test)
    assert found["trajectory"].count == 4
    assert not found["trajectory"].serious
    assert "trajectory" not in leaks_of(renamed(train, "a"), renamed(test, "b"))


def test_one_formula_everywhere_is_no_leak_but_a_polymorph_is_noted() -> None:
    short, long, other = (
        Structures.of([[0.0, 0, 0], [0, 0, z]], numbers, id=i)
        for z, numbers, i in ((1, [1, 8], "a"), (2, [1, 8], "b"), (1, [6, 8], "c"))
    )
    assert leaks_of(short, long) == {}
    assert leaks_of(Structures.concatenate([short, other]), long)["composition"].count == 1


def test_serious_leaks_stand_first_and_empty_parts_leak_nothing() -> None:
    s = molecules(10, 0)
    parts = [
        contents("", name, s, rows) for name, rows in (("train", range(8)), ("val", []), ("test", [9, 1]))
    ]
    found = find_leaks(parts)
    assert [leak.serious for leak in found] == sorted([leak.serious for leak in found], reverse=True)
    assert {(leak.a, leak.b) for leak in found} == {("train", "test")}
    assert found[0].as_dict()["serious"] is True


@given(
    st.integers(2, 6), st.integers(0, 5), st.sampled_from(["positions", "numbers", "cell", "pbc", "order"])
)
def test_keys_differ_where_anything_differs(n, seed, what) -> None:
    rng = np.random.default_rng(seed)
    x, z, cell = rng.normal(size=(n, 3)), rng.choice([1, 6], n), np.eye(3) * 9.0
    one = Structures.of(x, z, cell)
    other = {
        "positions": lambda: Structures.of(x + np.eye(n, 3) * 2e-4, z, cell),
        "numbers": lambda: Structures.of(x, np.where(np.arange(n) == 0, z + 1, z), cell),
        "cell": lambda: Structures.of(x, z, cell + 2e-4),
        "pbc": lambda: Structures.of(x, z, cell, pbc=[True, True, False]),
        "order": lambda: Structures.of(np.r_[x, x[:1] + 1], np.r_[z, 8], cell),
    }[what]()
    same = Structures.concatenate([molecules(2, seed), one])
    assert geometry_keys(one) == geometry_keys(same)[-1] == geometry_keys(Structures.of(x + 2.5, z, cell))
    assert geometry_keys(one) != geometry_keys(other)
    assert geometry_keys(one) == geometry_keys(one.to(dtype=torch.float64))
    assert len(geometry_keys(Structures.empty())) == 0


def test_the_same_part_of_two_datasets_is_a_bridge_and_no_leak() -> None:
    s = molecules(6, 0)
    a, b = contents("pbe", "train", s), contents("r2scan", "train", s)
    assert find_leaks([a, b]) == []
