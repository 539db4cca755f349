"""Irreps: text, sums, products, and the layout of flat vectors."""

from __future__ import annotations

import copy
import pickle

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from atomscape.o3.irreps import Irrep, Irreps

an_irrep = st.tuples(st.integers(0, 6), st.sampled_from([1, -1]))
blocks = st.lists(st.tuples(st.integers(0, 20), an_irrep), max_size=4)


def test_an_irrep_is_degree_and_parity():
    ir = Irrep("1o")
    assert ir == Irrep(1, -1) == Irrep((1, -1)) == Irrep(" 1o ") == (1, -1)
    assert (ir.l, ir.p, ir.dim, str(ir)) == (1, -1, 3, "1o")
    assert Irrep("3y") == Irrep("3o")
    assert Irrep("2y") == Irrep("2e")
    assert Irrep("1o").natural
    assert not Irrep("1e").natural


def test_product_of_irreps_obeys_the_triangle_and_multiplies_parities():
    assert Irrep("1o") * Irrep("1o") == (Irrep("0e"), Irrep("1e"), Irrep("2e"))
    assert Irrep("2e") * Irrep("1o") == (Irrep("1o"), Irrep("2o"), Irrep("3o"))


def test_irreps_sort_by_degree_then_odd_before_even():
    order = [Irrep(s) for s in ("0o", "0e", "1o", "1e", "2o", "2e")]
    assert sorted(set(order)) == order


@settings(deadline=None, max_examples=30)
@given(blocks)
def test_text_round_trips(irreps):
    irreps = Irreps(irreps)
    assert Irreps(str(irreps)) == irreps
    assert hash(Irreps(str(irreps))) == hash(irreps)


@settings(deadline=None, max_examples=30)
@given(blocks, blocks)
def test_sum_and_product_have_the_dimensions_of_vector_spaces(a, b):
    a, b = Irreps(a), Irreps(b)
    assert (a + b).dim == a.dim + b.dim
    assert (3 * a).dim == 3 * a.dim
    assert a.product(b).dim == a.dim * b.dim
    assert a.product(b) == b.product(a)


@settings(deadline=None, max_examples=30)
@given(blocks)
def test_simplify_and_sort_keep_what_is_there(irreps):
    irreps = Irreps(irreps)
    tidy = irreps.sort().simplify()
    assert tidy.dim == irreps.dim
    assert irreps.simplify().dim == irreps.dim
    assert [ir for _, ir in tidy] == sorted({ir for mul, ir in irreps if mul})
    assert all(tidy.count(ir) == irreps.count(ir) for _, ir in irreps)


@settings(deadline=None, max_examples=30)
@given(blocks)
def test_slices_cut_the_flat_vector_end_to_end(irreps):
    irreps = Irreps(irreps)
    edges = [0, *(s.stop for s in irreps.slices())]
    assert [s.start for s in irreps.slices()] == edges[:-1]
    assert edges[-1] == irreps.dim


def test_blocks_may_be_written_in_many_ways():
    expected = Irreps("16x0e+8x1o")
    assert str(expected) == "16x0e+8x1o"
    assert Irreps([(16, "0e"), (8, Irrep("1o"))]) == expected
    assert Irreps([(16, (0, 1)), "8x1o"]) == expected
    assert Irreps(" 16 x 0e + 8 x 1o ") == expected
    assert Irreps(expected) is expected
    assert str(Irreps("0e+2e")) == "1x0e+1x2e"
    assert Irreps(Irrep("1o")) == Irreps("1o")
    assert Irreps("") == Irreps([]) == Irreps()
    assert (expected.dim, expected.num_irreps, expected.l_max) == (40, 24, 1)
    assert "1o" in expected
    assert "1e" not in expected
    assert Irreps("1o").product("1o") == Irreps("0e+1e+2e")


def test_copies_and_pickles_are_equal():
    irreps = Irreps("2x0e+1o")
    assert copy.deepcopy(irreps) == irreps
    back = pickle.loads(pickle.dumps(irreps))
    assert back == irreps
    assert isinstance(back, Irreps)
    assert all(isinstance(ir, Irrep) for _, ir in back)


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        ("1", "cannot read '1'"),
        ("16x0e,8x1o", "16x0e\\+8x1o"),
        ("0e++1o", "cannot read ''"),
        ([(-1, "0e")], "negative"),
        ([(1, (1, 0))], "parity"),
    ],
)
def test_what_cannot_be_read_says_how_to_write_it(wrong, words):
    with pytest.raises(ValueError, match=words):
        Irreps(wrong)


def test_a_single_irrep_needs_both_numbers():
    with pytest.raises(ValueError, match="no parity"):
        Irrep(1)
    with pytest.raises(ValueError, match="degree"):
        Irrep(-1, 1)
    with pytest.raises(ValueError, match="highest degree"):
        _ = Irreps("").l_max


def test_sorting_irreps_puts_odd_parity_first():
    assert [str(i) for i in sorted(map(Irrep, ("1e", "0e", "1o", "0o")))] == ["0o", "0e", "1o", "1e"]


def test_sums_and_copies_of_single_irreps_are_representations():
    assert Irrep("1o") + Irrep("0e") == Irreps("1o+0e")
    assert 2 * Irrep("1o") == Irreps("2x1o")
