# SPDX-License-Identifier: Apache-2.0
"""Order statistics (search.order) against a float64 reference, on real features of the built-in network."""

import json
import struct
from math import comb
from pathlib import Path

import numpy as np
import pytest
from conftest import texture, textures
from PIL import Image

N = 10
HOW = ["--align", "none", "--canvas", "128x128"]


@pytest.fixture
def woven(dp):
    textures(dp.folder / "good", N)
    return dp


def tensor(path, name):
    raw = Path(path).read_bytes()
    size, = struct.unpack("<Q", raw[:8])
    entry = json.loads(raw[8:8 + size])[name]
    begin, end = entry["data_offsets"]
    kind = {"F32": np.float32, "F64": np.float64, "U8": np.uint8}[entry["dtype"]]
    return np.frombuffer(raw[8 + size + begin:8 + size + end], kind).reshape(entry["shape"])


def to_each(features, metric, window):
    """features [rows, cols, N, dim] -> distances of each cell of each picture to the nearest within the window of each: [rows, cols, N, N]."""
    rows, cols, n, _ = features.shape
    x = features.astype(float)
    if metric == "cosine":
        x = x / np.linalg.norm(x, axis=-1, keepdims=True)
    out = np.full((rows, cols, n, n), np.inf)
    for r in range(rows):
        for c in range(cols):
            for i in range(max(0, r - window), min(rows, r + window + 1)):
                for j in range(max(0, c - window), min(cols, c + window + 1)):
                    d = 1 - x[r, c] @ x[i, j].T if metric == "cosine" else np.linalg.norm(x[r, c][:, None] - x[i, j][None], axis=-1)
                    out[r, c] = np.minimum(out[r, c], d)
    return out


def expected_smallest(distances, m):
    """Over all subsets of m of the last axis, the mean of the smallest, from binomials."""
    n = distances.shape[-1]
    m = min(m, n)
    weights = np.array([comb(n - k, m - 1) / comb(n, m) for k in range(1, n + 1)])
    assert abs(weights.sum() - 1) < 1e-12
    return np.sort(distances, axis=-1) @ weights


@pytest.mark.parametrize("order, m", [("4", 4), ("0.5", 5), ("1", 1), ("10", 10)])
@pytest.mark.parametrize("metric, window", [("l2", 1), ("cosine", 2), ("l2", 40)])
def test_scores_are_those_of_the_reference(woven, order, m, metric, window):
    woven.run("fit", *HOW, "--metric", metric, "--window", window, "--score", "max", "--set", f"search.order={order}", "good", code=0)
    bank = woven.folder / "good.bank"
    each = to_each(tensor(bank, "features"), metric, window)
    loo = [expected_smallest(np.delete(each[:, :, p], p, axis=-1), m).max() for p in range(N)]
    unit = 0 if metric == "l2" else 5e-7  # 1 - cos is rounded where cos is nearly 1
    assert tensor(bank, "loo_scores") == pytest.approx(loo, rel=1e-6, abs=unit)
    seen = [expected_smallest(each[:, :, p], m).max() for p in range(N)]  # a picture that is in the bank as well
    got = [p["score"] for p in woven.inspect("good.bank", "good").pictures]
    assert got == pytest.approx(seen, rel=1e-6, abs=max(unit, 1e-6))


def test_all_of_them_is_the_nearest_neighbour(woven):
    woven.run("fit", *HOW, "--out", "a.bank", "good", code=0)
    woven.run("fit", *HOW, "--out", "b.bank", "--order", str(N), "good", code=0)
    assert (tensor(woven.folder / "a.bank", "loo_scores") == tensor(woven.folder / "b.bank", "loo_scores")).all()
    one = woven.inspect("a.bank", "--order", "0.5", "--threads", "1", "good").pictures
    two = woven.inspect("a.bank", "--order", "0.5", "--threads", "2", "good").pictures
    assert [p["score"] for p in one] == [p["score"] for p in two]


def test_two_bad_ones_among_the_good_hide_nothing(woven):
    """The same defect twice among the good pictures: the nearest neighbour calls a third one good, order statistics do not."""
    for seed in (50, 51):
        Image.fromarray(texture(seed, defect=True)).save(woven.folder / "good" / f"{seed}.png")
    Image.fromarray(texture(60, defect=True)).save(woven.folder / "bad.png")
    run = woven.run("fit", *HOW, "good", code=0)
    assert "order statistics" not in run.out
    plain = woven.inspect("good.bank", "bad.png").pictures[0]
    run = woven.run("fit", *HOW, "--order", "0.25", "--overwrite", "good", code=0)
    share = 1 - comb(N + 2 - 5, 3) / comb(N + 2, 3)
    assert f"m = 3 of 12: five pictures with one defect hold at most {100 * share:.0f} % of the weight" in run.out
    robust = woven.inspect("good.bank", "bad.png").pictures[0]
    good = [w["score"] for w in woven.inspect("good.bank", *sorted((woven.folder / "good").glob("00*.png"))).pictures]
    assert robust["score"] > 3 * plain["score"] and robust["score"] > 2 * max(good)
    info = json.loads(woven.run("bank", "info", "--json", "--suspects", "2", "good.bank", code=0).out)
    assert sorted(Path(s["name"]).stem for s in info) == ["50", "51"]
    assert all(s["leave_one_out"] > 2 * s["plain_leave_one_out"] for s in info)
    assert "m = 3 of 12" in woven.run("bank", "info", "good.bank", code=0).out


def test_it_needs_the_pictures_own_features(woven):
    for more, word in ((["--layout", "flat"], "bank.layout=flat"), (["--kmeans", "2"], "bank.kmeans"), (["--knn", "2"], "search.knn"),
                       (["--blend", "0.5"], "search.blend"), (["--window", "global"], "window=global")):
        run = woven.run("fit", *HOW, *more, "--set", "search.order=3", "good", code=(2, 4))
        assert "search.order" in run.err and word in run.err, run
        assert not (woven.folder / "good.bank").exists()
    assert "search.order" in woven.run("fit", *HOW, "--set", "search.order=2.5", "good", code=2).err
