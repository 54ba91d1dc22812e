# SPDX-License-Identifier: Apache-2.0
"""A folder search reports what it takes and leaves out; data sets are read in the layouts that people use."""

import json
import os
import shutil

import numpy as np
import pytest
from PIL import Image

from conftest import MODEL, save, texture

EVAL = ["eval", "--model", MODEL, "--align", "none", "--canvas", "112x112"]


def inspected(run):
    return [p["input"] for p in run.pictures]


# ------------------------------------------------------------------------------------------------------------- search


def test_what_is_no_picture_is_counted_and_named(dp, woven, tmp_path):
    save(texture(1), tmp_path / "new" / "sub" / "x.png")
    for name in ("a.txt", "sub/b.csv", "c"):
        (tmp_path / "new" / name).write_text("no picture at all, just text")
    run = dp.inspect(woven.bank, "new/")
    assert "3 files in new/ are not pictures: a.txt, c, sub/b.csv" in run.err
    assert inspected(run) == ["new/sub/x.png"]
    os.remove(tmp_path / "new" / "a.txt")
    os.remove(tmp_path / "new" / "c")
    assert "1 file in new/ is not a picture: sub/b.csv" in dp.inspect(woven.bank, "new").err
    assert "sub/b.csv" not in dp.inspect(woven.bank, "--quiet", "new").err


def test_a_picture_under_a_wrong_name_is_pointed_out_even_when_quiet(dp, woven, tmp_path):
    save(texture(1), tmp_path / "new" / "x.png")
    for suffix in ("png", "jpg", "tiff", "bmp", "webp", "ppm"):
        save(texture(2), tmp_path / f"y.{suffix}").rename(tmp_path / "new" / f"{suffix}_")
    run = dp.inspect(woven.bank, "--quiet", "new")
    assert "6 files in new/ look like pictures" in run.err and inspected(run) == ["new/x.png"]


@pytest.mark.parametrize("suffix", ["pnm", "pbm", "jpe", "jfif", "dib", "PPM", "JPG", "Tif"])
def test_pictures_by_name(dp, woven, tmp_path, suffix):
    kind = {"pnm": "ppm", "pbm": "pbm", "jpe": "jpg", "jfif": "jpg", "dib": "bmp", "PPM": "ppm", "JPG": "jpg", "Tif": "tiff"}[suffix]
    picture = Image.fromarray(texture(1)).convert("1" if kind == "pbm" else "RGB")
    picture.save(tmp_path / f"x.{kind}")
    (tmp_path / "new").mkdir()
    shutil.move(tmp_path / f"x.{kind}", tmp_path / "new" / f"x.{suffix}")
    assert inspected(dp.inspect(woven.bank, "new")) == [f"new/x.{suffix}"]


def test_names_of_pictures_that_phones_write_are_taken(dp, woven, tmp_path):
    save(texture(1), tmp_path / "new" / "x.png")
    for suffix in ("heic", "heif", "avif"):
        (tmp_path / "new" / f"y.{suffix}").write_bytes(b"broken")
    assert len(dp.inspect(woven.bank, "new", code=1).pictures) == 4


def test_linked_folders_are_followed_once(dp, woven, tmp_path):
    new = tmp_path / "new"
    save(texture(1), new / "b" / "x.png")
    save(texture(2), tmp_path / "elsewhere" / "y.png")
    os.symlink("b", new / "a")  # comes first by name, but b is no link
    os.symlink("../elsewhere", new / "c")
    os.symlink("..", new / "b" / "loop")
    os.symlink("../elsewhere", new / "d")
    os.symlink(".", tmp_path / "elsewhere" / "self")
    run = dp.inspect(woven.bank, "new")
    assert inspected(run) == ["new/b/x.png", "new/c/y.png"]
    assert "4 linked folders in new/" in run.err
    assert inspected(dp.inspect(woven.bank, "new/c")) == ["new/c/y.png"]


def test_folders_of_the_system_are_left_out_and_said(dp, woven, tmp_path):
    new = tmp_path / "new"
    save(texture(1), new / "x.png")
    for folder in ("@eaDir", "__MACOSX", ".ipynb_checkpoints", ".thumbnails", "thumbnails", ".git"):
        save(texture(2), new / folder / "x.png")
    (new / "Thumbs.db").write_bytes(b"x" * 20)
    save(texture(2), new / "._x.png")
    run = dp.inspect(woven.bank, "new")
    assert inspected(run) == ["new/x.png"]
    assert "6 hidden or system folders in new/ are left out" in run.err and "@eaDir" in run.err
    assert "2 hidden or system files in new/ are left out" in run.err and "._x.png" in run.err


@pytest.mark.parametrize("folder", ["new", "new/", "new//", "./new", "../{}/new//"])
def test_a_folder_spelled_otherwise(dp, woven, tmp_path, folder):
    save(texture(1), tmp_path / "new" / "a" / "x.png")
    (tmp_path / "new" / "b.txt").write_text("no picture at all")
    run = dp.inspect(woven.bank, "--out", "out", folder.format(tmp_path.name))
    assert run.pictures[0]["map"]["path"] == "out/a/x.map.tiff" and "is not a picture: b.txt" in run.err


def test_order_is_by_name(dp, woven, tmp_path):
    for name in ("b.png", "a/z.png", "a.png", "a/b/c.png", "B.png", "a-b.png", "10.png", "9.png"):
        save(texture(1), tmp_path / "new" / name)
    assert inspected(dp.inspect(woven.bank, "new")) == [
        f"new/{n}" for n in ("10.png", "9.png", "B.png", "a/b/c.png", "a/z.png", "a-b.png", "a.png", "b.png")]


def test_fit_and_the_others_search_alike(dp, woven, tmp_path):
    for i in range(3):
        save(texture(i), tmp_path / "good" / f"{i}.png")
    (tmp_path / "good" / "notes.txt").write_text("these are the good ones")
    save(texture(9), tmp_path / "good" / "@eaDir" / "9.png")
    run = dp.fit("a.bank", "good")
    assert "1 file in good/ is not a picture: notes.txt" in run.err and "@eaDir" in run.err and "3 good pictures" in run.out


# ------------------------------------------------------------------------------------------------------------ data sets


def mask(shape=(160, 160)):
    m = np.zeros(shape, np.uint8)
    m[shape[0] // 3:shape[0] // 3 + shape[0] // 5, shape[1] // 3:shape[1] // 3 + shape[1] // 5] = 255
    return m


def category(folder, train="train/good", good="test/good", bad="test/crack", masks="ground_truth/crack/{}_mask.png", n=3, suffix="png"):
    """A category in some layout; masks None: there are none."""
    if train:
        for i in range(5):
            save(texture(i), folder / train / f"{i:03d}.{suffix}")
    for i in range(n):
        save(texture(50 + i), folder / good / f"{i:03d}.{suffix}")
        save(texture(60 + i, defect=True), folder / bad / f"{i:03d}.{suffix}")
        if masks:
            save(mask(), folder / masks.format(f"{i:03d}"))
    return folder


def figures(dp, folder, *options, code=0, name=None):
    """What eval measures, and what it writes of each picture: {input: (label, defect)}."""
    out = f"out-{len(list(dp.folder.glob('out-*')))}"
    run = dp.run(*EVAL, "--out", out, *options, folder, code=code)
    metrics = json.loads((dp.folder / out / "metrics.json").read_text())
    return run, metrics, dp.folder / out


@pytest.fixture
def reference(dp, tmp_path):
    """The figures of the plain MVTec layout."""
    folder = category(tmp_path / "reference" / "c")
    metrics = figures(dp, folder)[1]["c"]
    assert metrics["image_auroc"] == 1 and metrics["pixel_auroc"] > 0.8
    return metrics


def same(metrics, reference):
    keys = [k for k in reference if k.startswith(("image_", "pixel_", "aupro"))]
    return {k: metrics.get(k) for k in keys} == {k: reference[k] for k in keys}


@pytest.mark.parametrize("masks", [
    "ground_truth/crack/{}_mask.png", "ground_truth/crack/{}.png", "Ground Truth/Crack/{}_MASK.PNG", "masks/crack/{}.bmp", "mask/crack/{}_gt.tiff",
    "annotations/crack/{}_label.png", "labels/crack/{}.TIF", "test/ground_truth/crack/{}_mask.png", "test/masks/crack/{}.png",
    "test/crack/mask/{}.png", "test/crack/{}_mask.png", "ground_truth/{}_mask.png", "masks/{}.png", "ground_truth/crack/{}/000.png",
    "ground_truth/crack/{}.png.png"])
def test_masks_wherever_they_are(dp, tmp_path, reference, masks):
    folder = category(tmp_path / "data" / "c", masks=masks)
    run, metrics, _ = figures(dp, folder)
    assert same(metrics["c"], reference), run


def test_masks_of_loco_are_united(dp, tmp_path, reference):
    folder = category(tmp_path / "data" / "c", masks=None)
    for i in range(3):
        whole = mask()
        half = whole.copy()
        half[:64] = 0
        save(half // 255 * 7, folder / "ground_truth" / "crack" / f"{i:03d}" / "000.png")
        save(whole - half, folder / "ground_truth" / "crack" / f"{i:03d}" / "001.png")
    assert same(figures(dp, folder)[1]["c"], reference)


def test_masks_of_good_pictures_and_masks_of_none(dp, tmp_path, reference):
    folder = category(tmp_path / "data" / "c")
    save(mask() * 0, folder / "ground_truth" / "good" / "000_mask.png")
    run, metrics, _ = figures(dp, folder)
    assert same(metrics["c"], reference) and "no picture" not in run.err
    save(mask(), folder / "ground_truth" / "crack" / "777_mask.png")
    assert "777_mask.png" in figures(dp, folder)[0].err
    os.rename(folder / "ground_truth" / "crack", folder / "ground_truth" / "other")
    run, metrics, _ = figures(dp, folder)
    assert "no mask fits" in run.err and metrics["c"].get("pixel_auroc") is None


def test_names_of_classes_in_plain_folders(dp, tmp_path):
    folder = tmp_path / "data" / "c"
    good, bad = ("good", "Good", "GOOD", "OK", "ok", "normal", "Normal"), ("NG", "bad", "ko", "defect", "anomaly", "scratch")
    for i, name in enumerate(good):
        save(texture(i), folder / name / "000.png")
    for i, name in enumerate(bad):
        save(texture(60 + i, defect=True), folder / name / "000.png")
        save(mask(), folder / "masks" / name / "000.png")
    run, metrics, out = figures(dp, folder, "--quiet")
    assert metrics["c"]["image_auroc"] == 1 and metrics["c"]["pixel_auroc"] > 0.8
    rows = [r.split(",") for r in (out / "scores.csv").read_text().splitlines()[1:]]
    assert sorted(r[2] for r in rows if r[4] == "1") == sorted(bad)
    assert len([r for r in rows if r[4] == "0"]) == 2 and {r[2] for r in rows if r[4] == "0"} < set(good)


def test_train_and_test_good_under_other_names(dp, tmp_path, reference):
    folder = category(tmp_path / "data" / "c", train="train/OK", good="test/Normal", bad="test/NG", masks="ground_truth/NG/{}_mask.png")
    assert same(figures(dp, folder)[1]["c"], reference)


@pytest.mark.parametrize("train, test", [("train", "test"), ("Train/Good", "Test"), ("train/good", "test_public")])
def test_train_and_test_as_people_name_them(dp, tmp_path, reference, train, test):
    """Good pictures in train/ itself, capitals, the public part of a test."""
    folder = category(tmp_path / "data" / "c", train=train, good=f"{test}/good", bad=f"{test}/crack")
    assert same(figures(dp, folder)[1]["c"], reference)


def test_subfolders_of_a_class_are_descended(dp, tmp_path, reference):
    folder = category(tmp_path / "data" / "c", train="train/good/monday", good="test/good/a/b", bad="test/crack/cam1",
                      masks="ground_truth/crack/cam1/{}_mask.png")
    _, metrics, out = figures(dp, folder)
    assert same(metrics["c"], reference)
    assert (out / "anomaly_maps" / "c" / "test" / "crack" / "cam1" / "000.tiff").is_file()


def test_masks_and_folders_of_the_system_beside_plain_classes_are_no_class(dp, tmp_path):
    folder = category(tmp_path / "c", train=None, good="good", bad="bad", masks=None)
    for name in ("ground_truth", "mask", "masks", "annotations", "labels", "__MACOSX", ".cache", "@eaDir"):
        save(mask(), folder / name / "bad" / "000.png")
    _, metrics, out = figures(dp, folder)
    assert {r.split(",")[2] for r in (out / "scores.csv").read_text().splitlines()[1:]} == {"good", "bad"}


def test_equal_stems_do_not_meet(dp, tmp_path):
    folder = category(tmp_path / "data" / "c", masks=None)
    save(texture(70, defect=True), folder / "test" / "crack" / "000.jpg")
    save(texture(71, defect=True), folder / "test" / "crack" / "000.bmp")
    _, _, out = figures(dp, folder)
    maps = out / "anomaly_maps" / "c" / "test" / "crack"
    assert sorted(p.name for p in maps.iterdir()) == ["000.bmp.tiff", "000.jpg.tiff", "000.tiff", "001.tiff", "002.tiff"]
    assert len({p.read_bytes() for p in maps.iterdir()}) == 5


def test_a_mask_that_two_could_have_is_nobodys(dp, tmp_path):
    folder = category(tmp_path / "data" / "c", masks="masks/{}.png")
    save(texture(70, defect=True), folder / "test" / "scratch" / "000.png")
    run, metrics, _ = figures(dp, folder)
    assert "masks/000.png" in run.err and metrics["c"].get("pixel_auroc") is None


def test_what_was_taken_for_what_is_said_before_the_work(dp, tmp_path):
    folder = category(tmp_path / "data" / "c")
    save(texture(1), folder / "validation" / "good" / "000.png")
    run = dp.run(*EVAL, "data", code=0)
    for line in ("c/train/good/: good, 5 pictures to learn from", "c/test/good/: good, 3 pictures", "c/test/crack/: defective, 3 pictures, 3 with a mask",
                 "c/ground_truth/: masks, 3 files", "c/validation/: not used"):
        assert line in run.err
    assert "validation" not in dp.run(*EVAL, "--quiet", "data", code=0).err


def test_nothing_defective_is_an_error(dp, tmp_path):
    folder = category(tmp_path / "data" / "c")
    shutil.rmtree(folder / "test" / "crack")
    run = dp.run(*EVAL, "data", code=4)
    assert "no defective pictures" in run.err and "-  " not in run.out
    category(tmp_path / "data" / "d")
    run = dp.run(*EVAL, "--out", "out", "data", code=1)
    assert "no defective pictures" in run.err and list(json.loads((tmp_path / "out" / "metrics.json").read_text())) == ["d"]
    shutil.rmtree(tmp_path / "data" / "d" / "test" / "good")
    assert "no good test pictures" in dp.run(*EVAL, "data", code=1).err


def test_a_category_named_mean(dp, tmp_path):
    category(tmp_path / "data" / "mean", masks=None)
    category(tmp_path / "data" / "other", masks=None)
    run, metrics, _ = figures(dp, "data")
    assert sorted(metrics) == ["mean", "mean (category)", "other"] and metrics["mean"]["categories"] == 2
    assert "mean (category)" in run.out


# -------------------------------------------------------------------------------------------------- the outputs of eval


def test_eval_goes_on_in_its_own_folder_and_in_no_other(dp, tmp_path):
    category(tmp_path / "data" / "c", masks=None)
    first = dp.run(*EVAL, "--out", "out", "--report", "out/page.html", "data", code=0)
    again = dp.run(*EVAL, "--out", "out", "--report", "out/page.html", "data", code=0)
    assert again.out == first.out
    dp.run(*EVAL, "--out", "out", "--fresh", "data", code=0)
    (tmp_path / "mine").mkdir()
    for name in ("metrics.json", "scores.csv", "state.jsonl", "resume.bank"):
        (tmp_path / "mine" / name).write_text("mine")
        for more in ([], ["--fresh"]):
            run = dp.run(*EVAL, "--out", "mine", *more, "data", code=2)
            assert name in run.err and os.listdir(tmp_path / "mine") == [name]
        os.remove(tmp_path / "mine" / name)
    (tmp_path / "page.html").write_text("mine")
    assert "page.html" in dp.run(*EVAL, "--out", "out", "--report", "page.html", "data", code=2).err


def test_eval_never_writes_over_its_data(dp, tmp_path):
    folder = category(tmp_path / "data" / "c", masks=None)
    target = tmp_path / "out" / "pictures" / "c" / "test" / "crack"
    target.mkdir(parents=True)
    os.symlink(folder / "train" / "good" / "000.png", target / "000.jpg")
    before = (folder / "train" / "good" / "000.png").read_bytes()
    dp.run(*EVAL, "--out", "out", "--overwrite", "data", code=2)
    assert (folder / "train" / "good" / "000.png").read_bytes() == before


def test_outputs_of_eval_are_no_class(dp, tmp_path):
    folder = category(tmp_path / "parts", train=None, good="good", bad="bad", masks=None, n=6)
    first = dp.run(*EVAL, "--out", "parts/results", "parts", code=0)
    second = dp.run(*EVAL, "--out", "again", "parts", code=0)
    assert first.out == second.out
    bank = dp.fit("p.bank", "parts/good") and "p.bank"
    assert len(dp.inspect(bank, "parts").pictures) == 12
    assert folder.is_dir()


def test_a_folder_of_the_users_own_is_never_marked(dp, tmp_path):
    category(tmp_path / "data" / "c", masks=None)
    mine = save(texture(1), tmp_path / "out" / "pictures" / "mine.png")
    dp.run(*EVAL, "--out", "out", "data", code=0)
    bank = dp.fit("p.bank", "data/c/train/good") and "p.bank"
    assert inspected(dp.inspect(bank, "out")) == ["out/pictures/mine.png"] and mine.is_file()


def test_report_replaces_its_own_page_alone(dp, tmp_path):
    category(tmp_path / "data" / "c", masks=None)
    dp.run(*EVAL, "--out", "out", "data", code=0)
    dp.run("report", "out", code=0)
    dp.run("report", "out", code=0)
    (tmp_path / "out" / "report.html").write_text("mine")
    dp.run("report", "out", code=2)
    dp.run("report", "-o", "out/run.json", "--overwrite", "out", code=2)
    dp.run("report", "-o", "new/page.html", "out", code=0)
    dp.run("report", "-o", "new/page.html", "out", code=2)
