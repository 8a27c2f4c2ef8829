"""Writing the results of an evaluation or an inspection: figures, pictures, charts and the report."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from excision.data.records import Dataset, Sample
from excision.errors import ImageError
from excision.evaluation.evaluate import measure, read_ground_truth
from excision.evaluation.evaluation import Evaluation
from excision.evaluation.examples import Example, ScoredImage, choose_examples
from excision.inspection.batch import inspect_images
from excision.inspection.drift.inspected import write_drift
from excision.inspection.findings import findings
from excision.inspection.tally import InspectionSummary
from excision.ops.reduction import shrink_mask
from excision.predictions import Detection, Prediction, Predictor
from excision.progress import Progress
from excision.report.charts import charts_of
from excision.report.evaluation_folder import check_evaluation_folder
from excision.report.example_stages import write_examples_of
from excision.report.own_words import Words, keep_words
from excision.report.provenance import Provenance, provenance_of
from excision.report.report import write_report
from excision.report.results_folder import (
    EVALUATION,
    SCORES,
    SCORES_HEAD,
    About,
    open_results,
    promise_of,
    write_about,
)
from excision.system.csv_rows import csv_row
from excision.system.dates import today
from excision.system.files import write_json, write_text
from excision.visualization.overlays import draw_overlay, overlay_name, readable, with_reasons, write_overlay

FIGURES = "figures"


def evaluate(
    predictor: Predictor,
    dataset: Dataset,
    out: Path | None = None,
    progress: Progress | None = None,
    *,
    model: Path | None = None,
    words: Words | None = None,
    workers: int = 1,
) -> Evaluation:
    """Measure a detector on the test images of a data set, and write the results.

    Args:
        predictor: a detector.
        dataset: data set with test images.
        out: folder for `evaluation.json`, `scores.csv`, pictures and `report.html`; None writes nothing.
        progress: called after each image.
        model: folder of the detector, whose version and settings the report names; None if there is none.
        words: of the user, for the report.
        workers: images inspected at once, as in `measure`.

    Raises:
        DatasetError: there is no test image, or none that can be read.
        ModelError: `model` holds no model.
        SettingsError: `out` is a file, or holds anything but an earlier evaluation.
    """
    if out is None:
        return measure(predictor, dataset, progress, workers=workers)
    check_evaluation_folder(out)
    # Before the work: what is replaced meanwhile must not pass for what was measured.
    source = provenance_of(model, dataset)
    evaluation = measure(predictor, dataset, progress, partial(keep_overlay, out), workers)
    keep_words(out, words or Words())
    write_evaluation(out, evaluation, dataset, predictor, source, workers)
    return evaluation


def keep_overlay(
    out: Path, sample: Sample, detection: Detection, ground_truth: NDArray[np.bool_] | None
) -> None:
    """Write the picture of one test image into a folder of results."""
    drawn = draw_overlay(detection, findings(detection).shown_boxes, ground_truth)
    picture = with_reasons(drawn, detection.unfit)
    write_overlay(out / overlay_name(sample.name), picture)


def write_evaluation(
    out: Path,
    evaluation: Evaluation,
    dataset: Dataset,
    predictor: Predictor,
    source: Provenance | None = None,
    workers: int = 1,
) -> None:
    """Write everything except the overlays to a folder, replacing the files of an earlier evaluation.

    The examples are predicted again, `workers` at once: keeping every stage of all images would take too much
    memory.
    """
    write_json(out / EVALUATION, evaluation.to_json())
    write_text(out / SCORES, _scores(evaluation.images))
    write_about(
        out,
        About(
            "evaluation",
            evaluation.dataset,
            dataset.layout,
            today(),
            _finite(evaluation.threshold),
            _finite(predictor.review_threshold),
            promise_of(predictor),
            provenance=source,
        ),
    )
    images = {image.name: image for image in choose_examples(evaluation.images)}
    samples = {sample.name: sample for sample in dataset.test}

    def shown_again(name: str) -> Example:
        sample = samples[name]
        prediction = next(iter(predictor.predict([sample.image])))
        return Example(name, images[name].label, prediction.overview(), _truth(sample, prediction))

    write_examples_of(out, images, shown_again, workers)
    _write_charts(out)
    write_report(out)


def inspect_and_report(
    predictor: Predictor,
    images: Sequence[Path],
    out: Path,
    *,
    resume: bool = False,
    progress: Progress | None = None,
    workers: int = 1,
    has_tiles: bool = False,
) -> InspectionSummary:
    """Inspect images as `inspect_images` does, and write `report.html` beside the results.

    Args:
        predictor: what inspects.
        images: files.
        out: folder for the results.
        resume: keep the verdicts of an earlier inspection, and inspect only what they lack.
        progress: called with (done, total).
        workers: images inspected at once.
        has_tiles: as in `inspect_images`.

    Raises:
        SettingsError: `out` holds results that are not to be resumed, or were made with another threshold.
    """
    summary = inspect_images(
        predictor, images, out, resume=resume, progress=progress, workers=workers, has_tiles=has_tiles
    )
    monitor, words = write_drift(predictor, out)
    summary = replace(summary, drift=monitor.warning, drift_words=words)
    _write_inspection(out, predictor, summary.strongest, 1 if has_tiles else workers)
    return summary


def _write_inspection(out: Path, predictor: Predictor, images: Iterable[str], workers: int) -> None:
    """Write the report of an inspection and its examples beside the results in the folder."""
    review = _finite(predictor.review_threshold)
    threshold = _finite(predictor.threshold)
    write_about(out, About("inspection", None, None, today(), threshold, review, promise_of(predictor)))

    def shown_again(image: str) -> Example | None:
        # Keeping every stage of all images would not stay flat.
        try:
            return Example(readable(image), None, next(iter(predictor.predict([Path(image)]))).overview())
        except ImageError:
            # The file has been moved since; its line of results stands all the same.
            return None

    write_examples_of(out, images, shown_again, workers)
    write_report(out)


def _write_charts(out: Path) -> None:
    results = open_results(out)
    charts = charts_of(results, results.summarise()).charts
    names = {f"{chart.name}.svg": chart for chart in charts}
    for old in ("scores.svg", "roc.svg", "precision-recall.svg", "rates.svg", "kinds.svg"):
        if old not in names:
            (out / FIGURES / old).unlink(missing_ok=True)
    for name, chart in names.items():
        write_text(out / FIGURES / name, chart.standalone())


def _truth(sample: Sample, prediction: Prediction) -> NDArray[np.bool_] | None:
    height, width = prediction.anomaly_map.shape
    try:
        truth = read_ground_truth(sample, (height, width)) if sample.defective else None
        return None if truth is None else shrink_mask(truth, prediction.reduction)
    except ImageError:
        return None  # a note reports it already


def _scores(images: Sequence[ScoredImage]) -> str:
    rows = [SCORES_HEAD]
    for image in images:
        overlay = overlay_name(image.name)
        p_value = "" if image.p_value is None else repr(image.p_value)
        values = (image.label, repr(image.score), image.verdict, overlay, p_value, "; ".join(image.unfit))
        rows.append((readable(image.name), *values))
    return "".join(map(csv_row, rows))


def _finite(value: float | None) -> float | None:
    return value if value is not None and math.isfinite(value) else None
