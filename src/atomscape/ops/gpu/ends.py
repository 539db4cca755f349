"""Both ends of the edges, and the edges of each atom: those it receives by, and those it sends by."""

from __future__ import annotations

from typing import NamedTuple

import torch

from atomscape.ops.gpu.rows import rows
from atomscape.shapes import Int, Tensor

INVALID = (
    "convolution: the edges are not valid for the Triton back-end: centre must ascend (edges sorted by "
    "centre), and centre and neighbour must be rows of x; sort the edges, or force the reference"
)


class Ends(NamedTuple):
    """Edges sorted by centre; ``order`` sorts them by neighbour; ``first`` and ``first_sent`` bound rows."""

    centre: Tensor
    neighbour: Tensor
    first: Tensor
    order: Tensor | None = None
    first_sent: Tensor | None = None

    @staticmethod
    def of(
        centre: Int[Tensor, " edges"], neighbour: Int[Tensor, " edges"], atoms: int, sent: bool = False
    ) -> Ends:
        """Find the rows by centre (and, if ``sent``, by neighbour) and check the edges.

        Nothing waits for the device.

        Raises
        ------
        RuntimeError
            The edges are not sorted by centre, or an end is no atom; on a GPU it is the device that raises.
        """
        first, valid = rows(centre, neighbour, atoms)
        torch.ops.aten._assert_async.msg(valid.all(), INVALID)
        ends = Ends(centre, neighbour, first)
        return Ends(centre, neighbour, first, *ends.sent(atoms)) if sent else ends

    def sent(self, atoms: int) -> tuple[Int[Tensor, " edges"], Int[Tensor, " rows"]]:
        """``order`` and ``first_sent``; the sort is stable, so that sums have one order."""
        if self.order is not None and self.first_sent is not None:
            return self.order, self.first_sent
        sender, order = torch.sort(self.neighbour.to(torch.int32), stable=True)
        return order, rows(sender, sender, atoms)[0]
