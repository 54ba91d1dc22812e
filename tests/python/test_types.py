# SPDX-License-Identifier: Apache-2.0
"""A user's script passes mypy --strict, and a wrong one does not."""

import importlib.util
import subprocess
import sys

import pytest

RIGHT = """
from pathlib import Path
import numpy as np
import dinopatch as dp

bank: dp.Bank = dp.fit([np.zeros((8, 8, 3), np.uint8), Path("a.png")], "nano", threads=2, size=96, search_knn=2, align="none", layers=[2, 3])
bank = bank.add("more/").merge(dp.open("b.bank")).remove(["a.png"]).calibrate(0.02)
result: dp.Result = bank.inspect("new.png")
if result.map is not None:
    peak: float = float(result.map.max())
for it in bank.inspect_many(Path(name) for name in ("a.png", "b.png")):
    label: str | None = it.label
    boxes: list[tuple[float, float, float, float]] = [defect.box for defect in it.defects]
bank.save(Path("c.bank"), overwrite=True)
print(bank.info().threshold, bank.rates()[0].expected)
"""


def mypy(folder, text):
    if importlib.util.find_spec("mypy") is None:
        pytest.skip("mypy is missing (Debian: mypy)")
    (folder / "script.py").write_text(text)
    return subprocess.run([sys.executable, "-m", "mypy", "--strict", "--cache-dir", str(folder / "cache"), "script.py"], cwd=folder,
                          capture_output=True, text=True)


def test_strict(tmp_path):
    done = mypy(tmp_path, RIGHT)
    assert done.returncode == 0, done.stdout
    for wrong in ("result.scores", "bank.inspect('a').map.max()", "dp.fit('a', threads='2')", "bank.save(3)"):
        assert mypy(tmp_path, RIGHT + wrong + "\n").returncode == 1, wrong
