"""Back-ends inside torch.compile and torch.export: values, gradients, forces and training as in eager mode.

In processes of their own: the shape checks of the tests cannot be compiled.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
import textwrap

import pytest

LAYER = """
import sys, warnings
import torch
warnings.simplefilter("error")
warnings.filterwarnings("ignore", module="torch", category=DeprecationWarning)
from atomscape.ops.activation import silu
from atomscape.ops.convolution import Coupling, convolution
from atomscape.ops.harmonics import spherical_harmonics
from atomscape.ops.op import watched
from atomscape.ops.radial_convolution import radial_convolution

OPS = ("convolution", "radial_convolution", "spherical_harmonics", "silu")
NATIVE = {f"atomscape.{op}_cpu" for op in OPS}
coupling = Coupling(1, 1, 1, "both")
tight = dict(rtol=0, atol=1e-12)
generator = torch.Generator().manual_seed(0)

def random(*shape):
    return torch.randn(shape, dtype=torch.float64, generator=generator)

class Layer(torch.nn.Module):
    def __init__(self, table):
        super().__init__()
        rows = 9 if table else 5
        W = random(rows, len(coupling.paths), 3)
        if table:
            self.register_buffer("W", W)
        else:
            self.W = torch.nn.Parameter(W)
        self.V = torch.nn.Parameter(random(4, len(coupling.paths) * 3))
        self.table = table

    def forward(self, x, r, h, centre, neighbour):
        Y = spherical_harmonics(r, 1)
        start = centre % 4 if self.table else None
        first = radial_convolution(x, Y, silu(h), self.W, centre, neighbour, coupling, start)
        w = (h[:, :4] @ self.V).unflatten(1, (len(coupling.paths), 3))
        return (first[:, :4] * convolution(x, Y, w, centre, neighbour, coupling)[:, :4]).sum((1, 2))

def arguments(edges):
    i, j = (torch.randint(6, (edges,), generator=generator) for _ in range(2))
    return random(6, 4, 3), random(edges, 3), random(edges, 5), i, j

def check(compile, table, sizes):
    layer = Layer(table)
    first = arguments(11)
    with watched() as seen:
        layer(*first)
    assert {e.chosen for e in seen} == {"cpu"}, seen
    compiled = compile(layer)
    for edges in sizes:
        given = arguments(edges)
        leaves = [t.requires_grad_() for t in given[:3]] + list(layer.parameters())
        expected, found = layer(*given), compiled(*given)
        torch.testing.assert_close(found, expected, **tight)
        a = torch.autograd.grad(expected.square().sum(), leaves)
        b = torch.autograd.grad(found.square().sum(), leaves)
        for u, v in zip(a, b):
            torch.testing.assert_close(v, u, rtol=0, atol=1e-12 * max(1.0, u.abs().max().item()))
"""
COMPILED = """
def backend(graph, examples):
    assert NATIVE <= {str(node.target) for node in graph.graph.nodes}, graph
    return torch._dynamo.lookup_backend(sys.argv[1])(graph, examples)

eager = sys.argv[1] == "aot_eager"
for table in (False, True) if eager else (False,):
    compile = lambda layer: torch.compile(layer, backend=backend, fullgraph=True, dynamic=eager)
    check(compile, table, (11, 7) if eager else (11,))
    torch._dynamo.reset()
x, r, h, i, j = arguments(5)
try:
    torch.compile(Layer(False), backend="aot_eager")(x, r, h, i + 7, j)
except IndexError as error:
    assert "features are given for 6 atoms" in str(error), error
else:
    raise AssertionError("an atom that is not there")
print("agree")
"""
EXPORTED = """
edges = torch.export.Dim("edges")
sizes = {"x": None, "r": {0: edges}, "h": {0: edges}, "centre": {0: edges}, "neighbour": {0: edges}}
layer = Layer(True)
program = torch.export.export(layer, arguments(11), dynamic_shapes=sizes)
targets = {str(node.target) for node in program.graph.nodes}
assert NATIVE <= {name.removesuffix(".default") for name in targets}, targets
for n in (11, 4):
    given = arguments(n)
    torch.testing.assert_close(program.module()(*given), layer(*given), **tight)
print("agree")
"""
FORCES = """
import sys, warnings
import torch
warnings.simplefilter("error")
warnings.filterwarnings("ignore", module="torch", category=DeprecationWarning)
from dataclasses import replace
from atomscape.atoms.neighbours import neighbour_graph
from atomscape.encoders.tfn import Config, build
from atomscape.testing import cases

def energies(model, graph):
    def energy(x):
        moved = graph.with_structures(replace(graph.structures, positions=x))
        return model(moved).scalars.square().sum()
    return energy

torch.manual_seed(0)
model = build(Config(l_max=1, channels=4, layers=1, cutoff=3.4, radial_hidden=8, parity="both")).double()
graph = neighbour_graph(cases.rattled_rocksalt(), 3.4)
eager = energies(model, graph)
compiled = torch.compile(eager, backend=sys.argv[1], fullgraph=True, dynamic=False)
x = graph.structures.positions.clone().requires_grad_()
E = compiled(x)
torch.testing.assert_close(E, eager(x), rtol=1e-12, atol=0)
weights = [p for p in model.parameters() if p.requires_grad]
found = torch.autograd.grad(E, [x, *weights], allow_unused=True)
expected = torch.autograd.grad(eager(x), [x, *weights], allow_unused=True)
for a, b in zip(expected, found):
    assert (a is None) == (b is None)
    if a is not None:
        torch.testing.assert_close(b, a, rtol=0, atol=1e-11 * max(1.0, a.abs().max().item()))
v, h = torch.randn_like(x), 5e-4
with torch.no_grad():
    f = [compiled(x + t * h * v) for t in (-2, -1, 1, 2)]
slope = (8 * (f[2] - f[1]) - (f[3] - f[0])) / (12 * h)
torch.testing.assert_close((found[0] * v).sum(), slope, rtol=1e-6, atol=1e-8)
print("agree")
"""
BACKENDS = pytest.mark.parametrize(
    "backend",
    [
        "aot_eager",
        pytest.param(
            "inductor",
            marks=pytest.mark.skipif(shutil.which("g++") is None, reason="inductor needs a C++ compiler"),
        ),
    ],
)


def agrees(code: str, *arguments: str) -> None:
    command = [sys.executable, "-c", textwrap.dedent(code), *arguments]
    done = subprocess.run(command, capture_output=True, text=True, timeout=600)
    assert done.stdout.strip() == "agree", done.stderr


@BACKENDS
def test_a_layer_compiled(backend):
    agrees(LAYER + COMPILED, backend)


def test_a_layer_exported():
    agrees(LAYER + EXPORTED)


def test_forces_of_a_compiled_encoder():
    agrees(FORCES, "aot_eager")
