# SPDX-License-Identifier: Apache-2.0
"""`dinopatch watch`: each picture that comes into a folder, once, whatever happens."""

import os
import random
import shutil
import signal
import time

import pytest

from conftest import textures
from watching import Watch, wait_for


@pytest.fixture
def watch(tmp_path, woven):
    """Starts `watch --bank B ARGS`; none outlives the test."""
    running = []

    def start(*args, bank=None, **env):
        running.append(Watch(tmp_path, "--bank", bank or woven.bank, *args, **env))
        return running[-1]
    yield start
    for one in running:
        one.process.kill()
        one.process.wait()


def results(dp, data, *more):
    return dp.run("results", "--data", data, "--json", *more, code=0).lines


def put(source, target):
    """As a careful program does: under a hidden name, then by its own."""
    target.parent.mkdir(parents=True, exist_ok=True)
    hidden = target.parent / f".{target.name}.part"
    shutil.copyfile(source, hidden)
    hidden.rename(target)


def test_says_what_inspect_says_to_the_bit(dp, watch, woven, tmp_path):
    new = tmp_path / "new"
    put(woven.new_good, new / "a.png")
    put(woven.new_bad, new / "below" / "b.png")
    (new / "broken.jpg").write_bytes(b"\xff\xd8\xff no picture")
    (new / "notes.txt").write_text("no picture")
    (new / ".hidden.png").write_bytes(b"hidden")
    inspected = dp.run("inspect", "--bank", woven.bank, "--json", "--no-times", "new", code=1)
    watched = watch("--in", "new", "--no-times", "--exit-after", 3).end(code=1, number=None)
    assert sorted(watched.lines, key=lambda line: line["input"]) == sorted(inspected.lines, key=lambda line: line["input"])
    assert [line["label"] for line in watched.lines].count("not_inspected") == 1


def test_takes_a_file_when_it_is_whole(watch, woven, tmp_path):
    new = tmp_path / "new"
    new.mkdir()
    running = watch("--in", "new").ready()
    data = woven.new_bad.read_bytes()
    with open(new / "slow.png", "wb") as slow:
        slow.write(data[:len(data) // 2])
        slow.flush()
        put(woven.new_good, new / "quick.png")
        assert running.until(1)["input"] == "new/quick.png"
        slow.write(data[len(data) // 2:])
    assert running.until(2)["label"] == "anomalous"
    put(woven.new_good, new / "a" / "b" / "c.png")  # folders that come later are watched too
    assert running.until(3)["input"] == "new/a/b/c.png"
    shutil.copytree(new / "a", tmp_path / "outside" / "moved")
    os.rename(tmp_path / "outside" / "moved", new / "moved")
    assert running.until(4)["input"] == "new/moved/b/c.png"
    os.symlink(woven.new_good, new / "link.png")
    assert running.until(5)["input"] == "new/link.png"
    put(woven.new_bad, new / "quick.png")  # another picture of that name
    assert running.until(6)["label"] == "anomalous"
    assert len(running.end().lines) == 6


def test_takes_files_of_a_clock_that_is_ahead(watch, woven, tmp_path):
    new = tmp_path / "new"
    new.mkdir()
    shutil.copyfile(woven.new_bad, new / "a.png")
    (new / "b.png").touch()
    for file in new.iterdir():
        os.utime(file, (time.time() + 86400,) * 2)
    running = watch("--in", "new")
    running.until(2)
    assert sorted((line["input"], line["label"]) for line in running.lines) == [("new/a.png", "anomalous"), ("new/b.png", "not_inspected")]
    running.end(code=1)


def test_looks_again_where_the_system_tells_nothing(watch, woven, tmp_path):
    new = tmp_path / "new"
    put(woven.new_good, new / "a.png")
    running = watch("--in", "new", "--poll", 0.2)
    running.until(1)
    put(woven.new_bad, new / "b" / "b.png")
    assert running.until(2)["input"] == "new/b/b.png"
    shutil.rmtree(new)
    running.until_said("cannot be read")
    put(woven.new_bad, new / "c.png")
    assert running.until(3)["input"] == "new/c.png"
    assert len(running.end().lines) == 3


def test_inspects_nothing_twice_and_moves_what_is_done(dp, watch, woven, tmp_path):
    new = tmp_path / "new"
    textures(new, 5)
    args = ("--in", "new", "--data", "data")
    watch(*args, "--exit-after", 5).end(number=None)
    running = watch(*args, "--done", "finished").ready()
    put(woven.new_bad, new / "later.png")
    assert running.until(1)["input"] == "new/later.png"
    wait_for(lambda: not any(new.iterdir()))
    put(woven.new_good, new / "000.png")
    running.until(2)
    wait_for(lambda: not any(new.iterdir()))
    assert len(running.end().lines) == 2
    assert sorted(path.name for path in (tmp_path / "finished").iterdir()) == \
        ["000.png", "000~2.png", "001.png", "002.png", "003.png", "004.png", "later.png"]
    rows = results(dp, "data")
    assert len(rows) == 7
    assert {row["bank"] for row in rows} == {"good"}


def test_one_watch_a_folder(watch, tmp_path):
    (tmp_path / "new").mkdir()
    watch("--in", "new").ready()
    second = watch("--in", "new").end(code=4, number=None)
    assert "another 'dinopatch watch'" in "\n".join(second.said)


def test_writes_its_own_files_beside_and_leaves_them_alone(watch, woven, tmp_path):
    new = tmp_path / "new"
    put(woven.new_good, new / "good.png")
    put(woven.new_bad, new / "bad.png")
    running = watch("--in", "new", "--out", "new/out", "--data", "new/data", "--done", "new/done")
    bad = next(line for line in (running.until(1), running.until(2)) if line["label"] == "anomalous")
    files = sorted(path for path in (new / "out").rglob("*.*") if path.name[0] != ".")
    assert [path.name.split("_", 1)[1] for path in files] == ["bad.heat.png", "bad.map.tiff"]
    assert tmp_path / bad["map"]["path"] == files[1]
    running.end()
    assert len(watch("--in", "new", "--out", "new/out", "--data", "new/data", "--done", "new/done").ready().end().lines) == 0


def test_makes_room(watch, woven, tmp_path):
    new = tmp_path / "new"
    textures(new, 6)
    watch("--in", "new", "--out", "out", "--keep", "all", "--exit-after", 6).end(number=None)
    kept = [path for path in (tmp_path / "out").rglob("*.*") if path.is_file() and path.name[0] != "."]
    assert len(kept) == 12
    most = sum(path.stat().st_size for path in kept) // 2
    mine = tmp_path / "out" / "mine.txt"
    mine.write_text("stays")
    watch("--in", "new", "--out", "out", "--keep-size", most).ready().end()
    left = [path for path in kept if path.exists()]
    assert 0 < len(left) < 12 and sum(path.stat().st_size for path in left) <= most
    assert sorted(left) == sorted(kept)[-len(left):]
    old = time.time() - 3 * 86400
    for path in left:
        os.utime(path, (old, old))
    watch("--in", "new", "--out", "out", "--keep-days", 2).ready().end()
    assert mine.exists() and not [path for path in left if path.exists()]


def test_stops_at_the_first_anomaly(watch, woven, tmp_path):
    new = tmp_path / "new"
    put(woven.new_good, new / "1.png")
    put(woven.new_bad, new / "2.png")
    put(woven.new_good, new / "3.png")
    stopped = watch("--in", "new", "--poll", 0.2, "--stop-on-anomaly").end(code=3, number=None)
    assert stopped.names == ["new/1.png", "new/2.png"]


def test_reads_the_bank_anew(dp, watch, woven, copy, tmp_path):
    bank = copy(woven.bank)
    new = tmp_path / "new"
    new.mkdir()
    running = watch("--in", "new", bank=bank).ready()
    put(woven.new_bad, new / "1.png")
    assert running.until(1)["label"] == "anomalous"
    dp.run("calibrate", "--bank", bank, "--value", 1000, code=0)
    running.send(signal.SIGHUP)
    running.until_said("is read anew")
    put(woven.new_bad, new / "2.png")
    assert running.until(2)["label"] == "good"
    bank.unlink()
    running.send(signal.SIGHUP)
    running.until_said("stays in use")
    put(woven.new_bad, new / "3.png")
    assert running.until(3)["label"] == "good"
    running.end()


def test_a_bank_that_is_cut_short_in_place(watch, woven, copy, tmp_path):
    bank = copy(woven.bank)
    new = tmp_path / "new"
    new.mkdir()
    running = watch("--in", "new", bank=bank).ready()
    put(woven.new_bad, new / "1.png")
    first = running.until(1)
    os.truncate(bank, 4096)
    put(woven.new_bad, new / "2.png")
    assert running.until(2)["score"] == first["score"]
    running.send(signal.SIGHUP)
    running.until_said("stays in use")
    assert any(f"{bank.name}: " in line for line in running.said) and "/proc/" not in str(running)
    put(woven.new_bad, new / "3.png")
    assert running.until(3)["score"] == first["score"]
    running.end()


def test_refuses_what_cannot_work(dp, woven, tmp_path):
    (tmp_path / "new").mkdir()
    bank = ("--bank", woven.bank)
    assert "--in" in dp.run("watch", *bank, code=2).err
    assert "no folder" in dp.run("watch", *bank, "--in", "nowhere", code=4).err
    assert "is the folder that is watched" in dp.run("watch", *bank, "--in", "new", "--done", "new", code=2).err
    assert "nobank" in dp.run("watch", "--bank", "nobank", "--in", "new", code=4).err


def test_a_kill_loses_nothing_and_doubles_nothing(dp, watch, woven, tmp_path):
    new = tmp_path / "new"
    moments = random.Random(1)
    n = 0
    for kill in range(12):
        running = watch("--in", "new", "--data", "data", "--done", "finished") if kill else None
        for _ in range(6):
            put(woven.new_bad if n % 5 == 0 else woven.new_good, new / f"{n:04d}.png")
            n += 1
        if running:
            if kill % 3:
                running.until(moments.randrange(1, 4))
            else:
                running.ready()
            running.process.kill()
            running.end(code=-signal.SIGKILL, number=None)
    last = watch("--in", "new", "--data", "data", "--done", "finished")
    wait_for(lambda: not any(new.glob("*.png")))
    last.end()
    sources = sorted(row["source"] for row in results(dp, "data"))
    assert sources == [f"new/{i:04d}.png" for i in range(n)]
    assert len(list((tmp_path / "finished").iterdir())) == n
