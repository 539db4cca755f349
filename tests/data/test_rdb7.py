"""RDB7: reactant, transition state and product stay together, with one atom order and the forward barrier."""

from __future__ import annotations

import re
import zipfile

import numpy as np
import pytest
import torch
from ase.data import chemical_symbols

from atomscape.atoms.structures import Structures
from atomscape.data.sources import rdb7, rdb7_reactions
from atomscape.units import KCAL_PER_MOL

TABLE = "rxn,smiles,dE0\n7,[O:1]=[C:2]=[O:3]>>[O:1]=[C:2].[O:3],48.5\n12,[H:1][H:2]>>[H:1].[H:2],110.0\n"
CO2 = "3\ntitle\nO 0.0 0.0 {0}\nC 0.0 0.0 1.2\nO 0.0 0.0 2.4\n"
H2 = "2\n\nH 0.0 0.0 0.0\nH 0.0 0.0 {0}\n"
TOP = "reaction_database-d99af015/data/rdb7"


def archive(folder, skip: str = "", table: str = TABLE) -> None:
    with zipfile.ZipFile(folder / rdb7.ARCHIVE, "w") as file:
        file.writestr(f"{TOP}/barriers/random/test.csv", "rxn,smiles,dE0\n7,x,48.5\n")
        file.writestr(f"{TOP}/barriers/random/rdb7_full.csv", table)
        for k, letter in enumerate(("r", "ts", "p")):
            for rxn, text in ((7, CO2), (12, H2)):
                if f"{letter}{rxn}" != skip:
                    name = f"{TOP}/geometries/forward/rxn{rxn:06d}/{letter}{rxn:06d}.xyz"
                    file.writestr(name, text.format(0.1 * (k + 1)))


def test_archive(tmp_path) -> None:
    archive(tmp_path)
    assert rdb7.inputs(tmp_path) == [tmp_path / rdb7.ARCHIVE]
    s = Structures.concatenate(rdb7.read(tmp_path))
    assert s.ids == (
        "rxn7/reactant",
        "rxn7/ts",
        "rxn7/product",
        "rxn12/reactant",
        "rxn12/ts",
        "rxn12/product",
    )
    assert s.formulas() == ["CO2"] * 3 + ["H2"] * 3
    assert [float(x.positions[0, 2]) for x in s[:3]] == [0.1, 0.2, pytest.approx(0.3)]
    assert s.labels["reaction_role"].tolist() == [0.0, 1.0, 2.0] * 2
    np.testing.assert_allclose(s.labels["barrier"][::3].tolist(), [48.5 * KCAL_PER_MOL, 110.0 * KCAL_PER_MOL])
    assert rdb7.smiles(tmp_path)[12] == "[H:1][H:2]>>[H:1].[H:2]"


def test_incomplete_archives(tmp_path) -> None:
    archive(tmp_path, skip="ts12")
    with pytest.raises(ValueError, match=r"reaction 12 has no ts000012\.xyz"):
        list(rdb7.read(tmp_path))
    archive(tmp_path, table="a,b\n1,2\n")
    s = Structures.concatenate(rdb7.read(tmp_path))
    assert len(s) == 3, "the only table left has one reaction"
    with pytest.raises(FileNotFoundError, match="neither"):
        rdb7.smiles(tmp_path / "nowhere")


def test_geometries_of_different_atoms_are_refused(tmp_path) -> None:
    archive(tmp_path, skip="p7")
    with zipfile.ZipFile(tmp_path / rdb7.ARCHIVE, "a") as file:
        file.writestr(f"{TOP}/geometries/forward/rxn000007/p000007.xyz", H2.format(1.0))
    with pytest.raises(ValueError, match="reaction 7 have different atoms"):
        list(rdb7.read(tmp_path))


@pytest.mark.real
def test_real_rdb7(real_data) -> None:
    folder = real_data("rdb7")
    s = Structures.concatenate(rdb7.read(folder))
    assert len(s) == 3 * 10_804
    barriers = s.labels["barrier"]
    assert torch.equal(barriers[0::3], barriers[1::3])
    assert torch.equal(barriers[0::3], barriers[2::3])
    assert 2.0 < float(barriers.mean()) < 5.0, "eV: bonds break"
    np.testing.assert_allclose(float(barriers[0]), 48.61085 * KCAL_PER_MOL, rtol=1e-6)
    reactants, states, products = s[0::3], s[1::3], s[2::3]
    assert torch.equal(reactants.numbers, states.numbers)
    assert torch.equal(reactants.numbers, products.numbers)
    assert {i.split("/")[0] for i in s.ids[:3]} == {"rxn0"}
    mapped = rdb7.smiles(folder)
    for row in range(0, len(reactants), 97):
        reaction = reactants[row]
        text = mapped[int(reaction.ids[0][3:].split("/")[0])].split(">>")[0]
        atoms = {int(k): e.capitalize() for e, k in re.findall(r"\[([A-Za-z][a-z]?)[^\]:]*:(\d+)\]", text)}
        elements = [chemical_symbols[z] for z in reaction.numbers.tolist()]
        assert [atoms[k + 1] for k in range(len(elements))] == elements, "atom k is mapped to k"
    between = [
        float((torch.pdist(a.positions) - torch.pdist(b.positions)).abs().max())
        for a, b in zip(reactants[:200], states[:200], strict=True)
    ]
    assert min(between) > 0.05, "the transition state is another geometry"


def test_reactions_hold_both_ends_far_apart_with_the_same_atoms(tmp_path) -> None:
    archive(tmp_path)
    triples = Structures.concatenate(rdb7.read(tmp_path))
    s = Structures.concatenate(rdb7_reactions.read(tmp_path))
    assert s.ids == ("rxn7", "rxn12")
    assert s.counts.tolist() == [6, 4]
    assert s.labels["reaction_part"].tolist() == [0.0] * 3 + [2.0] * 3 + [0.0] * 2 + [2.0] * 2
    assert s.labels["reaction_atom"].tolist() == [0.0, 1.0, 2.0] * 2 + [0.0, 1.0] * 2
    assert torch.equal(s.labels["barrier"], triples.labels["barrier"][::3])
    for k, one in enumerate(s):
        n = one.n_atoms // 2
        assert torch.equal(one.positions[:n], triples[3 * k].positions)
        assert torch.equal(one.numbers[:n], one.numbers[n:])
        ends = one.positions[n:] - one.positions[n]
        product = triples[3 * k + 2].positions
        torch.testing.assert_close(ends, product - product[0])
        assert float(torch.cdist(one.positions[:n], one.positions[n:]).min()) >= rdb7_reactions.GAP
