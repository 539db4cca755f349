"""Segment reductions against loops, and invariants under rotation."""

import torch

from atomscape.o3.rotation import random_rotation
from atomscape.o3.wigner import wigner_D
from atomscape.ops.invariants import gram, power_spectrum
from atomscape.ops.segment import segment_mean, segment_softmax, segment_sum

INDEX = torch.tensor([0, 0, 2, 2, 2, 4])


def values(*shape):
    return torch.randn(*shape, dtype=torch.float64, generator=torch.Generator().manual_seed(0))


def test_sum_and_mean_of_each_segment():
    v = values(6, 2, 3)
    for i in range(5):
        rows = v[i == INDEX]
        torch.testing.assert_close(segment_sum(v, INDEX, 5)[i], rows.sum(0))
        torch.testing.assert_close(segment_mean(v, INDEX, 5)[i], rows.sum(0) / max(len(rows), 1))


def test_softmax_of_each_segment_also_of_huge_scores():
    v = values(6) * 1000
    out = segment_softmax(v, INDEX, 5)
    for i in (0, 2, 4):
        torch.testing.assert_close(out[i == INDEX], v[i == INDEX].softmax(0))


def test_second_derivatives():
    v = values(6, 2).requires_grad_()
    for f in (segment_sum, segment_mean, segment_softmax):
        assert torch.autograd.gradgradcheck(lambda x, f=f: f(x, INDEX, 5), (v,))


def test_expanded_and_strided_cotangents():
    v = values(6, 4).requires_grad_()
    out = segment_sum(v, INDEX, 5)
    plain = torch.autograd.grad(out, v, torch.ones(5, 4, dtype=torch.float64), retain_graph=True)[0]
    one = torch.ones(1, 1, dtype=torch.float64).expand(5, 4)
    expanded = torch.autograd.grad(out, v, one, retain_graph=True)[0]
    strided = torch.autograd.grad(out, v, torch.ones(4, 10, dtype=torch.float64).T[::2])[0]
    torch.testing.assert_close(expanded, plain)
    torch.testing.assert_close(strided, plain)


def test_invariants_do_not_turn():
    R = random_rotation(1, generator=torch.Generator().manual_seed(0), dtype=torch.float64)[0]
    for l in range(4):
        x = values(5, 2 * l + 1, 3)
        turned = torch.einsum("mn,anc->amc", wigner_D(l, R), x)
        torch.testing.assert_close(power_spectrum(turned), power_spectrum(x))
        torch.testing.assert_close(gram(turned), gram(x))
        torch.testing.assert_close(gram(x).diagonal(dim1=1, dim2=2), power_spectrum(x))
        assert l == 0 or not torch.allclose(turned, x)


def test_invariants_of_vanishing_features_have_vanishing_gradients():
    x = torch.zeros(2, 3, 4, dtype=torch.float64, requires_grad=True)
    (g,) = torch.autograd.grad(power_spectrum(x).sum() + gram(x).sum(), x)
    assert not g.any()
