from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy import ndimage
from sklearn import metrics as oracle

from excision.evaluation.pixel import AUPRO_LIMIT, PixelFigures, PixelMetrics

Pair = tuple[NDArray[Any], NDArray[Any]]
"""An anomaly map (H, W) and its mask of defects."""


def surfaces(seed: int, kind: str, count: int = 3, size: tuple[int, int] = (24, 20)) -> Iterator[Pair]:
    """Draw maps and masks; `kind` decides how the scores are spread."""
    rng = np.random.default_rng(seed)
    for _ in range(count):
        truth = ndimage.gaussian_filter(rng.standard_normal(size), 2) > 0.22
        scores = rng.gamma(2.0, 1.0, size) + 1.5 * truth * rng.random(size)
        if kind == "masked":
            scores *= rng.random(size) < 0.2
        elif kind == "ties":
            scores = np.round(scores)
        elif kind == "narrow":
            scores = 100 + 0.01 * scores
        yield scores.astype(np.float32), truth


def collected(pairs: Iterable[Pair]) -> PixelFigures:
    metrics = PixelMetrics()
    for scores, truth in pairs:
        metrics.update(scores, truth)
    return metrics.compute()


def slow_aupro(pairs: Sequence[Pair]) -> float:
    """Every distinct score as a threshold, every region by itself."""
    thresholds = np.unique(np.concatenate([scores.ravel() for scores, _ in pairs]))[::-1]
    good = np.concatenate([scores[~truth] for scores, truth in pairs])
    regions = []
    for scores, truth in pairs:
        labels, number = ndimage.label(truth, np.ones((3, 3)))
        regions += [scores[labels == k] for k in range(1, number + 1)]
    x = np.array([0.0] + [(good >= t).mean() for t in thresholds])
    y = np.array([0.0] + [np.mean([(r >= t).mean() for r in regions]) for t in thresholds])
    edge = np.interp(AUPRO_LIMIT, x, y)
    keep = x <= AUPRO_LIMIT
    area = np.trapezoid(np.append(y[keep], edge), np.append(x[keep], AUPRO_LIMIT))
    return float(area) / AUPRO_LIMIT


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 10_000), st.sampled_from(["spread", "masked", "ties", "narrow"]))
def test_exact_figures_lie_within_the_bounds(seed: int, kind: str) -> None:
    pairs = list(surfaces(seed, kind))
    found = collected(pairs)
    scores = np.concatenate([scores.ravel() for scores, _ in pairs])
    truth = np.concatenate([truth.ravel() for _, truth in pairs])
    slack = 1e-12
    assert found.pixel_auroc is not None and found.pixel_auroc_bound is not None
    assert found.pixel_ap is not None and found.pixel_ap_bound is not None
    assert found.aupro is not None and found.aupro_bound is not None
    assert abs(found.pixel_auroc - oracle.roc_auc_score(truth, scores)) <= found.pixel_auroc_bound + slack
    exact = oracle.average_precision_score(truth, scores)
    assert abs(found.pixel_ap - exact) <= found.pixel_ap_bound + slack
    assert abs(found.aupro - slow_aupro(pairs)) <= found.aupro_bound + slack


@pytest.mark.parametrize("kind", ["spread", "masked"])
def test_the_bounds_are_tight_on_ordinary_maps(kind: str) -> None:
    found = collected(surfaces(1, kind, count=4, size=(128, 128)))
    for bound in (found.pixel_auroc_bound, found.pixel_ap_bound, found.aupro_bound):
        assert bound is not None
        assert bound < 1e-3


def test_tiny_scores_are_not_tied_with_zero() -> None:
    metrics = PixelMetrics()
    metrics.update(np.array([[1e-44, 0.0]], np.float32), np.array([[True, False]]))
    assert metrics.compute().pixel_auroc == 1.0


def test_scores_on_the_bin_grid_are_exact() -> None:
    pairs = list(surfaces(3, "ties"))
    found = collected(pairs)
    scores = np.concatenate([scores.ravel() for scores, _ in pairs])
    truth = np.concatenate([truth.ravel() for _, truth in pairs])
    assert found.pixel_auroc == pytest.approx(oracle.roc_auc_score(truth, scores), abs=1e-12)
    assert found.pixel_ap == pytest.approx(oracle.average_precision_score(truth, scores), abs=1e-12)
    assert found.aupro == pytest.approx(slow_aupro(pairs), abs=1e-12)


def test_a_missing_class_has_no_figures() -> None:
    metrics = PixelMetrics()
    assert metrics.compute().pixel_auroc is None
    metrics.update(np.ones((4, 4), np.float32), np.zeros((4, 4), bool))
    assert metrics.compute().aupro is None
    assert metrics.compute().n_regions == 0


def test_negative_zero_is_zero() -> None:
    metrics = PixelMetrics()
    metrics.update(np.array([[-0.0, 0.0]], np.float32), np.array([[True, False]]))
    assert metrics.compute().pixel_auroc == 0.5


@pytest.mark.parametrize("value", [-1.0, np.nan, np.inf])
def test_maps_that_are_no_scores_are_refused(value: float) -> None:
    with pytest.raises(ValueError, match="finite and not negative"):
        PixelMetrics().update(np.full((2, 2), value, np.float32), np.zeros((2, 2), bool))


def test_shapes_must_agree() -> None:
    with pytest.raises(ValueError, match="does not fit"):
        PixelMetrics().update(np.ones((2, 3), np.float32), np.zeros((3, 2), bool))
