# SPDX-License-Identifier: Apache-2.0
"""Whatever is handed over, no picture passes unseen, and a mistake is an exception with a sentence."""

import io
import logging
import os
import struct
import subprocess
import sys
import threading
import zlib

import numpy as np
import pytest
from conftest import same
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from PIL import Image, ImageSequence

import dinopatch as dp
from dinopatch import _pictures

MISTAKE = (dp.DinopatchError, TypeError, ValueError)


def test_one_buffer_filled_again_and_again(bank, good, new):
    """As a camera's: each result is of what the buffer held when it was handed over, and draws over that."""
    frames = [good[0], new[-1], good[1], new[0], good[1], good[0]]
    expected = [bank.inspect(frame) for frame in frames]
    assert len({result.score for result in expected}) > 2

    def camera():
        buffer = np.empty_like(frames[0])
        for frame in frames:
            buffer[:] = frame
            yield buffer
            buffer[:] = 0

    for pictures in (camera(), (DLPack(buffer) for buffer in camera()), ((buffer, 0) for buffer in camera())):
        for a, b in zip(bank.inspect_many(pictures, 2), expected):
            assert same(a, b) and np.array_equal(a.image(), b.image())
    buffer = frames[1].copy()
    result = bank.inspect(buffer)
    buffer[:] = 0
    assert np.array_equal(result.image(), expected[1].image())


class DLPack:
    def __init__(self, array):
        self.array = array

    def __dlpack__(self, **_):
        return self.array.__dlpack__()

    def __dlpack_device__(self):
        return (1, 0)


def test_colours_of_a_frame_of_opencv(bank, new, good):
    for frame in new:
        a, b = bank.inspect(frame), bank.inspect(np.ascontiguousarray(frame[..., ::-1]), bgr=True)
        assert same(a, b) and np.array_equal(a.image(), b.image())
        if a.defects:
            assert np.array_equal(a.explain(good=good[0]), b.explain(good=good[0]))
            return
    pytest.fail("no picture has a defect")


@pytest.mark.parametrize("pair", [lambda a, b: [a, b], lambda a, b: (a, b), lambda a, b: (a, "good", b), lambda a, b: (a, Image.fromarray(b))])
def test_of_two_pictures_none_is_passed_over(bank, good, new, pair):
    both = pair(good[0], new[-1])
    with pytest.raises(dp.PictureError, match="pictures where one is expected"):
        bank.inspect(both)
    with pytest.raises(dp.PictureError, match="pictures where one is expected"):
        dp.fit([both, both], align="none", size=96)
    for pictures in ([both, good[0]], iter([both, good[0]])):
        first, second = bank.inspect_many(pictures)
        assert first.label == "not_inspected" and "where one is expected" in first.reason and second.label == "good"


def test_files_of_a_folder_are_all_told(bank, good_files, tmp_path, caplog):
    folder, elsewhere = tmp_path / "new", tmp_path / "elsewhere"
    for path in (folder, elsewhere):
        path.mkdir()
    os.symlink(good_files[0], folder / "a.png")
    os.symlink(good_files[1], elsewhere / "b.png")
    os.symlink(elsewhere, folder / "linked")
    os.symlink(folder, elsewhere / "back")
    (folder / "c.heic").write_bytes(b"x")
    with caplog.at_level(logging.WARNING, "dinopatch"):
        assert [os.path.basename(result.name) for result in bank.inspect_many(folder)] == ["a.png", "b.png"]
    assert "1 of 3 files" in caplog.text and "c.heic" in caplog.text


def broken(kind):
    """An object whose memory cannot be had."""

    def raises(*_, **__):
        raise kind("no memory is handed over")

    return type("Tensor", (), {"__dlpack__": raises, "__dlpack_device__": lambda self: (1, 0)})()


@pytest.mark.parametrize(
    "picture",
    [
        "", b"", b"\xff\xd8\xff", "a\0b.png", "a" * 5000, os.curdir, io.BytesIO(b"x"), memoryview(b"abc"), {}, set(), [], (), [[1, 2], [3, 4]], float("nan"),
        object(), np.ndarray, np.array([object()]), np.uint8(3), np.zeros((9, 9), bool), np.full((9, 9), np.nan), np.zeros((9, 9), "U3"),
        np.zeros((9, 9), [("a", "u1")]), np.zeros((9, 9), "M8[s]"), np.zeros((9, 9, 2), np.uint8), np.zeros((9, 9, 5), np.uint8),
        np.broadcast_to(np.uint8(0), (10**6, 10**6)), np.broadcast_to(np.uint8(0), (1, 10**9)), broken(RuntimeError), broken(BufferError),
        type("Tensor", (), {"__array_interface__": 5})(),
        type("Tensor", (), {"__array_interface__": {"version": 3, "shape": (-1, 9), "typestr": "|u1", "data": (0, True)}})(),
    ],
    ids=lambda it: str(it)[:30].encode("ascii", "backslashreplace").decode().replace("\0", "0"),
)
def test_what_is_no_picture(bank, good, picture):
    with pytest.raises(MISTAKE + (dp.OutOfMemoryError,)) as raised:
        bank.inspect(picture)
    assert len(str(raised.value)) > 8
    with pytest.raises(MISTAKE + (dp.OutOfMemoryError,)):
        dp.fit([picture, picture], size=96)


@pytest.mark.parametrize(
    "wrong",
    [
        lambda b, p: b.inspect(p, white=-1), lambda b, p: b.inspect(p, white=1 << 80), lambda b, p: b.inspect(p, white=2.5),
        lambda b, p: dp.fit([p], white=-1), lambda b, p: dp.fit([p], threads=-1), lambda b, p: dp.fit([p], threads=None),
        lambda b, p: dp.fit([p], threads=1 << 80), lambda b, p: list(b.inspect_many([p], 0)), lambda b, p: list(b.inspect_many([p], 2.5)),
        lambda b, p: list(b.inspect_many([p], "2")), lambda b, p: list(b.inspect_many([p], 10**9)), lambda b, p: list(b.inspect_many([p], 1, white=-1)),
        lambda b, p: list(b.inspect_many(None)), lambda b, p: dp.fit(None), lambda b, p: dp.fit([]), lambda b, p: dp.fit(p), lambda b, p: dp.fit([p], 5),
        lambda b, p: dp.fit([p], ""), lambda b, p: dp.fit([p], os.curdir), lambda b, p: dp.fit([p], __file__), lambda b, p: dp.fit([p], os.devnull),
        lambda b, p: b.calibrate(value=float("inf")), lambda b, p: b.calibrate(value=-1), lambda b, p: b.calibrate(float("nan")),
        lambda b, p: b.calibrate("x"), lambda b, p: b.calibrate(search_knn=1 << 80), lambda b, p: b.calibrate(score="\ud800"),
        lambda b, p: b.calibrate(nothing=1), lambda b, p: b.calibrate(0.1, good=[]), lambda b, p: b.remove(99), lambda b, p: b.remove("nothing"),
        lambda b, p: b.remove([1.5]), lambda b, p: b.remove(range(len(b))), lambda b, p: b.merge(5), lambda b, p: b.add([]), lambda b, p: b.add(5),
        lambda b, p: b.compress(), lambda b, p: b.compress(pca=-1), lambda b, p: b.compress(kmeans=1 << 80), lambda b, p: b.compress(storage="x"),
        lambda b, p: b.tune([], [p]), lambda b, p: b.tune([p], []), lambda b, p: b.tune([p], [p]),
        lambda b, p: b.save("/nowhere/a.bank"), lambda b, p: b.save(""), lambda b, p: b.save(os.curdir), lambda b, p: b.save("a\0b"), lambda b, p: b.save(5),
        lambda b, p: dp.open(""), lambda b, p: dp.open(os.curdir), lambda b, p: dp.open(os.devnull), lambda b, p: dp.open(5), lambda b, p: dp.open("a\0b"),
        lambda b, p: b.option("nothing"), lambda b, p: b.option(None), lambda b, p: dp.Drift(2), lambda b, p: dp.Drift("x"), lambda b, p: dp.Drift(0.1, -1),
        lambda b, p: dp.Drift().add(float("nan")), lambda b, p: dp.Drift().add("x"),
    ],
)
def test_what_is_no_call(bank, new, wrong):
    with pytest.raises(MISTAKE) as raised:
        wrong(bank, new[0])
    assert len(str(raised.value)) > 8
    assert bank.inspect(new[0]).label


@pytest.mark.parametrize(
    "mask", [np.ones(5), np.zeros((0, 0)), np.zeros((160, 160)), np.ones((3, 3)), np.ones((2, 2, 2, 2)), "nothing.png", 5, [], np.array(None)], ids=str
)
def test_what_is_no_region(good, mask):
    with pytest.raises(MISTAKE) as raised:
        dp.fit(good[:2], align="none", size=96, roi=mask)
    assert len(str(raised.value)) > 8


def test_a_mask_of_any_strides(good, new):
    mask = np.zeros((160, 160))
    mask[20:60, 30:150] = 1
    one, other = (dp.fit(good[:3], align="none", size=96, roi=roi) for roi in (mask, np.asfortranarray(mask)))
    assert same(one.inspect(new[0]), other.inspect(new[0]))


@given(hnp.arrays(st.sampled_from(["?", "i1", "u1", "<u2", ">u2", "i4", "f2", "f8", "c8", "S2", "m8[s]"]), hnp.array_shapes(max_dims=5, max_side=6)),
       st.sampled_from(["as it is", "T", "[::-1]", "[::2]", "odd address", "no steps", "read only"]))
def test_any_array(bank, array, how):
    if how == "T":
        array = array.T
    elif how in ("[::-1]", "[::2]"):
        array = array[:: int(how[3:-1])]
    elif how == "odd address" and array.dtype.kind == "u":
        array = np.frombuffer(b"\0" + array.tobytes(), array.dtype, offset=1).reshape(array.shape)
    elif how == "no steps":
        array = np.broadcast_to(array.reshape(-1)[:1], array.shape)
    elif how == "read only":
        array.flags.writeable = False
    try:
        result = bank.inspect(array)
    except MISTAKE as fault:
        assert len(str(fault)) > 8
    else:
        assert array.dtype.kind == "u" and result.label == "not_inspected" and result.reason


@given(st.binary(max_size=200), st.integers(0, 400), st.sampled_from(["PNG", "JPEG", "TIFF", "BMP", "WEBP", "PPM"]))
def test_damaged_files(bank, drawn, data, at, kind):
    """A result or a sentence, whatever Pillow makes of it, and the work goes on."""
    file = io.BytesIO()
    Image.new("RGB", (40, 40), (9, 80, 200)).save(file, kind)
    whole = file.getvalue()
    path = drawn / "damaged"
    path.write_bytes(whole[:at] + data + whole[at + len(data) :])
    first, second = bank.inspect_many([str(path), str(next((drawn / "train" / "good").glob("*.png")))])
    assert first.label in ("not_inspected", "anomalous") and second.label == "good"


def test_a_picture_too_large_to_read(good_files, tmp_path, monkeypatch):
    Image.new("L", (200, 200)).save(tmp_path / "large.png")
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 15000)
    with pytest.raises(dp.PictureError, match="large.png.*exceeds limit"):
        dp.fit([tmp_path / "large.png"], size=96)


@pytest.mark.parametrize("kind", ["tif", "webp", "png"])
def test_a_file_of_several_pictures_does_not_pass_by_its_first(bank, good, tmp_path, kind):
    first, second = (Image.fromarray(picture) for picture in good[:2])
    several, one = tmp_path / f"several.{kind}", tmp_path / f"one.{kind}"
    options = {"lossless": True} if kind == "webp" else {}
    first.save(several, save_all=True, append_images=[second], **options)
    first.save(one, save_all=True, **options)
    with pytest.raises(dp.PictureError, match="several.*holds 2 pictures, of which one would be inspected"):
        bank.inspect(several)
    seen = list(bank.inspect_many([several, one]))
    assert seen[0].label == "not_inspected" and "2 pictures" in seen[0].reason
    assert seen[1].label == "good" and np.array_equal(_pictures.load(one), good[0])
    with Image.open(several) as image:
        pages = list(bank.inspect_many(ImageSequence.Iterator(image)))
    assert [page.score for page in pages] == [bank.inspect(picture).score for picture in good[:2]]


def test_the_content_of_a_file_is_no_path(bank, good):
    file = io.BytesIO()
    Image.fromarray(good[0]).save(file, "PNG")
    content = file.getvalue()
    for call in (bank.inspect, lambda it: list(bank.inspect_many(it)), dp.fit, lambda it: dp.fit([it])):
        for given in (content, bytearray(content)):
            with pytest.raises(dp.PictureError, match="bytes are no picture and no path.*BytesIO") as told:
                call(given)
            assert len(str(told.value)) < 200
    with pytest.raises(dp.PictureError, match="a BytesIO is an open file: give PIL.Image.open"):
        bank.inspect(file)


def test_a_reduced_page_in_front_is_not_the_picture(good, tmp_path):
    small, whole = Image.fromarray(good[0][::4, ::4]), Image.fromarray(good[0])
    small.save(tmp_path / "a.tif", save_all=True, append_images=[whole], tiffinfo={254: 1})
    data = bytearray((tmp_path / "a.tif").read_bytes())
    last = data.rfind(struct.pack("<HHII", 254, 4, 1, 1))  # Pillow marks both pages
    data[last + 8] = 0
    (tmp_path / "a.tif").write_bytes(data)
    assert np.array_equal(_pictures.load(tmp_path / "a.tif"), good[0])


def test_what_pillow_leaves_out_is_told(good, tmp_path, caplog):
    rows = b"".join(b"\0" + row.tobytes() for row in (good[0].astype(">u2") * 257).reshape(160, -1))
    chunks = ((b"IHDR", struct.pack(">IIBBBBB", 160, 160, 16, 2, 0, 0, 0)), (b"IDAT", zlib.compress(rows)), (b"IEND", b""))
    (tmp_path / "deep.png").write_bytes(b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data)) for name, data in chunks))
    with caplog.at_level(logging.WARNING, "dinopatch"):
        assert np.array_equal(_pictures.load(tmp_path / "deep.png"), good[0])
    assert "deep.png: holds 16 bits a colour" in caplog.text


def test_an_iterator_that_fails(bank, good):
    class Mine(Exception):
        pass

    def pictures(fault):
        yield good[0]
        raise fault

    for fault in (Mine("mine"), KeyboardInterrupt(), OSError(5, "gone")):
        with pytest.raises(type(fault)):
            dp.fit(pictures(fault), size=96)
        with pytest.raises(type(fault)):
            list(bank.inspect_many(pictures(fault)))


def test_files_that_are_no_bank(bank, new, tmp_path):
    bank.save(tmp_path / "a.bank")
    data = (tmp_path / "a.bank").read_bytes()
    length = struct.unpack("<Q", data[:8])[0]
    for name, wrong in (("empty", b""), ("cut", data[:-100]), ("header", data[:8] + b"{" * length + data[8 + length :]), ("pickle", b"\x80\x04N.")):
        (tmp_path / name).write_bytes(wrong)
        with pytest.raises(dp.DinopatchError, match=name):
            dp.open(tmp_path / name)
    (tmp_path / "flipped").write_bytes(data[:-50] + bytes([data[-50] ^ 255]) + data[-49:])
    with pytest.raises(dp.CorruptError):
        dp.open(tmp_path / "flipped").verify()
    mapped = dp.open(tmp_path / "a.bank")
    mapped.save(tmp_path / "a.bank", overwrite=True)  # what is mapped stays
    assert same(mapped.inspect(new[0]), bank.inspect(new[0]))


def test_no_threshold_is_no_good_part(good, new):
    one = dp.fit(good[:1], align="none", size=96)
    assert one.inspect(new[0]).label is None and not one.inspect(new[0]).is_good
    detector = pytest.importorskip("dinopatch.sklearn").AnomalyDetector(options={"align": "none", "size": 96}).fit(good[:1])
    assert detector.predict([new[0], good[0]]).tolist() == [-1, -1]


def test_threads_share_what_has_a_state(bank, new):
    """Neither a drift nor a bank is harmed by calls at once."""
    drift, wrong = dp.Drift(), []

    def work(seed):
        random = np.random.default_rng(seed)
        try:
            for _ in range(2000):
                drift.add(random.random())
        except Exception as fault:  # noqa: BLE001
            wrong.append(fault)

    threads = [threading.Thread(target=work, args=(seed,)) for seed in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong and drift.add(0.5).n == 6001


def test_fork_while_a_thread_opens_the_network(bank, new):
    """The child has the thread's locks, not the thread."""
    expected = bank.inspect(new[0])
    with bank._lock:
        child = os.fork()
        if not child:
            code = 1
            try:
                code = 0 if same(expected, bank.inspect(new[0])) else 1
            finally:
                os._exit(code)
    for _ in range(600):
        done, status = os.waitpid(child, os.WNOHANG)
        if done:
            break
        threading.Event().wait(0.1)
    else:
        os.kill(child, 9)
        os.waitpid(child, 0)
        pytest.fail("the child waits for a lock")
    assert status == 0


def test_the_module_s_exit_codes(bank, good_files, tmp_path):
    """An unreadable picture is not inspected, and a name of any bytes is written."""
    bank.save(tmp_path / "a.bank")
    name = os.fsencode(tmp_path) + b"/\xff\n.png"
    with open(name, "wb") as file:
        file.write(b"no picture")
    for options, code in (([], 1), (["--fail-on-anomaly"], 3), (["--json"], 1)):
        done = subprocess.run([sys.executable, "-m", "dinopatch", "inspect", "--bank", tmp_path / "a.bank", *options, name, good_files[0]],
                              capture_output=True, env={**os.environ, "PYTHONIOENCODING": "utf-8"})
        assert done.returncode == code, done.stderr
        assert len(done.stdout.splitlines()) == 2 and b"2 pictures: 1 good, 0 anomalous, 1 not inspected" in done.stderr
