# SPDX-License-Identifier: Apache-2.0
"""Published methods against float64 references of a few lines, on real features: those of `nano`, and of a trained transformer
where DINOPATCH_TEST_DATA has one (data/vit_tiny16.safetensors)."""

import json
import shutil
import struct
from pathlib import Path

import numpy as np
import pytest
from conftest import test_data, texture, textures
from PIL import Image

N, NEW = 12, 3
HOW = ["--align", "none", "--canvas", "64x64"]


def tensor(path, name):
    raw = Path(path).read_bytes()
    size, = struct.unpack("<Q", raw[:8])
    entry = json.loads(raw[8:8 + size])[name]
    begin, end = entry["data_offsets"]
    kind = {"F32": np.float32, "F64": np.float64, "U8": np.uint8, "I32": np.int32}[entry["dtype"]]
    return np.frombuffer(raw[8 + size + begin:8 + size + end], kind).reshape(entry["shape"])


@pytest.fixture(params=["nano", "transformer"])
def woven(dp, request):
    dp.more = []
    if request.param == "transformer":
        data = test_data("vit_tiny16.safetensors")
        if not data:
            pytest.skip("DINOPATCH_TEST_DATA has no vit_tiny16.safetensors")
        dp.more = ["--model", data / "vit_tiny16.safetensors"]
    textures(dp.folder / "good", N)
    (dp.folder / "new").mkdir()
    for i in range(NEW):
        Image.fromarray(texture(70 + i, defect=i % 2)).save(dp.folder / "new" / f"{i}.png")
    for half, at in (("a", range(5)), ("b", range(5, N))):
        (dp.folder / half).mkdir()
        for i in at:
            shutil.copy(dp.folder / "good" / f"{i:03d}.png", dp.folder / half)
    return dp


def fit(dp, method, *folders, out, keep=True, code=0):
    return dp.run("fit", "--method", method, *HOW, *dp.more, "--set", f"bank.features={'yes' if keep else 'no'}", "--out", out, *folders,
                  code=code)


def features(dp, name):
    """[pictures, rows, cols, dim] of a bank that keeps them, in the order of the pictures, in double."""
    return np.moveaxis(tensor(dp.folder / name, "features").astype(float), 2, 0)


def gaussian(good, x):
    """PaDiM: good [n, rows, cols, d], x [rows, cols, d] -> distances [rows, cols]."""
    d = x - good.mean(0)
    centred = good - good.mean(0)
    n = len(good)
    s = np.einsum("nrci,nrcj->rcij", centred, centred) / max(n - 1, 1) + 0.01 * np.eye(good.shape[-1])
    return np.sqrt(np.einsum("rci,rci->rc", d, np.linalg.solve(s, d[..., None])[..., 0]))


def subspace(good, x):
    """SubspaceAD, the same."""
    flat = good.reshape(-1, good.shape[-1])
    mean = flat.mean(0)
    values, vectors = np.linalg.eigh((flat - mean).T @ (flat - mean))
    share = np.cumsum(values[::-1]) / values.sum()
    k = int(np.searchsorted(share, 0.99)) + 1
    c = vectors[:, ::-1][:, :k]
    d = x - mean
    return (d ** 2).sum(-1) - ((d @ c) ** 2).sum(-1)


def top(distances):
    """The mean of the top 1 %, one cell at least."""
    flat = np.sort(distances.ravel())[::-1]
    return flat[:max(1, int(np.ceil(0.01 * len(flat))))].mean()


METHODS = {"padim": (gaussian, np.max), "subspace": (subspace, top)}


@pytest.mark.parametrize("method", METHODS)
def test_scores_are_those_of_the_reference(woven, method):
    distance, score = METHODS[method]
    fit(woven, method, "good", out="good.bank")
    fit(woven, method, "new", out="new.bank")
    if method == "subspace":  # so few pictures are entered turned as well
        woven.run("fit", "--method", method, *HOW, *woven.more, "--rotations", "1", "--set", "bank.features=yes", "--overwrite", "--out",
                  "new.bank", "new", code=0)
    good, new = features(woven, "good.bank"), features(woven, "new.bank")
    got = [p["score"] for p in woven.inspect("good.bank", *woven.more, "new").pictures]
    assert got == pytest.approx([score(distance(good, x)) for x in new], rel=1e-6)
    loo = [score(distance(np.delete(good, p, axis=0), good[p])) for p in range(N)]
    assert tensor(woven.folder / "good.bank", "loo_scores") == pytest.approx(loo, rel=1e-6)


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("keep", [False, True])
def test_a_merge_is_one_fit(woven, method, keep):
    for name, folders in (("a", ["a"]), ("b", ["b"]), ("whole", ["a", "b"])):
        woven.run("fit", "--method", method, *HOW, *woven.more, "--rotations", "1", "--set", f"bank.features={'yes' if keep else 'no'}",
                  "--out", f"{name}.bank", *folders, code=0)
    woven.run("bank", "merge", "--out", "merged.bank", "a.bank", "b.bank", code=0)
    shutil.copy(woven.folder / "a.bank", woven.folder / "more.bank")
    woven.run("bank", "add", "--bank", "more.bank", "b", code=0)
    whole = woven.folder / "whole.bank"
    for other in ("merged.bank", "more.bank"):
        for name in ("moment_count", "moment_mean", "moment_scatter"):
            assert tensor(woven.folder / other, name) == pytest.approx(tensor(whole, name), rel=1e-9, abs=1e-9 * np.abs(tensor(whole, name)).max())
        scores = [[p["score"] for p in woven.inspect(bank, *woven.more, "new").pictures] for bank in ("whole.bank", other)]
        assert scores[0] == pytest.approx(scores[1], rel=1e-9)
    if keep:
        assert tensor(woven.folder / "merged.bank", "loo_scores") == pytest.approx(tensor(whole, "loo_scores"), rel=1e-6)
    else:  # of those that were added the features were there
        assert tensor(woven.folder / "more.bank", "loo_scores")[5:] == pytest.approx(tensor(whole, "loo_scores")[5:], rel=1e-6)
    info = json.loads(woven.run("bank", "info", "--json", "merged.bank", code=0).out)
    assert info["n_pictures"] == N


@pytest.mark.parametrize("method", METHODS)
def test_pictures_leave_only_a_bank_that_keeps_their_features(woven, method):
    fit(woven, method, "good", out="sums.bank", keep=False)
    before = (woven.folder / "sums.bank").read_bytes()
    run = woven.run("bank", "remove", "--bank", "sums.bank", "good/003.png", code=4)
    assert "moments" in run.err and "bank.features=yes" in run.err, run
    assert (woven.folder / "sums.bank").read_bytes() == before
    run = woven.run("bank", "merge", "--out", "twice.bank", "sums.bank", "sums.bank", code=4)
    assert "share pictures" in run.err, run
    run = woven.run("bank", "compress", "--storage", "f16", "--out", "small.bank", "sums.bank", code=4)
    assert "nothing to compress" in run.err, run
    fit(woven, method, "good", out="kept.bank")
    woven.run("bank", "remove", "--bank", "kept.bank", "good/003.png", code=0)
    (woven.folder / "good" / "003.png").unlink()
    fit(woven, method, "good", out="less.bank")
    assert tensor(woven.folder / "kept.bank", "moment_scatter") == pytest.approx(tensor(woven.folder / "less.bank", "moment_scatter"), rel=1e-9)
    assert "kept" in woven.run("bank", "info", "kept.bank", code=0).out
    woven.run("bank", "verify", "sums.bank", code=0)


def test_few_pictures_are_turned(dp):
    """Method subspace enters at most eight pictures in 30 directions, and more as they are."""
    textures(dp.folder / "good", 9)
    (dp.folder / "few").mkdir()
    for i in range(2):
        shutil.copy(dp.folder / "good" / f"{i:03d}.png", dp.folder / "few")
    counts = {}
    for folder in ("few", "good"):
        dp.run("fit", "--method", "subspace", *HOW, folder, code=0)
        counts[folder] = tensor(dp.folder / f"{folder}.bank", "moment_count")[0]
    assert counts["few"] / 2 > 20 * counts["good"] / 9


@pytest.mark.parametrize("method", METHODS)
def test_every_verb_takes_a_bank_of_moments(woven, method):
    """A fit in shards gives the bytes of one; calibrate, tune and explain need no features."""
    how = ["--method", method, *HOW, *woven.more, "--rotations", "1"]
    woven.run("fit", *how, "--out", "one.bank", "good", code=0)
    woven.run("fit", *how, "--settle", "s.settled", "good", code=0)
    for i in range(2):
        woven.run("fit", "--settled", "s.settled", "--shard", f"{i}/2", "--out", f"s{i}.shard", "good", code=0)
    woven.run("bank", "merge", "--out", "joined.bank", "s0.shard", "s1.shard", code=0)
    assert (woven.folder / "joined.bank").read_bytes() == (woven.folder / "one.bank").read_bytes()
    textures(woven.folder / "fine", 4, first=40)
    (woven.folder / "bad").mkdir()
    for i in range(3):
        Image.fromarray(texture(80 + i, defect=True)).save(woven.folder / "bad" / f"{i}.png")
    for more in (["--fpr", "0.2"], ["--good", "fine"], ["--value", "3.5"]):
        woven.run("calibrate", "--bank", "one.bank", *(woven.more if "--good" in more else []), *more, "--out", "other.bank", "--overwrite", code=0)
    woven.run("tune", "--bank", "one.bank", *woven.more, "--good", "fine", "--bad", "bad", "--trials", "10", "--force", "--out", "tuned.bank", code=0)
    found = woven.run("inspect", "--json", "--explain", "--bank", "tuned.bank", *woven.more, "--out", "drawn", "bad/0.png", code=0)
    line = json.loads(found.out.splitlines()[0])
    assert line["label"] == "anomalous" and line["defects"] and all(d["nearest"] is None for d in line["defects"])


def test_layers_of_nano_can_be_chosen(dp):
    """What depends on the kind of network still follows it: raw layers on the grid of layer 2, or of layer 1 where a grid bank asks for it."""
    textures(dp.folder / "good", 3)
    for method in ("rad", "superadd", "padim", "subspace", "spade"):
        for layers in ("3", "2,3", "1,3"):
            dp.run("fit", "--method", method, *HOW, f"--layers={layers}", "--overwrite", "--out", "b.bank", "good", code=0)
            info = json.loads(dp.run("bank", "info", "--json", "b.bank", code=0).out)
            assert info["recipe"]["layers"] == [int(n) for n in layers.split(",")] and info["recipe"]["layer_norm"] == "raw", (method, info)
            flat = method in ("superadd", "spade")
            assert info["grid"][:2] == ([1, 1] if flat else [16, 16] if layers == "1,3" else [8, 8]), (method, layers, info["grid"])
            assert not flat or info["n_rows"] == 3 * 64 * (1 + (method == "superadd"))
    dp.run("fit", "--method", "patchcore", "--layers", "2", "--overwrite", "--out", "b.bank", "good", code=0)
    run = dp.run("fit", "--method", "patchcore", "--layers", "2,3", "--layer-mix", "concat", "--out", "c.bank", "good", code=2)
    assert "leave layers.mix out" in run.err, run
