#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""How well a lot tells good from defective pictures with none known to be good: `dinopatch lot` on the test pictures of a set.

    lot.py DINOPATCH SET... [--model M]... [-- OPTIONS of lot]     SET: a folder with test/good and test/KIND

Two lots of each set: all test pictures, and those with a quarter defective (drawn by seed 0). Image AUROC of the score and of the score alone
(without the pictures most like it), how many are trusted and how many of these are defective, the agreement, and seconds. Labels only count.
"""

import json
import random
import subprocess
import sys
import time
from pathlib import Path


def auroc(rows, key):
    good = [r[key] for r, bad in rows if not bad]
    bad = [r[key] for r, bad in rows if bad]
    return sum((b > g) + (b == g) / 2 for b in bad for g in good) / (len(good) * len(bad))


def main():
    words, more = sys.argv[1:], []
    if "--" in words:
        at = words.index("--")
        words, more = words[:at], words[at + 1:]
    models = [words[i + 1] for i, w in enumerate(words) if w == "--model"] or ["nano"]
    words = [w for i, w in enumerate(words) if w != "--model" and (not i or words[i - 1] != "--model")]
    if len(words) < 2:
        sys.exit(__doc__)
    print("| set | network | lot | defective | AUROC | alone | trusted, of these defective | agreement | s |\n|---|---|---|---|---|---|---|---|---|")
    for folder in map(Path, words[1:]):
        tests = [(p, kind.name != "good") for kind in sorted((folder / "test").iterdir()) for p in sorted(kind.iterdir())]
        good, bad = [t for t in tests if not t[1]], [t for t in tests if t[1]]
        few = good + random.Random(0).sample(bad, len(good) // 3)
        for model in models:
            for name, lot in (("all", tests), ("a quarter defective", few)):
                begin = time.time()
                done = subprocess.run([words[0], "lot", "--json", "--summary", "--quiet", "--model", model, *more, *[str(p) for p, _ in lot]],
                                      capture_output=True, text=True)
                if done.returncode not in (0, 1):
                    sys.exit(done.stderr)
                lines = [json.loads(line) for line in done.stdout.splitlines()]
                rows = [(line, is_bad) for line, (_, is_bad) in zip(lines, lot) if line["score"] is not None]
                trusted = [is_bad for line, is_bad in rows if line["trusted"]]
                s = lines[-1]["summary"]
                print(f"| {folder.name} | {Path(model).stem} | {name} | {sum(b for _, b in lot)} of {len(lot)} | {auroc(rows, 'score'):.3f} | "
                      f"{auroc(rows, 'score_alone'):.3f} | {len(trusted)}, {sum(trusted)} | {s['agreement']:.2f} | {time.time() - begin:.0f} |", flush=True)


if __name__ == "__main__":
    main()
