#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""More good pictures out of a few, for bench/smaller_banks.sh (Debian: python3-opencv, python3-numpy).
usage: augment.py IN_FOLDER OUT_FOLDER COPIES

Each picture as it is, and COPIES - 1 times turned by up to 1.5 degrees, scaled by up to 1.5 %, moved by up to 1 % of its size, with up
to 5 % more or less light and a little noise: what differs between two photographs of one part."""
import glob, os, sys
import cv2
import numpy as np

rng = np.random.default_rng(1)
os.makedirs(sys.argv[2], exist_ok=True)
for path in sorted(glob.glob(os.path.join(sys.argv[1], "*"))):
    picture = cv2.imread(path)
    if picture is None:
        continue
    h, w = picture.shape[:2]
    for copy in range(int(sys.argv[3])):
        out = picture
        if copy:
            turn = cv2.getRotationMatrix2D((w / 2, h / 2), rng.uniform(-1.5, 1.5), rng.uniform(0.985, 1.015))
            turn[:, 2] += rng.uniform(-0.01, 0.01, 2) * [w, h]
            out = cv2.warpAffine(picture, turn, (w, h), flags=cv2.INTER_CUBIC, borderMode=cv2.BORDER_REPLICATE).astype(np.float32)
            out = out * rng.uniform(0.95, 1.05) + rng.uniform(-4, 4) + rng.normal(0, 1.5, out.shape)
            out = np.clip(out, 0, 255).astype(np.uint8)
        name = os.path.splitext(os.path.basename(path))[0]
        cv2.imwrite(os.path.join(sys.argv[2], f"{name}_{copy:02d}.png"), out)
