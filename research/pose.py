#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""How exactly the pose is found, and what it does to the detection of defects, on pictures moved by known transforms.

    pose.py BUILD OUT SET...          SET: a folder with train/good, test/good and other folders of test

Each set is laid out still and moved (research/move.c).  Printed for each motion: errors of the pose by --align features (median, 95 %), of
the pictures of test/good moved against the same lying still; for each way of aligning the image AUROC, how many good and defective pictures are called what, milliseconds of processor time a picture (of the whole run, in
inspecting and in fitting), and what `auto` chose.  POSE_PARTS=errors,auroc and POSE_LEARNED=all,8 say what of it is done.  Uses Python's standard
library alone."""
import collections, glob, json, math, os, subprocess, sys

MOTIONS = [("180 degrees, 15 %, 0.8 to 1.25", "180", "0.15", "1.25"), ("15 degrees, 15 %, 0.8 to 1.25", "15", "0.15", "1.25")]
build, out, sets = sys.argv[1], sys.argv[2], sys.argv[3:]
only = os.environ.get("POSE_PARTS", "errors,auroc").split(",")
learned = [None if n == "all" else int(n) for n in os.environ.get("POSE_LEARNED", "all,16,8,4").split(",")]


def processor():
    t = os.times()
    return t.children_user + t.children_system


def pictures(folder):
    return sorted(f for f in glob.glob(folder + "/*") if f.lower().endswith((".png", ".jpg", ".jpeg", ".bmp", ".tif")))


def move(source, target, turn, shift, growth, seed):
    """Moves each folder of a set; returns the motion of each new file."""
    motions = {}
    for folder in sorted(glob.glob(source + "/train/good") + glob.glob(source + "/test/*")):
        to = target + folder[len(source):]
        os.makedirs(to, exist_ok=True)
        files = [f for f in pictures(folder)]
        text = subprocess.run([build + "/research/move", to, turn, shift, growth, str(seed)] + files, check=True, stdout=subprocess.PIPE, text=True).stdout
        for line in text.splitlines():
            name, degrees, right, down, factor, side = line.rsplit(" ", 5)
            motions[name] = tuple(map(float, (degrees, right, down, factor, side)))
        seed += 1
    return motions


def fit(folder, align, bank, n=None):
    train = pictures(folder + "/train/good")
    train = train if n is None else train[:: max(1, len(train) // n)][:n]
    log = subprocess.run([build + "/dinopatch", "fit", "--align", align, "--out", bank, "--overwrite"] + train, check=False, stderr=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    return [l.strip() for l in (log.stdout + log.stderr).splitlines() if l.strip().startswith("align ")] or [log.stderr[-300:]]


def inspect(bank, files):
    run = subprocess.run([build + "/dinopatch", "inspect", "--quiet", "--bank", bank, "--json"] + files, check=False, stdout=subprocess.PIPE, text=True)
    return [json.loads(l) for l in run.stdout.splitlines()]


def quantiles(x):
    x = sorted(x)
    return "%.2f (%.2f)" % (x[len(x) // 2], x[min(len(x) - 1, len(x) * 95 // 100)]) if x else "-"


def errors(still, moved, motions):
    """Degrees, per cent of the part's length, per cent of the scale; pairs that one could not be found in are counted."""
    turn, place, scale, lost = [], [], [], 0
    for a, b in zip(still, moved):
        p, q = a["align"], b["align"]
        if p["status"] != "ok" or q["status"] != "ok":
            lost += 1
            continue
        degrees, right, down, factor, side = motions[b["input"]]
        c, s, middle = factor * math.cos(math.radians(degrees)), factor * math.sin(math.radians(degrees)), (side - 1) / 2
        x, y = p["centre_px"][0] - middle, p["centre_px"][1] - middle
        x, y = middle + right + c * x - s * y, middle + down + s * x + c * y
        turn.append(abs(math.remainder(q["angle_deg"] - p["angle_deg"] - degrees, 360)))
        place.append(100 * math.hypot(q["centre_px"][0] - x, q["centre_px"][1] - y) / (2 * math.sqrt(3) * q["sigma_major_px"]))
        scale.append(100 * abs(math.log(q["sigma_major_px"] / p["sigma_major_px"] / factor)))
    return turn, place, scale, lost


def auroc(rows):
    good = [r["score"] for r in rows if "/good/" in r["input"] and r["score"] is not None]
    bad = [r["score"] for r in rows if "/good/" not in r["input"] and r["score"] is not None]
    return sum((b > g) + .5 * (b == g) for b in bad for g in good) / max(1, len(bad) * len(good))


def test_files(folder):
    return [f for kind in sorted(glob.glob(folder + "/test/*")) for f in pictures(kind)]


for data in sets:
    name = os.path.basename(os.path.normpath(data))
    root = os.path.join(out, name)
    bank = root + "/pose.bank"
    print("##", name, flush=True)
    layouts = [("as they are", data)]
    for k, (words, turn, shift, growth) in enumerate(MOTIONS):
        still, moved = root + "/still", root + "/moved%d" % k
        move(data, still, "0", "0", "1", 1)
        motions = move(data, moved, turn, shift, growth, 100 * (k + 1))
        if k == 0:
            layouts.append((words, moved))
        if "errors" in only:
            for n in learned if k == 0 else (None,):
                print("   learned from", n or "all", fit(moved, "features", bank, n)[0][:160])
                a, b = inspect(bank, pictures(still + "/test/good")), inspect(bank, pictures(moved + "/test/good"))
                turn_error, place, scale, lost = errors(a, b, motions)
                print("%s: %d pictures, %d not found; degrees %s, place %% %s, scale %% %s" % (words, len(b), lost, quantiles(turn_error), quantiles(place), quantiles(scale)), flush=True)
    if "auroc" in only:
        for words, folder in layouts:
            for align in ("none", "pca", "features", "auto"):
                before = processor()
                said = fit(folder, align, bank)[0]
                fitted = processor()
                rows = inspect(bank, test_files(folder)) if os.path.exists(bank) else []
                inspected = processor()
                called = collections.Counter(("good" if "/good/" in r["input"] else "bad", r["label"]) for r in rows)
                print("%s, %s: AUROC %.3f; %s; ms %.0f to inspect, %.0f to fit; %s" % (words, align, auroc(rows), ", ".join("%s as %s: %d" % (*k, n) for k, n in sorted(called.items())),
                      1000 * (inspected - fitted) / max(1, len(rows)), 1000 * (fitted - before) / len(pictures(folder + "/train/good")), said[:200]), flush=True)
                if os.path.exists(bank):
                    os.remove(bank)
