"""Charts: SVG that says what it was given, whatever is missing."""

from __future__ import annotations

import re
import sys
from typing import Any
from xml.etree import ElementTree

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy import stats

from excision.evaluation.intervals import rate_interval
from excision.report import figures
from excision.report.figures import Curve
from excision.visualization.histogram import count_scores, draw_histogram
from excision.visualization.svg import BOTTOM, LEFT, RIGHT, TOP, Chart, marks

KINDS = {"good": "good", "defective": "defect"}


def paths(chart: Chart, kind: str) -> list[NDArray[Any]]:
    """The points of each path of a class, in the coordinates of the drawing."""
    root = ElementTree.fromstring(chart.standalone())
    found = [d for node in root.iter() if node.get("class") == kind and (d := node.get("d"))]
    return [np.array(re.findall(r"([-\d.]+) ([-\d.]+)", d), float) for d in found]


def unit(points: NDArray[Any]) -> NDArray[Any]:
    """Points of a unit plot back in its own units."""
    return np.stack(
        [(points[:, 0] - LEFT) / (RIGHT - LEFT), (BOTTOM - points[:, 1]) / (BOTTOM - TOP)], axis=1
    )


@pytest.mark.parametrize("working_point", [(0.2, 0.9), None])
def test_curves_run_through_their_points(working_point: tuple[float, float] | None) -> None:
    curve = Curve(np.array([0, 0, 1.0]), np.array([0, 0.8, 1.0]), 0.9, working_point)
    roc = figures.roc_chart(curve)
    assert unit(paths(roc, "good curve")[0]) == pytest.approx(np.array([[0, 0], [0, 0.8], [1, 1]]), abs=1e-3)
    assert "0.900" in roc.description
    for chart in (roc, figures.precision_recall_chart(curve, 0.3)):
        points = paths(chart, "point")
        assert bool(points) == (working_point is not None)
        if working_point:
            assert unit(points[-1]).mean(axis=0) == pytest.approx(working_point, abs=1e-3)


def test_precision_holds_on_the_way_to_its_recall() -> None:
    curve = Curve(np.array([0, 0.5, 1.0]), np.array([1.0, 1.0, 0.6]), 0.8, None)
    found = unit(paths(figures.precision_recall_chart(curve, 0.3), "good curve")[0])
    assert [0.5, 0.6] in found.round(3).tolist()


@given(
    good=st.lists(st.floats(0, 50), min_size=1, max_size=30),
    defect=st.lists(st.floats(0, 50), max_size=30),
    threshold=st.floats(0.01, 60),
)
def test_error_rates_are_those_of_counting(good: list[float], defect: list[float], threshold: float) -> None:
    good_scores, defect_scores = np.array(good), np.array(defect)
    chart = figures.rates_chart(good_scores, defect_scores, threshold, 0.01)
    assert f"{(good_scores > threshold).mean():.3f} of the good images" in chart.description
    (curve,) = [unit(p)[:, 1] for p in paths(chart, "good curve") if len(p) > 2]
    assert (np.diff(curve) <= 1e-3).all()
    assert curve[0] == pytest.approx(1, abs=1e-3)
    assert curve[-1] == pytest.approx(0, abs=1e-3)
    assert bool(paths(chart, "defect curve dashed")) == bool(defect)


def test_a_long_curve_is_thinned_to_what_can_be_seen() -> None:
    rng = np.random.default_rng(0)
    chart = figures.rates_chart(rng.random(50_000), rng.random(50_000), 0.9, None)
    assert len(chart.standalone()) < 60_000


@given(
    scores=st.lists(st.floats(-5, 1000, allow_subnormal=False), min_size=1, max_size=50),
    threshold=st.none() | st.floats(0.001, 500),
)
@example(scores=[sys.float_info.min], threshold=0.114)
def test_histogram_counts_every_score_once_and_on_its_side(
    scores: list[float], threshold: float | None
) -> None:
    found = count_scores({"good": np.array(scores)}, threshold)
    counts, edges = found.counts["good"], found.edges
    assert counts.sum() == len(scores)
    assert edges[0] < min(scores)
    assert (np.diff(edges) > 0).all()
    assert len(counts) < 80
    if threshold is not None:
        assert edges[edges > threshold * (1 + 1e-9)].size + 1 <= edges.size
        beyond = counts[edges[:-1] >= threshold].sum()
        assert beyond == sum(score > threshold for score in scores)


@pytest.mark.parametrize(
    ("good", "defect"), [([0.1, 0.2], [0.5]), ([0.1, 0.2], []), ([], [0.5]), ([0.3, 0.3], [0.3])]
)
def test_histogram_shows_the_classes_that_are_there(good: list[float], defect: list[float]) -> None:
    scores = {"good": np.array(good), "defective": np.array(defect)}
    chart = draw_histogram(count_scores(scores, 0.3), {"threshold": 0.3}, KINDS, shares=True)
    # One is the key above the plot.
    assert len(paths(chart, "good area edge")) == 1 + bool(good)
    assert len(paths(chart, "defect area edge")) == 1 + bool(defect)
    assert f"{len(good)} good, {len(defect)} defective" in chart.description


def test_one_far_score_leaves_the_others_to_be_seen() -> None:
    scores = np.append(np.linspace(1, 2, 200), 1e6)
    found = count_scores({"good": scores}, 1.5)
    assert found.beyond == 1
    assert (found.counts["good"] > 0).sum() > 4


def test_bars_are_as_long_as_their_rates() -> None:
    kinds = [("pit", 4, 1), ("<b>scratch</b>", 2, 2)]
    chart = figures.kinds_chart(kinds)
    root = ElementTree.fromstring(chart.standalone())
    widths = {
        kind: [float(n.attrib["width"]) for n in root.iter() if n.get("class") == kind]
        for kind in ("track", "bar")
    }
    shares = [bar / track for bar, track in zip(widths["bar"], widths["track"], strict=True)]
    assert shares == pytest.approx([0.25, 1], abs=1e-3)
    assert "pit: 1 of 4; <b>scratch</b>: 2 of 2" in chart.description
    assert "<b>" not in chart.inline()


@given(images=st.integers(1, 500), data=st.data())
def test_intervals_are_those_of_scipy(images: int, data: st.DataObject) -> None:
    hits = data.draw(st.integers(0, images))
    wanted = stats.binomtest(hits, images).proportion_ci(method="wilson")
    assert rate_interval(hits, images) == pytest.approx((wanted.low, wanted.high), abs=1e-9)


@given(sizes=st.lists(st.integers(1, 9), min_size=1, max_size=40), data=st.data())
def test_an_interval_by_groups_is_never_narrower(sizes: list[int], data: st.DataObject) -> None:
    images = sum(sizes)
    hits = data.draw(st.integers(0, images))
    effective = images**2 / sum(size**2 for size in sizes)
    low, high = rate_interval(hits, images, effective)
    plain = rate_interval(hits, images)
    assert low <= plain[0] + 1e-12 and high >= plain[1] - 1e-12
    # With groups of one size whose images are all alike, it is the interval of the groups.
    if len(set(sizes)) == 1 and hits % sizes[0] == 0:
        assert (low, high) == pytest.approx(rate_interval(hits // sizes[0], len(sizes)))


@given(low=st.floats(-1e4, 1e4), extent=st.floats(1e-3, 1e6))
def test_marks_are_few_and_inside(low: float, extent: float) -> None:
    found = [value for value, _ in marks(low, low + extent)]
    assert 1 <= len(found) <= 7
    assert min(found) >= low - 1e-6 * extent
    assert max(found) <= low + extent * (1 + 1e-6)
