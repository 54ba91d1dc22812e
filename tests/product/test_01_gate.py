# SPDX-License-Identifier: Apache-2.0
"""No picture passes without inspection: labels, reasons, exit codes, the summary."""

import csv
import io
import re
import shutil
from pathlib import Path

import numpy as np
import pytest

from PIL import Image, ImageFilter

from conftest import part, parts, save, texture, textures

MAN = Path(__file__).resolve().parents[2] / "man" / "dinopatch-inspect.1"


def flat(value, size=192):
    return np.full((size, size, 3), value, np.uint8)


# -------------------------------------------------------------------------------------------------- labels and exit codes


def test_a_part_that_cannot_be_aligned_is_not_inspected(dp, rods):
    blank = save(flat(200), dp.folder / "blank.png")
    round_part = save(part(7, round_part=True), dp.folder / "round.png")
    run = dp.inspect(rods.bank, rods.new_good, blank, round_part)
    assert [p["label"] for p in run.pictures] == ["good", "not_inspected", "not_inspected"]
    assert run.pictures[0]["reason"] is None
    for p in run.pictures[1:]:
        assert p["status"] == "ok" and "align" in p["reason"]
        assert p["defects"] == []


@pytest.mark.parametrize("what, code", [("good", 0), ("bad", 3), ("blank", 3), ("missing", 3), ("torn", 3)])
def test_the_gate_lets_nothing_pass_but_good_pictures(dp, rods, what, code):
    paths = {"good": rods.new_good, "bad": rods.new_bad, "blank": save(flat(90), dp.folder / "blank.png"),
             "missing": dp.folder / "no-such.png", "torn": dp.folder / "torn.png"}
    paths["torn"].write_bytes(rods.new_good.read_bytes()[:900])
    dp.run("inspect", "--bank", rods.bank, "--fail-on-anomaly", paths["good"], paths[what], code=code)


def test_three_goes_before_one(dp, rods):
    dp.run("inspect", "--bank", rods.bank, dp.folder / "no-such.png", rods.new_bad, code=1)
    dp.run("inspect", "--bank", rods.bank, "--fail-on-anomaly", dp.folder / "no-such.png", rods.new_bad, code=3)
    assert "3 with --fail-on-anomaly" in " ".join(dp.run("inspect", "--help", code=0).out.split())


def test_a_picture_that_cannot_be_read_was_not_inspected(dp, woven):
    run = dp.inspect(woven.bank, dp.folder / "no-such.png", code=1)
    p, = run.pictures
    assert (p["status"], p["label"]) == ("error", "not_inspected")
    assert p["reason"] == p["error"] and "no-such.png" in p["reason"]
    assert p["score"] is None and p["defects"] == []


def test_every_picture_has_the_same_keys(dp, woven):
    run = dp.inspect(woven.bank, woven.new_good, dp.folder / "no-such.png", woven.new_bad, code=1)
    promised = {"input", "status", "label", "reason", "score", "threshold", "p_value", "cell_threshold", "align", "map", "defects", "ms"}
    for p in run.pictures:
        assert promised <= set(p)
        assert set(p["map"]) >= {"path", "shape"}
    assert [Path(p["input"]).name for p in run.pictures] == ["good.png", "no-such.png", "bad.png"]


# --------------------------------------------------------------------------------------------------------------- summary


def test_the_summary_counts_all_three(dp, rods):
    blank = save(flat(90), dp.folder / "blank.png")
    inputs = [rods.new_good, rods.new_bad, blank, dp.folder / "no-such.png"]
    run = dp.run("inspect", "--bank", rods.bank, "--json", "--summary", *inputs, code=1)
    assert run.err.splitlines()[-1] == "4 pictures: 1 good, 1 anomalous, 2 not inspected"
    assert run.lines[-1] == {"summary": {"pictures": 4, "good": 1, "anomalous": 1, "not_inspected": 2, "unlabelled": 0, "failed": 1}}
    quiet = dp.run("inspect", "--quiet", "--bank", rods.bank, *inputs, code=1)
    assert "pictures:" not in quiet.err
    one = dp.run("inspect", "--bank", rods.bank, rods.new_good, code=0)
    assert one.err.splitlines()[-1] == "1 picture: 1 good, 0 anomalous, 0 not inspected"
    dp.run("inspect", "--bank", rods.bank, "--summary", rods.new_good, code=2)


def test_without_a_threshold_the_label_is_null(dp, woven):
    dp.fit("one.bank", next(iter(sorted(woven.good.iterdir()))))
    run = dp.inspect("one.bank", woven.new_good)
    p, = run.pictures
    assert p["label"] is None and p["reason"] is None and p["threshold"] is None and p["score"] > 0
    assert run.err.splitlines()[-1] == "1 picture: 0 good, 0 anomalous, 0 not inspected, 1 unlabelled"
    assert "unlabelled" not in dp.inspect(woven.bank, woven.new_good).err
    dp.run("inspect", "--bank", "one.bank", "--fail-on-anomaly", woven.new_good, code=3)


def test_what_the_bank_was_made_of_says_nothing(dp, woven):
    learned = next(iter(sorted(woven.good.iterdir())))
    assert "1 picture scores 0, as only pictures do that the bank was made of" in dp.inspect(woven.bank, learned, woven.new_good).err
    assert "scores 0" not in dp.inspect(woven.bank, woven.new_good).err


# ------------------------------------------------------------------------------------------------------------------- CSV


def table(run):
    return list(csv.DictReader(io.StringIO(run.out)))


def test_csv_says_what_json_says(dp, rods):
    blank = save(flat(90), dp.folder / 'a "blank", or so.png')
    inputs = [rods.new_good, rods.new_bad, blank, dp.folder / "no-such.png"]
    rows = table(dp.run("inspect", "--bank", rods.bank, "--csv", *inputs, code=1))
    pictures = dp.inspect(rods.bank, *inputs, code=1).pictures
    assert len(rows) == len(pictures)
    for row, p in zip(rows, pictures):
        for key in ("input", "status", "label", "reason"):
            assert row[key] == (p[key] or "")
        for key in ("score", "threshold", "p_value", "cell_threshold"):
            assert (float(row[key]) if row[key] else None) == (pytest.approx(p[key], rel=1e-4) if p[key] is not None else None)
        if p["status"] == "ok":
            assert int(row["defects"]) == len(p["defects"])


def test_the_columns_are_documented_in_their_order(dp, woven):
    header = dp.run("inspect", "--bank", woven.bank, "--csv", woven.new_good, code=0).out.splitlines()[0].split(",")
    text = dp.run("inspect", "--help", code=0).out
    helped = re.findall(r"^  (\w+)\s+\S", text[text.index("Columns of --csv"):], re.M)
    man = MAN.read_text()
    man = man[man.index(".SH CSV"):]
    assert helped[:len(header)] == header
    assert re.findall(r"^\.TP\n\.B (\w+)$", man[:man.index(".SH", 5)], re.M) == header
    assert header[:8] == ["input", "status", "label", "reason", "score", "threshold", "p_value", "cell_threshold"]


# -------------------------------------------------------------------------------------------- outputs that cannot be written


def test_a_result_stands_where_its_files_cannot_be_written(dp, woven):
    out = dp.folder / "out"
    out.mkdir()
    run = dp.run("inspect", "--bank", woven.bank, "--json", "--out", out, woven.new_bad, code=0)
    written = [f for f in out.rglob("*") if f.is_file()]
    assert written
    shutil.rmtree(out)
    out.mkdir()
    for f in written:  # a folder where a file is to be
        (f / "x").mkdir(parents=True)
    run = dp.run("inspect", "--bank", woven.bank, "--json", "--out", out, "--fail-on-anomaly", woven.new_bad, code=(2, 3, 4))
    if run.pictures:  # where it is not refused before the work
        assert run.pictures[0]["label"] == "anomalous" and run.pictures[0]["status"] == "error"


# ------------------------------------------------------------------------------------------------------ light and contrast

# So high that every score is good: what is stopped then is stopped by the gate alone.
ALL_GOOD = ("--threshold", "1e6")


def noisy(value, sigma=3, size=160, seed=1):
    rng = np.random.default_rng(seed)
    return np.clip(value + rng.normal(0, sigma, (size, size, 3)), 0, 255).astype(np.uint8)


def blurred(pixels, radius):
    return np.asarray(Image.fromarray(pixels).filter(ImageFilter.GaussianBlur(radius)))


def half_black(pixels):
    pixels = pixels.copy()
    pixels[len(pixels) // 2:] = 0
    return pixels


NO_LIGHT = {
    "black": (flat(0, 160), "darker"), "cap": (noisy(6), "darker"), "dark": (texture(7, light=0.15), "darker"),
    "white": (flat(255, 160), "brighter"), "overexposed": (texture(7, light=5.0), "brighter"),
    "grey": (flat(120, 160), "contrast"), "grey and noise": (noisy(120), "contrast"), "defocused": (blurred(texture(7), 16), "contrast"),
}
ODD = {
    "half a frame": (half_black(texture(7)), "missing"),
    "noise": (np.random.default_rng(3).integers(0, 256, (160, 160, 3)).astype(np.uint8), "noise"),
}


@pytest.mark.parametrize("name", NO_LIGHT)
@pytest.mark.parametrize("more", [(), ALL_GOOD], ids=["", "all good by score"])
def test_a_frame_without_light_is_not_inspected(dp, woven, name, more):
    pixels, word = NO_LIGHT[name]
    p, = dp.inspect(woven.bank, save(pixels, dp.folder / "frame.png"), *more).pictures
    assert p["label"] == "not_inspected" and word in p["reason"] and len(re.findall(r"\d", p["reason"])) >= 2


@pytest.mark.parametrize("name", [*NO_LIGHT, *ODD])
def test_no_broken_frame_passes_the_gate(dp, woven, rods, name):
    pixels, _ = (NO_LIGHT | ODD)[name]
    frame = save(pixels, dp.folder / "frame.png")
    for bank in (woven.bank, rods.bank):
        dp.run("inspect", "--quiet", "--bank", bank, "--fail-on-anomaly", frame, code=3)
        dp.run("inspect", "--quiet", "--bank", bank, "--fail-on-anomaly", *ALL_GOOD, frame, code=3)


def test_a_defect_is_anomalous_however_large_and_bright(dp, woven):
    pixels = texture(7)
    pixels[:len(pixels) // 3] = 255
    big = save(pixels, dp.folder / "big.png")
    assert [p["label"] for p in dp.inspect(woven.bank, big, woven.new_bad).pictures] == ["anomalous", "anomalous"]
    assert dp.inspect(woven.bank, big, *ALL_GOOD).pictures[0]["label"] == "good"  # the gate leaves it to the score


@pytest.mark.parametrize("light", [0.6, 0.8, 1.2, 1.4])
def test_drift_of_the_lamp_is_left_to_the_score(dp, woven, light):
    p, = dp.inspect(woven.bank, save(texture(7, light=light), dp.folder / "a.png"), *ALL_GOOD).pictures
    assert p["label"] == "good"


def test_the_range_follows_the_good_pictures(dp):
    for i, light in enumerate((0.1, 0.12, 0.15, 0.3, 0.5, 0.8, 1.0, 1.2)):
        save(texture(i, light=light), dp.folder / "varied" / f"{i}.png")
        save(texture(i, light=0.12), dp.folder / "dark" / f"{i}.png")
    dim, day, black = (save(p, dp.folder / n) for p, n in ((texture(40, light=0.11), "dim.png"), (texture(41), "day.png"),
                                                           (flat(0, 160), "black.png")))
    for good, expected in (("varied", ["good", "good", "not_inspected"]), ("dark", ["good", "not_inspected", "not_inspected"])):
        dp.fit(f"{good}.bank", good)
        run = dp.inspect(f"{good}.bank", dim, day, black, *ALL_GOOD)
        assert [p["label"] for p in run.pictures] == expected, good


def test_one_good_picture_sets_a_range(dp):
    dp.fit("one.bank", save(texture(1), dp.folder / "one.png"))
    run = dp.inspect("one.bank", save(texture(2), dp.folder / "a.png"), save(flat(0, 160), dp.folder / "black.png"))
    assert [p["label"] for p in run.pictures] == [None, "not_inspected"]


def test_a_black_frame_among_the_good_ones_opens_no_gate(dp):
    textures(dp.folder / "good", 9)
    save(flat(0, 160), dp.folder / "good" / "stray.png")
    run = dp.fit("stray.bank", "good")
    assert "stray.png" in run.err and "darker" in run.err
    p, = dp.inspect("stray.bank", save(noisy(3), dp.folder / "cap.png"), *ALL_GOOD).pictures
    assert p["label"] == "not_inspected"


def test_the_range_lives_on_with_the_bank(dp, woven, copy):
    bank = copy(woven.bank, "a.bank")
    dim = [save(texture(30 + i, light=0.1), dp.folder / "dim" / f"{i}.png") for i in range(5)]
    black = save(flat(0, 160), dp.folder / "black.png")
    dp.fit("dim.bank", "dim")
    dp.run("bank", "merge", bank, "dim.bank", "--out", "both.bank", code=0)
    assert [p["label"] for p in dp.inspect("both.bank", dim[0], black, *ALL_GOOD).pictures] == ["good", "not_inspected"]
    names = [p["name"] for p in dp.run("bank", "info", "--json", "both.bank", code=0).lines[0]["pictures"]]
    dp.run("bank", "remove", "--bank", "both.bank", *[n for n in names if "dim" in n], code=0)
    assert dp.inspect("both.bank", dim[0], *ALL_GOOD).pictures[0]["label"] == "not_inspected"
    dp.run("bank", "compress", "--storage", "f16", "both.bank", "--out", "small.bank", code=0)
    assert dp.inspect("small.bank", dim[0], *ALL_GOOD).pictures[0]["label"] == "not_inspected"
    before = Path(bank).read_bytes()
    run = dp.run("bank", "add", "--bank", bank, dim[0], code=(1, 4))
    assert "darker" in run.err and Path(bank).read_bytes() == before


def test_bank_info_shows_the_range(dp, woven):
    known = dp.run("bank", "info", "--json", woven.bank, code=0).lines[0]
    span = known["good_range"]
    assert span["width_px"] == [160, 160] and span["aspect_ratio"] == [1, 1]
    assert 80 < span["dark"][0] <= span["dark"][1] < span["bright"][0] <= span["bright"][1] < 160
    text = dp.run("bank", "info", woven.bank, code=0).out
    assert "160 x 160" in text and "brightest" in text


# ---------------------------------------------------------------------------------------------------------- size and aspect


def resized(pixels, width, height):
    return np.asarray(Image.fromarray(pixels).resize((width, height), Image.BICUBIC))


def test_another_aspect_ratio_is_not_inspected(dp, woven):
    wide = save(resized(texture(7), 170, 160), dp.folder / "wide.png")
    nearly = save(resized(texture(7), 162, 160), dp.folder / "nearly.png")
    run = dp.inspect(woven.bank, wide, nearly, *ALL_GOOD)
    assert [p["label"] for p in run.pictures] == ["not_inspected", "good"]
    assert "aspect" in run.pictures[0]["reason"] and "170x160" in run.pictures[0]["reason"]
    assert dp.inspect(woven.bank, wide, "--any-size", *ALL_GOOD).pictures[0]["label"] == "good"
    dp.run("inspect", "--bank", woven.bank, "--fail-on-anomaly", *ALL_GOOD, wide, code=3)


def test_the_margin_of_the_aspect_ratio_is_two_percent(dp, woven):
    within, beyond = (save(resized(texture(7), width, 320), dp.folder / f"{width}.png") for width in (326, 327))
    run = dp.inspect(woven.bank, within, beyond, *ALL_GOOD)
    assert [p["label"] for p in run.pictures] == ["good", "not_inspected"]


def test_any_size_is_not_any_light(dp, woven):
    black = save(flat(0, 160), dp.folder / "black.png")
    p, = dp.inspect(woven.bank, "--any-size", *ALL_GOOD, black).pictures
    assert p["label"] == "not_inspected" and "darker" in p["reason"]


def test_add_takes_no_other_aspect_ratio(dp, woven, copy):
    bank = copy(woven.bank)
    wide = save(texture(300, width=240), dp.folder / "wide.png")
    run = dp.run("bank", "add", "--bank", bank, wide, code=(1, 4))
    assert "aspect" in run.err and bank.read_bytes() == woven.bank.read_bytes()


def test_another_size_is_warned_of_once(dp, woven):
    larger = [save(resized(texture(i), 320, 320), dp.folder / f"larger-{i}.png") for i in range(3)]
    run = dp.inspect(woven.bank, *larger, woven.new_good, *ALL_GOOD)
    assert [p["label"] for p in run.pictures] == ["good"] * 4
    assert run.err.count("another size") == run.err.count("--any-size") == 1
    assert "another size" not in dp.inspect(woven.bank, "--any-size", *larger, *ALL_GOOD).err
    assert "another size" not in dp.inspect(woven.bank, woven.new_good).err


def test_the_nearest_of_several_good_sizes_counts(dp):
    for i in range(4):
        save(texture(i), dp.folder / "good" / f"{i}.png")
        save(texture(i, width=240), dp.folder / "good" / f"wide-{i}.png")
    dp.fit("mixed.bank", "good")
    square, wide, between = (save(texture(20, width=w), dp.folder / f"{w}.png") for w in (160, 240, 200))
    run = dp.inspect("mixed.bank", square, wide, between, *ALL_GOOD)
    assert [p["label"] for p in run.pictures] == ["good", "good", "not_inspected"]
    assert "another size" not in run.err


def test_aligned_parts_may_have_any_size(dp, rods):
    wide = np.full((192, 260, 3), (200, 200, 196), np.uint8)
    wide[:, 34:226] = part(104)
    run = dp.inspect(rods.bank, save(wide, dp.folder / "wide.png"), *ALL_GOOD)
    assert run.pictures[0]["label"] == "good" and "another size" not in run.err


# ---------------------------------------------------------------------------------------------------------- too few cells


def test_a_part_of_which_too_little_is_seen_is_not_good(dp, rods):
    """A picture cut so close around a part that most of what the good ones show around it is missing."""
    whole, close = part(104, angle=0, shift=(0, 0)), part(104, angle=0, shift=(0, 0))[60:132, 26:166]
    run = dp.inspect(rods.bank, save(whole, dp.folder / "whole.png"), save(close, dp.folder / "close.png"), *ALL_GOOD)
    assert [p["align"]["status"] for p in run.pictures] == ["ok", "ok"]
    assert [p["label"] for p in run.pictures] == ["good", "not_inspected"] and "too few cells" in run.pictures[1]["reason"]


def test_a_region_of_which_too_little_is_seen_is_not_good(dp):
    """The region lies above the part; the picture is cut below the middle of it."""
    parts(dp.folder / "good", 5, angle=0, shift=(0, 0))
    dp.fit("a.bank", "good", align="pca", polarity="none")
    region = np.zeros((192, 192), np.uint8)
    region[20:90, 60:130] = 255
    roi = ["--roi", save(region, dp.folder / "mask.png"), "--roi-frame", "object", "--roi-picture", "good/000.png"]
    whole = part(104, angle=0, shift=(0, 0))
    save(whole, dp.folder / "whole.png")
    save(whole[62:], dp.folder / "cut.png")
    run = dp.run("inspect", "--bank", "a.bank", "--json", *roi, *ALL_GOOD, "whole.png", "cut.png", code=0)
    assert [p["label"] for p in run.pictures] == ["good", "not_inspected"]
    assert "too few cells" in run.pictures[1]["reason"] and "region to inspect" in run.pictures[1]["reason"]


def test_a_picture_that_is_mostly_background_is_not_good(dp, woven):
    """Less and less of the texture is left: where the mask takes more than half of the cells, the rest does not stand for the whole."""
    dp.fit("a.bank", "--background", "test", "--background-threshold", "4", woven.good)
    for rows in range(96, 110):
        pixels = texture(51)
        pixels[:rows] = [90, 200, 40]
        save(pixels, dp.folder / "new" / f"{rows}.png")
    found = [(p["coverage"]["masked_fraction"], p["label"]) for p in dp.inspect("a.bank", *ALL_GOOD, "new").pictures if p["coverage"]]
    assert {label for masked, label in found if masked > 0.5} == {"not_inspected"}
    assert "good" in {label for _, label in found}


def test_a_picture_of_which_next_to_nothing_is_looked_at_is_not_good(dp, woven):
    """A region smaller than any cell."""
    mask = np.zeros((160, 160), np.uint8)
    mask[:4, :4] = 255
    run = dp.run("inspect", "--bank", woven.bank, "--json", "--roi", save(mask, dp.folder / "mask.png"), woven.new_good, code=(0, 1, 2, 4))
    assert not run.pictures or run.pictures[0]["label"] == "not_inspected"
