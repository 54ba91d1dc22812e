# SPDX-License-Identifier: Apache-2.0
"""The pose from features: a part is found where it was put, and what is no such part is never good."""

import math

import numpy as np
import pytest
from PIL import Image, ImageDraw

SIDE = 192


def part(angle, dx, dy, seed, strange=False, other=False):
    """An arm with a head and a fin, turned and shifted on noise; drawn large and made small."""
    big = Image.new("L", (4 * SIDE, 4 * SIDE), 70)
    draw = ImageDraw.Draw(big)
    if strange:
        for k in range(24):
            draw.line([(k * 32, 0), (0, k * 32)], fill=200, width=6)
    elif other:
        draw.rectangle([364, 180, 404, 588], fill=220)
        draw.rectangle([200, 364, 568, 404], fill=220)
        draw.polygon([(560, 300), (620, 384), (560, 468)], fill=160)
    else:
        draw.rectangle([180, 350, 560, 420], fill=200)
        draw.ellipse([500, 300, 660, 470], fill=230)
        draw.rectangle([220, 420, 330, 520], fill=150)
    # PIL turns counter-clockwise for positive angles; ours run from x to y, which is down
    big = big.rotate(-angle, resample=Image.BICUBIC, fillcolor=70, translate=(4 * dx, 4 * dy))
    pixels = np.asarray(big.resize((SIDE, SIDE), Image.LANCZOS), dtype=float)
    noise = np.random.default_rng(seed).normal(0, 3, pixels.shape)
    grey = np.clip(pixels + noise, 0, 255).astype(np.uint8)
    return Image.fromarray(np.stack([grey] * 3, -1))


@pytest.fixture(scope="module")
def bank(tmp_path_factory, request):
    from conftest import Program
    folder = tmp_path_factory.mktemp("features")
    (folder / "good").mkdir()
    rng = np.random.default_rng(1)
    for i in range(5):
        part(rng.uniform(-180, 180), rng.integers(-12, 13), rng.integers(-12, 13), i).save(folder / "good" / f"{i}.png")
    program = Program(folder)
    said = program.run("fit", "--align", "features", "--canvas", "auto:96", "--out", "part.bank", "good", code=0, timeout=600)
    assert "align features" in said.err + said.out
    return program


def test_parts_are_found_where_they_were_put(bank):
    motions = [(0, 0, 0), (120, 10, -8), (-77, -9, 12), (180, 0, 5)]
    names = []
    for i, (angle, dx, dy) in enumerate(motions):
        part(angle, dx, dy, 50 + i).save(bank.folder / f"moved{i}.png")
        names.append(f"moved{i}.png")
    found = [row["align"] for row in bank.run("inspect", "--bank", "part.bank", "--json", *names, timeout=600).pictures]
    middle = (SIDE - 1) / 2
    base = found[0]
    for (angle, dx, dy), pose in zip(motions, found):
        assert pose["status"] == "ok" and pose["score"] > 0.8 and not pose["ambiguous"]
        assert abs(math.remainder(pose["angle_deg"] - base["angle_deg"] - angle, 360)) < 1
        x, y = base["centre_px"][0] - middle, base["centre_px"][1] - middle
        c, s = math.cos(math.radians(angle)), math.sin(math.radians(angle))
        # the shift comes after the turn
        assert math.hypot(pose["centre_px"][0] - (middle + c * x - s * y + dx), pose["centre_px"][1] - (middle + s * x + c * y + dy)) < 1.5


def test_what_is_no_such_part_is_never_good(bank):
    part(0, 0, 0, 99, strange=True).save(bank.folder / "strange.png")
    for options, label in ((["--threshold", "1e-6"], "anomalous"), (["--threshold", "1e6"], "not_inspected")):
        row = bank.run("inspect", "--bank", "part.bank", "--json", *options, "strange.png", timeout=600).pictures[0]
        assert row["label"] == label and row["reason"].startswith("unlike the part that was learned")
        assert row["align"]["status"] == "unlike" and row["align"]["score"] < 0.6 and row["align"]["sigma_major_px"] > 0


def test_two_kinds_of_a_part_share_a_bank(bank):
    (bank.folder / "kinds").mkdir()
    for i in range(10):
        part(37 * i, i - 5, 5 - i, 300 + i, other=i % 2 == 1).save(bank.folder / "kinds" / f"{i}.png")
    bank.run("fit", "--align", "features", "--canvas", "auto:96", "--out", "kinds.bank", "kinds", code=0, timeout=600)
    bank.run("bank", "verify", "kinds.bank", code=0, timeout=600)
    names = []
    for i, (angle, other) in enumerate([(0, False), (130, False), (0, True), (130, True)]):
        part(angle, 3, -2, 400 + i, other=other).save(bank.folder / f"kind{i}.png")
        names.append(f"kind{i}.png")
    found = [row["align"] for row in bank.run("inspect", "--bank", "kinds.bank", "--json", *names, timeout=600).pictures]
    assert all(pose["status"] == "ok" and pose["score"] > 0.8 for pose in found)
    for first, second in ((0, 1), (2, 3)):
        assert abs(math.remainder(found[second]["angle_deg"] - found[first]["angle_deg"] - 130, 360)) < 1.5


def test_banks_of_one_reference_merge_and_others_do_not(bank):
    part(33, 3, 3, 70).save(bank.folder / "more.png")
    bank.run("bank", "add", "--bank", "part.bank", "--out", "larger.bank", "more.png", code=0, timeout=600)
    bank.run("bank", "merge", "part.bank", "larger.bank", "--out", "both.bank", code=0, timeout=600)
    (bank.folder / "other").mkdir()
    for i in range(3):
        part(40 * i, 2 * i, 0, 200 + i).save(bank.folder / "other" / f"{i}.png")
    bank.run("fit", "--align", "features", "--canvas", "auto:96", "--out", "other.bank", "other", timeout=600)
    refused = bank.run("bank", "merge", "part.bank", "other.bank", "--out", "none.bank", timeout=600)
    assert refused.code != 0 and not (bank.folder / "none.bank").exists()


def test_without_a_bank_features_find_nothing(bank):
    refused = bank.run("align", "--set", "align=features", "more.png" if (bank.folder / "more.png").exists() else "good/0.png")
    assert refused.code != 0
