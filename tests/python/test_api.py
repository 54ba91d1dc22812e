# SPDX-License-Identifier: Apache-2.0
"""fit, inspect, and banks from banks."""

import gc
import math
import os
import pickle
import signal
import subprocess
import sys
import threading

import numpy as np
import pytest
from conftest import read, same

import dinopatch as dp


def test_first_use(bank, good, new):
    assert len(bank) == len(good) == 8
    result = bank.inspect(new[0])
    assert result.label in ("good", "anomalous")
    assert result.map.shape == new[0].shape[:2] and result.map.dtype == np.float32
    assert (result.score > result.threshold) == (result.label == "anomalous")
    assert math.isfinite(result.p_value) and result.threshold == bank.threshold
    assert result.cell_threshold == bank.cell_threshold
    assert result.pose.status == "off"
    for defect in result.defects:
        x0, y0, x1, y1 = map(int, defect.box)
        assert result.map[y0:y1, x0:x1].max() == np.float32(defect.peak)
        assert defect.nearest in {picture.name for picture in bank.pictures}
    assert bank.inspect(new[0], map=False).map is None
    assert bank.inspect(new[0], map=False).score == result.score


def test_version_is_the_library_s():
    program = subprocess.run([os.environ["DINOPATCH"], "--version"], capture_output=True, text=True, check=True).stdout
    assert dp.__version__ in program


def test_results_outlive_the_next_run_the_bank_and_the_inspector(good, new):
    bank = dp.fit(good, align="none", size=96)
    kept = [bank.inspect(picture) for picture in new]
    copies = [result.map.copy() for result in kept]
    del bank
    gc.collect()
    np.zeros((400, 400, 40)).sum()
    assert all(np.array_equal(a.map, b) for a, b in zip(kept, copies))
    kept[0].map[0, 0] = 1  # it is the caller's


def test_many_in_order_and_equal_to_one_by_one(bank, new):
    alone = [bank.inspect(picture) for picture in new]
    for workers in (1, 3):
        together = list(bank.inspect_many(iter(new), workers))
        assert len(together) == len(new) and all(same(a, b) for a, b in zip(alone, together))


def test_many_reads_a_few_pictures_ahead_only(bank, new):
    read_so_far = 0

    def endless():
        nonlocal read_so_far
        while True:
            read_so_far += 1
            yield new[read_so_far % len(new)]

    results = bank.inspect_many(endless(), 2)
    for _ in range(3):
        next(results)
    results.close()
    assert read_so_far <= 3 + 2 * 2 + 1


def test_many_goes_on_after_a_file_that_is_no_picture(bank, test_files, tmp_path):
    broken = tmp_path / "broken.png"
    broken.write_bytes(b"\x89PNG\r\n\x1a\nno")
    first, second, third = bank.inspect_many([test_files[0], broken, tmp_path / "missing.png"], 2)
    assert first.error is None and first.name == str(test_files[0])
    assert second.label == third.label == "not_inspected"
    assert isinstance(second.error, dp.PictureError) and str(broken) in second.reason
    assert isinstance(third.error, dp.FileError) and "no such file" in third.reason
    with pytest.raises(dp.PictureError, match="broken.png"):
        bank.inspect(broken)


def test_threads_share_a_bank(bank, new):
    alone = [bank.inspect(picture) for picture in new]
    wrong = []

    def work():
        for expected, picture in zip(alone, new):
            try:
                same(expected, bank.inspect(picture))
            except BaseException as fault:
                wrong.append(fault)

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong


def test_the_gil_is_released(bank, new):
    """A thread of Python runs on while fit is in the library: its counter is seen to move by a callback of the library."""
    count, seen, stop = [0], [], threading.Event()

    def counting():
        while not stop.is_set():
            count[0] += 1
            stop.wait(0.0005)

    thread = threading.Thread(target=counting)
    thread.start()
    try:
        dp.fit(new, align="none", size=96, progress=lambda stage, done, total: seen.append(count[0]) and None)
    finally:
        stop.set()
        thread.join()
    assert seen[-1] > seen[0]


def test_thread_count_changes_nothing(bank, good, new):
    other = dp.fit(good, align="none", size=96, threads=1)
    assert [p.score for p in other.pictures] == [p.score for p in bank.pictures]
    assert all(same(bank.inspect(picture), other.inspect(picture)) for picture in new[:2])


def test_save_and_open(bank, new, tmp_path):
    path = tmp_path / "a.bank"
    bank.save(path)
    with pytest.raises(dp.FileError, match="is there already"):
        bank.save(path)
    bank.save(path, overwrite=True)
    opened = dp.open(path)
    opened.verify()
    assert same(bank.inspect(new[0]), opened.inspect(new[0]))
    opened.save(path, overwrite=True)  # over the file that it maps
    assert same(bank.inspect(new[0]), opened.inspect(new[0]))
    with pytest.raises(dp.FileError, match="no.bank"):
        dp.open(tmp_path / "no.bank")
    path.write_bytes(b"no bank" * 10)
    with pytest.raises(dp.FormatError):
        dp.open(path)


def test_pickle(bank, new):
    assert same(bank.inspect(new[0]), pickle.loads(pickle.dumps(bank)).inspect(new[0]))


def test_add_remove_merge(good, new):
    first, second = good[:5], good[5:]
    a = dp.fit(first, align="none", size=96)
    more = a.add(second)
    assert (len(a), len(more)) == (5, 8)
    assert [p.name for p in more.pictures][-1] == "picture 7"
    again = more.add([good[6]])
    assert len(again) == 8 and again.left_out == []
    less = more.remove([5, "picture 6", -1])
    assert [p.name for p in less.pictures] == [f"picture {i}" for i in range(5)]
    assert [p.score for p in less.pictures] == [p.score for p in a.pictures]
    with pytest.raises(dp.OptionError, match="picture 99"):
        more.remove("picture 99")
    with pytest.raises(dp.OptionError, match="has 8 pictures"):
        more.remove(8)
    merged = less.merge(more)
    assert sorted(p.score for p in merged.pictures) == pytest.approx(sorted(p.score for p in more.pictures))


def test_the_same_picture_counts_once(good):
    assert len(dp.fit([*good, good[0].copy()], align="none", size=96)) == len(good)


def test_calibrate(bank, drawn, good):
    wider = bank.calibrate(0.3)
    assert wider.threshold < bank.threshold and wider.info().threshold_by == "calibrate" and wider.info().fpr == 0.3
    given = bank.calibrate(value=1.25)
    assert given.threshold == 1.25 and given.info().threshold_by == "value"
    held = bank.calibrate(0.5, good=drawn / "test" / "good", allow_few=True)
    assert held.info().threshold_by == "held-out" and 0 < held.info().certified < 1
    with pytest.raises(dp.OptionError, match="is in the bank"):
        bank.calibrate(good=good)
    with pytest.raises(dp.OptionError):
        bank.calibrate(0.1, value=1.0)
    with pytest.raises(dp.OptionError):
        bank.calibrate(2.0)
    for rate in bank.rates():
        assert bank.calibrate(rate.rate).threshold == rate.threshold


def test_info(bank):
    info = bank.info()
    assert info.network == "nano" and len(info.network_sha256) == 64
    assert info.canvas == (96, 96) and info.grid == (12, 12)
    assert len(info.pictures) == len(bank) and info.threshold == bank.threshold
    assert {"window"} <= {choice.option for choice in info.choices} and all(choice.reason for choice in info.choices)
    assert bank.option("size") == "96" and bank.option("align") == "none"
    assert {name for name, _ in bank.suspects()} == {p.name for p in bank.pictures}
    assert "8 good pictures" in repr(bank)


def test_options_are_held_against_the_table(good):
    keys = {option.key for option in dp.options()}
    assert {"size", "search.knn", "fpr"} <= keys
    assert dp.fit(good, **{"size": 96, "align": "none", "search.knn": 2}).option("search.knn") == "2"
    assert dp.fit(good, size=96, align="none", knn=2, mirror=False, layers=[2, 3]).option("layers") == "2,3"
    with pytest.raises(dp.OptionError, match="did you mean search_knn"):
        dp.fit(good, search_kn=3)
    with pytest.raises(dp.OptionError, match="search.knn 0: give a whole number from 1"):
        dp.fit(good, search_knn=0)
    with pytest.raises(dp.OptionError, match="twice"):
        dp.fit(good, search_knn=1, knn=2)
    with pytest.raises(ValueError):  # as every user expects
        dp.fit(good, fpr=2)


def test_network(good, tmp_path):
    with pytest.raises(dp.NetworkError, match="vits14.*model pull"):
        os.environ["XDG_CACHE_HOME"] = str(tmp_path)
        try:
            dp.fit(good, "vits14")
        finally:
            del os.environ["XDG_CACHE_HOME"]
    with pytest.raises(dp.FileError, match="no such checkpoint"):
        dp.fit(good, tmp_path / "none.safetensors")
    assert issubclass(dp.NetworkError, dp.DinopatchError)


def test_fewer_than_asked_is_no_success(good_files, tmp_path):
    broken = tmp_path / "broken.png"
    broken.write_bytes(b"")
    with pytest.raises(dp.PictureError, match="only 8 of 9.*broken.png"):
        dp.fit([*good_files, broken], align="none", size=96)
    bank = dp.fit([*good_files, broken], align="none", size=96, allow_few=True)
    assert [name for name, _ in bank.left_out] == [str(broken)]
    with pytest.raises(dp.PictureError, match="no pictures were given"):
        dp.fit([])
    with pytest.raises(dp.PictureError, match="none of 1"):
        dp.fit([broken])


def test_progress_and_its_exceptions(good):
    stages = []
    dp.fit(good, align="none", size=96, progress=lambda stage, done, total: stages.append((stage, done, total)))
    assert stages and all(isinstance(done, int) for _, done, _ in stages)

    def raises(stage, done, total):
        raise ZeroDivisionError("of the caller")

    with pytest.raises(ZeroDivisionError, match="of the caller"):
        dp.fit(good, align="none", size=96, progress=raises)
    with pytest.raises(dp.CancelledError):
        dp.fit(good, align="none", size=96, progress=lambda *_: True)


def test_ctrl_c_ends_fit_and_inspect_many(bank, good, new):
    """The signal comes from a callback of fit, and between two results of inspect_many."""
    with pytest.raises(KeyboardInterrupt):
        dp.fit(good, align="none", size=96, progress=lambda *_: os.kill(os.getpid(), signal.SIGINT))
    results = bank.inspect_many(new, 2)
    next(results)
    with pytest.raises(KeyboardInterrupt):
        os.kill(os.getpid(), signal.SIGINT)
        list(results)
    assert bank.inspect(new[0]).label


def test_after_a_fork(bank, new):
    expected = bank.inspect(new[0])
    child = os.fork()
    if not child:
        code = 1
        try:
            code = 0 if same(expected, bank.inspect(new[0])) else 1
        finally:
            os._exit(code)
    assert os.waitpid(child, 0)[1] == 0


def test_drawing(bank, new):
    result = bank.inspect(new[-1])
    drawn = result.image()
    assert drawn.shape == (*new[-1].shape[:2], 3) and drawn.dtype == np.uint8
    import io

    from PIL import Image

    assert np.array_equal(np.asarray(Image.open(io.BytesIO(result._repr_png_()))), drawn)
    assert bank.inspect(new[-1], map=False)._repr_png_() is None
    try:
        import matplotlib
    except ImportError:
        with pytest.raises(ImportError, match="matplotlib"):
            bank.plot_thresholds()
    else:
        matplotlib.use("agg")
        assert bank.plot_thresholds().get_xlabel() == "score"


def test_without_pillow(good_files, tmp_path):
    code = f"""
import sys
sys.modules["PIL"] = None
import dinopatch as dp
try:
    dp.fit([{str(good_files[0])!r}])
except dp.PictureError as fault:
    print(fault)
import numpy as np
bank = dp.fit([np.full((64, 64), i, np.uint8) + np.arange(64, dtype=np.uint8) for i in (0, 9)], align="none", size=64)
try:
    print(list(bank.inspect_many([{str(good_files[0])!r}])))
except dp.PictureError as fault:
    print(fault)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.count("pip install pillow") == 2, done.stdout
