"""``atomscape doctor``: what is installed, which back-ends serve, what data is there."""

from __future__ import annotations

import os
import platform
import shutil
from importlib.metadata import PackageNotFoundError, version
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import torch
    from rich.table import Table

    from atomscape.ops.op import Explanation

CORE = ("torch", "numpy", "llvmlite", "numba", "pyarrow", "ase", "accelerate", "safetensors", "scikit-learn")
EXTRAS = {
    "umap-learn": "map: UMAP projections",
    "pymatgen": "crystals: conversion",
    "spglib": "crystals: symmetry",
    "rdkit": "molecules",
    "tblite": "label: GFN2-xTB",
    "pyscf": "label: DFT",
    "phonopy": "simulate: phonons",
    "tensorboard": "tensorboard",
    "triton": "gpu: kernels for GPUs",
}
BROWSERS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")


def doctor() -> None:
    """Say what this machine offers: versions, threads, back-ends and why others declined, data, browser."""
    from atomscape.cli.output import console

    screen = console()
    for part in (packages(), machine(), backends(), datasets()):
        screen.print(part)
        screen.print()


def packages() -> Table:
    """Versions of what is needed, and of optional packages with what they are for."""
    from atomscape import __version__
    from atomscape.cli.output import table

    made = table("package", "version", "", title="Versions")
    made.add_row("atomscape", __version__)
    made.add_row("python", platform.python_version())
    for name in CORE:
        made.add_row(name, installed(name) or "[red]missing[/]")
    for name, purpose in EXTRAS.items():
        made.add_row(name, installed(name) or "–", f"optional, {purpose}")
    return made


def installed(name: str) -> str | None:
    """Version of an installed package, or None."""
    try:
        return version(name)
    except PackageNotFoundError:
        return None


def machine() -> Table:
    """Processor, threads, accelerator, and the browser that the tests of the page would use."""
    import torch

    from atomscape.cli.output import table

    made = table("", "", title="Machine")
    made.add_row("system", f"{platform.system()} {platform.release()}, {platform.machine()}")
    made.add_row("cores", str(os.cpu_count()))
    threads = os.environ.get("OMP_NUM_THREADS", "not set")
    made.add_row("threads", f"{torch.get_num_threads()} in torch; OMP_NUM_THREADS {threads}")
    for name, text in kernels().items():
        made.add_row(name, text)
    accelerators = [torch.cuda.get_device_name(i) for i in range(torch.cuda.device_count())]
    made.add_row("accelerators", ", ".join(accelerators) or "none")
    browser = next((found for b in BROWSERS if (found := shutil.which(b))), None)
    made.add_row("browser", browser or "none found; maps open in any, tests of the page need Chromium")
    return made


def kernels() -> dict[str, str]:
    """What compiled kernels are made for, whose threads run them, and where they are kept."""
    import llvmlite.binding as llvm

    from atomscape.ops.jit.compile import kernel_folder, vector_bytes
    from atomscape.ops.jit.team import team

    folder = kernel_folder()
    kept = [path.stat().st_size for path in folder.glob("*.o")]
    size = f"{len(kept)} kept, {sum(kept) / 1e6:.1f} MB" if kept else "none kept yet"
    return {
        "processor": f"{llvm.get_host_cpu_name()}, vectors of {8 * vector_bytes()} bits",
        "kernels": f"LLVM {'.'.join(map(str, llvm.llvm_version_info))}, on {team()}",
        "kernel cache": f"{folder}: {size}",
    }


def backends() -> Table:
    """Who serves each operation on a small batch, and why other back-ends decline.

    Found by asking: the neighbour search, both encoders and the operations that they do not use run on a
    crystal and a molecule, on every device, in both precisions.
    """
    import torch

    from atomscape.cli.output import escaped, table
    from atomscape.ops.op import ops

    devices = ["cpu", *(f"cuda:{i}" for i in range(torch.cuda.device_count()))]
    found: dict[tuple[str, str, str], dict[str, None]] = {}
    with torch.random.fork_rng(), torch.no_grad():
        for device in devices:
            for dtype in (torch.float32, torch.float64):
                for call in asked(device, dtype):
                    declined = "; ".join(f"{name}: {why}" for name, why in call.declined.items())
                    where = f"{device} {str(dtype).removeprefix('torch.')}"
                    found.setdefault((call.op, call.chosen, declined), {})[where] = None
    made = table("operation", "served by", "on", "why not others", title="Operations")
    everywhere = 2 * len(devices)
    for (op, chosen, declined), where in sorted(found.items()):
        on = "every device, both precisions" if len(where) == everywhere else ", ".join(where)
        made.add_row(op, f"[bold]{chosen}[/]" if chosen != "reference" else chosen, on, escaped(declined))
    for op in sorted(ops().keys() - {op for op, *_ in found}):
        made.add_row(op, ", ".join(["reference", *ops()[op].backends]), "not asked")
    return made


def asked(device: str, dtype: torch.dtype) -> list[Explanation]:
    """Who serves the calls of a small batch on a device in a precision."""
    from atomscape.find import available, find
    from atomscape.ops.convolution import Coupling, convolution
    from atomscape.ops.harmonics import solid_harmonics
    from atomscape.ops.op import watched
    from atomscape.ops.symmetric_contraction import SymmetricCoupling, symmetric_contraction

    with watched() as calls:
        graph = small_graph().to(device)
        for name in available("encoders"):
            module = find("encoders", name)
            module.build(module.Config()).to(device, dtype)(graph).invariants()
        Y = solid_harmonics(graph.vectors.to(dtype), 1)
        x, coupling = Y.new_ones(len(graph.structures.numbers), 4, 8), Coupling(1, 1, 1)
        w = Y.new_ones(len(Y), len(coupling.paths), 8)
        A = convolution(x, Y, w, graph.centre, graph.neighbour, coupling)
        product = SymmetricCoupling(1, 1, 2)
        species = graph.structures.numbers.new_zeros(len(A))
        symmetric_contraction(A, Y.new_ones(1, len(product.paths), 8), species, product)
    return calls


def small_graph():
    """Graph of a methane molecule and of a small crystal."""
    from ase.build import bulk, molecule

    from atomscape.atoms.ase import from_ase
    from atomscape.atoms.neighbours import neighbour_graph

    return neighbour_graph(from_ase([molecule("CH4"), bulk("NaCl", "rocksalt", a=5.64)]), 5.0)


def datasets() -> Table:
    """Named datasets and where they are."""
    from atomscape.cli.output import table
    from atomscape.data.get import catalogue
    from atomscape.data.load import cache_folder

    root = os.environ.get("ATOMSCAPE_DATA", "not set")
    made = table("dataset", "where", title=f"Data (ATOMSCAPE_DATA {root}; cache {cache_folder()})")
    for entry in catalogue():
        places = {"embedded": "in the package", "generated": "made on first use"}
        here = places.get(entry.state, str(entry.folder))
        made.add_row(entry.name, here if entry.folder else f"not here; {entry.how_to_get}")
    return made
