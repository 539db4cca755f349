"""Which weights a network has: one number for all of them.

This file is read by the interpreters of other packages too, and needs torch only.
"""

from __future__ import annotations

import hashlib

import torch


def sha256(network: torch.nn.Module) -> str:
    """SHA-256 of all that a network keeps, by name, in single precision."""
    digest = hashlib.sha256()
    for name, value in sorted(network.state_dict().items()):
        digest.update(name.encode() + value.detach().cpu().float().contiguous().numpy().tobytes())
    return digest.hexdigest()
