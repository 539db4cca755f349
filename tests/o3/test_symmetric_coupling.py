"""Symmetric Clebsch–Gordan tensors: orthonormal, symmetric, equivariant, complete, and always the same."""

from collections import Counter
from itertools import combinations_with_replacement, permutations

import pytest
import torch

from atomscape.o3.clebsch_gordan import clebsch_gordan
from atomscape.o3.rotation import random_rotation
from atomscape.o3.symmetric_coupling import symmetric_clebsch_gordan
from atomscape.o3.wigner import wigner_D

PRODUCTS = [
    *(factors for order in (1, 2, 3) for factors in combinations_with_replacement(range(4), order)),
    (1, 1, 1, 1),
    (1, 1, 2, 2),
    (2, 2, 2, 2),
    (2, 1, 2),
]
SOME = [((1, 1), 2), ((1, 1, 1), 3), ((1, 2, 3), 2), ((2, 1, 2), 1), ((3, 3, 3), 1), ((2, 2, 2, 2), 2)]

PINNED = [
    0.32732683535398854,
    0.3903600291794133,
    -0.1336306209562122,
    -0.1336306209562122,
    0.17251638983558854,
]
PINNED_SUMS = [0.16425918193508166, -3.123379790866746]


@pytest.mark.parametrize("factors", PRODUCTS, ids=str)
def test_orthonormal(factors):
    for l in range(3):
        T = symmetric_clebsch_gordan(factors, l).flatten(1, -2)
        gram = torch.einsum("nxm,kxj->nkmj", T, T)
        expected = torch.einsum("nk,mj->nkmj", torch.eye(len(T)), torch.eye(2 * l + 1)).double()
        torch.testing.assert_close(gram, expected, atol=1e-13, rtol=0)


@pytest.mark.parametrize("factors", PRODUCTS, ids=str)
def test_as_many_as_characters_say(factors):
    """Multiplicity of l in the product of symmetric powers: weights of m = l minus weights of m = l + 1."""
    weights = Counter({0: 1})
    for l, power in Counter(factors).items():
        symmetric = Counter(sum(c) for c in combinations_with_replacement(range(-l, l + 1), power))
        product = Counter()
        for a, n in weights.items():
            for b, k in symmetric.items():
                product[a + b] += n * k
        weights = product
    for l in range(5):
        assert len(symmetric_clebsch_gordan(factors, l)) == weights[l] - weights[l + 1]


@pytest.mark.parametrize(("factors", "l"), SOME, ids=str)
def test_symmetric_in_equal_factors(factors, l):
    T = symmetric_clebsch_gordan(factors, l)
    for order in permutations(range(len(factors))):
        if all(factors[a] == factors[b] for a, b in enumerate(order)):
            moved = T.permute(0, *(1 + k for k in order), T.dim() - 1)
            torch.testing.assert_close(moved, T, atol=1e-14, rtol=0)


@pytest.mark.parametrize(("factors", "l"), SOME, ids=str)
def test_equivariant(factors, l):
    R = random_rotation(1, generator=torch.Generator().manual_seed(0), dtype=torch.float64)[0]
    T = symmetric_clebsch_gordan(factors, l)
    turned = T
    for k, degree in enumerate((*factors, l), start=1):
        turned = torch.tensordot(turned, wigner_D(degree, R), ([k], [1])).movedim(-1, k)
    torch.testing.assert_close(turned, T, atol=1e-12, rtol=0)


def test_vectors_that_are_alike_and_not():
    assert len(symmetric_clebsch_gordan((1, 1), 1)) == 0, "the cross product of a vector with itself vanishes"
    different = symmetric_clebsch_gordan((1, 1), 1, alike=("x", "y"))
    torch.testing.assert_close(different[0], clebsch_gordan(1, 1, 1))
    one = symmetric_clebsch_gordan((2, 2, 1, 2), 0, alike="abcd")
    some = symmetric_clebsch_gordan((2, 2, 1, 2), 0, alike="aacb")
    assert len(one) > len(some) > 0


def test_always_the_same_basis():
    """Choice, order and signs of the maps are part of every trained model: they must never change."""
    torch.testing.assert_close(
        symmetric_clebsch_gordan((1, 1), 0)[0, :, :, 0], torch.eye(3).double() / 3**0.5
    )
    cube = symmetric_clebsch_gordan((1, 1, 1), 1)[0]  # x |x|²
    x = torch.tensor([0.3, -1.1, 0.7], dtype=torch.float64)
    value = torch.einsum("abcm,a,b,c->m", cube, x, x, x)
    torch.testing.assert_close(value, x * x.square().sum() / (5 / 3) ** 0.5)
    T = symmetric_clebsch_gordan((1, 2, 3), 2)
    found = torch.stack([T[n].flatten()[k] for n, k in ((0, 0), (0, 268), (1, 10), (1, 224), (2, 188))])
    torch.testing.assert_close(found, torch.tensor(PINNED, dtype=torch.float64))
    T = symmetric_clebsch_gordan((2, 2, 2, 2), 2)
    signs = torch.arange(T[0].numel(), dtype=torch.float64).cos()
    torch.testing.assert_close(T.flatten(1) @ signs, torch.tensor(PINNED_SUMS, dtype=torch.float64))


def test_the_result_is_the_callers_own():
    symmetric_clebsch_gordan((1, 1), 2).zero_()
    assert symmetric_clebsch_gordan((1, 1), 2).abs().sum() > 1


@pytest.mark.parametrize(
    ("factors", "alike", "message"),
    [
        ((), None, "at least one factor"),
        ((1, -1), None, "no negative degree"),
        ((1, 1), "a", "labels"),
        ((1, 2), "aa", "factors that are alike have one degree"),
    ],
)
def test_impossible_requests(factors, alike, message):
    with pytest.raises(ValueError, match=message):
        symmetric_clebsch_gordan(factors, 1, alike)
