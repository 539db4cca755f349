"""Past the dispatcher the numbers are the same to the bit; whoever listens to operators still hears them."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch.fx.experimental.proxy_tensor import make_fx
from torch.utils._python_dispatch import TorchDispatchMode

from atomscape.ops.activation import silu
from atomscape.ops.convolution import Coupling, convolution
from atomscape.ops.harmonics import solid_harmonics, spherical_harmonics
from atomscape.ops.jit import direct
from atomscape.ops.radial import lengths, radial_basis
from atomscape.ops.radial_convolution import radial_convolution
from atomscape.ops.symmetric_contraction import SymmetricCoupling, symmetric_contraction

COUPLING, PRODUCT = Coupling(1, 1, 1), SymmetricCoupling(1, 1, 2)
ATOMS, EDGES, CHANNELS, RANK = 4, 9, 3, 5
PATHS = len(COUPLING.paths)
generator = torch.Generator().manual_seed(0)
GRAPH = tuple(torch.randint(ATOMS, (EDGES,), generator=generator) for _ in range(2))
START = torch.randint(8, (EDGES,), generator=generator)
SPECIES = torch.tensor([0, 4, 4, 1])


def floats(*shapes: tuple[int, ...]) -> tuple[torch.Tensor, ...]:
    return tuple(torch.randn(s, dtype=torch.float64, generator=generator) for s in shapes)


x, Y, w = (ATOMS, 4, CHANNELS), (EDGES, 4), (EDGES, PATHS, CHANNELS)
h, W = (EDGES, RANK), (RANK, PATHS, CHANNELS)
TABLE = floats((12, PATHS, CHANNELS))[0]
CALLS: dict[str, tuple[Callable, tuple[torch.Tensor, ...]]] = {
    "convolution": (lambda *t: convolution(*t, *GRAPH, COUPLING), floats(x, Y, w)),
    "radial_convolution": (lambda *t: radial_convolution(*t, *GRAPH, COUPLING), floats(x, Y, h, W)),
    "radial_convolution, table": (
        lambda *t: radial_convolution(*t, TABLE, *GRAPH, COUPLING, START),
        floats(x, Y, h),
    ),
    "symmetric_contraction": (
        lambda *t: symmetric_contraction(*t, SPECIES, PRODUCT),
        floats(x, (5, len(PRODUCT.paths), CHANNELS)),
    ),
    "silu": (silu, floats((7,))),
    "lengths": (lengths, floats((7, 3))),
    "radial_basis": (lambda r: radial_basis(r, 3.0, 4), (torch.linspace(0.1, 3.5, 7, dtype=torch.float64),)),
    "solid_harmonics": (lambda r: solid_harmonics(r, 3), floats((7, 3))),
    "spherical_harmonics": (lambda r: spherical_harmonics(r, 3), floats((7, 3))),
}


def derivatives(function: Callable, given: tuple[torch.Tensor, ...]) -> list[torch.Tensor]:
    """Value, gradients and gradients of those, for fixed cotangents."""
    leaves = [t.clone().requires_grad_() for t in given]
    value = function(*leaves)
    g = torch.cos(torch.arange(value.numel(), dtype=value.dtype)).view_as(value).requires_grad_()
    first = torch.autograd.grad(value, leaves, g, create_graph=True)
    along = torch.stack([(n + 1) * f.square().sum() for n, f in enumerate(first)]).sum()
    second = torch.autograd.grad(along, [g, *leaves], allow_unused=True)
    return [value, *first, *(s for s in second if s is not None)]


@pytest.mark.parametrize("name", CALLS)
def test_the_same_bits_either_way(name, monkeypatch):
    function, given = CALLS[name]
    assert not direct.listened()
    past = derivatives(function, given)
    monkeypatch.setattr(direct, "listened", lambda: True)
    through = derivatives(function, given)
    assert len(past) == len(through)
    assert all(torch.equal(a, b) for a, b in zip(past, through, strict=True))


@pytest.mark.parametrize("name", CALLS)
def test_parameters_and_no_grad(name):
    function, given = CALLS[name]
    parameters = [torch.nn.Parameter(t) for t in given]
    with torch.no_grad():
        value = function(*parameters)
    assert not value.requires_grad
    assert torch.equal(value, function(*parameters))
    with torch.inference_mode():
        assert function(*parameters).is_inference()


@pytest.mark.filterwarnings("ignore:There is a performance drop")  # torch loops over the cotangents
@pytest.mark.parametrize("name", CALLS)
def test_many_cotangents_at_once(name):
    """``is_grads_batched`` gives tensors that have no memory of their own."""
    function, given = CALLS[name]
    leaves = [t.clone().requires_grad_() for t in given]
    value = function(*leaves)
    many = torch.stack([torch.ones_like(value), value.detach(), value.detach().sin()])
    together = torch.autograd.grad(value, leaves, many, is_grads_batched=True, retain_graph=True)
    for n, one in enumerate(many):
        for a, b in zip(together, torch.autograd.grad(value, leaves, one, retain_graph=True), strict=True):
            torch.testing.assert_close(a[n], b, atol=1e-12, rtol=1e-12)


@pytest.mark.parametrize("name", CALLS)
def test_tensors_carried_out_of_a_transformation(name):
    """They stand for others, with and without a gradient."""
    function, given = CALLS[name]
    carried = []
    torch.func.grad(lambda t: carried.append(t) or t.sum())(given[0])
    expected = function(*given)
    assert torch.equal(function(*carried, *given[1:]), expected)
    with torch.no_grad():
        assert torch.equal(function(*carried, *given[1:]), expected)
    parameters = [torch.nn.Parameter(t) for t in given[1:]]
    if parameters:
        value = function(*carried, *parameters)
        for g in torch.autograd.grad(value.sum(), parameters):
            assert g.isfinite().all()


@pytest.mark.parametrize("name", CALLS)
def test_views_that_stand_for_their_negative(name):
    """Such as the imaginary part of a conjugate."""
    function, given = CALLS[name]
    views = [torch.complex(torch.zeros_like(t), -t).conj().imag for t in given]
    assert all(v.is_neg() for v in views)
    assert torch.equal(function(*views), function(*given))
    leaves = [t.clone().requires_grad_() for t in given]
    value = function(*leaves)
    g = torch.cos(value.detach())
    found = torch.autograd.grad(value, leaves, torch._neg_view(-g), retain_graph=True)
    for a, b in zip(found, torch.autograd.grad(value, leaves, g), strict=True):
        assert torch.equal(a, b)


class Heard(TorchDispatchMode):
    def __init__(self) -> None:
        super().__init__()
        self.names: list[str] = []

    def __torch_dispatch__(self, function, types, args=(), kwargs=None):
        self.names.append(str(function))
        return function(*args, **(kwargs or {}))


@pytest.mark.parametrize("name", CALLS)
def test_modes_profilers_and_tracers_see_the_operator(name):
    function, given = CALLS[name]
    operator = f"{name.split(',')[0]}_cpu"
    with Heard() as mode:
        derivatives(function, given)
    assert any(operator in n for n in mode.names)
    assert any(n.startswith(f"atomscape.{operator}_") for n in mode.names), "the derivative is one, too"
    with torch.profiler.profile(activities=[torch.profiler.ProfilerActivity.CPU]) as profile:
        function(*given)
    assert any(e.key == f"atomscape::{operator}" for e in profile.key_averages())
    for before in (False, True):
        traced = make_fx(function, pre_dispatch=before)(*given)
        assert any(operator in str(node.target) for node in traced.graph.nodes)
