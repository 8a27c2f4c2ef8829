from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from sklearn import metrics as oracle

from excision.evaluation import metrics

# Few distinct scores, so that ties are common.
IMAGES = st.lists(
    st.tuples(st.booleans(), st.one_of(st.integers(0, 5).map(float), st.floats(0, 1e6))),
    min_size=2,
    max_size=60,
)


def both(images: list[tuple[bool, float]]) -> tuple[NDArray[Any], NDArray[Any]]:
    defective = np.array([label for label, _ in images])
    assume(defective.any() and not defective.all())
    return defective, np.array([score for _, score in images])


@given(IMAGES)
def test_areas_agree_with_scikit_learn(images: list[tuple[bool, float]]) -> None:
    defective, scores = both(images)
    assert metrics.image_auroc(defective, scores) == pytest.approx(
        oracle.roc_auc_score(defective, scores), abs=1e-12
    )
    expected = oracle.average_precision_score(defective, scores)
    assert metrics.average_precision(defective, scores) == pytest.approx(expected, abs=1e-12)


@settings(max_examples=30)
@given(IMAGES)
def test_best_f1_is_that_of_the_best_threshold(images: list[tuple[bool, float]]) -> None:
    defective, scores = both(images)
    expected = max(oracle.f1_score(defective, scores >= threshold) for threshold in scores)
    assert metrics.f1_max(defective, scores) == pytest.approx(expected, abs=1e-12)


@given(IMAGES)
def test_curves_agree_with_scikit_learn(images: list[tuple[bool, float]]) -> None:
    defective, scores = both(images)
    false_alarm_rate, detection_rate = metrics.roc_curve(defective, scores)
    expected = oracle.roc_curve(defective, scores, drop_intermediate=False)
    assert np.allclose(false_alarm_rate, expected[0], atol=1e-12)
    assert np.allclose(detection_rate, expected[1], atol=1e-12)
    precision, recall = metrics.precision_recall_curve(defective, scores)
    expected = oracle.precision_recall_curve(defective, scores)
    assert np.allclose(precision[1:], expected[0][:-1][::-1], atol=1e-12)
    assert np.allclose(recall[1:], expected[1][:-1][::-1], atol=1e-12)


@pytest.mark.parametrize(
    ("defective", "scores", "words"),
    [
        ([True, True], [1.0, 2.0], "missing"),
        ([False], [1.0], "missing"),
        ([True, False], [1.0], "do not fit"),
        ([True, False], [1.0, float("nan")], "not a number"),
    ],
)
def test_what_cannot_be_ranked_is_refused(defective: list[bool], scores: list[float], words: str) -> None:
    with pytest.raises(ValueError, match=words):
        metrics.image_auroc(defective, scores)
