"""`excision evaluate`: figures on a test set with known defects."""

from __future__ import annotations

from pathlib import Path

from excision.cli.console import bars, notes, screen, table
from excision.data import load_dataset
from excision.files import write_json

_SHOWN = (
    "image_auroc",
    "image_ap",
    "image_f1_max",
    "pixel_auroc",
    "pixel_ap",
    "aupro",
    "threshold",
    "false_alarm_rate",
    "detection_rate",
    "n_normal",
    "n_defect",
    "ms_per_image",
)


def evaluate(
    run: Path,
    data: Path,
    *,
    json: Path | None = None,
    out: Path | None = None,
    layout: str | None = None,
    mask: bool = True,
    inference_skips: str | None = None,
) -> int:
    """Measure a trained detector on a test set with known defects.

    Example: excision evaluate runs/parts parts/ --json figures.json

    Writes evaluation.json, scores.csv, figures/ and report.html to --out. Two options switch off a part of
    the method, to see what it is worth.

    Args:
        run: folder of a finished training.
        data: data set; its test images are measured.
        json: write the figures to this file as well.
        out: folder for the results; RUN/evaluation by default.
        layout: how the data set is laid out; recognised by default.
        mask: --no-mask leaves the images whole and counts every pixel.
        inference_skips: skip connections on at inference: all, none, deep, or levels such as 2,3.
    """
    from excision import Detector
    from excision.evaluation.evaluate import evaluate as measure

    detector = Detector.load(run)
    if not mask or inference_skips is not None:
        detector = detector.with_inference(mask=mask, skips=inference_skips)
    dataset = load_dataset(data, layout)
    for note in dataset.notes:
        notes.print(f"note: {note}")
    folder = out or run / "evaluation"
    with bars() as shown:
        evaluation = measure(detector, dataset, folder, progress=shown.part("evaluating"))
    content = evaluation.to_json()
    if json is not None:
        write_json(json, content)
    table(f"{run} on {data}", [(name, content[name]) for name in _SHOWN])
    screen.print(f"report: {folder / 'report.html'}")
    return 0
