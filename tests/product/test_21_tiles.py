# SPDX-License-Identifier: Apache-2.0
"""Large pictures go through the network in tiles, and the cuts do not show."""

import json

import numpy as np
import pytest
from PIL import Image

SIDE, TILE, CELL = 448, 128, 8  # five tiles an axis, whose borders lie at all offsets


def cloth(seed):
    """A woven texture: the same threads in every picture, and grain of its own."""
    y, x = np.mgrid[:SIDE, :SIDE].astype(np.float32)
    grain = np.random.default_rng(seed).normal(0, 4, (SIDE, SIDE)).astype(np.float32)
    shade = 128 + 30 * np.sin(x * np.pi / 12) * np.sign(np.sin(y * np.pi / 24)) + 20 * np.sin(y * np.pi / 12) + grain
    return np.clip(np.stack([shade, 0.95 * shade + 5, 0.9 * shade + 10], -1), 0, 255).astype(np.uint8)


def save(path, pixels):
    path.parent.mkdir(exist_ok=True)
    Image.fromarray(pixels).save(path)


@pytest.fixture
def cloths(dp):
    for seed in range(5):
        save(dp.folder / "good" / f"{seed}.png", cloth(seed))
    save(dp.folder / "new" / "a.png", cloth(50))
    return dp


HOW = ["--method", "auto", "--align", "none", "--size", str(SIDE)]


def fit(dp, name, *more):
    return dp.run("fit", *HOW, "--out", name, *more, "good", code=0)


def what(run):
    """The results without their times and paths of outputs."""
    return [{k: v for k, v in p.items() if not k.endswith("ms")} for p in run.pictures]


def test_a_mark_of_two_cells_is_found_at_every_place(cloths):
    """At each of these places the mark has another offset to the borders of the tiles, along both axes."""
    places = [(CELL * k, CELL * (k * 17 % (SIDE // CELL - 1))) for k in range(SIDE // CELL - 1)]
    for x, y in places:
        marked = cloth(100 + x)
        spot = marked[y:y + 2 * CELL, x:x + 2 * CELL]
        spot[:] = spot // 2 + 20
        save(cloths.folder / "bad" / f"{x}-{y}.png", marked)
    run = fit(cloths, "tiles.bank", "--tile", TILE)
    assert f"tile {TILE}" in run.out and "score top10" in run.out
    found = {p["input"]: p for p in cloths.inspect("tiles.bank", "bad").pictures}
    assert len(found) == len(places)
    for x, y in places:
        result = found[f"bad/{x}-{y}.png"]
        assert result["label"] == "anomalous", (x, y, result["score"], result["threshold"])
        x0, y0, x1, y1 = result["defects"][0]["bbox_xyxy"]
        assert x0 < x + 2 * CELL and x1 > x and y0 < y + 2 * CELL and y1 > y, (x, y, result["defects"][0])
        assert x1 - x0 < 12 * CELL and y1 - y0 < 12 * CELL


def test_one_tile_is_no_tile(cloths):
    fit(cloths, "none.bank")
    fit(cloths, "one.bank", "--tile", SIDE)
    assert (cloths.folder / "none.bank").read_bytes() == (cloths.folder / "one.bank").read_bytes()


def test_threads_change_nothing(cloths):
    for threads in (1, 3):
        fit(cloths, f"{threads}.bank", "--tile", TILE, "--threads", threads)
    assert (cloths.folder / "1.bank").read_bytes() == (cloths.folder / "3.bank").read_bytes()
    one, three = (what(cloths.inspect("1.bank", "--threads", threads, "new")) for threads in (1, 3))
    assert one == three


def test_tiles_are_chosen_above_the_limit_and_stay_with_the_bank(cloths):
    run = fit(cloths, "chosen.bank", "--max-tokens", 400)
    assert "tile 160" in run.out  # 20 x 20 cells
    info = json.loads(cloths.run("bank", "info", "--json", "chosen.bank", code=0).out)
    assert info["recipe"]["tile"] == 160
    assert cloths.inspect("chosen.bank", "--max-tokens", 400, "new").pictures[0]["status"] == "ok"
    few = cloths.run("inspect", "--bank", "chosen.bank", "--max-tokens", 399, "new")
    assert few.code != 0 and "more than the limit of 399" in few.err
    canvas = cloths.run("fit", "--align", "none", "--canvas", f"{SIDE}x{SIDE}", "--max-tokens", 400, "good", "--out", "x.bank")
    assert canvas.code != 0 and "tile" in canvas.err


def test_pose_and_mirror_and_more_go_with_tiles(cloths):
    for more in (["--mirror"], ["--layout", "flat", "--window", "global"], ["--background", "test", "--background-threshold", "0"], ["--pca", "8"]):
        fit(cloths, "more.bank", "--overwrite", "--tile", TILE, *more)
        assert cloths.inspect("more.bank", "new").pictures[0]["status"] == "ok", more
    refused = cloths.run("fit", "--method", "anomalydino", "--tile", TILE, "good", "--out", "x.bank", code=2)
    assert "tile" in refused.err and "edge" in refused.err
