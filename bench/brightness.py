#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""What good pictures in other brightness (fit --brightness) do where the light of the test pictures differs by a known factor.

    brightness.py DINOPATCH SET... [--model M]... [--share F]...     SET: a folder with train/good and test/KIND

Banks: off, and each share F (default 0.2). Test pictures: every sample times 0.7 .. 1.3, all alike, and "mixed": each picture with its own factor
in 0.8 .. 1.2, drawn by its number. For each: image AUROC / false alarms / recall at the threshold that fit found on the undisturbed good
pictures. Debian: python3-numpy, python3-pil.
"""

import argparse
import json
import random
import subprocess
import tempfile
from pathlib import Path

import numpy as np
from PIL import Image

FACTORS = (0.7, 0.8, 0.9, 1.0, 1.1, 1.2, 1.3, "mixed")


def run(program, *args):
    done = subprocess.run([program, *map(str, args)], capture_output=True, text=True)
    if done.returncode not in (0, 1):
        raise SystemExit(f"{' '.join(map(str, args))}\n{done.stderr}")
    return done.stdout


def disturbed(tests, factor, room):
    for i, (path, _) in enumerate(tests):
        by = random.Random(i).uniform(0.8, 1.2) if factor == "mixed" else factor
        picture = Image.open(path)
        picture = picture if picture.mode in ("L", "RGB") else picture.convert("RGB")
        Image.fromarray(np.minimum(255, np.floor(np.asarray(picture, float) * by + 0.5)).astype(np.uint8)).save(room / f"{i:04d}.png")
    return [room / f"{i:04d}.png" for i in range(len(tests))]


def figures(program, bank, tests, paths):
    out = map(json.loads, run(program, "inspect", "--quiet", "--json", "--bank", bank, *paths).splitlines())
    good, bad, alarms, found, n = [], [], 0, 0, [0, 0]
    for line, (_, is_bad) in zip(out, tests):
        n[is_bad] += 1
        alarm = line["label"] != "good"  # what is not inspected stops the line too
        alarms += alarm and not is_bad
        found += alarm and is_bad
        if line["score"] is not None:
            (bad if is_bad else good).append(line["score"])
    auroc = sum((b > g) + (b == g) / 2 for b in bad for g in good) / (len(good) * len(bad))
    return f"{auroc:.3f} / {alarms / n[0]:.2f} / {found / n[1]:.2f}"


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("program")
    parser.add_argument("sets", nargs="+", type=Path)
    parser.add_argument("--model", action="append")
    parser.add_argument("--share", action="append", type=float)
    args = parser.parse_args()
    print("| set | network | brightness | " + " | ".join(f"x {f}" if f != "mixed" else f for f in FACTORS) + " |")
    print("|---" * (3 + len(FACTORS)) + "|")
    for folder in args.sets:
        tests = [(p, kind.name != "good") for kind in sorted((folder / "test").iterdir()) for p in sorted(kind.iterdir())]
        for model in args.model or ["nano"]:
            with tempfile.TemporaryDirectory() as room:
                room = Path(room)
                banks = {}
                for share in ["off", *(args.share or [0.2])]:
                    banks[share] = room / f"{share}.bank"
                    run(args.program, "fit", "--quiet", "--model", model, "--brightness", share, "--out", banks[share], folder / "train" / "good")
                rows = {share: [] for share in banks}
                for factor in FACTORS:
                    paths = disturbed(tests, factor, room)
                    for share, bank in banks.items():
                        rows[share].append(figures(args.program, bank, tests, paths))
                for share, row in rows.items():
                    print(f"| {folder.name} | {Path(model).stem} | {share} | " + " | ".join(row) + " |", flush=True)


if __name__ == "__main__":
    main()
