"""Some of many rows, spread over all: enough to measure on, whatever the order of the data."""

from __future__ import annotations

import torch

from atomscape.shapes import Int, Tensor


def evenly(count: int, most: int) -> Int[Tensor, " rows"]:
    """Numbers of at most ``most`` of ``count`` rows, at even distances, the first and the last among them."""
    if count <= most:
        return torch.arange(count)
    return torch.linspace(0, count - 1, most).long().clamp(max=count - 1)  # float32 may round the last one up
