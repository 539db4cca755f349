"""Bridges: what two datasets share is found, and a known difference of their labels comes out."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from atomscape.atoms.structures import Structures
from atomscape.data.bridge import compare, find_bridge
from atomscape.data.card import Card, records
from atomscape.data.store import Store, write_store

DELTA = {1: 3.0, 6: -250.0, 8: 0.5}
NAMES = ("energy", "forces", "gap", "dipole")


def molecules(n: int, seed: int) -> Structures:
    """Clusters with labels of some level A: a bonding energy that is no function of the composition."""
    rng = np.random.default_rng(seed)
    parts = []
    for k in range(n):
        atoms = int(rng.integers(3, 8))
        numbers = rng.choice([1, 6, 8], atoms)
        labels = {
            "energy": float(-10.0 * numbers.sum() + atoms * rng.normal()),
            "forces": rng.normal(size=(atoms, 3)),
            "gap": float(rng.normal()),
            "dipole": rng.normal(size=3),
        }
        parts.append(Structures.of(1.3 * rng.normal(size=(atoms, 3)), numbers, labels=labels, id=f"m{k}"))
    return Structures.concatenate(parts)


def at_level_b(s: Structures) -> Structures:
    """E + Σ Δ, forces and dipoles a tenth larger, gap 1 eV + half."""
    moved = torch.tensor([DELTA[int(z)] for z in s.numbers], dtype=torch.float64)
    return s.with_labels(
        energy=s.labels["energy"].index_add(0, s.structure, moved),
        forces=1.1 * s.labels["forces"],
        dipole=1.1 * s.labels["dipole"],
        gap=1.0 + 0.5 * s.labels["gap"],
    )


@pytest.fixture
def store(tmp_path):
    """``store(name, structures)``: write a store."""

    def write(name: str, s: Structures) -> Store:
        return write_store(tmp_path / name, [s], Card(name=name, properties=records(*NAMES)))

    return write


def test_pairs_and_differences_by_positions(store) -> None:
    s = molecules(40, 0)
    a = store("a", s)
    b = store("b", Structures.concatenate([molecules(10, 9), at_level_b(s[[30, 4, 11, 25, 7, 8, 9, 3]])]))
    bridge = find_bridge(a, b)
    assert bridge.rows_a.tolist() == [3, 4, 7, 8, 9, 11, 25, 30]
    assert bridge.rows_b.tolist() == [17, 11, 14, 15, 16, 12, 13, 10]
    assert bridge.exact.all()
    found = {c.property: c for c in compare(a, b, bridge)}
    assert found.keys() == set(NAMES)
    energy = found["energy"]
    assert energy.references == pytest.approx({"H": 3.0, "C": -250.0, "O": 0.5})
    assert energy.count == 8
    assert energy.rmse > 50
    assert energy.rest == pytest.approx(0, abs=1e-9)
    assert energy.slope == pytest.approx(1.0)
    assert found["gap"].offset == pytest.approx(1.0)
    assert found["gap"].slope == pytest.approx(0.5)
    for name in ("forces", "dipole"):
        assert (found[name].offset, found[name].slope) == (0.0, pytest.approx(1.1))
        assert found[name].rest == pytest.approx(0, abs=1e-12)
    assert found["forces"].count == 3 * a[bridge.rows_a].n_atoms


def test_by_ids_labels_with_a_direction_need_equal_positions(store) -> None:
    s = molecules(20, 0)
    moved = at_level_b(s)
    relaxed = Structures(moved.positions * 1.01, s.numbers, s.cell, s.pbc, s.structure, moved.labels, s.ids)
    a, b = store("a", s), store("b", Structures.concatenate([relaxed[:15], moved[15:]]))
    bridge = find_bridge(a, b, by="ids")
    assert (len(bridge), int(bridge.exact.sum())) == (20, 5)
    found = {c.property: c for c in compare(a, b, bridge)}
    assert found["energy"].count == 20
    assert found["forces"].count == 3 * a[range(15, 20)].n_atoms


def test_turned_and_reordered_copies_by_fingerprint(store) -> None:
    s = molecules(12, 0)
    generator = torch.Generator().manual_seed(1)
    turn = torch.linalg.qr(torch.randn(3, 3, dtype=torch.float64, generator=generator))[0]
    copies = Structures.concatenate(
        [
            Structures.of(
                (x.positions @ turn + 2.0).flip(0),
                x.numbers.flip(0),
                labels={"energy": float(x.labels["energy"][0]) + 1},
            )
            for x in s[[5, 1, 9]]
        ]
    )
    a, b = store("a", s), store("b", Structures.concatenate([copies, molecules(4, 9)]))
    assert len(find_bridge(a, b)) == 0
    bridge = find_bridge(a, b, by="fingerprint")
    assert bridge.rows_a.tolist() == [1, 5, 9]
    assert bridge.rows_b.tolist() == [1, 0, 2]
    assert not bridge.exact.any()
    assert "forces" not in {c.property for c in compare(a, b, bridge)}


def test_unknown_labels_and_copies_within_a_dataset_count_once(store) -> None:
    s = molecules(6, 0)
    gap = s.labels["gap"].clone()
    gap[:5] = torch.nan
    a = store("a", Structures.concatenate([s, s[:2]]))
    b = store("b", Structures.concatenate([at_level_b(s).with_labels(gap=gap), s[:1]]))
    bridge = find_bridge(a, b)
    assert bridge.rows_a.tolist() == bridge.rows_b.tolist() == list(range(6))
    assert {c.property: c.count for c in compare(a, b, bridge)}["gap"] == 1


def test_nothing_in_common(store) -> None:
    a, b = store("a", molecules(5, 0)), store("b", molecules(5, 1))
    assert compare(a, b, find_bridge(a, b)) == []
    with pytest.raises(ValueError, match=r"not matched by 'geometri'; did you mean 'geometry'"):
        find_bridge(a, b, by="geometri")
