"""Point groups: closed, of the right order, made of orthogonal matrices, and told from one another."""

from __future__ import annotations

import numpy as np
import pytest

from atomscape.o3.point_groups import CRYSTALLOGRAPHIC, elements, generated, rotation

SIZES = (
    1, 2, 2, 2, 4, 4, 4, 8, 4, 4, 8, 8, 8, 8, 16, 3, 6, 6, 6, 12, 6, 6, 12, 12, 12, 12, 24,
    12, 24, 24, 24, 48,
)  # fmt: skip
OTHERS = {
    "C5": 5,
    "C5v": 10,
    "C7h": 14,
    "D5d": 20,
    "D5h": 20,
    "D6d": 24,
    "S8": 8,
    "S10": 10,
    "I": 60,
    "Ih": 120,
}
ORDERS = dict(zip(CRYSTALLOGRAPHIC, SIZES, strict=True)) | OTHERS


@pytest.mark.parametrize("symbol", ORDERS)
def test_group(symbol) -> None:
    group = elements(symbol)
    assert len(group) == ORDERS[symbol]
    np.testing.assert_allclose(
        group @ group.transpose(0, 2, 1), np.broadcast_to(np.eye(3), group.shape), atol=1e-12
    )
    products = (group[:, None] @ group[None]).reshape(-1, 9)
    apart = np.abs(products[:, None] - group.reshape(1, -1, 9)).max(-1)
    assert (apart.min(1) < 1e-10).all(), "every product is an element"
    np.testing.assert_array_equal(group[0], np.eye(3))


def test_the_32_differ() -> None:
    """No two of the crystallographic groups have the same numbers of each kind of element."""
    kinds = {s: kinds_of(elements(s)) for s in CRYSTALLOGRAPHIC}
    assert len(set(kinds.values())) == 32


def kinds_of(group: np.ndarray) -> tuple:
    """Determinant and trace say what an element is, in any frame; how many of each say what the group is."""
    det, trace = np.linalg.det(group), np.trace(group, axis1=1, axis2=2)
    values, counts = np.unique(np.round(np.stack([det, trace], 1), 6) + 0.0, axis=0, return_counts=True)
    return tuple(map(tuple, values.tolist())), tuple(counts.tolist())


@pytest.mark.parametrize("symbol", ["C3d", "D1", "D3v", "S3", "S2", "X4", "", "C0", "Tx", "S4h"])
def test_what_is_no_point_group(symbol) -> None:
    with pytest.raises(ValueError, match="is no point group"):
        elements(symbol)


def test_infinite_groups_are_refused() -> None:
    with pytest.raises(ValueError, match="more than 240"):
        generated([rotation((0, 0, 1), 7), rotation((1, 0, 0), 7)])
