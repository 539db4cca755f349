"""Structures turned as they are drawn: every label turns along, each structure by a turn of its own."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from atomscape.atoms.properties import PROPERTIES
from atomscape.atoms.structures import Structures
from atomscape.data.corruptions import rotations
from atomscape.testing import cases
from atomscape.testing.compare import turned_value


def turned(s: Structures, seed: int = 0, **settings) -> Structures:
    return rotations.build(rotations.Config(**settings))(s, np.random.default_rng(seed))


@pytest.fixture(scope="module")
def crystals() -> Structures:
    """Three crystals whose forces are functions of their positions, with a stress and an energy."""
    s = Structures.concatenate([cases.rattled_rocksalt(), cases.skewed_cell(), cases.rattled_rocksalt()])
    generator = torch.Generator().manual_seed(1)
    stress = torch.randn(3, 3, 3, generator=generator, dtype=torch.float64)
    forces = torch.randn(s.n_atoms, 3, generator=generator, dtype=torch.float64)
    return s.with_labels(
        energy=torch.arange(3).double(), forces=forces, stress=stress + stress.mT, dipole=stress[:, 0]
    )


@pytest.mark.parametrize("reflections", [False, True])
def test_labels_turn_with_their_structure(crystals, reflections):
    t = turned(crystals, seed=2, reflections=reflections)
    Q = torch.linalg.solve(crystals.cell, t.cell).mT  # cell Qᵀ is the turned one
    signs = torch.linalg.det(Q)
    torch.testing.assert_close(signs.abs(), torch.ones(3).double())
    assert (signs < 0).any() == reflections
    assert (Q[0] - Q[2]).abs().max() > 0.1, "each has its own"
    for k in range(3):
        mine = crystals.structure == k
        for name in ("energy", "stress", "dipole"):
            expected = turned_value(crystals.labels[name][k : k + 1], PROPERTIES[name], Q[k])
            torch.testing.assert_close(t.labels[name][k : k + 1], expected)
        torch.testing.assert_close(t.positions[mine], crystals.positions[mine] @ Q[k].mT)
        torch.testing.assert_close(t.labels["forces"][mine], crystals.labels["forces"][mine] @ Q[k].mT)


def test_turns_are_drawn_evenly():
    """The mean of a vector and the anisotropy of its square vanish; what is unknown stays unknown."""
    n = 4000
    one = Structures.of([[1.0, 2.0, -2.0]], [8]).with_labels(dipole=torch.full((1, 3), torch.nan).double())
    t = turned(Structures.concatenate([one] * n))
    assert t.labels["dipole"].isnan().all()
    x = t.positions / 3
    assert x.mean(0).abs().max() < 4 / (3 * n) ** 0.5
    assert (x.mT @ x / n - torch.eye(3) / 3).abs().max() < 4 / n**0.5 / 3


def test_the_same_draw_is_the_same_turn(crystals):
    assert torch.equal(turned(crystals, 5).positions, turned(crystals, 5).positions)
    assert not torch.allclose(turned(crystals, 5).positions, turned(crystals, 6).positions)
    assert len(turned(cases.empty())) == 0
