"""`excision demo`: the whole workflow on a built-in data set."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Annotated

from cyclopts import App, Parameter

from excision.cli.evaluate import say_evaluation
from excision.cli.output import say
from excision.cli.trained import report, show_pictures
from excision.progress import Bars
from excision.settings import CalibrationSettings, Settings

SURFACE = "woven_fabric"
STEPS = 300
"""Enough for this surface, and done within minutes."""

IMAGES, GOOD, HOLDOUT, RATE, CONFIDENCE = 200, 200, 0.5, 0.05, 0.95
"""Good images for training and test, the share held out, and the false-alarm rate and confidence to promise.

Of 100 held-out images one scores above the threshold. In 7 of 100 such demonstrations the rate among the test
images is larger than promised by chance alone (beta-binomial).
"""

app = App(
    name="demo",
    help_epilogue="Draws images of woven fabric, trains a small model on the good ones, sets its "
    "threshold, measures it on defects it has never seen, and writes a report. If it is interrupted, run "
    "it again to continue.\n\n"
    "```\nexcision demo --out demo/\n```",
)


@app.default
def demo(
    *,
    out: Annotated[Path, Parameter(help="Folder to write everything to.")] = Path("demo"),
    seed: Annotated[int, Parameter(help="Seed of images and training; another seed gives others.")] = 0,
) -> None:
    """Train, calibrate, evaluate and report on a built-in data set."""
    from excision.data import load_dataset
    from excision.detector import Detector
    from excision.report.writing import evaluate
    from excision.synthetic.dataset import write_synthetic
    from excision.training.side_by_side import several_at_once

    data, run, evaluation = out / "data", out / "run", out / "evaluation"
    settings = Settings(
        calibration=CalibrationSettings(
            false_alarm_rate=RATE, holdout=HOLDOUT, groups="each", confidence=CONFIDENCE
        )
    )
    settings = replace(settings, training=replace(settings.training, steps=STEPS, seed=seed))
    detector = Detector(settings)
    with Bars() as bars:
        write_synthetic(
            data,
            seed=seed,
            surfaces=[SURFACE],
            train=IMAGES,
            test_good=GOOD,
            progress=bars.part("drawing"),
        )
        dataset = load_dataset(data)
        detector.fit(dataset, run, resume=True, progress=bars.training, stage=bars.stage)
        with several_at_once(detector.device) as workers:
            figures = evaluate(
                detector, dataset, evaluation, progress=bars.part("evaluating"), workers=workers
            )
    show_pictures(detector, run, dataset)
    report(detector, run, origin="derived from the images")
    say()
    say_evaluation(f"{figures.n_normal} good and {figures.n_defect} defective images", figures)
    say(f"\nOpen {evaluation / 'report.html'}: it shows every stage of the method on examples.")
    say(f"Then try your own: excision check PARTS, or: excision inspect {run} {data / 'test'} --out results")
