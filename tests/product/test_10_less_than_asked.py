# SPDX-License-Identifier: Apache-2.0
"""A run that used fewer pictures than given is no success, and one picture never stops a run."""

import json
import shutil

import numpy as np
import pytest

from conftest import CANVAS, MODEL, part, parts, save, texture, textures


def flat(value, size=192):
    return np.full((size, size, 3), value, np.uint8)


def mixed(folder, n_good, n_flat):
    """Parts of which some cannot be aligned."""
    parts(folder, n_good)
    for i in range(n_flat):
        save(flat(180 + i % 20), folder / f"flat-{i:03d}.png")
    return folder


def fit_parts(dp, bank, *args, **kw):
    return dp.fit(bank, *args, align="pca", polarity="none", **kw)


# ------------------------------------------------------------------------------------------------------------------- fit


def test_no_bank_of_few_of_the_pictures(dp):
    good = mixed(dp.folder / "good", 4, 8)
    (good / "torn.png").write_bytes(b"no picture")
    run = fit_parts(dp, "few.bank", good, code=1)
    assert not (dp.folder / "few.bank").exists()
    assert "4 of 13 pictures" in run.err and "90 %" in run.err
    assert "flat-003.png" in run.err and "torn.png" in run.err
    assert any(line.split()[:1] == ["8"] and "aligned" in line for line in run.err.splitlines())
    assert any(line.split()[:1] == ["1"] and "known format" in line for line in run.err.splitlines())
    assert run.err.count("--allow-few") == 1 and run.err.splitlines()[-1].count("--align none") == 1


def test_an_old_bank_stays_where_the_new_one_is_refused(dp, rods, copy):
    bank = copy(rods.bank)
    before = bank.read_bytes()
    fit_parts(dp, bank, mixed(dp.folder / "good", 2, 3), code=1)
    assert bank.read_bytes() == before


def test_allow_few_takes_them_and_is_no_success_either(dp):
    fit_parts(dp, "few.bank", "--allow-few", mixed(dp.folder / "good", 4, 8), code=1)
    assert dp.run("bank", "info", "--json", "few.bank", code=0).lines[0]["n_pictures"] == 4


@pytest.mark.parametrize("n_flat, written", [(1, True), (2, False)])
def test_nine_of_ten_are_enough(dp, n_flat, written):
    fit_parts(dp, "a.bank", mixed(dp.folder / "good", 10 - n_flat, n_flat), code=1)
    assert (dp.folder / "a.bank").exists() == written


def test_shots_are_asked_for_too(dp):
    textures(dp.folder / "good", 5)
    run = dp.fit("a.bank", "--shots", "8", "good", code=1)
    assert "5 of 8" in run.err and not (dp.folder / "a.bank").exists()
    dp.fit("a.bank", "--shots", "8", "--allow-few", "good", code=1)
    dp.fit("b.bank", "--shots", "3", "good", code=0)


# -------------------------------------------------------------------------------------------------- one picture stops nothing


def strange(folder):
    """Pictures that are hard to take, each in its own way."""
    save(np.full((20000, 1, 3), 90, np.uint8), folder / "s-long.png")
    save(np.full((1, 20000, 3), 90, np.uint8), folder / "s-wide.png")
    save(np.full((1, 1, 3), 90, np.uint8), folder / "s-dot.png")
    (folder / "s-empty.png").write_bytes(b"")
    (folder / "s-text.png").write_bytes(b"no picture")
    return folder


WAYS = {
    "canvas": ["--align", "none", "--canvas", CANVAS],
    "auto": ["--align", "none", "--canvas", "auto:112"],
    "flat": ["--align", "none", "--polarity", "none", "--edge", "56", "--layout", "flat", "--window", "global"],
    "crop": ["--align", "none", "--polarity", "none", "--edge", "112", "--crop", "112"],
    "pca": ["--align", "pca", "--polarity", "none", "--canvas", CANVAS],
}


@pytest.mark.parametrize("way", WAYS)
def test_strange_pictures_stop_neither_fit_nor_inspect(dp, way):
    (parts if way == "pca" else textures)(dp.folder / "good", 4)
    dp.run("fit", "--model", MODEL, "--bank", "a.bank", *WAYS[way], "good", code=0)
    strange(dp.folder / "good")
    run = dp.run("fit", "--model", MODEL, "--bank", "b.bank", "--allow-few", *WAYS[way], "good", code=1)
    assert "s-text.png" in run.err
    known = dp.run("bank", "info", "--json", "b.bank", code=0).lines[0]
    assert known["n_pictures"] >= 4
    run = dp.inspect("a.bank", "good", code=(0, 1))
    labels = {p["input"].split("/")[-1]: p["label"] for p in run.pictures}
    assert len(labels) == 9
    assert all(label == "good" for name, label in labels.items() if not name.startswith("s-"))
    assert all(label != "good" for name, label in labels.items() if name.startswith("s-"))


def test_a_picture_that_grows_beyond_the_limit_stops_nothing(dp):
    """20,000 pixels by one are few, resized to a smaller side of 112 they are 250 million."""
    textures(dp.folder / "good", 10)
    save(np.full((1, 20000, 3), 90, np.uint8), dp.folder / "good" / "thread.png")
    run = dp.run("fit", "--model", MODEL, "--bank", "a.bank", "--max-pixels", "1M", *WAYS["crop"], "good", code=1)
    assert "thread.png" in run.err and "--max-pixels" in run.err
    assert dp.run("bank", "info", "--json", "a.bank", code=0).lines[0]["n_pictures"] == 10


def test_pictures_without_a_score_promise_nothing(dp):
    """A region that one of the pictures has no cell in, for it is cut close above the part: it has no score, and does not count."""
    parts(dp.folder / "good", 5, angle=0, shift=(0, 0))
    save(part(9, angle=0, shift=(0, 0))[62:], dp.folder / "good" / "cut.png")
    region = np.zeros((192, 192), np.uint8)
    region[25:50, 60:130] = 255
    roi = ["--roi", save(region, dp.folder / "mask.png"), "--roi-frame", "object", "--roi-picture", "good/000.png"]
    run = fit_parts(dp, "a.bank", *roi, "good", code=(0, 1))
    known = dp.run("bank", "info", "--json", "a.bank", code=0).lines[0]
    assert [p["leave_one_out"] is None for p in known["pictures"]] == [False] * 5 + [True]
    assert known["n_scored"] == known["threshold_origin"]["good"] == 5
    assert "5 pictures cannot promise a false-alarm rate below 0.17" in run.out
    p, = dp.run("inspect", "--bank", "a.bank", "--json", "--threshold", "1e6", "good/000.png", code=0).pictures
    assert p["p_value"] * 6 == pytest.approx(round(p["p_value"] * 6))  # of 5 scores and its own
    told = dp.run("calibrate", "--bank", "a.bank", "--dry-run", "--json", code=0).lines[0]
    assert told["n"] == 5


def test_a_picture_without_a_cell_is_not_learned_from(dp):
    """A needle in a picture that is lower than a cell: it can be aligned, and no cell lies wholly inside."""
    parts(dp.folder / "good", 10)
    needle = flat(200)[:12]
    needle[4:8, 25:167] = 60
    save(needle, dp.folder / "good" / "needle.png")
    assert dp.run("align", "--json", "good/needle.png", code=0).lines[0]["align"]["status"] == "ok"
    run = fit_parts(dp, "a.bank", "good", code=1)
    assert "needle.png: no cell lies wholly inside" in run.err
    assert dp.run("bank", "info", "--json", "a.bank", code=0).lines[0]["n_pictures"] == 10


def test_a_fit_of_one_picture_has_no_threshold(dp):
    run = dp.fit("one.bank", save(texture(1), dp.folder / "one.png"), code=0)
    assert "no threshold" in run.out
    assert dp.inspect("one.bank", save(texture(2), dp.folder / "a.png")).pictures[0]["label"] is None


# -------------------------------------------------------------------------------------------------------------- add and eval


def test_add_of_few_changes_nothing(dp, rods, copy):
    bank = copy(rods.bank)
    before = bank.read_bytes()
    new = mixed(dp.folder / "new", 2, 3)
    for path in new.glob("0*.png"):
        save(part(300 + int(path.stem)), path)
    run = dp.run("bank", "add", "--bank", bank, new, code=1)
    assert bank.read_bytes() == before and "2 of 5" in run.err
    dp.run("bank", "add", "--bank", bank, "--allow-few", new, code=1)
    assert dp.run("bank", "info", "--json", bank, code=0).lines[0]["n_pictures"] == 14


def test_add_again_what_is_there_is_no_failure_of_the_new_ones(dp, woven, copy):
    bank = copy(woven.bank)
    shutil.copytree(woven.good, dp.folder / "good")
    save(texture(400), dp.folder / "good" / "new.png")
    dp.run("bank", "add", "--bank", bank, woven.good, dp.folder / "good" / "new.png", code=(0, 1))
    assert dp.run("bank", "info", "--json", bank, code=0).lines[0]["n_pictures"] == 13


def test_eval_of_few_is_not_possible(dp):
    mixed(dp.folder / "set" / "train" / "good", 3, 4)
    parts(dp.folder / "set" / "test" / "good", 2, first=50)
    save(part(60, defect=True), dp.folder / "set" / "test" / "bad" / "0.png")
    args = ["eval", "--model", MODEL, "--align", "pca", "--polarity", "none", "--canvas", CANVAS, "--out", "out"]
    run = dp.run(*args, "set", code=(1, 4))
    assert "3 of 7" in run.out + run.err
    shutil.rmtree(dp.folder / "out", ignore_errors=True)
    dp.run(*args, "--allow-few", "set", code=1)
    assert json.loads((dp.folder / "out" / "metrics.json").read_text())
