# SPDX-License-Identifier: Apache-2.0
"""Results: pages, filters, counts, verdicts, export; the endpoint and the program agree."""

import csv
import io

import pytest

from conftest import Program, problem


@pytest.fixture
def filled(world):
    """At least 6 results of both labels."""
    while sum(world.get("/v1/results/counts").json()[k] for k in ("good", "anomalous")) < 6:
        world.inspect("woven", world.new_good)
        world.inspect("woven", world.new_bad)
    return world


def test_pages_follow_each_other(filled):
    everything = filled.get("/v1/results?limit=10000").json()
    assert everything["next"] is None
    paged, before = [], ""
    while before is not None:
        page = filled.get(f"/v1/results?limit=2{before and '&before=' + before}").json()
        paged += page["results"]
        before = page["next"]
    assert paged == everything["results"]
    assert [r["id"] for r in paged] == sorted((r["id"] for r in paged), reverse=True)


@pytest.mark.parametrize("query", [{}, {"label": "anomalous"}, {"bank": "woven", "label": "good"}, {"bank": "none"},
                                   {"since": "today"}, {"until": "2020-01-01"}, {"verdict": "none"}])
def test_the_program_finds_the_same(filled, query):
    options = [o for k, v in query.items() for o in (f"--{k}", v)]
    run = Program(filled.folder).run("results", "--data", filled.data, "--json", *options)
    assert run.lines == filled.get("/v1/results", params={**query, "limit": 10000}).json()["results"]
    table = Program(filled.folder).run("results", "--data", filled.data, "--csv", *options).out
    answer = filled.get("/v1/results", params={**query, "limit": 10000, "format": "csv"})
    assert answer.text == table and answer.headers["Content-Type"].startswith("text/csv")
    assert [int(row["id"]) for row in csv.DictReader(io.StringIO(table))] == [line["id"] for line in run.lines]
    if not {"label", "verdict"} & set(query):
        counts = Program(filled.folder).run("results", "--data", filled.data, "--json", "--counts", *options).lines[0]
        assert counts == filled.get("/v1/results/counts", params=query).json()
        assert counts["pictures"] == len(run.lines)


def test_a_verdict_is_given_and_taken_back(filled):
    number = filled.inspect("woven", filled.new_bad).headers["Dinopatch-Result"]
    for verdict in ("defect", "good", None):
        said = filled.post(f"/v1/results/{number}/verdict", json={"verdict": verdict}).json()
        assert said["verdict"] == verdict and (said["verdict_time"] is None) == (verdict is None)
        found = filled.get("/v1/results?verdict=any").json()["results"]
        assert (int(number) in [r["id"] for r in found]) == (verdict is not None)
    for body in ({}, {"verdict": "maybe"}, {"verdict": 1}, {"verdict": "good", "x": 1}):
        problem(filled.post(f"/v1/results/{number}/verdict", 400, json=body))
    filled.post(f"/v1/results/{number}/verdict", 400, data=b"{", headers={"Content-Type": "application/json"})
    filled.post(f"/v1/results/{number}/verdict", 415, data=b"verdict=good",
                headers={"Content-Type": "application/x-www-form-urlencoded"})
    filled.post("/v1/results/999999/verdict", 404, json={"verdict": "good"})


@pytest.mark.parametrize("query", ["limit=0", "limit=x", "limit=99999", "label=bad", "verdict=x", "since=yesterday",
                                   "before=1", "before=x-1", "format=xml", "nosuch=1", "limit=1&limit=%00", "bank=%ff"])
def test_queries_that_mean_nothing(world, query):
    problem(world.get("/v1/results?" + query, 400))


def test_a_day_as_a_page(filled):
    filled.inspect("woven", filled.new_bad, name="<script>alert(1)</script>")
    page = Program(filled.folder).run("results", "--data", filled.data, "--since", "today", "--html").out
    counts = filled.get("/v1/results/counts?since=today").json()
    assert page.startswith("<!DOCTYPE html>") and "<script" not in page and "http" not in page.replace("data:image", "")
    assert f"{counts['good']} good, {counts['anomalous']} anomalous" in page
    assert page.count("<tr>") == counts["pictures"] + 1
    kept = [r for r in filled.get("/v1/results?since=today&label=anomalous&limit=1000").json()["results"] if r["picture"]]
    assert kept and page.count("data:image/jpeg;base64,") >= len(kept)  # those of tensors have no file; broken ones show nothing


def test_there_is_no_such_result(world):
    for path in ("999999", "0", "-1", "x", "1e3", "99999999999999999999"):
        problem(world.get(f"/v1/results/{path}", 404))
        problem(world.get(f"/v1/results/{path}/picture", 404))
        problem(world.post(f"/v1/results/{path}/add", 404))


def test_pictures_of_results_make_room(ready, tmp_path):
    service = ready("--keep", "all", "--keep-size", "100k")
    from conftest import save, texture
    pictures = [save(texture(i), tmp_path / f"{i}.png") for i in range(4)]  # some 60 kB each
    numbers = [service.inspect("woven", p).headers["Dinopatch-Result"] for p in pictures]
    kept = list((tmp_path / "data" / "pictures" / "results").iterdir())
    assert sum(p.stat().st_size for p in kept) <= 100000 and len(kept) == 1
    service.get(f"/v1/results/{numbers[-1]}/picture")
    service.get(f"/v1/results/{numbers[0]}/picture", 404)
    service.post(f"/v1/results/{numbers[0]}/add", 409)
