"""Every representation × its settings × its claims. One is here by being a file in ``representations/``."""

from __future__ import annotations

import functools
import typing
from itertools import permutations

import numpy as np
import pytest
import torch

from atomscape.atoms.representation import INVARIANCES, SIGHTS, Claims, Representation
from atomscape.atoms.structures import Structures
from atomscape.find import available, find
from atomscape.testing import cases
from atomscape.testing import representation_laws as laws

# Small enough to be quick; every setting that offers choices is tried with each.
SMALL = {"cutoff": 4.0, "n_radial": 3, "l_max": 3, "channels": 3, "sigma": 0.6}
SMALL |= {"grid": 9, "bits": 256, "bins": 64}


def _variants(name: str) -> list[dict]:
    fields = find("representations", name).Config.model_fields
    base = {k: v for k, v in SMALL.items() if k in fields}
    choices = [{k: v} for k, f in fields.items() for v in _choices(f.annotation)]
    return [base | c for c in choices] or [base]


def _choices(annotation) -> tuple:
    if annotation is bool:
        return (True, False)
    return typing.get_args(annotation) if typing.get_origin(annotation) is typing.Literal else ()


VARIANTS = {
    "-".join([name, *(f"{k}={v}" for k, v in settings.items() if k not in SMALL)]): (name, settings)
    for name in available("representations")
    for settings in _variants(name)
}


@functools.cache
def _built(variant: str) -> Representation:
    name, settings = VARIANTS[variant]
    module = find("representations", name)
    return module.build(module.Config(**settings))


@pytest.fixture(params=VARIANTS)
def representation(request) -> Representation:
    return _built(request.param)


def fitting(representation: Representation, case: str) -> Structures:
    """Structures of a case that the representation applies to and has room for."""
    structures = laws.applicable(representation, cases.everything[case]())
    width = [float(torch.pdist(s.positions).max()) if s.n_atoms > 1 else 0.0 for s in structures]
    return structures[[i for i, w in enumerate(width) if w < 20]]


@pytest.mark.parametrize("invariance", INVARIANCES)
def test_invariances(representation, invariance):
    """What is claimed holds on every structure; what is not claimed fails on one."""
    claimed = invariance in representation.claims.invariances
    lattice = invariance in ("lattice translation", "unimodular cell", "supercell")
    if lattice and "crystals" not in representation.claims.applies:
        pytest.skip("about crystals, which it does not apply to")
    worst = 0.0
    for case in cases.everything:
        structures = fitting(representation, case)
        if claimed:
            worst = max(worst, laws.check_invariance(representation, invariance, structures, case=case))
        else:
            worst = max(worst, laws.violation(representation, invariance, structures))
    if not claimed and not (invariance == "permutation" and "form='sorted'" in str(representation)):
        assert worst > 1e3 * laws.EXACT, f"{invariance} is not claimed, and holds everywhere"


@pytest.mark.parametrize("sight", SIGHTS)
def test_what_it_sees(representation, sight):
    laws.check_sight(representation, sight)


@pytest.mark.parametrize("case", cases.everything)
def test_a_value_for_everything(representation, case):
    """Perfect crystals, one atom, nothing at all: as many finite rows as structures, of one width."""
    structures = fitting(representation, case)
    out = representation(structures)
    assert len(out) == len(structures)
    if representation.claims.form == "text":
        assert isinstance(out, np.ndarray)
        assert out.dtype.kind == "U"
    else:
        assert out.dtype == torch.float64
        assert out.shape[1] == representation(Structures.empty()).shape[1]
        # Where no bonds fit, a row says that nothing is known.
        assert bool(out.isfinite().all(1).logical_or(out.isnan().all(1)).all())
        assert case not in ("water", "ethanol", *cases.perfect_crystals) or bool(out.isfinite().all())


def test_batch_is_alone(representation):
    laws.check_batch(representation, fitting(representation, "mixed_batch"))


@pytest.mark.parametrize("case", ["water", "ethanol", "fcc", "rattled_rocksalt", "one_atom_crystal"])
def test_smooth(representation, case):
    structures = fitting(representation, case)
    if representation.claims.smooth and len(structures):
        laws.check_smooth(representation, structures, case=case)
    elif representation.claims.form == "features" and not representation.claims.smooth:
        assert not representation(structures).requires_grad


def test_kinds_that_it_does_not_apply_to(representation):
    """Others are refused with a sentence that says which, and what it applies to."""
    kinds = {"molecules": cases.water(), "crystals": cases.fcc(), "partly periodic": cases.slab()}
    for kind, structures in kinds.items():
        if kind not in representation.claims.applies:
            with pytest.raises(ValueError, match=r"applies to .*; structure 0 has pbc=[TF]{3}"):
                representation(structures)


def test_rows_of_equal_norm():
    """Why a matrix with sorted rows does not claim to ignore the order: four atoms on a rectangle."""
    module = find("representations", "coulomb_matrix")
    rectangle = cases.molecule([1] * 4, [[0, 0, 0], [1.0, 0, 0], [1.0, 1.7, 0], [0, 1.7, 0]])
    for form, alike in (("sorted", False), ("eigenvalues", True)):
        r = module.build(module.Config(form=form, atoms=4))
        others = [r(cases.molecule([1] * 4, rectangle.positions[list(p)])) for p in permutations(range(4))]
        assert (max(laws.difference(r(rectangle), other) for other in others) < laws.EXACT) == alike


def test_no_room():
    """A structure that is too large is named, with the room that it needs."""
    for name in ("coordinates", "coulomb_matrix"):
        module = find("representations", name)
        with pytest.raises(ValueError, match="room for 5 atoms; structure 0 has 9: give atoms=9 or more"):
            module.build(module.Config(atoms=5))(cases.ethanol())
    voxels = find("representations", "voxels")
    with pytest.raises(ValueError, match=r"structure 0 is larger than the box of 2\.0 Å"):
        voxels.build(voxels.Config(box=2.0))(cases.ethanol())


def test_claims_that_no_law_knows():
    with pytest.raises(ValueError, match="no law about 'rotations'; did you mean 'rotation'"):
        Claims(frozenset({"rotations"}), frozenset())


def test_a_false_claim_is_caught():
    """Coordinates that say they ignore rotations, a composition that says it sees conformers."""

    class Liar:
        claims = Claims(frozenset({"rotation"}), frozenset({"geometry"}))

        def __call__(self, structures):
            return structures.positions[structures.offsets[:-1]]

    with pytest.raises(AssertionError, match="rotation law, case 'ethanol'"):
        laws.check_invariance(Liar(), "rotation", cases.ethanol(), case="ethanol")
    with pytest.raises(AssertionError, match="geometry is said to be seen"):
        laws.check_sight(Liar(), "geometry")


def test_representations_were_found():
    assert {"composition", "soap", "morgan", "smiles", "graph"} <= {name for name, _ in VARIANTS.values()}
