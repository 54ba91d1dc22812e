#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""What defects among the good pictures cost, and what order statistics and the suspects save of it.

    contamination.py DINOPATCH SET... [--seeds S]     SET: a folder with train/good and test/KIND

For shares of 0, 5, 10 and 20 % of the pictures to learn from, that many defective test pictures are drawn, put among the good ones and
taken out of the test. Image AUROC of the rest, mean over the seeds (share 0: one run):

    plain      the nearest good picture decides, which is the default
    order .5   --order 0.5 on the same bank; order .25 likewise
    removed    the pictures that fit tells to look at (robust z above 3.5) are removed, whatever they are, then plain

Labels choose what is mixed and count; they reach no fit and no threshold.
"""

import argparse
import json
import random
import shutil
import subprocess
import tempfile
from pathlib import Path


def run(program, *args):
    done = subprocess.run([program, *map(str, args)], capture_output=True, text=True)
    if done.returncode not in (0, 1):
        raise SystemExit(f"{' '.join(map(str, args))}\n{done.stderr}")
    return done.stdout


def auroc(program, bank, tests, *more):
    out = run(program, "inspect", "--quiet", "--json", "--bank", bank, *more, *[p for p, _ in tests])
    label = {str(p): bad for p, bad in tests}
    scored = [(line["score"], label[line["input"]]) for line in map(json.loads, out.splitlines()) if line.get("score") is not None]
    good = [s for s, bad in scored if not bad]
    bad = [s for s, b in scored if b]
    return sum((b > g) + (b == g) / 2 for b in bad for g in good) / (len(good) * len(bad))


def trial(program, folder, share, seed, room):
    train = sorted((folder / "train" / "good").iterdir())
    tests = [(p, kind.name != "good") for kind in sorted((folder / "test").iterdir()) for p in sorted(kind.iterdir())]
    n = round(share * len(train) / (1 - share))
    mixed = random.Random(seed).sample([p for p, bad in tests if bad], n)
    tests = [(p, bad) for p, bad in tests if p not in mixed]
    names = room / "train"
    names.mkdir()
    for i, p in enumerate(train + mixed):
        shutil.copy(p, names / f"{i:04d}{p.suffix}")
    bank = room / "a.bank"
    run(program, "fit", "--quiet", "--out", bank, names)
    figures = [auroc(program, bank, tests), auroc(program, bank, tests, "--order", "0.5"), auroc(program, bank, tests, "--order", "0.25")]
    suspects = [s["name"] for s in json.loads(run(program, "bank", "info", "--json", "--suspects", 1000, bank)) if (s["robust_z"] or 0) > 3.5]
    if suspects:
        run(program, "bank", "remove", "--bank", bank, *suspects)
    found = sum(int(Path(s).stem) >= len(train) for s in suspects)
    return figures + [auroc(program, bank, tests) if suspects else figures[0], n, found, len(suspects) - found]


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("program")
    parser.add_argument("sets", nargs="+", type=Path)
    parser.add_argument("--seeds", type=int, default=3)
    args = parser.parse_args()
    print("| set | share | plain | order .5 | order .25 | suspects removed | mixed in, of these suspected, good ones suspected |\n|---|---|---|---|---|---|---|")
    for folder in args.sets:
        for share in (0, 0.05, 0.1, 0.2):
            rows = []
            for seed in range(args.seeds if share else 1):
                with tempfile.TemporaryDirectory() as room:
                    rows.append(trial(args.program, folder, share, seed, Path(room)))
            mean = [sum(c) / len(rows) for c in zip(*rows)]
            print(f"| {folder.name} | {share:.0%} | " + " | ".join(f"{v:.3f}" for v in mean[:4]) + f" | {mean[4]:.0f}, {mean[5]:.1f}, {mean[6]:.1f} |", flush=True)


if __name__ == "__main__":
    main()
