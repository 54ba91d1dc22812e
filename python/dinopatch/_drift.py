# SPDX-License-Identifier: Apache-2.0
"""An alarm where the scores of a stream of pictures drift."""

from __future__ import annotations

import threading
from typing import NamedTuple

from ._core import ffi, lib
from ._errors import whole
from ._run import call, opened


class DriftState(NamedTuple):
    """After a score."""

    n: int  #: scores since it began
    p_value: float  #: of this score among them
    log10_capital: float  #: of the martingale, which began at 0
    rising: float  #: from -1, it bets on scores that fall, to 1, on scores that rise
    alarm: bool  #: the capital has reached 1 / bound; it begins anew


class Drift:
    """Watches the scores of pictures one after the other: `Drift(0.01).add(result.score).alarm`.

    bound  at most this share of streams that do not drift ever raises an alarm before it begins anew
    seed   of the draws between equal scores
    """

    def __init__(self, bound: float = 0.01, seed: int = 0) -> None:
        self._drift = opened("dp_drift", lib.close_drift, None, lib.dp_drift_open, bound, whole("seed", seed, 0, (1 << 64) - 1))
        self._lock = threading.Lock()

    def add(self, score: float) -> DriftState:
        state = ffi.new("dp_drift_state *")
        with self._lock:
            call(lib.dp_drift_add, self._drift, score, state)
        return DriftState(int(state.n), float(state.p_value), float(state.log10_capital), float(state.rising), bool(state.alarm))
