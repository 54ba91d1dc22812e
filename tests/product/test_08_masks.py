# SPDX-License-Identifier: Apache-2.0
"""A mask marks all that is not background, in any notation: each notation gives the same figures as the plain one."""

import json

import numpy as np
import pytest
from PIL import Image

from conftest import MODEL, save, textures, texture

SIZE = 160


def truth(k):
    """[SIZE, SIZE] bool: two spots, the defect of texture() among them; the border stays free."""
    mask = np.zeros((SIZE, SIZE), bool)
    mask[53:85, 53:85] = True
    y, x = np.mgrid[:SIZE, :SIZE]
    mask |= (y - 120) ** 2 + (x - 40 - 8 * k) ** 2 < 100
    return mask


def data_set(folder, write, n=3):
    """A data set in the layout of MVTec AD; write(mask, path without ending) writes a mask."""
    textures(folder / "train" / "good", 6)
    textures(folder / "test" / "good", 2, first=40)
    (folder / "ground_truth" / "spot").mkdir(parents=True)
    for k in range(n):
        save(texture(60 + k, defect=True), folder / "test" / "spot" / f"{k:03d}.png")
        if write:
            write(truth(k), folder / "ground_truth" / "spot" / f"{k:03d}")
    return folder


def evaluate(dp, folder, code=(0, 1), **kw):
    run = dp.run("eval", "--model", MODEL, "--align", "none", "--canvas", "112x112", "--polarity", "none", "--out", dp.folder / "out", folder, code=code, **kw)
    metrics = dp.folder / "out" / "metrics.json"
    return run, json.loads(metrics.read_text()) if metrics.exists() else {}


def pixel_figures(figures):
    """All figures of pixels in the object, wherever they stand."""
    found = {}

    def walk(value, path):
        if isinstance(value, dict):
            for key, inner in value.items():
                walk(inner, path + (key,))
        elif "pixel" in path[-1] or "aupro" in path[-1]:
            found[path[1:]] = value
    walk(figures, ())
    return found


def gray(level, kind="uint8"):
    return lambda mask, path: Image.fromarray((mask * level).astype(kind)).save(str(path) + "_mask.png")


def indexed(colours, transparent=None, swapped=False):
    def write(mask, path):
        image = Image.fromarray((mask ^ swapped).astype(np.uint8), "P")
        image.putpalette(sum(map(list, colours), []))
        image.save(str(path) + "_mask.png", **({} if transparent is None else {"transparency": transparent}))
    return write


def rgba(mark, ground, ending="_mask.png"):
    def write(mask, path):
        pixels = np.where(mask[..., None], np.array(mark, np.uint8), np.array(ground, np.uint8))
        Image.fromarray(pixels).save(str(path) + ending)
    return write


def as_jpeg(mark, quality, subsampling=2):
    def write(mask, path):
        pixels = np.where(mask[..., None], np.array(mark, np.uint8), 0).astype(np.uint8)
        Image.fromarray(pixels).save(str(path) + "_mask.jpg", quality=quality, subsampling=subsampling)
    return write


def numbered(mask, path):
    ids = mask.astype(np.uint16)
    ids[100:] *= 7
    Image.fromarray(ids).save(str(path) + "_mask.png")


def with_suffix(suffix, options=None):
    return lambda mask, path: Image.fromarray((mask * 255).astype(np.uint8)).save(str(path) + suffix, **(options or {}))


def bilevel(suffix):
    return lambda mask, path: Image.fromarray(mask).convert("1").save(str(path) + suffix)


NOTATIONS = {
    "one": gray(1),
    "grey 40": gray(40),
    "16 bit ids": numbered,
    "16 bit one": gray(1, "uint16"),
    "32 bit": lambda mask, path: Image.fromarray((mask * 3).astype(np.int32)).save(str(path) + "_mask.tiff"),
    "float": lambda mask, path: Image.fromarray(mask.astype(np.float32)).save(str(path) + "_mask.tif"),
    "palette": indexed([(0, 0, 0), (0, 0, 255)]),
    "palette, background last": indexed([(0, 255, 0), (0, 0, 0)], swapped=True),
    "palette, background is no black": indexed([(68, 1, 84), (253, 231, 37)]),
    "palette, transparent background": indexed([(255, 255, 255), (0, 9, 0)], transparent=0),
    "red": rgba((255, 0, 0), (0, 0, 0)),
    "green": rgba((0, 200, 0), (0, 0, 0)),
    "blue": rgba((0, 0, 90), (0, 0, 0)),
    "rgba, background transparent white": rgba((0, 0, 255, 255), (255, 255, 255, 0)),
    "rgba, background transparent black": rgba((0, 255, 0, 128), (0, 0, 0, 0)),
    "rgba, background opaque black": rgba((0, 0, 255, 255), (0, 0, 0, 255)),
    "rgba, black on nothing": rgba((0, 0, 0, 255), (0, 0, 0, 0)),
    "jpeg": as_jpeg((255, 255, 255), 95),
    "jpeg of colour": as_jpeg((255, 0, 0), 95, subsampling=0),
    "1 bit png": bilevel("_mask.png"),
    "1 bit tiff": bilevel(".tif"),
    "pbm": bilevel(".pbm"),
    "bmp": with_suffix("_mask.bmp"),
    "capitals": with_suffix("_mask.PNG"),
    "no suffix": with_suffix(".png"),
    "no suffix, capitals": with_suffix(".TIFF"),
    "webp": with_suffix(".webp", {"lossless": True}),
}


@pytest.fixture(scope="module")
def plain(tmp_path_factory):
    from conftest import Program
    folder = tmp_path_factory.mktemp("plain")
    run, figures = evaluate(Program(folder), data_set(folder / "set", gray(255)), code=0)
    found = pixel_figures(figures)
    assert found and any(v for v in found.values()), figures
    return found


def differences(a, b):
    return [(k, a.get(k), b.get(k)) for k in sorted(set(a) | set(b)) if a.get(k) != pytest.approx(b.get(k), abs=1e-9)]


@pytest.mark.parametrize("notation", NOTATIONS)
def test_every_notation_gives_the_figures_of_the_plain_mask(dp, plain, notation):
    _, figures = evaluate(dp, data_set(dp.folder / "set", NOTATIONS[notation]))
    found = pixel_figures(figures)
    if notation.startswith("jpeg"):  # a pixel along the edge may fall to the other side
        assert found.keys() == plain.keys()
        assert all(found[k] == pytest.approx(plain[k], abs=0.02) for k in plain), differences(found, plain)
    else:
        assert not differences(found, plain)


def test_a_strong_jpeg_marks_nearly_the_same(dp, plain):
    _, figures = evaluate(dp, data_set(dp.folder / "set", as_jpeg((255, 255, 255), 40)))
    assert all(v == pytest.approx(plain[k], abs=0.05) for k, v in pixel_figures(figures).items())


def test_a_white_background_is_said_not_turned_round(dp):
    run, _ = evaluate(dp, data_set(dp.folder / "set", lambda mask, path: gray(255)(~mask, path)))
    assert "000_mask.png" in run.err and "border" in run.err


def test_an_empty_mask_of_an_anomalous_picture_is_named(dp):
    def write(mask, path):
        gray(255)(mask & (path.name != "001"), path)
    run, _ = evaluate(dp, data_set(dp.folder / "set", write))
    assert any("001" in line and "marks no pixel" in line for line in run.err.splitlines()), run
    assert "000" not in run.err


def test_a_mask_of_another_size_is_named_and_the_picture_fails(dp):
    def write(mask, path):
        gray(255)(mask[:100] if path.name == "001" else mask, path)
    run, _ = evaluate(dp, data_set(dp.folder / "set", write), code=1)
    assert "001_mask.png" in run.err and "160x100" in run.err


def test_a_region_to_inspect_is_read_by_the_same_rule(dp, woven):
    region = np.zeros((SIZE, SIZE), bool)
    region[:, :80] = True
    outcomes = []
    for name, write in {"white": gray(255), "one": gray(1), "blue": rgba((0, 0, 255), (0, 0, 0)), "overlay": rgba((0, 0, 0, 255), (0, 0, 0, 0)),
                        "palette": indexed([(0, 0, 0), (9, 0, 0)])}.items():
        write(region, dp.folder / name)
        run = dp.run("inspect", "--bank", woven.bank, "--json", "--roi", f"{name}_mask.png", woven.new_bad, code=0)
        outcomes.append((name, run.pictures[0]["score"], run.pictures[0]["coverage"]))
    assert all(o[1:] == outcomes[0][1:] for o in outcomes), outcomes
