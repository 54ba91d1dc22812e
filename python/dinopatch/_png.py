# SPDX-License-Identifier: Apache-2.0
"""PNG files, and the colours of heat maps."""

from __future__ import annotations

import struct
import zlib
from typing import Any

import numpy as np
import numpy.typing as npt

# From nothing over blue, violet and red to yellow: [n, 4] position, red, green, blue.
_STOPS = np.array([[0, 0, 0, 40], [0.25, 40, 10, 140], [0.5, 190, 30, 120], [0.75, 250, 110, 30], [1, 255, 245, 120]], float)


def encode(rgb: npt.NDArray[np.uint8]) -> bytes:
    """[height, width, 3] as a PNG file."""
    height, width = rgb.shape[:2]
    rows = np.zeros((height, 1 + 3 * width), np.uint8)  # each row begins with its filter: none
    rows[:, 1:] = rgb.reshape(height, -1)

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    body = zlib.compress(rows.tobytes(), 6)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", body) + chunk(b"IEND", b"")


def colours(distances: npt.NDArray[Any], low: float, high: float) -> npt.NDArray[np.uint8]:
    """[height, width] -> [height, width, 3]; low becomes the first colour, high the last."""
    share = np.clip((distances - low) / max(high - low, 1e-30), 0, 1)
    return np.stack([np.interp(share, _STOPS[:, 0], _STOPS[:, c]) for c in (1, 2, 3)], axis=-1).round().astype(np.uint8)


def overlay(picture: npt.NDArray[Any], distances: npt.NDArray[Any], low: float, high: float) -> npt.NDArray[np.uint8]:
    """The heat map over the gray picture: [height, width, 3]."""
    gray = picture.astype(np.float64)
    if picture.dtype == np.uint16:
        gray *= 255 / max(float(picture.max(initial=1)), 1.0)
    if gray.ndim == 3:
        gray = gray.mean(axis=2)
    share = np.clip((distances - low) / max(high - low, 1e-30), 0, 1)[..., None] * 0.75
    mixed: npt.NDArray[Any] = gray[..., None] * (1 - share) + colours(distances, low, high) * share
    return mixed.round().astype(np.uint8)


def box(rgb: npt.NDArray[np.uint8], x0: float, y0: float, x1: float, y1: float) -> None:
    """Draws the frame of a box; x1 and y1 are one past the last pixel."""
    height, width = rgb.shape[:2]
    thick = max(1, round(min(height, width) / 200))
    left, top, right, bottom = (int(v) for v in (max(x0, 0), max(y0, 0), min(x1, width), min(y1, height)))
    for area in (rgb[top : top + thick, left:right], rgb[max(bottom - thick, top) : bottom, left:right],
                 rgb[top:bottom, left : left + thick], rgb[top:bottom, max(right - thick, left) : right]):
        area[...] = (0, 255, 90)


def side_by_side(a: npt.NDArray[Any], at_a: tuple[float, float], b: npt.NDArray[Any], at_b: tuple[float, float], size: float) -> npt.NDArray[np.uint8]:
    """Squares of two pictures round two places, twice as wide as size, with a white gap; what lies outside is black."""
    half = max(24, round(size))
    drawn = np.full((2 * half, 4 * half + max(2, half // 12), 3), 255, np.uint8)
    for picture, (x, y), left in ((a, at_a, 0), (b, at_b, drawn.shape[1] - 2 * half)):
        square = np.zeros((2 * half, 2 * half, 3), np.uint8)
        x0, y0 = round(x) - half, round(y) - half
        top, bottom = max(y0, 0), min(y0 + 2 * half, picture.shape[0])
        first, last = max(x0, 0), min(x0 + 2 * half, picture.shape[1])
        if top < bottom and first < last:
            part = picture[top:bottom, first:last].astype(np.float64)
            if picture.dtype == np.uint16:
                part *= 255 / max(float(picture.max(initial=1)), 1.0)
            square[top - y0 : bottom - y0, first - x0 : last - x0] = part if part.ndim == 3 else part[..., None]
        drawn[:, left : left + 2 * half] = square
    return drawn
