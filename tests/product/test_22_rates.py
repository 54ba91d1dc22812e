# SPDX-License-Identifier: Apache-2.0
"""The promises of a threshold: rates, certificates from pictures that are not in the bank, defects that are caught, few pictures."""

import shutil

import pytest
from conftest import save, texture, textures


def info(dp, bank):
    return dp.run("bank", "info", "--json", bank, code=0).lines[0]


@pytest.fixture
def bank(dp, woven, copy):
    copy(woven.bank)
    copy(woven.good)
    textures(dp.folder / "fine", 30, first=500)
    for i in range(5):
        save(texture(700 + i, defect=True), dp.folder / f"bad/{i}.png")
    return "good.bank"


def calibrate(dp, *args, code=0):
    return dp.run("calibrate", "--bank", "good.bank", *args, code=code)


def untouched(dp, woven):
    return (dp.folder / "good.bank").read_bytes() == woven.bank.read_bytes()


def test_the_table_is_the_same_everywhere_and_rises(dp, bank):
    kept, found = info(dp, bank)["rates"], calibrate(dp, "--json", "--dry-run").lines[0]["rates"]
    assert len(kept) == len(found) and [r["fpr"] for r in kept] == sorted(r["fpr"] for r in kept)
    thresholds = [r["threshold"] for r in kept]
    assert thresholds == sorted(thresholds, reverse=True) and thresholds == pytest.approx([r["threshold"] for r in found])
    assert all(r["low"] < r["expected"] < r["high"] for r in kept)
    assert [r["threshold"] for r in kept if r["in_use"]] == [info(dp, bank)["threshold"]]
    calibrate(dp, "--fpr", "0.2")
    used, = [r for r in info(dp, bank)["rates"] if r["in_use"]]
    assert used["fpr"] == pytest.approx(0.2) and used["threshold"] == info(dp, bank)["threshold"]
    calibrate(dp, "--value", "3")
    assert not any(r["in_use"] for r in info(dp, bank)["rates"])


def test_a_certificate_from_pictures_the_bank_has_not_seen(dp, bank):
    scores = sorted((p["score"] for p in dp.inspect(bank, "fine").pictures), reverse=True)
    said = calibrate(dp, "--good", "fine", "--fpr", "0.1", "--json").lines[0]
    assert said["n"] == 30 and said["k"] == 1 and said["supported"] and said["threshold"] == pytest.approx(scores[0])
    assert said["certified"] == pytest.approx(1 - 0.05 ** (1 / 30)) and said["n_needed"] == 29
    kept = info(dp, bank)
    assert kept["threshold"] == pytest.approx(scores[0]) and kept["threshold_origin"] == {
        "by": "held-out", "fpr": 0.1, "good": 30, "bad": 0, "k": 1, "certified": said["certified"]}
    assert kept["cell_threshold"] == said["cell_threshold"] and not any(r["in_use"] for r in kept["rates"])
    assert "held-out good pictures" in dp.run("bank", "info", bank, code=0).out
    dp.run("bank", "verify", bank, code=0)
    labels = [p["label"] for p in dp.inspect(bank, "fine").pictures]
    assert labels == ["good"] * 30
    text = calibrate(dp, "--good", "fine", "--fpr", "0.05", "--dry-run").out
    assert "a rate of 0.05 takes 59 good pictures: add 29" in text and "95 % confidence, at most 0.095" in text
    wide = calibrate(dp, "--good", "fine", "--fpr", "0.5", "--dry-run", "--json").lines[0]
    assert wide["k"] > 5 and wide["certified"] <= 0.5 and wide["threshold"] == pytest.approx(scores[wide["k"] - 1])


@pytest.mark.parametrize("side", ["--good", "--bad"])
def test_own_pictures_are_refused(dp, woven, bank, side):
    save(texture(4), dp.folder / "fine/own.bmp")
    args = ["--good", "fine"] if side == "--good" else ["--bad", "fine"]
    run = calibrate(dp, *args, code=4)
    assert "fine/own.bmp" in run.err and "good/004.png" in run.err and untouched(dp, woven)


def test_defects_show_what_each_rate_catches_and_change_no_threshold(dp, woven, bank):
    plain = calibrate(dp, "--json", "--dry-run").lines[0]
    said = calibrate(dp, "--bad", "bad", "--json", "--dry-run").lines[0]
    assert said["threshold"] == plain["threshold"] and said["bad"] == {"given": 5, "scored": 5, "not_inspected": 0, "failed": 0, "caught": 5}
    assert [r["recall"] for r in said["rates"]] == [1] * len(said["rates"])
    held = calibrate(dp, "--good", "fine", "--bad", "bad", "--json", "--dry-run").lines[0]
    assert held["threshold"] == calibrate(dp, "--good", "fine", "--json", "--dry-run").lines[0]["threshold"]
    assert "catches 5 of 5 bad" in calibrate(dp, "--good", "fine", "--bad", "bad", "--dry-run").out
    shutil.copytree(dp.folder / "fine", dp.folder / "alike")  # good ones called bad are not caught
    for path in (dp.folder / "alike").iterdir():
        if int(path.stem) >= 5:
            path.unlink()
        else:
            (dp.folder / "fine" / path.name).unlink()
    missed = calibrate(dp, "--good", "fine", "--bad", "alike", "--json", "--dry-run").lines[0]
    assert missed["bad"]["caught"] <= 1 and untouched(dp, woven)


def test_best_f1_is_asked_for_and_recorded(dp, bank):
    good = max(p["score"] for p in dp.inspect(bank, "fine").pictures)
    bad = min(p["score"] for p in dp.inspect(bank, "bad").pictures)
    said = calibrate(dp, "--good", "fine", "--bad", "bad", "--best-f1", "--json").lines[0]
    assert said["f1"] == 1 and good < said["threshold"] < bad
    assert info(dp, bank)["threshold_origin"] == {"by": "tune", "fpr": None, "good": 30, "bad": 5}


def test_a_certificate_needs_the_pictures_it_was_given(dp, woven, bank):
    for i in range(6):
        (dp.folder / f"fine/broken{i}.png").write_bytes(b"no picture")
    run = calibrate(dp, "--good", "fine", code=1)
    assert "30 of 36 pictures could be used" in run.err and untouched(dp, woven)
    run = calibrate(dp, "--good", "fine", "--allow-few", "--json", code=1)
    assert run.lines[0]["good"] == {"given": 36, "scored": 30, "not_inspected": 0, "failed": 6} and not untouched(dp, woven)


@pytest.mark.parametrize("wrong", [
    ["--value", "1", "--good", "fine"], ["--value", "1", "--bad", "bad"], ["--best-f1"], ["--best-f1", "--good", "fine"],
    ["--best-f1", "--bad", "bad", "--fpr", "0.1"], ["--model", "nano"], ["fine"], ["--good", "fine", "--out", "fine/000.png"]])
def test_contradictions_are_refused(dp, woven, bank, wrong):
    calibrate(dp, *wrong, code=2)
    assert untouched(dp, woven)


def test_an_empty_folder_certifies_nothing(dp, woven, bank):
    (dp.folder / "empty").mkdir()
    assert "--good" in calibrate(dp, "--good", "empty", code=4).err and untouched(dp, woven)


@pytest.mark.parametrize("n", [1, 2, 4, 8, 16, 19])
def test_few_pictures_say_what_they_can_promise(dp, n):
    textures(dp.folder / "few", n)
    run = dp.fit("few.bank", "few")
    kept = info(dp, "few.bank")
    inspected, = dp.inspect("few.bank", save(texture(900, defect=True), dp.folder / "x.png")).pictures
    if n == 1:
        assert "no threshold" in run.out and kept["threshold"] is None and kept["rates"] == []
        assert inspected["label"] is None and inspected["score"] > 0
        return
    scores = [p["leave_one_out"] for p in kept["pictures"]]
    assert kept["threshold"] == max(scores) and inspected["label"] == "anomalous"
    promised = f"{n} pictures cannot promise a false-alarm rate below {1 / (n + 1):.2g}, so the threshold is the largest score"
    assert (promised in run.out) == (n < 19) and ("a rate of 0.05 needs 19" in run.out) == (n < 19)
    used, = [r for r in kept["rates"] if r["in_use"]]
    assert used["expected"] == pytest.approx(1 / (n + 1)) and used["high"] == pytest.approx(1 - 0.05 ** (1 / n))


def test_what_stands_out_among_the_good_is_shown_and_kept(dp):
    textures(dp.folder / "good", 11)
    run = dp.fit("clean.bank", "good")
    assert "look at" not in run.out
    save(texture(50, defect=True), dp.folder / "good/stain.png")
    run = dp.fit("good.bank", "good")
    assert "look at this picture" in run.out and "good/stain.png: score" in run.out
    assert "'dinopatch bank remove --bank good.bank NAME'" in run.out and info(dp, "good.bank")["n_pictures"] == 12
    assert "least alike  good/stain.png" in dp.run("bank", "info", "good.bank", code=0).out
    dp.run("bank", "remove", "--bank", "good.bank", "good/stain.png", code=0)
    assert info(dp, "good.bank")["threshold"] == info(dp, "clean.bank")["threshold"]


def test_a_lamp_that_was_changed_is_noticed(dp):
    """The last fifth of the pictures, by name, is brighter than the others."""
    for kind, lamp in (("even", 1.0), ("lamp", 1.12)):
        for i in range(25):
            save(texture(i, light=lamp if i >= 20 else 1.0), dp.folder / kind / f"shot-{i + 8}.png")
        run = dp.fit(f"{kind}.bank", kind)
        found, shown = info(dp, f"{kind}.bank")["drift"], dp.run("bank", "info", f"{kind}.bank", code=0).out
        assert (found > 1.08) == (kind == "lamp") and ("light, lens or batch drifted" in run.out) == (kind == "lamp")
        assert ("light, lens or batch drifted" in shown) == (kind == "lamp") and f"drift       {found:.3f}" in shown
    for _ in range(2):  # other thresholds leave it as it is
        dp.run("calibrate", "--bank", "lamp.bank", "--fpr", "0.2", code=0)
    assert info(dp, "lamp.bank")["drift"] == found
    textures(dp.folder / "few", 19)
    dp.fit("few.bank", "few")
    assert info(dp, "few.bank")["drift"] is None


def test_the_learning_curve_falls_to_the_leave_one_out_score(dp, bank):
    run = dp.run("bank", "info", "--learning-curve", "--json", bank, code=0)
    curve, scores = run.lines[0], [p["leave_one_out"] for p in info(dp, bank)["pictures"]]
    assert [p["pictures"] for p in curve["points"]] == [1, 2, 4, 8, 11] and curve["n_sampled"] == 12
    means = [p["score"] for p in curve["points"]]
    assert means == sorted(means, reverse=True) and means[-1] == pytest.approx(sum(scores) / len(scores), rel=1e-5)
    assert 0 < curve["last_doubling"] < 1
    said = f"The last doubling lowered the scores of good pictures by {100 * curve['last_doubling']:.1f} %"
    assert said in dp.run("bank", "info", "--learning-curve", bank, code=0).out
    assert said in dp.fit("again.bank", "good").out
    dp.run("bank", "info", "--learning-curve", "--suspects", "2", bank, code=2)
    dp.run("bank", "compress", bank, "--kmeans", "3", "--out", "k.bank", code=0)
    assert "no learning curve" in dp.run("bank", "info", "--learning-curve", "k.bank", code=0).out
