# SPDX-License-Identifier: Apache-2.0
"""A fit cut into shards gives the bank of one fit, byte for byte; what is missing, doubled or foreign is named."""

import os
import shutil
import signal
import subprocess
import time

import pytest
from conftest import MODEL, environment, parts, save, texture, textures

SMALL = ["--size", "128"]
PAPER = ["--model", MODEL, "--method", "dinopatch", "--canvas", "112x112", "--align", "pca"]


def settle(dp, *args, folder="good"):
    return dp.run("fit", "--settle", "good.settled", *args, folder, code=0)


def shard(dp, i, n, *more, folder="good", code=0, name=None):
    return dp.run("fit", "--settled", "good.settled", "--shard", f"{i}/{n}", "--out", name or f"{i}.shard", *more, folder, code=code)


def merge(dp, *shards, out="merged.bank", code=0):
    return dp.run("bank", "merge", "--out", out, *shards, code=code)


def cut(dp, n, *args, folder="good"):
    settle(dp, *args, folder=folder)
    for i in range(n):
        shard(dp, i, n, folder=folder)
    return [f"{i}.shard" for i in range(n)]


def same(dp, one="good.bank", other="merged.bank"):
    return (dp.folder / one).read_bytes() == (dp.folder / other).read_bytes()


@pytest.mark.parametrize("make, n, options", [
    (textures, 1, []), (textures, 5, SMALL), (textures, 40, SMALL), (parts, 3, SMALL), (parts, 2, [*SMALL, "--align", "features"]),
    (parts, 3, [*PAPER, "--polarity", "rotate", "--mirror"]), (parts, 3, [*PAPER, "--polarity", "mirror", "--mirror"]),
    (textures, 3, ["--model", MODEL, "--method", "anomalydino", "--size", "112"]), (textures, 3, ["--method", "patchcore", "--size", "112"]), (textures, 3, ["--method", "padim", "--size", "128"]),
    (textures, 3, ["--method", "superadd", *SMALL]), (textures, 3, ["--method", "superadd", *SMALL, "--thin", "300"]),
    (textures, 3, [*SMALL, "--brightness", "0.2"]), (parts, 3, [*PAPER, "--polarity", "rotate", "--mirror", "--brightness", "0.2"]),
    (parts, 3, [*PAPER, "--polarity", "mirror", "--brightness", "0.2"]), (textures, 3, [*SMALL, "--kmeans", "3"]), (textures, 3, [*SMALL, "--pca", "0.9"]),
    (textures, 3, [*SMALL, "--order", "0.25"])],
    ids=lambda v: " ".join(map(str, v[-2:])) if isinstance(v, list) else getattr(v, "__name__", str(v)))
def test_the_bank_is_that_of_one_fit(dp, make, n, options):
    make(dp.folder / "good", 14 if "features" in options else 9)
    dp.run("fit", *options, "good", code=0)
    shards = cut(dp, n, *options)
    merge(dp, *shards[::-1])
    assert same(dp)


def test_twins_and_broken_pictures_are_told_as_by_one_fit(dp):
    textures(dp.folder / "good", 30)
    save(texture(3), dp.folder / "good" / "twin.png")
    (dp.folder / "good" / "010.png").write_bytes(b"\x89PNG\r\n\x1a\n" + b"0" * 40)
    one = dp.run("fit", *SMALL, "good", code=1)
    shards = cut(dp, 4, *SMALL)
    run = merge(dp, *shards, code=1)
    assert same(dp) and "1 left out; 1 picture was given twice" in run.out
    told = [[line.split(": ", 1)[1] for line in err.splitlines() if "good/" in line] for err in (one.err, run.err)]
    assert told[0] == told[1] and len(told[0]) == 2
    for i in range(0, 30, 2):  # too few are left
        (dp.folder / "good" / f"{i:03d}.png").write_bytes(b"nothing")
    for name in shards:
        (dp.folder / name).unlink()
    for i in range(4):
        shard(dp, i, 4)
    run = merge(dp, *shards, out="few.bank", code=1)
    assert "no bank was written" in run.err and not (dp.folder / "few.bank").exists()


def test_missing_doubled_foreign_and_unfinished_shards_are_named(dp):
    textures(dp.folder / "good", 6)
    shards = cut(dp, 4, *SMALL)
    assert "shards 1, 2 of 4 are missing" in merge(dp, shards[0], shards[3], code=4).err
    assert "2.shard and again.shard: both are shard 2 of 4" in merge(dp, *shards, shutil.copy(dp.folder / "2.shard", dp.folder / "again.shard").name, code=4).err
    shard(dp, 1, 3, name="other.shard")
    assert "other.shard: a foreign shard: it is one of 3, and 0.shard one of 4" in merge(dp, shards[0], "other.shard", code=4).err
    shard(dp, 1, 4, "--isa", "c", name="c.shard")
    assert "run all shards with one isa" in merge(dp, shards[0], "c.shard", code=4).err
    save(texture(70), dp.folder / "good" / "more.png")
    shard(dp, 1, 4, name="list.shard")
    assert "list.shard: a foreign shard: it was made of another list" in merge(dp, shards[0], "list.shard", code=4).err
    settle(dp, "--size", "96", "--overwrite")
    shard(dp, 1, 4, name="size.shard")
    assert "size.shard: a foreign shard: it begins from other settings" in merge(dp, shards[0], "size.shard", code=4).err
    whole = (dp.folder / "1.shard").read_bytes()
    (dp.folder / "cut.shard").write_bytes(whole[:-20])
    assert "shard 1 of 4 is not finished" in merge(dp, shards[0], "cut.shard", code=4).err
    at = len(whole) // 2
    (dp.folder / "bad.shard").write_bytes(whole[:at] + bytes([whole[at] ^ 1]) + whole[at + 1:])
    assert "run this shard again" in merge(dp, shards[0], "bad.shard", *shards[2:], code=4).err
    assert not (dp.folder / "merged.bank").exists()


def test_a_shard_wants_settled_settings_and_nothing_else(dp):
    textures(dp.folder / "good", 4)
    assert "--settled" in dp.run("fit", "--shard", "0/2", "--out", "x", "good", code=2).err
    settle(dp, *SMALL)
    assert "leave out size" in shard(dp, 0, 2, "--size", "96", code=2).err
    assert "--shard" in dp.run("fit", "--settled", "good.settled", "--out", "x", "good", code=2).err
    assert "--out" in dp.run("fit", "--settled", "good.settled", "--shard", "0/2", "good", code=2).err
    assert "shots" in dp.run("fit", "--settle", "y", "--shots", "2", "good", code=2).err
    assert "is not the checkpoint" in shard(dp, 0, 2, "--model", MODEL, code=4).err
    (dp.folder / "junk").write_bytes(b"junk")
    assert "junk" in dp.run("fit", "--settled", "junk", "--shard", "0/2", "--out", "x", "good", code=4).err


def test_a_killed_shard_is_done_again_alone(dp):
    """After a kill at any moment --resume goes on; pictures that are the same are not computed again, changed ones are."""
    textures(dp.folder / "good", 24, width=320, height=320)
    dp.run("fit", "--size", "256", "good", code=0)
    settle(dp, "--size", "256")
    command = [dp.path, "fit", "--quiet", "--settled", "good.settled", "--shard", "0/1", "--out", "0.shard", "--resume", "good"]
    sizes = []
    for _ in range(3):
        run = subprocess.Popen(command, cwd=dp.folder, env=environment(dp.folder), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        left = dp.folder / "0.shard.unfinished"
        had = left.stat().st_size if left.exists() else 0
        deadline = time.monotonic() + 60
        while run.poll() is None and time.monotonic() < deadline and (not left.exists() or left.stat().st_size < had + 3_000_000):
            time.sleep(0.01)
        os.kill(run.pid, signal.SIGKILL) if run.poll() is None else None
        run.wait()
        sizes.append(left.stat().st_size if left.exists() else 0)
    assert sizes[0] > 0 and not (dp.folder / "0.shard").exists()
    run = shard(dp, 0, 1, "--resume")
    assert "(0 were there already" not in run.out and not (dp.folder / "0.shard.unfinished").exists()
    merge(dp, "0.shard")
    assert same(dp)
    assert "(24 were there already" in shard(dp, 0, 1, "--resume").out
    save(texture(99, width=320, height=320), dp.folder / "good" / "005.png")
    save(texture(98, width=320, height=320), dp.folder / "good" / "aaa.png")
    (dp.folder / "good" / "020.png").unlink()
    assert "(22 were there already" in shard(dp, 0, 1, "--resume").out
    merge(dp, "0.shard", out="changed.bank")
    shard(dp, 0, 1, name="fresh.shard")
    merge(dp, "fresh.shard", out="fresh.bank")
    assert same(dp, "changed.bank", "fresh.bank")
    assert "another shard" in shard(dp, 0, 2, "--resume", code=4).err
