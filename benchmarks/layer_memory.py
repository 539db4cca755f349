"""Memory that one force-training step needs; ``layer.py`` starts this once per side.

A step on a small crystal first, so that code, kernels and pools are there; then the resident set before, and
its highest value during, a step on the full one. Linux only: the peak is reset through ``/proc``.
"""

from __future__ import annotations

import ctypes
import gc
import json
import sys
from pathlib import Path

import torch
from layer_sides import VARIANTS, System, crystal, for_e3nn, of_e3nn, training_step

from atomscape.ops.allocator import keep_freed_memory


def step(side: str, system: System) -> None:
    """One step of one side."""
    if side == "e3nn":
        system = for_e3nn(system)
        training_step(of_e3nn(system), system.leaves, system.target)
    else:
        training_step(VARIANTS[side](system), system.leaves, system.target)


def resident(which: str) -> int:
    """Bytes of a line of ``/proc/self/status``: VmRSS now, VmHWM at its highest."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return 1024 * next(int(line.split()[1]) for line in lines if line.startswith(which))


def main() -> None:
    """Measure and print."""
    side, l_max, channels, repeat = sys.argv[1], *map(int, sys.argv[2:])
    torch.set_num_threads(1)
    keep_freed_memory()
    step(side, System.make(l_max, channels, crystal((2, 2, 2))))
    system = System.make(l_max, channels, crystal((4, 5, 5) if repeat == 4 else (repeat,) * 3))
    gc.collect()
    ctypes.CDLL(None).malloc_trim(0)
    before = resident("VmRSS")
    Path("/proc/self/clear_refs").write_text("5")
    step(side, system)
    print(json.dumps({"rise": resident("VmHWM") - before, "before": before}))


if __name__ == "__main__":
    main()
