# SPDX-License-Identifier: Apache-2.0
"""Feedback both ways: a false alarm teaches, a missed defect takes away what excused it, and both can be undone.

The undoing is held to the bit: the same picture has the same result as before.
"""

import pytest
from conftest import save, texture


def inspected(service, picture, **query):
    return service.inspect("woven", picture, **query).json()


def changes(service):
    return service.get("/v1/banks/woven/changes").json()["changes"]


def undo(service, change):
    service.wait(service.post(f"/v1/changes/{change}/undo", 202).json()["id"])


@pytest.fixture
def mine(ready, tmp_path):
    service = ready("--keep", "anomalous")
    service.bad = save(texture(101, defect=True), tmp_path / "bad.png")
    service.new = save(texture(104), tmp_path / "new.png")
    return service


def result_of(service, picture):
    answer = service.inspect("woven", picture, keep="yes")
    return int(answer.headers["Dinopatch-Result"]), answer.json()


def test_a_false_alarm_is_added_and_taken_back(mine):
    before = inspected(mine, mine.new, record="no")
    number, first = result_of(mine, mine.bad)
    assert first["label"] == "anomalous"
    job = mine.wait(mine.post(f"/v1/results/{number}/add", 202).json()["id"])
    assert "found again" in job["report"]["threshold"]
    assert inspected(mine, mine.bad, record="no")["score"] < 1e-3
    (change,) = changes(mine)
    assert change["kind"] == "add" and change["detail"]["names"] == ["bad.png"] and change["can_undo"]
    undo(mine, change["id"])
    again = inspected(mine, mine.bad, record="no")
    assert again["score"] == first["score"] and again["threshold"] == first["threshold"]
    assert inspected(mine, mine.new, record="no") == before
    assert changes(mine)[0]["undone"] and not changes(mine)[0]["can_undo"]
    mine.post(f"/v1/changes/{change['id']}/undo", 409)


def test_only_the_place_of_a_false_alarm(mine):
    number, first = result_of(mine, mine.bad)
    x0, y0, x1, y1 = first["defects"][0]["bbox_xyxy"]
    region = {"x": (x0 + x1) / 2 - 12, "y": (y0 + y1) / 2 - 12, "width": 24, "height": 24}
    mine.wait(mine.post(f"/v1/results/{number}/add", 202, json={"region": region}).json()["id"])
    bank = mine.get("/v1/banks/woven").json()
    assert bank["n_pictures"] == bank["n_scored"] + 1  # a part is no good picture to judge by
    assert inspected(mine, mine.bad, record="no")["score"] < first["score"]
    undo(mine, changes(mine)[0]["id"])
    assert inspected(mine, mine.bad, record="no")["score"] == first["score"]
    mine.post(f"/v1/results/{number}/add", 400, json={"region": {"x": 1}})


def test_a_missed_defect(mine):
    mine.ask("PUT", "/v1/banks/woven/threshold", 200, json={"value": 1000})  # so that it is missed
    number, first = result_of(mine, mine.bad)
    assert first["label"] == "good"
    found = mine.post(f"/v1/results/{number}/excuses", json={}).json()
    assert found["score"] == first["score"] and found["places"] and found["cost"]["above"] == 0
    lower = found["lower_threshold"]
    scores = mine.get("/v1/banks/woven/thresholds").json()["scores"]
    assert lower["value"] < first["score"] and lower["cost"]["above"] == sum(s > lower["value"] for s in scores)
    body = {"places": found["places"], "result": number, "preview": True}
    report = mine.wait(mine.post("/v1/banks/woven/quarantine", 202, json=body).json()["id"])["report"]
    assert report["before"]["score"] == first["score"] and report["after"]["score"] > first["score"]
    assert "kept" in report["threshold"] and "given by hand" in report["threshold"]
    assert inspected(mine, mine.bad, record="no")["score"] == first["score"], "a preview changes nothing"
    mine.wait(mine.post("/v1/banks/woven/quarantine", 202, json={**body, "preview": False}).json()["id"])
    assert inspected(mine, mine.bad, record="no")["score"] == report["after"]["score"]
    second = mine.post(f"/v1/results/{number}/excuses", json={}).json()["places"]
    mine.wait(mine.post("/v1/banks/woven/quarantine", 202, json={"places": second}).json()["id"])
    one, two = changes(mine)[1], changes(mine)[0]
    both = inspected(mine, mine.bad, record="no")["score"]
    undo(mine, one["id"])  # the other one stands
    undo(mine, two["id"])
    assert inspected(mine, mine.bad, record="no")["score"] == first["score"] < both
    threshold = [c for c in changes(mine) if c["kind"] == "threshold"][0]
    undo(mine, threshold["id"])
    assert inspected(mine, mine.bad, record="no")["label"] == "anomalous"


def test_a_chosen_threshold_stays_when_pictures_come(mine):
    mine.ask("PUT", "/v1/banks/woven/threshold", 200, json={"value": 0.9})
    files = [("pictures", ("more.png", mine.new.read_bytes()))]
    job = mine.wait(mine.post("/v1/banks/woven/pictures", 202, files=files).json()["id"])
    assert "threshold 0.9 kept, for it was given by hand" in job["report"]["threshold"]
    assert mine.get("/v1/banks/woven/thresholds").json()["threshold"] == 0.9


def test_a_removed_picture_comes_back(ready, world):
    mine = ready()
    form = [("pictures", ("more.png", world.new_good.read_bytes()))]
    mine.wait(mine.post("/v1/banks/woven/pictures", 202, files=form).json()["id"])
    before = inspected(mine, world.new_bad, record="no")
    picture = next(p for p in mine.get("/v1/banks/woven/pictures").json()["pictures"] if p["name"] == "more.png")
    mine.wait(mine.ask("DELETE", f"/v1/banks/woven/pictures/{picture['id']}", 202).json()["id"])
    undo(mine, changes(mine)[0]["id"])
    assert inspected(mine, world.new_bad, record="no") == before
    assert any(p["name"] == "more.png" and p["kept"] for p in mine.get("/v1/banks/woven/pictures").json()["pictures"])


def test_verdicts_set_the_threshold(mine):
    mine.ask("PUT", "/v1/banks/woven/threshold", 409, json={"verdicts": True})
    mine.ask("PUT", "/v1/banks/woven/threshold", 200, json={"value": 1000})
    number, missed = result_of(mine, mine.bad)
    mine.post(f"/v1/results/{number}/verdict", json={"verdict": "defect"})
    number, good = result_of(mine, mine.new)
    mine.post(f"/v1/results/{number}/verdict", json={"verdict": "good"})
    offered = mine.get("/v1/banks/woven/thresholds").json()["verdicts"]
    assert offered["good"] == offered["defect"] == 1 and offered["missed"] == 0
    assert good["score"] < offered["threshold"] < missed["score"]
    now = mine.ask("PUT", "/v1/banks/woven/threshold", 200, json={"verdicts": True}).json()
    assert now["threshold"] == offered["threshold"] and now["by"] == "tune"
    assert inspected(mine, mine.bad, record="no")["label"] == "anomalous"


def test_what_means_nothing(mine):
    number, _ = result_of(mine, mine.bad)
    mine.post("/v1/results/99999/excuses", 404, json={})
    mine.post(f"/v1/results/{number}/excuses", 400, json={"region": {"x": 0, "y": 0, "width": -1, "height": 2}})
    for places in ([], [{"picture": 1}], "no", [{"picture": "000.png", "x": 0, "y": 0, "width": 0, "height": 5}]):
        mine.post("/v1/banks/woven/quarantine", 400, json={"places": places})
    place = {"picture": "nobody.png", "x": 0, "y": 0, "width": 5, "height": 5}
    mine.post("/v1/banks/woven/quarantine", 409, json={"places": [place]})
    mine.post("/v1/changes/1/undo", 404)
    plain = int(mine.inspect("woven", mine.new).headers["Dinopatch-Result"])  # good, and not asked to be kept
    mine.post(f"/v1/results/{plain}/excuses", 409, json={})
