#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The constants of the model in docs/scale.md, measured: what a picture costs in each step, alone and cut into shards.

    scale.py DINOPATCH BENCH_BANK       the program, and build/tests/unit/bench_bank (ninja -C build tests/unit/bench_bank)

1. Pictures: woven textures of 224 px (28x28 cells of nano). Fits and inspections with 8 to 64 good pictures, then a fit cut into 8 shards that
   run two at a time. Processor time of the processes, one thread each: other load on the machine changes it little.
2. Synthetic features of 28x28 cells, 384 numbers each: search and leave-one-out with 50 to 400 pictures. Processor time of one thread, least of several.
3. The slopes in log-log of 2 (the model takes 1, and 2 for many pictures), and the hours that the constants give for 10^4, 10^6 and 10^8 pictures.
"""

import json
import math
import os
import re
import resource
import subprocess
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
from PIL import Image

DINOPATCH, BENCH_BANK = (str(Path(p).resolve()) for p in sys.argv[1:3])
SIZE, SHARDS, NEW = 224, 8, 16


def draw(path, seed):
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[0:SIZE, 0:SIZE]
    weave = 128 + 40 * np.sin(2 * np.pi * x / 16) * np.cos(2 * np.pi * y / 16)
    picture = weave[..., None] * [1.0, 0.9, 0.8] + rng.normal(0, 6, (SIZE, SIZE, 3))
    Image.fromarray(np.clip(picture, 0, 255).astype(np.uint8)).save(path, quality=90)


def cpu(*args, out=None):
    """Processor seconds and peak memory of one run."""
    with open(out or os.devnull, "w") as to:
        process = subprocess.Popen([DINOPATCH, *map(str, args), "--threads", "1", "--quiet"], stdout=to, stderr=subprocess.PIPE)
        message = process.stderr.read()
        _, status, used = os.wait4(process.pid, 0)
    if status:
        sys.exit(f"{args}\n{message.decode()}")
    return used.ru_utime + used.ru_stime, used.ru_maxrss * 1024


def line(points):
    """Least squares of seconds over pictures: what one run costs, and one picture."""
    each, base = np.polyfit([n for n, _ in points], [s for _, s in points], 1)
    return base, each


def slope(points):
    return np.polyfit([math.log(n) for n, _ in points], [math.log(s) for _, s in points], 1)[0]


def by_pictures(folder):
    os.chdir(folder)
    Path("new").mkdir()
    for i in range(NEW):
        draw(f"new/{i:03d}.jpg", 10000 + i)
    settings = ["--align", "none", "--size", SIZE]
    fits, looks = [], []
    for n in (8, 16, 32, 64):
        Path(f"good-{n}").mkdir()
        for i in range(n):
            draw(f"good-{n}/{i:04d}.jpg", i)
        fits.append((n, cpu("fit", *settings, "--out", f"{n}.bank", f"good-{n}")[0]))
        looks.append((n, cpu("inspect", "--json", "--bank", f"{n}.bank", "new", out="lines")[0] / NEW))
    good = f"good-{n}"
    settle, _ = cpu("fit", *settings, "--settle", "settled", good)

    def shard(i):
        return cpu("fit", "--settled", "settled", "--shard", f"{i}/{SHARDS}", "--out", f"{i}.shard", good)
    with ThreadPoolExecutor(2) as pool:
        shards = list(pool.map(shard, range(SHARDS)))
    merge, memory = cpu("bank", "merge", "--out", "merged.bank", *[f"{i}.shard" for i in range(SHARDS)])
    same = Path("merged.bank").read_bytes() == Path(f"{n}.bank").read_bytes()
    found = {"pictures": n, "fit_picture_s": line(fits)[1], "fit_s": line(fits)[0], "inspect_picture_s": looks[0][1],
             "settle_s": settle, "shards_s": sum(s for s, _ in shards), "one_shard_s": [round(s, 2) for s, _ in shards],
             "merge_s": merge, "merge_bytes": memory, "one_fit_s": fits[-1][1], "same_bytes": same,
             "picture_bytes": sum(p.stat().st_size for p in Path("new").iterdir()) / NEW,
             "shard_bytes": sum(Path(f"{i}.shard").stat().st_size for i in range(SHARDS)) / n,
             "bank_bytes": Path("merged.bank").stat().st_size / n, "line_bytes": Path("lines").stat().st_size / NEW}
    print("fits (pictures, s):", [(n, round(s, 2)) for n, s in fits], "inspections (pictures in the bank, s a picture):",
          [(n, round(s, 3)) for n, s in looks])
    for key, value in found.items():
        print(f"  {key} {value:.4g}" if isinstance(value, float) else f"  {key} {value}")
    return found


def by_features():
    searches, pairs = [], []
    for n in (50, 100, 200, 400):
        out = subprocess.run([BENCH_BANK, "28", "28", "384", str(n), "1", "1"], capture_output=True, text=True, check=True).stdout
        least = {m[1].strip(): float(m[2]) / 1e3 for m in re.finditer(r"^(.*?) min +([0-9.]+) ms", out, re.M)}
        searches.append((n, least["l2, window 1"]))
        pairs.append((n, least["leave one out, window 0"]))
        print(f"features of {n} pictures: search in window 1 {searches[-1][1]:.4f} s, leave-one-out in window 0 {pairs[-1][1]:.3f} s", flush=True)
    print(f"slopes: search {slope(searches):.3f}, leave-one-out {slope(pairs):.3f}, of its last doubling {slope(pairs[-2:]):.3f}")
    return searches[-1][1] / searches[-1][0]


def extrapolate(found, search):
    print("| pictures | fit, looking | joined: leave-one-out (window 1) | features | inspection, bank of 100 | its lines |\n|---|---|---|---|---|---|")
    for n in (10**4, 10**6, 10**8):
        look = n * found["shards_s"] / found["pictures"] / 3600
        alone = search * n * n / 3600
        inspect = n * (found["inspect_picture_s"] + 92 * search) / 3600
        print(f"| 10^{int(math.log10(n))} | {look:,.1f} h | {alone:,.1f} h | {n * found['bank_bytes'] / 1e9:,.0f} GB | {inspect:,.1f} h | "
              f"{n * found['line_bytes'] / 1e9:,.3f} GB |")


print("load", os.getloadavg())
search = by_features()
print(json.dumps({"search_s_a_picture_of_the_bank": search}))
with tempfile.TemporaryDirectory() as folder:
    found = by_pictures(folder)
extrapolate(found, search)
print("load", os.getloadavg())
