#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Golden data of the residual networks: a checkpoint of random weights and random batch-norm statistics, and what PatchCore's
published procedure makes of a picture with it, computed by PyTorch in float64.  Not run by the tests.

    make_resnet.py FOLDER                 the small files of tests/golden/resnet
    make_resnet.py --check DINOPATCH      the three full-size architectures against the program, on the fly
"""
import json, os, struct, subprocess, sys, tempfile
import numpy as np
import torch
import torch.nn.functional as F

MEAN, DEV = torch.tensor([0.485, 0.456, 0.406]), torch.tensor([0.229, 0.224, 0.225])


def save(path, tensors, metadata=None):
    header, at = ({"__metadata__": metadata} if metadata else {}), 0
    for name, a in tensors.items():
        header[name] = {"dtype": {"float32": "F32", "uint8": "U8", "int64": "I64"}[str(a.dtype)], "shape": list(a.shape),
                        "data_offsets": [at, at + a.nbytes]}
        at += a.nbytes
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    with open(path, "wb") as f:
        f.write(struct.pack("<Q", len(text)) + text)
        for a in tensors.values():
            f.write(np.ascontiguousarray(a).tobytes())


def load_tokens(path):
    with open(path, "rb") as f:
        header = json.loads(f.read(struct.unpack("<Q", f.read(8))[0]))
        return np.frombuffer(f.read(), np.float32).reshape(header["tokens"]["shape"])


def weights(blocks, stem, width, out, bottleneck, seed):
    rng, w = np.random.default_rng(seed), {}

    def conv(n_in, n_out, side, name, norm, gain=1.0):
        w[name + ".weight"] = (rng.standard_normal((n_out, n_in, side, side)) * (2 / (n_in * side * side)) ** 0.5).astype(np.float32)
        w[norm + ".weight"] = (gain * rng.uniform(0.5, 1.5, n_out)).astype(np.float32)
        w[norm + ".bias"] = (0.2 * rng.standard_normal(n_out)).astype(np.float32)
        w[norm + ".running_mean"] = (0.3 * rng.standard_normal(n_out)).astype(np.float32)
        w[norm + ".running_var"] = rng.uniform(0.5, 2, n_out).astype(np.float32)
        w[norm + ".num_batches_tracked"] = np.array(1234567, np.int64)

    conv(3, stem, 7, "conv1", "bn1")
    channels = stem
    for layer in range(4):
        for b in range(blocks[layer]):
            p, wd, o = f"layer{layer + 1}.{b}.", width << layer, out << layer
            if bottleneck:
                conv(channels, wd, 1, p + "conv1", p + "bn1")
                conv(wd, wd, 3, p + "conv2", p + "bn2")
                conv(wd, o, 1, p + "conv3", p + "bn3", 0.4)
            else:
                conv(channels, wd, 3, p + "conv1", p + "bn1")
                conv(wd, o, 3, p + "conv2", p + "bn2", 0.4)
            if b == 0 and (layer or channels != o):
                conv(channels, o, 1, p + "downsample.0", p + "downsample.1")
            channels = o
    w["fc.weight"] = rng.standard_normal((10, channels)).astype(np.float32)
    w["fc.bias"] = np.zeros(10, np.float32)
    return w


def features(w, blocks, bottleneck, rgb, layers):
    t = {k: torch.from_numpy(np.asarray(v)).double() for k, v in w.items()}

    def conv(x, name, norm, stride):
        k = t[name + ".weight"]
        x = F.conv2d(x, k, stride=stride, padding=k.shape[-1] // 2)
        return F.batch_norm(x, t[norm + ".running_mean"], t[norm + ".running_var"], t[norm + ".weight"], t[norm + ".bias"], eps=1e-5)

    x = (torch.from_numpy(rgb).double() / 255 - MEAN.double()) / DEV.double()
    x = F.max_pool2d(F.relu(conv(x.permute(2, 0, 1)[None], "conv1", "bn1", 2)), 3, 2, 1)
    patches = []
    for layer in range(1, 5):
        for b in range(blocks[layer - 1]):
            p, stride = f"layer{layer}.{b}.", 2 if layer > 1 and b == 0 else 1
            if bottleneck:
                y = F.relu(conv(x, p + "conv1", p + "bn1", 1))
                y = conv(F.relu(conv(y, p + "conv2", p + "bn2", stride)), p + "conv3", p + "bn3", 1)
            else:
                y = conv(F.relu(conv(x, p + "conv1", p + "bn1", stride)), p + "conv2", p + "bn2", 1)
            short = conv(x, p + "downsample.0", p + "downsample.1", stride) if p + "downsample.0.weight" in w else x
            x = F.relu(y + short)
        if layer in layers:
            patches.append((F.unfold(x, 3, padding=1)[0].reshape(-1, *x.shape[2:]), x.shape[2:]))  # [C * 9, h, w]
    grid, sides = patches[0][1], []
    for values, _ in patches:
        values = values if values.shape[1:] == grid else F.interpolate(values[None], size=tuple(grid), mode="bilinear", align_corners=False)[0]
        cells = values.reshape(values.shape[0], -1).T  # [cells, C * 9]
        sides.append(F.adaptive_avg_pool1d(cells[:, None], 1024)[:, 0])
    tokens = F.adaptive_avg_pool1d(torch.cat(sides, 1)[:, None], 1024)[:, 0]
    return tokens.reshape(*grid, 1024).numpy()


def picture(height, width, seed):
    rng = np.random.default_rng(seed)
    smooth = np.kron(rng.uniform(0, 255, (height // 8 + 1, width // 8 + 1, 3)), np.ones((8, 8, 1)))[:height, :width]
    return np.clip(smooth + rng.normal(0, 20, smooth.shape), 0, 255).astype(np.uint8)


def check(program):
    import cv2
    for name, blocks, width, out, bottleneck in (("resnet18", (2, 2, 2, 2), 64, 64, False), ("resnet50", (3, 4, 6, 3), 64, 256, True),
                                                  ("wide_resnet50_2", (3, 4, 6, 3), 128, 256, True)):
        w = weights(blocks, 64, width, out, bottleneck, 7)
        with tempfile.TemporaryDirectory() as folder:
            save(folder + "/net.safetensors", w)
            for height, wide in ((224, 224), (200, 328)):
                rgb = picture(height, wide, 3)
                cv2.imwrite(folder + "/p.png", rgb[:, :, ::-1])
                for layers in ((2, 3), (2,), (2, 3, 4)):
                    subprocess.run([program, "embed", "--model", folder + "/net.safetensors", "--size", f"{height}x{wide}", "--layers",
                                    ",".join(map(str, layers)), "--out", folder + "/t.safetensors", folder + "/p.png"], check=True)
                    have, want = load_tokens(folder + "/t.safetensors"), features(w, blocks, bottleneck, rgb, layers)
                    print(f"{name} {height}x{wide} layers {layers}: largest difference {np.abs(have - want).max():.2g}, "
                          f"root mean square of the features {np.sqrt((want ** 2).mean()):.3g}", flush=True)


def main():
    if sys.argv[1] == "--check":
        return check(sys.argv[2])
    os.makedirs(sys.argv[1], exist_ok=True)
    for name, bottleneck, out in (("basic", False, 8), ("bottleneck", True, 16)):
        blocks = (2, 1, 2, 1)
        w = weights(blocks, 8, 8, out, bottleneck, 11)
        save(f"{sys.argv[1]}/{name}.safetensors", w)
        rgb = picture(56, 88, 5)
        golden = {"rgb_u8": rgb}
        for layers in ((2, 3), (2,), (2, 3, 4)):
            tokens = features(w, blocks, bottleneck, rgb, layers)
            golden["tokens" + "".join(map(str, layers))] = tokens.reshape(-1, 1024)[::5].astype(np.float32)  # every fifth cell
        save(f"{sys.argv[1]}/{name}.56x88.safetensors", golden)


main()
