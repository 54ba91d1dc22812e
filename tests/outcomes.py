# SPDX-License-Identifier: Apache-2.0
"""Prints the lines that scripts/count-tests.awk counts: a conftest.py imports the hook."""

import sys

_outcomes = {}


def pytest_runtest_logreport(report):
    """Prints one pair of lines for a test that is over. Tests run side by side, and the lines of two must not mix."""
    if report.skipped:
        reason = report.longrepr[2] if isinstance(report.longrepr, tuple) else report.longrepr
        _outcomes[report.nodeid] = ("  SKIPPED ", f"{reason}\n")
    elif report.failed:
        _outcomes[report.nodeid] = ("  FAILED  ", "")
    if report.when == "teardown":
        outcome, reason = _outcomes.get(report.nodeid, ("       OK ", ""))
        sys.__stdout__.write(f"\n[ RUN      ] {report.nodeid}\n{reason}[{outcome}] {report.nodeid}\n")
        sys.__stdout__.flush()
