# SPDX-License-Identifier: Apache-2.0
"""--help, the man pages, the documents and the output must agree.

The man pages keep to a form that this test reads:
  - in a section OPTIONS (of a command, or of one of its verbs, as OPTIONS OF COMPRESS), each .TP names one option with its value, or several
    without ("as for dinopatch-fit(1)").  Options under "Run options" of a command's help stand in RUN OPTIONS of dinopatch(1).
  - in a section JSON, each .TP names fields by their path: score, align.status, defects[].peak.  A part in capitals stands for any name.
  - in a section CSV, each .TP names a column, in their order."""

import json
import re
from pathlib import Path

import numpy as np
import pytest
from conftest import GOLDEN, MODEL, Program, save, texture

ROOT = Path(__file__).resolve().parent.parent.parent
MAN = ROOT / "man"


# ---------------------------------------------------------------------------------------------------- what --help says


def commands(dp):
    """fit, inspect, ..., "bank info", "bank verify", ..."""
    names = []
    for name in re.findall(r"^  ([a-z]+) +\S", dp.run("--help", code=0).out.split("Commands:")[1].split("\n\n")[0], re.M):
        verbs = re.findall(rf"^  dinopatch {name} ([a-z]+)\b", dp.run(name, "--help", code=0).out, re.M)
        names += [f"{name} {verb}" for verb in verbs] if name in ("bank", "model") else [name]
    return names


def help_options(page):
    """Options of the page, and those under "Run options": name -> what it takes, or None."""
    own, run, part = {}, {}, None
    for line in page.splitlines():
        if line and not line.startswith(" "):
            part = run if line == "Run options:" else own if line == "Options:" else None
        found = re.match(r"  (?:-\w, |    )--([\w-]+)(?:=(\S+))?", line)
        if found and part is not None:
            part[found[1]] = found[2]
    return own, run


def test_help_fits_a_terminal(dp):
    """No line is wider than 80 columns, but where an option lists its values."""
    for command in [[], *(c.split() for c in commands(dp)), ["bank"], ["model"]]:
        for line in dp.run(*command, "--help=all" if command else "--help", code=0).out.splitlines():
            assert len(line) <= 80 or re.fullmatch(r" +(-\w, )?--\S+", line), (command, line)
            assert not line.endswith(" ") or not line.strip(), (command, line)


@pytest.fixture(scope="module")
def helps(tmp_path_factory):
    dp = Program(tmp_path_factory.mktemp("helps"))
    return {command: help_options(dp.run(*command.split(), "--help=all", code=0).out) for command in commands(dp)}


# ---------------------------------------------------------------------------------------------- what the man pages say


def plain(line):
    """A line of roff as it is read."""
    line = re.sub(r"^\.(?:BI|BR|IB|IR|RI|RB|B|I|SM)\s+", "", line)
    line = re.sub(r"\\f[A-Z]", "", line.replace("\\-", "-").replace("\\ ", " ").replace('"', "").replace("\\&", ""))
    return re.sub(r"\s+", " ", line).strip()


def tags(page, section):
    """The lines behind .TP in sections whose title matches."""
    found, here = [], False
    lines = (MAN / page).read_text().splitlines()
    for i, line in enumerate(lines):
        if line.startswith(".SH"):
            here = bool(re.fullmatch(section, line[3:].strip().strip('"')))
        elif line == ".TP" and here:
            found.append(plain(lines[i + 1]))
    return found


def man_options(page, section=r"OPTIONS( OF .*)?"):
    """name -> what it takes: None for a flag, "?" where it stands among several of them."""
    options = {}
    for tag in tags(page, section):
        names = re.findall(r"--([a-z0-9-]+)", tag)
        for name in names:
            value = re.sub(r"^(-\w, )?--[a-z0-9-]+ ?", "", tag) if len(names) == 1 else "?"
            options[name] = value or None
    return options


def pages():
    return sorted(path.name for path in MAN.glob("*.1"))


@pytest.mark.parametrize("page", [p for p in pages() if p != "dinopatch.1"])
def test_help_and_man_page_name_the_same_options(helps, page):
    name = page[len("dinopatch-"):-2]
    shown = {}
    for command, (own, _) in helps.items():
        if command.split()[0] == name:
            shown.update(own)
    assert name in {c.split()[0] for c in helps}, f"{page} describes no command"
    told = man_options(page)
    missing, too_many = sorted(set(shown) - set(told)), sorted(set(told) - set(shown))
    assert not missing, f"man/{page}: add a .TP to OPTIONS for --{', --'.join(missing)}"
    assert not too_many, f"man/{page}: 'dinopatch {name} --help' has no --{', --'.join(too_many)}"
    for option, takes in shown.items():
        if told[option] != "?":
            assert told[option] == takes, f"man/{page} says --{option} {told[option]}, --help says --{option}={takes}: make them the same"


def test_run_options_stand_in_the_main_page(helps):
    shown = {}
    for _, run in helps.values():
        shown.update(run)
    told = man_options("dinopatch.1", "RUN OPTIONS")
    assert told == shown, "man/dinopatch.1, RUN OPTIONS, and 'Run options' of --help"


def test_every_command_has_a_page_and_is_named_in_the_main_one(helps):
    text = plain((MAN / "dinopatch.1").read_text())
    for command in {c.split()[0] for c in helps}:
        assert f"dinopatch-{command}.1" in pages()
        assert f"dinopatch-{command} (1)" in text or f"dinopatch-{command}(1)" in text, f"man/dinopatch.1: add {command} to COMMANDS"


def test_every_verb_is_in_the_synopsis(helps):
    for command in helps:
        if " " in command:
            page = f"dinopatch-{command.split()[0]}.1"
            synopsis = plain((MAN / page).read_text().split(".SH SYNOPSIS")[1].split(".SH")[0])
            assert f"dinopatch {command}" in synopsis, f"man/{page}: SYNOPSIS lacks 'dinopatch {command}'"


# ------------------------------------------------------------------------------------------------------- the documents

# Options of other programs that the documents name.
OTHERS = {"suite", "prefix", "amend", "help", "version"} | set("""
    cap-add no-tests-fail num-processes timeout-multiplier wrap-mode reconfigure buildtype runs max-len leak-check error-exitcode
    check no-rebuild list cflags libs anomalydino wrap kind command now resolution preprocess rotation array dependency requeue
    """.split())


def documents():
    files = [ROOT / "README.md", *sorted(ROOT.glob("docs/*.md")), *sorted(ROOT.glob("research/*.md")), *sorted(ROOT.glob("examples/**/*.md")), *sorted(MAN.glob("*.1"))]
    files += [p for p in sorted(ROOT.glob("examples/**/*")) if p.suffix in (".c", ".sh", ".py")]
    return files


def test_no_document_names_an_option_that_does_not_exist(helps):
    known = set(OTHERS)
    for own, run in helps.values():
        known |= set(own) | set(run)
    wrong = []
    for path in documents():
        text = path.read_text().replace("\\-", "-")
        for number, line in enumerate(text.splitlines(), 1):
            others = re.search(r"meson|ninja|make |demo-render|RENDER|libfuzzer|-runs=|pytest|git |gcc|clang|curl |valgrind|mpirun|bench/|scripts/", line)
            for option in re.findall(r"(?<![\w-])--([a-z][a-z0-9-]*[a-z0-9])", line):
                if option not in known and not others:
                    wrong.append(f"{path.relative_to(ROOT)}:{number}: --{option}")
    assert not wrong, "no command has these options:\n" + "\n".join(wrong)


def test_no_document_names_a_command_that_does_not_exist(helps):
    words = {c.split()[0] for c in helps} | {"help", "version"}
    wrong = []
    for path in documents():
        for number, line in enumerate(path.read_text().replace("\\-", "-").splitlines(), 1):
            for a, b in re.findall(r"(?:^|[`'\"$(]|\.B )dinopatch ([a-z]+)(?: ([a-z]+))?", line):
                if a not in words or (a in ("bank", "model") and b and f"{a} {b}" not in helps):
                    wrong.append(f"{path.relative_to(ROOT)}:{number}: dinopatch {a} {b}".rstrip())
    assert not wrong, "there are no such commands:\n" + "\n".join(wrong)


def test_options_stand_with_a_command_that_has_them(helps):
    """Whole command lines in the documents: `dinopatch fit --bank ...`."""
    wrong = []
    for path in documents():
        text = path.read_text().replace("\\-", "-").replace("\\\n", " ")
        for a, b, rest in re.findall(r"^(?:\$ |    |)dinopatch ([a-z]+)(?: ([a-z]+))?([^|#\n;&]*)", text, re.M):
            command = f"{a} {b}" if f"{a} {b}" in helps else a
            if command in helps:
                have = set(helps[command][0]) | set(helps[command][1]) | {"help"}
                wrong += [f"{path.relative_to(ROOT)}: dinopatch {command} --{o}" for o in re.findall(r" --([a-z][a-z0-9-]*)", rest) if o not in have]
    assert not wrong, "these commands have no such options:\n" + "\n".join(wrong)


# ------------------------------------------------------------------------------------------------- what is JSON and CSV


def paths(value, prefix=""):
    """The paths of all fields of a JSON value: align.status, defects[].peak."""
    found = set()
    if isinstance(value, dict):
        for key, inner in value.items():
            here = f"{prefix}.{key}" if prefix else key
            found |= {here} | paths(inner, here)
    elif isinstance(value, list):
        for inner in value:
            if isinstance(inner, (dict, list)):
                found |= paths(inner, prefix + "[]")
    return found


def documented(page, section="JSON"):
    return [name for tag in tags(page, section) for name in re.split(r"[, ]+", tag) if name]


def stands_for(pattern, path):
    """A part in capitals stands for any name."""
    a, b = pattern.split("."), path.split(".")
    return len(a) == len(b) and all(x == y or re.fullmatch(r"[A-Z]+(\[\])?", x) for x, y in zip(a, b))


@pytest.fixture(scope="module")
def printed(tmp_path_factory, woven, rods):
    """Of each man page the fields that its commands print, in runs that print all there is."""
    dp = Program(tmp_path_factory.mktemp("printed"))
    found = {}

    def note(page, *args, code=(0, 1, 3), section="JSON", **kw):
        run = dp.run(*args, code=code, **kw)
        fields = found.setdefault((page, section), set())
        for line in run.lines:
            fields |= paths(line)
        return run

    summary = ["--summary"] if "--summary" in dp.run("inspect", "--help", code=0).out else []
    broken, odd = dp.folder / "broken.png", Path(str(dp.folder / "odd") + "\udcff.png")
    broken.write_bytes(b"no picture")
    save(texture(3), dp.folder / "odd.png").rename(odd)
    note("inspect", "inspect", "--json", *summary, "--bank", woven.bank, "--out", "out", "--explain", woven.new_bad, broken, odd)
    note("inspect", "inspect", "--json", "--bank", rods.bank, rods.new_good, rods.new_bad)
    found_by_features = dp.folder / "features.bank"
    dp.run("fit", "--quiet", "--align", "features", "--out", found_by_features, rods.good, code=0)
    note("inspect", "inspect", "--json", "--bank", found_by_features, rods.new_good)
    note("align", "align", "--json", rods.new_good, broken, odd)
    note("bank", "bank", "info", "--json", woven.bank)
    strange = dp.folder / "strange.bank"
    dp.fit(strange, odd, woven.good / "001.png", woven.good / "002.png")
    note("bank", "bank", "info", "--json", strange)
    note("bank", "bank", "info", "--json", "--suspects", "2", woven.bank, section="JSON OF SUSPECTS")
    ordered = dp.folder / "ordered.bank"
    dp.fit(ordered, woven.good, "--order", "0.5")
    note("bank", "bank", "info", "--json", "--suspects", "2", ordered, section="JSON OF SUSPECTS")
    note("bank", "bank", "info", "--json", "--learning-curve", woven.bank, section="JSON OF LEARNING CURVE")
    note("calibrate", "calibrate", "--json", "--bank", woven.bank, "--dry-run")
    note("calibrate", "calibrate", "--json", "--bank", woven.bank, "--dry-run", "--value", "0.5")
    good, bad = dp.folder / "tune" / "good", dp.folder / "tune" / "bad"
    for i in range(6):
        save(texture(40 + i), good / f"{i}.png")
        save(texture(60 + i, defect=True), bad / f"{i}.png")
    note("calibrate", "calibrate", "--json", "--bank", woven.bank, "--dry-run", "--good", good, "--bad", bad, "--best-f1")
    certified = dp.folder / "certified.bank"
    dp.run("calibrate", "--bank", woven.bank, "--good", good, "--out", certified, code=0)
    note("bank", "bank", "info", "--json", certified)
    dp.run("bank", "add", "--bank", certified, "--region", "0,0,64x64", woven.new_good, code=0)  # the rest does not answer
    dp.run("bank", "quarantine", "--bank", certified, woven.new_bad, code=0)
    note("bank", "bank", "info", "--json", certified)
    note("tune", "tune", "--json", "--bank", woven.bank, "--good", good, "--bad", bad, "--trials", "20", "--out", "tuned.bank", code=(0, 1, 4))
    note("bench", "bench", "--json", "--profile", "--model", MODEL, "--size", "112x112", "--repeat", "1", "--bank", woven.bank)
    note("model", "model", "info", "--json", MODEL, section="JSON OF INFO")
    synthetic = dp.folder / "resnet.safetensors"
    dp.run("model", "synth", "--arch", "resnet18", "--out", synthetic, code=0)
    note("model", "model", "info", "--json", synthetic, section="JSON OF INFO")
    note("model", "model", "list", "--json", section="JSON OF LIST")
    scores = {"scores": [0.1, 0.4, 0.35, 0.8], "labels": [0, 0, 1, 1]}
    maps = {"shape": [2, 2, 2], "maps": [[0, 0.5, 0.1, 0.9], [0.2, 0.1, 0, 0]], "masks": [[0, 1, 0, 1], [0, 0, 0, 0]]}
    (dp.folder / "s.json").write_text(json.dumps({"image_level": {"one": scores}, "pixel_level": maps}))
    note("metrics", "metrics", "--json", "s.json", "--bootstrap", "10")
    note("options", "options", "--json")
    note("lot", "lot", "--json", "--summary", woven.good, broken, odd)
    return found


PRINTING = [("inspect", "JSON"), ("align", "JSON"), ("bank", "JSON"), ("bank", "JSON OF SUSPECTS"), ("bank", "JSON OF LEARNING CURVE"),
            ("calibrate", "JSON"), ("tune", "JSON"),
            ("bench", "JSON"), ("model", "JSON OF INFO"), ("model", "JSON OF LIST"), ("metrics", "JSON"), ("options", "JSON"), ("lot", "JSON")]


@pytest.mark.parametrize("page, section", PRINTING)
def test_every_field_is_documented_and_every_documented_one_printed(printed, page, section):
    fields, told = printed[page, section], documented(f"dinopatch-{page}.1", section)
    assert told, f"man/dinopatch-{page}.1 has no section {section}"
    missing = sorted(f for f in fields if not any(stands_for(t, f) for t in told))
    assert not missing, f"man/dinopatch-{page}.1: add to section {section}, as .TP with their paths: {', '.join(missing)}"
    too_many = sorted(t for t in told if not any(stands_for(t, f) for f in fields))
    assert not too_many, f"man/dinopatch-{page}.1, section {section}: no run of this test prints {', '.join(too_many)}"


def test_every_command_with_json_is_tried(helps):
    # test_23_watch compares watch with inspect, tests/service compares results with the service.
    tried = {page for page, _ in PRINTING} | {"watch", "results"}
    for command, (own, _) in helps.items():
        if "json" in own and own["json"] is None:
            assert command.split()[0] in tried, f"dinopatch {command} --json: add it to `printed` and PRINTING"


def test_csv_columns_are_documented(dp, woven):
    heading = dp.run("inspect", "--csv", "--bank", woven.bank, woven.new_good, code=0).out.splitlines()[0]
    told = documented("dinopatch-inspect.1", "CSV")
    assert told == heading.split(","), f"man/dinopatch-inspect.1, section CSV: name the columns in their order, a .TP each: {heading}"


def test_what_eval_leaves_in_its_folder_is_documented(dp):
    """Its fields and columns are named in the text of its page."""
    for split, name, first, kw in (("train", "good", 1, {}), ("test", "good", 11, {}), ("test", "hole", 21, {"defect": True})):
        for i in range(3):
            save(texture(first + i, **kw), dp.folder / "set" / split / name / f"{i}.png")
    for i in range(3):
        mask = np.zeros((160, 160), np.uint8)
        mask[53:85, 53:85] = 255
        save(mask, dp.folder / "set" / "ground_truth" / "hole" / f"{i}_mask.png")
    dp.run("eval", "--model", MODEL, "--align", "none", "--canvas", "112x112", "--out", "e", "set", code=0)
    text = " ".join(map(plain, (MAN / "dinopatch-eval.1").read_text().splitlines()))
    metrics, = json.loads((dp.folder / "e" / "metrics.json").read_text()).values()
    assert {"image_auroc", "pixel_auroc", "aupro_30"} <= set(metrics)
    missing = [field for field in metrics if not re.search(rf"\b{field}\b", text)]
    assert not missing, f"man/dinopatch-eval.1: say what these fields of metrics.json are: {', '.join(missing)}"
    columns = (dp.folder / "e" / "scores.csv").read_text().splitlines()[0].replace(",", ", ")
    assert f"scores.csv holds {columns};" in text
    missing = [path.name for path in (dp.folder / "e").iterdir() if not path.name.startswith(".") and path.name not in text]
    assert not missing, f"man/dinopatch-eval.1: say what these are: {', '.join(missing)}"


# --------------------------------------------------------------------------------------------------------- one and many

MANY = re.compile(r"(?<![\d.,/])1 (?:[a-z-]+ )?(?:pictures|rows|features|trials|folds|centres|defects|categories|files|folders|cells|threads|blocks|layers|scores|seeds|"
                  r"places|masks|parts|neighbours|components|banks|points)\b")


def test_one_is_not_many(dp, woven, copy):
    one = save(texture(5), dp.folder / "one" / "a.png")
    two = dp.folder / "two"
    for i in range(2):
        save(texture(7 + i), two / f"{i}.png")
    broken = dp.folder / "broken.png"
    broken.write_bytes(b"no picture")
    runs = [
        dp.fit("one.bank", one.parent), dp.fit("two.bank", two), dp.fit("three.bank", two, broken, code=(0, 1, 4)),
        dp.fit("none.bank", broken, code=4), dp.fit("one.bank2", woven.good / "000.png", "--shots", "1"),
        dp.run("bank", "info", "one.bank"), dp.run("bank", "info", "--suspects", "1", "two.bank"),
        dp.run("bank", "add", "--bank", "one.bank", woven.good / "003.png"),
        dp.run("bank", "add", "--bank", "one.bank", woven.good / "003.png"),
        dp.run("bank", "remove", "--bank", "two.bank", "0.png"), dp.run("bank", "remove", "--bank", "two.bank", "1.png"),
        dp.run("bank", "merge", "one.bank", "two.bank", "--out", "both.bank"),
        dp.run("calibrate", "--bank", "two.bank", "--dry-run"), dp.run("calibrate", "--bank", "one.bank", "--dry-run", "--fpr", "0.3"),
        dp.run("inspect", "--bank", woven.bank, woven.new_good), dp.run("inspect", "--bank", woven.bank, woven.new_bad, broken),
        dp.run("bank", "compress", "--kmeans", "1", woven.bank, "--out", "k.bank"), dp.run("bank", "info", "k.bank"),
        dp.run("bank", "compress", "--pca", "1", woven.bank, "--out", "p.bank"), dp.run("bank", "info", "p.bank"),
        dp.run("tune", "--bank", woven.bank, "--good", one, "--bad", woven.new_bad, "--trials", "1", "--dry-run"),
        dp.run("bench", "--model", MODEL, "--size", "112x112", "--repeat", "1", "--threads", "1"),
        dp.run("align", woven.new_good),
    ]
    wrong = [f"{' '.join(run.args[1:4])}: {line}" for run in runs for line in (run.out + run.err).splitlines() if MANY.search(line)]
    assert not wrong, "\n".join(wrong)


def test_one_in_eval_and_report(dp):
    for split, name, seed, kw in (("train", "good", 1, {}), ("train", "good", 2, {}), ("test", "good", 3, {}), ("test", "hole", 4, {"defect": True})):
        save(texture(seed, **kw), dp.folder / "set" / split / name / f"{seed}.png")
    run = dp.run("eval", "--model", MODEL, "--align", "none", "--canvas", "112x112", "--out", "e", "set", code=(0, 1))
    report = dp.run("report", "e", code=0)
    text = run.out + run.err + report.out + report.err + re.sub(r"<[^>]*>", "", (dp.folder / "e" / "report.html").read_text())
    wrong = [line for line in text.splitlines() if MANY.search(line)]
    assert not wrong, "\n".join(wrong)


# ---------------------------------------------------------------------------------------------------------- did you mean


@pytest.mark.parametrize("args, meant", [
    (["fitt"], "fit"), (["inpsect"], "inspect"), (["calibrat"], "calibrate"), (["evaluate"], "eval"), (["bnak"], "bank"), (["Fit"], "fit"),
    (["help", "fti"], "fit"), (["bank", "inf"], "info"), (["bank", "mrege"], "merge"), (["model", "pul"], "pull"), (["model", "synthesise"], "synth"),
    (["fit", "--modle", "x"], "--model"), (["inspect", "--treshold", "1"], "--threshold"), (["inspect", "--fail-on-anomalies"], "--fail-on-anomaly"),
    (["fit", "--knnn=3"], "--knn"), (["eval", "--repot"], "--report"), (["fit", "-bank", "x"], "--bank"),
    (["fit", "--score", "top1"], "top1p"), (["fit", "--align", "PCA"], "pca"), (["fit", "--precision", "int4"], "int8"),
    (["fit", "--metric=cosin"], "cosine"), (["fit", "--method", "anomaly"], "anomalydino"),
    (["inspect", "--bank", "x", "--roi", "m.png", "--roi-frame", "objekt", "p.png"], "object"),
])
def test_a_slip_is_told_what_may_have_been_meant(dp, args, meant):
    run = dp.run(*args, code=2)
    assert f"did you mean {meant}?" in run.err, run
    assert re.search(r"Try 'dinopatch( \w+)* --help'\.", run.err), run
    assert run.out == ""


@pytest.mark.parametrize("args", [["paint"], ["fit", "--colour", "red"], ["bank", "xyzzy"], ["model", "zzz"], ["fit", "--score", "qqqqq"], ["-x"], ["--nothing"]])
def test_what_is_far_from_everything_is_told_what_there_is(dp, args):
    run = dp.run(*args, code=2)
    assert "did you mean" not in run.err
    assert args[-1].lstrip("-") in run.err or "colour" in run.err
    assert "--help" in run.err


def test_help_of_everything_is_on_standard_output(dp, helps):
    for command in [*helps, "bank", "model"]:
        run = dp.run(*command.split(), "--help", code=0)
        assert run.out.startswith("Usage:") and run.err == ""
    assert dp.run("help", "bank", code=0).out == dp.run("bank", "--help", code=0).out
