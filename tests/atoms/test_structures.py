"""Batches: building, choosing, joining, and what they refuse."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from atomscape.atoms.structures import Structures
from atomscape.testing import cases
from atomscape.testing.strategies import drawn, sketches

FIELDS = ("positions", "numbers", "cell", "pbc", "structure")
some = settings(
    max_examples=30, deadline=None, derandomize=True, database=None, suppress_health_check=list(HealthCheck)
)


def same(a: Structures, b: Structures) -> bool:
    return (
        all(torch.equal(getattr(a, k), getattr(b, k)) for k in FIELDS)
        and a.labels.keys() == b.labels.keys()
        and all(torch.equal(a.labels[k].nan_to_num(7e7), b.labels[k].nan_to_num(7e7)) for k in a.labels)
        and a.ids == b.ids
    )


def labelled(batch: Structures) -> Structures:
    """Labels that tell each structure and atom apart, ids too."""
    n, atoms = len(batch), batch.n_atoms
    return Structures(
        *(getattr(batch, k) for k in FIELDS),
        {
            "energy": torch.arange(n, dtype=torch.float64),
            "forces": torch.arange(3 * atoms, dtype=torch.float64).reshape(atoms, 3),
            "stress": torch.arange(9 * n, dtype=torch.float64).reshape(n, 3, 3),
            "coordination": torch.arange(atoms, dtype=torch.float64),
            "price": -torch.arange(n, dtype=torch.float64),
        },
        tuple(f"s{k}" for k in range(n)),
        frozenset({"coordination"}),
    )


@some
@given(sketches)
def test_joining_the_parts_is_the_whole(plan):
    batch = labelled(drawn(plan))
    assert same(Structures.concatenate(list(batch)), batch)
    assert same(Structures.concatenate([batch[:1], batch[1:]]), batch)
    assert same(batch[:], batch)


@some
@given(sketches, st.lists(st.integers(-1, 2), max_size=6), st.integers(0, 2**20))
def test_choosing_is_choosing_one_by_one(plan, wanted, bits):
    batch = labelled(drawn(plan))
    n = len(batch)
    wanted = [w for w in wanted if -n <= w < n]
    one_by_one = Structures.concatenate([batch[w] for w in wanted])
    for index in (wanted, np.array(wanted, dtype=int), torch.tensor(wanted, dtype=torch.int64)):
        chosen = batch[index]
        if wanted:
            assert same(chosen, one_by_one)
        assert len(chosen) == len(wanted)
    mask = torch.tensor([bool(bits >> k & 1) for k in range(n)])
    assert same(batch[mask], batch[mask.nonzero().squeeze(1)])
    assert same(batch[mask.tolist()], batch[mask])
    assert same(batch[::-1], batch[list(range(n))[::-1]])


def test_negative_and_open_slices():
    batch = labelled(cases.mixed_batch())
    assert same(batch[-1], batch[len(batch) - 1])
    assert same(batch[-3:-1], batch[[len(batch) - 3, len(batch) - 2]])
    assert len(batch[5:2]) == 0
    assert batch[5:2].n_atoms == 0
    assert batch[5:2].labels["forces"].shape == (0, 3)


@pytest.mark.parametrize(
    ("index", "message"),
    [
        (8, "structure"),
        (-9, "structure"),
        ([0, 8], "0…8 asked of a batch of 8"),
        (torch.ones(7, dtype=torch.bool), "mask of shape"),
        (np.array([0.5]), "whole numbers"),
    ],
)
def test_what_is_not_there_cannot_be_chosen(index, message):
    with pytest.raises(IndexError, match=message):
        cases.mixed_batch()[index]


def test_counts_and_offsets():
    batch = cases.mixed_batch()
    assert batch.counts.tolist() == [9, 8, 1, 4, 3, 1, 2, 3]
    assert batch.offsets.tolist() == [0, 9, 17, 18, 22, 25, 26, 28, 31]
    assert [s.n_atoms for s in batch] == batch.counts.tolist()
    assert all(bool((s.structure == 0).all()) for s in batch)


def test_volume_of_what_repeats_in_three_directions():
    volume = Structures.concatenate([cases.fcc(), cases.slab(), cases.water()]).volume
    assert float(volume[0]) == pytest.approx(3.61**3)
    assert bool(volume[1:].isnan().all())


def test_formulas_and_symbols():
    batch = Structures.concatenate([cases.ethanol(), cases.rocksalt()])
    assert batch.formulas() == ["C2H6O", "MgO"]
    assert batch.symbols()[1] == ["Mg", "O"]


def test_a_label_that_a_part_lacks_becomes_unknown():
    water, oxide = cases.water(), cases.rocksalt()
    joined = Structures.concatenate(
        [
            water.with_labels(forces=torch.ones(3, 3).double(), energy=torch.tensor([1], dtype=torch.int64)),
            oxide.with_labels(stress=torch.ones(1, 3, 3).double()),
        ]
    )
    assert joined.labels["forces"].isnan().all(1).tolist() == [False] * 3 + [True] * 2
    assert joined.labels["energy"].dtype.is_floating_point
    assert joined.labels["energy"].isnan().tolist() == [False, True]
    assert joined.labels["stress"].isnan().flatten(1).all(1).tolist() == [True, False]


def test_ids_stay_with_their_structures():
    water = Structures.of(torch.zeros(1, 3), [8], id="water")
    joined = Structures.concatenate([water, cases.rocksalt(), water])
    assert joined.ids == ("water", "", "water")
    assert joined[[1, 2]].ids == ("", "water")


def test_free_labels_of_single_atoms_keep_their_kind():
    """With as many atoms as structures the length tells nothing; what was known before still holds."""
    batch = Structures.concatenate([cases.water(), cases.isolated_atom(), cases.isolated_atom()])
    batch = batch.with_labels(site=torch.arange(5).double(), price=torch.arange(3).double())
    singles = batch[1:]
    assert singles.runs_over_atoms("site")
    assert not singles.runs_over_atoms("price")
    again = Structures.concatenate([singles, batch[0]])
    assert again.labels["site"].tolist() == [3, 4, 0, 1, 2]
    assert again.labels["price"].tolist() == [1, 2, 0]
    rebuilt = Structures.concatenate([batch[1].with_labels(site=torch.ones(1)), cases.water()])
    assert rebuilt.labels["site"].shape == (4,)


def test_labels_that_cannot_be_joined():
    water = cases.water()
    with pytest.raises(ValueError, match="'x' has different shapes"):
        Structures.concatenate([water.with_labels(x=torch.ones(1, 2)), water.with_labels(x=torch.ones(1, 3))])
    with pytest.raises(ValueError, match="'x' runs over atoms in some"):
        Structures.concatenate([water.with_labels(x=torch.ones(3)), water.with_labels(x=torch.ones(1))])


def test_of_takes_lists():
    found = Structures.of(
        [[0, 0, 0], [0, 0, 1]],
        [1, 9],
        labels={"energy": -3, "forces": np.zeros((2, 3)), "spin_of": [1, 2]},
        id="hf",
    )
    assert found.positions.dtype == torch.float64
    assert not found.pbc.any()
    assert found.labels["energy"].tolist() == [-3]
    assert found.runs_over_atoms("spin_of")
    assert found.ids == ("hf",)
    assert Structures.of([[0, 0, 0]], [3], [3, 3, 0]).pbc.tolist() == [[True, True, False]]
    assert Structures.of([[0, 0, 0]], [3], np.eye(3), True).pbc.all()
    assert Structures.of([[0, 0, 0]], [3], labels={"energy": [2.0]}).labels["energy"].tolist() == [2]


@pytest.mark.parametrize(
    ("labels", "message"),
    [
        ({"forces": np.zeros((3, 3))}, r"'forces' has shape \(3, 3\); for 2 atoms it should be \(2, 3\)"),
        ({"energy": [1.0, 2.0]}, "'energy' has shape"),
        ({"stress": np.zeros(6)}, "'stress' has shape"),
    ],
)
def test_of_refuses_labels_that_do_not_fit(labels, message):
    with pytest.raises(ValueError, match=message):
        Structures.of(np.zeros((2, 3)), [1, 1], labels=labels)


def test_lengths_must_fit():
    water = cases.water()
    fields = {k: getattr(water, k) for k in FIELDS}
    with pytest.raises(ValueError, match="label 'energy' has shape"):
        water.with_labels(energy=torch.ones(2))
    with pytest.raises(ValueError, match="label 'forces' has shape"):
        water.with_labels(forces=torch.ones(1, 3))
    with pytest.raises(ValueError, match="2 ids for 1 structures"):
        Structures(**fields, ids=("a", "b"))


def test_dtype_moves_floats_only():
    moved = labelled(cases.mixed_batch()).to(dtype=torch.float32)
    assert moved.positions.dtype == moved.cell.dtype == moved.labels["forces"].dtype == torch.float32
    assert moved.numbers.dtype == torch.int64
    assert moved.pbc.dtype == torch.bool
    assert moved.runs_over_atoms("coordination")


def test_empty_batches():
    empty = Structures.empty()
    assert (len(empty), empty.n_atoms, empty.counts.tolist(), empty.offsets.tolist()) == (0, 0, [], [0])
    assert list(empty) == []
    assert len(empty[[]]) == len(empty[:]) == len(Structures.concatenate([])) == 0
    assert len(Structures.concatenate([empty, cases.water()])) == 1
    assert empty.formulas() == []
