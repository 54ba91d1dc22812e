# SPDX-License-Identifier: Apache-2.0
"""The package and the program say the same of the same pixels."""

import json
import os
import subprocess
import sys

import numpy as np
import pytest
from PIL import Image
from conftest import read

import dinopatch as dp


def program(*arguments):
    done = subprocess.run([os.environ["DINOPATCH"], *map(str, arguments)], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout


def as_printed(value):
    """The program prints 12 digits."""
    if isinstance(value, list):
        return [as_printed(it) for it in value]
    return float(f"{value:.12g}") if isinstance(value, float) else value


def compare(bank, tell, result):
    said = result.to_dict()
    for key in ("label", "reason", "score", "threshold", "p_value", "cell_threshold"):
        assert as_printed(said[key]) == tell[key], key
    assert said["map"]["shape"] == tell["map"]["shape"]
    assert np.array_equal(np.asarray(Image.open(tell["map"]["path"])), result.map)  # float32, every bit
    assert len(said["defects"]) == len(tell["defects"])
    for ours, theirs in zip(said["defects"], tell["defects"]):
        assert {key: as_printed(value) for key, value in ours.items()} == {key: theirs[key] for key in ours}


@pytest.mark.parametrize("options", [{"align": "none", "size": 96}, {"align": "pca", "size": 128}, {"method": "patchcore", "edge": 128, "crop": 112}])
def test_inspect(options, good_files, test_files, tmp_path):
    bank = dp.fit(good_files, **options)
    bank.save(tmp_path / "ours.bank")
    setting = [part for key, value in options.items() for part in ("--set", f"{key}={value}")]
    program("fit", "--out", tmp_path / "theirs.bank", *setting, *good_files)
    theirs = dp.open(tmp_path / "theirs.bank")
    assert [(p.name, p.score) for p in bank.pictures] == [(p.name, p.score) for p in theirs.pictures]
    assert bank.threshold == theirs.threshold and bank.info().choices == theirs.info().choices
    lines = program("inspect", "--bank", tmp_path / "ours.bank", "--json", "--out", tmp_path / "out", *test_files)
    for path, line in zip(test_files, lines.splitlines()):
        compare(bank, json.loads(line), bank.inspect(read(path)))


def test_module_speaks_as_the_program(good_files, test_files, tmp_path):
    def module(*arguments, code=0):
        done = subprocess.run([sys.executable, "-m", "dinopatch", *map(str, arguments)], capture_output=True, text=True)
        assert done.returncode == code, done.stderr
        return done

    bank = tmp_path / "m.bank"
    module("fit", "--out", bank, "--set", "align=none", "--set", "size=96", *good_files)
    module("fit", "--out", bank, *good_files, code=4)  # is there already
    ours = module("inspect", "--bank", bank, "--json", *test_files)
    theirs = program("inspect", "--bank", bank, "--json", *test_files)
    for mine, tell in zip(map(json.loads, ours.stdout.splitlines()), map(json.loads, theirs.splitlines())):
        assert mine["input"] == tell["input"] and as_printed(mine["score"]) == tell["score"] and mine["label"] == tell["label"]
    assert f"{len(test_files)} pictures: " in ours.stderr
    anomalous = any(json.loads(line)["label"] != "good" for line in ours.stdout.splitlines())
    module("inspect", "--bank", bank, "--fail-on-anomaly", *test_files, code=3 if anomalous else 0)
    assert "missing.png" in module("inspect", "--bank", bank, tmp_path / "missing.png", code=1).stdout
    assert "no.bank" in module("inspect", "--bank", tmp_path / "no.bank", test_files[0], code=4).stderr
    module("fit", "--set", "align", "--out", tmp_path / "x.bank", test_files[0], code=2)
    module(code=2)
