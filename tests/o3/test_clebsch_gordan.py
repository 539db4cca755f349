"""Clebsch–Gordan coefficients: the data file, unitarity, the sign rule, symmetries, equivariance."""

from __future__ import annotations

from fractions import Fraction
from math import sqrt

import numpy as np
import pytest
import torch

from atomscape.o3 import clebsch_gordan as cg
from atomscape.o3.clebsch_gordan import STORED, clebsch_gordan, triangles
from atomscape.o3.harmonics import spherical_harmonics
from atomscape.o3.rotation import random_rotation
from atomscape.o3.wigner import wigner_D

HIGH = [(12, 1, 12), (12, 12, 12), (9, 7, 11), (10, 12, 2)]


def test_the_data_file_is_what_the_algebra_gives_bit_for_bit():
    derived, stored = cg.table(STORED), cg._stored()
    assert derived.keys() == stored.keys()
    for name in derived:
        assert derived[name].dtype == stored[name].dtype, name
        assert derived[name].tobytes() == stored[name].tobytes(), name


def test_unitary():
    for ls in [*triangles(STORED), *HIGH]:
        C = clebsch_gordan(*ls).flatten(0, 1)
        torch.testing.assert_close(C.mT @ C, torch.eye(C.shape[1], dtype=torch.float64), rtol=0, atol=2e-15)


def test_all_couplings_of_two_degrees_make_an_orthogonal_matrix():
    C = torch.cat([clebsch_gordan(3, 5, l3).flatten(0, 1) for l3 in range(2, 9)], -1)
    torch.testing.assert_close(C @ C.mT, torch.eye(77, dtype=torch.float64), rtol=0, atol=2e-15)


def test_coupling_with_a_scalar_is_the_identity():
    for l in range(13):
        one = torch.eye(2 * l + 1, dtype=torch.float64)
        assert torch.equal(clebsch_gordan(l, 0, l)[:, 0], one)
        assert torch.equal(clebsch_gordan(0, l, l)[0], one)


def test_vectors_couple_to_their_dot_and_cross_product():
    xyz = torch.eye(3, dtype=torch.float64)[[1, 2, 0]]  # rows: m = −1, 0, 1 are y, z, x
    dot = torch.einsum("abm,ai,bj->ij", clebsch_gordan(1, 1, 0), xyz, xyz)
    cross = torch.einsum("abm,ai,bj,mk->ijk", clebsch_gordan(1, 1, 1), xyz, xyz, xyz)
    torch.testing.assert_close(dot, torch.eye(3, dtype=torch.float64) / sqrt(3), rtol=0, atol=2e-16)
    a, b = torch.eye(3, dtype=torch.float64)[[0, 1]]
    product = torch.einsum("ijk,i,j->k", cross, a, b)
    torch.testing.assert_close(product, torch.linalg.cross(a, b) / sqrt(2), rtol=0, atol=1e-15)


def test_products_of_harmonics_have_positive_coefficients(generator):
    r = torch.randn(20, 3, generator=generator, dtype=torch.float64)
    Y = spherical_harmonics(r, 6).split([2 * l + 1 for l in range(7)], -1)
    for l1, l2, l3 in triangles(6):
        product = torch.einsum("abm,ea,eb->em", clebsch_gordan(l1, l2, l3), Y[l1], Y[l2])
        scale = (product * Y[l3]).sum(-1) / (2 * l3 + 1)
        if (l1 + l2 + l3) % 2 == 0:
            assert scale.min() > 1e-3
            torch.testing.assert_close(product, scale.mean() * Y[l3], rtol=0, atol=1e-12)
        else:
            torch.testing.assert_close(product, torch.zeros_like(product), rtol=0, atol=1e-12)


def test_three_j_symbol_is_cyclic_and_changes_sign_on_exchange():
    for l1, l2, l3 in triangles(5):
        w = clebsch_gordan(l1, l2, l3) / sqrt(2 * l3 + 1)
        cyclic = clebsch_gordan(l2, l3, l1) / sqrt(2 * l1 + 1)
        swapped = clebsch_gordan(l2, l1, l3) / sqrt(2 * l3 + 1)
        torch.testing.assert_close(cyclic.permute(2, 0, 1), w, rtol=0, atol=1e-15)
        torch.testing.assert_close(swapped.permute(1, 0, 2), (-1) ** (l1 + l2 + l3) * w, rtol=0, atol=1e-15)


@pytest.mark.parametrize("ls", [(1, 1, 1), (2, 1, 2), (2, 3, 4), (3, 3, 6), (7, 8, 9), (12, 5, 10)])
def test_equivariant(ls, generator):
    l1, l2, l3 = ls
    R = random_rotation(1, generator)[0]
    C = clebsch_gordan(*ls)
    turned = torch.einsum("abm,ac,bd->cdm", C, wigner_D(l1, R), wigner_D(l2, R))
    torch.testing.assert_close(turned, C @ wigner_D(l3, R).mT, rtol=0, atol=1e-12)


def test_roots_are_rounded_once():
    for value in (Fraction(1, 3), Fraction(2), Fraction(9, 4), Fraction(7, 10**40), Fraction(10**30, 7)):
        root = cg._root(value.numerator, value.denominator)
        below, above = Fraction(np.nextafter(root, 0)), Fraction(np.nextafter(root, np.inf))
        middle_below, middle_above = (below + Fraction(root)) / 2, (above + Fraction(root)) / 2
        assert middle_below**2 <= value <= middle_above**2


def test_the_result_is_the_callers_own():
    clebsch_gordan(1, 1, 2).zero_()
    assert clebsch_gordan(1, 1, 2).abs().max() > 0


@pytest.mark.parametrize("ls", [(1, 1, 3), (0, 2, 1), (-1, 1, 0), (2, 2, -1)])
def test_degrees_that_do_not_couple_are_refused(ls):
    with pytest.raises(ValueError, match="do not couple"):
        clebsch_gordan(*ls)
