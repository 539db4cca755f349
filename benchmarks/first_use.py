"""How long does first use take? ``python benchmarks/first_use.py [--quick] [--json]``.

A fresh process builds a tensor field network (l_max 2, 64 channels, 3 layers), finds the neighbours of a
crystal and takes a step of training on energy and forces; then it takes the step again. The difference of
the two, in CPU time, is what the kernels cost at first: with an empty cache they are compiled, with a full
one they are read. The peer is e3nn, which builds the tensor products of the same three layers and calls each
once, forward and to second derivatives.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

from interleaved import absent
from measure import Row, command

QUESTION = "first_use"

OURS = """
import json
from time import process_time
import torch
from ase.build import bulk
from atomscape.atoms.ase import from_ase
from atomscape.atoms.neighbours import neighbour_graph
from atomscape.encoders import tfn

torch.set_num_threads(1)
encoder = tfn.build(tfn.Config(l_max=2, channels=64, layers=3, cutoff=5.0))
atoms = bulk("Cu", cubic=True, a=3.6)
atoms.rattle(0.05, seed=0)

def step():
    start = process_time()
    structures = from_ase([atoms])
    structures.positions.requires_grad_(True)
    energy = encoder(neighbour_graph(structures, 5.0)).invariants().square().sum()
    (slope,) = torch.autograd.grad(energy, structures.positions, create_graph=True)
    (energy + slope.square().sum()).backward()
    return process_time() - start

first = step()
print(json.dumps(first - min(step() for _ in range(3))))
"""

THEIRS = """
import json
from time import process_time
import torch
from e3nn import o3
from convolution_peers import e3nn_product
from atomscape.ops.convolution import Coupling

torch.set_num_threads(1)

def use(product):
    tensors = [torch.randn(10, n, requires_grad=True) for n in
               (product.irreps_in1.dim, product.irreps_in2.dim, product.weight_numel)]
    first = torch.autograd.grad(product(*tensors).square().sum(), tensors, create_graph=True)
    torch.autograd.grad(sum(g.square().sum() for g in first), tensors)

start = process_time()
products = [e3nn_product(Coupling(l, 2, 2), 64) for l in (0, 2, 2)]
for product in products:
    use(product)
built = process_time() - start
start = process_time()
for product in products:
    use(product)
print(json.dumps(built - (process_time() - start)))
"""


def run(quick: bool) -> Iterator[Row]:
    """Rows for an empty and a full cache."""
    with tempfile.TemporaryDirectory() as folder:
        cold = _seconds(OURS, folder)
        warm = min(_seconds(OURS, folder) for _ in range(1 if quick else 3))
    reason = absent("e3nn")
    peer = None if reason else _seconds(THEIRS, "")
    yield Row(QUESTION, "kernels are compiled", cold, "e3nn", peer, reason)
    yield Row(QUESTION, "kernels are read from the cache", warm, "e3nn", peer, reason)


def _seconds(program: str, cache: str) -> float:
    """What a program prints, run in a fresh process with its own cache of kernels."""
    variables = dict(os.environ, ATOMSCAPE_CACHE=cache) if cache else dict(os.environ)
    answer = subprocess.run(
        [sys.executable, "-c", program],
        cwd=Path(__file__).parent,
        env=variables,
        capture_output=True,
        text=True,
        check=True,
    )
    return json.loads(answer.stdout.splitlines()[-1])


if __name__ == "__main__":
    command(QUESTION, run, "process")
