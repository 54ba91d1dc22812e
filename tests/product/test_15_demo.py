# SPDX-License-Identifier: Apache-2.0
"""The figures that the demo prints are those that `inspect --json` gives for its pictures."""

import json
import os
import re
import subprocess
from pathlib import Path

import numpy as np
import pytest
from conftest import DINOPATCH, Program, environment, save

ROOT = Path(__file__).resolve().parents[2]
ROW = re.compile(r"^(  )?(\S+) +(-|[01]\.\d{3}) +(\d+) of (\d+) +(?:(\d+) of (\d+) +)?(\d+)$")


# The renderer, after which a defective screw and a good one are blank, so that they cannot be inspected, and another defective one is a copy
# of a good one, so that their scores are equal.
RENDERER = """#!/bin/sh
"$RENDER" "$@" || exit
case "$*" in *'--set screw'*)
    for kind in '[!g]*' good; do
        cp "$BLANK" "$(ls "$1"/screw/test/$kind/*.png | head -n 1)"
    done
    cp "$(ls "$1"/screw/test/good/*.png | tail -n 1)" "$(ls "$1"/screw/test/[!g]*/*.png | tail -n 1)"
esac
"""


@pytest.fixture(scope="module")
def demo(tmp_path_factory):
    folder = tmp_path_factory.mktemp("demo")
    renderer = folder / "build" / "demo" / "dinopatch-demo-render"
    renderer.parent.mkdir(parents=True)
    renderer.write_text(RENDERER)
    renderer.chmod(0o755)
    os.symlink(DINOPATCH, folder / "build" / "dinopatch")
    blank = save(np.full((96, 96, 3), 90, np.uint8), folder / "blank.png")
    done = subprocess.run([ROOT / "scripts" / "demo.sh", "--size", "96", "--train", "3", "--good", "3", "--bad", "6"], capture_output=True,
                          text=True, timeout=300,
                          env=environment(folder, BUILD=folder / "build", DEMO_OUT=folder / "out", BLANK=blank))
    assert done.returncode == 0, done.stdout + done.stderr
    return folder / "out", done.stdout


def rows(said):
    """{set: {kind or "": (AUROC, caught, defective, passed, good, not inspected)}} as printed."""
    found, current = {}, None
    for line in said.splitlines():
        row = ROW.match(line)
        if not row:
            continue
        indent, name, auroc, caught, n, passed, goods, skipped = row.groups()
        if not indent:
            current = found.setdefault(name, {})
        current[name if indent else ""] = (auroc, int(caught), int(n), passed and int(passed), goods and int(goods), int(skipped))
    return found


def auroc(bad, good):
    pairs = [(b > g) + 0.5 * (b == g) for b in bad for g in good]
    return sum(pairs) / len(pairs) if pairs else None


def test_the_table_says_what_inspect_says(demo):
    out, said = demo
    printed = rows(said)
    assert set(printed) == {"screw", "pasta"}
    labels, ties = set(), False
    for name, table in printed.items():
        run = Program(out).run("inspect", "--bank", out / name / f"{name}.bank", "--json", out / "data" / name / "test", code=(0, 1))
        pictures = [(Path(p["input"]).parent.name, p["label"], p.get("score")) for p in run.pictures]
        labels |= {label for _, label, _ in pictures}
        kinds = {kind for kind, _, _ in pictures} - {"good"}
        assert set(table) == kinds | {""}
        good = [(label, score) for kind, label, score in pictures if kind == "good"]
        for kind in table:
            bad = [(label, score) for k, label, score in pictures if k != "good" and kind in ("", k)]
            n_skipped = sum(label not in ("good", "anomalous") for label, _ in bad + (good if kind == "" else []))
            bad_scores, good_scores = [s for _, s in bad if s is not None], [s for _, s in good if s is not None]
            expected = auroc(bad_scores, good_scores)
            ties |= bool(set(bad_scores) & set(good_scores))
            shown, caught, n, passed, goods, skipped = table[kind]
            assert (caught, n, skipped) == (sum(label == "anomalous" for label, _ in bad), len(bad), n_skipped)
            assert (shown == "-") if expected is None else abs(float(shown) - expected) <= 0.0005 + 1e-9
            if kind == "":
                assert (passed, goods) == (sum(label == "good" for label, _ in good), len(good))
    assert labels == {"good", "anomalous", "not_inspected"}, "a table of nothing but zeros would prove nothing"
    assert printed["screw"][""][-1] == 2 and ties


def test_what_was_counted_lies_beside_it(demo):
    out, _ = demo
    for name in ("screw", "pasta"):
        lines = [json.loads(line) for line in (out / name / "results.jsonl").read_text().splitlines()]
        assert len([line for line in lines if "input" in line]) == 9


def test_it_runs_on_the_network_that_is_built_in(demo):
    out, said = demo
    assert "nano" in said
    for name in ("screw", "pasta"):
        info = json.loads(Program(out).run("bank", "info", "--json", out / name / f"{name}.bank").out)
        assert info["model_path"] == "nano" and not info["model_stand_in"]
