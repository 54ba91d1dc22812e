# SPDX-License-Identifier: Apache-2.0
"""Outputs never harm: no output is an input, a bank in use or an existing file; names are the same in each run."""

import hashlib
import os
import stat

import numpy as np
import pytest
from PIL import Image

from conftest import MODEL, save, texture, textures


def digests(folder):
    """What every file below a folder holds, links by where they lead."""
    found = {}
    for root, _, names in os.walk(folder):
        for name in names:
            path = os.path.join(root, name)
            with open(path, "rb") as file:
                found[os.path.relpath(path, folder)] = (os.path.islink(path), hashlib.sha256(file.read()).hexdigest())
    return found


def outputs(folder):
    return sorted(str(p.relative_to(folder)) for p in folder.rglob("*") if p.is_file() and not p.name.startswith("."))


@pytest.fixture
def untouched(tmp_path):
    """Asserts that a refused run leaves every file below the test's folder as it was."""
    class Untouched:
        def __enter__(self):
            self.before = digests(tmp_path)

        def __exit__(self, kind, *_):
            assert kind or digests(tmp_path) == self.before
    return Untouched()


# ------------------------------------------------------------------------------------------------------------- inputs


@pytest.mark.parametrize("ending", [".heat.png", ".map.tiff", ".explain-1.png", ".explain-5.png"])
@pytest.mark.parametrize("link", [None, os.symlink, os.link])
def test_no_output_of_inspect_is_an_input(dp, woven, tmp_path, untouched, ending, link):
    folder = tmp_path / ("p" if link else "out")
    save(texture(200), folder / "x.png")
    other = save(texture(201), folder / "y.tiff")
    (tmp_path / "out").mkdir(exist_ok=True)
    target = tmp_path / "out" / f"x{ending}"
    if link:
        link(other, target)
    else:
        other = other.rename(target)
    with untouched:
        run = dp.inspect(woven.bank, "--out", "out", "--explain", "--overwrite", folder / "x.png", other, code=2)
    assert f"x{ending}" in run.err


def test_a_picture_given_by_a_link_is_no_output_either(dp, woven, tmp_path, untouched):
    """The file that the link leads to has the name of an output."""
    real = save(texture(200), tmp_path / "real.png")
    (tmp_path / "out").mkdir()
    real = real.rename(tmp_path / "out" / "x.heat.png")
    (tmp_path / "p").mkdir()
    os.symlink(real, tmp_path / "p" / "x.png")
    with untouched:
        run = dp.inspect(woven.bank, "--out", "out", "--overwrite", "p/x.png", code=2)
    assert "x.heat.png" in run.err


@pytest.mark.parametrize("link", [os.symlink, os.link])
def test_two_outputs_are_never_one_file(dp, woven, tmp_path, untouched, link):
    for name in ("x", "y"):
        save(texture(200), tmp_path / "p" / f"{name}.png")
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "x.heat.png").write_bytes(b"")
    link(tmp_path / "out" / "x.heat.png", tmp_path / "out" / "y.heat.png")
    with untouched:
        run = dp.inspect(woven.bank, "--out", "out", "--overwrite", "p", code=2)
    assert "x.heat.png" in run.err and "y.heat.png" in run.err


def test_no_output_is_a_file_and_a_folder_at_once(dp, woven, tmp_path, untouched):
    save(texture(200), tmp_path / "p" / "x.png")
    save(texture(201), tmp_path / "p" / "x.heat.png" / "y.png")
    with untouched:
        run = dp.inspect(woven.bank, "--out", "out", "p", code=2)
    assert "x.heat.png" in run.err and not run.out


def test_a_folder_as_its_own_output_folder_keeps_its_pictures(dp, woven, tmp_path):
    save(texture(200), tmp_path / "p" / "000.tiff")
    save(texture(201), tmp_path / "p" / "001.png")
    before = digests(tmp_path / "p")
    run = dp.inspect(woven.bank, "--out", "p", "p")
    after = digests(tmp_path / "p")
    assert {k: after[k] for k in before} == before
    assert [p["map"]["path"] for p in run.pictures] == ["p/000.tiff.map.tiff", "p/001.map.tiff"]


@pytest.mark.parametrize("which", ["bank", "model", "roi", "good"])
def test_files_in_use_are_never_replaced(dp, woven, copy, tmp_path, untouched, which):
    bank, model = copy(woven.bank), copy(MODEL, "m.safetensors")
    roi = save(np.full((160, 160), 255, np.uint8), tmp_path / "roi.png")
    picture = save(texture(200), tmp_path / "p" / "x.png")
    (tmp_path / "out").mkdir()
    source = {"bank": bank, "model": model, "roi": roi, "good": woven.good / "000.png"}[which]
    os.symlink(source, tmp_path / "out" / "x.heat.png")
    before = source.read_bytes()
    with untouched:
        dp.inspect(bank, "--model", model, "--roi", roi, "--out", "out", "--overwrite", picture, code=2)
    assert source.read_bytes() == before


def test_fit_does_not_turn_a_picture_into_the_bank(dp, tmp_path, untouched):
    first, *rest = textures(tmp_path / "good", 4)
    for more in ([], ["--overwrite"]):
        with untouched:
            run = dp.run("fit", "--model", MODEL, "--align", "none", "--canvas", "112x112", *more, "-b", first, *rest, code=2)
        assert "000.png" in run.err


@pytest.mark.parametrize("option", ["--out", "--bank", "-o", "-b"])
def test_fit_never_replaces_a_file_that_is_there(dp, woven, copy, untouched, option):
    bank = copy(woven.bank)
    with untouched:
        run = dp.run("fit", "--model", MODEL, "--align", "none", "--canvas", "112x112", option, bank, woven.good, code=2)
    assert "good.bank" in run.err and "--overwrite" in run.err


def test_embed_keeps_its_picture(dp, tmp_path, untouched):
    picture = save(texture(1), tmp_path / "x.png")
    for out in (picture, MODEL):
        with untouched:
            dp.run("embed", "--model", MODEL, "--size", "112x112", "--overwrite", "--out", out, picture, code=2)
    dp.run("embed", "--model", MODEL, "--size", "112x112", "--out", "new/x.safetensors", picture, code=0)
    with untouched:
        dp.run("embed", "--model", MODEL, "--size", "112x112", "--out", "new/x.safetensors", picture, code=2)


# ----------------------------------------------------------------------------------- before the work, and what is named


COMMANDS = {
    "fit": lambda w, out: ["fit", "--model", MODEL, "--align", "none", "--canvas", "112x112", "--out", out, w.good],
    "embed": lambda w, out: ["embed", "--model", MODEL, "--size", "112x112", "--out", out, w.new_good],
    "tune": lambda w, out: ["tune", "--bank", w.bank, "--good", w.new_good, "--bad", w.new_bad, "--trials", 10, "--out", out],
    "calibrate": lambda w, out: ["calibrate", "--bank", w.bank, "--fpr", 0.2, "--out", out],
    "add": lambda w, out: ["bank", "add", "--bank", w.bank, "--out", out, w.new_good],
    "remove": lambda w, out: ["bank", "remove", "--bank", w.bank, "--out", out, "000.png"],
    "merge": lambda w, out: ["bank", "merge", w.bank, w.bank, "--out", out],
    "compress": lambda w, out: ["bank", "compress", w.bank, "--storage", "f16", "--out", out],
    "synth": lambda w, out: ["model", "synth", "--arch", "demo", "--out", out],
}


@pytest.mark.parametrize("command", COMMANDS)
def test_an_output_that_cannot_be_is_refused_before_the_work(dp, woven, tmp_path, untouched, command):
    (tmp_path / "folder").mkdir()
    (tmp_path / "notes.txt").write_text("mine")
    os.symlink("nowhere", tmp_path / "loop")
    os.symlink("loop", tmp_path / "nowhere")
    os.mkfifo(tmp_path / "pipe")
    before = digests(woven.folder)
    for out in ("folder", "notes.txt", "notes.txt/x", "pipe", "/dev/null", "loop", "x" * 300, "/proc/nothing/x", "", "folder/"):
        run = dp.run(*COMMANDS[command](woven, out), code=2)
        assert out.replace("nothing/x", "nothing").rstrip("/")[:40] in run.err and not run.out
    os.remove(tmp_path / "pipe")
    assert (tmp_path / "notes.txt").read_text() == "mine"
    assert sorted(os.listdir(tmp_path)) == ["folder", "loop", "notes.txt", "nowhere"]
    assert digests(woven.folder) == before


@pytest.mark.parametrize("command", ["calibrate", "remove", "compress"])
def test_banks_in_place(dp, woven, copy, tmp_path, command):
    """The bank itself may be updated, by its own name and by --out with another spelling of it."""
    bank = copy(woven.bank)
    world = type(woven)(woven.folder, woven.good, bank, woven.new_good, woven.new_bad)
    os.symlink("good.bank", tmp_path / "link.bank")
    before = bank.read_bytes()
    dp.run(*COMMANDS[command](world, "link.bank"), code=0)
    assert bank.read_bytes() != before and (tmp_path / "link.bank").is_symlink()
    dp.run(*COMMANDS[command](woven, "./new/part.bank"), code=0)
    dp.run(*COMMANDS[command](woven, "new/part.bank"), code=2)
    dp.run(*COMMANDS[command](woven, "new/part.bank"), "--overwrite", code=0)


def test_a_hard_link_of_the_bank_is_another_file(dp, woven, copy, tmp_path, untouched):
    bank = copy(woven.bank)
    os.link(bank, tmp_path / "hard.bank")
    with untouched:
        dp.run("calibrate", "--bank", bank, "--fpr", 0.3, "--out", "hard.bank", "--overwrite", code=2)


def test_fit_without_a_name_writes_beside_the_folder(dp, woven, tmp_path, untouched):
    textures(tmp_path / "a" / "good", 3)
    fit = ["fit", "--model", MODEL, "--align", "none", "--canvas", "112x112"]
    dp.run(*fit, "a/good/", code=0)
    assert (tmp_path / "a" / "good.bank").is_file()
    with untouched:
        run = dp.run(*fit, "a/good", code=2)
        assert "a/good.bank" in run.err
        dp.run(*fit, "a/good/000.png", "a/good/001.png", code=2)
        dp.run(*fit, "a/good", "a", code=2)
    os.remove(tmp_path / "a" / "good.bank")
    dp.run(*fit, ".", code=0, cwd=tmp_path / "a" / "good")
    assert (tmp_path / "a" / "good.bank").is_file()


def test_what_exists_is_replaced_only_when_told(dp, woven, tmp_path, untouched):
    save(texture(200), tmp_path / "new" / "x.png")
    save(texture(201), tmp_path / "new" / "y.png")
    dp.inspect(woven.bank, "--out", "out", "new")
    with untouched:
        run = dp.inspect(woven.bank, "--out", "out", "new", code=2)
    assert "--overwrite" in run.err and "out/x.heat.png" in run.err
    dp.inspect(woven.bank, "--out", "out", "--overwrite", "new")


@pytest.mark.parametrize("ending", [".aligned.png", ".mask.png", ".axes.png", ".edges.png"])
def test_no_output_of_align_is_an_input(dp, tmp_path, untouched, ending):
    save(texture(200), tmp_path / "p" / "x.png")
    (tmp_path / "out").mkdir()
    os.symlink(save(texture(201), tmp_path / "p" / "y.png"), tmp_path / "out" / f"x{ending}")
    with untouched:
        run = dp.run("align", "--align", "none", "--plot", "--edges", "--out", "out", "--overwrite", "p/x.png", "p/y.png", code=2)
    assert f"x{ending}" in run.err


def test_align_refuses_too(dp, rods, tmp_path, untouched):
    dp.run("align", "--out", "out", rods.new_good, code=0)
    with untouched:
        dp.run("align", "--out", "out", rods.new_good, code=2)
        dp.run("align", "--out", "good.aligned.png", "out", code=1)  # its own outputs are no pictures to align


# -------------------------------------------------------------------------------------------------------------- names


def test_names_are_the_path_below_the_folder(dp, woven, tmp_path):
    new = tmp_path / "new"
    for name in ("a/b.png", "a/b.jpg", "b.png", "b.JPG", "x.jpg.png", "x.jpg", "y.PNG", "y.png", "c.d/e.tiff", "é ü.png"):
        (new / name).parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(texture(300)).save(new / name)
    run = dp.inspect(woven.bank, "--out", "out", "new")
    names = {p["input"]: p["map"]["path"] for p in run.pictures}
    assert names == {
        "new/a/b.png": "out/a/b.map.tiff", "new/a/b.jpg": "out/a/b.jpg.map.tiff", "new/b.png": "out/b.map.tiff",
        "new/b.JPG": "out/b.JPG.map.tiff", "new/x.jpg.png": "out/x.jpg.png.map.tiff", "new/x.jpg": "out/x.jpg.map.tiff",
        "new/y.PNG": "out/y.PNG.map.tiff", "new/y.png": "out/y.map.tiff", "new/c.d/e.tiff": "out/c.d/e.tiff.map.tiff",
        "new/é ü.png": "out/é ü.map.tiff"}
    for p in run.pictures:
        assert (tmp_path / p["map"]["path"]).is_file() and (tmp_path / p["heat"]["path"]).is_file()
        assert p["heat"]["path"] == p["map"]["path"].replace(".map.tiff", ".heat.png")
    one = dp.inspect(woven.bank, "--out", "one", "new/a/b.jpg")
    assert one.pictures[0]["map"]["path"] == "one/b.jpg.map.tiff"


def test_cameras_do_not_meet(dp, woven, tmp_path, untouched):
    for i, camera in enumerate(("one/cam1", "one/cam2", "two/cam1")):
        save(texture(300 + i), tmp_path / camera / "000.tiff")
        save(texture(310 + i), tmp_path / camera / "sub" / "000.png")
    run = dp.inspect(woven.bank, "--out", "a", "one/cam1", "one/cam2/")
    assert [p["map"]["path"] for p in run.pictures] == [
        "a/cam1/000.tiff.map.tiff", "a/cam1/sub/000.map.tiff", "a/cam2/000.tiff.map.tiff", "a/cam2/sub/000.map.tiff"]
    run = dp.inspect(woven.bank, "--out", "b", "one/cam1/000.tiff", "one/cam2/000.tiff")
    assert [p["map"]["path"] for p in run.pictures] == ["b/cam1/000.tiff.map.tiff", "b/cam2/000.tiff.map.tiff"]
    with untouched:
        run = dp.inspect(woven.bank, "--out", "c", "one/cam1", "two/cam1", code=2)
    assert "one/cam1/000.tiff" in run.err and "two/cam1/000.tiff" in run.err
    with untouched:
        dp.inspect(woven.bank, "--out", "c", "one/cam1/000.tiff", "./one/cam1/000.tiff", code=2)
    assert len(dp.inspect(woven.bank, "one/cam1", "two/cam1").pictures) == 4  # nothing is written: nothing can meet


def test_a_second_run_leaves_the_outputs_of_the_first_alone(dp, woven, tmp_path):
    save(texture(200), tmp_path / "p" / "a" / "x.png")
    save(texture(201), tmp_path / "p" / "mine.heat.png")  # a picture of the user's, before anything was written here
    first = dp.inspect(woven.bank, "--out", "p/out", "--explain", "p")
    assert len(first.pictures) == 2
    second = dp.inspect(woven.bank, "--out", "p/out", "--overwrite", "p")
    assert [p["input"] for p in second.pictures] == [p["input"] for p in first.pictures]
    assert "outputs of dinopatch in p/" in second.err
    third = dp.inspect(woven.bank, "--out", "p/out2", "p")
    assert len(third.pictures) == 2
    for name in ("new.png", "new.mask.png", "new.map.tiff"):  # pictures that the user puts there are inspected
        save(texture(202), tmp_path / "p" / "out" / name)
        assert f"p/out/{name}" in [p["input"] for p in dp.inspect(woven.bank, "p").pictures]
    again = dp.inspect(woven.bank, "--out", "q", "--overwrite", "p/a")
    dp.inspect(woven.bank, "--out", "p/a", "p/a")
    assert len(dp.inspect(woven.bank, "--out", "p/a", "--overwrite", "p/a").pictures) == len(again.pictures) == 1


# ------------------------------------------------------------------------------------------------- files that are replaced


def test_permissions_and_links_of_a_replaced_file_stay(dp, woven, copy, tmp_path):
    bank = copy(woven.bank, "store/part.bank")
    bank.chmod(0o600)
    os.symlink("store/part.bank", tmp_path / "link.bank")
    before = bank.read_bytes()
    dp.run("calibrate", "--bank", "link.bank", "--fpr", 0.3, code=0)
    assert (tmp_path / "link.bank").is_symlink() and bank.read_bytes() != before
    assert stat.S_IMODE(bank.stat().st_mode) == 0o600
    assert os.listdir(tmp_path / "store") == ["part.bank"]
    picture = save(texture(200), tmp_path / "x.png")
    dp.inspect(woven.bank, "--out", "out", picture)
    (tmp_path / "out" / "x.map.tiff").chmod(0o640)
    os.rename(tmp_path / "out" / "x.heat.png", tmp_path / "heat.png")
    os.symlink("../heat.png", tmp_path / "out" / "x.heat.png")
    (tmp_path / "heat.png").write_bytes(b"")
    dp.inspect(woven.bank, "--out", "out", "--overwrite", picture)
    assert stat.S_IMODE((tmp_path / "out" / "x.map.tiff").stat().st_mode) == 0o640
    assert (tmp_path / "out" / "x.heat.png").is_symlink() and (tmp_path / "heat.png").stat().st_size > 0


def test_new_files_obey_the_umask_and_a_dangling_link_is_written_through(dp, woven, tmp_path):
    os.symlink("store/part.bank", tmp_path / "link.bank")
    (tmp_path / "store").mkdir()
    old = os.umask(0o027)
    try:
        dp.run("calibrate", "--bank", woven.bank, "--fpr", 0.3, "--out", "link.bank", code=0)
    finally:
        os.umask(old)
    assert (tmp_path / "link.bank").is_symlink()
    assert stat.S_IMODE((tmp_path / "store" / "part.bank").stat().st_mode) == 0o640
    os.symlink("missing/part.bank", tmp_path / "far.bank")
    dp.run("calibrate", "--bank", woven.bank, "--fpr", 0.3, "--out", "far.bank", code=2)
    assert (tmp_path / "far.bank").is_symlink()


def test_twenty_thousand_names(dp, woven, tmp_path):
    """No step before the first result is worse than n log n: this ends, where a cubic one takes days."""
    for camera in ("cam1", "cam2"):
        (tmp_path / camera).mkdir()
        for i in range(10000):
            (tmp_path / camera / f"{i:05d}.png").touch()
    (tmp_path / "out" / "cam2").mkdir(parents=True)
    (tmp_path / "out" / "cam2" / "09999.heat.png").touch()
    run = dp.inspect(woven.bank, "--out", "out", "cam1", "cam2", code=2)
    assert "09999.heat.png" in run.err


def test_a_folder_that_a_killed_process_began_gets_its_mark(dp, tmp_path):
    """The process was killed while it wrote the mark: the next one writes it, and nothing of the killed one stays."""
    for split, name, first, kw in (("train", "good", 1, {}), ("test", "good", 11, {}), ("test", "hole", 21, {"defect": True})):
        for i in range(3):
            save(texture(first + i, **kw), tmp_path / "set" / split / name / f"{i}.png")
    begun = tmp_path / "e" / "anomaly_maps"
    begun.mkdir(parents=True)
    (begun / ".dinopatch-outputs.dinopatch-tmp0").write_text("dinopatch outp")
    dp.run("eval", "--model", MODEL, "--align", "none", "--canvas", "112x112", "--out", "e", "set", code=0)
    assert [path.name for path in begun.iterdir() if path.is_file()] == [".dinopatch-outputs"]
