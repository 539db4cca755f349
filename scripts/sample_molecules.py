"""Small organic molecules of C, N, O and F, grown atom by atom.

Every molecular graph with n + 1 heavy atoms is one with n heavy atoms plus a singly bonded atom, followed by
ring closures and raised bond orders, so three moves reach all of them. ``HARD`` rules hold at every step;
``SOFT`` rules (species that rearrange in a flask: enols, hemiacetals, …) only at the end, because stable
molecules are grown through them.
"""

from __future__ import annotations

import random
from collections import defaultdict
from collections.abc import Iterator

from rdkit import Chem
from rdkit.Chem.rdMolDescriptors import CalcMolFormula

VALENCE = {"C": 4, "N": 3, "O": 2, "F": 1}
ORDER = {1: Chem.BondType.SINGLE, 2: Chem.BondType.DOUBLE, 3: Chem.BondType.TRIPLE}
#: Molecules the growth rules leave out and every chemist expects.
KNOWN = "[H][H] N#N O=C=O [C-]#[O+] OO NN NO C=C=C C=C=O N=C=O CN=C=O CNN CON"

HARD = {
    "cumulated double bonds": "*=*=*",
    "conjugated triple bonds": "*#*-*#*",
    "triple bond in a ring": "[R]#[R]",
    "multiple bond in or on a three-ring": "[r3]=*",
    "aromatic or conjugated atom in a small ring": "[$([a;r3,r4]),$([r4]=[r4]~[r4]=*)]",
    "four-ring with a double bond next to N or O": "[r4]=@[$([#7]),$([#6]@[#7,#8;r4])]",
    "fused three-rings": "[r3;R2]@[r3;R2]",
    "bridgehead double bond": "[R2]=*",
    "O–O, O–F or F–F bond": "[#8,#9]~[#8,#9]",
    "N–F bond": "[#7]-F",
    "N–N or N–O bond in a small ring": "[#7;r3,r4]@[#7,#8;r3,r4]",
    "more than three heteroatoms in an aromatic row": "[n,o]:[n,o]:[n,o]:[n,o]",
    "N–O double bond": "N=O",
    "three heteroatoms in a row": "[N,O]~[N,O]~[N,O]",
    "three O or N on a saturated carbon": "[CX4]([#7,#8])([#7,#8])[#7,#8]",
    "F and two O or N on one carbon": "[CX4](F)([#7,#8])[#7,#8]",
}
SOFT = {
    "N–N or N–O bond that no C=N or ring aromaticity holds": "[NX3;!$(N-N=C)]-[NX3,OX2;!$([N,O]-N=C)]",
    "N–N single bond to a saturated N": "[NX3]-[NX3]",
    "enol or enamine with H": "[CX3;!$(C=[O,N])]=[CX3]-[OX2H,NX3;!H0]",
    "imidic acid": "[NX2]=[CX3]-[OX2H]",
    "O or F on a triple bond, N on an alkyne": "[$([CX2]#*)]-[O,F,$(N-C#C)]",
    "imidoyl fluoride with H": "F-C=[NX2H]",
    "hemiacetal, gem-diol or aminal with H": "[CX4]([O,N;!H0])[O,N,F]",
    "azo": "N=N",
    "carbonic or carbamic acid": "[OX2H]C(=O)[O,N]",
    "acyl hydroxide of N": "O=C[N,O]-[N,O]",
    "anhydride-like strings": "C(=*)-O-C=*",
    "imine N–H next to a heteroatom multiple bond": "[NX2H]=C-C=[N,O]",
    "F beside a second F and an O or N": "[CX4](F)(F)[O,N]",
    "tricarbonyl": "O=C-C(=O)-C=O",
}
#: Kept among the smallest molecules, where they stand for their kind.
LARGE = {
    "imine with H on N that no second N stabilises": "[NX2H]=[CX3;!$(C-N)]",
    "methylene imine": "[CH2]=[NX2]",
}
_HARD = [Chem.MolFromSmarts(s) for s in HARD.values()]
_SOFT = [Chem.MolFromSmarts(s) for s in SOFT.values()]
_LARGE = [Chem.MolFromSmarts(s) for s in LARGE.values()]


def enumerate_molecules(max_heavy: int) -> dict[int, list[str]]:
    """Canonical SMILES of all molecules that pass the rules, by number of heavy atoms, each list sorted."""
    level = {Chem.CanonSmiles(s) for s in VALENCE}
    found: dict[int, list[str]] = {}
    for n in range(1, max_heavy + 1):
        level = _close(level)
        found[n] = sorted(s for s in level if sensible(s))
        if n < max_heavy:
            level = {s for parent in sorted(level) for s in _grown(parent)}
    for s in map(Chem.CanonSmiles, KNOWN.split()):
        n = heavy_atoms(s)
        if n <= max_heavy and s not in found.setdefault(n, []):
            found[n] = sorted([*found[n], s])
    return found


def heavy_atoms(smiles: str) -> int:
    """Atoms other than hydrogen."""
    return sum(a.GetAtomicNum() > 1 for a in Chem.MolFromSmiles(smiles).GetAtoms())


def sensible(smiles: str) -> bool:
    """Does a grown molecule pass the final rules: no reactive pattern, and not mostly heteroatoms?"""
    mol = Chem.MolFromSmiles(smiles)
    symbols = [a.GetSymbol() for a in mol.GetAtoms()]
    hetero = sum(s in "NO" for s in symbols)
    if len(symbols) > 3 and (hetero > symbols.count("C") or symbols.count("F") > 3):
        return False
    refused = _SOFT + _LARGE if len(symbols) > 4 else _SOFT
    return not any(mol.HasSubstructMatch(p) for p in refused)


def choose(found: dict[int, list[str]], count: int, seed: int) -> list[str]:
    """Choose molecules: sizes from small to large all of them while they fit, the rest spread over formulas.

    The largest sizes are drawn from piles of one (formula, number of rings) in proportion to the square root
    of the pile, so rare compositions and ring systems are not drowned by isomers of the commonest ones.
    """
    chosen: list[str] = []
    rng = random.Random(seed)
    for n in sorted(found):
        room = count - len(chosen)
        if n < max(found) and len(found[n]) <= room // 2:
            chosen += found[n]
        else:
            share = room if n == max(found) else room // 3
            chosen += sorted(_dealt(found[n], share, rng), key=lambda s: (len(s), s))
    return chosen


def _dealt(smiles: list[str], count: int, rng: random.Random) -> list[str]:
    piles = defaultdict(list)
    for s in smiles:
        mol = Chem.MolFromSmiles(s)
        piles[CalcMolFormula(mol), mol.GetRingInfo().NumRings()].append(s)
    ranked = []
    for pile in piles.values():
        rng.shuffle(pile)
        ranked += [((k + 0.5) / len(pile) ** 0.5, s) for k, s in enumerate(pile)]
    return [s for _, s in sorted(ranked)[:count]]


def _close(level: set[str]) -> set[str]:
    """Add everything reachable by ring closures and raised bond orders, without new atoms."""
    seen, fresh = set(level), set(level)
    while fresh:
        fresh = {s for parent in sorted(fresh) for s in _unsaturated(parent)} - seen
        seen |= fresh
    return seen


def _grown(smiles: str) -> Iterator[str]:
    """Yield the molecule with one more atom on any atom that has a hydrogen to give."""
    mol = _kekulized(smiles)
    for atom in mol.GetAtoms():
        if _free(atom):
            for symbol in VALENCE:
                new = Chem.RWMol(mol)
                new.AddBond(atom.GetIdx(), new.AddAtom(Chem.Atom(symbol)), ORDER[1])
                yield from _accepted(new)


def _unsaturated(smiles: str) -> Iterator[str]:
    """Yield the molecule with one more bond between two atoms that both have a hydrogen to give."""
    mol = _kekulized(smiles)
    distance = Chem.GetDistanceMatrix(mol)
    free = [a.GetIdx() for a in mol.GetAtoms() if _free(a)]
    for i in free:
        for j in (j for j in free if j > i):
            bond = mol.GetBondBetweenAtoms(i, j)
            new = Chem.RWMol(mol)
            if bond is not None and bond.GetBondTypeAsDouble() < 3:
                new.GetBondBetweenAtoms(i, j).SetBondType(ORDER[int(bond.GetBondTypeAsDouble()) + 1])
                yield from _accepted(new)
            elif bond is None and distance[i, j] >= 2:
                new.AddBond(i, j, ORDER[1])
                yield from _accepted(new)


def _free(atom: Chem.Atom) -> int:
    return VALENCE[atom.GetSymbol()] - int(sum(b.GetBondTypeAsDouble() for b in atom.GetBonds()))


def _kekulized(smiles: str) -> Chem.Mol:
    mol = Chem.MolFromSmiles(smiles)
    Chem.Kekulize(mol, clearAromaticFlags=True)
    for atom in mol.GetAtoms():
        atom.SetNoImplicit(False)
        atom.SetNumExplicitHs(0)
    return mol


def _bridged(one: set[int], other: set[int]) -> bool:
    return len(one & other) > 2


def _accepted(new: Chem.RWMol) -> Iterator[str]:
    mol = new.GetMol()
    Chem.SanitizeMol(mol)
    rings = mol.GetRingInfo()
    if rings.NumRings() > 2 or any(len(r) > 7 for r in rings.AtomRings()):
        return
    if (
        rings.NumRings() == 2
        and _bridged(*map(set, rings.AtomRings()))
        and any(a.GetIsAromatic() for a in mol.GetAtoms())
    ):
        return
    if not any(mol.HasSubstructMatch(p) for p in _HARD):
        yield Chem.MolToSmiles(mol)
