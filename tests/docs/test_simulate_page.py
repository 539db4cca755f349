"""The page "Simulate": its example runs, and its checks are those that there are."""

from __future__ import annotations

import re
from pathlib import Path

import torch
from my_package.ensemble_of_walks import mean_distance

from atomscape.atoms.structures import Structures
from atomscape.simulate import checks
from atomscape.simulate.potential import EnergyFunction

PAGE = Path(__file__).resolve().parents[2] / "docs" / "simulate.md"


def test_the_example_samples_a_bond():
    """A stiff bond has its length; a soft one is longer in the mean: there is more room outside."""

    def bond(k: float) -> EnergyFunction:
        def energy(graph):
            r = graph.vectors.square().sum(1).sqrt()
            owner = graph.structures.structure[graph.centre]
            each = 0.25 * k * (r - 1.5).square()
            return torch.zeros(len(graph.structures), dtype=r.dtype).index_add(0, owner, each)

        return EnergyFunction(energy, 6.0)

    pair = Structures.of([[0.0, 0, 0], [1.7, 0, 0]], [14, 14])
    stiff, soft = (mean_distance(bond(k), pair, 300, 60) for k in (200.0, 2.0))
    assert abs(stiff - 1.5) < 0.02
    assert soft > stiff


def test_the_checks_of_the_page_are_those_of_the_command():
    named = re.findall(r"^\| (\w+) \|", PAGE.read_text(encoding="utf-8"), re.MULTILINE)
    source = re.findall(r"^    (\w+) {2,}", checks.__doc__ or "", re.MULTILINE)
    assert [n for n in named if n in source] == source
