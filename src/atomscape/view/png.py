"""Pixels as a PNG file (ISO/IEC 15948): header, deflated rows, end."""

from __future__ import annotations

import struct
import zlib

import numpy as np

from atomscape.shapes import Shaped


def png(pixels: Shaped[np.ndarray, "height width 4"]) -> bytes:
    """Red, green, blue and opacity (uint8) as a PNG. Rows are kept as differences to the row above."""
    height, width, _ = pixels.shape
    rows = pixels.reshape(height, -1)
    above = np.concatenate([np.zeros((1, rows.shape[1]), dtype=np.uint8), rows[:-1]])
    filtered = np.concatenate([np.full((height, 1), 2, dtype=np.uint8), rows - above], 1)
    header = struct.pack(">IIBBBBB", width, height, 8, 6, 0, 0, 0)
    body = zlib.compress(filtered.tobytes(), 9)
    return b"\x89PNG\r\n\x1a\n" + _chunk(b"IHDR", header) + _chunk(b"IDAT", body) + _chunk(b"IEND", b"")


def _chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
