# SPDX-License-Identifier: Apache-2.0
"""One table of options: the command line, a configuration file, the bank, the documents and `dinopatch options` say the same."""

import json
import re
from pathlib import Path

import pytest
from conftest import MODEL

ROOT = Path(__file__).resolve().parent.parent.parent


@pytest.fixture
def rows(dp):
    return {row["key"]: row for row in json.loads(dp.run("options", "--json", code=0).out)}


def config(dp, content, name="c.json"):
    path = dp.folder / name
    path.write_text(content if isinstance(content, str) else json.dumps(content))
    return path


def test_the_document_is_up_to_date(dp):
    table = dp.run("options", "--markdown", code=0).out
    assert table in (ROOT / "docs" / "options.md").read_text(), "docs/options.md: paste the output of 'dinopatch options --markdown'"


def test_rows_say_what_there_is(rows):
    assert {"method", "align", "canvas", "layers", "window", "search.knn", "map.low", "score", "fpr", "precision", "seed"} <= set(rows)
    assert rows["search.knn"]["range"] == {"low": 1, "low_open": False, "high": 1000, "high_open": False, "odd": False}
    assert rows["fpr"]["range"]["low_open"] and rows["fpr"]["range"]["high_open"]
    assert rows["search.metric"]["choices"] == ["l2", "cosine"] and rows["search.metric"]["overridable"]
    assert not rows["layers"]["overridable"] and rows["bank.kmeans"]["off"] and rows["bank.kmeans"]["default"] == "off"
    assert "dinopatch inspect" not in "".join(row["help"] for row in rows.values())


def test_every_alias_is_an_option_of_fit_and_the_other_way_round(dp, rows):
    page = dp.run("fit", "--help=all", code=0).out.split("Run options:")[0]
    own = {"model", "out", "bank", "allow-few", "overwrite", "max-memory", "roi", "roi-frame", "roi-picture", "set", "config",
           "files-from", "null", "shard", "resume", "settle", "settled"}
    shown = set(re.findall(r"^      --([\w-]+)|^  -\w, --([\w-]+)", page, re.M))
    shown = {a or b for a, b in shown}
    assert shown - own == {row["alias"] for row in rows.values() if row["alias"]}


def test_help_shows_the_dozen_and_points_to_the_rest(dp):
    for command in ("fit", "eval", "embed", "align"):
        page = dp.run(command, "--help", code=0).out
        assert "--help=all" in page and "dinopatch options" in page
        assert "--layer-mix" not in page and "--blur" not in page
    page = dp.run("fit", "--help", code=0).out
    for option in ("model", "bank", "out", "method", "canvas", "edge", "align", "window", "fpr", "roi", "precision", "threads", "seed", "set", "config"):
        assert f"--{option}" in page


def info(dp, bank):
    return json.loads(dp.run("bank", "info", "--json", bank, code=0).out)["recipe"]


def test_set_alias_and_file_make_the_same_bank(dp, woven):
    base = ["fit", "--model", MODEL, "--align", "none", "--canvas", "112x112", woven.good, "--quiet"]
    dp.run(*base, "--out", "a.bank", "--knn", "2", "--map", "low=0.1,median=3", "--mirror", code=0)
    dp.run(*base, "--out", "b.bank", "--set", "search.knn=2", "--set", "map.low=0.1", "--set", "map.median=3", "--set", "pictures.mirror=yes", code=0)
    path = config(dp, {"search": {"knn": 2}, "map": {"low": 0.1, "median": 3}, "pictures.mirror": True})
    dp.run(*base, "--out", "c.bank", "--config", path, code=0)
    banks = [(dp.folder / name).read_bytes() for name in ("a.bank", "b.bank", "c.bank")]
    assert banks[0] == banks[1] == banks[2]


def test_the_command_line_beats_the_file_and_the_file_the_method(dp, woven):
    path = config(dp, {"method": "patchcore", "search.knn": 3, "canvas": [112, 112], "bank.coreset": "off", "score": "mean", "align": "none"})
    dp.run("fit", "--model", MODEL, "--config", path, "--knn", "2", "--out", "a.bank", woven.good, "--quiet", code=0)
    recipe = info(dp, "a.bank")
    assert recipe["knn"] == 2 and recipe["canvas"] == [112, 112] and recipe["coreset"] == 0 and recipe["score"] == "mean"
    assert recipe["layout"] == "flat" and recipe["reweight"] == 0 and recipe["map_sigma"] == 4
    dp.run("fit", "--model", MODEL, "--config", path, "--method", "dinopatch", "--out", "b.bank", woven.good, "--quiet", code=0)
    recipe = info(dp, "b.bank")
    assert recipe["layout"] == "grid" and recipe["knn"] == 3 and recipe["map_sigma"] == 0


@pytest.mark.parametrize("content, said", [
    ({"colour": 1}, "colour"), ({"knn": 3}, "did you mean search.knn?"), ({"search": {"kn": 3}}, "search.kn"),
    ({"search.knn": "3"}, "search.knn is not a number"), ({"search.knn": 3.0}, "whole number"), ({"search.knn": True}, "search.knn"),
    ({"search.knn": 0}, "from 1 to 1000"), ({"pictures.mirror": "yes"}, "true or false"), ({"align": 1}, "align is not a string"),
    ({"align": None}, "align"), ({"layers": ["a"]}, "layers"), ({"layers": []}, "layers"), ({"fpr": 1e999}, "c.json"),
    ({"canvas": [112]}, "canvas"), ({"bank.pca": 1.0}, "share"), ({"edge": 224, "canvas": "112x112"}, "not both"),
    ("[]", "not a JSON object"), ("{", "c.json"), ('{"align": "none", "align": "pca"}', "c.json"),
])
def test_a_file_that_is_wrong_names_itself_and_the_key(dp, woven, content, said):
    path = config(dp, content)
    run = dp.run("fit", "--model", MODEL, "--config", path, "--out", "x.bank", woven.good, code=2)
    assert said in run.err and (said == "not both" or "c.json" in run.err) and run.out == ""
    assert not (dp.folder / "x.bank").exists()


@pytest.mark.parametrize("setting, said", [
    ("knn=3", "did you mean search.knn?"), ("search.kn=3", "did you mean search.knn?"), ("colour=red", "no such option"), ("align", "KEY=VALUE"),
    ("=3", "KEY=VALUE"), ("align=", "KEY=VALUE"), ("align=PCA", "did you mean pca?"), ("search.knn=0", "from 1 to 1000"), ("bank.kmeans=0", "or off"),
])
def test_a_setting_that_is_wrong(dp, woven, setting, said):
    run = dp.run("fit", "--model", MODEL, "--out", "x.bank", "--set", setting, woven.good, code=2)
    assert said in run.err and "--set" in run.err and run.out == ""


def test_inspect_changes_what_needs_no_new_features(dp, woven):
    rows = {row["key"]: row for row in json.loads(dp.run("options", "--json", code=0).out)}
    for row in rows.values():
        value = {"window": "1", "search.knn": "2", "map": "none"}.get(row["key"], row["default"])
        if value == "auto":
            value = "-1"
        run = dp.run("inspect", "--bank", woven.bank, "--set", f"{row['key']}={value}", woven.new_good, code=0 if row["overridable"] else 2)
        assert row["overridable"] or "give it to fit" in run.err
    a = dp.run("inspect", "--json", "--no-times", "--bank", woven.bank, "--set", "search.knn=2", woven.new_good, code=0).out
    b = dp.run("inspect", "--json", "--no-times", "--bank", woven.bank, "--knn", "2", woven.new_good, code=0).out
    c = dp.run("inspect", "--json", "--no-times", "--bank", woven.bank, "--config", config(dp, {"search.knn": 2}), woven.new_good, code=0).out
    assert a == b == c


def test_rules_name_keys(dp, woven):
    for args, said in ((["--rotations", "8", "--align", "pca"], "pictures.rotations=8 needs align=none"),
                       (["--coreset", "0.1"], "bank.coreset needs bank.layout=flat"),
                       (["--set", "map.low=2", "--set", "map.high=1"], "map.high 1 lies below map.low 2")):
        run = dp.run("fit", "--model", MODEL, "--out", "x.bank", *args, woven.good, code=2)
        assert said in run.err
