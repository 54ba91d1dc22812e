# SPDX-License-Identifier: Apache-2.0
"""A scikit-learn estimator over a bank."""

from __future__ import annotations

from typing import Any, Optional

import numpy as np
import numpy.typing as npt
from sklearn.base import BaseEstimator, OutlierMixin  # type: ignore[import-untyped,unused-ignore]
from sklearn.exceptions import NotFittedError  # type: ignore[import-untyped,unused-ignore]

from ._bank import Bank, fit
from ._result import Result


class AnomalyDetector(OutlierMixin, BaseEstimator):  # type: ignore[misc,unused-ignore]
    """Learns from pictures of good parts and finds those that are not like them, by scikit-learn's conventions.

    Where scikit-learn speaks of X of shape (n_samples, n_features), this takes n pictures: an array [n, height, width] or
    [n, height, width, 3] of uint8 or uint16, or any iterable that `dinopatch.fit` takes.

    Parameters
    ----------
    model : str, default="nano"
        The network: "nano" is built in; or a checkpoint file.
    fpr : float, default=0.05
        False-alarm rate that the threshold aims at.
    options : dict or None, default=None
        Further options of the table, by their keys: {"size": 512, "search.knn": 3}.
    threads : int, default=0
        0: one for each processor.

    Attributes
    ----------
    bank_ : Bank
        What was learned.
    offset_ : float
        decision_function is score_samples minus this; it is minus the threshold of the bank.
    """

    def __init__(self, model: str = "nano", fpr: float = 0.05, options: Optional[dict[str, Any]] = None, threads: int = 0) -> None:
        self.model = model
        self.fpr = fpr
        self.options = options
        self.threads = threads

    def fit(self, X: Any, y: Any = None) -> "AnomalyDetector":
        """Learns from good pictures alone; y is not read."""
        asked = {"fpr": self.fpr, **(self.options or {})}
        self.bank_: Bank = fit(X, self.model, threads=self.threads, **asked)
        self.offset_: float = -self.bank_.threshold
        return self

    def _results(self, X: Any) -> list[Result]:
        if not hasattr(self, "bank_"):
            raise NotFittedError("this AnomalyDetector has not learned yet; call fit with good pictures first")
        found = list(self.bank_.inspect_many(X, map=False))
        for result in found:
            if result.error is not None:
                raise result.error
        return found

    def score_samples(self, X: Any) -> npt.NDArray[np.float64]:
        """[n] minus the scores: the lower, the less like the good pictures. -inf: the picture could not be judged."""
        return np.array([-np.inf if r.label == "not_inspected" else -r.score for r in self._results(X)], np.float64)

    def decision_function(self, X: Any) -> npt.NDArray[np.float64]:
        """[n] score_samples minus offset_: below 0 the picture is anomalous, or could not be judged."""
        return self.score_samples(X) - self.offset_

    def predict(self, X: Any) -> npt.NDArray[np.int64]:
        """[n] 1 for good, -1 for anomalous and for what could not be judged."""
        return np.where(self.decision_function(X) >= 0, 1, -1).astype(np.int64)

    def _more_tags(self) -> dict[str, Any]:  # scikit-learn before 1.6
        return {"X_types": ["3darray"], "requires_fit": True, "no_validation": True}

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.two_d_array = False
        tags.input_tags.three_d_array = True
        tags.no_validation = True
        return tags
