# SPDX-License-Identifier: Apache-2.0
"""The picture threshold decides the label, the cell threshold draws the defects: each has its own units, and both use one map."""

import json

import numpy as np
import pytest
from conftest import MODEL, save, texture, textures
from PIL import Image

WAYS = {
    "max": ["--score", "max"],
    "mean": ["--score", "mean"],
    "p99": ["--score", "p99"],
    "smoothed": ["--map-sigma", "6", "--score", "max"],
    "post": ["--map", "gaussian=1", "--score", "top1p"],
    "flat": ["--layout", "flat", "--window", "global", "--score", "max"],
    "patchcore": ["--layout", "flat", "--coreset", "0.3", "--score", "max", "--reweight", "5", "--map-sigma", "4"],
    "separate": ["--layers", "0,1", "--layer-mix", "separate"],
    "kmeans": ["--kmeans", "3"],
    "background": ["--background", "test", "--background-threshold", "0.5"],
}


def fit(dp, bank, way, good):
    return dp.fit(bank, "--polarity", "none", *WAYS[way], good)


def info(dp, bank):
    return json.loads(dp.run("bank", "info", "--json", bank, code=0).out)


def regions(mask):
    """Connected groups (8 neighbours) of a mask: [(x0, y0, x1, y1, area)]."""
    left, found = mask.copy(), []
    while left.any():
        y, x = map(int, np.argwhere(left)[0])
        group, todo = [], [(y, x)]
        left[y, x] = False
        while todo:
            y, x = todo.pop()
            group.append((y, x))
            for v in range(max(y - 1, 0), min(y + 2, left.shape[0])):
                for u in range(max(x - 1, 0), min(x + 2, left.shape[1])):
                    if left[v, u]:
                        left[v, u] = False
                        todo.append((v, u))
        ys, xs = np.array(group).T
        found.append((xs.min(), ys.min(), xs.max() + 1, ys.max() + 1, len(group)))
    return found


def inspected(dp, bank, out, *pictures, code=0, more=()):
    run = dp.run("inspect", "--bank", bank, "--json", "--out", out, *more, *pictures, code=code)
    return [(p, np.asarray(Image.open(dp.folder / p["map"]["path"]))) for p in run.pictures]


@pytest.mark.parametrize("way", WAYS)
def test_defects_are_what_stands_out_of_the_delivered_map(dp, woven, way):
    fit(dp, "w.bank", way, woven.good)
    both = inspected(dp, "w.bank", "out", woven.new_bad, woven.new_good)
    for p, distances in both:
        assert p["cell_threshold"] == pytest.approx(info(dp, "w.bank")["cell_threshold"], rel=1e-9)
        assert (p["score"] > p["threshold"]) == (p["label"] == "anomalous")
        if p["label"] == "good":
            assert p["defects"] == []
            continue
        above = regions(distances > p["cell_threshold"])
        if above:
            assert sorted(tuple(d["bbox_xyxy"]) + (d["area_px"],) for d in p["defects"]) == sorted(above)
        assert p["defects"], "an anomalous picture shows where"
        for d in p["defects"]:
            x0, y0, x1, y1 = map(int, d["bbox_xyxy"])
            assert d["peak"] <= distances[y0:y1, x0:x1].max() * (1 + 1e-6)
        assert p["defects"][0]["peak"] == pytest.approx(distances.max() if above else p["defects"][0]["peak"], rel=1e-6)
    assert both[0][0]["label"] == "anomalous"


@pytest.mark.parametrize("way", ["max", "mean", "smoothed", "flat", "post"])
def test_the_cell_threshold_is_the_quantile_of_the_largest_distances_left_one_out(dp, woven, way):
    """6 pictures at a rate of 0.3: position 7 * 0.7 = 4.9 among 6 largest distances, between them in the logarithm, each of a picture that
    is not in the bank."""
    good = textures(dp.folder / "good", 6)
    dp.fit("all.bank", "--polarity", "none", "--fpr", "0.3", *WAYS[way], *good)
    peaks, scores = [], []
    for i, picture in enumerate(good):
        dp.run("bank", "remove", "--bank", "all.bank", "--out", f"{i}.bank", picture, code=0)
        (p, distances), = inspected(dp, f"{i}.bank", f"out{i}", picture)
        peaks.append(distances.max())
        scores.append(p["score"])
    found = info(dp, "all.bank")
    for values, threshold in ((sorted(scores), found["threshold"]), (sorted(peaks), found["cell_threshold"])):
        assert threshold == pytest.approx(values[3] ** 0.1 * values[4] ** 0.9, rel=1e-5)


def test_a_threshold_by_hand_leaves_the_cells_alone(dp, woven):
    plain = dp.inspect(woven.bank, woven.new_bad).pictures[0]
    by_hand = dp.run("inspect", "--bank", woven.bank, "--json", "--threshold", plain["score"] / 2, woven.new_bad, code=0).pictures[0]
    assert by_hand["cell_threshold"] == plain["cell_threshold"] and by_hand["defects"] == plain["defects"]


def test_what_is_drawn_into_the_picture_follows_the_cell_threshold(dp, woven):
    """Two picture thresholds by hand: the same boxes and the same contour; the words below the picture differ."""
    score = dp.inspect(woven.bank, woven.new_bad).pictures[0]["score"]
    drawn = []
    for i, share in enumerate((0.9, 0.3)):
        p, = dp.run("inspect", "--bank", woven.bank, "--json", "--out", f"o{i}", "--threshold", share * score, woven.new_bad, code=0).pictures
        assert p["label"] == "anomalous"
        drawn.append(np.asarray(Image.open(dp.folder / p["heat"]["path"])))
    assert drawn[0].shape == drawn[1].shape and (drawn[0] != drawn[1]).any()
    part = drawn[0].shape[0] * 2 // 3
    assert (drawn[0][:part] == drawn[1][:part]).all()


def test_an_anomalous_picture_shows_where_though_no_cell_passes(dp, woven):
    """A good picture called anomalous by a low threshold: its largest cell, and no more."""
    p = dp.run("inspect", "--bank", woven.bank, "--json", "--threshold", "0.001", woven.new_good, code=0).pictures[0]
    assert p["label"] == "anomalous" and len(p["defects"]) == 1
    assert 0 < p["defects"][0]["peak"] <= p["cell_threshold"]


def test_calibrate_moves_both(dp, copy, woven):
    bank = copy(woven.bank)
    before = info(dp, bank)
    dp.run("calibrate", "--bank", bank, "--fpr", "0.5", code=0)
    after = info(dp, bank)
    assert after["threshold"] < before["threshold"] and after["cell_threshold"] < before["cell_threshold"]
    told = json.loads(dp.run("calibrate", "--bank", bank, "--dry-run", "--json", code=0).out)
    assert told["cell_threshold"] == pytest.approx(after["cell_threshold"])


def test_another_way_of_scoring_finds_both_anew(dp, woven):
    p = dp.run("inspect", "--bank", woven.bank, "--json", "--window", "2", woven.new_bad, code=0).pictures[0]
    plain = dp.inspect(woven.bank, woven.new_bad).pictures[0]
    assert p["cell_threshold"] < plain["cell_threshold"]  # a wider search comes nearer
    only_score = dp.run("inspect", "--bank", woven.bank, "--json", "--score", "mean", woven.new_bad, code=0).pictures[0]
    assert only_score["threshold"] != plain["threshold"]
    assert only_score["cell_threshold"] == pytest.approx(plain["cell_threshold"])  # the same maps


def test_banks_that_change_keep_both_in_step(dp, woven):
    good = textures(dp.folder / "more", 6, first=40)
    dp.fit("a.bank", "--polarity", "none", *good[:4])
    dp.fit("b.bank", "--polarity", "none", *good)
    dp.run("bank", "add", "--bank", "a.bank", "--model", MODEL, *good[4:], code=0)
    assert info(dp, "a.bank")["cell_threshold"] == pytest.approx(info(dp, "b.bank")["cell_threshold"], rel=1e-6)
    for how in ["--kmeans", "2"], ["--storage", "f16"], ["--pca", "8"]:
        dp.run("bank", "compress", *how, "b.bank", "--out", "c.bank", "--overwrite", code=0)
        assert info(dp, "c.bank")["cell_threshold"] > 0


def test_one_picture_has_no_threshold_at_all(dp, woven):
    dp.fit("one.bank", "--polarity", "none", woven.good / "000.png")
    found = info(dp, "one.bank")
    assert found["threshold"] is None and found["cell_threshold"] is None
    p = dp.inspect("one.bank", woven.new_bad, code=(0, 1)).pictures[0]
    assert p["cell_threshold"] is None and p["defects"] == []


def test_shown_to_people_too(dp, woven):
    value = info(dp, woven.bank)["cell_threshold"]
    assert f"{value:.6g}" in dp.run("bank", "info", woven.bank, code=0).out
    table = dp.run("inspect", "--bank", woven.bank, "--csv", woven.new_bad, code=0).out.splitlines()
    row = dict(zip(table[0].split(","), table[1].split(",")))
    assert float(row["cell_threshold"]) == pytest.approx(value, rel=1e-6)
