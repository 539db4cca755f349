"""Barriers: there and back differ by the energy of reaction; labels tell the parts, in any order of atoms."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from atomscape.atoms.neighbours import neighbour_graph
from atomscape.atoms.properties import PROPERTIES
from atomscape.atoms.structures import Structures
from atomscape.data.corruptions import noise_positions
from atomscape.heads import barrier
from atomscape.nn.embedding import Embedding
from atomscape.o3.irreps import Irreps
from atomscape.testing import cases, head_laws
from atomscape.testing.cases import molecule

IRREPS = Irreps("5x0e+4x1o")


def reaction(apart: float = 50.0, parts=(0, 2)) -> Structures:
    """Water that falls apart, all parts in one structure."""
    whole = cases.water()
    moved = [whole.positions * (1 + 0.3 * k) + apart * k for k in range(len(parts))]
    s = molecule(whole.numbers.tolist() * len(parts), torch.cat(moved))
    return s.with_labels(
        reaction_part=torch.tensor(parts).double().repeat_interleave(3),
        reaction_atom=torch.arange(3).double().repeat(len(parts)),
    )


def mixed() -> Structures:
    """Reactions of two sizes beside a molecule, a crystal, and half a reaction."""
    second = reaction()
    half = reaction()[0].with_labels(reaction_part=torch.zeros(6).double())
    return Structures.concatenate([reaction(), cases.ethanol(), second, cases.rattled_rocksalt(), half])


def head_for(**config):
    torch.manual_seed(2)
    made = barrier.build(barrier.Config(**config), IRREPS, (PROPERTIES["barrier"],)).double()
    made.shift.fill_(1.7)
    made.scale.fill_(0.4)
    return made


def of(head, s: Structures, embedding: Embedding | None = None):
    embedding = embedding or head_laws.random_embedding(IRREPS, s.n_atoms)
    graph = neighbour_graph(s, 3.0)
    with torch.no_grad():
        return head(embedding, graph)["barrier"], head.reaction_energy(embedding, graph)


def test_there_and_back():
    head, s = head_for(), reaction()
    forward, energy = of(head, s)
    swapped = s.with_labels(reaction_part=2 - s.labels["reaction_part"])
    backward, opposite = of(head, swapped)
    torch.testing.assert_close(forward - backward, energy)
    torch.testing.assert_close(opposite, -energy)
    assert float(energy.abs()) > 1e-3


def test_nothing_happens_nothing_is_gained():
    head, s = head_for(), reaction()
    blocks = head_laws.random_embedding(IRREPS, 3).blocks
    twice = Embedding({k: torch.cat([b, b]) for k, b in blocks.items()})
    assert float(of(head, s, twice)[1]) == 0


def test_laws_hold_for_reactions_beside_other_structures():
    head, s = head_for(), mixed()
    assert head.defined(s).tolist() == [True, False, True, False, False]
    found, _ = of(head, s)
    assert found.isfinite().tolist() == head.defined(s).tolist()
    for law in (head_laws.check_head_rotation, head_laws.check_head_permutation):
        law(head, IRREPS, s)
    head_laws.check_head_translation(head, IRREPS, s)
    head_laws.check_head_batch(head, IRREPS, s)


def test_a_gradient_reaches_both_parts():
    head_laws.check_head_gradient(head_for(), IRREPS, reaction())


def test_atoms_are_matched_by_number_and_not_by_place():
    head, s = head_for(), reaction()
    here, _ = of(head, s)
    wrong = s.with_labels(reaction_atom=torch.tensor([0.0, 1.0, 2.0, 1.0, 0.0, 2.0]).double())
    assert not torch.allclose(of(head, wrong)[0], here)


def test_the_transition_state_counts_where_it_is_asked_for():
    s, head = reaction(parts=(0, 1, 2)), head_for(transition_state=True)
    embedding = head_laws.random_embedding(IRREPS, 9)
    changed = Embedding({k: b.clone() for k, b in embedding.blocks.items()})
    changed.blocks[(0, 1)][3:6] += 1.0
    assert not torch.allclose(of(head, s, embedding)[0], of(head, s, changed)[0])
    torch.testing.assert_close(of(head_for(), s, embedding)[0], of(head_for(), s, changed)[0])
    assert not bool(head.defined(reaction()).any())


def test_other_labels_and_other_properties():
    plain = replace(reaction(), labels={})
    graph = neighbour_graph(plain, 3.0)
    found = head_for()(head_laws.random_embedding(IRREPS, 6), graph)["barrier"]
    assert bool(found.isnan().all())
    for name in ("energy", "gap", "charges"):
        with pytest.raises(ValueError, match="gives the barrier of a reaction"):
            barrier.build(barrier.Config(), IRREPS, (PROPERTIES[name],))


def test_which_atom_belongs_where_is_known_of_moved_atoms_too():
    s = reaction()
    moved = noise_positions.build(noise_positions.Config(sigma=0.1))(s, np.random.default_rng(0))
    assert bool(head_for().defined(moved).all())
