# SPDX-License-Identifier: Apache-2.0
"""PatchCore works on every network form, also on residual networks that end before the last stage."""

import json
import struct

import numpy as np
import pytest
from conftest import GOLDEN, MODEL

RESNET = {"basic": GOLDEN / "resnet" / "basic.safetensors", "bottleneck": GOLDEN / "resnet" / "bottleneck.safetensors"}


def read(path):
    data = path.read_bytes()
    n, = struct.unpack("<Q", data[:8])
    header = json.loads(data[8:8 + n])
    meta = header.pop("__metadata__", None)
    return meta, {k: (v["dtype"], v["shape"], data[8 + n + v["data_offsets"][0]:8 + n + v["data_offsets"][1]]) for k, v in header.items()}


def write(path, tensors):
    header, at = {}, 0
    for name, (dtype, shape, data) in tensors.items():
        header[name] = {"dtype": dtype, "shape": shape, "data_offsets": [at, at + len(data)]}
        at += len(data)
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    path.write_bytes(struct.pack("<Q", len(text)) + text + b"".join(t[2] for t in tensors.values()))
    return path


def cut(path, source, last):
    """The network without what comes after stage `last`."""
    _, tensors = read(source)
    gone = tuple(f"layer{i}." for i in range(last + 1, 5)) + ("fc.",)
    return write(path, {k: v for k, v in tensors.items() if not k.startswith(gone)})


NETWORKS = ["transformer", "basic", "bottleneck", "basic3", "bottleneck3", "basic2"]


@pytest.fixture(params=NETWORKS)
def network(request, dp):
    name = request.param
    if name == "transformer":
        return MODEL
    return cut(dp.folder / "cut.safetensors", RESNET[name[:-1]], int(name[-1])) if name[-1].isdigit() else RESNET[name]


def test_fit_and_inspect(dp, woven, network):
    dp.run("fit", "--model", network, "--bank", "p.bank", "--method", "patchcore", woven.good, code=0)
    run = dp.inspect("p.bank", woven.new_good, woven.new_bad)
    assert run.pictures[1]["label"] == "anomalous" and run.pictures[1]["defects"]
    assert run.pictures[1]["score"] > 1.5 * run.pictures[0]["score"]


def test_options_lie_over_the_preset(dp, woven, network):
    dp.run("fit", "--model", network, "--bank", "p.bank", "--method", "patchcore", "--canvas", "112x112", "--align", "none", "--coreset", "30",
           woven.good, code=0)
    found = json.loads(dp.run("bank", "info", "--json", "p.bank", code=0).out)
    assert found["recipe"]["canvas"] == [112, 112] and found["n_rows"] == 30 and found["recipe"]["edge"] == 0


def test_the_preset_is_the_papers_on_a_residual_network(dp, woven):
    dp.run("fit", "--model", RESNET["basic"], "--bank", "p.bank", "--method", "patchcore", woven.good, code=0)
    recipe = json.loads(dp.run("bank", "info", "--json", "p.bank", code=0).out)["recipe"]
    assert (recipe["edge"], recipe["crop"], recipe["layers"], recipe["layer_mix"], recipe["neighbourhood"]) == (256, 224, [2, 3], "mean", 1)


def tokens(path):
    data = path.read_bytes()
    n, = struct.unpack("<Q", data[:8])
    return np.frombuffer(data[8 + n:], np.float32)


@pytest.mark.parametrize("name", RESNET)
def test_what_comes_after_stage_3_is_not_needed(dp, woven, name):
    short = cut(dp.folder / "short.safetensors", RESNET[name], 3)
    for model, out in ((RESNET[name], "whole"), (short, "short")):
        dp.run("embed", "--model", model, "--size", "112x112", "--out", out, woven.new_bad, code=0)
    assert (tokens(dp.folder / "whole") == tokens(dp.folder / "short")).all()
    about = json.loads(dp.run("model", "info", "--json", short, code=0).out)
    assert about["kind"] == "resnet" and about["depth"] == 3 and about["dim"] == 1024 and about["patch_px"] == 8
    assert "3 layers" in dp.run("model", "info", short, code=0).out
    bench = json.loads(dp.run("bench", "--model", short, "--size", "64x64", "--repeat", "1", "--json", code=0).out)
    assert bench["gflop"] > 0
    assert dp.run("embed", "--model", short, "--layers", "2,4", "--size", "112x112", "--out", "x", woven.new_bad, code=2)


def test_a_stage_with_a_hole_is_no_shorter_network(dp):
    _, tensors = read(RESNET["basic"])
    broken = write(dp.folder / "broken.safetensors", {k: v for k, v in tensors.items() if k != "layer4.0.conv1.weight"})
    run = dp.run("model", "info", broken, code=4)
    assert "layer4.0.conv1.weight" in run.err


def test_eval_on_a_short_residual_network(dp, woven):
    import shutil
    short = cut(dp.folder / "short.safetensors", RESNET["basic"], 3)
    data = dp.folder / "data"
    shutil.copytree(woven.good, data / "train" / "good")
    for name, source in (("good", woven.new_good), ("stain", woven.new_bad)):
        (data / "test" / name).mkdir(parents=True)
        shutil.copy(source, data / "test" / name / "000.png")
    run = dp.run("eval", "--model", short, "--method", "patchcore", "--out", "out", "--quiet", data, code=0)
    assert "1.0000" in run.out
    assert json.loads((dp.folder / "out" / "metrics.json").read_text())
