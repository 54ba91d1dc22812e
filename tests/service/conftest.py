# SPDX-License-Identifier: Apache-2.0
"""What the tests of the service share: a started service on a free port, a bank, a client.

Nothing here waits for a fixed time: a test waits for what the service says (its URL, a job's end, a count).
"""

import importlib.util
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import requests

# Pictures and program as in the product tests, and the lines that count-tests.awk counts.
_spec = importlib.util.spec_from_file_location("product", Path(__file__).resolve().parent.parent / "product" / "conftest.py")
product = sys.modules["product"] = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(product)
Program, environment, save, texture, textures = (getattr(product, name) for name in (
    "Program", "environment", "save", "texture", "textures"))
pytest_runtest_logreport = product.pytest_runtest_logreport

DINOPATCH = os.environ["DINOPATCH"]
LONG_S = 120  # for what never takes so long


class Service:
    """One started `dinopatch serve`."""

    def __init__(self, data, *options, env=None, before=()):
        self.data = Path(data)
        self.log = self.data.parent / f"{self.data.name}.log"
        self.session = requests.Session()
        self.session.trust_env = False
        command = [*before, DINOPATCH, "serve", "--data", str(data), "--no-times", "--log-level", "debug", *map(str, options)]
        if "--listen" not in command:
            command += ["--listen", "127.0.0.1:0"]
        self.log_file = open(self.log, "ab")
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=self.log_file,
                                        env=environment(self.data.parent, **(env or {})))
        self.url = self.process.stdout.readline().decode().strip()
        assert self.url, f"the service did not begin: {self.log.read_text()}"
        self.host, port = self.url.split("://")[1].rsplit(":", 1)
        self.port = int(port)

    def ask(self, method, path, status=None, **kw):
        kw.setdefault("timeout", LONG_S)
        answer = self.session.request(method, self.url + path, **kw)
        if status:
            statuses = (status,) if isinstance(status, int) else status
            assert answer.status_code in statuses, f"{method} {path}: {answer.status_code} {answer.text[:500]}"
        if answer.status_code >= 400 and method != "HEAD":
            problem(answer)
        return answer

    def get(self, path, status=200, **kw):
        return self.ask("GET", path, status, **kw)

    def post(self, path, status=200, **kw):
        return self.ask("POST", path, status, **kw)

    def inspect(self, bank, picture, status=200, **query):
        query.setdefault("name", Path(picture).name)
        return self.post(f"/v1/banks/{bank}/inspect", status, params=query, data=Path(picture).read_bytes())

    def fit(self, bank, pictures, state="done", **options):
        """A bank of these pictures; returns its job at the end."""
        files = [("pictures", (Path(p).name, Path(p).read_bytes())) for p in pictures]
        answer = self.post(f"/v1/banks/{bank}", 202, files=files, data=options)
        assert answer.headers["Location"] == f"/v1/jobs/{answer.json()['id']}"
        return self.wait(answer.json()["id"], state)

    def wait(self, job, state="done"):
        """Follows the job's events to their end."""
        last = None
        with self.session.get(f"{self.url}/v1/jobs/{job}/events", stream=True, timeout=LONG_S) as answer:
            assert answer.status_code == 200 and answer.headers["Content-Type"] == "text/event-stream"
            for line in answer.iter_lines():
                if line.startswith(b"data: "):
                    last = json.loads(line[6:])
        assert last and last["state"] == state, f"{last}\n{self.log.read_text()}"
        return last

    def stop(self, signal_number=signal.SIGTERM, code=0):
        """Ends it, or with None waits for an end that is on its way."""
        if signal_number and self.process.poll() is None:
            self.process.send_signal(signal_number)
        left = self.process.wait(timeout=LONG_S)
        self.process.stdout.close()
        self.log_file.close()
        self.session.close()
        if code is not None:
            assert left == code, f"exit code {left}\n{self.log.read_text()}"
        return left


def problem(answer):
    """What every error is: a problem document with a sentence."""
    assert answer.headers["Content-Type"] == "application/problem+json", answer.text
    document = answer.json()
    assert document["status"] == answer.status_code and document["title"] and len(document["detail"]) > 10
    return document


def until(condition, what, seconds=LONG_S):
    """Waits until the condition holds."""
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, f"{what}: not within {seconds} s"
        time.sleep(0.02)


@pytest.fixture
def start(tmp_path):
    """Starts services that end with the test."""
    started = []

    def start(*options, data=None, **kw):
        started.append(Service(data or tmp_path / "data", *options, **kw))
        return started[-1]
    yield start
    for service in started:
        if service.process.poll() is None:
            service.stop(signal.SIGKILL, code=None)


@pytest.fixture(scope="session")
def world(tmp_path_factory):
    """A running service with the bank `woven`, its pictures, and new ones; tests read it and add results."""
    folder = tmp_path_factory.mktemp("world")
    good = textures(folder / "good", 12)
    service = Service(folder / "data", "--keep", "all")
    service.fit("woven", good)
    service.folder = folder
    service.good = good
    service.new_good = save(texture(104), folder / "new" / "good.png")
    service.new_bad = save(texture(101, defect=True), folder / "new" / "bad.png")
    yield service
    service.stop()


@pytest.fixture(scope="session")
def bank_file(world):
    return world.data / "banks" / "woven.bank"


@pytest.fixture
def ready(start, tmp_path, bank_file):
    """Starts a service of its own that has the bank already."""
    def ready(*options, **kw):
        banks = tmp_path / "data" / "banks"
        banks.mkdir(parents=True, exist_ok=True)
        (banks / "woven.bank").write_bytes(bank_file.read_bytes())
        return start(*options, **kw)
    return ready
