# SPDX-License-Identifier: Apache-2.0
"""Settings of the score, found on labelled pictures."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Callable, Generic, Optional, TypeVar

import numpy as np
import numpy.typing as npt

from ._core import ffi, lib
from ._errors import PictureError, text
from ._run import Run, log, opened
from ._source import Source

B = TypeVar("B")  # dinopatch.Bank, which uses this file


@dataclass(frozen=True)
class Figures:
    """How well labelled pictures are told apart."""

    auroc: float
    accuracy: float
    precision: float
    recall: float
    f1: float


@dataclass(frozen=True)
class Tuning(Generic[B]):
    """What `Bank.tune` found."""

    bank: B = field(repr=False)  #: with the settings that were found
    better: bool  #: they beat the old ones on pictures that they were not chosen on
    untuned: Figures  #: of the bank as it was
    tuned: Figures  #: on the very pictures that the settings were chosen on: too good to be believed
    held_out: Optional[Figures]  #: of settings chosen on other pictures; None: too few pictures to hold some out
    untuned_fold_auroc: float  #: of the bank as it was on the same folds, to set beside held_out.auroc
    trials: int


class _Maps:
    """Distance maps of labelled pictures, without post-processing."""

    def __init__(self, source: Source, n_good: int) -> None:
        self.names = source.names
        self.n_good = n_good
        self.grids: list[npt.NDArray[np.float32]] = []
        self.valid: list[npt.NDArray[np.uint8]] = []
        self.weights: list[Optional[npt.NDArray[np.float32]]] = []
        self.labels: list[int] = []
        self.raised: Optional[BaseException] = None
        self.stopped = False
        self.handle = ffi.new_handle(self)

    def take(self, index: int, name: Any, result: Any, message: Any) -> int:
        if result == ffi.NULL or result.label == lib.DP_LABEL_NOT_INSPECTED:
            log.warning("%s: is left out: %s", self.names[index], text(message) if result == ffi.NULL else text(result.reason))
            return 0
        shape = (int(result.grid_rows), int(result.grid_cols))
        if self.grids and self.grids[0].shape != shape:
            raise PictureError("the maps of the pictures differ in size; give pictures of one size")
        n = shape[0] * shape[1]

        def copied(data: Any, kind: Any, size: int) -> Any:
            return None if data == ffi.NULL else np.frombuffer(ffi.buffer(data, size * n), kind).reshape(shape).copy()

        self.grids.append(copied(result.grid, np.float32, 4))
        self.valid.append(copied(result.grid_valid, np.uint8, 1))
        self.weights.append(copied(result.weights, np.float32, 4))
        self.labels.append(int(index >= self.n_good))
        return 0


def _figures(found: Any, auroc: Optional[float] = None) -> Figures:
    c = found.confusion
    return Figures(found.auroc if auroc is None else auroc, c.accuracy, c.precision, c.recall, c.f1)


def tuned(
    bank: Any, network: Any, viewed: Callable[[Any], B], source: Source, n_good: int, run: Run, how: tuple[int, int, int]
) -> Tuning[B]:
    """bank, network: dp_bank and dp_network; viewed makes a Bank of a dp_view."""
    details = ffi.new("dp_bank_details *")  # it owns the recipe
    lib.dp_bank_get_details(bank, details)
    recipe, n = details.recipe, int(details.n_pictures)
    view = ffi.new("dp_view *")
    lib.dp_view_init(bank, view)
    lib.dp_post_init(ffi.addressof(view, "post"))
    view.cell_weights = view.reweight > 0
    run.call(lib.dp_view_settle, bank, view, run.pointer)
    session = opened("dp_session", lib.close_session, run, lib.dp_session_open, network, recipe.precision, run.pointer)
    maps = _Maps(source, n_good)
    try:
        run.call(lib.dp_session_inspect_from, session, bank, view, 1, source.source, lib.on_result, maps.handle)
    finally:
        for raised in (maps.raised, source.raised):
            if raised is not None:
                raise raised
    weighted = view.reweight > 0 and view.score == lib.DP_SCORE_MAX and all(it is not None for it in maps.weights)
    columns = [[ffi.from_buffer("float[]", it) for it in maps.grids], [ffi.from_buffer("uint8_t[]", it) for it in maps.valid],
               [ffi.from_buffer("float[]", it) for it in maps.weights] if weighted else []]
    lists = [ffi.new("const float *[]", columns[0]), ffi.new("const uint8_t *[]", columns[1]), ffi.new("const float *[]", columns[2])]
    labels = ffi.new("uint8_t[]", bytes(maps.labels))
    rows, cols = maps.grids[0].shape if maps.grids else (0, 0)
    labelled = ffi.new("dp_tune_set *", {"rows": rows, "cols": cols, "n": len(maps.labels), "maps": lists[0], "valid": lists[1],
                                         "labels": labels, "weights": lists[2] if weighted else ffi.NULL})
    settings, found = ffi.new("dp_tune_settings *"), ffi.new("dp_tune_result *")
    lib.dp_tune_settings_init(settings)
    settings.trials, settings.folds, settings.seed = how
    settings.post, settings.score = recipe.post, recipe.score
    run.call(lib.dp_tune, labelled, settings, run.pointer, found)
    view.post, view.score = found.post, found.score
    if view.score != lib.DP_SCORE_MAX:
        view.reweight = 0
    scores, peaks, good = ffi.new("double[]", n), ffi.new("double[]", n), ffi.new("dp_good *")
    good.scores, good.peaks, good.optional = scores, peaks, 1
    run.call(lib.dp_bank_calibrate, bank, view, recipe.fpr, run.pointer, good)
    lib.dp_view_take_good(view, good, n)
    view.threshold, view.cell_threshold = found.threshold, good.of_peaks.threshold
    view.origin = {"by": lib.DP_ORIGIN_TUNE, "n_good": maps.labels.count(0), "n_bad": maps.labels.count(1)}
    gain = found.held_out.auroc - found.untuned_fold_auroc
    better = found.folds > 0 and (gain > 1e-9 or gain > -1e-9 and found.held_out.confusion.f1 > found.untuned.confusion.f1 + 1e-9)
    return Tuning(viewed(view), better, _figures(found.untuned), _figures(found.tuned), _figures(found.held_out) if found.folds else None,
                  found.untuned_fold_auroc, found.trials)
