"""Groups stay together, folds cover everything once, strata are shared out evenly, names alone decide."""

from __future__ import annotations

import itertools
from dataclasses import replace

import numpy as np
import pytest
import torch
from ase.build import bulk, molecule
from hypothesis import given
from hypothesis import strategies as st

from atomscape.atoms.ase import from_ase
from atomscape.atoms.structures import Structures
from atomscape.data import grouping
from atomscape.data.group_splits import fold_split, folds, group_split, stable_group_split, stratified_split
from atomscape.data.grouping import Groups, groups_of, ways_of_grouping
from atomscape.data.store import Store

PARTS = {"train": 0.7, "val": 0.1, "test": 0.2}
LABELS = st.lists(st.integers(0, 12), min_size=1, max_size=80).map(np.array)


@pytest.fixture(scope="module")
def cells(random_cells) -> Store:
    return random_cells(lambda k: f"run{k // 7}/{k % 7}")


def assert_partition(split: dict[str, np.ndarray], n: int) -> None:
    assert sorted(np.concatenate(list(split.values())).tolist()) == list(range(n))


def assert_whole_groups(split: dict[str, np.ndarray], groups: np.ndarray) -> None:
    for a, b in itertools.combinations(split, 2):
        assert not set(groups[split[a]]) & set(groups[split[b]]), (a, b)


def test_compositions_are_reduced_formulas(cells) -> None:
    groups = groups_of(cells, "composition")
    counts = [np.bincount(x.numbers.numpy(), minlength=119) for x in cells[:]]
    reduced = [tuple((c // np.gcd.reduce(c)).tolist()) for c in counts]
    assert len(groups) == len(set(reduced)) == len(set(zip(groups.of.tolist(), reduced, strict=True)))
    of = {name: k for k, name in enumerate(groups.names)}
    assert of.keys() >= {"Li", "O", "LiO", "LiO2", "LiOS"}
    assert of["LiO2"] in groups.of


def test_groups_are_numbered_in_the_order_of_first_appearance(cells) -> None:
    groups = groups_of(cells, "composition")
    _, first = np.unique(groups.of, return_index=True)
    assert (np.diff(first) > 0).all()
    rows = np.arange(299, -1, -3)
    some = groups_of(cells, "composition", rows)
    assert [some.names[k] for k in some.of] == [groups.names[k] for k in groups.of[rows]]


def test_elements_and_trajectories(cells) -> None:
    elements = groups_of(cells, "elements")
    systems = [itertools.combinations(["Li", "O", "S", "Fe"], k) for k in (1, 2, 3)]
    assert set(elements.names) == {"-".join(c) for k in systems for c in k}
    runs = groups_of(cells, "trajectory")
    assert runs.names[:2] == ("run0", "run1")
    np.testing.assert_array_equal(runs.of, np.arange(300) // 7)


def test_stretches_of_a_trajectory() -> None:
    one = Structures.of([[0.0, 0, 0]], [1])
    ids = [f"a/{k}" for k in range(25)] + ["x"] + [f"b/{k}" for k in range(3)]
    s = Structures.concatenate([replace(one, ids=(i,)) for i in ids])
    groups = groups_of(s, "stretches")
    assert len(groups) == 14
    assert np.bincount(groups.of).tolist() == [3, 2, 3, 2, 3, 2, 3, 2, 3, 2, 1, 1, 1, 1]
    assert (np.diff(groups.of) >= 0).all()


def test_an_id_without_frames_is_a_group_of_its_own() -> None:
    s = Structures.concatenate([Structures.of([[0.0, 0, 0]], [1], id=i) for i in ("a", "b", "t/0", "t/1")])
    assert groups_of(s, "trajectory").of.tolist() == [0, 1, 2, 2]


def test_copies_are_one_group_also_across_chunks(monkeypatch) -> None:
    monkeypatch.setattr(grouping, "CHUNK", 2)
    generator = torch.Generator().manual_seed(0)
    turn = torch.linalg.qr(torch.randn(3, 3, dtype=torch.float64, generator=generator))[0]
    water, ammonia, nacl = molecule("H2O"), molecule("NH3"), bulk("NaCl", "rocksalt", a=5.6)
    turned = water.copy()
    turned.positions = (turned.positions @ turn.numpy())[::-1] + 5.0
    turned.numbers = turned.numbers[::-1]
    s = from_ase([water, ammonia, nacl, turned, nacl * (2, 1, 1), bulk("NaCl", "rocksalt", a=5.7)])
    assert groups_of(s, "duplicates").of.tolist() == [0, 1, 2, 0, 2, 3]


def test_every_way_of_grouping_has_a_name_for_what_it_can_group(cells) -> None:
    assert {
        "composition",
        "elements",
        "trajectory",
        "scaffold",
        "prototype",
        "duplicates",
        "stretches",
    } <= set(ways_of_grouping())
    with pytest.raises(LookupError, match="did you mean 'composition'"):
        groups_of(cells, "compositon")


def test_scaffolds() -> None:
    pytest.importorskip("rdkit")
    names = ["C6H6", "cyclobutane", "C2H6", "CH3CH2OH", "C5H5N"]
    s = from_ase([molecule(n) for n in names])
    groups = groups_of(s, "scaffold")
    assert groups.of[2] == groups.of[3]
    assert groups.names[groups.of[2]] == ""
    assert len(groups) == 4
    turned = Structures(s.positions.flip(1) + 3.0, s.numbers, s.cell, s.pbc, s.structure)
    assert groups_of(turned, "scaffold").names == groups.names
    phenol, benzene = from_ase([molecule("C6H6"), molecule("C6H6")])
    numbers = phenol.numbers.clone()
    numbers[-1] = 9  # a substituent changes no scaffold
    fluoro = Structures(phenol.positions, numbers, phenol.cell, phenol.pbc, phenol.structure)
    assert groups_of(fluoro, "scaffold").names == groups_of(benzene, "scaffold").names
    with pytest.raises(ValueError, match=r"periodic\. Group by composition"):
        groups_of(from_ase([bulk("Cu")]), "scaffold")


def test_scaffolds_are_those_of_bemis_and_murcko() -> None:
    """Conformers of known molecules: the same partition as RDKit's scaffolds of the saturated skeletons."""
    chem = pytest.importorskip("rdkit.Chem")
    from rdkit.Chem import AllChem
    from rdkit.Chem.Scaffolds import MurckoScaffold

    smiles = [
        "c1ccccc1C",
        "C1CCCCC1O",
        "c1ccccc1CCc1ccccc1",
        "c1ccc2ccccc2c1F",
        "C1CC2CC1C2",
        "CCO",
        "CC(=O)C",
    ]
    smiles += [
        "c1ccncc1",
        "O=C1CCCCC1",
        "C1CC1CC1CC1",
        "C1CC1CCC1CC1",
        "CC1CC1CCC1C(C)C1",
        "ClC1=CSC=C1",
        "C1CSC=C1",
    ]
    structures, expected = [], []
    for text in smiles:
        mol = chem.AddHs(chem.MolFromSmiles(text))
        assert AllChem.EmbedMolecule(mol, randomSeed=7) == 0
        numbers = [a.GetAtomicNum() for a in mol.GetAtoms()]
        structures.append(Structures.of(mol.GetConformer().GetPositions(), numbers))
        saturated = chem.RWMol(chem.MolFromSmiles(text))
        chem.Kekulize(saturated, clearAromaticFlags=True)
        for bond in saturated.GetBonds():
            bond.SetBondType(chem.BondType.SINGLE)
        expected.append(chem.MolToSmiles(MurckoScaffold.GetScaffoldForMol(saturated.GetMol())))
    found = groups_of(Structures.concatenate(structures), "scaffold").of.tolist()
    assert found == [list(dict.fromkeys(expected)).index(e) for e in expected]


def test_prototypes() -> None:
    pytest.importorskip("spglib")
    rock_salt = [bulk("NaCl", "rocksalt", a=5.6), bulk("MgO", "rocksalt", a=4.2, cubic=True)]
    caesium = [bulk("CsCl", "cesiumchloride", a=4.1)]
    s = from_ase([*rock_salt, *caesium, bulk("Cu"), bulk("Fe")])
    groups = groups_of(s, "prototype")
    assert groups.of.tolist() == [0, 0, 1, 2, 3]
    assert groups.names == ("AB-225-2", "AB-221-2", "A-225-1", "A-229-1")
    with pytest.raises(ValueError, match="not periodic in three directions"):
        groups_of(from_ase([molecule("H2O")]), "prototype")


def test_no_formula_in_two_parts(cells) -> None:
    groups = groups_of(cells, "composition").of
    split = group_split(groups, PARTS, seed=0)
    assert_partition(split, 300)
    assert_whole_groups(split, groups)
    largest = np.bincount(groups).max()
    for name, fraction in PARTS.items():
        assert abs(len(split[name]) - fraction * 300) <= largest
    np.testing.assert_array_equal(split["test"], group_split(groups, PARTS, seed=0)["test"])
    assert split["test"].tolist() != group_split(groups, PARTS, seed=1)["test"].tolist()


def test_parts_are_the_same_on_every_machine_and_in_every_version() -> None:
    groups = np.arange(12) // 2
    split = group_split(groups, {"a": 0.5, "b": 0.5}, seed=0)
    assert split["a"].tolist() == [0, 1, 6, 7, 10, 11]
    names = Groups(groups, tuple("HCNOFS"))
    assert stable_group_split(names, {"a": 0.5, "b": 0.5}, seed=0)["a"].tolist() == [2, 3, 4, 5, 6, 7]


@given(LABELS, st.integers(0, 5))
def test_laws_of_group_splits(labels, seed) -> None:
    groups = np.unique(labels, return_inverse=True)[1]
    names = Groups(groups, tuple(str(k) for k in range(groups.max() + 1)))
    for split in (group_split(groups, PARTS, seed), stable_group_split(names, PARTS, seed)):
        assert_partition(split, len(groups))
        assert_whole_groups(split, groups)


def test_a_split_by_groups_uses_every_structure() -> None:
    with pytest.raises(ValueError, match="must sum to 1"):
        group_split(np.arange(10), {"train": 0.7}, 0)
    with pytest.raises(ValueError, match="must sum to 1"):
        stable_group_split(Groups(np.arange(2), ("a", "b")), {"train": 0.7}, 0)


@given(LABELS, LABELS, st.integers(0, 3))
def test_the_name_alone_decides_in_a_stable_split(one, two, seed) -> None:
    def part_of_name(labels) -> dict[str, str]:
        names, of = np.unique(labels, return_inverse=True)
        split = stable_group_split(Groups(of, tuple(map(str, names))), PARTS, seed)
        return {str(labels[row]): part for part, rows in split.items() for row in rows}

    a, b = part_of_name(one), part_of_name(two)
    assert all(a[name] == b[name] for name in a.keys() & b.keys())
    assert {**a, **b} == part_of_name(np.concatenate([one, two]))


def test_a_stable_split_meets_its_fractions_on_average() -> None:
    n = 20_000
    split = stable_group_split(Groups(np.arange(n), tuple(map(str, range(n)))), PARTS, seed=3)
    for name, share in PARTS.items():
        assert len(split[name]) / n == pytest.approx(share, abs=5 * (share * (1 - share) / n) ** 0.5)


@given(LABELS, st.integers(2, 6), st.booleans(), st.integers(0, 3))
def test_laws_of_folds(labels, k, grouped, seed) -> None:
    groups = np.unique(labels, return_inverse=True)[1] if grouped else None
    n, most = len(labels), len(labels) if groups is None else groups.max() + 1
    if k > most:
        with pytest.raises(ValueError, match=f"{k} folds of {most}"):
            folds(n, k, seed, groups)
        return
    cut = folds(n, k, seed, groups)
    assert_partition(dict(zip("abcdef", cut, strict=False)), n)
    if groups is None:
        assert max(map(len, cut)) - min(map(len, cut)) <= 1
    for fold in range(k):
        split = fold_split(n, k, fold, 0.2, seed, groups)
        assert_partition(split, n)
        assert split["test"].tolist() == cut[fold].tolist()
        if groups is not None:
            assert_whole_groups(split, groups)


def test_a_fold_that_does_not_exist() -> None:
    with pytest.raises(ValueError, match=r"fold 5 of 5; folds are numbered 0 … 4"):
        fold_split(100, 5, 5, 0.1, 0)


@given(st.lists(st.integers(1, 60), min_size=1, max_size=6), st.integers(0, 5))
def test_laws_of_stratified_splits(sizes, seed) -> None:
    strata = np.random.default_rng(0).permutation(np.repeat(np.arange(len(sizes)), sizes))
    split = stratified_split(strata, PARTS, seed)
    assert_partition(split, len(strata))
    assert {k: len(v) for k, v in split.items()} == {
        k: len(v) for k, v in stratified_split(np.zeros_like(strata), PARTS, seed).items()
    }
    for part, rows in split.items():
        for stratum, size in enumerate(sizes):
            assert abs((strata[rows] == stratum).sum() - PARTS[part] * size) <= 3


def test_a_stratified_split_of_nothing_is_empty() -> None:
    assert all(len(v) == 0 for v in stratified_split(np.zeros(0, int), PARTS, 0).values())
