"""Nothing passes uninspected: labels, reasons, exit codes, the summary."""

import csv
import io
import re
import shutil
from pathlib import Path

import numpy as np
import pytest

from conftest import part, save, texture, textures

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
    assert re.search(r"3 with --fail-on-anomaly", dp.run("inspect", "--help", code=0).out)


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
