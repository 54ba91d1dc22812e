# SPDX-License-Identifier: Apache-2.0
"""Drift in a running service: told, kept, and not forgotten by a restart; options from a file."""

import json
import re
import subprocess

from conftest import DINOPATCH, LONG_S, save, texture


def capital(service):
    return float(re.search(r'^dinopatch_drift_log10_capital\{bank="woven"\} (\S+)$', service.get("/metrics").text, re.M)[1])


def test_a_restart_forgets_nothing(ready, start, world):
    pictures = [world.new_good, *world.good[:4], world.new_bad]
    capitals = []
    for interrupted in (False, True):
        service = ready() if not interrupted else start(data=service.data.parent / "other")
        if interrupted:
            banks = service.data / "banks" / "woven.bank"
            banks.write_bytes((world.data / "banks" / "woven.bank").read_bytes())
            service.stop()
            service = start(data=service.data)
        for i, picture in enumerate(pictures):
            if interrupted and i == 3:
                service.stop()
                service = start(data=service.data)
            service.inspect("woven", picture)
        capitals.append(capital(service))
        service.stop()
    assert capitals[0] == capitals[1] != 0


def test_each_stream_drifts_by_itself(ready, start, world, tmp_path):
    """What a watch keeps in the same folder is no part of what is posted."""
    pictures = [*world.good[:4], world.new_good, world.new_bad]
    capitals = []
    for beside in (False, True):
        service = ready() if not beside else start(data=tmp_path / "shared")
        bank = service.data / "banks" / "woven.bank"
        if beside:
            bank.write_bytes((world.data / "banks" / "woven.bank").read_bytes())
            service.stop()
            service = start(data=service.data)
        for i, picture in enumerate(pictures):
            if beside and i in (1, 4):
                save(texture(700 + i, defect=True), tmp_path / "new" / f"{i}.png")
                subprocess.run([DINOPATCH, "watch", "--bank", bank, "--data", service.data, "--in", tmp_path / "new", "--poll", "0.2",
                                "--exit-after", "1"], check=True, capture_output=True, timeout=LONG_S)
            if beside and i == 5:
                service.stop()
                service = start(data=service.data)
            service.inspect("woven", picture)
        capitals.append(capital(service))
    assert capitals[0] == capitals[1] != 0
    assert {r["stream"] for r in service.get("/v1/results").json()["results"]} == {"serve", str(tmp_path / "new")}


def test_an_alarm_is_told_and_kept(ready, world, tmp_path):
    service = ready("--drift", "0.49")
    for i in range(30):
        service.inspect("woven", world.good[i % len(world.good)])
    for i in range(30):
        service.inspect("woven", save(texture(300 + i, defect=True), tmp_path / f"{i}.png"))
        alarms = service.get("/v1/alarms", params={"bank": "woven", "since": "today"}).json()["alarms"]
        if alarms:
            break
    assert alarms[0]["alarm"] == "drift" and alarms[0]["stream"] == "serve" and alarms[0]["direction"] == "rising"
    assert 'dinopatch_drift_alarms_total{bank="woven"} 1' in service.get("/metrics").text
    asked = subprocess.run([DINOPATCH, "results", "--data", service.data, "--alarms", "--json"], capture_output=True, text=True)
    assert [json.loads(line) for line in asked.stdout.splitlines()] == alarms
    assert service.get("/v1/alarms", params={"bank": "other"}).json()["alarms"] == []


def test_options_from_a_file(start, tmp_path):
    config = tmp_path / "serve.json"
    config.write_text(json.dumps({"workers": 1, "queue": 9, "keep": "none", "host": ["a.example", "b.example"]}))
    service = start("--config", config, "--keep", "all")
    server = service.get("/v1/server").json()
    assert (server["workers"], server["most_waiting"], server["keep"]) == (1, 9, "all")  # the command line wins
    service.get("/healthz", headers={"Host": "b.example"})
    for text, said in (('{"workrs": 1}', "no option workrs"), ('{"workers": "many"}', "--workers many"), ("[]", "not a JSON object"),
                       ('{"workers": true}', "not a string or a number")):
        config.write_text(text)
        refused = subprocess.run([DINOPATCH, "serve", "--data", tmp_path / "d", "--config", config], capture_output=True, text=True)
        assert refused.returncode == 2 and said in refused.stderr, refused.stderr
