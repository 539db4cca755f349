"""Segment reductions: rows that share an index are summed or averaged."""

from __future__ import annotations

import torch

from atomscape.ops.op import Op
from atomscape.shapes import Float, Int, Tensor


@Op
def segment_sum(
    values: Float[Tensor, "rows *rest"], index: Int[Tensor, " rows"], size: int
) -> Float[Tensor, "size *rest"]:
    """Sum of the rows of each segment: ``out[i] = Σ_{index[r] = i} values[r]``; empty segments give zero."""
    return values.new_zeros(size, *values.shape[1:]).index_add(0, index, values)


def segment_mean(
    values: Float[Tensor, "rows *rest"], index: Int[Tensor, " rows"], size: int
) -> Float[Tensor, "size *rest"]:
    """Mean of the rows of each segment; empty segments give zero."""
    count = index.new_zeros(size).index_add(0, index, torch.ones_like(index)).clamp(min=1)
    total = segment_sum(values, index, size)
    return total / count.to(values.dtype).view(-1, *[1] * (values.dim() - 1))


@Op
def segment_softmax(
    scores: Float[Tensor, "rows *rest"], index: Int[Tensor, " rows"], size: int
) -> Float[Tensor, "rows *rest"]:
    """Softmax over the rows of each segment, shifted by the segment's maximum so that it cannot overflow."""
    where = index.view(-1, *[1] * (scores.dim() - 1)).expand_as(scores)
    top = scores.detach().new_full((size, *scores.shape[1:]), -float("inf"))
    top = top.scatter_reduce(0, where, scores.detach(), "amax")
    weight = (scores - top[index]).exp()
    return weight / segment_sum(weight, index, size)[index]
