"""Ranking metrics of images: ROC and precision-recall curves, their areas, and the best F1.

Images with equal scores are treated as ties: they are not put in an arbitrary order.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

FloatArray = NDArray[np.float64]


def roc_curve(defective: ArrayLike, scores: ArrayLike) -> tuple[FloatArray, FloatArray]:
    """Give false-alarm rate and detection rate for falling thresholds, from (0, 0) to (1, 1).

    Args:
        defective: (N,) True for defective images.
        scores: (N,) anomaly scores.

    Raises:
        ValueError: lengths differ, a score is not a number, or one of the two classes is missing.
    """
    detected, alarmed = _counts(defective, scores)
    return (
        np.concatenate(([0.0], alarmed / alarmed[-1])),
        np.concatenate(([0.0], detected / detected[-1])),
    )


def precision_recall_curve(defective: ArrayLike, scores: ArrayLike) -> tuple[FloatArray, FloatArray]:
    """Give precision and recall for falling thresholds; precision starts at 1 for recall 0.

    Args and errors are those of `roc_curve`.
    """
    detected, alarmed = _counts(defective, scores)
    return (
        np.concatenate(([1.0], detected / (detected + alarmed))),
        np.concatenate(([0.0], detected / detected[-1])),
    )


def image_auroc(defective: ArrayLike, scores: ArrayLike) -> float:
    """Area under the ROC curve: how often a defective image scores higher than a good one; ties count half.

    Args and errors are those of `roc_curve`.
    """
    false_alarm_rate, detection_rate = roc_curve(defective, scores)
    return float(np.trapezoid(detection_rate, false_alarm_rate))


def average_precision(defective: ArrayLike, scores: ArrayLike) -> float:
    """Average precision: mean precision over the steps of recall, without interpolation.

    Args and errors are those of `roc_curve`.
    """
    precision, recall = precision_recall_curve(defective, scores)
    return float(np.sum(np.diff(recall) * precision[1:]))


def f1_max(defective: ArrayLike, scores: ArrayLike) -> float:
    """Best F1 over all thresholds; this is the optimum of the test set, which no calibration can promise.

    Args and errors are those of `roc_curve`.
    """
    detected, alarmed = _counts(defective, scores)
    return float(np.max(2 * detected / (detected + alarmed + detected[-1])))


def _counts(defective: ArrayLike, scores: ArrayLike) -> tuple[FloatArray, FloatArray]:
    """Count detected defects and false alarms with each distinct score as threshold, largest first."""
    truth, found = np.asarray(defective, dtype=bool), np.asarray(scores, dtype=np.float64)
    if truth.shape != found.shape or truth.ndim != 1:
        raise ValueError(f"{truth.shape} labels do not fit {found.shape} scores")
    if np.isnan(found).any():
        raise ValueError("a score is not a number")
    if truth.all() or not truth.any():
        raise ValueError("ranking needs good and defective images, and one of the two is missing")
    order = np.argsort(-found, kind="stable")
    last_of_score = np.flatnonzero(np.diff(found[order], append=np.nan) != 0)
    detected = np.cumsum(truth[order])[last_of_score].astype(np.float64)
    alarmed = np.cumsum(~truth[order])[last_of_score].astype(np.float64)
    return detected, alarmed
