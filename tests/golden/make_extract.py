#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Golden data of src/extract in float64 with NumPy: means over neighbours, grids brought to another size, statistics of features and what
they make of layers.  Not run by the tests.

    make_extract.py FILE
"""
import json
import struct
import sys

import numpy as np


def mean_3x3(x):
    padded = np.pad(x, ((1, 1), (1, 1), (0, 0)))
    return sum(padded[i:i + x.shape[0], j:j + x.shape[1]] for i in range(3) for j in range(3)) / 9


def resample(x, rows, cols):
    def axis(n, m):
        p = np.maximum((np.arange(n) + 0.5) * m / n - 0.5, 0)
        first = np.minimum(p.astype(int), m - 1)
        return first, np.minimum(first + 1, m - 1), p - first

    a, b, s = axis(rows, x.shape[0])
    x = x[a] * (1 - s)[:, None, None] + x[b] * s[:, None, None]
    a, b, s = axis(cols, x.shape[1])
    return x[:, a] * (1 - s)[:, None] + x[:, b] * s[:, None]


def standard(x, dims):
    """x [cells, dim] -> the same, normalised layer by layer."""
    out, at = [], 0
    for dim in dims:
        layer = x[:, at:at + dim]
        deviation = layer.std(0)
        deviation = np.maximum(deviation, 1e-3 * np.median(deviation))
        z = (layer - layer.mean(0)) / deviation
        out.append(z / np.sqrt((z ** 2).sum(1).mean()))
        at += dim
    return np.concatenate(out, 1)


def rms(x, dims):
    out, at = [], 0
    for dim in dims:
        layer = x[:, at:at + dim]
        out.append(layer / np.sqrt((layer ** 2).sum(1).mean()))
        at += dim
    return np.concatenate(out, 1)


rng = np.random.default_rng(5)
dims = [7, 6, 4]
cells = rng.normal(0, 1, (60, sum(dims))) * np.exp(rng.normal(0, 1, sum(dims)))
cells[:, 2] = 4000 + 0.5 * cells[:, 2]  # a massive activation
cells[:, 8] = 3 + 1e-6 * cells[:, 8]    # a channel that hardly moves: the floor
cells[:, 15] = -2                       # and one that does not at all
cells = cells.astype(np.float32).astype(np.float64)
grid, small = rng.normal(0, 1, (5, 7, 3)).astype(np.float32), rng.normal(0, 1, (3, 4, 2)).astype(np.float32)
tensors = {"grid": grid, "grid_mean": mean_3x3(grid.astype(np.float64)), "small": small,
           "small_6x8": resample(small.astype(np.float64), 6, 8), "small_5x7": resample(small.astype(np.float64), 5, 7),
           "small_2x3": resample(small.astype(np.float64), 2, 3), "cells": cells, "standard": standard(cells, dims), "rms": rms(cells, dims),
           "mean": cells.mean(0), "square": ((cells - cells.mean(0)) ** 2).sum(0)}
header, at, data = {}, 0, b""
for name, a in tensors.items():
    kind = "F64" if name in ("mean", "square") else "F32"
    a = np.ascontiguousarray(a, np.float64 if kind == "F64" else np.float32)
    header[name] = {"dtype": kind, "shape": list(a.shape), "data_offsets": [at, at + a.nbytes]}
    at += a.nbytes
    data += a.tobytes()
text = json.dumps(header).encode()
text += b" " * (-len(text) % 8)
with open(sys.argv[1], "wb") as f:
    f.write(struct.pack("<Q", len(text)) + text + data)
