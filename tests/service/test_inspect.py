# SPDX-License-Identifier: Apache-2.0
"""Inspection over HTTP says what the program says, to the bit, and keeps it."""

import io

import numpy as np
import pytest
from PIL import Image

from conftest import Program, problem, save, texture


def line(world, picture):
    """What `dinopatch inspect --json` prints."""
    run = Program(world.folder).run("inspect", "--no-times", "--json", "--bank", world.data / "banks" / "woven.bank",
                                    picture)
    return run.out.rstrip("\n")


@pytest.mark.parametrize("which", ["new_good", "new_bad"])
def test_the_answer_is_the_line_of_inspect(world, which):
    picture = getattr(world, which)
    assert world.inspect("woven", picture, name=str(picture)).text == line(world, picture)


def test_a_bank_is_the_one_that_fit_makes(world):
    out = world.folder / "by-program.bank"
    Program(world.folder / "good").run("fit", "--overwrite", "--out", out, *[p.name for p in world.good],
                                       cwd=world.folder / "good")
    assert out.read_bytes() == (world.data / "banks" / "woven.bank").read_bytes()


def test_drawings_are_those_of_inspect(world):
    out = world.folder / "out"
    Program(world.folder).run("inspect", "--overwrite", "--out", out, "--bank", world.data / "banks" / "woven.bank",
                              world.new_bad)
    overlay = world.post("/v1/banks/woven/inspect", data=world.new_bad.read_bytes(), params={"record": "no"},
                         headers={"Accept": "image/png"})
    assert overlay.headers["Content-Type"] == "image/png"
    assert overlay.content == (out / "bad.heat.png").read_bytes()
    tiff = world.inspect("woven", world.new_bad, record="no", map="tiff")
    assert tiff.headers["Content-Type"] == "image/tiff"
    assert tiff.content == (out / "bad.map.tiff").read_bytes()
    explained = world.inspect("woven", world.new_bad, record="no", explain="yes")
    assert Image.open(io.BytesIO(explained.content)).format == "PNG"
    world.inspect("woven", world.new_good, 409, record="no", explain="yes")


def test_a_result_is_kept_as_it_was_answered(world):
    answer = world.inspect("woven", world.new_bad, name="camera 1")
    said = answer.json()
    kept = world.get(f"/v1/results/{answer.headers['Dinopatch-Result']}").json()
    for key in ("label", "reason", "score", "threshold", "p_value", "cell_threshold", "defects"):
        assert kept[key] == said[key], key
    assert kept["source"] == "camera 1" and kept["bank"] == "woven" and kept["shape"] == said["map"]["shape"]
    bank = world.get("/v1/banks/woven").json()
    assert (kept["bank_sha256"], kept["network_sha256"]) == (bank["sha256"], bank["network_sha256"])
    picture = world.get(f"/v1/results/{kept['id']}/picture")
    assert picture.content == world.new_bad.read_bytes() and picture.headers["Content-Type"] == "image/png"
    run = Program(world.folder).run("results", "--data", world.data, "--json", "--limit", 1)
    assert run.lines == [kept]


def test_without_a_record_nothing_is_kept(world):
    before = world.get("/v1/results/counts").json()
    answer = world.inspect("woven", world.new_bad, record="no")
    assert "Dinopatch-Result" not in answer.headers
    assert world.get("/v1/results/counts").json() == before


@pytest.mark.parametrize("what", ["text", "cut", "nothing"])
def test_what_cannot_be_read_is_refused_and_recorded(world, what):
    whole = world.new_good.read_bytes()
    body = {"text": b"no picture at all", "cut": whole[:len(whole) // 2], "nothing": b""}[what]
    before = world.get("/v1/results/counts").json()["not_inspected"]
    answer = world.post("/v1/banks/woven/inspect", 400 if what == "nothing" else 422, data=body,
                        params={"name": "broken.png"})
    document = problem(answer)
    if what == "nothing":
        return
    assert document["detail"].startswith("broken.png: ") and "/proc/" not in document["detail"]
    assert document["result"]["label"] == "not_inspected" and document["result"]["status"] == "error"
    assert world.get("/v1/results/counts").json()["not_inspected"] == before + 1
    kept = world.get(f"/v1/results/{answer.headers['Dinopatch-Result']}").json()
    assert kept["error"] == document["result"]["error"]


def test_a_picture_of_another_kind_is_not_called_good(world, tmp_path):
    flat = save(np.full((160, 160, 3), 128, np.uint8), tmp_path / "flat.png")
    said = world.inspect("woven", flat).json()
    assert said["label"] == "not_inspected" and said["reason"]
    assert {**said, "input": ""} == {**Program(tmp_path).run(
        "inspect", "--no-times", "--json", "--bank", world.data / "banks" / "woven.bank", flat, code=(0, 1)).lines[0],
        "input": ""}


def test_too_many_pixels(ready, tmp_path):
    service = ready("--max-pixels", 20000)
    document = problem(service.inspect("woven", save(texture(1), tmp_path / "large.png"), 422))
    assert "20000 pixels" in document["detail"]
