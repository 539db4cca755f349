"""The mark of constants is the one that torch sets, and models load without torch's compiler."""

from __future__ import annotations

import subprocess
import sys

import torch

from atomscape.ops.traced import constant_when_traced


def test_the_mark_is_that_of_torch():
    def ours() -> int:
        return 1

    def theirs() -> int:
        return 1

    assert vars(constant_when_traced(ours)) == vars(torch.compiler.assume_constant_result(theirs))


def test_a_model_can_be_loaded_without_the_compiler():
    """Nor the machinery of several processes: both take longer to import than a small model to train."""
    slow = ("torch._dynamo", "torch.distributed.fsdp", "accelerate")
    code = f"import sys, atomscape.learn.checkpoint; print([m for m in {slow} if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
