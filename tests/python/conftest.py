# SPDX-License-Identifier: Apache-2.0
"""What the tests of the Python package share: drawn pictures, and a bank of them."""

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import settings
from PIL import Image

import dinopatch as dp

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
from outcomes import pytest_runtest_logreport  # noqa: E402,F401

settings.register_profile("ours", deadline=None, derandomize=True, max_examples=25)
settings.load_profile("ours")


@pytest.fixture(scope="session")
def drawn(tmp_path_factory):
    """Pictures of screws, 160x160: train/good, test/good and folders of defects."""
    folder = tmp_path_factory.mktemp("drawn")
    subprocess.run([os.environ["RENDER"], str(folder), "--set", "screw", "--size", "160", "--train", "8", "--good", "3", "--bad", "6"],
                   check=True, capture_output=True)
    return folder / "screw"


@pytest.fixture(scope="session")
def good_files(drawn):
    return sorted((drawn / "train" / "good").glob("*.png"))


@pytest.fixture(scope="session")
def test_files(drawn):
    return sorted((drawn / "test").glob("*/*.png"))


def read(path):
    return np.asarray(Image.open(path))


@pytest.fixture(scope="session")
def good(good_files):
    """[height, width, 3] of each."""
    return [read(path) for path in good_files]


@pytest.fixture(scope="session")
def new(test_files):
    return [read(path) for path in test_files]


@pytest.fixture(scope="session")
def bank(good):
    return dp.fit(good, align="none", size=96)


def same(a, b):
    """Two results, bit for bit."""
    assert (a.label, a.reason) == (b.label, b.reason)
    assert np.array_equal([a.score, a.threshold, a.p_value, a.cell_threshold], [b.score, b.threshold, b.p_value, b.cell_threshold], equal_nan=True)
    assert (a.map is None) == (b.map is None)
    assert a.map is None or np.array_equal(a.map, b.map)
    assert [(d.box, d.area_px, d.peak) for d in a.defects] == [(d.box, d.area_px, d.peak) for d in b.defects]
    return True
