# SPDX-License-Identifier: Apache-2.0
"""`dinopatch fit good/` with no option: what it chooses, why, and that it is right."""

import json
import os
from pathlib import Path

import numpy as np
import pytest
from conftest import part, save, test_data, texture
from PIL import Image

DATA = test_data("aliens", "magnetic_tile")
NEEDS_DATA = pytest.mark.skipif(not DATA, reason="DINOPATCH_TEST_DATA names no folder with the photographs aliens and magnetic_tile")


def auroc(good, bad):
    good, bad = np.asarray(good)[:, None], np.asarray(bad)[None]
    return (bad > good).mean() + 0.5 * (bad == good).mean()


def choices(dp, bank):
    """By option: (value, reason)."""
    told = json.loads(dp.run("bank", "info", "--json", bank, code=0).out)["choices"]
    return {c["option"]: (c["value"], c["reason"]) for c in told}


def scores(dp, bank, folder):
    return [p["score"] for p in dp.run("inspect", "--quiet", "--bank", bank, "--json", folder, code=(0, 1), timeout=300).pictures]


def figure(dp, bank, folder):
    bad = [s for kind in sorted(Path(folder).iterdir()) if kind.name != "good" for s in scores(dp, bank, kind)]
    return auroc(scores(dp, bank, Path(folder) / "good"), bad)


def turned_part(seed, **kw):
    """The part at any angle."""
    return part(seed, angle=float(np.random.default_rng(seed + 1000).uniform(0, 360)), **kw)


@pytest.fixture
def rods(dp):
    """A product that lies anyhow."""
    for i in range(12):
        save(turned_part(i), dp.folder / "good" / f"{i:03d}.png")
    for i in range(100, 106):
        save(turned_part(i), dp.folder / "test" / "good" / f"{i}.png")
        save(turned_part(i, defect=True), dp.folder / "test" / "bad" / f"{i}.png")
    return dp


def test_parts_that_lie_anyhow_are_aligned_by_choice(rods):
    run = rods.run("fit", "good", code=0)
    value, reason = choices(rods, "good.bank")["align"]
    assert value == "pca" and "P = " in reason and "12 of 12 could be aligned" in reason
    assert f"  align pca: {reason}" in run.out.splitlines()
    assert f"align pca: {reason}" in rods.run("bank", "info", "good.bank", code=0).out
    recipe = json.loads(rods.run("bank", "info", "--json", "good.bank", code=0).out)["recipe"]
    assert recipe["align"] == "pca" and recipe["polarity"] == "rotate"
    assert figure(rods, "good.bank", rods.folder / "test") >= 0.99
    # What cannot be aligned is not judged.
    flat = save(np.full((192, 192, 3), 200, np.uint8), rods.folder / "flat.png")
    told, = rods.run("inspect", "--quiet", "--bank", "good.bank", "--json", flat, code=0).pictures
    assert told["label"] == "not_inspected" and "aligned" in told["reason"]


def test_the_choice_is_the_same_for_any_number_of_threads_and_what_was_tried_changes_no_bank(rods):
    rods.run("fit", "--threads", "1", "--out", "a.bank", "good", code=0)
    rods.run("fit", "--threads", "3", "--out", "b.bank", "good", code=0)
    assert (rods.folder / "a.bank").read_bytes() == (rods.folder / "b.bank").read_bytes()
    # The same pose given, not chosen: the same features, though none of them comes from the trial.
    rods.run("fit", "--align", "pca", "--out", "c.bank", "good", code=0)
    assert scores(rods, "c.bank", "test") == scores(rods, "a.bank", "test")


def test_one_option_is_kept_and_the_rest_chosen(rods):
    rods.run("fit", "--align", "none", "good", code=0)
    told = choices(rods, "good.bank")
    assert told["align"] == ("none", "as asked") and told["canvas"][0] == "256x256" and told["window"][0] == "1"
    rods.run("fit", "--overwrite", "--size", "384", "good", code=0)
    told = choices(rods, "good.bank")
    assert told["align"][0] == "pca" and told["window"][0] == "2"
    rods.run("fit", "--overwrite", "--size", "384", "--window", "0", "good", code=0)
    assert choices(rods, "good.bank")["window"] == ("0", "as asked")
    rods.run("fit", "--overwrite", "--method", "dinopatch", "--canvas", "112x112", "good", code=0)
    assert choices(rods, "good.bank") == {}


def test_a_texture_is_not_aligned(dp):
    for i in range(8):
        save(texture(i), dp.folder / "good" / f"{i}.png")
    dp.run("fit", "good", code=0)
    value, reason = choices(dp, "good.bank")["align"]
    assert value == "none" and "95 %" in reason
    assert dp.inspect("good.bank", save(texture(50, defect=True), dp.folder / "bad.png")).pictures[0]["label"] == "anomalous"


def test_parts_that_lie_fixed_are_left_as_they_are_or_lose_nothing(dp):
    for i in range(10):
        save(part(i, angle=0, shift=(0, 0)), dp.folder / "good" / f"{i}.png")
    for i in range(100, 104):
        save(part(i, angle=0, shift=(0, 0)), dp.folder / "test" / "good" / f"{i}.png")
        save(part(i, angle=0, shift=(0, 0), defect=True), dp.folder / "test" / "bad" / f"{i}.png")
    dp.run("fit", "good", code=0)
    assert figure(dp, "good.bank", dp.folder / "test") == 1


# ------------------------------------------------------------------------------------------------ odd pictures among the good


def test_pictures_of_mixed_sizes_say_that_they_are_stretched(dp):
    for i in range(6):
        save(texture(i, width=160 if i % 2 else 320), dp.folder / "good" / f"{i}.png")
    dp.run("fit", "good", code=0)
    assert "proportions (width / height) go from 1.00 to 2.00" in choices(dp, "good.bank")["canvas"][1]


def test_black_pictures_are_learned_and_nothing_else_passes_for_them(dp):
    for i in range(3):
        black = np.zeros((160, 160, 3), np.uint8)
        black[0, 0, 0] = i  # else one picture, given three times
        save(black, dp.folder / "good" / f"{i}.png")
    run = dp.run("fit", "good", code=(0, 1, 4))
    if run.code != 4:
        told = dp.run("inspect", "--quiet", "--bank", "good.bank", "--json", save(texture(1), dp.folder / "new.png"), code=0).pictures[0]
        assert told["label"] != "good"
    assert "black" in run.err or "dark" in run.err or "light" in run.err, run


def test_one_picture_ranks_and_promises_nothing(dp):
    save(part(1), dp.folder / "good" / "0.png")
    run = dp.run("fit", "good", code=0)
    assert "no threshold" in run.out and "two pictures" in choices(dp, "good.bank")["align"][1]
    good, bad = (dp.inspect("good.bank", save(part(1 + d, defect=d > 0, angle=30), dp.folder / f"{d}.png")).pictures[0] for d in (0, 1))
    assert good["label"] is None and bad["label"] is None


def test_a_thousand_equal_pictures_are_one(dp):
    first = save(texture(1, width=64, height=64), dp.folder / "good" / "0000.png")
    for i in range(1, 1000):
        os.link(first, dp.folder / "good" / f"{i:04d}.png")
    run = dp.run("fit", "good", code=(0, 1), timeout=300)
    assert "1 good picture" in run.out and "999" in run.out and "no threshold" in run.out


def test_a_folder_of_16_bit_tiffs(dp):
    for i in range(6):
        gray = texture(i).mean(2) / 255 * 4095  # 12 bits in 16
        (dp.folder / "good").mkdir(exist_ok=True)
        Image.fromarray(gray.astype(np.uint16)).save(dp.folder / "good" / f"{i}.tif")
    dp.run("fit", "good", code=0)
    recipe = json.loads(dp.run("bank", "info", "--json", "good.bank", code=0).out)["recipe"]
    assert recipe["sample_white"] == 4095 and recipe["canvas"] == [256, 256]


# --------------------------------------------------------------------------------------------------------------- photographs


@NEEDS_DATA
def test_photographs_of_parts(dp):
    aliens = Path(DATA) / "aliens"
    dp.run("fit", "--out", "a.bank", aliens / "train" / "good", code=0, timeout=300)
    assert figure(dp, "a.bank", aliens / "test") == pytest.approx(1, abs=0.01)


@NEEDS_DATA
def test_photographs_of_a_surface(dp):
    tiles = Path(DATA) / "magnetic_tile"
    dp.run("fit", "--out", "m.bank", tiles / "train" / "good", code=0, timeout=300)
    assert choices(dp, "m.bank")["align"][0] == "none"
    assert figure(dp, "m.bank", tiles / "test") == pytest.approx(0.827, abs=0.01)


@NEEDS_DATA
def test_photographs_of_parts_turned_by_any_angle(dp):
    rng = np.random.default_rng(7)
    for path in sorted((Path(DATA) / "aliens").glob("*/*/*")):
        image = Image.open(path).convert("RGB")
        pixels = np.asarray(image)
        ground = tuple(int(v) for v in np.median(np.concatenate([pixels[0], pixels[-1], pixels[:, 0], pixels[:, -1]]), 0))
        square = Image.new("RGB", (680, 680), ground)
        square.paste(image, ((680 - image.width) // 2, (680 - image.height) // 2))
        turned = square.rotate(rng.uniform(0, 360), Image.BICUBIC, fillcolor=ground)
        save(np.asarray(turned), dp.folder / path.relative_to(DATA).with_suffix(".png"))
    dp.run("fit", "--out", "a.bank", "aliens/train/good", code=0, timeout=300)
    assert choices(dp, "a.bank")["align"][0] in ("pca", "features")
    assert figure(dp, "a.bank", dp.folder / "aliens" / "test") >= 0.99
