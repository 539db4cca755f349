"""Potentials written as formulas, for which everything is known or can be had from ASE."""

from __future__ import annotations

import pytest
import torch

from atomscape.ops.segment import segment_sum
from atomscape.simulate.potential import EnergyFunction

EPSILON, SIGMA, INNER, CUTOFF = 0.4, 2.3, 4.0, 5.0


@pytest.fixture(scope="session")
def lennard_jones() -> EnergyFunction:
    """12-6 with ASE's smooth cutoff: from 4 to 5 Å it goes to zero, with its derivative."""

    def energy(graph):
        square = graph.vectors.square().sum(1)
        c6 = (SIGMA**2 / square) ** 3
        pair = 4 * EPSILON * (c6.square() - c6)
        outer, inner = CUTOFF**2, INNER**2
        fade = (outer - square) ** 2 * (outer + 2 * square - 3 * inner) / (outer - inner) ** 3
        pair = pair * torch.where(square < inner, 1.0, fade)
        s = graph.structures
        return segment_sum(0.5 * pair, s.structure[graph.centre], len(s))

    return EnergyFunction(energy, CUTOFF)


@pytest.fixture
def ase_lennard_jones():
    """The same as a calculator of ASE."""
    from ase.calculators.lj import LennardJones

    return lambda: LennardJones(sigma=SIGMA, epsilon=EPSILON, rc=CUTOFF, ro=INNER, smooth=True)
