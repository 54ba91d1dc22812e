# SPDX-License-Identifier: Apache-2.0
"""Each good picture also in another brightness: which, that leave-one-out leaves both out, and that later pictures get the same."""

import shutil
import struct

import numpy as np
import pytest
from conftest import part, save, texture, textures
from PIL import Image
from splitmix import Random
from test_26_methods import tensor

N = 9
RAW = ["--align", "none", "--canvas", "64x64", "--set", "layers.norm=raw", "--window", "0"]
MORE = [*RAW, "--brightness", "0.2", "--seed", "5"]


def factor(digest, seed, share):
    """The stream of a picture's draw: the first eight bytes of its digest."""
    stream, = struct.unpack(">Q", bytes(digest[:8]))
    return 1 + share * (2 * Random(seed, stream).unit() - 1)


def brightened(path, by):
    return np.minimum(255, np.floor(np.asarray(Image.open(path), float) * by + 0.5)).astype(np.uint8)


def test_the_other_row_is_the_picture_in_another_light(dp):
    paths = textures(dp.folder / "good", N)
    run = dp.run("fit", *MORE, "good", code=0)
    assert "each also in another brightness" in run.out
    digests = tensor(dp.folder / "good.bank", "picture_digests")
    factors = [factor(d, 5, 0.2) for d in digests]
    assert len(set(factors)) == N and 0.8 <= min(factors) < 0.95 and 1.05 < max(factors) <= 1.2
    for path, by in zip(paths, factors):
        save(brightened(path, by), dp.folder / "other" / path.name)
    for folder in ("good", "other"):
        dp.run("fit", *RAW, "--out", f"{folder}.plain", folder, code=0)
    both = tensor(dp.folder / "good.bank", "features")
    assert np.array_equal(both[:, :, 0::2], tensor(dp.folder / "good.plain", "features"))
    assert np.array_equal(both[:, :, 1::2], tensor(dp.folder / "other.plain", "features"))
    # leave-one-out: of each other picture both rows answer, of the picture itself none
    x, top = np.asarray(both, float), []
    for p in range(N):
        rest = np.delete(x, [2 * p, 2 * p + 1], axis=2)
        least = np.sqrt(((x[:, :, 2 * p, None] - rest) ** 2).sum(-1)).min(-1).ravel()
        top.append(np.sort(least)[::-1][:max(1, int(np.ceil(0.01 * least.size)))].mean())
    assert tensor(dp.folder / "good.bank", "loo_scores") == pytest.approx(top, rel=1e-6)


def test_threads_order_and_later_additions_change_nothing(dp):
    textures(dp.folder / "good", N)
    dp.run("fit", *MORE, "--threads", "1", "--out", "1.bank", "good", code=0)
    dp.run("fit", *MORE, "--threads", "4", "--out", "4.bank", "good", code=0)
    assert (dp.folder / "1.bank").read_bytes() == (dp.folder / "4.bank").read_bytes()
    for name, at in (("a", range(4)), ("b", range(4, N))):
        (dp.folder / name).mkdir()
        for i in at:
            shutil.copy(dp.folder / "good" / f"{i:03d}.png", dp.folder / name)
        dp.run("fit", *MORE, name, code=0)
    dp.run("bank", "merge", "--out", "merged.bank", "a.bank", "b.bank", code=0)
    dp.run("bank", "add", "--bank", "a.bank", "b", code=0)
    for other in ("a.bank", "merged.bank"):
        for name in ("features", "loo_scores"):
            assert np.array_equal(tensor(dp.folder / other, name), tensor(dp.folder / "1.bank", name))
    dp.run("bank", "remove", "--bank", "a.bank", "b/008.png", code=0)
    assert np.array_equal(tensor(dp.folder / "a.bank", "features"), tensor(dp.folder / "1.bank", "features")[:, :, :-2])
    dp.run("fit", *RAW, "--out", "plain.bank", "b", code=0)
    assert '"brightness":0.2' in dp.run("bank", "merge", "--out", "x.bank", "a.bank", "plain.bank", code=4).err


def test_a_darker_picture_is_like_the_bank_and_is_shown_beside_its_kin(dp):
    """Light that no good picture had scores less high, and the nearest patch is named with its place."""
    textures(dp.folder / "good", N)
    save(texture(90, light=0.85), dp.folder / "new" / "dark.png")
    scores = {}
    for name, more in (("plain", []), ("bright", ["--brightness", "0.3"])):
        dp.run("fit", "--size", "128", *more, "--out", f"{name}.bank", "good", code=0)
        info = dp.run("bank", "info", f"{name}.bank", code=0).out
        assert ("each picture also in another brightness (0.7 to 1.3)" in info) == (name == "bright")
        scores[name] = dp.inspect(f"{name}.bank", "new").pictures[0]["score"]
    assert scores["bright"] < 0.9 * scores["plain"]
    save(texture(91, light=0.85, defect=True), dp.folder / "bad" / "dark.png")
    defect = dp.inspect("bright.bank", "--out", "out", "--explain", "bad").pictures[0]["defects"][0]
    assert defect["nearest"].startswith("good/") and defect["nearest_at"] is not None


@pytest.mark.parametrize("polarity", ["rotate", "mirror"])
def test_the_other_brightness_lies_the_same_way(dp, polarity):
    """Parts found either way round: with the factor 1 the row equals the picture's own."""
    for i in range(6):
        save(part(i, angle=30 + 180 * (i % 2)), dp.folder / "good" / f"{i:03d}.png")
    dp.run("fit", "--align", "pca", "--polarity", polarity, "--canvas", "64x64", "--mirror", "--brightness", "1e-9", "good", code=0)
    rows = tensor(dp.folder / "good.bank", "features")
    assert np.array_equal(rows[:, :, 0::3], rows[:, :, 2::3]) and not np.array_equal(rows[:, :, 0::3], rows[:, :, 1::3])
