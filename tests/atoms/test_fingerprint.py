"""Fingerprints do not depend on how a structure is written down, and tell different structures apart."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from ase.build import bulk, make_supercell, molecule

from atomscape.atoms.ase import from_ase
from atomscape.atoms.fingerprint import (
    SAME,
    distance,
    fingerprints,
    first_of_kind,
    has_match,
    matches,
)
from atomscape.atoms.formulas import reduced_formulas
from atomscape.atoms.structures import Structures
from atomscape.data.files import read_frames


def rattled():
    crystal = bulk("NaCl", "rocksalt", a=5.64, cubic=True)
    crystal.positions += 0.1 * np.random.default_rng(1).normal(size=crystal.positions.shape)
    return crystal


def written_otherwise(rng):
    """The same crystal: supercell, sheared lattice vectors, turned, mirrored, shifted, atoms exchanged."""
    crystal = rattled()
    yield make_supercell(crystal, [[1, 1, 0], [0, 1, 0], [0, 0, 2]])
    yield make_supercell(crystal, [[1, 3, 0], [0, 1, -1], [0, 0, 1]])
    turned = crystal.copy()
    turned.rotate(40, (1, 2, 3), rotate_cell=True)
    yield turned
    mirrored = crystal.copy()
    mirrored.set_cell(crystal.cell.array * [1, 1, -1])
    mirrored.positions = crystal.positions * [1, 1, -1]
    yield mirrored
    moved = crystal[rng.permutation(len(crystal))]
    moved.positions += [0.3, 7.0, -20.0]
    yield moved


def test_one_crystal_in_many_guises(rng):
    batch = from_ase([rattled(), *written_otherwise(rng)])
    found = fingerprints(batch).numpy()
    np.testing.assert_allclose(found, np.broadcast_to(found[0], found.shape), rtol=1e-9, atol=1e-9)
    assert len(set(reduced_formulas(batch))) == 1


def test_distance_is_about_the_change_in_angstrom(rng):
    water = molecule("H2O")
    stretched = [water.copy() for _ in range(3)]
    for k, image in enumerate(stretched):
        image.set_distance(0, 1, 0.97 + 0.01 * k, fix=0)
    found = fingerprints(from_ase(stretched)).numpy()
    once, twice = distance(found[1:], found[:1])
    assert 0.002 < once < twice < 0.021


@pytest.mark.parametrize("names", [("CH3CH2OH", "CH3OCH3"), ("C3H4_C2v", "C3H4_C3v")])
def test_isomers_differ(names):
    a, b = fingerprints(from_ase([molecule(n) for n in names])).numpy()
    assert distance(a[None], b[None]).item() > 10 * SAME


def test_elements_are_told_apart():
    pair = from_ase([bulk("NaCl", "rocksalt", a=5.6), bulk("NaCl", "cesiumchloride", a=3.5)])
    swapped = replace(pair, numbers=torch.tensor([17, 11, 17, 11]))
    a, b = fingerprints(pair).numpy(), fingerprints(swapped).numpy()
    np.testing.assert_allclose(a, b, atol=1e-9, err_msg="exchanging the two sites of both is no change")
    assert distance(a[:1], a[1:]).item() > 10 * SAME


def test_batches_and_isolated_atoms():
    parts = [molecule("H"), molecule("H2O"), bulk("Cu"), molecule("C6H6")]
    whole = fingerprints(from_ase(parts))
    alone = torch.cat([fingerprints(from_ase(p)) for p in parts])
    torch.testing.assert_close(whole, alone, rtol=1e-12, atol=1e-12)
    assert not whole[0, :-16].any()
    assert fingerprints(Structures.empty()).shape == (0, whole.shape[1])
    assert fingerprints(from_ase(parts), angles=False).shape == (4, 176)


def test_matches_and_kinds(rng):
    values = rng.normal(size=(60, 5))
    values[[7, 20, 41]] = values[3] + 1e-4 * rng.normal(size=(3, 5))
    keys = np.zeros(60, np.int64)
    keys[20] = 1
    pairs = matches(keys, values, 0.002)
    assert {tuple(p) for p in pairs.tolist()} == {(3, 7), (3, 41), (7, 41)}
    kind = first_of_kind(60, pairs)
    assert kind[[3, 7, 41, 20]].tolist() == [3, 3, 3, 20]
    assert len(np.unique(kind)) == 58
    assert matches(np.zeros(0, np.int64), np.zeros((0, 5)), 0.1).shape == (0, 2)


def test_what_has_no_near_one_has_no_match(rng):
    values, keys = rng.normal(size=(300, 9)), rng.integers(0, 4, 300)
    keys[40:80] = keys[:40]
    values[40:80] = values[:40] + 0.02 * rng.normal(size=(40, 9))
    pairs = matches(keys, values, 0.04)
    every = [(i, j) for i in range(300) for j in range(i + 1, 300) if keys[i] == keys[j]]
    slow = {(i, j) for i, j in every if distance(values[[i]], values[[j]])[0] < 0.04}
    assert {tuple(p) for p in pairs.tolist()} == slow
    assert len(slow) > 5
    assert set(pairs.reshape(-1).tolist()) <= set(np.flatnonzero(has_match(keys, values, 0.04)).tolist())
    assert has_match(keys[:1], values[:1]).tolist() == [False]


@pytest.mark.real
def test_real_representations_of_one_crystal(real_data):
    images = list(read_frames(real_data("carbon_duplicates") / "train_NXL.extxyz.gz"))[:120]
    found = fingerprints(from_ase(images)).numpy()
    kind = first_of_kind(len(images), matches(np.zeros(len(images), np.int64), found))
    assert (kind == 0).all(), "they differ by some 0.003 Å among themselves"
