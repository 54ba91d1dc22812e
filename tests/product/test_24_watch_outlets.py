# SPDX-License-Identifier: Apache-2.0
"""`dinopatch watch` tells others: MQTT at a real broker, a webhook, a camera as its source, drift."""

import json
import shutil
import signal
import socket
import subprocess
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from conftest import save, texture
from test_23_watch import put, results, watch  # noqa: F401
from watching import wait_for


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


class Receiver:
    """A webhook that answers as it is told to."""

    def __init__(self):
        self.got, self.headers, self.answer = [], [], 200
        receiver = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self):
                body = self.rfile.read(int(self.headers["Content-Length"]))
                receiver.headers.append(dict(self.headers))
                if receiver.answer == 200:
                    receiver.got.append(json.loads(body))
                self.send_response(receiver.answer)
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, *args):
                pass
        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_address[1]}/hook?key=hidden"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()


@pytest.fixture
def receiver():
    one = Receiver()
    yield one
    one.server.shutdown()
    one.server.server_close()


def test_webhook_gets_each_result_also_after_faults_and_a_kill(dp, watch, receiver, woven, tmp_path):  # noqa: F811
    (tmp_path / "new").mkdir()
    (tmp_path / "token").write_text("open-sesame-0123\n")
    args = ("--in", "new", "--data", "data", "--webhook", receiver.url, "--webhook-token-file", "token")
    running = watch(*args).ready()
    put(woven.new_bad, tmp_path / "new" / "1.png")
    line = running.until(1)
    wait_for(lambda: len(receiver.got) == 1)
    first = receiver.got[0]
    assert {key: first[key] for key in line} == line
    assert (first["id"], first["bank"]) == (results(dp, "data")[0]["id"], "good") and first["time"].endswith("Z")
    assert receiver.headers[0]["Authorization"] == "Bearer open-sesame-0123"
    receiver.answer = 503
    for i in (2, 3):
        put(woven.new_good, tmp_path / "new" / f"{i}.png")
    running.until(3)
    running.until_said("it answered 503; tried again")
    running.process.kill()
    running.end(code=-signal.SIGKILL, number=None)
    receiver.answer = 200
    second = watch(*args).until_said("messages of an earlier run are sent first")
    wait_for(lambda: len(receiver.got) >= 3)
    second.end()
    assert [got["input"] for got in receiver.got] == ["new/1.png", "new/2.png", "new/3.png"]
    said = "\n".join(running.said + second.said)
    assert "open-sesame" not in said and "hidden" not in said


def test_a_full_spool_is_said_and_drops_the_oldest(dp, watch, receiver, woven, tmp_path):  # noqa: F811
    receiver.answer = 500
    for i in range(5):
        put(woven.new_good, tmp_path / "new" / f"{i}.png")
    args = ("--in", "new", "--data", "data", "--webhook", receiver.url, "--spool", 2)
    ended = watch(*args, "--exit-after", 5).end(number=None)
    assert any("the oldest are dropped" in line for line in ended.said)
    receiver.answer = 200
    second = watch(*args).ready()
    wait_for(lambda: len(receiver.got) == 2)
    second.end()
    assert len(results(dp, "data")) == 5


class Broker:
    """A mosquitto, and a client that has subscribed to all."""

    def __init__(self, folder):
        self.folder, self.port = folder, free_port()
        (folder / "passwords").write_text("")
        subprocess.run(["mosquitto_passwd", "-b", folder / "passwords", "line1", "sesame"], check=True)
        (folder / "mosquitto.conf").write_text(f"listener {self.port} 127.0.0.1\nallow_anonymous false\nuser root\n"
                                               f"password_file {folder}/passwords\n")
        self.start()

    def start(self):
        self.process = subprocess.Popen([shutil.which("mosquitto") or "/usr/sbin/mosquitto", "-c", self.folder / "mosquitto.conf"],
                                        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)

        def listens():
            with socket.socket() as s:
                return s.connect_ex(("127.0.0.1", self.port)) == 0
        wait_for(listens)

    def stop(self):
        self.process.kill()
        self.process.wait()

    def client(self, topic, n):
        """Waits for n messages, retained ones too."""
        return subprocess.Popen(["mosquitto_sub", "-h", "127.0.0.1", "-p", str(self.port), "-u", "line1", "-P", "sesame", "-q", "1",
                                 "-t", topic, "-C", str(n), "-F", "%t %r %p"], stdout=subprocess.PIPE, text=True)

    def status(self):
        said, _ = self.client("hall/part/status", 1).communicate(timeout=60)
        return said.split()


@pytest.fixture
def broker(tmp_path):
    if not shutil.which("mosquitto_sub") or not (shutil.which("mosquitto") or shutil.which("/usr/sbin/mosquitto")):
        pytest.skip("mosquitto and mosquitto-clients are not installed")
    (tmp_path / "broker").mkdir()
    one = Broker(tmp_path / "broker")
    yield one
    one.stop()


def test_mqtt_gets_each_result_and_the_status(dp, watch, broker, woven, tmp_path):  # noqa: F811
    (tmp_path / "new").mkdir()
    (tmp_path / "password").write_text("sesame\n")
    url = f"mqtt://line1@127.0.0.1:{broker.port}/hall/part"
    args = ("--in", "new", "--mqtt", url, "--mqtt-password-file", "password")
    if "without libmosquitto" in dp.run("watch", "--bank", woven.bank, *args, "--exit-after", 1, "--mqtt", "x", code=(2, 4)).err:
        pytest.skip("built without libmosquitto")
    running = watch(*args).ready()
    wait_for(lambda: broker.status()[2:] == ["online"])
    client = broker.client("hall/part", 1)
    wait_for(lambda: client.poll() is not None or put_and_look(woven, tmp_path, running) or client.poll() is not None)
    got = json.loads(client.communicate(timeout=60)[0].split(" ", 2)[2])
    assert got["label"] == "anomalous" and got["bank"] == "good"
    broker.stop()
    put(woven.new_good, tmp_path / "new" / "later.png")
    running.until_said("tried again in")
    broker.start()
    running.until_said("messages arrive again")
    assert broker.status() == ["hall/part/status", "1", "online"]
    running.process.kill()
    running.end(code=-signal.SIGKILL, number=None)
    wait_for(lambda: broker.status()[2:] == ["offline"])
    again = watch(*args).ready()
    wait_for(lambda: broker.status()[2:] == ["online"])
    again.end()
    assert broker.status()[2:] == ["offline"]
    assert "sesame" not in "\n".join(running.said + again.said)


def put_and_look(woven, tmp_path, running):
    """One more picture: the client may have subscribed after the last one."""
    n = len(running.lines)
    put(woven.new_bad, tmp_path / "new" / f"{n}.png")
    running.until(n + 1)
    return False


def openssl(folder, *args):
    subprocess.run(["openssl", *map(str, args)], cwd=folder, check=True, capture_output=True)


def test_mqtts_takes_the_broker_of_its_authority_only(dp, watch, broker, woven, tmp_path):  # noqa: F811
    if not shutil.which("openssl"):
        pytest.skip("openssl is not installed")
    new_key = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes")
    for name in ("ca", "other"):
        openssl(tmp_path, "req", "-x509", *new_key, "-days", 2, "-subj", f"/CN={name}", "-keyout", f"{name}.key", "-out", f"{name}.pem")
    openssl(tmp_path, "req", *new_key, "-subj", "/CN=localhost", "-keyout", "broker.key", "-out", "broker.csr")
    (tmp_path / "names").write_text("subjectAltName=IP:127.0.0.1\n")
    openssl(tmp_path, "x509", "-req", "-in", "broker.csr", "-CA", "ca.pem", "-CAkey", "ca.key", "-CAcreateserial", "-days", 2, "-extfile",
            "names", "-out", "broker.pem")
    broker.stop()
    plain, broker.port = broker.port, free_port()
    with open(broker.folder / "mosquitto.conf", "a") as conf:
        conf.write(f"listener {broker.port} 127.0.0.1\ncertfile {tmp_path}/broker.pem\nkeyfile {tmp_path}/broker.key\n")
    broker.start()
    (tmp_path / "password").write_text("sesame\n")
    put(woven.new_good, tmp_path / "new" / "1.png")
    args = ("--in", "new", "--data", "data", "--mqtt", f"mqtts://line1@127.0.0.1:{broker.port}/hall/part", "--mqtt-password-file",
            "password", "--mqtt-ca")
    refused = watch(*args, "other.pem").until_said("by an authority that is trusted; --mqtt-ca names the file")
    refused.end()
    broker.port = plain
    client = broker.client("hall/part", 1)
    again = watch(*args, "ca.pem").until_said("messages of an earlier run are sent first")
    wait_for(lambda: broker.status()[2:] == ["online"])
    if client.poll() is None and len(again.lines) == 0:
        put(woven.new_good, tmp_path / "new" / "2.png")
    assert json.loads(client.communicate(timeout=60)[0].split(" ", 2)[2])["label"] == "good"
    again.end()
    assert broker.status()[2:] == ["offline"]


def test_passwords_in_urls_are_refused(dp, woven, tmp_path):
    (tmp_path / "new").mkdir()
    for option, url in (("--mqtt", "mqtt://a:secret@h/t"), ("--webhook", "https://a:secret@h/t")):
        run = dp.run("watch", "--bank", woven.bank, "--in", "new", option, url, code=(2, 4))
        assert "secret" not in run.err and "file" in run.err


@pytest.fixture
def gstreamer(dp, woven):
    run = dp.run("watch", "--bank", woven.bank, "--source", "nothing-of-this-kind", "--exit-after", 1, code=(2, 4))
    if "without GStreamer" in run.err:
        pytest.skip("built without GStreamer")


PATTERN = "video/x-raw,width=160,height=160"


def test_frames_of_a_pipeline(dp, watch, gstreamer, woven, tmp_path):  # noqa: F811
    ended = watch("--source", f"videotestsrc num-buffers=5 ! {PATTERN}", "--data", "data", "--out", "out", "--keep", "all",
                  "--camera", "line1", "--no-times").end(number=None)
    assert ended.names == [f"line1-{i:06d}" for i in range(1, 6)]
    assert len(results(dp, "data")) == 5
    frames = sorted(path for path in (tmp_path / "out").rglob("*.png") if ".heat." not in path.name)
    assert len(frames) == 5
    inspected = dp.run("inspect", "--bank", woven.bank, "--json", "--no-times", *frames).pictures
    for frame, file in zip(ended.lines, inspected):  # by the same way, to the bit
        assert all(frame[key] == file[key] for key in ("score", "label", "p_value", "defects", "align", "coverage"))


def test_frames_of_a_recorded_file_in_their_order(dp, watch, gstreamer, woven, tmp_path):  # noqa: F811
    for i in range(4):
        save(texture(i, defect=i == 2), tmp_path / f"shot{i}.png")
    subprocess.run(["gst-launch-1.0", "-q", "multifilesrc", "location=shot%d.png", "num-buffers=4", "caps=image/png,framerate=4/1",
                    "!", "pngdec", "!", "videoconvert", "!", "avimux", "!", "filesink", "location=film.avi"], cwd=tmp_path, check=True,
                   timeout=120) if shutil.which("gst-launch-1.0") else pytest.skip("gst-launch-1.0 is not installed")
    ended = watch("--source", "filesrc location=film.avi ! decodebin").end(number=None)
    assert [line["label"] for line in ended.lines].index("anomalous") == 2 and len(ended.lines) == 4


RTSP = """
import gi, sys
gi.require_version("Gst", "1.0")
gi.require_version("GstRtspServer", "1.0")
from gi.repository import GLib, Gst, GstRtspServer
Gst.init(None)
server = GstRtspServer.RTSPServer(address="127.0.0.1", service=sys.argv[1])
factory = GstRtspServer.RTSPMediaFactory(shared=True)
factory.set_launch("( videotestsrc is-live=true ! video/x-raw,format=I420,width=160,height=160,framerate=10/1 ! jpegenc ! rtpjpegpay name=pay0 )")
server.get_mount_points().add_factory("/line", factory)
server.attach(None)
print("ready", flush=True)
GLib.MainLoop().run()
"""


def rtsp_server(port):
    server = subprocess.Popen(["/usr/bin/python3", "-c", RTSP, str(port)], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    if server.stdout.readline() != "ready\n":
        pytest.skip("gir1.2-gst-rtsp-server-1.0 and python3-gi are not installed")
    return server


def test_a_camera_of_the_network_that_goes_and_comes(watch, gstreamer, woven):  # noqa: F811
    port = free_port()
    server = rtsp_server(port)
    try:
        running = watch("--source", f"rtspsrc location=rtsp://127.0.0.1:{port}/line protocols=tcp latency=0 ! decodebin", "--camera", "line")
        assert running.until(2)["input"] == "line-000002"
        server.kill()
        server.wait()
        running.until_said("it is opened again in")
        n = len(running.lines)
        server = rtsp_server(port)
        running.until(n + 2)
        running.end()
        assert any("delivers again" in line for line in running.said)
    finally:
        server.kill()
        server.wait()


def test_the_newest_frame_of_a_live_source_wins(watch, gstreamer, woven):  # noqa: F811
    ended = watch("--source", "videotestsrc is-live=true num-buffers=400 ! video/x-raw,width=160,height=160,framerate=1000/1",
                  "--exit-after", 12).end(number=None)
    assert len(ended.lines) == 12
    assert any("were left out for newer ones" in line for line in ended.said)


def test_drift_is_said(dp, watch, woven, tmp_path):  # noqa: F811
    new = tmp_path / "new"
    for i in range(40):
        save(texture(300 + i, light=1 if i < 20 else 1.25), new / f"{i:03d}.png")
    ended = watch("--in", "new", "--data", "data", "--poll", 0.2, "--drift", 0.01, "--exit-after", 40).end(number=None)
    alarms = [line for line in ended.lines if "alarm" in line]
    assert alarms and alarms[0]["alarm"] == "drift" and alarms[0]["bound"] == 0.01
    assert any("the scores drift" in line for line in ended.said)
