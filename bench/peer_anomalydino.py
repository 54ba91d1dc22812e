#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""AnomalyDINO's scores computed without this library: numpy, OpenCV, scikit-learn and PyTorch.

    peer_anomalydino.py REFERENCE_FOLDER CHECKPOINT EDGE ROTATIONS BACKGROUND THRESHOLD REFERENCES TESTS < RESULTS
    peer_anomalydino.py --store FILE (the same arguments, no RESULTS)
    peer_anomalydino.py --rounded (the same)        only with the picture rounded, in half the time

REFERENCE_FOLDER holds reference_vit.py, a transformer in PyTorch with load(path) and ViT(weights, heads, offset=...).
REFERENCES and TESTS are comma-separated pictures; RESULTS what `dinopatch inspect --json` printed for TESTS with a bank of REFERENCES
(--method anomalydino --edge EDGE --rotations ROTATIONS --background BACKGROUND --background-threshold THRESHOLD).  Prints both scores
of each picture, the cells that the mask took, and the largest relative difference, once with the resized picture rounded to 8 bits
(Pillow, as the public code has it) and once unrounded (torch's interpolate).  Ends with 1 where the first exceeds 1e-3.
With --store the peer's figures (rounded pictures) go to FILE as text, the golden file of tests/golden/test_anomalydino.c.
"""
import json
import sys

import cv2
import numpy as np
import torch
from sklearn.decomposition import PCA


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


def object_mask(tokens, grid, threshold):
    """The published rule: the mask is a column of n cells when OpenCV dilates and closes it."""
    component = PCA(n_components=1, svd_solver='randomized', random_state=0).fit_transform(tokens.astype(np.float32))
    cut = [slice(int(g * 0.2), int(g * (1 - 0.2))) for g in grid]
    mask = component > threshold
    middle = mask.reshape(grid)[cut[0], cut[1]]
    if middle.sum() <= 0.35 * middle.size:
        mask = -component > threshold
    kernel = np.ones((3, 3), np.uint8)
    mask = cv2.morphologyEx(cv2.dilate(mask.astype(np.uint8), kernel), cv2.MORPH_CLOSE, kernel)
    return mask.astype(bool).ravel()


def read(path):
    return cv2.cvtColor(cv2.imread(path, cv2.IMREAD_COLOR), cv2.COLOR_BGR2RGB)


def turned(picture, k, rotations):
    if k == 0 and rotations == 1:
        return picture
    size = picture.shape[1::-1]
    m = cv2.getRotationMatrix2D((size[0] / 2, size[1] / 2), 45 * k, 1.0)
    return cv2.warpAffine(picture, m, size, flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_DEFAULT)


def main():
    arguments = sys.argv[1:]
    only_rounded = arguments[0] == '--rounded'
    arguments = arguments[only_rounded:]
    store = arguments[1] if arguments[0] == '--store' else None
    folder, checkpoint, edge, rotations, background, threshold, references, tests = arguments[2:] if store else arguments
    sys.path.insert(0, folder)
    import reference_vit
    edge, rotations, threshold = int(edge), int(rotations), float(threshold)
    weights, meta = reference_vit.load(checkpoint)
    vit = reference_vit.ViT(weights, heads=int(meta['heads']) if 'heads' in meta else None, offset=float(meta.get('offset', 0)),
                            antialias=meta.get('antialias') == '1')

    def embed(picture, rounded, masked):
        x = resize(picture, edge, rounded)
        h, w = (s // vit.patch * vit.patch for s in x.shape[:2])
        x = (x[:h, :w] / 255 - [0.485, 0.456, 0.406]) / [0.229, 0.224, 0.225]
        with torch.inference_mode():
            t = vit.forward(torch.from_numpy(x.transpose(2, 0, 1)[None].astype(np.float32)))[0].numpy()
        grid = (h // vit.patch, w // vit.patch)
        mask = object_mask(t, grid, threshold) if masked else np.ones(len(t), bool)
        return t / np.linalg.norm(t, axis=1, keepdims=True), mask, grid

    def score(path, memory, rounded):
        t, mask, grid = embed(read(path), rounded, background in ('test', 'both'))
        d = np.zeros(len(t))
        d[mask] = 1 - (t[mask] @ memory.T).max(axis=1)
        return np.sort(d)[::-1][:max(len(d) // 100, 1)].mean(), mask, grid

    def remember(rounded):
        parts = []
        for path in references.split(','):
            for k in range(rotations):
                t, mask, _ = embed(turned(read(path), k, rotations), rounded, background in ('reference', 'both'))
                parts.append(t[mask])
        return np.concatenate(parts)

    if store:
        memory = remember(True)
        with open(store, 'w') as out:
            out.write(f'edge {edge} rotations {rotations} background {background} threshold {threshold:g} rows {len(memory)}\n')
            for path in tests.split(','):
                s, mask, grid = score(path, memory, True)
                out.write(f'{path.rsplit("/", 1)[-1]} {s:.9g} {grid[0]} {grid[1]} {"".join(".#"[int(m)] for m in mask)}\n')
        return 0
    results = {r['input']: r for r in map(json.loads, sys.stdin)}
    worst = {}
    for rounded in (True,) if only_rounded else (True, False):
        memory = remember(rounded)
        worst[rounded] = 0
        for path in tests.split(','):
            s, mask, _ = score(path, memory, rounded)
            ours = results[path]['score']
            difference = abs(s - ours) / s
            worst[rounded] = max(worst[rounded], difference)
            print(f'{path}  {"8 bit" if rounded else "float"}  peer {s:.9f}  dinopatch {ours:.9f}  relative {difference:.2e}  '
                  f'masked: peer {1 - mask.mean():.6f}  dinopatch {results[path]["coverage"]["masked_fraction"]:.6f}')
    print('largest relative difference: ' + ', '.join(f'{w:.2e} {"rounded" if r else "not rounded"}' for r, w in worst.items()))
    return worst[True] > 1e-3


if __name__ == '__main__':
    sys.exit(main())
