# SPDX-License-Identifier: Apache-2.0
"""The automatic recipe of a transformer against a plain NumPy reference, on photographs."""

import json
import struct
from pathlib import Path

import numpy as np
import pytest
from conftest import test_data
from PIL import Image

DATA = test_data("vit_tiny16.safetensors", "aliens")
PATCH, HEADS = 16, 3


def checkpoint(path):
    """The tensors of a safetensors file, by name."""
    raw = Path(path).read_bytes()
    size, = struct.unpack("<Q", raw[:8])
    header = json.loads(raw[8:8 + size])
    header.pop("__metadata__", None)
    return {name: np.frombuffer(raw, np.float32, int(np.prod(t["shape"])), 8 + size + t["data_offsets"][0]).reshape(t["shape"])
            for name, t in header.items()}


def bicubic(side, n):
    """[n, side] weights of torch's interpolate: bicubic, no antialias, half-pixel centres."""
    out = np.zeros((n, side))
    for i in range(n):
        at = (i + 0.5) * side / n - 0.5
        for k in range(int(np.floor(at)) - 1, int(np.floor(at)) + 3):
            d = abs(at - k)
            out[i, min(max(k, 0), side - 1)] += (1.25 * d - 2.25) * d * d + 1 if d <= 1 else ((-0.75 * d + 3.75) * d - 6) * d + 3
    return out


def norm(x, weight, bias):
    x = x - x.mean(-1, keepdims=True)
    return x / np.sqrt((x * x).mean(-1, keepdims=True) + 1e-6) * weight + bias


def erf(x):
    """Abramowitz and Stegun 7.1.26: within 1.5e-7."""
    t = 1 / (1 + 0.3275911 * np.abs(x))
    return np.sign(x) * (1 - ((((1.061405429 * t - 1.453152027) * t + 1.421413741) * t - 0.284496736) * t + 0.254829592) * t * np.exp(-x * x))


def residuals(w, rgb, blocks):
    """The residual stream of the cells of rgb [H, W, 3] after the blocks (from 1), side by side: [rows, cols, dim]."""
    rows, cols = rgb.shape[0] // PATCH, rgb.shape[1] // PATCH
    x = (rgb / 255 - [0.485, 0.456, 0.406]) / [0.229, 0.224, 0.225]
    x = x.reshape(rows, PATCH, cols, PATCH, 3).transpose(0, 2, 4, 1, 3).reshape(rows * cols, -1).astype(np.float32)
    x = x @ w["embeddings.patch_embeddings.projection.weight"].reshape(-1, x.shape[1]).T + w["embeddings.patch_embeddings.projection.bias"]
    place = w["embeddings.position_embeddings"][0]
    side, dim = int(round((len(place) - 1) ** 0.5)), x.shape[1]
    grid = np.einsum("ri,cj,ijd->rcd", bicubic(side, rows), bicubic(side, cols), place[1:].reshape(side, side, dim))
    x = np.concatenate([w["embeddings.cls_token"][0] + place[:1], x + grid.reshape(-1, dim)]).astype(np.float32)
    out = []
    for b in range(max(blocks)):
        at = lambda name, y: y @ w[f"encoder.layer.{b}.{name}.weight"].T + w[f"encoder.layer.{b}.{name}.bias"]  # noqa: E731
        named = lambda name: (w[f"encoder.layer.{b}.{name}.weight"], w[f"encoder.layer.{b}.{name}.bias"])  # noqa: E731
        y = norm(x, *named("norm1"))
        q, k, v = (at(f"attention.attention.{n}", y).reshape(len(x), HEADS, -1).transpose(1, 0, 2) for n in ("query", "key", "value"))
        a = q @ k.transpose(0, 2, 1) / np.sqrt(q.shape[2])
        a = np.exp(a - a.max(-1, keepdims=True))
        y = (a / a.sum(-1, keepdims=True) @ v).transpose(1, 0, 2).reshape(len(x), -1)
        x = x + w[f"encoder.layer.{b}.layer_scale1.lambda1"] * at("attention.output.dense", y)
        y = at("mlp.fc1", norm(x, *named("norm2")))
        y = (y * 0.5 * (1 + erf(y / np.sqrt(2)))).astype(np.float32)
        x = (x + w[f"encoder.layer.{b}.layer_scale2.lambda1"] * at("mlp.fc2", y)).astype(np.float32)
        if b + 1 in blocks:
            out.append(x[1:].reshape(rows, cols, -1))
    return np.concatenate(out, -1)


def reference(w, good, new, blocks, side=256):
    """Scores of new pictures, after the recipe of docs/method.md, section 4."""
    first = Image.open(good[0])
    width, height = (max(1, round(v * side / min(first.size) / PATCH)) * PATCH for v in first.size)
    load = lambda p: np.asarray(Image.open(p).convert("RGB").resize((width, height), Image.BICUBIC), float)  # noqa: E731
    x = np.stack([residuals(w, load(p), blocks) for p in [*good, *new]])
    n, dim = len(good), x.shape[-1] // len(blocks)
    mean, spread = x[:n].mean((0, 1, 2)), x[:n].std((0, 1, 2))
    for layer in range(len(blocks)):
        part = slice(layer * dim, (layer + 1) * dim)
        z = (x[..., part] - mean[part]) / np.maximum(spread[part], 1e-3 * np.median(spread[part]))
        x[..., part] = z / np.sqrt((z[:n] ** 2).sum(-1).mean())
    rows, cols = x.shape[1:3]
    best = np.full((len(new), rows, cols), np.inf)
    square = (x ** 2).sum(-1)
    for r in range(rows):
        for c in range(cols):
            for y in range(max(r - 1, 0), min(r + 2, rows)):
                for z in range(max(c - 1, 0), min(c + 2, cols)):
                    d = square[n:, r, c, None] + square[None, :n, y, z] - 2 * x[n:, r, c] @ x[:n, y, z].T
                    best[:, r, c] = np.minimum(best[:, r, c], d.min(1))
    d = np.sort(np.sqrt(np.maximum(best, 0)).reshape(len(new), -1), 1)
    return d[:, -max(1, rows * cols // 100):].mean(1)


@pytest.mark.skipif(not DATA, reason="DINOPATCH_TEST_DATA names no folder with vit_tiny16.safetensors and the photographs aliens")
def test_the_recipe_of_a_transformer(dp):
    model, aliens = Path(DATA) / "vit_tiny16.safetensors", Path(DATA) / "aliens"
    good, bad = (sorted(aliens.glob(p)) for p in ("train/good/*", "test/defect/*"))
    good, new = good[::2], [*sorted(aliens.glob("test/good/*")), *bad[::3]]  # the reference takes its time
    dp.run("fit", "--quiet", "--model", model, "--align", "none", "--out", "a.bank", *good, code=0, timeout=300)
    told = {p["input"]: p["score"] for p in dp.run("inspect", "--quiet", "--bank", "a.bank", "--json", *new, code=0, timeout=300).pictures}
    expected = reference(checkpoint(model), good, new, (3, 6, 9))
    found = np.array([told[str(p)] for p in new])
    assert np.corrcoef(found, expected)[0, 1] > 0.995
    bad = np.array([p.parent.name != "good" for p in new])
    auroc = [((s[bad][:, None] > s[~bad]) + 0.5 * (s[bad][:, None] == s[~bad])).mean() for s in (found, expected)]
    assert auroc[0] == pytest.approx(auroc[1], abs=0.01), auroc
