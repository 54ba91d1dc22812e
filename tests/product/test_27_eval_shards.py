# SPDX-License-Identifier: Apache-2.0
"""An evaluation cut into shards ends with the files of one evaluation, byte for byte."""

import pytest
from conftest import save, texture, textures

HOW = ["--align", "none", "--size", "96", "--no-times"]


@pytest.fixture
def data(dp):
    for category, first in (("cloth", 0), ("felt", 200)):
        textures(dp.folder / "data" / category / "train" / "good", 5, first=first)
        textures(dp.folder / "data" / category / "test" / "good", 4, first=first + 50)
        textures(dp.folder / "data" / category / "test" / "hole", 4, first=first + 80, defect=True)
    return dp


def shard(dp, i, n, *more, code=0):
    return dp.run("eval", *HOW, "--out", "cut", "--shard", f"{i}/{n}", *more, "data", code=code)


def files(folder):
    return {p.relative_to(folder): p.read_bytes() for p in sorted(folder.rglob("*"))
            if p.is_file() and not p.name.startswith("state") and p.name != ".dinopatch-outputs"}


def test_figures_and_maps_are_those_of_one_run(data):
    one = data.run("eval", *HOW, "--out", "one", "data", code=0)
    for i in (2, 0, 1):
        run = shard(data, i, 3)
        assert "image_auroc" not in run.out and f"shard {i} of 3 is done" in run.out
        assert not (data.folder / "cut" / "metrics.json").exists()
    merged = data.run("eval", *HOW, "--out", "cut", "--merge", "3", "data", code=0)
    n = sum(1 for path in (data.folder / "data").rglob("test/*/*.png"))
    assert f"continuing in cut: {n} pictures are done" in merged.err  # the merge inspects none
    a, b = files(data.folder / "one"), files(data.folder / "cut")
    assert list(a) == list(b) and len(a) > 16
    for name, content in a.items():
        assert content == b[name] or name.name == "run.json", name
    assert b[next(n for n in b if n.name == "run.json")].replace(b"cut", b"one") == a[next(n for n in a if n.name == "run.json")]
    assert merged.out == one.out
    again = data.run("eval", *HOW, "--out", "cut", "data", code=0)  # nothing is left to do
    assert again.out == one.out


def test_shards_that_are_missing_unfinished_or_of_other_settings_are_named(data):
    shard(data, 0, 3)
    shard(data, 1, 3)
    run = data.run("eval", *HOW, "--out", "cut", "--merge", "3", "data", code=4)
    assert "cut/state-2-of-3.jsonl: this shard is missing" in run.err and "0-of-3" not in run.err
    shard(data, 2, 3)
    state = data.folder / "cut" / "state-2-of-3.jsonl"
    whole = state.read_text()
    state.write_text("".join(whole.splitlines(keepends=True)[:-2]))
    assert "cut/state-2-of-3.jsonl: this shard is not finished" in data.run("eval", *HOW, "--out", "cut", "--merge", "3", "data", code=4).err
    shard(data, 2, 3)  # goes on
    data.run("eval", *HOW, "--out", "cut", "--merge", "3", "data", code=0)
    save(texture(900), data.folder / "data" / "felt" / "test" / "good" / "new.png")
    assert "changed pictures" in data.run("eval", *HOW, "--out", "cut", "--merge", "3", "data", code=4).err
    assert "--out" in data.run("eval", *HOW, "--shard", "0/2", "data", code=2).err
    assert "--merge" in data.run("eval", *HOW, "--out", "cut", "--shard", "0/2", "--merge", "2", "data", code=2).err
