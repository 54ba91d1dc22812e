# SPDX-License-Identifier: Apache-2.0
"""What the library can do with a bank, Python can: scoring in another way, regions, smaller banks, tuning, the learning curve."""

import functools
import gc
import json
import os
import signal
import threading
import time

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import dinopatch as dp


def other_value(option):
    """A value that an overridable option does not have by default."""
    known = {"search.metric": "cosine", "window": 2, "search.knn": 2, "search.blend": 0.5, "search.order": 0.5, "map.low": 0.3,
             "map.high": 0.5, "map.min-object": 3, "map.max-hole": 3, "map.unit": "pixels", "map.gaussian": 1.5, "map.median": 3,
             "map": {"gaussian": 1}, "score": "mean"}
    return known[option.key]


def test_every_overridable_option_changes_how_pictures_are_scored(bank, new):
    """Where the table gets a row that an inspection may change, this fails until `calibrate` carries it over."""
    plain = bank.inspect(new[-1])
    for option in (it for it in dp.options() if it.overridable):
        more = {"map.min-object": {"map.low": 0.3}, "map.max-hole": {"map.low": 0.3}, "map.high": {"map.low": 0.3},
                "map.unit": {"map.low": 0.3, "map.min-object": 3}}.get(option.key, {})
        other = bank.calibrate(**{option.key: other_value(option), **more})
        assert other.option(option.key) != bank.option(option.key), option.key
        if option.key not in ("map.min-object", "map.max-hole", "map.unit"):  # which do nothing to a map of one large object
            found = other.inspect(new[-1])
            assert found.score != plain.score or not np.array_equal(found.map, plain.map), option.key


def test_what_belongs_to_the_features_is_refused(bank):
    for key, value in {"size": 128, "layers": [1], "align": "pca", "bank.storage": "f16"}.items():
        with pytest.raises(dp.OptionError, match="fit a new bank"):
            bank.calibrate(**{key: value})
    with pytest.raises(dp.OptionError, match="search.knn 0"):
        bank.calibrate(search_knn=0)


def test_another_way_of_scoring_is_that_of_the_program(bank, new, test_files, tmp_path):
    from test_parity import program

    bank.save(tmp_path / "a.bank")
    other = bank.calibrate(window=2, score="max", knn=2)
    line = json.loads(program("inspect", "--bank", tmp_path / "a.bank", "--json", "-q", "--window", 2, "--score", "max", "--knn", 2,
                                            test_files[0]).splitlines()[0])
    result = other.inspect(test_files[0])
    assert float(f"{result.score:.12g}") == line["score"] and float(f"{result.threshold:.12g}") == line["threshold"]


def test_region(good, good_files, new):
    mask = np.zeros(good[0].shape[:2], np.uint8)
    mask[:, :80] = 255
    bank = dp.fit(good, align="none", size=96, roi=mask)
    result = bank.inspect(new[-1])
    assert result.inspected is not None and not result.inspected[:, 100:].any() and result.inspected[:, 10:70].all()
    damaged = new[0].copy()
    damaged[60:100, 110:150] = 255 - damaged[60:100, 110:150]
    assert bank.inspect(damaged).score == pytest.approx(bank.inspect(new[0]).score, rel=0.2)  # the mark lies outside
    bank = dp.fit(good_files, size=96, align="pca", roi=mask, roi_picture=good_files[0].name)
    assert bank.option("roi.frame") == "object" if "roi.frame" in {it.key for it in dp.options()} else True
    with pytest.raises(dp.OptionError, match="give the mask as roi"):
        dp.fit(good, roi_picture="a.png")
    with pytest.raises(dp.DinopatchError):
        dp.fit(good, align="none", size=96, roi=np.zeros_like(mask))


def test_files_are_not_kept_in_memory(good_files, good, monkeypatch):
    """Files give what arrays give, and no more than a few of them are open at once."""
    from dinopatch import _pictures

    alive, most = [0], [0]
    plain = _pictures.load

    class Counted(np.ndarray):
        def __del__(self):
            if getattr(self, "counted", False):
                alive[0] -= 1

    def load(path):
        it = plain(path).view(Counted)
        it.counted = True
        alive[0] += 1
        most[0] = max(most[0], alive[0])
        return it

    monkeypatch.setattr(_pictures, "load", load)
    bank = dp.fit(good_files, align="none", size=96)
    assert 0 < most[0] < len(good_files)
    assert [p.score for p in bank.pictures] == [p.score for p in dp.fit(good, align="none", size=96).pictures]


def test_one_buffer_filled_again_and_again(good):
    """As a camera hands its frames over."""
    frame = np.empty_like(good[0])

    def frames():
        for picture in good:
            frame[...] = picture
            yield frame

    assert len(dp.fit(frames(), align="none", size=96)) == len(good)
    assert len(dp.fit(good[:2], align="none", size=96).add(frames())) == len(good)


def test_16_bit_files_find_their_white(good, tmp_path):
    from PIL import Image

    paths = []
    for index, picture in enumerate(good):
        paths.append(tmp_path / f"{index}.png")
        Image.fromarray(picture[..., 1].astype(np.uint16) * 16).save(paths[-1])
    arrays = [picture[..., 1].astype(np.uint16) * 16 for picture in good]
    by_files, by_arrays = dp.fit(paths, align="none", size=96), dp.fit(arrays, align="none", size=96)
    assert [p.score for p in by_files.pictures] == [p.score for p in by_arrays.pictures]


def test_compress(bank, new):
    smaller = bank.compress(storage="int8")
    assert smaller.compression.bytes_after < smaller.compression.bytes_before / 3
    assert smaller.compression.threshold_before == bank.threshold and smaller.compression.threshold_after == smaller.threshold
    assert smaller.inspect(new[0]).score == pytest.approx(bank.inspect(new[0]).score, rel=0.05)
    assert bank.compress(pca=0.9).option("bank.pca") != "off" and bank.compression is None
    with pytest.raises(dp.OptionError, match="nothing to do"):
        bank.compress()
    with pytest.raises(dp.OptionError, match="bank.storage"):
        bank.compress(storage="f8")
    with pytest.raises(dp.OptionError):
        bank.compress(coreset=0.1)  # of a grid


def test_tune_as_the_program(bank, drawn, test_files, tmp_path):
    from test_parity import program

    held = sorted((drawn / "test" / "good").glob("*.png"))
    bad = [path for path in test_files if path.parent.name != "good"]
    found = bank.tune(held, bad, trials=200, folds=2)
    bank.save(tmp_path / "a.bank")
    said = json.loads(program("tune", "--bank", tmp_path / "a.bank", "--good", drawn / "test" / "good",
                                            *[it for path in bad for it in ("--bad", path)], "--trials", 200, "--folds", 2, "--dry-run", "--json", "-q"))
    assert found.trials == said["trials"] == 200 and found.better == said["better"]
    for name in ("untuned", "tuned", "held_out"):
        assert getattr(found, name).auroc == pytest.approx(said[name]["auroc"], abs=1e-9)
    assert found.bank.threshold == pytest.approx(said["threshold"], rel=1e-9) and found.bank.info().threshold_by == "tune"
    with pytest.raises(dp.OptionError, match="is given twice"):
        bank.tune([held[0], held[0]], bad)
    with pytest.raises(dp.OptionError, match="is in the bank"):
        bank.tune(drawn / "train" / "good", bad)


def test_learning_curve(bank):
    curve = bank.learning_curve()
    assert [n for n, _ in curve] == sorted({n for n, _ in curve}) and curve[-1][0] == len(bank) - 1
    assert curve[0][1] > curve[-1][1]


def test_explain(bank, new, good_files):
    named = dp.fit(good_files, align="none", size=96)
    result = next(it for it in named.inspect_many(new) if it.defects)
    drawn = result.explain()
    assert drawn.ndim == 3 and drawn.shape[2] == 3 and drawn.shape[1] > 1.9 * drawn.shape[0]
    with pytest.raises(IndexError):
        result.explain(len(result.defects))
    nameless = next(it for it in bank.inspect_many(new) if it.defects)
    with pytest.raises(dp.FileError, match="good="):
        nameless.explain()
    assert nameless.explain(good=new[0]).shape[2] == 3


def test_drift():
    alarm = dp.Drift(bound=0.01)
    states = [alarm.add(score) for score in np.random.default_rng(0).normal(1, 0.1, 300)]
    assert not any(state.alarm for state in states) and 0 < states[-1].p_value <= 1
    assert any(alarm.add(score).alarm for score in np.random.default_rng(1).normal(2, 0.1, 300))
    with pytest.raises(dp.OptionError):
        dp.Drift(bound=2)


def test_ctrl_c_is_heard_soon():
    """A long fit of large pictures, and the signal from outside."""
    random = np.random.default_rng(0)
    pictures = [random.integers(0, 255, (600, 800, 3), np.uint8) for _ in range(40)]
    sent = []

    def send():
        sent.append(time.process_time())
        os.kill(os.getpid(), signal.SIGINT)

    for after in (0.05, 0.6, 1.5):
        timer = threading.Timer(after, send)
        timer.start()
        try:
            with pytest.raises(KeyboardInterrupt):
                dp.fit(pictures, align="none", size=784)
            heard = time.process_time() - sent[-1]
        finally:
            timer.cancel()
        assert heard < 1.0 * len(os.sched_getaffinity(0)), heard  # of processor time; 0.3 where nothing else runs


def test_threads_share_the_work(bank, new):
    """Two threads take the processors of two, as far as others leave them."""
    if len(os.sched_getaffinity(0)) < 2:
        pytest.skip("one processor")
    begin, cpu = time.perf_counter(), time.process_time()
    for _ in bank.inspect_many(list(new) * 12, 2):
        pass
    wall, cpu = time.perf_counter() - begin, time.process_time() - cpu
    if os.getloadavg()[0] > len(os.sched_getaffinity(0)):
        pytest.skip(f"load {os.getloadavg()[0]:.1f}: others have the processors; {cpu / wall:.2f} of them were had")
    assert cpu / wall > 1.3


@given(st.lists(st.tuples(st.sampled_from(["inspect", "drop", "collect", "another bank", "first bank", "many"]), st.integers(0, 8)), max_size=12))
def test_results_own_their_memory(actions):
    """Whatever is inspected, dropped and collected in whatever order, what a result said stays."""
    pictures = [np.add.outer(np.arange(40) * (2 + i % 3), np.arange(48) + i).astype(np.uint8) for i in range(9)]
    first = _own_bank()
    bank, kept = first, []
    for action, index in actions:
        if action in ("inspect", "many"):
            results = [bank.inspect(pictures[index])] if action == "inspect" else list(bank.inspect_many(pictures[:3], 2))
            kept += [(it, it.map.copy(), None if it.grid is None else it.grid.copy()) for it in results]
        elif action == "drop" and kept:
            kept.pop(index % len(kept))
        elif action == "collect":
            gc.collect()
        elif action == "another bank":
            bank = bank.calibrate(0.1 + index / 20)
        elif action == "first bank":
            bank = first
    del bank, first
    gc.collect()
    for result, distances, grid in kept:
        assert np.array_equal(result.map, distances) and (grid is None or np.array_equal(result.grid, grid, equal_nan=True))


@functools.lru_cache(maxsize=None)
def _own_bank():
    return dp.fit([np.add.outer(np.arange(40) * 2, np.arange(48) + 3 * i).astype(np.uint8) for i in range(3)], align="none", size=64)
