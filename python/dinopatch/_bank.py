# SPDX-License-Identifier: Apache-2.0
"""Banks: learning from good pictures, judging others."""

from __future__ import annotations

import concurrent.futures
import contextlib
import math
import os
import tempfile
import threading
import weakref
from collections import deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any, Optional, Union

import numpy as np
import numpy.typing as npt

from . import _options, _pictures
from ._core import ffi, lib
from ._errors import CancelledError, DinopatchError, FileError, MismatchError, NetworkError, OptionError, PictureError, text, whole
from ._options import OptionValue
from ._pictures import Picture
from ._result import Defect, Pose, Result
from ._run import Progress, Run, call, kept, log, opened
from ._source import Source
from ._tune import Tuning, tuned

Path = Union[str, "os.PathLike[str]"]

_NANO = "nano"
_LABELS = {lib.DP_LABEL_GOOD: "good", lib.DP_LABEL_ANOMALOUS: "anomalous", lib.DP_LABEL_NOT_INSPECTED: "not_inspected"}


@dataclass(frozen=True)
class GoodPicture:
    """A good picture that a bank has learned from."""

    name: str
    score: float  #: against the other good pictures; NaN: there is none


@dataclass(frozen=True)
class Choice:
    """One thing that fit chose."""

    option: str
    value: str
    reason: str


@dataclass(frozen=True)
class Rate:
    """What a threshold promises, if coming pictures are like the good ones."""

    rate: float  #: false-alarm rate that was asked for
    threshold: float
    expected: float  #: false-alarm rate to expect
    low: float  #: the rate lies between low and high with 90 % probability
    high: float


@dataclass(frozen=True)
class BankInfo:
    """What is in a bank."""

    pictures: tuple[GoodPicture, ...]
    threshold: float  #: a picture with a higher score is anomalous; NaN: there is none
    threshold_by: str  #: what set it: "leave-one-out", "calibrate", "value", "tune", "held-out", "unknown"
    cell_threshold: float  #: distances above it are drawn as defects; NaN: there is none
    fpr: float  #: false-alarm rate that the threshold aims at; 0: at none
    fpr_promised: float  #: the next good picture is a false alarm with at most this probability; NaN: not known
    certified: float  #: of a threshold from held-out pictures: the rate, with 95 % confidence; 0: it is none
    grid: tuple[int, int]  #: cells, rows and columns; (1, 1) of a flat bank
    canvas: tuple[int, int]  #: height and width in pixels of what the network sees; (0, 0): each picture has its own
    network: str  #: "nano", or the file when the bank was made
    network_sha256: str
    network_licence: str  #: of the checkpoint; empty: not known
    feature_bytes: int
    choices: tuple[Choice, ...]  #: what fit chose, and why


@dataclass(frozen=True)
class Compression:
    """What making a bank smaller did."""

    bytes_before: int  #: of the features and their tables
    bytes_after: int
    kept_variance: float  #: share that the principal components keep; 1 without
    threshold_before: float
    threshold_after: float
    mean_change: float  #: of the good pictures' scores, relative: 0.01 is one per cent more; NaN: they could not be scored again
    max_change: float
    rank_correlation: float  #: Spearman's, of the scores before and after


def _cpus() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _encoded(path: Path) -> bytes:
    encoded = os.fsencode(os.fspath(path))
    if not encoded or b"\0" in encoded:
        raise FileError(f"{path!r} is no path; give the name of a file")
    return encoded


def _cache(name: str) -> str:
    root = os.environ.get("XDG_CACHE_HOME") or os.path.join(os.path.expanduser("~"), ".cache")
    return os.path.join(root, "dinopatch", name)


def _network(model: Path) -> Any:
    """The built-in network, a file, or one that `dinopatch model pull` has fetched."""
    name = os.fspath(model)
    if name != _NANO and not os.path.exists(name):
        pulled = _cache(name + ".safetensors")
        if os.sep in name or name.endswith(".safetensors"):
            raise FileError(f"{name}: no such checkpoint")
        if not os.path.exists(pulled):
            raise NetworkError(f"{name}: is no file, and is not in the cache ({pulled}): 'dinopatch model pull {name}' fetches it; "
                               "'nano' is built in")
        name = pulled
    return opened("dp_network", lib.close_network, None, lib.dp_network_open, _encoded(name))


def _tell_left_out(left_out: list[tuple[str, str]], used: int, allow_few: bool) -> None:
    """Fewer pictures than asked for are no success."""
    if left_out and used < 9 * (used + len(left_out)) / 10 and not allow_few:
        name, why = left_out[0]
        raise PictureError(f"only {used} of {used + len(left_out)} pictures can be used; {name}: {_unnamed(name, why)}; "
                           "leave them out, or pass allow_few=True")
    for name, why in left_out:
        log.warning("%s: left out: %s", name, _unnamed(name, why))


def _unnamed(name: str, why: str) -> str:
    return why[len(name) + 2 :] if why.startswith(name + ": ") else why


def fit(
    pictures: Any,
    model: Path = _NANO,
    *,
    threads: int = 0,
    progress: Optional[Progress] = None,
    bgr: bool = False,
    white: int = 0,
    allow_few: bool = False,
    roi: Any = None,
    roi_picture: Optional[str] = None,
    **options: OptionValue,
) -> "Bank":
    """Learns from pictures of good parts, and finds the thresholds.

    pictures   an iterable of pictures, a mapping from names to pictures, a folder, or a Dataset of PyTorch. A picture is an array
               [height, width] or [height, width, 3] of uint8 or uint16, a path (read with Pillow), a PIL image, or an object with
               `__array_interface__` or `__dlpack__` on the CPU. Channels first, [3, height, width], are taken, too. Of a pair
               (picture, label) the label is not read.
    model      "nano", the built-in network; a checkpoint file; or a name that `dinopatch model pull` has fetched
    threads    0: one for each processor. It never changes a result.
    progress   called with the stage, the steps done and all steps; a true result stops the work
    bgr        arrays are in the order blue, green, red, as those of OpenCV
    white      of 16-bit arrays the sample that means white, 4095 for 12 bits; 0: found in the good pictures
    allow_few  a bank of fewer than 90 % of the pictures is no error
    roi        a mask [height, width], or a file of one: only where it is not 0 pictures are inspected
    roi_picture  the good picture, by its name, that the mask was drawn on: the region follows the part; None: it covers the same pixels
               of every picture
    options    settings by the keys of the table: `size=512`, `search_knn=3` for `search.knn`, `align="none"`; what is not given is
               chosen from the good pictures

    Files are opened when they are needed, and memory holds a few of them only; arrays are kept until fit ends, without a copy where they
    come in a list. The same picture twice counts once.
    """
    recipe = _options.recipe(options)
    source = Source(pictures, bgr, white)
    region = None if roi is None else _region(roi, roi_picture)
    if roi is None and roi_picture is not None:
        raise OptionError("roi_picture says where a mask was drawn; give the mask as roi")
    network = _network(model)
    run = Run(threads, progress)
    session = opened("dp_session", lib.close_session, run, lib.dp_session_open, network, recipe.precision, run.pointer)
    bank = _learned(run, source, region, lib.dp_bank_fit_from, session, recipe)
    if bank is None:
        raise PictureError("no pictures were given")
    left_out = _but_twins(run.left_out)
    _tell_left_out(left_out, int(_details(bank).n_pictures), allow_few)
    return Bank(bank, network, threads, left_out)


def _region(mask: Any, drawn_on: Optional[str]) -> Any:
    """A dp_roi of a mask."""
    name = _pictures.path_text(mask) if _pictures.is_path(mask) else "the region"
    array = _pictures.load(mask) if _pictures.is_path(mask) else np.asarray(mask)
    if array.ndim not in (2, 3):
        raise PictureError(f"a mask of shape {array.shape}; it is [height, width]")
    marked = (array.any(axis=2) if array.ndim == 3 else array != 0).astype(np.uint8, order="C")
    return opened("dp_roi", lib.close_roi, None, lib.dp_roi_from_mask, ffi.from_buffer("uint8_t[]", marked), *marked.shape,
                  lib.DP_ROI_FIXED if drawn_on is None else lib.DP_ROI_OBJECT, ffi.NULL if drawn_on is None else _encoded(drawn_on),
                  name.encode("utf-8", "surrogateescape"))


def _learned(run: Run, source: Source, region: Any, function: Any, *arguments: Any) -> Any:
    """Calls dp_bank_fit_from or dp_bank_add_from; None where all pictures are in the bank already."""
    task = ffi.new("dp_fit_input *", {"source": source.source, "roi": ffi.NULL if region is None else region,
                                      "on_picture": lib.on_picture, "user": run.handle})
    bank, counts = ffi.new("dp_bank **"), ffi.new("dp_fit_counts *")
    try:
        run.call(function, *arguments, task, bank, counts)
    except DinopatchError as fault:
        if source.raised is not None:
            raise source.raised
        if len(run.left_out) == len(source) and not isinstance(fault, CancelledError):
            name, why = run.left_out[0]
            raise type(fault)(f"none of {len(source)} pictures can be used; {name}: {_unnamed(name, why)}") from None
        raise
    if source.raised is not None:
        raise source.raised
    return None if bank[0] == ffi.NULL else kept(bank[0], lib.close_bank, run)


def _but_twins(left_out: list[tuple[str, str]]) -> list[tuple[str, str]]:
    for _, why in left_out:
        if "taken once" in why:
            log.info("%s", why)
    return [it for it in left_out if "taken once" not in it[1] and "in the bank already" not in it[1]]


def _details(bank: Any) -> Any:
    details = ffi.new("dp_bank_details *")
    lib.dp_bank_get_details(bank, details)
    return details


def open_bank(path: Path, *, model: Optional[Path] = None, threads: int = 0) -> "Bank":
    """Opens a bank that `save` or `dinopatch fit` wrote. The file is mapped and must not change while it is open.

    model    the network; None: the one that the bank names
    threads  of `inspect`; 0: one for each processor
    """
    bank = opened("dp_bank", lib.close_bank, None, lib.dp_bank_open, _encoded(path))
    return Bank(bank, None if model is None else _network(model), threads)


_alive: "weakref.WeakSet[Bank]" = weakref.WeakSet()


def _after_fork() -> None:
    for bank in list(_alive):
        bank._lock = threading.Lock()  # another thread of the parent may have held it


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)


class Bank:
    """Features of good pictures, the recipe they were made by, and the thresholds. It never changes; `add` and its like return new ones.

    Any number of threads may inspect with it at once: each call takes an inspector of its own, without the GIL.
    """

    def __init__(self, bank: Any, network: Any = None, threads: int = 0, left_out: Optional[list[tuple[str, str]]] = None) -> None:
        self._bank = bank
        self._network_kept = network
        self._threads = threads
        self._lock = threading.Lock()
        self._idle: dict[int, list[_Inspector]] = {}
        self._pid = os.getpid()
        _alive.add(self)
        self._names: Optional[list[str]] = None
        #: Pictures that fit or add could not use, and why.
        self.left_out: list[tuple[str, str]] = left_out or []
        #: What `compress` did; None: it did not make this bank.
        self.compression: Optional[Compression] = None
        view = ffi.new("dp_view *")
        lib.dp_view_init(bank, view)
        self._heat = (float(view.heat.low), float(view.heat.high))

    # ------------------------------------------------------------------------------------------------------- inspect

    def inspect(self, picture: Picture, *, map: bool = True, bgr: bool = False, white: int = 0) -> Result:
        """Judges one picture.

        picture  as for `fit`
        map      False: score and label only, no map and no defects; faster
        bgr      an array is in the order blue, green, red
        white    of 16-bit arrays the sample that means white; 0: as the bank found it

        A picture that cannot be judged is no error: its label is "not_inspected", with the reason.
        """
        white = whole("white", white, 0, 65535)
        with self._borrowed(self._threads) as inspector:
            pixels = _pictures.own(picture, bgr) if map else _pictures.pixels(picture, bgr)  # the result draws over it, however late
            return inspector.run(self, pixels, map, white, None)

    def inspect_many(
        self, pictures: Iterable[Picture], workers: Optional[int] = None, *, map: bool = True, bgr: bool = False, white: int = 0
    ) -> Iterator[Result]:
        """Judges pictures in several threads, and yields the results in the order of the pictures.

        pictures  as for `fit`; an iterator is read as the work goes on, a few pictures ahead
        workers   threads that inspect; None: one for each processor; more than these, or 16, are not started

        A picture that cannot be read does not end the work: its label is "not_inspected", and `error` holds the exception.
        """
        workers = _cpus() if workers is None else min(whole("workers", workers, 1, 1024), max(_cpus(), 16))
        return self._inspect_many(pictures, workers, map, bgr, whole("white", white, 0, 65535))

    def _inspect_many(self, pictures: Any, workers: int, with_map: bool, bgr: bool, white: int) -> Iterator[Result]:
        threads = max(1, _cpus() // workers)
        self._network()  # opened here, once
        running: set[Run] = set()
        stopped = threading.Event()

        def work(name: Optional[str], picture: Any) -> Result:
            with self._borrowed(threads) as inspector:
                running.add(inspector.job)
                inspector.job.stopped = stopped.is_set()
                try:
                    pixels = picture if isinstance(picture, _pictures.Pixels) else _pictures.pixels(picture, bgr)
                    return inspector.run(self, pixels, with_map, white, name)
                except _pictures.NoPillow:
                    raise
                except (PictureError, FileError) as fault:
                    return self._unread(name, fault)
                finally:
                    running.discard(inspector.job)
                    inspector.job.stopped = False

        pool = concurrent.futures.ThreadPoolExecutor(workers, thread_name_prefix="dinopatch")
        waiting: deque[concurrent.futures.Future[Result]] = deque()
        stay = _pictures.stay(pictures)
        try:
            for name, picture in _pictures.each(pictures):
                try:
                    picture = _pictures.unpaired(picture)
                    if not stay and not _pictures.is_path(picture):  # the iterator may fill the same memory again
                        picture = _pictures.own(picture, bgr)
                except (PictureError, FileError) as fault:
                    waiting.append(pool.submit(self._unread, name, fault))
                else:
                    waiting.append(pool.submit(work, name, picture))
                while len(waiting) > 2 * workers or waiting and waiting[0].done():
                    yield waiting.popleft().result()
            while waiting:
                yield waiting.popleft().result()
        finally:
            stopped.set()
            for future in waiting:
                future.cancel()
            for job in list(running):
                job.stopped = True
            pool.shutdown(wait=True)

    def _unread(self, name: Optional[str], fault: DinopatchError) -> Result:
        info = self._details()
        nan = math.nan
        return Result(
            label="not_inspected", reason=str(fault), score=nan, threshold=info.threshold, p_value=nan,
            cell_threshold=info.cell_threshold, map=None, defects=(), pose=None, inspected=None, inspected_fraction=nan, grid=None,
            embed_ms=nan, search_ms=nan, name=name, error=fault,
        )

    @contextlib.contextmanager
    def _borrowed(self, threads: int) -> Iterator["_Inspector"]:
        with self._lock:
            if self._pid != os.getpid():  # after a fork: the threads of the inspectors are in the parent
                for lost in self._idle.values():
                    for each in lost:
                        each.forget()
                self._idle, self._pid = {}, os.getpid()
            idle = self._idle.setdefault(threads, [])
            inspector: Optional[_Inspector] = idle.pop() if idle else None
        if inspector is None:
            inspector = _Inspector(self._bank, self._network(), threads)
        try:
            yield inspector
        finally:
            with self._lock:
                if self._pid == os.getpid():
                    self._idle.setdefault(threads, []).append(inspector)

    def _network(self) -> Any:
        with self._lock:
            if self._network_kept is None:
                path = text(self._details().model_path)
                if path != _NANO and not os.path.exists(path):
                    pulled = _cache(os.path.basename(path))
                    if not os.path.exists(pulled):
                        raise MismatchError(f"the network that the bank was made with, {path}, is not here; "
                                            "give it: dinopatch.open(bank, model=FILE)")
                    path = pulled
                self._network_kept = _network(path)
            return self._network_kept

    # ---------------------------------------------------------------------------------------------------- what is in it

    def _details(self) -> Any:
        return _details(self._bank)

    def __len__(self) -> int:
        """How many good pictures are in it."""
        return int(self._details().n_pictures)

    def __repr__(self) -> str:
        return f"<dinopatch.Bank of {len(self)} good pictures, threshold {self.threshold:.6g}>"

    @property
    def threshold(self) -> float:
        """A picture with a higher score is anomalous; NaN: there is none."""
        return float(self._details().threshold)

    @property
    def cell_threshold(self) -> float:
        """Distances of the map above it are drawn as defects; NaN: there is none."""
        return float(self._details().cell_threshold)

    @property
    def pictures(self) -> tuple[GoodPicture, ...]:
        """The good pictures and their scores, each against the others."""
        score = ffi.new("double *")
        return tuple(
            GoodPicture(text(lib.dp_bank_picture(self._bank, index, score)), float(score[0])) for index in range(len(self))
        )

    def info(self) -> BankInfo:
        """What is in the bank, and what fit chose."""
        details = self._details()
        brief = ffi.new("dp_bank_info *")
        brief.size = ffi.sizeof("dp_bank_info")
        lib.dp_bank_get_info(self._bank, brief)
        n = ffi.new("size_t *")
        choices = lib.dp_bank_choices(self._bank, n)
        return BankInfo(
            pictures=self.pictures,
            threshold=details.threshold,
            threshold_by=text(lib.dp_origin_name(details.threshold_origin.by)),
            cell_threshold=details.cell_threshold,
            fpr=details.threshold_origin.fpr,
            fpr_promised=brief.fpr_promised,
            certified=details.threshold_origin.certified,
            grid=(details.grid_rows, details.grid_cols),
            canvas=(brief.canvas_height_px, brief.canvas_width_px),
            network=text(details.model_path),
            network_sha256=text(details.model_sha256),
            network_licence=text(brief.network_licence),
            feature_bytes=details.feature_bytes,
            choices=tuple(Choice(text(c.option), text(c.value), text(c.reason)) for c in (choices[i] for i in range(n[0]))),
        )

    def option(self, key: str) -> str:
        """The text of a setting of the bank's recipe, by its key: `bank.option("search.knn")`."""
        out = ffi.new("char **")
        details = self._details()
        call(lib.dp_recipe_get, ffi.addressof(details, "recipe"), str(key).encode(), out)
        value = text(out[0])
        lib.dp_memory_free(out[0])
        return value

    def suspects(self) -> list[tuple[str, float]]:
        """Names of the good pictures, the least good first, and how far each lies from the rest: from about 3.5 on look at it."""
        n = len(self)
        order, z = ffi.new("size_t[]", n), ffi.new("double[]", n)
        call(lib.dp_bank_suspects, self._bank, order, z)
        names = [picture.name for picture in self.pictures]
        return [(names[order[i]], float(z[i])) for i in range(n)]

    def rates(self) -> list[Rate]:
        """False-alarm rates, the threshold of each, and what to expect of it, if coming pictures are like the good ones."""
        scores = [picture.score for picture in self.pictures if not math.isnan(picture.score)]
        if not scores:
            return []
        rates, details = ffi.new("double[]", 64), self._details()
        n = lib.dp_calibration_rates(len(scores), details.recipe.fpr, rates)
        found = []
        for rate in list(rates[0:n]):
            it = ffi.new("dp_calibration *")
            call(lib.dp_calibrate, scores, len(scores), rate, it)
            found.append(Rate(rate, it.threshold, it.expected, it.low, it.high))
        return found

    def verify(self) -> None:
        """Reads every byte. Raises CorruptError where the checksum does not hold."""
        call(lib.dp_bank_verify, self._bank)

    def plot_thresholds(self, axes: Any = None) -> Any:
        """Draws the scores of the good pictures and the thresholds of several false-alarm rates; needs matplotlib. Returns the axes."""
        try:
            from matplotlib import pyplot  # type: ignore[import-not-found,unused-ignore]
        except ImportError:
            raise ImportError("plot_thresholds() draws with matplotlib: pip install matplotlib") from None
        axes = axes if axes is not None else pyplot.subplots()[1]
        scores = sorted(picture.score for picture in self.pictures if not math.isnan(picture.score))
        axes.plot(scores, np.arange(1, len(scores) + 1), "o", label="good pictures, each against the others")
        for rate in self.rates():
            axes.axvline(rate.threshold, linestyle=":", color="gray")
            axes.annotate(f"{rate.rate:g}", (rate.threshold, 0), rotation=90, textcoords="offset points", xytext=(3, 3))
        if not math.isnan(self.threshold):
            axes.axvline(self.threshold, color="red", label=f"threshold {self.threshold:.4g}")
        axes.set_xlabel("score")
        axes.set_ylabel("good pictures with at most this score")
        axes.legend()
        return axes

    # -------------------------------------------------------------------------------------------------- banks from banks

    def save(self, path: Path, *, overwrite: bool = False) -> None:
        """Writes the bank to a file, whole or not at all. A file that is there already is an error unless overwrite is True."""
        self._refuse(path, overwrite)
        call(lib.dp_bank_save, self._bank, _encoded(path))

    @staticmethod
    def _refuse(path: Path, overwrite: bool) -> None:
        if not overwrite and os.path.lexists(path):
            raise FileError(f"{os.fspath(path)}: is there already; choose another name or pass overwrite=True")

    def add(
        self, pictures: Any, *, progress: Optional[Progress] = None, bgr: bool = False, white: int = 0, allow_few: bool = False
    ) -> "Bank":
        """A bank with further good pictures, by this one's recipe; those that it has are not computed again, and one that is in it
        already counts once."""
        source = Source(pictures, bgr, white, len(self))
        run = Run(self._threads, progress)
        network, details = self._network(), self._details()
        session = opened("dp_session", lib.close_session, run, lib.dp_session_open, network, details.recipe.precision, run.pointer)
        larger = _learned(run, source, None, lib.dp_bank_add_from, session, self._bank)
        if larger is None:  # all are in it already
            return Bank(self._bank, network, self._threads)
        bank = Bank(larger, network, self._threads, _but_twins(run.left_out))
        _tell_left_out(bank.left_out, len(bank) - len(self), allow_few)
        return bank

    def remove(self, names: Union[str, int, Iterable[Union[str, int]]], *, progress: Optional[Progress] = None) -> "Bank":
        """A bank without some of its pictures, given by name or index."""
        if isinstance(names, (str, int)):
            names = [names]
        known = [picture.name for picture in self.pictures]
        indices = []
        for name in names:
            if isinstance(name, str):
                same = [i for i, it in enumerate(known) if it == name] or [i for i, it in enumerate(known) if os.path.basename(it) == name]
                if not same:
                    raise OptionError(f"{name}: is not in the bank; bank.pictures lists its pictures")
                if len(same) > 1 and known[same[0]] != name:
                    raise OptionError(f"{name}: {len(same)} pictures of the bank have this name; give its folder too")
                indices += same
            else:
                if not -len(known) <= name < len(known):
                    raise OptionError(f"{name}: the bank has {len(known)} pictures")
                indices.append(name % len(known))
        run = Run(self._threads, progress)
        bank = opened("dp_bank", lib.close_bank, run, lib.dp_bank_remove, self._bank, indices, len(indices), run.pointer)
        return Bank(bank, self._network_kept, self._threads)

    def merge(self, other: "Bank", *, progress: Optional[Progress] = None) -> "Bank":
        """A bank with the pictures of both; a picture that is in both counts once. How pictures are scored is as in this one."""
        if not isinstance(other, Bank):
            raise TypeError(f"merge takes a Bank, not a {type(other).__name__}; dinopatch.open(FILE) gives one")
        run = Run(self._threads, progress)
        bank = opened("dp_bank", lib.close_bank, run, lib.dp_bank_merge, self._bank, other._bank, run.pointer)
        return Bank(bank, self._network_kept or other._network_kept, self._threads)

    def calibrate(
        self, fpr: Optional[float] = None, *, value: Optional[float] = None, good: Any = None, bgr: bool = False, white: int = 0,
        allow_few: bool = False, **options: OptionValue,
    ) -> "Bank":
        """A bank with other thresholds, from good pictures alone, or with another way of scoring and the thresholds that go with it.

        fpr    false-alarm rate to aim at; None: the bank's own
        value  this threshold, whatever rate it makes
        good   pictures of good parts that the bank has not seen: the rate is then certified with 95 % confidence; `info().certified`
               says which could be
        options  how pictures are scored, by the keys of the table that are overridable: `window=2`, `search_knn=3`, `score="max"`,
               `map={"gaussian": 1}`; what is not given stays as it is
        """
        if value is not None and (fpr is not None or good is not None):
            raise OptionError("value takes the threshold as it is; give it without fpr and good")
        if value is not None and not (math.isfinite(value) and value >= 0):
            raise OptionError(f"value is {value}; give a threshold of 0 or more")
        details = self._details()
        fpr = float(details.recipe.fpr if fpr is None else fpr)
        n = int(details.n_pictures)
        run = Run(self._threads)
        view, found = ffi.new("dp_view *"), ffi.new("dp_good *")
        scores, peaks = ffi.new("double[]", n), ffi.new("double[]", n)
        found.scores, found.peaks, found.optional = scores, peaks, value is not None or good is not None
        lib.dp_view_init(self._bank, view)
        if options:
            _options.override(ffi.addressof(details, "recipe"), options)
            lib.dp_view_take_recipe(view, ffi.addressof(details, "recipe"))
        run.call(lib.dp_view_settle, self._bank, view, run.pointer)
        run.call(lib.dp_bank_calibrate, self._bank, view, fpr, run.pointer, found)
        lib.dp_view_take_good(view, found, n)
        view.threshold, view.cell_threshold = found.of_scores.threshold, found.of_peaks.threshold
        view.origin = {"by": lib.DP_ORIGIN_CALIBRATE if found.of_scores.n else 0, "fpr": fpr, "n_good": found.of_scores.n}
        if value is not None:
            view.threshold = value
            view.origin = {"by": lib.DP_ORIGIN_VALUE}
        if good is not None:
            self._certify(view, fpr, Source(good, bgr, white), allow_few)
        return self._viewed(view)

    def _viewed(self, view: Any) -> "Bank":
        """A bank that scores and decides as a view does."""
        with tempfile.TemporaryDirectory(prefix="dinopatch-") as folder:
            path = os.path.join(folder, "calibrated.bank")
            details = self._details()
            call(lib.dp_bank_save_view, self._bank, view, details.recipe.fpr, path.encode())
            bank = opened("dp_bank", lib.close_bank, None, lib.dp_bank_open, path.encode())  # mapped: it outlives the name
        return Bank(bank, self._network_kept, self._threads)

    def _unseen(self, source: Source, run: Run) -> list[bool]:
        """Which pictures are the first of their kind; one that is in the bank is an error."""
        n = len(source)
        in_bank, earlier = ffi.new("size_t[]", n), ffi.new("size_t[]", n)
        run.call(lib.dp_find_twins_from, self._bank, source.source, run.pointer, in_bank, earlier)
        nowhere = int(ffi.cast("size_t", -1))
        for index in range(n):
            if in_bank[index] != nowhere:
                raise OptionError(f"{source.names[index]}: is in the bank; give pictures that it has not seen")
        return [earlier[index] == nowhere for index in range(n)]

    def _certify(self, view: Any, fpr: float, images: Source, allow_few: bool) -> None:
        n = len(images)
        first = self._unseen(images, Run(self._threads))
        scores, peaks, left_out = [], [], []
        for index in range(n):
            if not first[index]:
                continue
            try:
                with self._borrowed(self._threads) as inspector:
                    result = inspector.run(self, images.pixels(index), True, 0, images.names[index])
            except (PictureError, FileError) as fault:
                left_out.append((images.names[index], str(fault)))
                continue
            if result.label == "not_inspected" or result.map is None:
                left_out.append((images.names[index], result.reason or ""))
            else:
                scores.append(result.score)
                peaks.append(float(result.map.max()))
        if not scores:
            raise PictureError(f"none of {n} good pictures could be inspected; {left_out[0][0]}: {left_out[0][1]}")
        _tell_left_out(left_out, len(scores), allow_few)
        of_scores, of_peaks = ffi.new("dp_certificate *"), ffi.new("dp_certificate *")
        call(lib.dp_certify, scores, len(scores), fpr, of_scores)
        call(lib.dp_certify, peaks, len(peaks), fpr, of_peaks)
        view.threshold, view.cell_threshold = of_scores.threshold, of_peaks.threshold
        view.origin = {"by": lib.DP_ORIGIN_HELD_OUT, "fpr": fpr, "n_good": of_scores.n, "k": of_scores.k, "certified": of_scores.rate}

    def compress(
        self, *, pca: float = 0, kmeans: int = 0, coreset: float = 0, storage: Optional[str] = None, seed: int = 0,
        progress: Optional[Progress] = None,
    ) -> "Bank":
        """A smaller bank. Its scores and thresholds are found anew; `compression` of what is returned says what it cost.

        pca      features are projected on principal components: a share of the variance to keep (0.99), or their number
        kmeans   centres that are kept of the features of each cell
        coreset  rows that are kept of a flat bank: a share (0.1), or their number
        storage  "f32", "f16" or "int8"; None: the bank's own
        """
        how = ffi.new("dp_compression *")
        lib.dp_compression_init(self._bank, how)
        asked = {"bank.pca": pca, "bank.kmeans": kmeans, "bank.coreset": coreset, "bank.storage": storage, "seed": seed}
        checked = _options.recipe({key: value for key, value in asked.items() if value})
        if not (pca or kmeans or coreset or storage):
            raise OptionError("nothing to do: give pca, kmeans, coreset or storage")
        how.pca, how.kmeans, how.coreset, how.seed = checked.pca, checked.kmeans, checked.coreset, checked.seed
        if storage:
            how.storage = checked.storage
        run = Run(self._threads, progress)
        smaller, report = ffi.new("dp_bank **"), ffi.new("dp_compression_report *")
        run.call(lib.dp_bank_compress, self._bank, how, run.pointer, smaller, report)
        bank = Bank(kept(smaller[0], lib.close_bank, run), self._network_kept, self._threads)
        bank.compression = Compression(report.bytes_before, report.bytes_after, report.kept_variance, report.threshold_before,
                                       report.threshold_after, report.mean_change, report.max_change, report.rank_correlation)
        return bank

    def tune(
        self, good: Any, bad: Any, *, trials: int = 20000, folds: int = 5, seed: int = 0, progress: Optional[Progress] = None,
        bgr: bool = False, white: int = 0,
    ) -> "Tuning[Bank]":
        """Searches for the post-processing, the score and the threshold that best tell labelled pictures apart.

        good, bad  pictures that the bank has not seen
        trials     configurations to try
        folds      of the held-out figures: each is scored with what was found on the others

        Rely on the held-out figures, and use `bank` of the result only where it is `better`.
        """
        how = (whole("trials", trials, 1, 1 << 31), whole("folds", folds, 0, 1 << 20), whole("seed", seed, 0, (1 << 32) - 1))
        goods, bads = list(_pictures.each(good)), list(_pictures.each(bad))
        source = Source([picture for _, picture in goods + bads], bgr, white)
        run = Run(self._threads, progress)
        first = self._unseen(source, run)
        for index, is_first in enumerate(first):
            if not is_first:
                raise OptionError(f"{source.names[index]}: is given twice")
        return tuned(self._bank, self._network(), self._viewed, source, len(goods), run, how)

    def learning_curve(self, *, progress: Optional[Progress] = None) -> list[tuple[int, float]]:
        """What the good pictures score on average against so many others: whether more pictures would help. Empty: the bank cannot say."""
        run = Run(self._threads, progress)
        curve = ffi.new("dp_learning_curve *")
        run.call(lib.dp_bank_learning_curve, self._bank, run.pointer, curve)
        return [(int(curve.pictures[i]), float(curve.scores[i])) for i in range(curve.n_points)]

    # ------------------------------------------------------------------------------------------------------------ pickle

    def __reduce__(self) -> Any:
        with tempfile.TemporaryDirectory(prefix="dinopatch-") as folder:
            path = os.path.join(folder, "pickled.bank")
            call(lib.dp_bank_save, self._bank, path.encode())
            with open(path, "rb") as file:
                return _unpickled, (file.read(), self._threads)


def _unpickled(data: bytes, threads: int) -> Bank:
    with tempfile.TemporaryDirectory(prefix="dinopatch-") as folder:
        path = os.path.join(folder, "pickled.bank")
        with open(path, "wb") as file:
            file.write(data)
        return open_bank(path, threads=threads)


class _Inspector:
    """One thread's: it owns the network's workspace, the search and the result of the last picture."""

    def __init__(self, bank: Any, network: Any, threads: int) -> None:
        self.job = Run(threads)
        self._inspector = opened("dp_inspector", lib.close_inspector, self.job, lib.dp_inspector_open, network, bank, self.job.pointer)
        self._image = ffi.new("dp_image *")
        self._result = ffi.new("const dp_result **")

    def forget(self) -> None:
        """Gives up the inspector without closing it, in a process where its threads are not."""
        ffi.gc(self._inspector, None)

    def run(self, bank: Bank, pixels: _pictures.Pixels, with_map: bool, white: int, name: Optional[str]) -> Result:
        _pictures.fill(self._image, pixels, white)
        self.job.call(lib.dp_inspector_run, self._inspector, self._image, lib.DP_RESULT_MAP if with_map else 0, self._result)
        found = self._result[0][0]
        height, width = int(found.height_px), int(found.width_px)
        defects = tuple(_defect(bank, found.defects[i]) for i in range(found.n_defects))
        inspected = grid = distances = None
        if found.inspected != ffi.NULL:
            inspected = np.frombuffer(ffi.buffer(found.inspected, height * width), np.uint8).reshape(height, width) == 1
        if found.grid_rows and found.grid != ffi.NULL:
            rows, cols = int(found.grid_rows), int(found.grid_cols)
            grid = np.frombuffer(ffi.buffer(found.grid, 4 * rows * cols), np.float32).reshape(rows, cols).copy()
            grid[np.frombuffer(ffi.buffer(found.grid_valid, rows * cols), np.uint8).reshape(rows, cols) == 0] = np.nan
        pose = found.pose
        result = Result(
            label=_LABELS.get(found.label),
            reason=text(found.reason) or None,
            score=found.score,
            threshold=found.threshold,
            p_value=found.p_value,
            cell_threshold=found.cell_threshold,
            map=None,
            defects=defects,
            pose=Pose(text(lib.dp_align_status_name(pose.status)), (pose.centre_x_px, pose.centre_y_px), pose.angle_rad,
                      pose.sigma_major_px, pose.sigma_minor_px, found.polarity),
            inspected=inspected,
            inspected_fraction=found.inspected_fraction,
            grid=grid,
            embed_ms=found.embed_ms,
            search_ms=found.search_ms,
            nearest_similarity=found.nearest_similarity,
            name=name or pixels.name,
            _picture=None if not with_map else pixels.array[:, :, ::-1] if pixels.bgr else pixels.array,
            _heat=bank._heat,
        )
        taken = lib.dp_inspector_take_map(self._inspector)  # it is ours now
        if taken != ffi.NULL:
            memory = ffi.gc(taken, lib.dp_memory_free, 4 * height * width)
            distances = np.frombuffer(ffi.buffer(memory, 4 * height * width), np.float32).reshape(height, width)
            object.__setattr__(result, "map", distances)
        return result


def _defect(bank: Bank, found: Any) -> Defect:
    nearest = lib.dp_bank_picture(bank._bank, found.nearest_picture, ffi.NULL)
    return Defect(
        box=(found.x0_px, found.y0_px, found.x1_px, found.y1_px),
        centre=(found.centre_x_px, found.centre_y_px),
        area_px=found.area_px,
        peak=found.peak,
        nearest=None if nearest == ffi.NULL else text(nearest),
        nearest_at=None if math.isnan(found.nearest_x_px) else (found.nearest_x_px, found.nearest_y_px),
    )
