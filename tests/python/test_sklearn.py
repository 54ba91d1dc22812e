# SPDX-License-Identifier: Apache-2.0
"""The estimator keeps to scikit-learn's conventions."""

import pickle

import numpy as np
import pytest

import dinopatch as dp

sklearn = pytest.importorskip("sklearn", reason="scikit-learn is missing (Debian: python3-sklearn)")

from sklearn.base import clone  # noqa: E402
from sklearn.exceptions import NotFittedError  # noqa: E402
from sklearn.utils import estimator_checks  # noqa: E402

from dinopatch.sklearn import AnomalyDetector  # noqa: E402

# Those of scikit-learn's checks that do not feed tables of numbers.
CHECKS = [
    "check_no_attributes_set_in_init",
    "check_parameters_default_constructible",
    "check_get_params_invariance",
    "check_set_params",
    "check_estimator_cloneable",
    "check_estimator_repr",
    "check_estimator_tags_renamed",
    "check_valid_tag_types",
    "check_do_not_raise_errors_in_init_or_set_param",
    "check_estimator_get_tags_default_keys",
]


@pytest.mark.parametrize("check", [name for name in CHECKS if hasattr(estimator_checks, name)])
def test_check_of_scikit_learn(check):
    function = getattr(estimator_checks, check)
    function("AnomalyDetector", AnomalyDetector())


@pytest.fixture(scope="module")
def fitted(good):
    X = np.stack(good)
    before = X.copy()
    detector = AnomalyDetector(options={"align": "none", "size": 96})
    parameters = detector.get_params()
    assert detector.fit(X) is detector  # check_fit_returns_self
    assert np.array_equal(X, before) and detector.get_params() == parameters  # check_dont_overwrite_attributes, check_dict_unchanged
    return detector


def test_outlier_conventions(fitted, new):
    before = dict(fitted.__dict__)
    scores, decisions, labels = fitted.score_samples(new), fitted.decision_function(new), fitted.predict(new)
    assert fitted.__dict__ == before
    assert scores.shape == decisions.shape == labels.shape == (len(new),)
    assert scores.dtype == np.float64 and set(labels) <= {-1, 1}
    assert np.array_equal(decisions, scores - fitted.offset_)
    assert np.array_equal(labels == 1, decisions >= 0)
    results = list(fitted.bank_.inspect_many(new))
    assert np.array_equal(labels == 1, [result.label == "good" for result in results])
    assert np.array_equal(scores, [-result.score for result in results])


def test_what_cannot_be_judged_is_no_good_part(fitted):
    black = np.zeros((160, 160, 3), np.uint8)
    assert fitted.predict([black])[0] == -1 and fitted.decision_function([black])[0] == -np.inf


def test_not_fitted(new):
    with pytest.raises(NotFittedError):
        AnomalyDetector().predict(new)
    with pytest.raises(ValueError):
        AnomalyDetector(fpr=2).fit(new)  # values are looked at in fit


def test_fit_twice_clone_and_pickle(fitted, good, new):
    expected = fitted.score_samples(new)
    again = clone(fitted)
    assert not hasattr(again, "bank_")
    assert np.array_equal(again.fit(good).score_samples(new), expected)
    assert np.array_equal(again.fit(good).score_samples(new), expected)  # check_fit_idempotent
    assert np.array_equal(pickle.loads(pickle.dumps(fitted)).score_samples(new), expected)
    assert set(clone(fitted).fit_predict(good)) <= {-1, 1}


def test_ranks_as_the_bank(fitted, good, new):
    wider = AnomalyDetector(fpr=0.3, options={"align": "none", "size": 96}).fit(good)
    assert wider.offset_ > fitted.offset_ and np.array_equal(wider.score_samples(new), fitted.score_samples(new))
