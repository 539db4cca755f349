"""An encoder that reads tensors: its features turn when structures turn and their labels turn along."""

from __future__ import annotations

import functools

import pytest
import torch

from atomscape.atoms.properties import PROPERTIES
from atomscape.atoms.structures import Structures
from atomscape.encoders import tfn
from atomscape.testing import cases, laws

# What enters: scalars, vectors and tensors of ranks 2 to 4, of atoms and of structures; true and pseudo.
NATURAL = ("magnetic_moments", "displacements", "dielectric", "total_charge")
PSEUDO = ("shielding", "piezoelectric", "displacements")
VARIANTS = {
    "natural": {"inputs": NATURAL},
    "natural, no elements": {"inputs": NATURAL, "species": False},
    "natural, linear": {"inputs": NATURAL, "species": False, "nonlinear": False},
    "vectors only": {"inputs": ("polarization",), "l_max": 1, "species": False},
    "both": {"inputs": PSEUDO, "parity": "both", "l_max": 3},
    "so3": {"inputs": PSEUDO, "parity": "so3", "l_max": 3},
    "elastic": {"inputs": ("elastic", "forces"), "l_max": 4},
}
SMALL = {
    "channels": 5,
    "layers": 2,
    "cutoff": 3.4,
    "n_radial": 5,
    "radial_hidden": 8,
    "average_neighbours": 3.0,
}


def labelled(structures: Structures, names: tuple[str, ...]) -> Structures:
    """Random values of the labels."""
    g = torch.Generator().manual_seed(7)
    made = {}
    for name in names:
        p = PROPERTIES[name]
        rows = structures.n_atoms if p.per == "atom" else len(structures)
        made[name] = torch.randn(rows, *p.shape, generator=g, dtype=torch.float64)
    return structures.with_labels(**made)


@functools.cache
def build(variant: str):
    with torch.random.fork_rng():
        torch.manual_seed(11)
        return tfn.build(tfn.Config(**{**SMALL, **VARIANTS[variant]})).double()


@pytest.fixture(params=VARIANTS)
def variant(request):
    return request.param


def structures_for(variant: str, case: str) -> Structures:
    return labelled(cases.everything[case](), VARIANTS[variant]["inputs"])


structures = pytest.mark.parametrize("case", ["ethanol", "fcc", "isolated_atom", "mixed_batch", "empty"])


@structures
def test_rotation(variant, case):
    laws.check_rotation(build(variant), structures_for(variant, case), case=case)


@structures
def test_reflection(variant, case):
    if variant != "so3":
        laws.check_reflection(build(variant), structures_for(variant, case), case=case)


@structures
def test_permutation(variant, case):
    laws.check_permutation(build(variant), structures_for(variant, case), case=case)


def test_batch_is_alone(variant):
    laws.check_batch_alone(build(variant), structures_for(variant, "mixed_batch"))


def test_supercell_of_repeated_labels(variant):
    laws.check_supercell(build(variant), structures_for(variant, "rattled_rocksalt"), times=(1, 1, 2))


def test_derivatives(variant):
    laws.check_finite_difference(build(variant), structures_for(variant, "slab"))


def test_single_precision(variant):
    laws.check_single_precision(build(variant), structures_for(variant, "ethanol"))


def test_every_block_is_alive(variant):
    laws.check_alive(build(variant), structures_for(variant, "ethanol"))


def test_empty_batch(variant):
    assert build(variant)(_graph(Structures.empty())).n_atoms == 0


def test_labels_that_do_not_turn_along_are_caught(variant):
    """Turning the positions alone is another physical situation."""
    encoder, s = build(variant), structures_for(variant, "ethanol")
    turned = laws.check_rotation
    fixed = Structures(s.positions, s.numbers, s.cell, s.pbc, s.structure)

    def deaf(graph, layers=False):
        return encoder(graph.with_structures(graph.structures.with_labels(**s.labels)), layers)

    deaf.cutoff = encoder.cutoff
    with pytest.raises(AssertionError, match="rotation law"):
        turned(deaf, fixed)


def _graph(s):
    from atomscape.atoms.neighbours import neighbour_graph

    return neighbour_graph(s, 3.4)
