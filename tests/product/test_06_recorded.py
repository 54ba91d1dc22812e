# SPDX-License-Identifier: Apache-2.0
"""A bank records what was really computed, and its record overrides a default."""

import json
import shutil

import numpy as np
import pytest
from conftest import GOLDEN, MODEL, save, texture, textures
from PIL import Image

OTHER = GOLDEN / "vit" / "micro_swiglu.hub.safetensors"


def info(dp, bank):
    return json.loads(dp.run("bank", "info", "--json", bank, code=0).out)


@pytest.mark.parametrize("how", [["--isa", "avx2"], None])
def test_int8_without_its_instructions_is_an_error(dp, woven, how):
    env = {} if how else {"DINOPATCH_ISA": "c"}
    run = dp.run("fit", *(how or []), "--model", MODEL, "--bank", "x.bank", "--align", "none", "--canvas", "112x112", "--precision", "int8",
                 woven.good, env=env, code=4)
    assert "int8" in run.err and "precision=fp32" in run.err and not (dp.folder / "x.bank").exists()
    run = dp.run("embed", *(how or []), "--model", MODEL, "--precision", "int8", "--size", "112x112", "--out", "x", woven.new_good, env=env,
                 code=4)
    assert "precision=fp32" in run.err and not (dp.folder / "x").exists()


def test_int8_is_recorded_only_where_it_was_computed(dp, woven):
    run = dp.fit("x.bank", "--precision", "int8", "--polarity", "none", woven.good, code=(0, 4))
    if run.code == 0:
        assert info(dp, "x.bank")["recipe"]["precision"] == "int8"
        low = dp.run("inspect", "--isa", "avx2", "--bank", "x.bank", woven.new_good, code=4)
        assert "int8" in low.err and "fp32" in low.err
    else:
        assert "precision=fp32" in run.err


def test_the_patch_is_recorded(dp, woven):
    assert info(dp, woven.bank)["patch_px"] == 14


def test_a_record_ranks_above_the_variable(dp, woven):
    plain = dp.inspect(woven.bank, woven.new_bad).pictures[0]["score"]
    run = dp.inspect(woven.bank, woven.new_bad, env={"DINOPATCH_MODEL": OTHER})
    assert run.pictures[0]["score"] == plain and "DINOPATCH_MODEL" not in run.err


@pytest.fixture
def moved(dp, woven):
    """A bank whose checkpoint is not where it was."""
    shutil.copy(MODEL, dp.folder / "here.safetensors")
    dp.fit("m.bank", "--polarity", "none", woven.good, model="here.safetensors")
    (dp.folder / "here.safetensors").rename(dp.folder / "there.safetensors")
    return dp.folder / "m.bank"


def test_the_variable_serves_where_the_record_is_gone(dp, woven, moved):
    run = dp.inspect(moved, woven.new_bad, env={"DINOPATCH_MODEL": dp.folder / "there.safetensors"})
    assert run.pictures[0]["label"] == "anomalous"
    assert all(word in run.err for word in ("DINOPATCH_MODEL", "here.safetensors", "there.safetensors"))


def test_a_variable_that_names_another_network_is_refused(dp, woven, moved):
    run = dp.inspect(moved, woven.new_bad, env={"DINOPATCH_MODEL": OTHER}, code=4)
    assert all(word in run.err for word in ("DINOPATCH_MODEL", "here.safetensors", OTHER.name))


def test_a_record_that_is_another_file_now(dp, woven, moved):
    shutil.copy(OTHER, dp.folder / "here.safetensors")
    run = dp.inspect(moved, woven.new_bad, code=4)
    assert "another checkpoint" in run.err
    run = dp.inspect(moved, woven.new_bad, env={"DINOPATCH_MODEL": dp.folder / "there.safetensors"})
    assert run.pictures[0]["label"] == "anomalous"


def test_another_model_by_hand_is_refused_with_both_names(dp, woven):
    for command in (["inspect", "--bank", woven.bank, "--model", OTHER, woven.new_good],
                    ["bank", "add", "--bank", woven.bank, "--out", "x.bank", "--model", OTHER, woven.new_good]):
        run = dp.run(*command, code=4)
        assert OTHER.name in run.err and MODEL.name in run.err


def test_the_recipe_tells_what_was_settled(dp, woven):
    dp.fit("x.bank", "--polarity", "none", "--layers", "-1", "--shots", "3", "--map-sigma", "2", woven.good)
    recipe = info(dp, "x.bank")["recipe"]
    assert recipe["layers"] == [1] and recipe["shots"] == 3 and recipe["map_sigma"] == 2 and recipe["seed"] == 0
    dp.fit("p.bank", "--polarity", "none", "--layout", "flat", "--edge", "70", woven.good, canvas=None)
    recipe = info(dp, "p.bank")["recipe"]
    assert recipe["edge"] == 70 and recipe["window"] == "global"


@pytest.mark.parametrize("size,spot", [((160, 230), (30, 180)), ((227, 160), (190, 40)), ((160, 160), (100, 40))])
@pytest.mark.parametrize("form", [["--edge", "112"], ["--edge", "128", "--crop", "112"], []])
def test_the_map_lies_where_the_defect_is(dp, size, spot, form):
    """Resizes with a fraction, crops and own sizes: the largest distance lies on the defect, to the pixel a cell allows."""
    width, height = size
    good = textures(dp.folder / "good", 5, width=width, height=height)
    dp.fit("g.bank", "--polarity", "none", "--layout", "flat", "--window", "global", "--score", "max", *form, *good,
           canvas=None if form else "112x154")
    pixels = texture(77, width=width, height=height)
    x, y = spot
    pixels[y:y + 16, x:x + 16] = [250, 30, 20]
    save(pixels, dp.folder / "new.png")
    p = dp.run("inspect", "--bank", "g.bank", "--json", "--out", "o", "new.png", code=0).pictures[0]
    distances = np.asarray(Image.open(dp.folder / p["map"]["path"]))
    assert distances.shape == (height, width)
    weight = distances * (distances > 0.8 * distances.max())
    rows, cols = np.mgrid[0:height, 0:width]
    at = (cols * weight).sum() / weight.sum(), (rows * weight).sum() / weight.sum()
    if p["coverage"]["crop_xyxy"]:
        x0, y0, x1, y1 = p["coverage"]["crop_xyxy"]
        outside = (cols + 1 <= x0) | (cols >= x1) | (rows + 1 <= y0) | (rows >= y1)
        assert distances[outside].max(initial=0) == 0
        if not (x0 <= x and x + 16 <= x1 and y0 <= y and y + 16 <= y1):
            return
    assert abs(at[0] - (x + 7.5)) < 12 and abs(at[1] - (y + 7.5)) < 12


def test_what_is_cropped_of_a_picture_of_its_own_size_is_said(dp):
    good = textures(dp.folder / "good", 4, width=160, height=210)
    dp.fit("g.bank", "--polarity", "none", "--layout", "flat", "--edge", "112", *good, canvas=None)
    coverage = dp.inspect("g.bank", good[0]).pictures[0]["coverage"]
    # resized to 112 x 147, of which 112 x 140 are whole patches: 200 of 210 rows
    assert coverage["crop_xyxy"] == pytest.approx([0, 0, 160, 200]) and coverage["inspected_fraction"] == pytest.approx(200 / 210)
