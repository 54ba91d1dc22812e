# SPDX-License-Identifier: Apache-2.0
"""SuperADD against a float64 reference: draws, distances, scales, thinning, scores; and what a thinned bank refuses."""

import json
import shutil

import numpy as np
import pytest
from conftest import MODEL, save, test_data, texture, textures
from splitmix import Random
from test_26_methods import tensor, top

N, NEW = 20, 3
HOW = ["--method", "superadd", "--canvas", "64x64"]


@pytest.fixture(params=["nano", "small", "transformer"])
def woven(dp, request):
    dp.more, dp.blocks = [], 2
    if request.param == "small":
        dp.more, dp.blocks = ["--model", MODEL, "--canvas", "112x112"], None
    if request.param == "transformer":
        data = test_data("vit_tiny16.safetensors")
        if not data:
            pytest.skip("DINOPATCH_TEST_DATA has no vit_tiny16.safetensors")
        dp.more, dp.blocks = ["--model", data / "vit_tiny16.safetensors"], 4
    textures(dp.folder / "good", N)
    for i in range(NEW):
        save(texture(70 + i, defect=i % 2), dp.folder / "new" / f"{i}.png")
    return dp


def fit(dp, *more, out, folder="good", code=0):
    return dp.run("fit", *HOW, *dp.more, *more, "--out", out, folder, code=code)


def read(dp, name):
    """Rows [m, blocks, dim] in double, the picture of each, and whether it is of the picture as it is."""
    path = dp.folder / name
    blocks = len(tensor(path, "distance_scales"))
    rows = tensor(path, "features").astype(float)[0, 0]
    grids, picture, cell = tensor(path, "grids"), tensor(path, "row_picture").ravel(), tensor(path, "row_cell")
    return rows.reshape(len(rows), blocks, -1), picture, cell < grids[picture].prod(1), cell


def nearest(x, rows):
    """Of each of x [n, blocks, dim] the distance to the nearest of rows, block by block: [n, blocks]."""
    found = np.empty(x.shape[:2])
    for b in range(x.shape[1]):
        squares = (x[:, None, b] ** 2).sum(-1) + (rows[None, :, b] ** 2).sum(-1) - 2 * x[:, b] @ rows[:, b].T
        at = squares.argsort(1)[:, :3]  # the exact distance of the few that are nearest: differences cancel less
        found[:, b] = np.sqrt(((x[:, None, b] - rows[at, b]) ** 2).sum(-1)).min(1)
    return found


def left_out(rows, picture, own, kept=slice(None)):
    """For each picture the distances of its cells to the rows of the others among those kept."""
    return [nearest(rows[own & (picture == p)], rows[kept][picture[kept] != p]) for p in range(picture.max() + 1)]


def p99(x):
    return np.sort(x)[int(0.99 * (len(x) - 1) + 0.5)]


def thinned(rows, scales, keep, seed):
    """The rows that stay, ascending."""
    n = len(rows)
    random = Random(seed, 2)
    order = np.array(random.shuffled(n))
    draws = np.array([random.unit() for _ in range(n)])
    reach, parts = np.empty(n), -(-n // 2048)
    x = (rows / scales[:, None]).reshape(n, -1)
    for s in range(parts):
        at = order[s * n // parts:(s + 1) * n // parts]
        near = np.sort((x[at] ** 2).sum(1)[:, None] + (x[at] ** 2).sum(1) - 2 * x[at] @ x[at].T + np.diag([np.inf] * len(at)), 1)
        k = np.ceil(1 / draws[at] - 1)
        few = k <= len(at) - 1
        reach[at] = np.where(few, near[np.arange(len(at)), np.where(few, k - 1, 0).astype(int)], np.inf)
    return np.sort(np.lexsort((np.arange(n), -reach))[:keep])


def scores_of(maps, scales):
    return [top((m * (scales.mean() / scales)).mean(1)) for m in maps]


def test_scores_are_those_of_the_reference(woven):
    fit(woven, out="good.bank")
    fit(woven, "--brightness", "off", out="new.bank", folder="new")
    rows, picture, own, _ = read(woven, "good.bank")
    assert woven.blocks in (None, rows.shape[1]) and own.sum() * 2 == len(own)
    maps = left_out(rows, picture, own)
    scales = np.array([p99(np.concatenate(maps)[:, b]) for b in range(rows.shape[1])])
    assert tensor(woven.folder / "good.bank", "distance_scales")[:, 0] == pytest.approx(scales, rel=1e-6)
    assert tensor(woven.folder / "good.bank", "loo_scores") == pytest.approx(scores_of(maps, scales), rel=1e-6)
    new, its, _, _ = read(woven, "new.bank")
    wanted = scores_of([nearest(new[its == p], rows) for p in range(NEW)], scales)
    got = [p["score"] for p in woven.inspect("good.bank", "new").pictures]
    assert got == pytest.approx(wanted, rel=1e-6)


@pytest.mark.parametrize("keep", ["200", "0.3"])
def test_a_thinned_bank_is_that_of_the_reference(woven, keep):
    fit(woven, "--thin", "off", "--seed", "3", out="all.bank")
    fit(woven, "--thin", keep, "--seed", "3", out="thin.bank")
    rows, picture, own, cell = read(woven, "all.bank")
    scales = tensor(woven.folder / "all.bank", "distance_scales")[:, 0]
    wanted = thinned(rows, scales, int(keep) if float(keep) >= 1 else int(float(keep) * len(rows)), 3)
    _, its, _, cells = read(woven, "thin.bank")
    assert np.array_equal(its, picture[wanted]) and np.array_equal(cells, cell[wanted])
    loo = scores_of(left_out(rows, picture, own, wanted), scales)
    assert tensor(woven.folder / "thin.bank", "loo_scores") == pytest.approx(loo, rel=1e-6)
    woven.run("bank", "verify", "thin.bank", code=0)
    assert "thinned     to " in woven.run("bank", "info", "thin.bank", code=0).out


def test_what_can_be_done_with_a_bank(woven):
    """Without a need nothing is thinned, and the bank can be changed; a thinned one says why not."""
    fit(woven, out="good.bank")
    fit(woven, "--threads", "1", out="one.bank")
    assert (woven.folder / "good.bank").read_bytes() == (woven.folder / "one.bank").read_bytes()
    assert json.loads(woven.run("bank", "info", "--json", "good.bank", code=0).out)["recipe"]["thin"] == 0
    for name, at in (("a", range(8)), ("b", range(8, N))):
        (woven.folder / name).mkdir()
        for i in at:
            shutil.copy(woven.folder / "good" / f"{i:03d}.png", woven.folder / name)
        fit(woven, out=f"{name}.bank", folder=name)
    woven.run("bank", "merge", "--out", "merged.bank", "a.bank", "b.bank", code=0)
    woven.run("bank", "add", "--bank", "a.bank", "b", code=0)
    for bank in ("merged.bank", "a.bank"):
        for name in ("features", "loo_scores"):
            assert np.array_equal(tensor(woven.folder / bank, name), tensor(woven.folder / "good.bank", name))
    woven.run("bank", "remove", "--bank", "a.bank", "b/019.png", code=0)
    woven.run("calibrate", "--bank", "a.bank", "--fpr", "0.1", code=0)
    lines = woven.inspect("good.bank", "--out", "out", "--explain", "new", code=(0,)).pictures
    assert lines[1]["label"] == "anomalous" and lines[1]["defects"][0]["nearest"].startswith("good/")
    fit(woven, "--thin", "100", out="thin.bank")
    before = (woven.folder / "thin.bank").read_bytes()
    for verb in (["add", "--bank", "thin.bank", "new"], ["remove", "--bank", "thin.bank", "good/003.png"],
                 ["merge", "--out", "x.bank", "thin.bank", "good.bank"]):
        assert "thinned rows, not all rows of its pictures" in woven.run("bank", *verb, code=4).err
    assert "thinned already" in woven.run("bank", "compress", "--coreset", "50", "--out", "x.bank", "thin.bank", code=2).err
    assert (woven.folder / "thin.bank").read_bytes() == before
    assert woven.inspect("thin.bank", "new", code=(0,)).pictures[1]["label"] == "anomalous"


def test_what_does_not_go_together_is_refused(dp):
    textures(dp.folder / "good", 3)
    for args, said in ((["--thin", "100"], "bank.thin needs bank.layout=flat"), (["--layout", "flat", "--thin", "9", "--coreset", "9"], "bank.thin excludes bank.coreset"),
                       (["--layout", "flat", "--thin", "9", "--pca", "4"], "bank.thin excludes bank.pca")):
        assert said in dp.run("fit", *args, "--out", "x.bank", "good", code=2).err
    (dp.folder / "one").mkdir()
    shutil.copy(dp.folder / "good" / "000.png", dp.folder / "one")
    assert "at least two pictures" in dp.run("fit", "--method", "superadd", "one", code=(2, 4)).err
