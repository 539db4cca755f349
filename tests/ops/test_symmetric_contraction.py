"""The many-body product against the sum written out, its symmetry, and its native code."""

import subprocess
import sys
from math import factorial

import pytest
import torch

from atomscape.o3.rotation import random_rotation
from atomscape.o3.symmetric_coupling import symmetric_clebsch_gordan
from atomscape.o3.wigner import wigner_D
from atomscape.ops.jit import team
from atomscape.ops.symmetric_contraction import SymmetricCoupling, symmetric_contraction
from atomscape.testing.compare import compare
from atomscape.testing.op_laws import check_backends

COUPLINGS = [
    SymmetricCoupling(0, 1, 2),
    SymmetricCoupling(1, 1, 3),
    SymmetricCoupling(2, 2, 2),
    SymmetricCoupling(3, 1, 3),
    SymmetricCoupling(1, 1, 4),
    SymmetricCoupling(2, 1, 3, "so3"),
    SymmetricCoupling(1, 1, 3, "both"),
]
each = pytest.mark.parametrize("coupling", COUPLINGS, ids=str)


def problem(coupling, atoms=4, channels=3, species=3, dtype=torch.float64):
    g = torch.Generator().manual_seed(0)
    A = torch.randn(atoms, coupling.lm_in, channels, dtype=dtype, generator=g)
    w = torch.randn(species, len(coupling.paths), channels, dtype=dtype, generator=g)
    return A, w, torch.randint(species, (atoms,), generator=g), coupling


def written_out(A, w, species, coupling):
    """The formula, path by path, one einsum each."""
    out = torch.zeros(A.shape[0], coupling.lm_out, A.shape[2], dtype=A.dtype)
    outs = [path.out for path in coupling.paths]
    for n, (factors, block, number) in enumerate(coupling.paths):
        T = symmetric_clebsch_gordan([l for _, l in factors], block[1], alike=factors)[number]
        norm = float(outs.count(block))
        for factor in set(factors):
            norm *= factorial(factors.count(factor))
        value = T.expand(A.shape[0], A.shape[2], *T.shape)
        for run, l in factors:
            start = run * (coupling.l_in + 1) ** 2 + l * l
            rows = A[:, start : start + 2 * l + 1]
            value = torch.einsum("acm...,amc->ac...", value, rows)
        run, l = block
        first = run * (coupling.l_out + 1) ** 2 + l * l
        weighted = value * w[species, n].unsqueeze(-1) / norm**0.5
        out[:, first : first + 2 * l + 1] += weighted.transpose(1, 2)
    return out


def rotated(x, l_max, R, axis=1):
    blocks = x.split(
        [2 * l + 1 for _ in range(x.shape[axis] // (l_max + 1) ** 2) for l in range(l_max + 1)], axis
    )
    turned = [torch.einsum("mn,anc->amc", wigner_D((b.shape[axis] - 1) // 2, R), b) for b in blocks]
    return torch.cat(turned, axis)


def parities(l_max, runs):
    """Sign of each row under inversion."""
    return torch.cat(
        [
            torch.full((2 * l + 1, 1), (-1.0) ** (l + run)).double()
            for run in range(runs)
            for l in range(l_max + 1)
        ]
    )


@each
def test_equals_the_sum_written_out(coupling):
    arguments = problem(coupling)
    compare(
        "sum written out",
        str(coupling),
        "value",
        written_out(*arguments),
        symmetric_contraction(*arguments),
        1e-13,
    )


@each
def test_equivariant_under_rotation_and_inversion(coupling):
    A, w, species, _ = problem(coupling)
    R = random_rotation(1, generator=torch.Generator().manual_seed(1), dtype=torch.float64)[0]
    out = symmetric_contraction(A, w, species, coupling)
    turned = symmetric_contraction(rotated(A, coupling.l_in, R), w, species, coupling)
    torch.testing.assert_close(turned, rotated(out, coupling.l_out, R), atol=1e-12, rtol=1e-12)
    if coupling.parity != "so3":
        signs, signs_out = parities(coupling.l_in, coupling.runs), parities(coupling.l_out, coupling.runs)
        inverted = symmetric_contraction(A * signs, w, species, coupling)
        torch.testing.assert_close(inverted, out * signs_out, atol=1e-12, rtol=1e-12)


@each
def test_no_path_depends_on_the_others(coupling):
    """As functions of one channel's features the paths of a degree have full rank."""
    g = torch.Generator().manual_seed(2)
    count = len(coupling.paths)
    A = torch.randn(3 * count, coupling.lm_in, 1, dtype=torch.float64, generator=g).expand(-1, -1, count)
    each_alone = torch.eye(count, dtype=torch.float64).unsqueeze(0)
    out = symmetric_contraction(A, each_alone, torch.zeros(3 * count, dtype=torch.int64), coupling)
    singular = torch.linalg.svdvals(out.flatten(0, 1))
    assert singular.min() > 1e-3 * singular.max()


def test_numbers_of_paths():
    """Natural parity, l ≤ 3, up to three factors: 13 scalars, 16 vectors, 20 of degree 2."""
    counts = [len(SymmetricCoupling(3, l, 3).paths) for l in (0, 1, 2)]
    assert counts == [13, 29, 49]


@pytest.mark.parametrize("channels", [*range(1, 10), 15, 16, 17, 31, 33, 64, 100, 200])
def test_any_number_of_channels(channels):
    arguments = problem(SymmetricCoupling(1, 1, 2), atoms=11, channels=channels)
    assert symmetric_contraction.explain(*arguments).chosen == "cpu"
    check_backends(symmetric_contraction, arguments, case=f"{channels} channels")
    single = tuple(
        t.float() if isinstance(t, torch.Tensor) and t.is_floating_point() else t for t in arguments
    )
    check_backends(symmetric_contraction, single, case=f"{channels} channels, float32")


@pytest.mark.parametrize("atoms", [0, 1, 2, 100])
def test_any_number_of_atoms(atoms):
    """100 atoms of 3 species are more than one task of a species, and more than one batch."""
    coupling = SymmetricCoupling(2, 1, 3)
    check_backends(symmetric_contraction, problem(coupling, atoms=atoms), case=f"{atoms} atoms")
    no_channels = problem(coupling, atoms=atoms, channels=0)
    assert symmetric_contraction(*no_channels).shape == (atoms, 4, 0)


def test_third_derivatives_and_strided_cotangents():
    A, w, species, coupling = problem(SymmetricCoupling(1, 1, 3), atoms=2, channels=1, species=2)
    leaves = A.requires_grad_(), w.requires_grad_()

    def gradients(A, w):
        out = symmetric_contraction(A, w, species, coupling)
        return torch.autograd.grad(out.square().sum(), (A, w), create_graph=True)

    torch.autograd.gradgradcheck(gradients, leaves, gen_non_contig_grad_outputs=True, fast_mode=True)


def everything(A, w, species, coupling):
    A, w = A.clone().requires_grad_(), w.clone().requires_grad_()
    out = symmetric_contraction(A, w, species, coupling)
    first = torch.autograd.grad(out.square().sum(), (A, w), create_graph=True)
    second = torch.autograd.grad(sum(g.square().sum() for g in first), (A, w))
    return out.detach(), *(g.detach() for g in first), *second


def test_the_same_bits_on_any_number_of_threads(monkeypatch):
    monkeypatch.setattr(team, "_WORTH", 0)
    arguments = problem(SymmetricCoupling(2, 1, 3), atoms=90, channels=40, dtype=torch.float32)
    alone = everything(*arguments)
    try:
        for threads in (2, 3):
            torch.set_num_threads(threads)
            assert all(torch.equal(a, b) for a, b in zip(alone, everything(*arguments), strict=True))
    finally:
        torch.set_num_threads(1)


def test_a_gradient_of_features_alone_is_the_same():
    """Forces at fixed weights take another kernel than training."""
    A, w, species, coupling = problem(SymmetricCoupling(2, 1, 3))
    both = everything(A, w, species, coupling)[1]
    A = A.clone().requires_grad_()
    out = symmetric_contraction(A, w, species, coupling)
    (only,) = torch.autograd.grad(out.square().sum(), A)
    torch.testing.assert_close(only, both, atol=1e-13, rtol=1e-13)


def test_compiled_is_eager_and_silent():
    """In a process of its own: the shape checks of the tests cannot be compiled."""
    code = """
import warnings, torch
warnings.simplefilter("error")
from atomscape.ops.symmetric_contraction import SymmetricCoupling, symmetric_contraction
torch.manual_seed(0)
k, s = SymmetricCoupling(1, 1, 3), torch.tensor([1, 0, 1])
A, w = torch.randn(3, 4, 2, requires_grad=True), torch.randn(2, len(k.paths), 2, requires_grad=True)
call = lambda A, w: symmetric_contraction(A, w, s, k).square().sum()
expected = torch.autograd.grad(call(A, w), (A, w))
compiled = torch.compile(call, backend="aot_eager", fullgraph=True)
for a, b in zip(torch.autograd.grad(compiled(A, w), (A, w)), expected):
    torch.testing.assert_close(a, b)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def test_species_that_have_no_weights():
    A, w, _, coupling = problem(SymmetricCoupling(1, 1, 2))
    for wrong in (3, -1):
        with pytest.raises(IndexError, match=r"weights are given for 3: species must be 0 … 2"):
            symmetric_contraction(A, w, torch.tensor([0, wrong, 1, 0]), coupling)


def test_who_serves():
    A, w, species, coupling = problem(SymmetricCoupling(1, 1, 2))
    assert "float16" in symmetric_contraction.explain(A.half(), w.half(), species, coupling).declined["cpu"]
    long = problem(SymmetricCoupling(3, 3, 3, "both"), channels=1)
    assert "terms" in symmetric_contraction.explain(*long).declined["cpu"]


def test_impossible_couplings():
    for sizes in ((-1, 0, 1), (1, -1, 1), (1, 1, 0)):
        with pytest.raises(ValueError, match="correlation ≥ 1"):
            SymmetricCoupling(*sizes)
