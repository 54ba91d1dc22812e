# SPDX-License-Identifier: Apache-2.0
"""A checkpoint in shards works wherever a single file does, and a bank names the licence of its network."""

import hashlib
import json
import struct

import pytest
from conftest import MODEL, textures

SHARDS = ("model-00001-of-00002.safetensors", "model-00002-of-00002.safetensors")


@pytest.fixture
def woven(dp):
    """Pictures in the test's own folder."""
    textures(dp.folder / "good", 4)
    textures(dp.folder / "new", 2, first=100)
    return dp


def shard(folder):
    """Writes MODEL as two shards and an index; returns the SHA-256 of the shards one after another."""
    raw = MODEL.read_bytes()
    size, = struct.unpack("<Q", raw[:8])
    header = json.loads(raw[8:8 + size])
    header.pop("__metadata__", None)
    names = sorted(header, key=lambda n: header[n]["data_offsets"][0])
    weight_map, whole = {}, hashlib.sha256()
    for file, part in zip(SHARDS, (names[::2], names[1::2])):
        made, data = {"__metadata__": {"format": "pt"}}, b""
        for name in part:
            begin, end = header[name]["data_offsets"]
            made[name] = dict(header[name], data_offsets=[len(data), len(data) + end - begin])
            data += raw[8 + size + begin:8 + size + end]
            weight_map[name] = file
        text = json.dumps(made).encode()
        (folder / file).write_bytes(struct.pack("<Q", len(text)) + text + data)
        whole.update((folder / file).read_bytes())
    (folder / "model.safetensors.index.json").write_text(json.dumps({"metadata": {"total_size": 1}, "weight_map": weight_map}))
    return whole.hexdigest()


def test_shards_are_one_network(woven):
    folder = woven.folder / "network"
    folder.mkdir()
    digest = shard(folder)
    index = "network/model.safetensors.index.json"
    one = json.loads(woven.run("model", "info", "--json", MODEL, code=0).out)
    for given in (index, "network"):
        info = json.loads(woven.run("model", "info", "--json", given, code=0).out)
        assert info["sha256"] == digest and info["files"] == 2 and info["path"].endswith("index.json")
        assert all(info[key] == one[key] for key in ("dim", "depth", "heads", "parameters", "naming"))
    assert "2 shards" in woven.run("model", "info", index, code=0).out
    assert woven.run("model", "verify", "--quiet", "--sha256", digest, index, code=0).out.startswith(digest)
    assert "should be 0000" in woven.run("model", "verify", "--quiet", "--sha256", "0" * 64, index, code=4).err

    woven.run("fit", "--canvas", "112x112", "--model", "network", "--out", "a.bank", "good", code=0)
    woven.run("fit", "--canvas", "112x112", "--model", MODEL, "--out", "b.bank", "good", code=0)
    a, b = (woven.inspect(bank, "new").pictures for bank in ("a.bank", "b.bank"))  # the bank finds its shards again
    assert [p["score"] for p in a] == [p["score"] for p in b]
    bank = json.loads(woven.run("bank", "info", "--json", "a.bank", code=0).out)
    assert bank["model_sha256"] == digest and bank["model_licence"] is None

    (folder / SHARDS[1]).unlink()
    run = woven.run("fit", "--model", index, "--out", "c.bank", "good", code=4)
    assert SHARDS[1] in run.err and "shard 2 of 2" in run.err
    assert not (woven.folder / "c.bank").exists()


def test_a_bank_names_the_licence_of_its_network(woven):
    woven.run("fit", "--canvas", "112x112", "--out", "nano.bank", "good", code=0)
    assert "licence     Apache-2.0" in woven.run("bank", "info", "nano.bank", code=0).out
    dinov3 = MODEL.with_name("dinov3_micro_nobias.timm.safetensors")
    woven.run("fit", "--canvas", "112x112", "--model", dinov3, "--out", "three.bank", "good", code=0)
    woven.run("bank", "add", "--bank", "three.bank", "--out", "more.bank", "new", code=0)
    woven.run("bank", "merge", "--out", "both.bank", "three.bank", "more.bank", code=0)
    woven.run("bank", "compress", "--pca", "8", "--out", "small.bank", "three.bank", code=0)
    for bank in ("three.bank", "more.bank", "both.bank", "small.bank"):
        assert json.loads(woven.run("bank", "info", "--json", bank, code=0).out)["model_licence"] == "DINOv3"
