# SPDX-License-Identifier: Apache-2.0
"""The built-in network: the program works without any name or file of a network."""

import json

import pytest
from conftest import GOLDEN, MODEL, texture
from PIL import Image

NANO = GOLDEN.parent.parent / "models" / "nano.safetensors"
NOTE = "using the built-in network nano"


@pytest.fixture
def woven(dp):
    """Pictures in the test's own folder."""
    for folder, seeds, defect in (("good", range(6), False), ("new", range(100, 102), False), ("bad", range(200, 202), True)):
        (dp.folder / folder).mkdir()
        for seed in seeds:
            Image.fromarray(texture(seed, defect=defect)).save(dp.folder / folder / f"{seed}.png")
    return dp


HOW = ["--align", "none", "--canvas", "128x128"]


def test_fit_and_inspect_need_no_network_file(woven):
    run = woven.run("fit", *HOW, "good", code=0)
    assert run.err.count(NOTE) == 1
    scores = {p["input"]: p for p in woven.inspect("good.bank", "new", "bad").pictures}
    assert max(p["score"] for n, p in scores.items() if n.startswith("new")) < min(p["score"] for n, p in scores.items() if n.startswith("bad"))
    info = json.loads(woven.run("bank", "info", "--json", "good.bank", code=0).out)
    assert info["model_path"] == "nano" and info["model_sha256"].startswith("c5359643c98a")


def test_the_note_is_not_said_where_a_network_is_named_or_quiet_is_asked_for(woven):
    for more, env in ((["--quiet"], {}), (["--model", "nano"], {}), (["--model", MODEL, "--canvas", "112x112"], {}), ([], {"DINOPATCH_MODEL": "nano"})):
        run = woven.run("fit", *HOW, "--overwrite", *more, "good", env=env, code=0)
        assert NOTE not in run.err, run


def test_a_file_with_the_same_bytes_is_the_same_network(woven):
    copy = woven.folder / "copy.safetensors"
    copy.write_bytes(NANO.read_bytes())
    woven.run("fit", *HOW, "--out", "a.bank", "good", code=0)
    woven.run("fit", *HOW, "--out", "b.bank", "--model", copy, "good", code=0)
    a = woven.inspect("a.bank", "--model", copy, "new", "bad").pictures
    copy.unlink()
    b = woven.inspect("b.bank", "new", "bad").pictures
    assert [p["score"] for p in a] == [p["score"] for p in b]
    woven.run("bank", "merge", "--out", "both.bank", "a.bank", "b.bank", code=(0, 1, 4))  # the same pictures: never a complaint about the network


def test_eval_embed_and_bench_take_it_too(woven):
    (woven.folder / "set").mkdir()
    (woven.folder / "good").rename(woven.folder / "set" / "good")
    (woven.folder / "bad").rename(woven.folder / "set" / "bad")
    assert NOTE in woven.run("eval", *HOW, "set", code=0).err
    assert NOTE in woven.run("embed", "--size", "64x64", "--out", "x.safetensors", "new/100.png", code=0).err
    assert json.loads(woven.run("bench", "--quiet", "--json", "--size", "64x64", "--repeat", "1", code=0).out)["model"] == "nano"


def auto_scores(dp, bank, *more):
    return {p["input"]: p["score"] for p in dp.inspect(bank, *more, "new", "bad").pictures}


@pytest.mark.parametrize("network", [[], ["--model", MODEL]], ids=["nano", "transformer"])
def test_method_auto_learns_stores_and_tells(woven, network):
    woven.run("fit", "--method", "auto", "--canvas", "112x112", *network, "--out", "a.bank", "good", code=0)
    scores = auto_scores(woven, "a.bank")
    assert max(s for n, s in scores.items() if n.startswith("new")) < min(s for n, s in scores.items() if n.startswith("bad"))
    info = json.loads(woven.run("bank", "info", "--json", "a.bank", code=0).out)
    assert info["recipe"]["layer_norm"] == ("standard" if network else "rms") and info["recipe"]["window"] == 1
    assert "normalised" in woven.run("bank", "info", "a.bank", code=0).out
    # Another storage is rounded once; another thread count changes nothing.
    woven.run("fit", "--method", "auto", "--canvas", "112x112", *network, "--storage", "f16", "--out", "h.bank", "good", code=0)
    assert auto_scores(woven, "h.bank") == pytest.approx(scores, rel=2e-3)
    woven.run("fit", "--method", "auto", "--canvas", "112x112", *network, "--threads", "1", "--out", "b.bank", "good", code=0)
    assert (woven.folder / "a.bank").read_bytes() == (woven.folder / "b.bank").read_bytes()


def test_method_auto_takes_more_pictures_and_banks_normalised_by_others(woven):
    woven.run("fit", "--method", "auto", "--out", "a.bank", "good", code=0)
    info = json.loads(woven.run("bank", "info", "--json", "a.bank", code=0).out)
    assert info["recipe"]["canvas"] == [256, 256] and info["recipe"]["short_side"] == 256
    before = auto_scores(woven, "a.bank")
    woven.run("bank", "add", "--bank", "a.bank", "--out", "more.bank", "new/100.png", code=0)
    after = auto_scores(woven, "more.bank")
    assert after["new/100.png"] < 1e-3 and all(after[n] <= before[n] + 1e-6 for n in before)
    woven.run("fit", "--method", "auto", "--out", "other.bank", "new", code=0)
    woven.run("bank", "merge", "--out", "both.bank", "a.bank", "other.bank", code=0)  # as if all of `new` had been added
    woven.run("bank", "add", "--bank", "a.bank", "--out", "all.bank", "new", code=0)
    merged, added = auto_scores(woven, "both.bank"), auto_scores(woven, "all.bank")
    assert all(abs(merged[name] - added[name]) < 1e-5 for name in added)


def test_layers_that_are_named_are_taken_as_they_are(woven):
    """Normalised layers are chosen by the network; who names layers gets these."""
    woven.run("fit", "--layers", "2", "--align", "none", "good", code=0)
    recipe = json.loads(woven.run("bank", "info", "--json", "good.bank", code=0).out)["recipe"]
    assert recipe["layers"] == [2] and recipe["layer_norm"] == "none" and recipe["window"] == 1
