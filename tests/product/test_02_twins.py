# SPDX-License-Identifier: Apache-2.0
"""A picture counts once, by its decoded pixels, under any name and in any format."""

import os
import shutil
from pathlib import Path

import numpy as np
import pytest
from conftest import MODEL, part, save, texture, textures
from PIL import Image
from PIL.PngImagePlugin import PngInfo

VERSION_1 = Path(__file__).resolve().parent / "data" / "version-1.bank"  # of texture(0) .. texture(3) as good/000.png .. good/003.png


def info(dp, bank):
    return dp.run("bank", "info", "--json", bank, code=0).lines[0]


def names(dp, bank):
    return [p["name"] for p in info(dp, bank)["pictures"]]


@pytest.fixture
def good(dp):
    textures(dp.folder / "good", 6)
    return "good"


@pytest.fixture
def plain(dp, good):
    """The bank of the six pictures, each given once."""
    dp.fit("plain.bank", good)
    return dp.folder / "plain.bank"


def relabel(pixels, path):
    """The same pixels with other metadata and compression."""
    text = PngInfo()
    text.add_text("Comment", "taken on another day")
    Image.fromarray(pixels).save(path, pnginfo=text, dpi=(72, 72), compress_level=0)


ROUTES = {
    "same-path": lambda f: "good/002.png",
    "spelling": lambda f: "./good//002.png",
    "dots": lambda f: "good/../good/002.png",
    "absolute": lambda f: f / "good/002.png",
    "symlink": lambda f: os.symlink("good/002.png", f / "link.png") or "link.png",
    "hard-link": lambda f: os.link(f / "good/002.png", f / "hard.png") or "hard.png",
    "copy": lambda f: shutil.copy(f / "good/002.png", f / "copy.png"),
    "bmp": lambda f: save(texture(2), f / "again.bmp"),
    "tiff": lambda f: save(texture(2), f / "again.tiff"),
    "ppm": lambda f: save(texture(2), f / "again.ppm"),
    "webp": lambda f: Image.fromarray(texture(2)).save(f / "again.webp", lossless=True, exact=True) or "again.webp",
    "metadata": lambda f: relabel(texture(2), f / "again.png") or "again.png",
}


@pytest.mark.parametrize("route", ROUTES)
def test_fit_takes_a_picture_once(dp, plain, route):
    again = ROUTES[route](dp.folder)
    run = dp.fit("twice.bank", "good", again)
    assert (dp.folder / "twice.bank").read_bytes() == plain.read_bytes()
    assert "1 picture was given twice" in run.out
    assert "good/002.png" in run.err and str(again) in run.err


def test_the_same_folder_twice(dp, plain):
    run = dp.fit("twice.bank", "good", "good")
    assert (dp.folder / "twice.bank").read_bytes() == plain.read_bytes()
    assert "6 pictures were given twice" in run.out


def test_one_pixel_makes_another_picture(dp, good):
    pixels = texture(2)
    pixels[3, 3, 0] ^= 1
    save(pixels, dp.folder / "other.png")
    run = dp.fit("a.bank", good, "other.png")
    assert info(dp, "a.bank")["n_pictures"] == 7 and "given twice" not in run.out


def test_shape_counts_as_well_as_pixels(dp):
    flat = np.full((64, 32, 3), 90, np.uint8)
    save(flat, dp.folder / "a.png")
    save(flat.reshape(32, 64, 3), dp.folder / "b.png")
    dp.fit("a.bank", "a.png", "b.png")
    assert info(dp, "a.bank")["n_pictures"] == 2


def test_all_pictures_equal_is_one_picture_and_no_threshold(dp):
    for name in "abc":
        save(texture(1), dp.folder / f"good/{name}.png")
    run = dp.fit("one.bank", "good")
    bank = info(dp, "one.bank")
    assert bank["n_pictures"] == 1 and bank["threshold"] is None and bank["threshold_origin"] is None
    assert "no threshold" in run.out and "2 pictures were given twice" in run.out


def test_the_turned_pictures_of_one_are_no_twins(dp):
    """An even picture looks the same mirrored and turned."""
    save(np.full((112, 112, 3), 90, np.uint8), dp.folder / "good/flat.png")
    save(texture(1), dp.folder / "good/a.png")
    run = dp.run("fit", "--model", MODEL, "--bank", "a.bank", "--method", "anomalydino", "--edge", "112", "good", code=0)
    assert info(dp, "a.bank")["n_pictures"] == 2 and "given twice" not in run.out
    run = dp.fit("b.bank", "--mirror", "good")
    assert info(dp, "b.bank")["n_pictures"] == 2 and "given twice" not in run.out


def test_twins_do_not_count_as_failures(dp, good):
    """Copies lower no share of used pictures, and a broken file is a failure still."""
    (dp.folder / "broken.png").write_bytes(b"no picture")
    dp.fit("a.bank", *[good] * 12, code=0)
    textures(dp.folder / "more", 20, first=50)
    run = dp.fit("b.bank", good, good, "more", "broken.png", code=1)
    assert "6 pictures were given twice" in run.out and info(dp, "b.bank")["n_pictures"] == 26


def test_shots_are_distinct_pictures(dp):
    for i in range(4):
        for name in "ab":
            save(texture(i), dp.folder / f"good/{i}{name}.png")
    for seed in ([], ["--seed", "3"]):
        dp.fit("a.bank", "--shots", "3", *seed, "good")
        assert info(dp, "a.bank")["n_pictures"] == 3


@pytest.mark.parametrize("route", ["same-path", "spelling", "copy", "bmp"])
def test_add_takes_a_picture_once(dp, plain, route):
    again = ROUTES[route](dp.folder)
    save(texture(77), dp.folder / "new.png")
    run = dp.run("bank", "add", "--bank", "plain.bank", again, "new.png", "new.png", code=0)
    assert names(dp, "plain.bank") == [f"good/{i:03d}.png" for i in range(6)] + ["new.png"]
    assert "good/002.png" in run.err and str(again) in run.err


def test_adding_what_is_there_changes_nothing(dp, plain):
    before = plain.read_bytes()
    run = dp.run("bank", "add", "--bank", "plain.bank", "good", code=0)
    assert plain.read_bytes() == before and "nothing was added" in run.out
    dp.run("bank", "add", "--bank", "plain.bank", "--out", "other.bank", "good", code=0)
    assert (dp.folder / "other.bank").read_bytes() == before


def test_add_takes_another_picture_of_the_same_name(dp, plain):
    """Cameras count from 000 again: the name is not the picture."""
    save(texture(90), dp.folder / "good/002.png")
    dp.run("bank", "add", "--bank", "plain.bank", "good/002.png", code=0)
    assert len(names(dp, "plain.bank")) == 7


def test_merge_of_a_bank_with_itself_is_the_bank(dp, plain):
    run = dp.run("bank", "merge", "plain.bank", "plain.bank", "--out", "twice.bank", code=0)
    assert (dp.folder / "twice.bank").read_bytes() == plain.read_bytes()
    assert all(run.err.count(f"good/{i:03d}.png") == 2 for i in range(6))


def test_merge_of_overlapping_banks(dp, plain):
    dp.fit("a.bank", *[f"good/{i:03d}.png" for i in (0, 1, 2, 3)])
    for i, to in ((4, "4"), (2, "2"), (5, "5")):
        save(texture(i), dp.folder / f"day2/{to}.bmp")
    dp.fit("b.bank", "day2/4.bmp", "day2/2.bmp", "day2/5.bmp")
    run = dp.run("bank", "merge", "a.bank", "b.bank", "--out", "m.bank", code=0)
    assert names(dp, "m.bank") == [f"good/{i:03d}.png" for i in range(4)] + ["day2/4.bmp", "day2/5.bmp"]
    assert "day2/2.bmp" in run.err and "good/002.png" in run.err
    assert info(dp, "m.bank")["threshold"] == pytest.approx(info(dp, "plain.bank")["threshold"])


def test_merge_of_two_halves_is_the_bank_of_all(dp, plain):
    dp.fit("a.bank", *[f"good/{i:03d}.png" for i in range(3)])
    dp.fit("b.bank", *[f"good/{i:03d}.png" for i in range(3, 6)])
    dp.run("bank", "merge", "a.bank", "b.bank", "--out", "m.bank", code=0)
    assert (dp.folder / "m.bank").read_bytes() == plain.read_bytes()


@pytest.mark.parametrize("storage", ["f32", "f16"])
@pytest.mark.parametrize("draw, align", [(texture, "none"), (part, "pca")])
def test_banks_of_the_default_method_merge(dp, draw, align, storage):
    """Each bank normalises its layers by its own pictures; merged, the second is normalised as the first, as if its pictures had been added."""
    for i in range(12):
        save(draw(i), dp.folder / ("a" if i < 6 else "b") / f"{i:03d}.png")
    options = ["--align", align, "--storage", storage, "--canvas", "128x256" if align == "pca" else "128x128"]
    dp.run("fit", *options, "a", code=0)
    dp.run("fit", *options, "b", code=0)
    dp.run("bank", "merge", "a.bank", "b.bank", "--out", "m.bank", code=0)
    dp.run("bank", "add", "--bank", "a.bank", "b", code=0)
    merged, added = info(dp, "m.bank"), info(dp, "a.bank")
    assert merged["n_pictures"] == added["n_pictures"] == 12
    assert merged["threshold"] == pytest.approx(added["threshold"], rel=1e-3 if storage == "f16" else 1e-5)
    assert merged["cell_threshold"] == pytest.approx(added["cell_threshold"], rel=1e-3 if storage == "f16" else 1e-5)


@pytest.mark.parametrize("way", [["--fpr", "0.3"], ["--score", "mean"], ["--window", "1"], ["--metric", "cosine"], ["--knn", "2"],
                                 ["--map", "low=1"], ["--storage", "f16"], ["--map-sigma", "2"], ["--blend", "0.5"]])
def test_banks_that_differ_in_what_no_feature_is_merge(dp, plain, way):
    textures(dp.folder / "more", 4, first=30)
    dp.fit("b.bank", *way, "more")
    run = dp.run("bank", "merge", "plain.bank", "b.bank", "--out", "m.bank", code=0)
    merged, first = info(dp, "m.bank"), info(dp, "plain.bank")
    assert merged["n_pictures"] == 10 and merged["recipe"] == first["recipe"]
    assert merged["threshold_origin"]["by"] == "leave-one-out" and merged["threshold_origin"]["good"] == 10
    assert "false-alarm rate of 0.05" in run.out and "in b.bank it was" in run.err


def test_banks_that_differ_in_a_threshold_alone_merge(dp, plain, copy):
    for bank, options in (("b.bank", ["--fpr", "0.4"]), ("c.bank", ["--value", "1000"])):
        shutil.copy(plain, dp.folder / bank)
        dp.run("calibrate", "--bank", bank, *options, code=0)
        dp.run("bank", "merge", "plain.bank", bank, "--out", "m.bank", "--overwrite", code=0)
        assert (dp.folder / "m.bank").read_bytes() == plain.read_bytes()


@pytest.mark.parametrize("way", [["--layers", "0"], ["--neighbourhood", "3"], ["--mirror"]])
def test_banks_of_other_features_do_not_merge(dp, plain, way):
    textures(dp.folder / "more", 3, first=30)
    dp.fit("b.bank", *way, "more")
    run = dp.run("bank", "merge", "plain.bank", "b.bank", "--out", "m.bank", code=4)
    assert not (dp.folder / "m.bank").exists() and "b.bank" in run.err


@pytest.fixture
def scenes(dp):
    """Eight different pictures, and the sixth again, saved with loss."""
    for i in range(8):
        rng = np.random.default_rng(i)
        scene = Image.fromarray(rng.integers(0, 256, (12, 12, 3), dtype=np.uint8)).resize((160, 160), Image.BICUBIC)
        scene.save(save(np.asarray(scene), dp.folder / f"good/{i}.png"))
        if i == 5:
            scene.save(dp.folder / "good/burst.jpg", quality=97)
    return [f"good/{i}.png" for i in range(8)]


def names_the_pair(run):
    line = [text for text in run.err.splitlines() if "nearly the same" in text]
    return len(line) == 1 and "good/5.png" in line[0] and "good/burst.jpg" in line[0]


def test_nearly_equal_pictures_are_named(dp, scenes):
    """The same scene saved again with loss: taken, and said."""
    run = dp.fit("a.bank", "good")
    assert info(dp, "a.bank")["n_pictures"] == 9 and names_the_pair(run)
    assert "nearly the same" not in dp.fit("b.bank", *scenes).err


def test_nearly_equal_pictures_are_named_wherever_they_come_together(dp, scenes):
    dp.fit("a.bank", *scenes)
    dp.fit("b.bank", "good/burst.jpg")
    assert names_the_pair(dp.run("bank", "merge", "a.bank", "b.bank", "--out", "m.bank", code=0))
    assert names_the_pair(dp.run("bank", "add", "--bank", "a.bank", "good/burst.jpg", code=0))
    assert info(dp, "a.bank")["n_pictures"] == info(dp, "m.bank")["n_pictures"] == 9


def test_a_bank_of_version_1_opens_and_says_what_it_cannot_see(dp, good):
    shutil.copy(VERSION_1, dp.folder / "old.bank")
    old = info(dp, "old.bank")
    assert old["n_pictures"] == 4 and old["threshold_origin"]["by"] == "unknown"
    assert [p["digest"] for p in old["pictures"]] == [None] * 4
    run = dp.run("bank", "add", "--bank", "old.bank", "--model", MODEL, good, code=0)
    assert "without digests of its pictures" in run.err
    assert names(dp, "old.bank") == [f"good/{i:03d}.png" for i in range(6)]
    dp.run("bank", "verify", "old.bank", code=0)


@pytest.mark.parametrize("isa", [None, "c"])
def test_banks_of_version_1_merge_by_name_and_features(dp, good, isa):
    """Another machine's features of the same picture differ in their last digits."""
    dp.fit("new.bank", *(["--isa", isa] if isa else []), good, canvas="56x56")
    run = dp.run("bank", "merge", VERSION_1, "new.bank", "--out", "m.bank", code=0)
    assert "without digests of its pictures" in run.err
    assert names(dp, "m.bank") == [f"good/{i:03d}.png" for i in range(6)]
    save(texture(60), dp.folder / "good/000.png")
    dp.fit("day2.bank", "good/000.png", canvas="56x56")
    dp.run("bank", "merge", VERSION_1, "day2.bank", "--out", "m.bank", "--overwrite", code=0)
    assert len(names(dp, "m.bank")) == 5
