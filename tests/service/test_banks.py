# SPDX-License-Identifier: Apache-2.0
"""Banks by jobs: fit, add, remove, thresholds, what goes wrong."""

import io
import os
import signal

import pytest
from PIL import Image

from conftest import Program, problem, save, texture, textures, until


def files(pictures, field="pictures"):
    return [(field, (p.name, p.read_bytes())) for p in pictures]


def test_the_life_of_a_bank(start, tmp_path):
    service = start("--keep", "all")
    assert service.get("/v1/banks").json() == {"banks": []}
    good = textures(tmp_path / "good", 8)
    job = service.fit("cloth", good, size="128")
    assert job["report"]["used"] == 8 and not job["report"]["left_out"] and job["kind"] == "fit"
    bank = service.get("/v1/banks/cloth").json()
    assert bank["n_pictures"] == 8 and bank["canvas_px"] == [128, 128] and bank["state"] == "ready"

    # A false alarm: the picture is looked at, called good, and added.
    odd = save(texture(50, light=1.25), tmp_path / "odd.png")
    said = service.inspect("cloth", odd)
    number = said.headers["Dinopatch-Result"]
    assert said.json()["label"] == "anomalous"
    assert service.post(f"/v1/results/{number}/verdict", json={"verdict": "good"}).json()["verdict"] == "good"
    added = service.wait(service.post(f"/v1/results/{number}/add", 202).json()["id"])
    assert added["kind"] == "add" and added["report"]["used"] == 1
    assert service.inspect("cloth", odd).json()["score"] < said.json()["score"]

    # Its leave-one-out score is the highest; it can be looked at, and taken out again.
    pictures = service.get("/v1/banks/cloth/pictures").json()["pictures"]
    assert len(pictures) == 9 and pictures[0]["name"] == "odd.png" and all(p["kept"] for p in pictures)
    assert [p["score"] for p in pictures] == sorted((p["score"] for p in pictures), reverse=True)
    path = f"/v1/banks/cloth/pictures/{pictures[0]['id']}"
    assert service.get(path).content == odd.read_bytes()
    small = Image.open(io.BytesIO(service.get(path + "/thumbnail?size=64").content))
    assert small.format == "JPEG" and small.size == (64, 64)
    service.wait(service.ask("DELETE", path, 202).json()["id"])
    assert service.get("/v1/banks/cloth").json()["n_pictures"] == 8
    service.get(path, 404)

    # The service that starts again has all of it.
    bank = service.get("/v1/banks/cloth").json()
    results = service.get("/v1/results").json()
    service.stop()
    again = start("--keep", "all")
    assert again.get("/v1/banks/cloth").json() == bank and again.get("/v1/results").json() == results

    again.ask("DELETE", "/v1/banks/cloth", 204)
    assert again.get("/v1/banks").json() == {"banks": []}
    assert len(list((tmp_path / "data" / "removed").iterdir())) == 1  # nothing is destroyed


def test_a_bank_is_replaced_only_when_asked(ready, tmp_path):
    service = ready()
    good = textures(tmp_path / "good", 3, first=30)
    before = service.get("/v1/banks/woven").json()["sha256"]
    problem(service.post("/v1/banks/woven", 409, files=files(good)))
    answer = service.post("/v1/banks/woven?overwrite=yes", 202, files=files(good))
    service.wait(answer.json()["id"])
    assert service.get("/v1/banks/woven").json()["n_pictures"] == 3
    assert service.get("/v1/banks/woven").json()["sha256"] != before


def test_pictures_that_cannot_be_used(ready, tmp_path):
    service = ready()
    good = textures(tmp_path / "good", 4, first=60)
    broken = tmp_path / "broken.png"
    broken.write_bytes(good[0].read_bytes()[:500])
    job = service.fit("few", [*good, broken], "failed")
    assert "4 of 5" in job["error"] and job["report"]["left_out"][0]["name"] == "broken.png"
    assert "/" not in job["report"]["left_out"][0]["reason"]
    service.get("/v1/banks/few", 404)
    job = service.fit("few", [*good, broken], allow_few="yes")
    assert job["report"]["used"] == 4 and job["report"]["failed"] == 1
    # The same picture twice counts once, and names stay apart.
    twin = tmp_path / "other" / good[0].name
    twin.parent.mkdir()
    twin.write_bytes(good[0].read_bytes())
    job = service.fit("twins", [*good, twin])
    assert job["report"]["twins"] == 1 and job["report"]["used"] == 4
    assert len(service.get("/v1/banks/twins/pictures").json()["pictures"]) == 4


def test_names_of_files_are_names_only(ready, tmp_path):
    service = ready()
    good = textures(tmp_path / "good", 3, first=40)
    hostile = ["../../../etc/passwd.png", "..\\..\\x.png", "a\"b\r\nX: y.png"]
    body = [("pictures", (name, p.read_bytes())) for name, p in zip(hostile, good)]
    service.wait(service.post("/v1/banks/names", 202, files=body).json()["id"])
    names = {p["name"] for p in service.get("/v1/banks/names/pictures").json()["pictures"]}
    assert {"passwd.png", "x.png"} < names and all("/" not in n and "\n" not in n for n in names)
    stored = [p for p in (tmp_path / "data").rglob("*") if p.is_file()]
    assert all(p.resolve().is_relative_to(tmp_path / "data") and "passwd" not in p.name for p in stored)


@pytest.mark.parametrize("name", ["..", "a b", "-x", "x" * 65, "ä", ".x", "%2e%2e", "a%2fb", "a%00b", "..%2f..%2fetc%2fx"])
def test_names_of_banks_are_names_only(world, name):
    url = world.url + "/v1/banks/" + name
    for method, path in (("GET", ""), ("POST", ""), ("DELETE", ""), ("POST", "/inspect"), ("GET", "/pictures")):
        answer = world.session.request(method, url + path, data=b"x", headers={"Content-Type": "text/plain"}, timeout=60)
        assert answer.status_code in (400, 404, 405), (method, path, answer.status_code, answer.text)
        problem(answer)


def test_options_are_refused_before_a_picture_is_kept(world):
    good = world.good[:2]
    before = sorted((world.data / "pictures" / "good").iterdir())
    for options, word in (({"size": "banana"}, "size"), ({"no.such": "1"}, "no.such"), ({"allow_few": "maybe"}, "allow_few"),
                          ({"method": "magic"}, "method")):
        document = problem(world.post("/v1/banks/other", 400, files=files(good), data=options))
        assert word in document["detail"]
    assert sorted((world.data / "pictures" / "good").iterdir()) == before
    problem(world.post("/v1/banks/other", 415, data=b"x"))
    problem(world.post("/v1/banks/other", 400, files=[("size", (None, "128"))]))


def test_the_threshold_is_that_of_calibrate(ready, tmp_path):
    service = ready()
    program = Program(tmp_path)
    copy = tmp_path / "copy.bank"
    for body, option in (({"fpr": 0.2}, ["--fpr", 0.2]), ({"value": 0.5}, ["--value", 0.5])):
        copy.write_bytes((tmp_path / "data" / "banks" / "woven.bank").read_bytes())
        said = service.ask("PUT", "/v1/banks/woven/threshold", 200, json=body).json()
        printed = program.run("calibrate", "--bank", copy, "--json", *option).lines[0]
        assert said["threshold"] == printed["threshold"] and said["rates"] == printed["rates"]
        assert copy.read_bytes() == (tmp_path / "data" / "banks" / "woven.bank").read_bytes()
        assert service.get("/v1/banks/woven/thresholds").json() == said
    assert said["good_above"] == 0 and said["by"] == "value" and len(said["scores"]) == 12
    for body in ({}, {"value": -1}, {"fpr": 0}, {"fpr": 1}, {"fpr": "x"}, {"value": 1, "fpr": .1}, {"value": 1, "x": 2}):
        problem(service.ask("PUT", "/v1/banks/woven/threshold", 400, json=body))


def test_a_job_can_be_cancelled(ready, tmp_path):
    service = ready()
    good = textures(tmp_path / "good", 6, first=80)
    first = service.post("/v1/banks/one", 202, files=files(good)).json()["id"]
    second = service.post("/v1/banks/two", 202, files=files(good)).json()["id"]
    problem(service.post("/v1/banks/two", 409, files=files(good)))  # one is on its way
    assert service.ask("DELETE", f"/v1/jobs/{second}", 202).json()["state"] in ("cancelled", "running")
    service.wait(first)
    service.wait(second, "cancelled")
    problem(service.ask("DELETE", f"/v1/jobs/{second}", 409))
    assert [j["id"] for j in service.get("/v1/jobs").json()["jobs"]] == [second, first]
    service.get("/v1/jobs/99", 404)
    service.get("/v1/jobs/99/events", 404)
    service.get("/v1/jobs/x", 404)


def test_a_bank_that_is_written_in_place(ready, tmp_path, world, bank_file):
    """As `cp` over it does: the bank that was opened stays as it was until the service is told to look."""
    service = ready()
    path = tmp_path / "data" / "banks" / "woven.bank"
    line = service.inspect("woven", world.new_bad, record="no").json()
    inode, whole = path.stat().st_ino, bank_file.read_bytes()

    def same():
        now = service.inspect("woven", world.new_bad, record="no").json()
        return all(now[key] == line[key] for key in line if key != "ms")
    os.truncate(path, 4096)
    assert same()
    path.write_bytes(bytes(len(whole)))
    assert same()
    service.process.send_signal(signal.SIGHUP)
    until(lambda: service.get("/v1/banks/woven").json()["state"] == "broken", "the bank to be looked at")
    detail = problem(service.post("/v1/banks/woven/inspect", 503, data=world.new_bad.read_bytes()))["detail"]
    assert "woven" in detail and "/proc" not in detail and str(tmp_path) not in detail
    path.write_bytes(whole)
    assert path.stat().st_ino == inode
    service.process.send_signal(signal.SIGHUP)
    until(lambda: service.get("/v1/banks/woven").json()["state"] == "ready", "the bank to be whole")
    assert same() and not list((tmp_path / "data" / "tmp").iterdir())


def test_a_broken_bank_is_said_to_be(ready, tmp_path):
    service = ready()
    path = tmp_path / "data" / "banks" / "broken.bank"
    path.write_bytes(b"this is no bank")
    service.stop()
    again = ready()
    told = again.get("/v1/banks/broken").json()
    assert told["state"] == "broken" and told["error"]
    problem(again.post("/v1/banks/broken/inspect", 503, data=b"x"))
    assert again.get("/v1/banks/woven").json()["state"] == "ready"
