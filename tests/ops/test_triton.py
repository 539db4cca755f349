"""The Triton back-ends without a GPU: interpreted, compiled for GPUs that are elsewhere, asked who serves."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest
import torch

from atomscape.ops.convolution import Coupling, convolution
from atomscape.ops.gpu import available
from atomscape.ops.harmonics import solid_harmonics, spherical_harmonics

needs_triton = pytest.mark.skipif(find_spec("triton") is None, reason="triton is for Linux only")
SUITE = Path(__file__).with_name("triton_suite.py")


def run(*command: str) -> None:
    """Python in a process of its own, on the GPU, or in Triton's interpreter where there is none."""
    interpreted = {} if torch.cuda.is_available() else {"TRITON_INTERPRET": "1"}
    done = subprocess.run(
        [sys.executable, *command], capture_output=True, text=True, env={**os.environ, **interpreted}
    )
    assert done.returncode == 0, f"{done.stdout}\n{done.stderr}"


@needs_triton
def test_kernels_agree_with_the_references():
    run("-m", "pytest", "-q", "-x", "-p", "no:cacheprovider", "-p", "no:xdist", str(SUITE))


COMPILED = """
import torch
from atomscape.ops.convolution import Coupling
from atomscape.ops.kernels import convolution_triton, spherical_harmonics_triton
device = "cuda" if torch.cuda.is_available() else "cpu"
c = Coupling(1, 1, 1)
def message(x, r, w, i, j):
    return convolution_triton.run(x, spherical_harmonics_triton.run(r, 1), w, i, j, c)
def arguments(i, j):
    floats = (torch.randn(s, device=device) for s in ((4, 4, 2), (len(i), 3), (len(i), len(c.paths), 2)))
    return *floats, torch.tensor(i, device=device), torch.tensor(j, device=device)
class Module(torch.nn.Module):
    def forward(self, *args):
        return message(*args)
torch.manual_seed(0)
given = arguments([0, 0, 1, 2, 2], [1, 2, 0, 0, 1])
other = arguments([0, 3], [1, 2])
compiled = torch.compile(message, backend="aot_eager", fullgraph=True, dynamic=True)
for args in (given, other):
    leaves = [t.requires_grad_() for t in args[:3]]
    values = message(*args), compiled(*args)
    torch.testing.assert_close(*values)
    torch.testing.assert_close(*(torch.autograd.grad(v.square().sum(), leaves) for v in values))
edges = {0: torch.export.Dim("edges")}
shapes = {"args": ({0: torch.export.Dim("atoms")}, edges, edges, edges, edges)}
exported = torch.export.export(Module(), given, dynamic_shapes=shapes)
torch.testing.assert_close(exported.module()(*other), message(*other))
"""


@needs_triton
def test_compiled_and_exported_with_any_number_of_atoms_and_edges():
    run("-c", COMPILED)


def signature(kernel, pointer: str, constants: dict) -> dict[str, str]:
    """Types of a kernel's arguments: indices are int64, sizes int32, everything else a pointer."""
    indices = {"first", "other", "order", "centre", "neighbour", "sorted_atom"}
    sizes = {"channels", "points", "atoms", "edges", "steps"}
    kinds = {**dict.fromkeys(indices, "*i64"), **dict.fromkeys(sizes, "i32"), "valid": "*i1"}
    kinds |= {
        **dict.fromkeys(constants, "constexpr"),
        **({"first": "*i64"} if "first" in kernel.arg_names else {}),
    }
    return {name: kinds.get(name, pointer) for name in kernel.arg_names}


def assembly(kernel, dtype: torch.dtype, target, warps: int = 1, **constants) -> str:
    """Compile a kernel for a GPU that need not be here."""
    import triton

    from atomscape.ops.gpu.launch import real

    pointer = {torch.float32: "*fp32", torch.float64: "*fp64", torch.bfloat16: "*bf16"}[dtype]
    if "REAL" in kernel.arg_names:
        constants["REAL"] = real(dtype)
    source = triton.compiler.ASTSource(kernel, signature(kernel, pointer, constants), constants)
    made = triton.compile(source, target=target, options={"num_warps": warps})
    return made.asm["ptx" if target.backend == "cuda" else "amdgcn"]


def all_kernels(coupling: Coupling, l_max: int):
    """Every kernel with its constants and warps."""
    from atomscape.ops.gpu import forms as module
    from atomscape.ops.gpu import harmonics
    from atomscape.ops.gpu.rows import TEXT
    from atomscape.ops.gpu.source import kernel as made

    for second in (False, True):
        for ordered in (True, False):
            for gather in module.gather_kernels(coupling, not ordered, second):
                yield gather, {"ORDERED": ordered, "BLOCK": 32}, 1
        for edges in module.edge_kernels(coupling, second):
            yield edges, {"BLOCK": 32, "EACH": 4}, 1
    for on_sphere in (False, True):
        yield harmonics.harmonics_kernel(l_max, on_sphere), {"BLOCK": 128}, 4
    for wanted in ("g", "h", "S"):
        yield harmonics.slopes_kernel(l_max, wanted), {"BLOCK": 128}, 4
    yield made(TEXT), {"BLOCK": 256}, 4


@needs_triton
@pytest.mark.parametrize("arch", [80, 90])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64], ids=str)
def test_compiles_to_ptx_without_atomics_and_in_one_precision(arch, dtype, tmp_path, monkeypatch):
    from triton.backends.compiler import GPUTarget

    monkeypatch.setenv("TRITON_CACHE_DIR", str(tmp_path))
    coupling, l_max = (
        (Coupling(2, 2, 2), 3) if arch == 90 and dtype == torch.float64 else (Coupling(1, 1, 1), 2)
    )
    for kernel, constants, warps in all_kernels(coupling, l_max):
        ptx = assembly(kernel, dtype, GPUTarget("cuda", arch, 32), warps, **constants)
        assert f".target sm_{arch}" in ptx
        assert not re.search(r"\b(atom|red)\.", ptx), "atomics add in any order"
        if dtype == torch.float64:
            assert "f32" not in ptx, "float64 kernels calculate in float64 alone"
            assert ".f64" in ptx or kernel.__name__ == "rows"


@needs_triton
def test_compiles_for_amd(tmp_path, monkeypatch):
    from triton.backends.compiler import GPUTarget

    monkeypatch.setenv("TRITON_CACHE_DIR", str(tmp_path))
    for kernel, constants, warps in all_kernels(Coupling(1, 1, 1), 2):
        text = assembly(kernel, torch.float32, GPUTarget("hip", "gfx942", 64), warps, **constants)
        assert "atomic" not in text


@needs_triton
def test_no_size_of_a_batch_is_part_of_a_kernel():
    """Triton compiles anew for integers that are 1 or multiples of 16; only the channels may be such."""
    for kernel, _, _ in all_kernels(Coupling(1, 1, 1), 1):
        sizes = [p for p in kernel.params if p.name in ("points", "atoms", "edges", "steps")]
        assert all(p.do_not_specialize for p in sizes)
        constants = {p.name for p in kernel.params if p.is_constexpr}
        assert constants <= {"REAL", "BLOCK", "ORDERED", "EACH"}


def test_cpu_tensors_are_not_served():
    x, r = torch.zeros(2, 4, 3), torch.zeros(1, 3)
    Y, w, i = torch.zeros(1, 4), torch.zeros(1, 4, 3), torch.zeros(1, dtype=torch.int64)
    arguments = x, Y, w, i, i, Coupling(1, 1, 1)
    for op, given in ((convolution, arguments), (solid_harmonics, (r, 1)), (spherical_harmonics, (r, 1))):
        assert op.backends["triton"].serves(*given) == "the arguments are on the CPU"
        assert op.explain(*given).chosen != "triton"
    for l_max in (-1, 13):
        assert "is not between 0 and 12" in solid_harmonics.backends["triton"].serves(r, l_max)


def test_what_a_gpu_tensor_is_told(monkeypatch):
    """Reasons that need no GPU: a stand-in has the same attributes."""

    class OnGPU(torch.Tensor):
        device = torch.device("cuda", 0)

    t = torch.zeros(2, 3).as_subclass(OnGPU)
    monkeypatch.setattr(available, "INSTALLED", True)
    assert available.reason(t) is None
    assert "no kernels for torch.int64" in available.reason(t.long())
    assert "no kernels for device 'meta'" in available.reason(torch.zeros(1, device="meta"))
    monkeypatch.setattr(available, "INSTALLED", False)
    assert "pip install 'atomscape[gpu]'" in available.reason(t)


def test_asking_loads_no_kernels():
    """On a CPU; torch's own compiler may import Triton by itself."""
    code = """
import sys, torch
from atomscape.ops.harmonics import spherical_harmonics
spherical_harmonics.explain(torch.zeros(1, 3), 1)
sys.exit("atomscape.ops.gpu.launch" in sys.modules)
"""
    assert subprocess.run([sys.executable, "-c", code]).returncode == 0
