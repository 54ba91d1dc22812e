# SPDX-License-Identifier: Apache-2.0
"""Cost is bounded: cells of a picture, bytes of a download. A mirror must send the requested file; names stay in their folder."""

import base64
import hashlib
import json
import shutil
import struct
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import numpy as np
import pytest
from conftest import MODEL, save, texture, textures
from PIL import Image

# ------------------------------------------------------------------------------------------------------ cells of a picture

FLAT = ["--align", "none", "--layout", "flat", "--polarity", "none"]


def strip(path, height=20, width=2000):
    return save(np.full((height, width, 3), 128, np.uint8), path)


def flat(dp, edge, *good, code=0):
    return dp.run("fit", "--model", MODEL, "--bank", "p.bank", *FLAT, "--edge", edge, *good, code=code)


def judged(picture):
    return picture.get("label") in ("good", "anomalous")


def test_a_long_picture_is_one_failed_picture(dp, tmp_path):
    good = textures(tmp_path / "good", 6, width=100, height=100)
    flat(dp, 112, *good)
    long = strip(tmp_path / "long.png", 20, 6000)  # 112 x 33600 pixels
    thread = strip(tmp_path / "thread.png", 1, 20000)
    run = dp.inspect("p.bank", "--fail-on-anomaly", long, good[0], thread, code=3)
    assert [judged(p) for p in run.pictures] == [False, True, False]
    assert all(word in run.pictures[0]["reason"] for word in ("19200", "16384", "edge", "--max-tokens=19200"))
    assert "edge" in run.pictures[2]["reason"]


def test_max_tokens_takes_what_it_names(dp, tmp_path):
    good = textures(tmp_path / "good", 6, width=100, height=100)
    flat(dp, 112, *good)
    wide = save(texture(50, width=300, height=100), tmp_path / "wide.png")
    run = dp.inspect("p.bank", "--any-size", "--max-tokens", 100, wide)
    cells = int(run.pictures[0]["reason"].split("--max-tokens=")[1].split()[0])
    run = dp.inspect("p.bank", "--any-size", "--max-tokens", cells, wide)
    assert judged(run.pictures[0])
    assert not judged(dp.inspect("p.bank", "--any-size", "--max-tokens", cells - 1, wide).pictures[0])


def test_fit_leaves_a_long_picture_out(dp, tmp_path):
    good = textures(tmp_path / "good", 12, width=100, height=100)
    strip(tmp_path / "good" / "long.png", 20, 6000)
    run = flat(dp, 112, tmp_path / "good", code=1)
    assert "long.png" in run.err and "--max-tokens" in run.err
    info = json.loads(dp.run("bank", "info", "--json", "p.bank").out)
    assert len(good) in info.values()


@pytest.mark.parametrize("command", [
    ["fit", "--model", MODEL, "--bank", "x.bank", "--align", "none", "--canvas", "14000x14000", "good"],
    ["fit", "--model", MODEL, "--bank", "x.bank", *FLAT, "--edge", "14000", "good"],
    ["fit", "--model", MODEL, "--bank", "x.bank", "--align", "none", "--edge", "14000", "--crop", "7000", "good"],
    ["embed", "--model", MODEL, "--size", "14000x14000", "--out", "x.safetensors", "good/000.png"],
    ["bench", "--model", MODEL, "--size", "14000x14000"],
    ["align", "--canvas", "60000x60000", "--out", "x", "good/000.png"],
])
def test_a_canvas_too_large_is_refused_at_once(dp, tmp_path, command):
    textures(tmp_path / "good", 2, width=32, height=32)
    run = dp.run(*command, code=2)
    assert "limit" in run.err and "--max-" in run.err
    assert not list(tmp_path.glob("x*"))


@pytest.mark.parametrize("value", ["0", "-1", "nan", "many", "1e30"])
def test_max_tokens_that_means_nothing(dp, value):
    dp.run("inspect", "--bank", "no.bank", f"--max-tokens={value}", "x.png", code=2)


@pytest.mark.parametrize("ending, options", [("png", {}), ("jpg", {}), ("jpg", {"progressive": True}), ("tiff", {}), ("bmp", {}), ("ppm", {}),
                                             ("webp", {}), ("webp", {"lossless": True})])
def test_no_picture_has_more_pixels_than_the_limit(dp, tmp_path, ending, options):
    Image.fromarray(texture(1, width=200, height=100)).save(tmp_path / f"x.{ending}", **options)
    run = dp.run("align", "--align", "none", "--canvas", "56x56", "--json", "--max-pixels", 19999, f"x.{ending}", code=1)
    assert "200x100" in run.err and "19999" in run.err
    dp.run("align", "--align", "none", "--canvas", "56x56", "--json", "--max-pixels", 20000, f"x.{ending}", code=0)


def test_the_limit_of_pixels_stands_before_the_work(dp, tmp_path):
    """A PNG of 400 million pixels is a few bytes."""
    Image.new("1", (20000, 20000)).save(tmp_path / "bomb.png")
    assert (tmp_path / "bomb.png").stat().st_size < 1 << 17
    run = dp.run("align", "--align", "none", "--json", "bomb.png", code=1)
    assert "20000x20000" in run.err and "limit" in run.err


# --------------------------------------------------------------------------------------------------------------- downloads

LIMIT = 4 * 22056576 + (1 << 20)  # what vits14 has, and room for its header
HEADER = struct.pack("<Q", 200) + b'{"x":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}}'.ljust(200)


class Mirror:
    """A mirror on the loopback address.  `answer(handler, head)` says all."""

    def __init__(self, answer):
        mirror = self
        self.paths = []
        self.sent = 0

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_HEAD(self):
                self.close_connection = True
                mirror.paths.append(self.path)
                answer(self, True)

            def do_GET(self):
                self.close_connection = True
                mirror.paths.append(self.path)
                try:
                    answer(self, False)
                except (BrokenPipeError, ConnectionResetError):
                    pass

            def log_message(self, *args):
                pass

            def put(self, data):
                self.wfile.write(data)
                mirror.sent += len(data)

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self.server.server_port}"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.server.shutdown()
        self.server.server_close()


def sends(body, status=200, length=None, **headers):
    """An answer: this body, its SHA-256 as the ETag."""
    def answer(handler, head):
        handler.send_response(status)
        handler.send_header("ETag", f'"{hashlib.sha256(body).hexdigest()}"')
        handler.send_header("Content-Length", str(len(body) if length is None else length))
        for name, value in headers.items():
            handler.send_header(name.replace("_", "-"), value)
        handler.end_headers()
        if not head:
            handler.put(body)
    return answer


def endless(piece, status=200, first=b""):
    """A body without an end."""
    def answer(handler, head):
        handler.send_response(status)
        handler.send_header("ETag", '"' + "a" * 64 + '"')
        handler.end_headers()
        if not head:
            handler.put(first)
            while True:
                handler.put(piece)
    return answer


def pull(dp, mirror, *options, code=4, url=None):
    run = dp.run("model", "pull", *options, "vits14", env={"DINOPATCH_MIRROR": url or mirror.url, "no_proxy": "*"}, code=code)
    cache = dp.folder / "cache" / "dinopatch"
    if code:
        assert not [p for p in cache.rglob("*") if p.name.endswith((".safetensors", ".sha256"))], "something was kept"
    return run


@pytest.mark.parametrize("body, says", [
    (b"", "empty"),
    (b"\n<!DOCTYPE html><html>please log in</html>", "web page"),
    (b"version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 88\n", "LFS"),
    (b"\x1f\x8b\x08\x00" + bytes(100), "gzip"),
    (bytes(1000), "not a safetensors"),
    (HEADER + bytes(4), "not this checkpoint"),
    (MODEL.read_bytes(), "another network"),
], ids=["empty", "page", "lfs", "gzip", "zeros", "one-tensor", "another-network"])
def test_what_is_not_the_promised_network_is_refused(dp, body, says):
    """Although it has the SHA-256 that the server states, or the one that was asked for."""
    with Mirror(sends(body)) as mirror:
        assert says in pull(dp, mirror).err
        assert says in pull(dp, mirror, "--sha256", hashlib.sha256(body).hexdigest()).err


def test_a_body_without_end_is_cut_at_the_size_of_the_checkpoint(dp):
    with Mirror(endless(bytes(1 << 20), first=HEADER)) as mirror:
        assert str(LIMIT) in pull(dp, mirror).err
        assert mirror.sent < LIMIT + (64 << 20)


@pytest.mark.parametrize("status", [404, 403, 200])
def test_a_page_without_end_is_not_read(dp, status):
    with Mirror(endless(b"<html>" * 10000, status=status)) as mirror:
        pull(dp, mirror, "--sha256", "a" * 64)
        assert mirror.sent < 32 << 20


def test_headers_without_end_are_not_read(dp):
    def answer(handler, head):
        handler.send_response(200)
        while True:
            handler.put(b"X-Nothing: %s\r\n" % (b"a" * 500) * 100)
    with Mirror(answer) as mirror:
        pull(dp, mirror, "--sha256", "a" * 64)
        assert mirror.sent < 32 << 20


def test_the_promised_network_is_taken_with_the_pinned_digest_alone(dp):
    """The right network with other weights opens as what was promised: the digest tells."""
    dp.run("model", "synth", "--arch", "vits14", "--out", "own.safetensors", code=0)
    body = (dp.folder / "own.safetensors").read_bytes()
    digest, other = hashlib.sha256(body).hexdigest(), hashlib.sha256(b"another").hexdigest()
    with Mirror(sends(body)) as mirror:
        run = pull(dp, mirror, "--sha256", other)
        assert digest in run.err and other in run.err
        pull(dp, mirror, "--sha256", digest, code=0)
        assert (dp.folder / "cache" / "dinopatch" / "vits14.safetensors").read_bytes() == body
        dp.run("model", "verify", "vits14", code=0)


def test_another_network_in_the_cache_is_not_what_was_pulled(dp):
    """It lies there under the name and with its digest noted, and the server states the same digest."""
    cache = dp.folder / "cache" / "dinopatch"
    cache.mkdir(parents=True)
    shutil.copy(MODEL, cache / "vits14.safetensors")
    (cache / "vits14.safetensors.sha256").write_text(hashlib.sha256(MODEL.read_bytes()).hexdigest() + "  vits14.safetensors\n")
    with Mirror(sends(MODEL.read_bytes())) as mirror:
        run = dp.run("model", "pull", "vits14", env={"DINOPATCH_MIRROR": mirror.url, "no_proxy": "*"}, code=4)
    assert "another network" in run.err


def test_an_announced_size_beyond_the_checkpoint_is_refused_unread(dp):
    with Mirror(sends(HEADER, length=LIMIT + 1)) as mirror:
        assert str(LIMIT + 1) in pull(dp, mirror).err
        assert mirror.sent == 0


def test_a_compressed_body_is_refused(dp):
    with Mirror(sends(HEADER, Content_Encoding="gzip")) as mirror:
        assert "compressed" in pull(dp, mirror).err


@pytest.mark.parametrize("target", ["self", "file:///etc/passwd", "ftp://127.0.0.1/x", "gopher://127.0.0.1/x"])
def test_redirects_end(dp, target):
    def answer(handler, head):
        handler.send_response(302)
        handler.send_header("Location", handler.path if target == "self" else target)
        handler.send_header("Content-Length", "0")
        handler.end_headers()
    with Mirror(answer) as mirror:
        pull(dp, mirror)
        pull(dp, mirror, "--sha256", "a" * 64)
        assert len(mirror.paths) < 64


@pytest.mark.parametrize("status", [401, 404, 200, 302])
def test_passwords_and_tokens_are_never_shown(dp, status):
    def answer(handler, head):
        handler.send_response(status)
        if status == 302:
            handler.send_header("Location", "ftp://user:pa55word@host/?token=t0ken")
        handler.send_header("Content-Length", "5")
        handler.send_header("ETag", '"' + "b" * 64 + '"')
        handler.end_headers()
        if not head:
            handler.put(b"hello")
    with Mirror(answer) as mirror:
        host = mirror.url[len("http://"):]
        for url in [f"http://user:pa55word@{host}/", f"http://{host}/?token=t0ken", f"http://us:pa55word@{host}?token=t0ken",
                    f"user:pa55word@{host}", f"http://user:x/pa55word@{host}", f"http://user:x?pa55word@{host}", f"http://user:x#pa55word@{host}",
                    "http://user:pa55word@127.0.0.1:1/?token=t0ken", "ftp://user:pa55word@127.0.0.1/?token=t0ken"]:
            run = pull(dp, mirror, url=url)
            said = run.out + run.err + " ".join(str(p) for p in dp.folder.rglob("*"))
            assert "pa55word" not in said and "t0ken" not in said
            assert run.err.count("vits14")


def test_a_name_stands_for_its_network(dp):
    """A file in the cache that is another network than its name says is not taken for it."""
    cache = dp.folder / "cache" / "dinopatch"
    cache.mkdir(parents=True)
    (cache / "vits14.safetensors").write_bytes(MODEL.read_bytes())
    assert "vits14" in dp.run("model", "verify", "vits14", code=4).err
    assert "vits14" in dp.run("embed", "--model", "vits14", "--out", "x", "x.png", code=4).err


def test_verify_says_what_the_digest_was_held_against(dp):
    digest = hashlib.sha256(MODEL.read_bytes()).hexdigest()
    assert "no digest is known" in dp.run("model", "verify", MODEL, code=0).out
    assert "the one given" in dp.run("model", "verify", "--sha256", digest.upper(), MODEL, code=0).out
    assert digest in dp.run("model", "verify", "--sha256", "0" * 64, MODEL, code=4).err
    dp.run("model", "verify", "--sha256", digest[:-1], MODEL, code=2)


# --------------------------------------------------------------------------------------- names that a file brings along


@pytest.fixture
def train(dp, tmp_path):
    """A bank of pictures in train/ab/, named with ".." in their paths, and a picture with a defect."""
    good = textures(tmp_path / "train" / "ab", 6, width=112, height=112)
    (tmp_path / "x").mkdir()
    dp.fit("p.bank", *[Path("x") / ".." / p.relative_to(tmp_path) for p in good])
    return save(texture(101, width=112, height=112, defect=True), tmp_path / "bad.png")


def explained(dp, bad, folder):
    """The picture that explains the largest defect, as bytes, and what was said; run with --train."""
    shutil.rmtree(dp.folder / "out", ignore_errors=True)
    run = dp.run("inspect", "--bank", "p.bank", "--json", "--out", "out", "--explain", "--train", folder, bad)
    paths = [d["explained"] for p in run.pictures for d in p["defects"] if d["explained"]]
    return (dp.folder / paths[0]).read_bytes(), run.err


def test_names_of_a_bank_lead_explain_nowhere_else(dp, train, tmp_path):
    """Below other folders: the same files; links that lead out; nothing, but the path with ".." in it would lead there."""
    shutil.copytree(tmp_path / "train" / "ab", tmp_path / "kept" / "ab")
    (tmp_path / "links").mkdir()
    (tmp_path / "links" / "ab").symlink_to(tmp_path / "train" / "ab")
    (tmp_path / "dots").mkdir()
    (tmp_path / "inside" / "real").mkdir(parents=True)
    shutil.copytree(tmp_path / "train" / "ab", tmp_path / "inside" / "real" / "there")
    (tmp_path / "inside" / "ab").symlink_to("real/there")
    kept, said = explained(dp, train, "kept")
    assert "leads out" not in said
    assert explained(dp, train, "inside")[0] == kept  # a link that stays inside is followed
    for folder in ("links", "dots"):
        shown, said = explained(dp, train, folder)
        assert shown != kept and "leads out" in said


def test_a_report_takes_no_picture_from_outside(dp, train, tmp_path):
    """run.json may come from anywhere, and so may what lies beside it."""
    save(texture(1), tmp_path / "secret.png")
    secret = tmp_path / "secret.jpg"
    Image.fromarray(texture(7, width=64, height=64)).save(secret, quality=95)
    results = tmp_path / "results"
    results.mkdir()
    (results / "link.jpg").symlink_to(secret)
    (results / "page.jpg").write_text("no picture, a secret")
    picture = {"input": "<b>x</b>.png", "split": "test", "defect": "<script>alert(1)</script>", "label": 1, "score": 2.0, "ms": 1.0}
    places = ["link.jpg", "../secret.jpg", str(secret), "page.jpg", "/dev/zero"]
    (results / "run.json").write_text(json.dumps({
        "data": "<i>d</i>", "metrics": {},
        "runs": {"<u>r</u>": {"fit": {"threshold": 1.0, "n_good": 3}, "figures": {"image": {}},
                              "pictures": {str(i): {**picture, "drawn": place} for i, place in enumerate(places)}}}}))
    dp.run("report", results, code=(0, 4))
    page = results / "report.html"
    if page.exists():
        text = page.read_text()
        assert base64.b64encode(secret.read_bytes()[:60]).decode()[:60] not in text
        assert base64.b64encode(b"no picture, a secret").decode() not in text
        assert "<script>alert" not in text and "<b>x" not in text and "<i>d" not in text and "<u>r" not in text
