"""Native code that copies many short ranges of memory, scattered over mapped files, into one batch."""

from __future__ import annotations

from atomscape.ops.jit.scalar import bytes_at, longs, native


@native
def program(args, thread, threads):
    """Copy range after range. ``args``: addresses of (from, to, bytes) of each range, number of ranges."""
    source, target, size = longs(args[0]), longs(args[1]), longs(args[2])
    for i in range(args[3] * thread // threads, args[3] * (thread + 1) // threads):
        words = size[i] // 8
        there, here = longs(source[i]), longs(target[i])
        for k in range(words):
            here[k] = there[k]
        last, place = bytes_at(source[i] + 8 * words), bytes_at(target[i] + 8 * words)
        for k in range(size[i] - 8 * words):
            place[k] = last[k]
