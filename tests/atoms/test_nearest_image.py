"""Nearest image: the shortest of all vectors that differ by lattice vectors, against brute force."""

import itertools

import pytest
import torch

from atomscape.atoms.nearest_image import nearest_image

CELL = torch.tensor([[4.0, 0.3, 0.0], [0.5, 5.0, 0.2], [-0.4, 0.1, 6.0]], dtype=torch.float64)


@pytest.mark.parametrize("pbc", list(itertools.product([True, False], repeat=3)))
def test_no_image_is_shorter(pbc):
    v = 20 * torch.randn(40, 3, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    periodic = torch.tensor(pbc)
    rows = torch.where(periodic.unsqueeze(1), CELL, 0.0)
    found = nearest_image(v, rows.expand(40, 3, 3), periodic.expand(40, 3))
    turns = torch.cartesian_prod(*[torch.arange(-20, 21)] * 3).double() * periodic
    shortest = (v.unsqueeze(1) - turns.unique(dim=0) @ rows).norm(dim=-1).amin(1)
    torch.testing.assert_close(found.norm(dim=1), shortest)
