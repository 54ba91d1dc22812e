# SPDX-License-Identifier: Apache-2.0
"""No bank is tuned or evaluated on its own training pictures, and each threshold records where it came from."""

import json
import shutil
from pathlib import Path

import pytest
from conftest import MODEL, save, texture, textures

VERSION_1 = Path(__file__).resolve().parent / "data" / "version-1.bank"


def info(dp, bank):
    return dp.run("bank", "info", "--json", bank, code=0).lines[0]


def origin(dp, bank):
    return info(dp, bank)["threshold_origin"]


@pytest.fixture
def bank(dp, woven, copy):
    copy(woven.good)
    copy(woven.bank)
    textures(dp.folder / "fine", 6, first=60)
    for i in range(6):
        save(texture(300 + i, defect=True), dp.folder / f"bad/{i}.png")
    return "good.bank"


def tune(dp, *args, code=None, trials=50, folds=2):
    parts = ["--folds", folds] if folds else []
    return dp.run("tune", "--bank", "good.bank", "--trials", trials, *parts, *args, code=code)


def untouched(dp, woven):
    return (dp.folder / "good.bank").read_bytes() == woven.bank.read_bytes()


def copies(dp, woven, route):
    if route == "itself":
        return "good"
    for i in (4, 7):
        pixels = texture(i)
        save(pixels, dp.folder / "fine" / (f"z{i}.bmp" if route == "other-format" else f"z{i}.png"))
    return "fine"


@pytest.mark.parametrize("route, n", [("itself", 12), ("copies", 2), ("other-format", 2)])
@pytest.mark.parametrize("side", ["--good", "--bad"])
def test_tune_refuses_the_banks_own_pictures(dp, woven, bank, route, n, side):
    folder = copies(dp, woven, route)
    args = ["--good", folder, "--bad", "bad"] if side == "--good" else ["--good", "bad", "--bad", folder]
    run = tune(dp, *args, "--force", code=(2, 4))
    assert f"{n} of the " in run.err and "in the bank" in run.err
    assert ("good/000.png" if route == "itself" else "fine/z4") in run.err and ("good/004.png" in run.err or route == "itself")
    assert untouched(dp, woven)


def test_tune_refuses_a_picture_with_two_labels(dp, woven, bank):
    save(texture(61), dp.folder / "bad/odd.bmp")
    run = tune(dp, "--good", "fine", "--bad", "bad", "--force", code=(2, 4))
    assert "bad/odd.bmp" in run.err and "fine/001.png" in run.err and "--good and with --bad" in run.err
    assert untouched(dp, woven)


def test_tune_refuses_a_picture_given_twice(dp, woven, bank):
    run = tune(dp, "--good", "fine", "--good", "fine/003.png", "--bad", "bad", "--force", code=(2, 4))
    assert "fine/003.png" in run.err and "given twice" in run.err
    assert untouched(dp, woven)


def test_tune_with_nothing_to_gain_stores_nothing(dp, woven, bank):
    """Red squares on cloth: the stored settings part them without a fault, nothing can be better."""
    run = tune(dp, "--good", "fine", "--bad", "bad", "--json", code=4)
    result = run.lines[0]
    assert result["held_out"]["auroc"] <= result["untuned_fold_auroc"] and result["stored"] is False and result["better"] is False
    assert "do not beat the stored ones" in run.err and "--force" in run.err
    assert untouched(dp, woven)
    tune(dp, "--good", "fine", "--bad", "bad", "--out", "other.bank", code=4)
    assert not (dp.folder / "other.bank").exists()
    tune(dp, "--good", "fine", "--bad", "bad", "--dry-run", code=0)


def test_only_held_out_pictures_speak_for_what_was_found(dp, woven, bank):
    """Good pictures with labels by chance: on the pictures it saw the search finds something better, on others that is worth nothing."""
    fooled = 0
    for first in range(400, 560, 20):
        for side, start in (("one", first), ("other", first + 8)):
            shutil.rmtree(dp.folder / side, ignore_errors=True)
            textures(dp.folder / side, 8, first=start)
        run = tune(dp, "--good", "one", "--bad", "other", "--json", "--out", f"{first}.bank", trials=200, code=(0, 4))
        result = run.lines[0]
        gain = result["held_out"]["auroc"] - result["untuned_fold_auroc"]
        better = gain > 1e-9 or (abs(gain) <= 1e-9 and result["held_out"]["f1"] > result["untuned"]["f1"] + 1e-9)
        assert result["better"] == result["stored"] == (dp.folder / f"{first}.bank").exists() == (run.code == 0) == better
        fooled += not better and result["tuned"]["auroc"] > result["untuned"]["auroc"]
        if fooled:
            break
    assert fooled, "none of these sets tells the two apart: take others"


def test_tune_without_held_out_pictures_stores_nothing(dp, woven, bank):
    run = tune(dp, "--good", "fine", "--bad", "bad", "--all-data", folds=None, code=4)
    assert "--force" in run.err and untouched(dp, woven)
    run = tune(dp, "--good", "fine", "--bad", "bad/1.png", code=4)
    assert "--force" in run.err and untouched(dp, woven)


def test_force_stores_and_says_so(dp, bank):
    run = tune(dp, "--good", "fine", "--bad", "bad", "--force", "--json", code=0)
    assert run.lines[0]["stored"] is True
    tuned = info(dp, bank)
    assert tuned["threshold"] == pytest.approx(run.lines[0]["threshold"])
    assert tuned["threshold_origin"] == {"by": "tune", "fpr": None, "good": 6, "bad": 6}
    assert "tune, on 6 good and 6 bad pictures" in dp.run("bank", "info", bank, code=0).out


def test_settings_that_held_out_pictures_speak_for_are_stored(dp, woven, bank):
    """Stored settings that see nothing: every distance is cut off, AUROC one half."""
    dp.run("calibrate", "--bank", bank, "--map", "low=1000", code=0)
    run = tune(dp, "--good", "fine", "--bad", "bad", "--json", trials=200, code=0)
    result = run.lines[0]
    assert result["held_out"]["auroc"] > result["untuned_fold_auroc"] and result["stored"] is True and result["better"] is True
    assert origin(dp, bank)["by"] == "tune"


def test_tune_with_another_blend_is_compared_with_the_stored_one(dp, woven, bank):
    """The figures that have to be beaten are those of the bank as it is."""
    plain = tune(dp, "--good", "fine", "--bad", "bad", "--json", "--dry-run", code=0).lines[0]
    other = tune(dp, "--good", "fine", "--bad", "bad", "--json", "--dry-run", "--blend", "1", code=0).lines[0]
    assert other["untuned"] == plain["untuned"] and other["untuned_fold_auroc"] == plain["untuned_fold_auroc"]


def test_every_command_says_where_its_threshold_came_from(dp, bank):
    assert origin(dp, bank) == {"by": "leave-one-out", "fpr": 0.05, "good": 12, "bad": 0}
    assert "leave-one-out scores of 12 good pictures" in dp.run("bank", "info", bank, code=0).out
    dp.run("calibrate", "--bank", bank, "--fpr", "0.2", code=0)
    assert origin(dp, bank) == {"by": "calibrate", "fpr": 0.2, "good": 12, "bad": 0}
    assert "calibrate" in dp.run("bank", "info", bank, code=0).out
    dp.run("calibrate", "--bank", bank, "--value", "3.5", code=0)
    assert origin(dp, bank) == {"by": "value", "fpr": None, "good": 0, "bad": 0} and info(dp, bank)["threshold"] == 3.5
    assert "given by hand" in dp.run("bank", "info", bank, code=0).out
    dp.run("bank", "add", "--bank", bank, "fine", code=0)
    assert origin(dp, bank) == {"by": "value", "fpr": None, "good": 0, "bad": 0} and info(dp, bank)["threshold"] == 3.5  # is kept
    dp.run("calibrate", "--bank", bank, "--fpr", "0.2", code=0)
    assert origin(dp, bank) == {"by": "calibrate", "fpr": 0.2, "good": 18, "bad": 0}
    dp.run("bank", "remove", "--bank", bank, "fine/000.png", code=0)
    assert origin(dp, bank)["good"] == 17
    dp.run("calibrate", "--bank", bank, "--value", "3.5", code=0)
    dp.run("bank", "compress", bank, "--kmeans", "3", "--out", "small.bank", code=0)
    assert origin(dp, "small.bank") == {"by": "leave-one-out", "fpr": 0.2, "good": 17, "bad": 0}
    dp.run("calibrate", "--bank", "small.bank", "--value", "2", code=0)
    dp.run("bank", "compress", "small.bank", "--storage", "int8", "--out", "smaller.bank", code=0)  # which cannot score anew
    assert origin(dp, "smaller.bank")["by"] == "value" and info(dp, "smaller.bank")["threshold"] == 2


@pytest.mark.parametrize("wrong", [["--value", "nan"], ["--value", "-1"], ["--value", "inf"], ["--value", "1", "--fpr", "0.1"]])
def test_a_threshold_by_hand_is_a_score(dp, woven, bank, wrong):
    dp.run("calibrate", "--bank", bank, *wrong, code=2)
    assert untouched(dp, woven)


def test_tune_on_a_bank_of_version_1_says_what_it_cannot_see(dp, bank):
    shutil.copy(VERSION_1, dp.folder / "old.bank")
    args = ["tune", "--bank", "old.bank", "--model", MODEL, "--trials", 20, "--folds", 2, "--bad", "bad", "--force"]
    run = dp.run(*args, "--good", "fine", code=0)
    assert run.err.count("without digests of its pictures") == 1
    run = dp.run(*args, "--good", "good", code=4)  # by their names
    assert "4 of the 18 pictures are in the bank" in run.err


# ------------------------------------------------------------------------------------------------------------------ eval


def data_set(folder, layout="mvtec"):
    if layout == "mvtec":
        textures(folder / "train/good", 6)
        textures(folder / "test/good", 3, first=40)
        bad = folder / "test/stain"
    else:
        textures(folder / "good", 9)
        bad = folder / "stain"
    for i in range(3):
        save(texture(200 + i, defect=True), bad / f"{i}.png")


def evaluate(dp, *args, **kw):
    return dp.run("eval", "--no-times", "--model", MODEL, "--align", "none", "--canvas", "112x112", *args, **kw)


@pytest.mark.parametrize("where", ["test/good/own.png", "test/stain/own.bmp"])
@pytest.mark.parametrize("program", ["eval", "ablation", "layer_sweep", "clusters"])
def test_eval_refuses_a_test_picture_that_is_learned_from(dp, where, program):
    data_set(dp.folder / "cloth")
    save(texture(4), dp.folder / "cloth" / where)
    if program == "eval":
        run = evaluate(dp, "cloth", code=4)
    else:
        run = dp.research(program, "--model", MODEL, "--align", "none", "--canvas", "112x112", "--out", "out", "cloth", code=4)
    assert f"cloth/{where}" in run.err and "cloth/train/good/004.png" in run.err and "1 of the 7 test pictures" in run.err
    assert "stain" not in run.out


def test_eval_refuses_it_in_plain_folders_too(dp):
    data_set(dp.folder / "cloth", "plain")
    evaluate(dp, "cloth", code=0)
    save(texture(1), dp.folder / "cloth/good/000b.png")  # one of the two is tested, the other learned from
    run = evaluate(dp, "cloth", code=4)
    assert "000b.png" in run.err and "001.png" in run.err


def test_eval_refuses_a_test_picture_with_two_labels(dp):
    data_set(dp.folder / "cloth")
    save(texture(200, defect=True), dp.folder / "cloth/test/good/z.png")
    run = evaluate(dp, "cloth", code=4)
    assert "test/stain/0.png" in run.err and "test/good/z.png" in run.err


def test_eval_goes_on_with_the_other_categories(dp):
    data_set(dp.folder / "set/cloth")
    data_set(dp.folder / "set/wool")
    shutil.copy(dp.folder / "set/cloth/train/good/000.png", dp.folder / "set/cloth/test/good/own.png")
    run = evaluate(dp, "set", "--out", "out", code=1)
    assert "cloth/test/good/own.png" in run.err
    metrics = json.loads((dp.folder / "out/metrics.json").read_text())
    assert "wool" in metrics and "cloth" not in metrics


def test_eval_takes_copies_of_good_pictures_once(dp):
    data_set(dp.folder / "cloth")
    evaluate(dp, "cloth", "--out", "once", code=0)
    shutil.copy(dp.folder / "cloth/train/good/000.png", dp.folder / "cloth/train/good/z.png")
    run = evaluate(dp, "cloth", "--out", "twice", code=0)
    assert "z.png" in run.err
    assert (dp.folder / "once/metrics.json").read_text() == (dp.folder / "twice/metrics.json").read_text()
