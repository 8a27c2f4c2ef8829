"""The charts of a folder of results, and their data."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from excision.evaluation import metrics
from excision.report.drift_charts import drift_charts, read_drift
from excision.report.figures import Curve, kinds_chart, precision_recall_chart, rates_chart, roc_chart
from excision.report.results_folder import ResultsFolder, Summary
from excision.visualization.histogram import Histogram, count_scores, draw_histogram
from excision.visualization.svg import Chart, Point

_COLOURS = {"good": "good", "review": "review", "defect": "defect", "defective": "defect", "unfit": "unfit"}


@dataclass(frozen=True, slots=True)
class Charts:
    """The charts in the order of the page, and the counts behind the first; None if there are no scores."""

    charts: tuple[Chart, ...]
    histogram: Histogram | None


def charts_of(results: ResultsFolder, summary: Summary) -> Charts:
    """Draw the charts for which the results have data."""
    scores = {name: values for name, values in _by_colour(summary).items() if values.size}
    if not scores:
        return Charts((), None)
    about = results.about
    lines = {"threshold": about.threshold, "review from": about.review_threshold}
    thresholds = {name: value for name, value in lines.items() if value is not None}
    evaluation = about.kind == "evaluation"
    histogram = count_scores(scores, about.threshold)
    charts = [draw_histogram(histogram, thresholds, _COLOURS, shares=evaluation)]
    if evaluation:
        charts += _curves(results, summary)
    kinds = kinds_of(results)
    if kinds:
        charts.append(kinds_chart(kinds))
    drift = None if evaluation else read_drift(results.folder)
    if drift is not None:
        charts += drift_charts(drift)
    return Charts(tuple(charts), histogram)


def kinds_of(results: ResultsFolder) -> list[tuple[str, int, int]]:
    """Give each kind of defect with the number of its images that were fit, and of those detected."""
    kinds = results.figures.get("kinds", {}).items()
    return [(kind, k["images"], k["detected"]) for kind, k in kinds if k["images"]]


def _by_colour(summary: Summary) -> dict[str, NDArray[np.float64]]:
    """Give the scores under the names of the histogram: all unfit images of an evaluation together."""
    scores = dict(summary.scores)
    if "defective" in scores:
        scores["unfit"] = np.concatenate([scores.pop("unfit good"), scores.pop("unfit defective")])
    return scores


def _curves(results: ResultsFolder, summary: Summary) -> list[Chart]:
    charts: list[Chart] = []
    good, defective = summary.all_scores("good"), summary.all_scores("defective")
    if good.size and defective.size:
        truth = np.concatenate([np.zeros(good.size, bool), np.ones(defective.size, bool)])
        scores = np.concatenate([good, defective])
        roc_point, recall_point = _working_points(results, summary)
        far, detected = metrics.roc_curve(truth, scores)
        charts.append(roc_chart(Curve(far, detected, metrics.image_auroc(truth, scores), roc_point)))
        precision, recall = metrics.precision_recall_curve(truth, scores)
        area = metrics.average_precision(truth, scores)
        curve = Curve(recall, precision, area, recall_point)
        charts.append(precision_recall_chart(curve, float(truth.mean())))
    good, defective = summary.scores["good"], summary.scores["defective"]
    if good.size:
        promise = results.about.promise
        promised = None if promise is None else promise.promised_rate
        charts.append(rates_chart(good, defective, results.about.threshold, promised))
    return charts


def _working_points(results: ResultsFolder, summary: Summary) -> tuple[Point | None, Point | None]:
    """Give the points of the decision threshold on the ROC curve and the precision-recall curve."""
    threshold = results.about.threshold
    good, defective = summary.scores["good"], summary.scores["defective"]
    if threshold is None or not (good.size and defective.size):
        return None, None
    alarms, found = int((good > threshold).sum()), int((defective > threshold).sum())
    recall = found / defective.size
    precision = (recall, found / (alarms + found)) if alarms + found else None
    return (alarms / good.size, recall), precision
