"""What an evaluation leaves in its folder: JSON, CSV, figures and the report."""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from excision.data.records import Dataset, Sample
from excision.errors import ImageError
from excision.evaluation import figures, metrics, pictures
from excision.evaluation.evaluate import Evaluation, read_ground_truth
from excision.evaluation.examples import Example, Outcome, ScoredImage, choose_examples, worst_first
from excision.evaluation.figures import Curve, Tile
from excision.evaluation.report import HEADINGS, Card, Table, write_report
from excision.files import write_bytes, write_json, write_text
from excision.results import Prediction, Predictor

EVALUATION = "evaluation.json"
SCORES = "scores.csv"
FIGURES = "figures"
REPORT = "report.html"

_ROC, _PRECISION_RECALL, _SCORES, _MISTAKES = "roc.png", "precision_recall.png", "scores.png", "mistakes.png"

# Of each kind of mistake; on one sheet more would be too small to see.
_TILES = 8
_LISTED = 20


def write_evaluation(out: Path, evaluation: Evaluation, dataset: Dataset, predictor: Predictor) -> None:
    """Write everything into a folder, in place of what an earlier evaluation left there.

    The images to show are predicted again, one by one: keeping every stage of all would not stay flat.
    """
    write_json(out / EVALUATION, evaluation.to_json())
    write_text(out / SCORES, _scores(evaluation.images))
    shown = _Shown(dataset, predictor)
    drawn = dict(_figures(evaluation, shown))
    for name in (_ROC, _PRECISION_RECALL, _SCORES, _MISTAKES):
        if name in drawn:
            write_bytes(out / FIGURES / name, drawn[name][1])
        else:
            (out / FIGURES / name).unlink(missing_ok=True)
    write_report(
        out / REPORT,
        f"Evaluation of {evaluation.dataset}",
        _facts(evaluation, dataset),
        _cards(evaluation),
        list(drawn.values()),
        shown.examples(choose_examples(evaluation.images)),
        notes=evaluation.notes,
        tables=list(_tables(evaluation)),
    )


class _Shown:
    """Gives images again with every stage."""

    def __init__(self, dataset: Dataset, predictor: Predictor) -> None:
        self._samples: dict[str, Sample] = {sample.name: sample for sample in dataset.test}
        self._predictor = predictor

    def examples(self, images: Sequence[ScoredImage]) -> Iterator[Example]:
        """Predict images again, one by one."""
        for image in images:
            sample = self._samples[image.name]
            prediction = next(iter(self._predictor.predict([sample.image])))
            yield Example(image.name, image.label, prediction, _truth(sample, prediction))


def _truth(sample: Sample, prediction: Prediction) -> NDArray[np.bool_] | None:
    height, width = prediction.anomaly_map.shape
    try:
        return read_ground_truth(sample, (height, width)) if sample.defective else None
    except ImageError:
        return None  # a note tells of it already


def _scores(images: Sequence[ScoredImage]) -> str:
    stream = io.StringIO()
    writer = csv.writer(stream, lineterminator="\n")
    writer.writerow(["image", "label", "score", "verdict"])
    writer.writerows([image.name, image.label, repr(image.score), image.verdict] for image in images)
    return stream.getvalue()


def _figures(evaluation: Evaluation, shown: _Shown) -> Iterator[tuple[str, tuple[str, bytes]]]:
    """Give the name, the caption and the content of each figure that the data can give."""
    defective = np.array([image.defective for image in evaluation.images])
    scores = np.array([image.score for image in evaluation.images])
    if evaluation.image_auroc is not None and evaluation.image_ap is not None:
        yield _ROC, ("ROC curve of the anomaly scores", _roc(evaluation, defective, scores))
        caption = "Precision-recall curve of the anomaly scores"
        yield _PRECISION_RECALL, (caption, _precision_recall(evaluation, defective, scores))
    histogram = figures.histogram_figure(scores[~defective], scores[defective], evaluation.threshold)
    yield _SCORES, ("Anomaly scores of good and defective images", histogram)
    mistakes: tuple[Outcome, ...] = ("missed defect", "false alarm")
    groups = [(HEADINGS[kind], worst_first(evaluation.images, kind)[:_TILES]) for kind in mistakes]
    filled = [(heading, _tiles(shown, images)) for heading, images in groups if images]
    if filled:
        caption = "Worst mistakes: anomaly map over the image, the true defect outlined in green"
        yield _MISTAKES, (caption, figures.sheet_figure(filled))


def _roc(evaluation: Evaluation, defective: NDArray[np.bool_], scores: NDArray[np.float64]) -> bytes:
    false_alarm_rate, detection_rate = metrics.roc_curve(defective, scores)
    point = (_or_nan(evaluation.false_alarm_rate), _or_nan(evaluation.detection_rate))
    area = _or_nan(evaluation.image_auroc)
    return figures.roc_figure(Curve(false_alarm_rate, detection_rate, area, point))


def _precision_recall(
    evaluation: Evaluation, defective: NDArray[np.bool_], scores: NDArray[np.float64]
) -> bytes:
    precision, recall = metrics.precision_recall_curve(defective, scores)
    alarms = scores > evaluation.threshold
    achieved = float(defective[alarms].mean()) if alarms.any() else math.nan
    point = (_or_nan(evaluation.detection_rate), achieved)
    curve = Curve(recall, precision, _or_nan(evaluation.image_ap), point)
    return figures.precision_recall_figure(curve, float(defective.mean()))


def _tiles(shown: _Shown, images: Sequence[ScoredImage]) -> list[Tile]:
    return [
        Tile(
            example.name,
            example.prediction.score,
            pictures.overlay(
                example.prediction.image,
                example.prediction.anomaly_map,
                example.prediction.threshold,
                ground_truth=example.ground_truth,
            ),
        )
        for example in shown.examples(images)
    ]


def _facts(evaluation: Evaluation, dataset: Dataset) -> list[tuple[str, str]]:
    return [
        ("Data set", evaluation.dataset),
        ("Layout", dataset.layout),
        ("Test images", f"{evaluation.n_normal} good, {evaluation.n_defect} defective"),
        ("Skipped", str(len(evaluation.skipped))),
        ("Threshold", f"{evaluation.threshold:.4g}"),
    ]


def _cards(evaluation: Evaluation) -> list[Card]:
    alarms = sum(image.outcome == "false alarm" for image in evaluation.images)
    detected = sum(image.outcome == "detected defect" for image in evaluation.images)
    pixel = evaluation.pixel
    return [
        Card("Image AUROC", _figure(evaluation.image_auroc), "0.5 is chance, 1 perfect"),
        Card("Image AP", _figure(evaluation.image_ap), "average precision"),
        Card("Image F1", _figure(evaluation.image_f1_max), "largest over all thresholds"),
        Card(
            "Detection rate",
            _percent(evaluation.detection_rate),
            f"{detected} of {evaluation.n_defect} defects",
        ),
        Card(
            "False-alarm rate",
            _percent(evaluation.false_alarm_rate),
            f"{alarms} of {evaluation.n_normal} good",
        ),
        Card("Pixel AUROC", _figure(pixel.pixel_auroc), "0.5 is chance, 1 perfect"),
        Card("Pixel AP", _figure(pixel.pixel_ap), "average precision"),
        Card("AUPRO", _figure(pixel.aupro), "up to 30 % false-positive rate"),
        Card("Time per image", f"{evaluation.ms_per_image:.3g} ms", "median"),
    ]


def _tables(evaluation: Evaluation) -> Iterator[Table]:
    if evaluation.kinds:
        rows = [[k.kind, str(k.images), str(k.detected), _percent(k.rate)] for k in evaluation.kinds]
        yield Table("Detection by kind of defect", ["Kind", "Images", "Detected", "Rate"], rows)
    if evaluation.skipped:
        rows = [[skipped.name, skipped.reason] for skipped in evaluation.skipped[:_LISTED]]
        more = len(evaluation.skipped) - len(rows)
        caption = "Skipped images" + (f" ({more} more in {EVALUATION})" if more else "")
        yield Table(caption, ["Image", "Reason"], rows, text=True)


def _figure(value: float | None) -> str:
    return "n/a" if value is None else f"{value:.3f}"


def _percent(value: float | None) -> str:
    return "n/a" if value is None else f"{100 * value:.1f} %"


def _or_nan(value: float | None) -> float:
    return math.nan if value is None else value
