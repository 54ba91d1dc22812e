# SPDX-License-Identifier: Apache-2.0
"""Numbers on the command line: decimal numbers within their range, or exit code 2 with that range.  Nothing is clipped, and nothing that
can be typed is taken for "not given"."""

import json
import re

import pytest
from conftest import MODEL, Program

COMMANDS = ["fit", "inspect", "calibrate", "tune", "eval", "report", "align", "embed", "metrics", "bench", "bank info", "bank compress",
            "lot", "bank add", "bank remove", "bank merge", "model pull", "model verify", "model synth"]

# What takes a number, a count or a share: option -> a value that is right.  A new numeric option is added here.
NUMBERS = {
    "threads": "1", "max-pixels": "50M", "max-memory": "2.5G", "fill": "0.5", "fpr": "0.05", "pca": "0.9", "map-sigma": "1.5",
    "coreset": "0.1", "thin": "0.1", "brightness": "0.2", "compare": "8", "blend": "0.5", "order": "0.5", "background-threshold": "10", "neighbourhood": "3", "reweight": "3", "blur": "5", "knn": "2",
    "kmeans": "2", "shots": "3", "seed": "7", "edge": "224", "size": "256", "tile": "256", "crop": "112", "rotations": "8", "threshold": "0.5", "trials": "10",
    "seconds": "0.5", "folds": "3", "seeds": "2", "gallery": "3", "repeat": "2", "bootstrap": "10", "confidence": "0.9", "suspects": "3", "wait": "5", "channels": "100", "retrieval": "5", "merge": "2", "max-tokens": "20k", "value": "0.5",
}
WHOLE = {"threads", "neighbourhood", "reweight", "blur", "knn", "kmeans", "shots", "seed", "edge", "size", "tile", "crop", "rotations", "trials", "folds",
         "seeds", "gallery", "repeat", "bootstrap", "suspects", "channels", "merge", "compare", "retrieval"}

# Spellings that strtod and strtol take, and people do not mean.
NEVER = ["nan", "NaN", "-nan", "inf", "infinity", "-inf", "0x10", "0X1p-3", "1e400", "+1", " 1", "1 ", "1\n", "5%", "0,5", "1_000", "1.", "--1",
         "1e", "1x", "e5", ".", "-", "-1", "-0.5", "١", ""]


@pytest.fixture(scope="module")
def options(tmp_path_factory):
    """Of each command: its long options as --help names them, with the name of what each takes, or ""."""
    dp = Program(tmp_path_factory.mktemp("options"))
    return {c: dict(re.findall(r"^  (?:-\w, |    )--([\w-]+)(?:=(\S+))?", dp.run(*c.split(), "--help=all", code=0).out, re.M)) for c in COMMANDS}


def refused(dp, command, option, value):
    run = dp.run(*command.split(), f"--{option}={value}", code=2)
    assert f"--{option}" in run.err and re.search(r"give |write |empty", run.err), run
    assert run.out == ""
    return run


@pytest.mark.parametrize("option", ["fpr", "knn", "pca", "max-pixels"])
def test_what_is_no_plain_number_is_refused_with_the_range(dp, option):
    for value in NEVER:
        refused(dp, "fit", option, value)


@pytest.mark.parametrize("command", COMMANDS)
def test_every_number_of_every_command_is_read_so(dp, options, command):
    for option, takes in options[command].items():
        if option in NUMBERS and (command == "fit" or option not in options["fit"]):
            refused(dp, command, option, "nan")
            refused(dp, command, option, "0x10")
            if option in WHOLE:
                assert re.search("(whole|odd) number", refused(dp, command, option, "2.0").err)


def test_the_run_options_of_every_command_are_read_so(dp, options):
    for command in COMMANDS:
        if "threads" in options[command]:
            refused(dp, command, "threads", "0")


@pytest.mark.parametrize("command", COMMANDS)
def test_what_takes_a_number_is_known_to_this_test(options, command):
    """An option whose help names its value N, RATE and the like takes a number: it belongs into NUMBERS, so that it is tried."""
    for option, takes in options[command].items():
        if takes in ("N", "K", "P", "A", "F", "S", "R", "RATE", "SIZE", "PIXELS", "F|N", "1|3", "1|8", "T", "B", "SECONDS"):
            known = option in NUMBERS or (option, takes) in (("bank", "B"),)
            assert known, f"dinopatch {command} --{option}={takes}: add it to NUMBERS (and to WHOLE) in test_11_numbers.py"


def test_right_values_are_taken(dp, options):
    """What is complained about then is something else."""
    given = {}
    for command in COMMANDS:
        for option in options[command]:
            if option in NUMBERS and option not in given and option != "suspects":
                given[option] = dp.run(*command.split(), f"--{option}={NUMBERS[option]}").err
                assert f"--{option} {NUMBERS[option]}: give" not in given[option], given[option]
                assert f"--{option} {NUMBERS[option]}: is not" not in given[option], given[option]
    assert set(NUMBERS) - {"suspects"} == set(given)


@pytest.mark.parametrize("option, low, high", [
    ("knn", "0", "1001"), ("kmeans", "0", "1000001"), ("shots", "0", "99999999999"), ("seed", "-1", "4294967296"), ("blur", "0", "101"),
    ("fpr", "0", "1"), ("blend", "-0.001", "1.001"), ("fill", "0.04", "4.1"), ("threads", "0", "1025"), ("pca", "0", "1000001"),
    ("edge", "0", "20001"), ("size", "0", "20001"), ("map-sigma", "-1", "64.1"), ("reweight", "-1", "1001"), ("max-pixels", "0", "1e30")])
def test_out_of_range_names_the_range(dp, option, low, high):
    for value in (low, high, "99999999999999999999999999"):
        run = dp.run("fit", "--bank", "x", "--model", MODEL, f"--{option}", value, "good", code=2)
        assert f"--{option} {value}: give " in run.err, run


BEYOND = {"confidence": ["0", "1", "1.5"], "folds": ["0", "1", "101"], "trials": ["0"], "seconds": ["0", "-1"], "seeds": ["0", "1001"],
          "repeat": ["0"], "gallery": ["-1"], "bootstrap": ["-1", "1e7"], "wait": ["-1", "1000001"], "max-tokens": ["0", "0.5"], "value": ["-1", "1e400", "1e-400"],
          "threshold": ["-1", "1e400", "1e-400"], "coreset": ["1.5", "-1"], "thin": ["1.5", "-1"], "brightness": ["-0.1", "1"], "background-threshold": ["-1"], "neighbourhood": ["0", "2", "5"],
          "rotations": ["0", "2", "9"], "crop": ["-1", "20001"], "max-memory": ["0"], "suspects": ["-1"]}


@pytest.mark.parametrize("command", COMMANDS)
def test_what_lies_beyond_the_range_of_any_command_is_refused(dp, options, command):
    for option, values in BEYOND.items():
        if option in options[command] and (command == "fit" or option not in options["fit"] or option == "max-tokens"):
            for value in values:
                run = dp.run(*command.split(), f"--{option}={value}", code=2)
                assert f"--{option}" in run.err and run.out == "", run


def test_a_layer_that_does_not_exist_is_refused(dp, woven):
    for layers in ("0,7", "7", "-3", "1,-3"):
        run = dp.fit("a.bank", "--layers", layers, woven.good, code=2)
        assert "blocks 0 to 1" in run.err and not (dp.folder / "a.bank").exists()


def test_a_percentage_is_told_how_it_is_written(dp):
    assert "0.05" in dp.run("fit", "--fpr", "5%", code=2).err
    assert "0.025" in dp.run("calibrate", "--fpr", "2.5%", code=2).err
    assert "0.05" in dp.run("fit", "--fpr", "0,05", code=2).err


def test_a_share_of_one_is_not_one_piece(dp):
    for option in ("pca", "coreset"):
        assert "share" in dp.run("fit", f"--{option}", "1.0", code=2).err


@pytest.mark.parametrize("option, values", [
    ("layers", ["", ",", "1,,2", "1,", "0x1", "1.5", "nan", "+1", " 1", "1;2", "99999999999999999999"]),
    ("canny", ["1", "1,", "nan,nan", "0x1,2", "2,1", "-1,2", "1,2,3", "1,inf", "auto", " 1,2"]),
    ("canvas", ["", "0x0", "112", "112x", "x112", "112x112x3", "0x70x70", "+112x112", "112 x 112", "112X112", "99999999999x112", "auto:",
                "auto:0", "auto:-1", "auto:1.5", "autoo", "-112x112"]),
    ("window", ["", "-1", "1.5", "0x1", "Global", "+1", "1 ", "99999999999999999999"]),
    ("map", ["", "low", "low=", "low=nan", "low=inf", "low=0x1", "low=-1", "median=2", "median=1.5", "gaussian=65", "min-object=1.5", "low=1,",
             "low=2,high=1", "high=1e999"]),
    ("max-memory", ["M", "1m", "1MB", "1 M", "1.5", "-1M", "1e999", "0", "1KiB", "1MM"]),
])
def test_lists_and_pairs_are_read_as_strictly(dp, option, values):
    for value in values:
        run = dp.run("fit", "--model", MODEL, "--bank", "x", f"--{option}={value}", "good", code=2)
        assert f"--{option}" in run.err, run


def test_size_of_embed_and_bench(dp):
    for command in ("embed", "bench"):
        for value in ("112", "0x112", "112x", "112x112.5", "auto", "-112x112", "nanxnan"):
            assert "--size" in dp.run(command, "--model", MODEL, "--out", "x", "--size", value, "p.png", code=2).err \
                if command == "embed" else "--size" in dp.run(command, "--model", MODEL, "--size", value, code=2).err


def test_a_negative_number_may_stand_apart(dp, woven):
    assert dp.run("inspect", "--bank", woven.bank, "--threshold", "-1", woven.new_good, code=2).err.count("--threshold -1") == 1
    dp.run("embed", "--model", MODEL, "--layers", "-1", "--size", "112x112", "--out", "a.safetensors", woven.new_good, code=0)
    dp.run("embed", "--model", MODEL, "--layers=-1", "--size=112x112", "--out=b.safetensors", woven.new_good, code=0)
    assert (dp.folder / "a.safetensors").read_bytes() == (dp.folder / "b.safetensors").read_bytes()


def test_a_value_that_is_missing_is_not_the_next_option(dp, woven):
    run = dp.run("inspect", "--threshold", "--json", "--bank", woven.bank, woven.new_good, code=2)
    assert "--threshold: its value is missing" in run.err
    run = dp.run("inspect", woven.new_good, "--bank", code=2)
    assert "--bank: its value is missing" in run.err


def test_an_empty_value_is_refused(dp, woven):
    for option in ("--bank=", "--model=", "--out="):
        assert "is empty" in dp.run("inspect", option, woven.new_good, code=2).err
    assert "is empty" in dp.run("inspect", "--bank", "", woven.new_good, code=2).err


def test_a_flag_takes_no_value(dp, woven):
    assert "takes no value" in dp.run("inspect", "--bank", woven.bank, "--json=no", woven.new_good, code=2).err


def test_the_last_of_several_counts_and_is_said(dp, woven):
    run = dp.run("inspect", "--bank", woven.bank, "--threshold", "1e9", "--threshold", "0", "--json", woven.new_good, code=0)
    assert run.pictures[0]["label"] == "anomalous"
    assert "--threshold is given more than once" in run.err
    run = dp.run("inspect", "--bank", woven.bank, "--threshold", "1e9", "--threshold", "1e9", "--json", woven.new_good, code=0)
    assert "more than once" not in run.err


def test_threshold_zero_is_a_threshold(dp, woven):
    """0 and the largest that can be typed are values, not signs for "not given"."""
    for value, label in (("0", "anomalous"), ("1e30", "good")):
        run = dp.run("inspect", "--bank", woven.bank, "--threshold", value, "--json", woven.new_good, code=0)
        assert run.pictures[0]["label"] == label
        assert run.pictures[0]["threshold"] == float(value)


def test_two_dashes_end_the_options(dp, woven, copy):
    copy(woven.new_good, "--json")
    run = dp.run("inspect", "--bank", woven.bank, "--json", "--", "--json", code=0)
    assert [p["input"] for p in run.pictures] == ["--json"]


def test_what_the_environment_says_is_read_as_strictly(dp, woven):
    run = dp.run("inspect", "--bank", woven.bank, woven.new_good, env={"DINOPATCH_ISA": "avx9000"}, code=2)
    assert "DINOPATCH_ISA" in run.err
    dp.run("inspect", "--bank", woven.bank, woven.new_good, env={"DINOPATCH_ISA": ""}, code=0)


def test_more_than_there_is_is_refused_with_what_there_is(dp, woven):
    """Numbers whose range the pictures set: nothing is clipped in silence."""
    n = len(list(woven.good.iterdir()))
    fit = ["fit", "--method", "dinopatch", "--model", MODEL, "--align", "none", "--canvas", "112x112", "--bank", "x.bank", woven.good]
    for option, value, there in (("--knn", n + 1, n), ("--kmeans", n + 1, n)):
        run = dp.run(*fit, option, value, code=2)
        assert f" is {value}, but" in run.err and f"{there} features" in run.err, run.err
    dp.run("inspect", "--bank", woven.bank, "--knn", n + 1, woven.good, code=2)
    run = dp.run("calibrate", "--bank", woven.bank, "--knn", 1000, code=2)
    assert f"1 to {n}" in run.err, run.err
    assert f"{n} features" in dp.run("bank", "compress", woven.bank, "--kmeans", n + 1, "--out", "y.bank", code=2).err
    assert not (dp.folder / "x.bank").exists() and not (dp.folder / "y.bank").exists()


def test_a_coreset_larger_than_its_bank_says_so_and_is_recorded_as_kept(dp, woven):
    """How many features the pictures give is known only when they are there."""
    n = 64 * len(list(woven.good.iterdir()))
    run = dp.run("fit", "--model", MODEL, "--align", "none", "--polarity", "none", "--canvas", "112x112", "--layout", "flat", "--coreset", 999999,
                 "--bank", "x.bank", woven.good, code=0)
    assert f"bank.coreset is 999999, but the bank has {n} rows: all are kept" in run.err
    info = json.loads(dp.run("bank", "info", "--json", "x.bank", code=0).out)
    assert info["recipe"]["coreset"] == n
