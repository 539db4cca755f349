"""What the native neighbour search and its caller agree upon: steps, and sizes of the memory it works in."""

from __future__ import annotations

WRAP, COUNT, WRITE = 0, 1, 2
"""Steps: atoms are brought into their cells, edges of each centre counted, and written."""

FAR, MISPLACED = -1, -2
"""In place of a number of images: atoms that cannot be wrapped, offsets that do not ascend from 0."""

INFO = 18
"""Numbers that are kept per structure."""

PARTS, PADDING = 19, 256
"""Parts of a thread's memory; each has 8 bytes for every image of the largest structure, and some more."""

LONGEST = 1e100
"""Å from which on squares of lengths could overflow."""

MOST_IMAGES = 1 << 28
"""Images of one structure that can be numbered."""
