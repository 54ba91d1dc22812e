# SPDX-License-Identifier: Apache-2.0
"""Both columns of the migration page of docs/python.md run: anomalib's calls and ours, on the same pictures. Needs anomalib."""

import json
import logging
import os
import subprocess
import sys
import warnings
from pathlib import Path

import numpy as np
import pytest

import dinopatch as dp

pytest.importorskip("anomalib", reason="anomalib is missing (PyPI: anomalib, several GB)")


@pytest.fixture(scope="module")
def theirs(drawn, tmp_path_factory):
    """The left column, to its predictions."""
    warnings.filterwarnings("ignore")
    logging.disable(logging.WARNING)
    from anomalib.data import Folder
    from anomalib.engine import Engine
    from anomalib.models import Patchcore

    datamodule = Folder(name="screw", root=drawn, normal_dir="train/good", abnormal_dir="test/neck_scratch", normal_test_dir="test/good",
                        train_batch_size=4, eval_batch_size=4, num_workers=0)
    model = Patchcore(backbone="resnet18", layers=("layer2", "layer3"), pre_trained=False, coreset_sampling_ratio=0.1, num_neighbors=9)
    engine = Engine(accelerator="cpu", logger=False, enable_progress_bar=False, default_root_dir=tmp_path_factory.mktemp("anomalib"))
    engine.fit(model=model, datamodule=datamodule)
    return engine.predict(model=model, data_path=drawn / "test" / "good", return_predictions=True)


def test_what_predictions_have(theirs, bank, drawn):
    prediction = theirs[0]
    results = list(bank.inspect_many(drawn / "test" / "good"))
    assert sum(len(batch.pred_score) for batch in theirs) == len(results)
    assert prediction.anomaly_map.shape[-2:] and prediction.pred_mask.shape[-2:] == prediction.anomaly_map.shape[-2:]
    for result in results:
        mask = result.map > result.cell_threshold
        assert np.isfinite(result.score) and mask.shape == result.map.shape


def test_the_method_by_our_call(drawn, tmp_path):
    network = tmp_path / "resnet18.safetensors"
    subprocess.run([os.environ["DINOPATCH"], "model", "synth", "--arch", "resnet18", "--out", network], check=True, capture_output=True)
    bank = dp.fit(drawn / "train" / "good", network, method="patchcore", bank_coreset=0.1, score_reweight=9)
    assert all(np.isfinite(result.score) for result in bank.inspect_many(drawn / "test" / "good"))


def test_the_comparison_of_cost(drawn, tmp_path):
    script = Path(__file__).resolve().parents[2] / "bench" / "peer_anomalib.py"
    out = tmp_path / "cost.json"
    done = subprocess.run([sys.executable, script, drawn, "--good", "4", "--new", "3", "--rounds", "1", "--program", os.environ["DINOPATCH"],
                           "--json", out], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    table = {row["peer"]: row for row in json.loads(out.read_text())["table"]}
    assert set(table) == {"anomalib", "patchcore", "auto"} and all(row["wall_s"] > 0 and row["peak_mb"] > 10 for row in table.values())
