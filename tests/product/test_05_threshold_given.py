# SPDX-License-Identifier: Apache-2.0
"""A threshold given by hand works on any bank, and the outputs hold the whole result."""

import json

import pytest
from conftest import MODEL

SMALL = {"kmeans": ["--kmeans", "3"], "coreset": ["--layout", "flat", "--window", "global", "--coreset", "0.2"]}


@pytest.fixture(scope="module", params=SMALL)
def bank(request, woven, tmp_path_factory):
    from conftest import Program
    dp = Program(tmp_path_factory.mktemp("small"))
    dp.fit("s.bank", "--polarity", "none", *SMALL[request.param], woven.good)
    return dp.folder / "s.bank"


@pytest.mark.parametrize("changed", [[], ["--score", "mean"], ["--knn", "2"], ["--map", "gaussian=1"], ["--metric", "cosine"]])
def test_inspect_with_a_threshold_by_hand(dp, woven, bank, changed):
    run = dp.run("inspect", "--bank", bank, "--json", "--threshold", "0.01", *changed, woven.new_good, woven.new_bad, code=0)
    for p in run.pictures:
        assert p["status"] == "ok" and p["threshold"] == 0.01 and p["label"] == "anomalous" and p["defects"]
        assert p["p_value"] is None if changed else 0 < p["p_value"] <= 1


def test_without_one_the_reason_is_said(dp, woven, bank):
    run = dp.run("inspect", "--bank", bank, "--json", "--knn", "2", woven.new_bad, code=4)
    assert "cannot be scored again" in run.err and not run.out


def test_the_same_maps_keep_their_cell_threshold(dp, woven, bank):
    own = dp.inspect(bank, woven.new_bad).pictures[0]["cell_threshold"]
    other = dp.run("inspect", "--bank", bank, "--json", "--threshold", "1", "--score", "mean", woven.new_bad, code=0).pictures[0]
    assert own > 0 and other["cell_threshold"] == own


def test_the_heat_scale_is_found(dp, bank):
    low, high = json.loads(dp.run("calibrate", "--bank", bank, "--json", "--dry-run", code=0).out)["heat_scale"]
    assert 0 <= low < high


@pytest.mark.parametrize("how", [["--blend", "0.5"], ["--layers", "0,1", "--layer-mix", "separate"]])
def test_means_keep_the_scales_of_distances_that_are_laid_together(dp, woven, how):
    """They come from the good pictures, of which k-means leaves nothing."""
    dp.fit("k.bank", "--polarity", "none", "--kmeans", "3", *how, woven.good)
    good, bad = dp.inspect("k.bank", woven.new_good, woven.new_bad).pictures
    assert 0 < good["score"] < 1.5 * good["threshold"] < bad["score"] and bad["label"] == "anomalous"


def test_defects_of_means_of_several_pictures_are_told(dp, woven, bank):
    """Some centres of k-means belong to no single picture: the defect is there, its nearest picture is null."""
    p = dp.inspect(bank, woven.new_bad).pictures[0]
    assert p["label"] == "anomalous" and p["defects"]
    for d in p["defects"]:
        assert len(d["bbox_xyxy"]) == 4 and d["area_px"] > 0 and d["peak"] > p["cell_threshold"]
        assert d["nearest"] is None or d["nearest"].endswith(".png")


def test_every_defect_has_a_place_though_no_picture_is_its_own(dp, woven):
    dp.fit("one.bank", "--polarity", "none", "--kmeans", "1", woven.good)
    p = dp.inspect("one.bank", woven.new_bad).pictures[0]
    assert p["defects"] and all(d["nearest"] is None and d["nearest_at"] is None for d in p["defects"])


def test_tuned_and_explained_all_the_same(dp, woven, bank):
    out = dp.run("inspect", "--bank", bank, "--json", "--threshold", "0.5", "--score", "mean", "--out", "o", "--explain", woven.new_bad, code=0)
    assert out.pictures[0]["defects"][0]["explained"]
    assert MODEL.exists()
