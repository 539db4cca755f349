"""Elastic constants fitted to strained cells are those that the cells were made with."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
import torch

from atomscape.atoms.structures import Structures
from atomscape.units import GPA

FOLDER = Path(__file__).resolve().parents[1] / "experiments" / "physics"
EDGE, C11, C12, C44 = 3.6, 170.0, 130.0, 80.0


@pytest.fixture
def reference(monkeypatch):
    """The module beside the experiment."""
    monkeypatch.syspath_prepend(str(FOLDER))
    import reference

    yield reference
    sys.modules.pop("reference")


def crystal(F: torch.Tensor) -> torch.Tensor:
    """Stress of deformed cells of a crystal whose energy is quadratic in Lagrange's strain (eV/Å³)."""
    E = (F @ F.transpose(1, 2) - torch.eye(3, dtype=F.dtype)) / 2
    diagonal = E.diagonal(dim1=1, dim2=2)
    S = 2 * C44 * (E - torch.diag_embed(diagonal))
    S = S + torch.diag_embed((C11 - C12) * diagonal + C12 * diagonal.sum(1, keepdim=True))
    return GPA * F.transpose(1, 2) @ S @ F / torch.linalg.det(F)[:, None, None]


def test_constants_are_found_whatever_the_frame(reference) -> None:
    source = torch.Generator().manual_seed(0)
    F = torch.eye(3).double() + 0.01 * torch.randn(60, 3, 3, generator=source, dtype=torch.float64)
    turn = torch.linalg.qr(torch.randn(3, 3, generator=source, dtype=torch.float64))[0]
    stress = turn.T @ crystal(F) @ turn
    found = reference.fitted(3 * EDGE * F @ turn, stress, 3, 0.04)
    assert found.edge == pytest.approx(EDGE, abs=1e-6)
    assert (found.c11, found.c12, found.c44) == pytest.approx((C11, C12, C44), abs=1e-3)
    assert found.misfit < 1e-6
    assert found.bulk == pytest.approx((C11 + 2 * C12) / 3, abs=1e-3)


def test_cells_in_which_something_pulls_are_left_out(reference) -> None:
    one = Structures.of([[0, 0, 0], [1.8, 1.8, 0]], [29, 29], cell=[3.6, 3.6, 3.6])
    labels = [torch.zeros(2, 3).double(), 0.1 * torch.ones(2, 3).double(), torch.zeros(2, 3).double()]
    cells = [one, one, Structures.of([[0, 0, 0]], [29], cell=[2.6, 2.6, 2.6])]
    cells = [
        Structures(
            s.positions, s.numbers, s.cell, s.pbc, s.structure, {"forces": f[: s.n_atoms]}, (f"cell-{k}",)
        )
        for k, (s, f) in enumerate(zip(cells, labels, strict=True))
    ]
    assert reference.perfect(Structures.concatenate(cells), 2, 1).ids == ("cell-0",)
