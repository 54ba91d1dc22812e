#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Writes a checkpoint with Hugging Face names as an ONNX model of one input size, as a peer for timing.

needs: python3-torch, python3-numpy.   usage: export_onnx.py WEIGHTS.safetensors SIZE OUT.onnx
The position embedding is interpolated for the size and baked in.  MLP checkpoints without registers only."""
import json
import struct
import sys

import numpy as np
import torch
import torch.nn.functional as F


def load(path):
    with open(path, "rb") as file:
        (length,) = struct.unpack("<Q", file.read(8))
        header = json.loads(file.read(length))
        data = file.read()
    header.pop("__metadata__", None)
    tensors = {}
    for name, entry in header.items():
        begin, end = entry["data_offsets"]
        assert entry["dtype"] == "F32", name
        array = np.frombuffer(data[begin:end], np.float32).reshape(entry["shape"])
        tensors[name] = torch.from_numpy(array.copy())
    return tensors


class Transformer(torch.nn.Module):
    def __init__(self, weights, size):
        super().__init__()
        self.w = weights
        self.dim = weights["embeddings.cls_token"].shape[-1]
        self.depth = 1 + max(int(k.split(".")[2]) for k in weights if k.startswith("encoder.layer."))
        patch = weights["embeddings.patch_embeddings.projection.weight"].shape[-1]
        grid, position = size // patch, weights["embeddings.position_embeddings"]
        side = int((position.shape[1] - 1) ** 0.5)
        cells = position[:, 1:].reshape(1, side, side, self.dim).permute(0, 3, 1, 2)
        if grid != side:
            factor = (grid + 0.1) / side
            cells = F.interpolate(cells, scale_factor=(factor, factor), mode="bicubic")
        cells = cells.permute(0, 2, 3, 1).reshape(1, grid * grid, self.dim)
        self.position = torch.cat([position[:, :1], cells], 1)
        self.patch = patch

    def linear(self, x, name):
        return F.linear(x, self.w[name + ".weight"], self.w[name + ".bias"])

    def norm(self, x, name):
        return F.layer_norm(x, (self.dim,), self.w[name + ".weight"], self.w[name + ".bias"], 1e-6)

    def forward(self, x):
        w, projection = self.w, "embeddings.patch_embeddings.projection"
        x = F.conv2d(x, w[projection + ".weight"], w[projection + ".bias"], stride=self.patch)
        x = torch.cat([w["embeddings.cls_token"], x.flatten(2).transpose(1, 2)], 1) + self.position
        for i in range(self.depth):
            p = f"encoder.layer.{i}."
            h = self.norm(x, p + "norm1")
            q, k, v = (
                self.linear(h, f"{p}attention.attention.{n}").reshape(1, -1, self.dim // 64, 64).transpose(1, 2)
                for n in ("query", "key", "value")
            )
            a = ((q * 0.125) @ k.transpose(-1, -2)).softmax(-1) @ v
            a = self.linear(a.transpose(1, 2).reshape(1, -1, self.dim), p + "attention.output.dense")
            x = x + a * w[p + "layer_scale1.lambda1"]
            h = self.linear(F.gelu(self.linear(self.norm(x, p + "norm2"), p + "mlp.fc1")), p + "mlp.fc2")
            x = x + h * w[p + "layer_scale2.lambda1"]
        return self.norm(x, "layernorm")[:, 1:]


if __name__ == "__main__":
    side = int(sys.argv[2])
    torch.onnx.export(Transformer(load(sys.argv[1]), side), torch.zeros(1, 3, side, side), sys.argv[3], input_names=["x"],
                      output_names=["y"], opset_version=16, do_constant_folding=True)
