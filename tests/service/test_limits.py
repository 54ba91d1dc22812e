# SPDX-License-Identifier: Apache-2.0
"""Who may ask, how much and how slowly; and what the service does when it is told to end, or killed."""

import http.client
import os
import signal
import socket
import sqlite3
import ssl
import subprocess
import threading
from pathlib import Path

import pytest
import requests

from conftest import DINOPATCH, LONG_S, environment, problem, save, textures, texture, until

TOKEN = "0123456789abcdef0123456789abcdef"


def raw(service, request, answer=True):
    """Sends bytes and returns what comes back until the end."""
    with socket.create_connection((service.host, service.port), timeout=LONG_S) as s:
        s.sendall(request)
        if not answer:
            return b""
        got = b""
        while chunk := s.recv(65536):
            got += chunk
        return got


# -------------------------------------------------------------------------------------------------------- who may ask


@pytest.mark.parametrize("host,status", [("localhost", 200), ("127.0.0.1:1", 200), ("[::1]:80", 200), ("192.168.0.7", 200),
                                         ("evil.example", 421), ("localhost.evil.example", 421), ("127.0.0.1.evil.com", 421),
                                         ("", 421), ("[::1", 421), ("line.example", 200), ("LINE.example:443", 200)])
def test_the_host_must_be_ours(ready, host, status):
    service = ready("--host", "line.example")
    service.get("/v1/banks", status, headers={"Host": host})


def test_a_request_without_a_host(world):
    assert b" 400 " in raw(world, b"GET /v1/banks HTTP/1.1\r\nConnection: close\r\n\r\n").split(b"\r\n")[0]


@pytest.mark.parametrize("twice", ["Host: evil.example", "Content-Length: 4", "Transfer-Encoding: chunked"])
def test_headers_that_two_might_read_differently(world, twice):
    head = f"POST /v1/banks/woven/inspect HTTP/1.1\r\nHost: localhost\r\nContent-Length: 3\r\n{twice}\r\nConnection: close\r\n\r\nabc"
    assert b" 400 " in raw(world, head.encode()).split(b"\r\n")[0]


@pytest.mark.parametrize("origin,passes", [(None, True), ("self", True), ("http://evil.example", False), ("null", False),
                                           ("http://127.0.0.1:1", False), ("https://localhost", False)])
def test_other_sites_cannot_post(world, origin, passes):
    headers = {} if origin is None else {"Origin": world.url if origin == "self" else origin}
    answer = world.post("/v1/banks/woven/inspect", 200 if passes else 403, data=world.new_good.read_bytes(), headers=headers,
                        params={"record": "no"})
    assert passes or "site" in answer.json()["detail"]
    world.ask("DELETE", "/v1/jobs/999", 404 if passes else 403, headers=headers)
    world.get("/v1/banks", headers=headers)  # reading is held back by the browser: there is no CORS header
    assert not any(h.lower().startswith("access-control") for h in answer.headers)


def test_sec_fetch_site(world):
    for site, status in (("cross-site", 403), ("same-site", 403), ("same-origin", 404), ("none", 404)):
        world.ask("DELETE", "/v1/jobs/999", status, headers={"Sec-Fetch-Site": site})


def test_the_token(ready, tmp_path):
    file = tmp_path / "token"
    file.write_text(TOKEN + "\n")
    service = ready("--token-file", file)
    for given in (None, "Bearer x", "Bearer " + TOKEN[:-1], "Bearer " + TOKEN + "0", "Basic " + TOKEN, "Bearer"):
        answer = service.get("/v1/banks", 401, headers={"Authorization": given} if given else {})
        assert answer.headers["WWW-Authenticate"] == "Bearer"
        service.post("/v1/banks/woven/inspect", 401, data=b"x", headers={"Authorization": given} if given else {})
        service.get("/nothing", 401, headers={"Authorization": given} if given else {})
    for path in ("/healthz", "/openapi.json", "/v2/health/live", "/v2/health/ready"):
        service.get(path)
    service.get("/metrics", 401)
    service.get("/v1/banks", headers={"Authorization": "Bearer " + TOKEN})
    service.get("/v1/banks", headers={"Authorization": "bearer " + TOKEN})


def refuses_to_start(tmp_path, *options):
    run = subprocess.run([DINOPATCH, "serve", "--data", tmp_path / "d", *map(str, options)], capture_output=True,
                         env=environment(tmp_path), timeout=LONG_S)
    assert run.returncode in (2, 4) and not run.stdout, run
    return run.stderr.decode()


def test_what_it_refuses_to_start_with(tmp_path, world):
    short = tmp_path / "short"
    short.write_text("secret\n")
    assert "--token-file" in refuses_to_start(tmp_path, "--listen", "0.0.0.0:0")
    assert "--token-file" in refuses_to_start(tmp_path, "--listen", "[::]:0")
    assert "16" in refuses_to_start(tmp_path, "--token-file", short)
    assert "No such file" in refuses_to_start(tmp_path, "--token-file", tmp_path / "none")
    assert "another program" in refuses_to_start(tmp_path, "--listen", f"127.0.0.1:{world.port}")
    assert "ADDRESS:PORT" in refuses_to_start(tmp_path, "--listen", "8080")
    assert "go together" in refuses_to_start(tmp_path, "--cert", short)
    assert "HTTPS" in refuses_to_start(tmp_path, "--cert", short, "--key", short, "--listen", "127.0.0.1:0")
    assert "--data is missing" in subprocess.run([DINOPATCH, "serve"], capture_output=True).stderr.decode()


def test_one_service_uses_a_folder(world, tmp_path):
    run = subprocess.run([DINOPATCH, "serve", "--data", world.data, "--listen", "127.0.0.1:0"], capture_output=True,
                         env=environment(tmp_path), timeout=LONG_S)
    assert run.returncode == 4 and b"another service" in run.stderr


def test_tls(ready, tmp_path):
    made = subprocess.run(["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=localhost",
                           "-addext", "subjectAltName=IP:127.0.0.1", "-keyout", tmp_path / "key.pem", "-out",
                           tmp_path / "cert.pem"], capture_output=True)
    assert made.returncode == 0, made.stderr
    service = ready("--cert", tmp_path / "cert.pem", "--key", tmp_path / "key.pem")
    assert service.url.startswith("https://")
    service.session.verify = str(tmp_path / "cert.pem")
    assert service.get("/v1/banks").json()["banks"][0]["name"] == "woven"
    with pytest.raises((requests.ConnectionError, ssl.SSLError)):
        requests.get(service.url.replace("https", "http") + "/healthz", timeout=LONG_S)


# ------------------------------------------------------------------------------------------------- how much, how slowly


def test_methods_and_paths(world):
    answer = world.ask("DELETE", "/v1/banks", 405)
    assert answer.headers["Allow"] == "GET"
    assert set(world.ask("PATCH", "/v1/banks/woven", 405).headers["Allow"].split(", ")) == {"GET", "POST", "DELETE"}
    for path in ("/", "/v1", "/v1/banks/", "/v1//banks", "/etc/passwd", "/v1/banks/woven/inspect/x", "/../etc/passwd", "/%00"):
        problem(world.session.get(world.url + path, timeout=LONG_S)) if path != "/" else None
        assert world.session.get(world.url + path, timeout=LONG_S).status_code in (404, 200 if path == "/" else 404)
    head = world.ask("HEAD", "/v1/banks", 200)
    assert not head.content and int(head.headers["Content-Length"]) > 10


def test_a_body_that_is_too_large(ready):
    service = ready("--max-body", "10k", "--max-upload", "20k")
    document = problem(service.post("/v1/banks/woven/inspect", 413, data=bytes(10001)))
    assert "--max-body" in document["detail"]
    problem(service.post("/v1/banks/new", 413, files=[("p", ("a.png", bytes(30000)))]))
    # Without a length: the connection ends.
    with pytest.raises((requests.ConnectionError, http.client.HTTPException)):
        requests.post(service.url + "/v1/banks/woven/inspect", data=(bytes(4096) for _ in range(100)), timeout=LONG_S)
    service.get("/healthz")
    problem(service.post("/v1/banks/woven/inspect", 422, data=bytes(10000)))


def test_half_open_and_slow_connections_starve_nobody(ready):
    service = ready("--connections", "16")
    slow = []
    for i in range(40):  # more than there are places: heads that never end, bodies that never come
        s = socket.create_connection((service.host, service.port), timeout=LONG_S)
        s.sendall([b"", b"GET /v1/banks HTTP/1.1\r\nHost: loc",
                   b"POST /v1/banks/woven/inspect HTTP/1.1\r\nHost: localhost\r\nContent-Length: 50000\r\n\r\nabc"][i % 3])
        slow.append(s)
    for _ in range(5):
        answer = requests.get(service.url + "/healthz", timeout=10)
        assert answer.status_code == 200
    text = requests.get(service.url + "/metrics", timeout=10).text
    assert int(text.split("dinopatch_slow_connections_total ")[1].split()[0]) >= 24
    for s in slow:
        s.close()


def test_a_full_queue_says_when_to_come_back(ready, world):
    service = ready("--workers", 1, "--queue", 1)
    picture, answers = world.new_bad.read_bytes(), []

    def post():
        answers.append(requests.post(service.url + "/v1/banks/woven/inspect", data=picture, timeout=LONG_S))
    threads = [threading.Thread(target=post) for _ in range(16)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    statuses = sorted(a.status_code for a in answers)
    assert set(statuses) == {200, 429}
    for answer in answers:
        if answer.status_code == 429:
            assert 1 <= int(answer.headers["Retry-After"]) <= 60 and problem(answer)
    assert service.get("/v1/results/counts").json()["pictures"] == statuses.count(200)
    assert f"dinopatch_refused_total {statuses.count(429)}" in service.get("/metrics").text


# ----------------------------------------------------------------------------------------------------- disk and databases


def own_disk(size, bank):
    """A command in front of the program's: in a world of its own the data folder is a small disk with this bank."""
    probe = subprocess.run(["unshare", "-rm", "true"], capture_output=True)
    if probe.returncode:
        pytest.skip(f"this system gives no user a disk of its own: {probe.stderr.decode().strip()}")
    script = ('mkdir -p "$6" && mount -t tmpfs -o "size=$1" tmpfs "$6" && mkdir "$6/banks" && cp "$2" "$6/banks/woven.bank" && shift 2 && '
              'exec "$@"')  # $3: the program, "$4" serve, "$5" --data
    return ["unshare", "-rm", "sh", "-c", script, "sh", str(size), str(bank)]


def test_a_full_disk(bank_file, world, start):
    """What cannot be kept is answered by 503 and a sentence; when there is room again all goes on, and nothing is left behind."""
    disk = own_disk(6 * bank_file.stat().st_size + (16 << 20), bank_file)
    service = start("--keep", "all", before=disk)
    folder = Path(f"/proc/{service.process.pid}/root{service.data}")
    picture = world.new_bad.read_bytes()
    service.inspect("woven", world.new_bad)
    before = {str(p): p.stat().st_size for p in folder.rglob("pictures/**/*")}
    with open(folder / "fill", "wb", 0) as fill:
        while True:
            try:
                fill.write(bytes(4096))
            except OSError:
                break
    asked = {"inspect": lambda: service.post("/v1/banks/woven/inspect", None, data=picture),
             "threshold": lambda: service.ask("PUT", "/v1/banks/woven/threshold", json={"value": 3}),
             "verdict": lambda: service.post("/v1/results/1/verdict", None, json={"verdict": "good"}),
             "add": lambda: service.post("/v1/banks/woven/pictures", None, files=[("p", ("a.png", picture))]),
             "body": lambda: service.post("/v1/banks/woven/inspect", None, data=bytes(8 << 20))}
    for name, ask in asked.items():
        document = problem(ask())
        assert document["status"] == 503 and "make room" in document["detail"], (name, document)
    service.get("/healthz")
    assert service.get("/v1/results").json()["results"][0]["verdict"] is None
    (folder / "fill").unlink()
    assert {str(p): p.stat().st_size for p in folder.rglob("pictures/**/*")} == before
    statuses = {name: ask().status_code for name, ask in asked.items()}
    assert statuses == {"inspect": 200, "threshold": 200, "verdict": 200, "add": 202, "body": 422}
    assert service.get("/v1/results/counts").json()["pictures"] == 3  # the body of zeros is a picture that cannot be read
    assert "no copy of it" in service.log.read_text()


def test_a_database_that_another_process_holds(ready, world, tmp_path):
    service = ready()
    service.inspect("woven", world.new_good)
    other = sqlite3.connect(tmp_path / "data" / "results.db", isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    detail = problem(service.inspect("woven", world.new_good, status=503))["detail"]
    assert "another process holds it" in detail
    assert len(service.get("/v1/results").json()["results"]) == 1
    other.execute("ROLLBACK")
    service.inspect("woven", world.new_good)
    other.close()


# ------------------------------------------------------------------------------------------------------ ending, reloading


def test_sigterm_finishes_what_has_begun(ready, world):
    service = ready("--workers", 1, "--queue", 64)
    picture, answers = world.new_bad.read_bytes(), []

    def post():
        answers.append(requests.post(service.url + "/v1/banks/woven/inspect", data=picture, timeout=LONG_S).status_code)
    threads = [threading.Thread(target=post) for _ in range(8)]
    for t in threads:
        t.start()

    def come():
        text = service.get("/metrics").text
        return sum(int(text.split(f"\ndinopatch_{name} ")[1].split()[0]) for name in ("queue_length", "workers_busy"))
    until(lambda: come() + len(answers) >= 8, "all have come")
    service.process.send_signal(signal.SIGTERM)
    for t in threads:
        t.join()
    assert answers == [200] * 8
    service.stop(None)
    assert ready().get("/v1/results/counts").json()["pictures"] == 8


def test_sighup_looks_at_the_banks_again(ready, tmp_path, bank_file):
    service = ready()
    banks = tmp_path / "data" / "banks"
    (banks / "copy.bank").write_bytes(bank_file.read_bytes())
    service.get("/v1/banks/copy", 404)
    service.process.send_signal(signal.SIGHUP)
    until(lambda: service.session.get(service.url + "/v1/banks/copy").status_code == 200, "the new bank")
    (banks / "copy.bank").unlink()
    service.process.send_signal(signal.SIGHUP)
    until(lambda: service.session.get(service.url + "/v1/banks/copy").status_code == 404, "the bank to go")


def test_a_stop_interrupts_a_job_and_a_start_goes_on(ready, tmp_path):
    service = ready()
    good = textures(tmp_path / "good", 24, first=200)
    files = [("pictures", (p.name, p.read_bytes())) for p in good]
    job = service.post("/v1/banks/later", 202, files=files).json()["id"]
    service.stop()
    again = ready()
    again.wait(job)
    assert again.get("/v1/banks/later").json()["n_pictures"] == 24


def test_kill_at_any_moment_loses_nothing(ready, world, tmp_path):
    """What was answered is there after a kill: results, accepted pictures, banks."""
    picture, rounds = world.new_bad.read_bytes(), int(os.environ.get("KILLS", 6))
    good = textures(tmp_path / "good", 5, first=300)
    files = [("pictures", (p.name, p.read_bytes())) for p in good]
    recorded, jobs = [], []
    for i in range(rounds):
        service = ready("--keep", "all")
        stop = threading.Event()

        def post():
            while not stop.is_set():
                try:
                    answer = requests.post(service.url + "/v1/banks/woven/inspect", data=picture, timeout=LONG_S)
                    if answer.status_code == 200:
                        recorded.append(int(answer.headers["Dinopatch-Result"]))
                except requests.RequestException:
                    return
        threads = [threading.Thread(target=post) for _ in range(2)]
        target = len(recorded) + 1 + i % 3
        jobs.append(service.post(f"/v1/banks/b{i}", 202, files=files).json()["id"])
        for t in threads:
            t.start()
        until(lambda: len(recorded) >= target, "some results")
        service.process.send_signal(signal.SIGKILL)
        stop.set()
        for t in threads:
            t.join()
        service.stop(code=-signal.SIGKILL)
    service = ready("--keep", "all")
    for number, job in enumerate(jobs):
        service.wait(job)
        assert service.get(f"/v1/banks/b{number}").json()["n_pictures"] == 5
        kept = service.get(f"/v1/banks/b{number}/pictures").json()["pictures"]
        assert all(p["kept"] for p in kept)
    for number in recorded:
        assert service.get(f"/v1/results/{number}").json()["label"] == "anomalous"
        assert service.get(f"/v1/results/{number}/picture").content == picture
    assert not list((tmp_path / "data" / "tmp").iterdir())
    one = service.inspect("woven", world.new_bad, name="x").json()
    assert one["score"] == world.inspect("woven", world.new_bad, name="x", record="no").json()["score"]


def test_the_service_manager_is_told(tmp_path, ready):
    path = str(tmp_path / "notify")
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    listener.bind(path)
    listener.settimeout(LONG_S)
    service = ready(env={"NOTIFY_SOCKET": path, "WATCHDOG_USEC": "300000", "JOURNAL_STREAM": "1:1"})
    assert listener.recv(100) == b"READY=1"
    assert listener.recv(100) == b"WATCHDOG=1"
    service.process.send_signal(signal.SIGTERM)
    while (told := listener.recv(100)) == b"WATCHDOG=1":
        pass
    assert told == b"STOPPING=1"
    service.stop(None)
    assert all(line.startswith("<") for line in service.log.read_text().splitlines())
