# SPDX-License-Identifier: Apache-2.0
"""Methods rad and spade, and the retrieval of like pictures on a grid, against float64 references of a few lines, on real features."""

import json
import math
import shutil

import numpy as np
import pytest
from conftest import textures
from test_26_methods import HOW, N, NEW, tensor, top, woven  # noqa: F401  (woven is a fixture)

K = 4
FLOAT = {"l2": 0, "cosine": 2e-7}  # 1 - cos in single precision: the distances of equal weaves are a thousandth
METRICS = {"rad": "cosine", "spade": "l2", "auto": "l2"}


def fit(dp, method, *folders, out, more=()):
    return dp.run("fit", "--method", method, *HOW, *dp.more, "--retrieval", K, *more, "--overwrite", "--out", out, *folders, code=0)


class Pictures:
    """[n, rows, cols, blocks, dim] features of a bank's pictures and their vectors, in double."""

    def __init__(self, path, method, blocks=1):
        self.vectors = tensor(path, "picture_vectors").astype(float)
        features = tensor(path, "features").astype(float)
        if method == "spade":
            rows, cols = tensor(path, "grids")[0]
            features = features.reshape(len(self.vectors), rows, cols, -1)
        else:
            features = np.moveaxis(features, 2, 0)
        self.features = features.reshape(*features.shape[:3], blocks, -1)


def like(vectors, x, k):
    """Indices of the k most similar vectors, and the similarities."""
    cosine = vectors @ x / (np.linalg.norm(vectors, axis=1) * np.linalg.norm(x))
    return np.argsort(-cosine, kind="stable")[:k], cosine


def cells(a, b, metric):
    """[n, m] distances between the rows of a and b."""
    if metric == "cosine":
        return 1 - (a / np.linalg.norm(a, axis=-1, keepdims=True)) @ (b / np.linalg.norm(b, axis=-1, keepdims=True)).T
    return np.sqrt(((a[:, None] - b[None]) ** 2).sum(-1))


def distances(good, x, metric, window):
    """good [n, rows, cols, blocks, dim], x [rows, cols, blocks, dim] -> [rows, cols]: the mean over the blocks of the nearest."""
    rows, cols, blocks = x.shape[:3]
    out = np.zeros((rows, cols))
    for r in range(rows):
        for c in range(cols):
            around = good if window is None else good[:, max(0, r - window):r + window + 1, max(0, c - window):c + window + 1]
            for b in range(blocks):
                out[r, c] += cells(x[r, c, b][None], around[..., b, :].reshape(-1, x.shape[-1]), metric).min() / blocks
    return out


def reference(method, good, vectors, x, vector):
    chosen, cosine = like(vectors, vector, K)
    grid = distances(good[chosen], x, METRICS[method], None if method == "spade" else 1)
    score = np.linalg.norm(vectors[chosen] - vector, axis=1).mean() if method == "spade" else top(grid)
    return score, grid, cosine.max()


@pytest.mark.parametrize("method", METRICS)
def test_scores_are_those_of_the_reference(woven, method):
    if method == "auto" and woven.more:
        pytest.skip("each fit normalises the layers by its own pictures; that is tested with nano")
    fit(woven, method, "good", out="good.bank")
    blocks = len(json.loads(woven.run("bank", "info", "--json", "good.bank", code=0).out)["recipe"]["layers"]) if method == "rad" else 1
    good = Pictures(woven.folder / "good.bank", method, blocks)
    shutil.copy(woven.folder / "good.bank", woven.folder / "both.bank")  # the features of new pictures, normalised as those of the bank
    woven.run("bank", "add", "--bank", "both.bank", "new", code=0)
    both = Pictures(woven.folder / "both.bank", method, blocks)
    assert np.array_equal(both.vectors[:N], good.vectors) and len(both.vectors) == N + NEW
    for p, x, vector in zip(woven.inspect("good.bank", *woven.more, "new").pictures, both.features[N:], both.vectors[N:]):
        score, _, similarity = reference(method, good.features, good.vectors, x, vector)
        assert p["score"] == pytest.approx(score, rel=1e-6, abs=FLOAT[METRICS[method]]), method
        assert p["nearest_similarity"] == pytest.approx(similarity, rel=1e-6)
    scores = tensor(woven.folder / "good.bank", "loo_scores")
    for p in range(N):
        score, _, _ = reference(method, np.delete(good.features, p, 0), np.delete(good.vectors, p, 0), good.features[p], good.vectors[p])
        assert scores[p] == pytest.approx(score, rel=1e-6, abs=FLOAT[METRICS[method]])


def test_other_brightness_follows_its_picture_and_order_counts_the_chosen_ones(woven):
    """Each picture has two rows a cell: both are searched where the picture is retrieved, and none where it is left out."""
    more = ["--brightness", "0.2"]
    fit(woven, "rad", "good", out="good.bank", more=more)
    blocks = len(json.loads(woven.run("bank", "info", "--json", "good.bank", code=0).out)["recipe"]["layers"])
    vectors = tensor(woven.folder / "good.bank", "picture_vectors").astype(float)
    rows = np.moveaxis(tensor(woven.folder / "good.bank", "features").astype(float), 2, 0)
    rows = rows.reshape(N, 2, *rows.shape[1:3], blocks, -1)
    assert len(vectors) == N and not np.array_equal(rows[:, 0], rows[:, 1])

    def score(p, subset=None):
        """Leave-one-out score of picture p; subset: pictures of the subsets of search.order."""
        others = np.delete(np.arange(N), p)
        chosen = others[like(vectors[others], vectors[p], K)[0]]
        if subset is None:
            return top(distances(rows[chosen].reshape(-1, *rows.shape[2:]), rows[p, 0], "cosine", 1))
        grid = 0
        for b in range(blocks):
            each = np.sort([distances(rows[c][..., b:b + 1, :], rows[p, 0][..., b:b + 1, :], "cosine", 1) for c in chosen], axis=0)
            weights = [math.comb(K - k, subset - 1) / math.comb(K, subset) for k in range(1, K + 1)]
            grid = grid + np.tensordot(weights, each, 1) / blocks
        return top(grid)

    loo = tensor(woven.folder / "good.bank", "loo_scores")
    assert [loo[p] == pytest.approx(score(p), rel=1e-6, abs=2e-7) for p in range(3)] == [True] * 3
    run = woven.run("fit", "--method", "rad", *HOW, *woven.more, "--retrieval", K, *more, "--order", "0.5", "--out", "order.bank", "good", code=0)
    assert f"order statistics: m = {K // 2} of the {K} most alike: two pictures with one defect hold at most" in run.out, run
    loo = tensor(woven.folder / "order.bank", "loo_scores")
    assert [loo[p] == pytest.approx(score(p, K // 2), rel=1e-6, abs=2e-7) for p in range(3)] == [True] * 3


def test_the_vector_of_nano_is_the_mean_of_its_last_layer(woven):
    if woven.more:
        pytest.skip("of a transformer it is the class token: tests/golden/test_vit.c")
    for method, blocks, width in (("rad", 2, 256), ("spade", 1, 256)):
        fit(woven, method, "good", out="good.bank")
        good = Pictures(woven.folder / "good.bank", method, blocks)
        last = good.features[..., -1, -width:]  # resampling to twice as many cells keeps the mean
        assert good.vectors == pytest.approx(last.mean((1, 2)), rel=1e-4, abs=1e-5)


@pytest.mark.parametrize("method", METRICS)
def test_add_remove_and_merge_are_one_fit(woven, method):
    if method == "auto":
        pytest.skip("a merge keeps the normalisation of its first bank")
    for name, folders in (("a", ["a"]), ("b", ["b"]), ("whole", ["a", "b"])):
        fit(woven, method, *folders, out=f"{name}.bank")
    woven.run("bank", "merge", "--out", "merged.bank", "a.bank", "b.bank", code=0)
    shutil.copy(woven.folder / "a.bank", woven.folder / "more.bank")
    woven.run("bank", "add", "--bank", "more.bank", "b", code=0)
    shutil.copy(woven.folder / "whole.bank", woven.folder / "less.bank")
    woven.run("bank", "remove", "--bank", "less.bank", *(f"b/{i:03d}.png" for i in range(5, N)), code=0)
    for other, whole in (("merged", "whole"), ("more", "whole"), ("less", "a")):
        for name in ("picture_vectors", "features", "loo_scores", "loo_peaks", "threshold"):
            assert np.array_equal(tensor(woven.folder / f"{other}.bank", name), tensor(woven.folder / f"{whole}.bank", name)), (other, name)
    woven.run("bank", "verify", "merged.bank", code=0)


@pytest.mark.parametrize("method", METRICS)
def test_shards_give_the_bank_of_one_fit(woven, method):
    how = ["--method", method, *HOW, *woven.more, "--retrieval", K]
    woven.run("fit", *how, "--out", "one.bank", "good", code=0)
    woven.run("fit", *how, "--settle", "s.settled", "good", code=0)
    for i in range(2):
        woven.run("fit", "--settled", "s.settled", "--shard", f"{i}/2", "--out", f"s{i}.shard", "good", code=0)
    woven.run("bank", "merge", "--out", "joined.bank", "s0.shard", "s1.shard", code=0)
    assert (woven.folder / "joined.bank").read_bytes() == (woven.folder / "one.bank").read_bytes()


def test_what_does_not_go_with_it_is_said(woven):
    fit(woven, "rad", "good", out="good.bank")
    before = (woven.folder / "good.bank").read_bytes()
    run = woven.run("bank", "compress", "--kmeans", "2", "--out", "small.bank", "good.bank", code=(2, 4))
    assert "bank.kmeans excludes retrieval" in run.err, run
    woven.run("bank", "compress", "--storage", "f16", "--out", "half.bank", "good.bank", code=0)
    assert np.array_equal(tensor(woven.folder / "half.bank", "picture_vectors"), tensor(woven.folder / "good.bank", "picture_vectors"))
    for options, words in ((["--method", "padim", "--retrieval", "3"], "retrieval does not go with bank.layout=moments"),
                           (["--score", "retrieved"], "score=retrieved needs"),
                           (["--set", "layers.weights=equal"], "layers.weights=equal needs layers.mix=separate")):
        run = woven.run("fit", *HOW, *woven.more, *options, "--out", "no.bank", "good", code=2)
        assert words in run.err, run
    woven.run("fit", *HOW, *woven.more, "--out", "plain.bank", "good", code=0)
    run = woven.run("inspect", "--bank", "plain.bank", *woven.more, "--score", "retrieved", "new", code=(2, 4))
    assert "score=retrieved needs" in run.err, run
    assert all(p["nearest_similarity"] is None for p in woven.inspect("plain.bank", *woven.more, "new").pictures)
    assert (woven.folder / "good.bank").read_bytes() == before


def test_another_variant_does_not_excuse(dp):
    """One bank of two variants: with retrieval a part is compared with its own variant alone, and the window of the other is not searched."""
    dp.more = []
    textures(dp.folder / "good", 5)
    textures(dp.folder / "good" / "dark", 5, first=20, light=0.5)
    textures(dp.folder / "alone", 5)
    textures(dp.folder / "new", 3, first=60)
    how = ["--method", "rad", *HOW]  # its features do not depend on the other pictures
    dp.run("fit", *how, "--retrieval", "4", "--out", "both.bank", "good", code=0)
    dp.run("fit", *how, "--retrieval", "4", "--out", "alone.bank", "alone", code=0)
    both, alone = (dp.inspect(bank, "new").pictures for bank in ("both.bank", "alone.bank"))
    for a, b in zip(both, alone):
        assert a["score"] == b["score"] and a["nearest_similarity"] == b["nearest_similarity"] > 0.99
    assert np.array_equal(tensor(dp.folder / "both.bank", "loo_scores").reshape(2, 5)[0], tensor(dp.folder / "alone.bank", "loo_scores"))
