# SPDX-License-Identifier: Apache-2.0
"""Pictures named in a list, and one inspection done in shards: the joined lines are those of one run."""

import hashlib
import json
import os

import pytest
from conftest import DINOPATCH, textures, save, texture

FIT = ["--align", "none", "--canvas", "128x128"]


@pytest.fixture
def woven(dp):
    textures(dp.folder / "good", 6)
    for i in range(11):
        save(texture(100 + i, defect=i % 3 == 0), dp.folder / "new" / f"{i % 2}" / f"{i:02d}.png")
    (dp.folder / "new" / "broken.png").write_bytes(b"\x89PNG\r\n\x1a\n" + b"0" * 40)
    dp.run("fit", *FIT, "--out", "good.bank", "good", code=0)
    return dp


def inspect(dp, *args, code=1):
    return dp.run("inspect", "--bank", "good.bank", "--json", "--no-times", *args, code=code)


def shards(dp, n, *args, names="part-%d.jsonl"):
    for i in range(n):
        run = inspect(dp, "--shard", f"{i}/{n}", *args, code=(0, 1))
        (dp.folder / (names % i)).write_text(run.out)
    return [names % i for i in range(n)]


@pytest.mark.parametrize("null", [False, True])
def test_a_list_is_as_good_as_a_folder(woven, null):
    names = sorted(f"good/{i:03d}.png" for i in range(6))
    (woven.folder / "list").write_bytes(b"".join(n.encode() + (b"\0" if null else b"\n") for n in names))
    more = ["--null"] if null else []
    woven.run("fit", *FIT, "--out", "listed.bank", "--files-from", "list", *more, code=0)
    assert (woven.folder / "listed.bank").read_bytes() == (woven.folder / "good.bank").read_bytes()
    with open(woven.folder / "list", "rb") as names_in:
        run = woven.run("inspect", "--bank", "good.bank", "--json", "--files-from", "-", *more, "new/0/02.png", code=0, stdin=names_in)
    assert [p["input"] for p in run.pictures] == ["new/0/02.png", *names]
    with open(woven.folder / "list", "rb") as names_in:
        run = woven.run("inspect", "--bank", "good.bank", "--out", "out", "--files-from", "-", *more, code=0, stdin=names_in)
    assert (woven.folder / "out/good/003.heat.png").exists()


def test_a_name_with_a_line_end_needs_null(woven):
    name = "new/a\nb.png"
    save(texture(7), woven.folder / name)
    (woven.folder / "list").write_bytes(name.encode() + b"\0")
    run = woven.run("inspect", "--bank", "good.bank", "--json", "-0", "--files-from", "list", code=0)
    assert run.pictures[0]["input"] == name
    run = woven.run("inspect", "--bank", "good.bank", "--json", "--files-from", "list", code=4)
    assert "--null" in run.err
    assert "--files-from" in woven.run("inspect", "--bank", "good.bank", "--null", "new", code=2).err
    assert "cannot read the list" in woven.run("inspect", "--bank", "good.bank", "--files-from", "nothing", code=4).err


@pytest.mark.parametrize("n", [1, 2, 5, 30])
def test_joined_lines_are_those_of_one_run(woven, n):
    """Whatever the number of shards and the order in which they are given; some of 30 have no picture."""
    whole = inspect(woven, "new")
    files = shards(woven, n, "new")
    joined = woven.run("results", "merge", *files[::-1], code=1)
    assert joined.out == whole.out and len(whole.pictures) == 12
    assert joined.err.splitlines()[-1] == whole.err.splitlines()[-1]
    total = inspect(woven, "--summary", "new")
    assert woven.run("results", "merge", "--summary", *files, code=1).out == total.out
    counts = [len(json.loads(line)) for f in files for line in (woven.folder / f).read_text().splitlines()[1:-1]]
    assert len(counts) == 12


def test_the_shard_of_a_picture_is_a_matter_of_its_name(woven):
    """Other pictures come and go, the folder moves: it stays in its shard."""
    def shard_of(args):
        return {line["input"].split("new/")[-1]: i for i in range(4)
                for line in inspect(woven, "--shard", f"{i}/4", args, code=(0, 1)).pictures}
    before = shard_of("new")
    digest = hashlib.sha256(b"0/02").digest()  # the name of its outputs: below the folder, without .png
    assert before["0/02.png"] == int.from_bytes(digest[:8], "big") % 4
    (woven.folder / "moved").mkdir()
    (woven.folder / "new").rename(woven.folder / "moved" / "new")
    for name in ("0/00.png", "1/05.png"):
        (woven.folder / "moved" / "new" / name).unlink()
        before.pop(name)
    assert shard_of("moved/new") == before


def test_missing_doubled_and_foreign_shards_are_named(woven):
    files = shards(woven, 4, "new")
    run = woven.run("results", "merge", files[0], files[3], code=4)
    assert "shards 1, 2 of 4 are missing" in run.err and not run.out
    run = woven.run("results", "merge", *files, files[2], code=4)
    assert "part-2.jsonl and part-2.jsonl: both are shard 2 of 4" in run.err
    (woven.folder / "other.jsonl").write_text(inspect(woven, "--shard", "1/4", "--threshold", "3", "new", code=(0, 1)).out)
    run = woven.run("results", "merge", files[0], "other.jsonl", files[2], files[3], code=4)
    assert "other.jsonl: a foreign shard: it was made with another bank, other settings" in run.err
    (woven.folder / "other.jsonl").write_text(inspect(woven, "--shard", "1/5", "new", code=(0, 1)).out)
    assert "another number of shards" in woven.run("results", "merge", files[0], "other.jsonl", code=4).err
    (woven.folder / "new" / "0" / "99.png").write_bytes((woven.folder / "new" / "0" / "00.png").read_bytes())
    (woven.folder / "other.jsonl").write_text(inspect(woven, "--shard", "1/4", "new", code=(0, 1)).out)
    assert "another list of pictures" in woven.run("results", "merge", files[0], "other.jsonl", code=4).err
    plain = inspect(woven, "new").out
    (woven.folder / "plain.jsonl").write_text(plain)
    assert "no output of 'inspect --json --shard'" in woven.run("results", "merge", "plain.jsonl", code=4).err


def test_a_stopped_shard_goes_on(woven):
    """Lines of pictures whose files are the same are taken over; the file that changed and the one that failed are done again."""
    files = shards(woven, 1, "new")
    text = (woven.folder / files[0]).read_text()
    lines = text.splitlines(keepends=True)
    cut = "".join(lines[:8]) + lines[8][:40]  # killed while it wrote
    (woven.folder / "cut.jsonl").write_text(cut)
    run = woven.run("results", "merge", "cut.jsonl", code=4)
    assert "shard 0 of 1 is not finished; run it again, with --resume cut.jsonl" in run.err
    again = inspect(woven, "--shard", "0/1", "--resume", "cut.jsonl", "new")
    assert again.out == text
    assert "7 of 12 pictures of the shard are done" in again.err
    first = json.loads(lines[1])["input"]
    (woven.folder / first).write_bytes((woven.folder / "new/0/06.png").read_bytes())
    changed = inspect(woven, "--shard", "0/1", "--resume", "cut.jsonl", "new")
    assert "6 of 12" in changed.err and changed.out == inspect(woven, "--shard", "0/1", "new").out
    run = inspect(woven, "--shard", "0/1", "--resume", "cut.jsonl", "--threshold", "3", "new", code=4)
    assert "other settings" in run.err and not run.pictures


@pytest.mark.parametrize("text", ["1", "3/3", "-1/3", "1/0", "a/b", "1/2/3", "0/9999999999", "1 /2"])
def test_a_shard_is_i_of_n(woven, text):
    assert "give I/N" in inspect(woven, "--shard", text, "new", code=2).err
    assert "--json" in woven.run("inspect", "--bank", "good.bank", "--shard", "0/2", "new", code=2).err
