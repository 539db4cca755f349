"""The equivariant convolution against the sum written out, its derivatives, and its symmetry."""

import subprocess
import sys
from dataclasses import astuple

import pytest
import torch

from atomscape.o3.clebsch_gordan import clebsch_gordan
from atomscape.o3.rotation import random_rotation
from atomscape.o3.wigner import wigner_D
from atomscape.ops import convolution as module
from atomscape.ops.convolution import Coupling, convolution
from atomscape.ops.harmonics import spherical_harmonics

COUPLINGS = [
    Coupling(0, 2, 2),
    Coupling(1, 1, 1),
    Coupling(2, 2, 2),
    Coupling(2, 3, 1),
    Coupling(1, 2, 2, "so3"),
    Coupling(0, 2, 2, "both"),
    Coupling(1, 1, 2, "both", pseudo_in=True),
]


def problem(coupling, atoms=4, edges=9, channels=3, seed=0):
    g = torch.Generator().manual_seed(seed)
    x = torch.randn(atoms, coupling.lm_in, channels, dtype=torch.float64, generator=g)
    r = torch.randn(edges, 3, dtype=torch.float64, generator=g)
    w = torch.randn(edges, len(coupling.paths), channels, dtype=torch.float64, generator=g)
    centre = torch.randint(atoms, (edges,), generator=g).sort().values
    neighbour = torch.randint(atoms, (edges,), generator=g)
    return x, spherical_harmonics(r, coupling.l_edge), w, centre, neighbour


def written_out(x, Y, w, centre, neighbour, coupling):
    """The formula, loop by loop."""
    out = torch.zeros(x.shape[0], coupling.lm_out, x.shape[2], dtype=x.dtype)
    for n, p in enumerate(coupling.paths):
        share = sum((q.l3, q.run_out) == (p.l3, p.run_out) for q in coupling.paths) ** -0.5
        c = clebsch_gordan(p.l1, p.l2, p.l3)
        first_in = p.run_in * (coupling.l_in + 1) ** 2 + p.l1**2
        first_out = p.run_out * (coupling.l_out + 1) ** 2 + p.l3**2
        for e, (i, j) in enumerate(zip(centre.tolist(), neighbour.tolist(), strict=True)):
            xs = x[j, first_in : first_in + 2 * p.l1 + 1]
            ys = Y[e, p.l2**2 : (p.l2 + 1) ** 2]
            message = share * torch.einsum("abm,ac,b->mc", c, xs, ys) * w[e, n]
            out[i, first_out : first_out + 2 * p.l3 + 1] += message
    return out


@pytest.mark.parametrize("coupling", COUPLINGS, ids=str)
def test_equals_the_sum_written_out(coupling):
    arguments = problem(coupling)
    torch.testing.assert_close(
        convolution(*arguments, coupling), written_out(*arguments, coupling), atol=1e-12, rtol=1e-12
    )


@pytest.mark.parametrize("coupling", [Coupling(1, 1, 1), Coupling(1, 1, 1, "both", pseudo_in=True)], ids=str)
def test_first_and_second_derivatives(coupling):
    x, Y, w, centre, neighbour = problem(coupling, atoms=3, edges=4, channels=2)
    inputs = tuple(t.requires_grad_() for t in (x, Y, w))

    def f(x, Y, w):
        return convolution(x, Y, w, centre, neighbour, coupling)

    assert torch.autograd.gradcheck(f, inputs)
    assert torch.autograd.gradgradcheck(f, inputs)


def test_paths_of_each_parity():
    natural, so3 = Coupling(2, 2, 2), Coupling(2, 2, 2, "so3")
    assert len(natural.paths) == 11
    assert all((p.l1 + p.l2 + p.l3) % 2 == 0 for p in natural.paths)
    assert {tuple(p[:3]) for p in so3.paths} > {tuple(p[:3]) for p in natural.paths}
    both = Coupling(2, 2, 2, "both", pseudo_in=True)
    assert all(((p.l1 + p.l2 + p.l3) % 2 == 1) == (p.run_in != p.run_out) for p in both.paths)
    assert len(both.paths) == 2 * len(so3.paths)


@pytest.mark.parametrize("coupling", COUPLINGS, ids=str)
@pytest.mark.parametrize("improper", [False, True])
def test_rotation_and_inversion_of_the_inputs_turns_the_output(coupling, improper):
    if improper and coupling.parity == "so3":
        coupling = Coupling(coupling.l_in, coupling.l_edge, coupling.l_out)  # so3 does not promise it
    x, _, w, centre, neighbour = problem(coupling)
    r = torch.randn(len(centre), 3, dtype=torch.float64, generator=torch.Generator().manual_seed(1))
    R = random_rotation(1, generator=torch.Generator().manual_seed(2), dtype=torch.float64)[0]
    sign = -1.0 if improper else 1.0

    def turn(f, l_max, runs):
        blocks = []
        for run in range(runs):
            for l in range(l_max + 1):
                parity = (-1) ** (l + run) if improper else 1
                start = run * (l_max + 1) ** 2 + l * l
                block = f[:, start : start + 2 * l + 1]
                blocks.append(parity * torch.einsum("mn,anc->amc", wigner_D(l, R), block))
        return torch.cat(blocks, 1)

    plain = convolution(x, spherical_harmonics(r, coupling.l_edge), w, centre, neighbour, coupling)
    Y = spherical_harmonics(sign * r @ R.T, coupling.l_edge)
    turned = convolution(turn(x, coupling.l_in, 1 + coupling.pseudo_in), Y, w, centre, neighbour, coupling)
    torch.testing.assert_close(turned, turn(plain, coupling.l_out, coupling.runs_out), atol=1e-12, rtol=1e-12)
    assert plain.abs().max() > 0.1


def test_no_edges_give_zero():
    coupling = Coupling(1, 1, 1)
    x, Y, w, centre, neighbour = problem(coupling)
    out = convolution(x, Y[:0], w[:0], centre[:0], neighbour[:0], coupling)
    assert out.shape == (4, 4, 3)
    assert not out.any()


def test_unit_variance_in_gives_unit_variance_per_edge():
    coupling = Coupling(2, 2, 2)
    g = torch.Generator().manual_seed(0)
    n = 20_000
    x = torch.randn(n, 9, 1, generator=g)
    Y = spherical_harmonics(torch.randn(n, 3, generator=g), 2)
    w = torch.randn(n, len(coupling.paths), 1, generator=g)
    each = torch.arange(n)
    variance = convolution(x, Y, w, each, each, coupling).square().mean((0, 2))
    torch.testing.assert_close(variance, torch.ones(9), atol=0.1, rtol=0)


def test_what_cannot_be_is_refused():
    with pytest.raises(ValueError, match="pseudo_in needs parity='both'"):
        Coupling(1, 1, 1, "natural", pseudo_in=True)
    with pytest.raises(ValueError, match="degrees must be"):
        Coupling(-1, 1, 1)


def test_tables_made_in_inference_mode_or_on_another_default_device_serve_training(monkeypatch):
    monkeypatch.setattr(module, "_kept", {})
    coupling = Coupling(1, 2, 2, "so3")
    with torch.inference_mode():
        assert module._tables(*astuple(coupling), torch.float64, torch.device("cpu"))[0].is_inference()
    with torch.device("meta"):
        dense, _ = module._tables(*astuple(coupling), torch.float64, torch.device("cpu"))
    Y = torch.ones(4, 9, dtype=torch.float64, requires_grad=True)
    (Y @ dense).sum().backward()
    assert Y.grad is not None
    assert Y.grad.abs().sum() > 0


def test_tables_made_inside_of_a_transformation_serve_other_calls(monkeypatch):
    """torch.func wraps all that is made in it; what is wrapped cannot be used once it is over."""
    monkeypatch.setattr(module, "_kept", {})
    coupling, edge = Coupling(1, 1, 1), torch.tensor([0])
    w = torch.ones(1, len(coupling.paths), 2)

    def value(x: torch.Tensor) -> torch.Tensor:
        return convolution.reference(x, torch.ones(1, 4), w, edge, edge, coupling).square().sum()

    def slope(x: torch.Tensor) -> torch.Tensor:
        return torch.func.grad(value)(x).square().sum()

    x = torch.ones(1, 4, 2, requires_grad=True)
    first = torch.func.grad(slope)(x)
    torch.testing.assert_close(torch.func.grad(slope)(x), first)
    value(x).backward()


def test_compiled_is_eager_and_silent():
    """In a process of its own: the shape checks of the tests cannot be compiled."""
    code = """
import warnings, torch
warnings.simplefilter("error")
from atomscape.ops.convolution import Coupling, convolution
torch.manual_seed(0)
c = Coupling(1, 1, 1, "both", True)
x, Y, w = torch.randn(3, 8, 2), torch.randn(5, 4), torch.randn(5, len(c.paths), 2)
i, j = torch.tensor([0, 0, 1, 2, 2]), torch.tensor([1, 2, 0, 0, 1])
eager = convolution(x, Y, w, i, j, c)
call = lambda x, Y, w: convolution(x, Y, w, i, j, c)
torch.testing.assert_close(torch.compile(call, backend="eager", fullgraph=True)(x, Y, w), eager)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
