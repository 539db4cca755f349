"""Both ends of the edges, and the edges of each atom: those it receives by, and those it sends by.

What is found of a graph's edges serves all its layers: it is kept for as long as ``centre`` lives, and found
anew when torch has counted a write to ``centre`` or ``neighbour``. Writes that torch does not count (through
``.data``, by another library, by a CUDA graph that is replayed) want new tensors.
"""

from __future__ import annotations

from typing import NamedTuple
from weakref import ref

import torch
from torch.utils.weak import WeakIdKeyDictionary

from atomscape.ops.gpu.rows import rows
from atomscape.ops.jit.direct import listened
from atomscape.shapes import Int, Tensor

INVALID = (
    "convolution: the edges are not valid for the Triton back-end: centre must ascend (edges sorted by "
    "centre), and centre and neighbour must be rows of x; sort the edges, or force the reference"
)


class Ends(NamedTuple):
    """Edges sorted by centre; ``first`` bounds the rows of each.

    ``order`` sorts them by neighbour, ``first_sent`` then bounds the rows and ``receiver`` is the centre.
    """

    centre: Tensor
    neighbour: Tensor
    first: Tensor
    order: Tensor | None = None
    first_sent: Tensor | None = None
    receiver: Tensor | None = None

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
        mark = _mark(centre, neighbour, atoms)
        found = _recalled(centre, neighbour, mark)
        if not found:
            first, valid = rows(centre, neighbour, atoms)
            torch.ops.aten._assert_async.msg(valid.all(), INVALID)
            found = (first,)
        if sent and len(found) == 1:
            found = (*found, *_sent(centre, neighbour, atoms))
        if mark is not None:
            _KNOWN[centre] = ref(neighbour), mark, found
        # No more than was asked for, whatever is known: what a layer keeps must not depend on other layers.
        return Ends(centre, neighbour, *(found if sent else found[:1]))

    def sent(self, atoms: int) -> tuple[Int[Tensor, " edges"], Int[Tensor, " rows"], Int[Tensor, " edges"]]:
        """``order``, ``first_sent`` and ``receiver``; the sort is stable, so that sums have one order."""
        if self.order is None or self.first_sent is None or self.receiver is None:
            return _sent(self.centre, self.neighbour, atoms)
        return self.order, self.first_sent, self.receiver


_KNOWN: WeakIdKeyDictionary = WeakIdKeyDictionary()
"""For each ``centre``: its ``neighbour``, the state of both, and what was found; it must not hold either."""


def _sent(centre: Tensor, neighbour: Tensor, atoms: int) -> tuple[Tensor, Tensor, Tensor]:
    sender, order = torch.sort(neighbour.to(torch.int32), stable=True)
    return order, rows(sender, sender, atoms)[0], centre.index_select(0, order)


def _mark(centre: Tensor, neighbour: Tensor, atoms: int) -> tuple[int, ...] | None:
    """State in which what was found holds; None where nothing may be kept."""
    if torch.compiler.is_compiling() or listened() or torch.is_inference_mode_enabled():
        return None
    if not (_plain(centre) and _plain(neighbour)):
        return None
    stream = 0
    if centre.device.type == "cuda":
        if torch.cuda.is_current_stream_capturing():
            return None
        stream = torch.cuda.current_stream(centre.device).cuda_stream
    elif centre.device.type != "cpu":
        return None
    states = (t._version for t in (centre, neighbour)), (t.data_ptr() for t in (centre, neighbour))
    return *(number for state in states for number in state), atoms, stream


def _plain(tensor: Tensor) -> bool:
    """Whether it is known when it is written to."""
    return type(tensor) is Tensor and not tensor.is_inference()


def _recalled(centre: Tensor, neighbour: Tensor, mark: tuple[int, ...] | None) -> tuple[Tensor, ...]:
    if mark is None or centre not in _KNOWN:
        return ()
    other, before, found = _KNOWN[centre]
    return found if other() is neighbour and before == mark else ()
