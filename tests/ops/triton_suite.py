"""What ``test_triton.py`` runs in a process of its own: the Triton kernels against the references.

On a machine with a GPU they run there, else in Triton's interpreter on the CPU, which must be chosen before
Triton is imported.
"""

from __future__ import annotations

import os

import pytest
import torch

from atomscape.ops.convolution import Coupling, convolution
from atomscape.ops.gpu import available
from atomscape.ops.harmonics import solid_harmonics, spherical_harmonics
from atomscape.ops.op import Op
from atomscape.testing import op_laws

DEVICE = "cpu" if os.environ.get("TRITON_INTERPRET") == "1" else "cuda"
DOUBLE, SINGLE = torch.float64, torch.float32

# Sorted by centre; atom 2 has no edge, atom 1 sends none, atom 3 sends itself.
CENTRE, NEIGHBOUR = [0, 0, 1, 3, 3], [3, 2, 3, 0, 3]


def random(*shape: int, seed: int, dtype=DOUBLE) -> torch.Tensor:
    made = torch.randn(*shape, dtype=DOUBLE, generator=torch.Generator().manual_seed(seed))
    return made.to(DEVICE, dtype)


def problem(coupling: Coupling, channels: int, centre=CENTRE, neighbour=NEIGHBOUR, atoms=4, dtype=DOUBLE):
    edges, lm_edge = len(centre), (coupling.l_edge + 1) ** 2
    i, j = (torch.tensor(k, dtype=torch.int64, device=DEVICE) for k in (centre, neighbour))
    x = random(atoms, coupling.lm_in, channels, seed=0, dtype=dtype)
    Y = random(edges, lm_edge, seed=1, dtype=dtype)
    w = random(edges, len(coupling.paths), channels, seed=2, dtype=dtype)
    return x, Y, w, i, j, coupling


def results(op: Op, arguments: tuple, backend: str, second: bool = True) -> list[torch.Tensor]:
    """Value, first gradients for a random cotangent, gradients of a random combination of those."""
    at = [k for k, a in enumerate(arguments) if op_laws._floating(a)]
    leaves = [arguments[k].detach().clone().requires_grad_() for k in at]
    filled = list(arguments)
    for k, leaf in zip(at, leaves, strict=True):
        filled[k] = leaf
    with op.force(backend):
        value = op(*filled)
        if not value.requires_grad:
            return [value]
        cotangent = random(*value.shape, seed=3, dtype=value.dtype).requires_grad_()
        first = torch.autograd.grad(value, leaves, cotangent, create_graph=True)
        if not second:
            return [value, *first]
        total = sum((g * random(*g.shape, seed=4, dtype=g.dtype)).sum() for g in first)
        last = torch.autograd.grad(total, [*leaves, cotangent], allow_unused=True, materialize_grads=True)
    return [value, *first, *last]


def check(op: Op, arguments: tuple, tolerance: float = 1e-12, second: bool = True) -> None:
    expected = results(op, arguments, "reference", second)
    found = results(op, arguments, "triton", second)
    assert len(expected) in (1, len(found))  # 1: constant, as harmonics of degree 0
    for a, b in zip(expected, found, strict=False):
        assert a.dtype == b.dtype
        scale = max(1.0, float(a.detach().abs().max())) if a.numel() else 1.0
        torch.testing.assert_close(b, a, atol=tolerance * scale, rtol=0)


COUPLINGS = [
    (Coupling(1, 1, 1), 3),
    (Coupling(0, 2, 2), 1),
    (Coupling(2, 2, 2), 17),
    (Coupling(2, 3, 1), 64),
    (Coupling(1, 3, 0), 70),
    (Coupling(1, 2, 1, "so3"), 3),
    (Coupling(0, 2, 2, "both"), 2),
    (Coupling(1, 1, 1, "both", pseudo_in=True), 2),
]


@pytest.mark.parametrize(("coupling", "channels"), COUPLINGS, ids=str)
def test_convolution(coupling, channels):
    """Values, gradients and second gradients; tails of channel blocks; rows that no path leads to."""
    check(convolution, problem(coupling, channels))


def test_convolution_cut_into_several_kernels(monkeypatch):
    """Many small kernels that go on with what the one before wrote are one large kernel."""
    from atomscape.ops.gpu import forms as module

    monkeypatch.setattr(module, "TERMS", 5)
    module.gather_kernels.cache_clear()
    module.edge_kernels.cache_clear()
    coupling = Coupling(1, 1, 1, "so3")
    assert len(module.edge_kernels(coupling)) >= 3
    check(convolution, problem(coupling, 3))
    check(convolution, problem(coupling, 2, dtype=torch.bfloat16), tolerance=0.05, second=False)
    module.gather_kernels.cache_clear()
    module.edge_kernels.cache_clear()


@pytest.mark.parametrize("atoms", [0, 3])
def test_no_edges(atoms):
    check(convolution, problem(Coupling(1, 1, 1), 3, [], [], atoms))


def test_precisions():
    """float32 stays float32; half precisions are calculated in float32 and rounded once."""
    coupling = Coupling(1, 1, 1)
    check(convolution, problem(coupling, 3, dtype=SINGLE), tolerance=1e-6)
    check(spherical_harmonics, (random(5, 3, seed=5, dtype=SINGLE), 3), tolerance=1e-6)
    for dtype in (torch.float16, torch.bfloat16):
        arguments = problem(coupling, 3, dtype=dtype)
        exact = convolution.reference(*(a.double() if op_laws._floating(a) else a for a in arguments))
        with convolution.force("triton"):
            found = convolution(*arguments)
        error = (found.double() - exact).abs().max() / exact.abs().max()
        assert found.dtype == dtype
        assert error < torch.finfo(dtype).eps


def moved(arguments: tuple, layout) -> list:
    return [layout(a).requires_grad_() if op_laws._floating(a) else a for a in arguments]


@pytest.mark.parametrize("op", [convolution, solid_harmonics, spherical_harmonics], ids=lambda op: op.name)
def test_layouts_of_arguments_and_cotangents(op):
    """Strided, permuted, unaligned arguments; cotangents in the same layouts, and one number expanded."""
    arguments = problem(Coupling(0, 1, 0), 2) if op is convolution else (random(5, 3, seed=5), 2)
    with op.force("triton"):
        shape = op(*arguments)
        random_cotangent = random(*shape.shape, seed=3)
        for cotangent in (random_cotangent, op_laws.expanded(shape)):
            plain = moved(arguments, op_laws.contiguous)
            leaves = [a for a in plain if op_laws._floating(a)]
            expected = torch.autograd.grad(op(*plain), leaves, cotangent.contiguous())
            for layout in op_laws.LAYOUTS.values():
                other = moved(arguments, layout)
                leaves = [a for a in other if op_laws._floating(a)]
                found = torch.autograd.grad(op(*other), leaves, layout(cotangent))
                again = torch.autograd.grad(op(*other), leaves, cotangent)
                for a, b, c in zip(expected, found, again, strict=True):
                    torch.testing.assert_close(b, a, atol=0, rtol=0)
                    torch.testing.assert_close(c, a, atol=0, rtol=0)


@pytest.mark.parametrize("op", [solid_harmonics, spherical_harmonics], ids=lambda op: op.name)
@pytest.mark.parametrize("l_max", [0, 1, 2, 3, 6, 12])
def test_harmonics(op, l_max):
    check(op, (random(5, 3, seed=l_max), l_max), second=l_max < 12)


@pytest.mark.parametrize("op", [solid_harmonics, spherical_harmonics], ids=lambda op: op.name)
@pytest.mark.parametrize("shape", [(3,), (0, 3), (2, 0, 3), (2, 3, 3), (129, 3)], ids=str)
def test_harmonics_of_any_shape(op, shape):
    check(op, (random(*shape, seed=6), 2))


@pytest.mark.parametrize("op", [solid_harmonics, spherical_harmonics], ids=lambda op: op.name)
def test_harmonics_of_the_zero_vector(op):
    r = torch.zeros(2, 3, dtype=DOUBLE, device=DEVICE)
    r[1] = random(3, seed=7)
    check(op, (r, 3))


def test_degrees_interleaved():
    """Two degrees and two couplings between forward and backward: nothing is shared by mistake."""
    cases = [(spherical_harmonics, (random(4, 3, seed=8), l)) for l in (1, 3, 2)]
    cases += [(convolution, problem(Coupling(*ls), 2)) for ls in ((1, 1, 1), (0, 1, 1))]
    values, leaves = [], []
    for op, (first, *rest) in cases:
        leaves.append(first.clone().requires_grad_())
        with op.force("triton"):
            values.append(op(leaves[-1], *rest))
    for (op, (first, *rest)), value, leaf in reversed(list(zip(cases, values, leaves, strict=True))):
        cotangent = random(*value.shape, seed=9)
        (found,) = torch.autograd.grad(value, leaf, cotangent)
        other = first.clone().requires_grad_()
        (expected,) = torch.autograd.grad(op.reference(other, *rest), other, cotangent)
        torch.testing.assert_close(found, expected, atol=1e-12, rtol=1e-12)


def test_only_what_is_asked_is_differentiated():
    """Gradients of one argument at a time, through second order."""
    arguments = problem(Coupling(1, 1, 1), 2)
    for k in range(3):
        found = []
        for backend in ("reference", "triton"):
            leaf = arguments[k].clone().requires_grad_()
            with convolution.force(backend):
                value = convolution(*arguments[:k], leaf, *arguments[k + 1 :])
                (g,) = torch.autograd.grad(value.square().sum(), leaf, create_graph=True)
                found.append((g, *torch.autograd.grad(g.square().sum(), leaf)))
        torch.testing.assert_close(found[1], found[0], atol=1e-10, rtol=1e-12)


def test_third_derivatives():
    """The fused second backward pass has a derivative of its own."""
    arguments = problem(Coupling(1, 1, 1), 2)
    found = []
    for backend in ("reference", "triton"):
        leaves = [a.clone().requires_grad_() for a in arguments[:3]]
        with convolution.force(backend):
            total = convolution(*leaves, *arguments[3:]).square().sum()
            for _ in range(2):
                grads = torch.autograd.grad(total, leaves, create_graph=True)
                total = sum((g * random(*g.shape, seed=5)).sum() for g in grads) ** 2
            found.append(torch.autograd.grad(total, leaves))
    for a, b in zip(*found, strict=True):
        torch.testing.assert_close(b, a, atol=1e-11 * float(a.abs().max()), rtol=1e-11)


def test_operators_are_well_registered():
    """Schema, fake tensors and autograd of each operator, as torch checks them."""
    from atomscape.ops.gpu.ends import Ends
    from atomscape.ops.gpu.rows import rows

    registered = torch.ops.atomscape
    tests = ("test_schema", "test_autograd_registration", "test_faketensor")
    x, Y, w, i, j, coupling = problem(Coupling(1, 1, 0), 2)
    x, Y, w = (t.requires_grad_() for t in (x, Y, w))
    ends = Ends.of(i, j, len(x), sent=True)
    rest = (*ends, coupling.l_in, coupling.l_edge, coupling.l_out, coupling.parity, coupling.pseudo_in)
    g = random(4, coupling.lm_out, 2, seed=3).requires_grad_()
    h, a, b = (random(*t.shape, seed=7).requires_grad_() for t in (x, Y, w))
    r = random(5, 3, seed=4).requires_grad_()
    for operator, arguments in (
        (registered.convolution_triton, (x, Y, w, *rest)),
        (registered.convolution_spread_triton, (g, Y, w, *rest)),
        (registered.convolution_gradients_triton, (g, x, Y, w, *rest)),
        (registered.convolution_backward_triton, (g, x, Y, w, *rest)),
        (registered.convolution_second_triton, (h, a, b, g, x, Y, w, *rest)),
        (registered.spherical_harmonics_triton, (r, 2)),
        (
            registered.solid_harmonics_slopes_triton,
            (random(5, 9, seed=5).requires_grad_(), random(5, 9, seed=6), "h", 2),
        ),
    ):
        torch.library.opcheck(operator.default, arguments, test_utils=tests)
    first, valid = rows(i, j, 4)
    assert first.tolist() == [0, 2, 3, 3, 5]
    assert valid.all()


def test_what_is_found_of_the_edges_is_kept_until_they_change():
    """One search serves all layers, and no others: other ends, other atoms, edges written to, dead edges."""
    from atomscape.ops.gpu import ends as module

    i, j = (torch.tensor(k, device=DEVICE) for k in (CENTRE, NEIGHBOUR))
    found = module.Ends.of(i, j, 4)
    assert found.order is None
    both = module.Ends.of(i, j, 4, sent=True)
    assert both.first is found.first
    assert module.Ends.of(i, j, 4).order is None, "what a layer keeps must not depend on other layers"
    assert module.Ends.of(i, j, 4, sent=True).order is both.order
    assert both.receiver is not None
    assert both.receiver.tolist() == [CENTRE[k] for k in both.order.tolist()]
    assert len(module.Ends.of(i, j, 5).first) == 6
    assert module.Ends.of(i, j.clone(), 4).first is not found.first
    i[1] = 1
    changed = module.Ends.of(i, j, 4, sent=True)
    assert changed.first.tolist() == [0, 1, 3, 3, 5]
    j[0] = 0
    assert module.Ends.of(i, j, 4, sent=True).first_sent.tolist() == [0, 2, 2, 3, 5]
    i.data = i.clone()
    assert module.Ends.of(i, j, 4).first is not changed.first
    with torch.inference_mode():
        k = i.clone()
        assert module.Ends.of(k, j, 4).first is not module.Ends.of(k, j, 4).first
        assert module.Ends.of(i + 0, j, 4).first.is_inference()
        fresh = torch.tensor(CENTRE, device=DEVICE)
    later = fresh.clone()
    with torch.inference_mode():
        module.Ends.of(later, j, 4, sent=True)
    assert not module.Ends.of(later, j, 4, sent=True).first.is_inference()
    known = len(module._KNOWN)
    del i, found, both, changed
    assert len(module._KNOWN) == known - 1


@pytest.mark.parametrize("again", [False, True])
def test_checkpointed_layers_keep_the_same_whatever_others_found(again):
    """A layer that does not need the edges by sender, before one that does, on the same graph."""
    from torch.utils.checkpoint import checkpoint

    x, Y, w, i, j, coupling = problem(Coupling(0, 0, 0), 1)
    w = w.requires_grad_()

    def layer(w: torch.Tensor) -> torch.Tensor:
        return convolution(x, Y, w, i, j, coupling).index_select(0, j)

    with convolution.force("triton"):
        messages = checkpoint(layer, w, use_reentrant=False) if again else layer(w)
        h = torch.zeros_like(x).index_add(0, i, messages)
        (found,) = torch.autograd.grad(convolution(h, Y, w, i, j, coupling).square().sum(), w)
    h = convolution.reference(x, Y, w, i, j, coupling).index_select(0, j)
    h = convolution.reference(torch.zeros_like(x).index_add(0, i, h), Y, w, i, j, coupling)
    (expected,) = torch.autograd.grad(h.square().sum(), w)
    torch.testing.assert_close(found, expected, atol=1e-12, rtol=1e-12)


def test_edges_that_are_not_valid_are_refused():
    if DEVICE != "cpu":
        pytest.skip("a GPU stops for good when it finds them")
    x, Y, w, i, j, coupling = problem(Coupling(1, 1, 0), 2)
    for centre, neighbour in ((i.flip(0), j), (i + 1, j), (i - 1, j), (i, j + 1), (i, -1 - j)):
        with (
            convolution.force("triton"),
            pytest.raises(RuntimeError, match="sort the edges, or force the reference"),
        ):
            convolution(x, Y, w, centre, neighbour, coupling)


@pytest.mark.filterwarnings("ignore:.torch.jit.script. is deprecated")  # by torch's own forward mode
def test_forward_mode_is_declined_or_refused():
    """Torch would drop a tangent without a word."""
    r = random(3, 3, seed=1).requires_grad_()
    value = spherical_harmonics.backends["triton"].run(r, 2)
    with torch.autograd.forward_ad.dual_level():
        dual = torch.autograd.forward_ad.make_dual(r.detach(), torch.ones_like(r))
        assert "tangent" in spherical_harmonics.backends["triton"].serves(dual, 2)
        cotangent = torch.autograd.forward_ad.make_dual(value.detach(), torch.ones_like(value))
        with pytest.raises(NotImplementedError, match="forward mode"):
            torch.autograd.grad(value, r, cotangent)


def test_serves_says_why_not():
    x, Y, w, i, j, coupling = problem(Coupling(1, 1, 0), 2)
    serves = convolution.backends["triton"].serves
    assert serves(x, Y, w, i, j, coupling) is None
    assert "differ in dtype" in serves(x.float(), Y, w, i, j, coupling)
    assert "degree 7 is above 6" in serves(x, Y, w, i, j, Coupling(7, 1, 1))
    assert "different devices" in serves(x, Y.to("meta"), w, i, j, coupling)
    assert available.INTERPRETED is (DEVICE == "cpu")
