# SPDX-License-Identifier: Apache-2.0
"""openapi.json describes what the service does: every route, every answer."""

import importlib.util
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

HERE = Path(__file__).resolve().parent
SOURCE = HERE.parent.parent / "cli" / "service"


def test_each_route_is_described(world):
    document = world.get("/openapi.json").json()
    described = {(method.upper(), re.sub(r"\{[a-z]+\}", "{}", path)) for path, operations in document["paths"].items()
                 for method in operations}
    routes = set(re.findall(r'\{"([A-Z]+)", "(/[^"]*)"', (SOURCE / "routes.c").read_text()))
    assert routes == described
    queries = {(m, p): set((q or "").split()) for m, p, q in
               re.findall(r'\{"([A-Z]+)", "(/[^"]*)", \w+,\s+(?:NULL|"([^"]*)")', (SOURCE / "routes.c").read_text())}
    for path, operations in document["paths"].items():
        for method, operation in operations.items():
            parameters = [document["components"]["parameters"][p["$ref"].rsplit("/", 1)[1]] if "$ref" in p else p
                          for p in operation.get("parameters", [])]
            said = {p["name"] for p in parameters if p["in"] == "query"}
            assert said == queries[method.upper(), re.sub(r"\{[a-z]+\}", "{}", path)], path


def test_the_document_is_valid(world):
    validator = pytest.importorskip("openapi_spec_validator", reason="it is missing: scripts/test-venv.sh installs it")
    validator.validate(world.get("/openapi.json").json())


def test_schemathesis_finds_nothing(ready, tmp_path):
    if not importlib.util.find_spec("schemathesis"):
        pytest.skip("schemathesis is missing: scripts/test-venv.sh installs it")
    service = ready("--keep", "all")
    from conftest import save, texture
    service.inspect("woven", save(texture(7, defect=True), tmp_path / "bad.png"))
    run = subprocess.run([sys.executable, "-m", "schemathesis.cli", "--config-file", HERE / "schemathesis.toml", "run",
                          service.url + "/openapi.json", "--max-examples", os.environ.get("EXAMPLES", "4"), "--seed", "1",
                          "--no-color", "--workers", "1", "--request-timeout", "60"],
                         cwd=tmp_path, capture_output=True, text=True, timeout=900)
    assert run.returncode == 0, run.stdout[-6000:] + run.stderr[-2000:]
    service.stop()
    assert "error" not in service.log.read_text().replace("error: bank", "")
