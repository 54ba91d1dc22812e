# SPDX-License-Identifier: Apache-2.0
"""python -m dinopatch: fit and inspect, as the program does, of picture files that Pillow reads.

Exit codes: 0 done; 1 some pictures failed; 2 usage; 3 with --fail-on-anomaly a picture is not good; 4 the job failed.
"""

from __future__ import annotations

import argparse
import collections
import json
import logging
import os
import sys
from collections.abc import Iterator
from typing import Optional

from . import DinopatchError, __version__, fit
from . import open as open_bank
from ._pictures import folder

DONE, SOME_FAILED, ANOMALY, JOB_FAILED = 0, 1, 3, 4


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m dinopatch", description="Finds defects in pictures after seeing only good ones.")
    parser.add_argument("--version", action="version", version=f"dinopatch {__version__}")
    verbs = parser.add_subparsers(dest="verb", required=True)
    learn = verbs.add_parser("fit", help="a bank from pictures of good parts")
    learn.add_argument("good", nargs="+", metavar="GOOD", help="picture files or folders")
    learn.add_argument("--out", metavar="FILE.bank", help="the bank (default: beside the first folder, by its name)")
    learn.add_argument("--model", default="nano", help="the network: nano, a checkpoint file, or the name of one that was pulled")
    learn.add_argument("--set", action="append", default=[], metavar="KEY=VALUE", help="an option of the table, again and again")
    learn.add_argument("--threads", type=int, default=0, help="0: one for each processor")
    learn.add_argument("--allow-few", action="store_true", help="a bank of fewer than 90 %% of the pictures is no failure")
    learn.add_argument("--overwrite", action="store_true", help="replace the bank if it is there")
    judge = verbs.add_parser("inspect", help="judge pictures by a bank")
    judge.add_argument("pictures", nargs="+", metavar="PICTURES", help="picture files or folders")
    judge.add_argument("--bank", required=True, help="what fit wrote")
    judge.add_argument("--model", default=None, help="the network (default: the bank's)")
    judge.add_argument("--json", action="store_true", help="one JSON object a picture")
    judge.add_argument("--fail-on-anomaly", action="store_true", help="exit 3 if a picture is not good")
    judge.add_argument("--workers", type=int, default=None, help="pictures at once (default: one for each processor)")
    return parser


def _files(paths: list[str]) -> Iterator[str]:
    for path in paths:
        yield from folder(path) if os.path.isdir(path) else [path]


def _line(text: str) -> str:
    """One line that any terminal takes, whatever bytes the names hold."""
    return "".join(c if c.isprintable() else "?" for c in text)


def _fit(asked: argparse.Namespace) -> int:
    out = asked.out or os.path.normpath(asked.good[0]) + ".bank"
    options = {}
    for pair in asked.set:
        key, equals, value = pair.partition("=")
        if not equals:
            print(f"dinopatch: --set {pair}: give KEY=VALUE", file=sys.stderr)
            return 2
        options[key] = value
    if os.path.lexists(out) and not asked.overwrite:
        print(f"dinopatch: {out}: is there already; choose another name with --out or pass --overwrite", file=sys.stderr)
        return JOB_FAILED
    bank = fit(list(_files(asked.good)), asked.model, threads=asked.threads, allow_few=asked.allow_few, **options)
    bank.save(out, overwrite=asked.overwrite)
    for choice in bank.info().choices:
        print(f"{choice.option} {choice.value}: {choice.reason}")
    print(f"{out}: {len(bank)} good pictures, threshold {bank.threshold:.6g}")
    return SOME_FAILED if bank.left_out else DONE


def _inspect(asked: argparse.Namespace) -> int:
    bank = open_bank(asked.bank, model=asked.model)
    count: collections.Counter[Optional[str]] = collections.Counter()
    failed = 0
    for result in bank.inspect_many(_files(asked.pictures), asked.workers):
        count[result.label] += 1
        failed += result.error is not None
        if asked.json:
            print(json.dumps(result.to_dict(), allow_nan=False))
        else:
            print(_line(f"{result.name}  {result.label or 'no threshold'}  {result.score:.6g}" + (f"  {result.reason}" if result.reason else "")))
    print(f"{sum(count.values())} pictures: {count['good']} good, {count['anomalous']} anomalous, {count['not_inspected']} not inspected",
          file=sys.stderr)
    if asked.fail_on_anomaly and sum(count.values()) > count["good"]:
        return ANOMALY
    return SOME_FAILED if failed else DONE


def main(arguments: Optional[list[str]] = None) -> int:
    logging.basicConfig(format="dinopatch: %(message)s", level=logging.WARNING)
    asked = _parser().parse_args(arguments)
    try:
        return _fit(asked) if asked.verb == "fit" else _inspect(asked)
    except DinopatchError as fault:
        print(f"dinopatch: {fault}", file=sys.stderr)
        return JOB_FAILED
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return JOB_FAILED
    except KeyboardInterrupt:
        return 130


if __name__ == "__main__":
    sys.exit(main())
