#!/usr/bin/env python3
"""AnomalyDINO's scores computed without this library: numpy, OpenCV and PyTorch.

    peer_anomalydino.py REFERENCE_FOLDER CHECKPOINT EDGE ROTATIONS REFERENCES TESTS < RESULTS

REFERENCE_FOLDER holds reference_vit.py, a transformer in PyTorch with load(path) and ViT(weights, heads, offset=...).
REFERENCES and TESTS are comma-separated pictures; RESULTS what `dinopatch inspect --json` printed for TESTS with a bank of REFERENCES
(--method anomalydino --edge EDGE --rotations ROTATIONS).  Prints both scores of each picture and the largest relative difference,
once with the resized picture rounded to 8 bits (Pillow, as the public code has it) and once unrounded (torch's interpolate).
Ends with 1 where the first exceeds 1e-3.
"""
import json
import sys

import cv2
import numpy as np
import torch


def cubic(x, a=-0.5):
    x = abs(x)
    if x < 1:
        return ((a + 2) * x - (a + 3)) * x * x + 1
    return (((x - 5) * x + 8) * x - 4) * a if x < 2 else 0.0


def matrix(n_in, n_out):
    scale = n_in / n_out
    stretch = max(scale, 1)
    m = np.zeros((n_out, n_in))
    for i in range(n_out):
        centre = (i + 0.5) * scale
        low = max(int(centre - 2 * stretch + 0.5), 0)
        high = min(int(centre + 2 * stretch + 0.5), n_in)
        w = np.array([cubic((j - centre + 0.5) / stretch) for j in range(low, high)])
        m[i, low:high] = w / w.sum()
    return m


def to_8bit(x):
    return np.clip(np.floor(x + 0.5), 0, 255)


def resize(picture, edge, rounded):
    h, w = picture.shape[:2]
    size = (int(edge * h / w), edge) if w <= h else (edge, int(edge * w / h))
    if not rounded:
        t = torch.from_numpy(picture).permute(2, 0, 1)[None].float()
        return torch.nn.functional.interpolate(t, size=size, mode='bicubic', antialias=True)[0].permute(1, 2, 0).numpy()
    across = to_8bit(np.tensordot(picture.astype(float), matrix(w, size[1]), (1, 1)).swapaxes(1, 2))
    return to_8bit(np.tensordot(matrix(h, size[0]), across, 1))


def main():
    folder, checkpoint, edge, rotations, references, tests = sys.argv[1:7]
    sys.path.insert(0, folder)
    import reference_vit
    edge, rotations = int(edge), int(rotations)
    weights, meta = reference_vit.load(checkpoint)
    vit = reference_vit.ViT(weights, heads=int(meta['heads']) if 'heads' in meta else None, offset=float(meta.get('offset', 0)))
    results = {r['input']: r['score'] for r in map(json.loads, sys.stdin)}

    def tokens(picture, rounded):
        x = resize(picture, edge, rounded)
        h, w = (s // vit.patch * vit.patch for s in x.shape[:2])
        x = (x[:h, :w] / 255 - [0.485, 0.456, 0.406]) / [0.229, 0.224, 0.225]
        with torch.inference_mode():
            t = vit.forward(torch.from_numpy(x.transpose(2, 0, 1)[None].astype(np.float32)))[0].numpy()
        return t / np.linalg.norm(t, axis=1, keepdims=True)

    def read(path):
        return cv2.cvtColor(cv2.imread(path, cv2.IMREAD_COLOR), cv2.COLOR_BGR2RGB)

    def turned(picture, k):
        if k == 0 and rotations == 1:
            return picture
        size = picture.shape[1::-1]
        m = cv2.getRotationMatrix2D((size[0] / 2, size[1] / 2), 45 * k, 1.0)
        return cv2.warpAffine(picture, m, size, flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_DEFAULT)

    worst = {}
    for rounded in (True, False):
        memory = np.concatenate([tokens(turned(read(p), k), rounded) for p in references.split(',') for k in range(rotations)])
        worst[rounded] = 0
        for path in tests.split(','):
            t = tokens(read(path), rounded)
            d = 1 - (t @ memory.T).max(axis=1)
            score = np.sort(d)[::-1][:max(len(d) // 100, 1)].mean()
            difference = abs(score - results[path]) / score
            worst[rounded] = max(worst[rounded], difference)
            print(f'{path}  {"8 bit" if rounded else "float"}  peer {score:.9f}  dinopatch {results[path]:.9f}  relative {difference:.2e}')
    print(f'largest relative difference: {worst[True]:.2e} rounded, {worst[False]:.2e} not rounded')
    return worst[True] > 1e-3


if __name__ == '__main__':
    sys.exit(main())
