"""`excision evaluate`: figures on labelled test images."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from cyclopts import App, Parameter

from excision.cli.options import (
    CustomerOption,
    DataArgument,
    JsonOption,
    LayoutOption,
    LeaveOutOption,
    LogoOption,
    ModelArgument,
    OperatorOption,
)
from excision.cli.output import figure, say, say_notes, say_table, say_text
from excision.cli.places import Use, own_folder
from excision.progress import Bars
from excision.system.files import write_json

if TYPE_CHECKING:
    from excision.evaluation.evaluation import Evaluation
    from excision.predictions import Predictor

SHOWN = (
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
"""The figures in the printed table, in order."""

app = App(
    name="evaluate",
    help_epilogue="Writes `evaluation.json`, `scores.csv`, `figures/` and `report.html`, which shows every "
    "stage of the worst misses and false alarms. It is an acceptance document: one statement, the conditions "
    "of the measurement, and lines to sign. An exported folder needs no torch. `--no-mask` and "
    "`--inference-skips` switch a part of the method off, to measure what it contributes; they need a run "
    "folder.\n\n"
    "```\n"
    "excision evaluate runs/parts parts/ --json figures.json\n"
    "excision evaluate line/parts parts/\n"
    "excision evaluate line/parts parts/ --operator Weber --customer Example --logo logo.png\n"
    "excision evaluate runs/parts parts/ --no-mask --out no_mask/\n"
    "excision evaluate runs/parts parts/ --inference-skips all --out all_skips/\n"
    "```",
)


@app.default
def evaluate(
    model: ModelArgument,
    data: DataArgument,
    /,
    *,
    layout: LayoutOption = None,
    leave_out: LeaveOutOption = False,
    json: JsonOption = None,
    out: Annotated[
        Path | None,
        Parameter(help="Folder for report and figures, or its URL. By default MODEL/evaluation."),
        Use.WRITE,
    ] = None,
    mask: Annotated[
        bool,
        Parameter(help="Excise the masked region. With --no-mask, every pixel of the whole image counts."),
    ] = True,
    inference_skips: Annotated[
        str | None,
        Parameter(help="Skip connections to use: all, none, deep, or their numbers from 1, such as 2,3."),
    ] = None,
    operator: OperatorOption = None,
    customer: CustomerOption = None,
    logo: LogoOption = None,
) -> None:
    """Measure a trained or an exported model on the test images of a data set."""
    from excision.capability.seen_images import without_seen
    from excision.data import load_dataset
    from excision.inspection.loading import load
    from excision.report.capability_page import keep_capability
    from excision.report.evaluation_folder import check_evaluation_folder
    from excision.report.own_words import Words, read_logo
    from excision.report.writing import evaluate as measure

    words = Words(customer=customer, operator=operator, logo=None if logo is None else read_logo(logo))
    folder = out or own_folder(model, "name --out") / "evaluation"
    check_evaluation_folder(folder)
    altered = not mask or inference_skips is not None
    predictor = _altered(model, mask, inference_skips) if altered else load(model)
    dataset, seen = without_seen(load_dataset(data, layout, leave_out=leave_out), model)
    say_notes([seen] if seen else [])
    reason = keep_capability(model, None if altered else predictor.threshold, folder)
    say_notes([reason] if reason else [])
    with Bars() as bars:
        evaluation = measure(predictor, dataset, folder, bars.part("evaluating"), model=model, words=words)
    if json is not None:
        write_json(json, evaluation.to_json())
    say_evaluation(f"{model} on {data}", evaluation)
    if predictor.calibration is not None and not altered:
        say_text(predictor.calibration.state())
    say_notes(evaluation.notes)
    say(f"Report: {folder / 'report.html'}")


def _altered(run: Path, mask: bool, inference_skips: str | None) -> Predictor:
    from excision.errors import SettingsError
    from excision.method.folder_kinds import folder_kind

    if folder_kind(run) == "exported":
        raise SettingsError(
            f"{run}: --no-mask and --inference-skips need a run folder: an exported model cannot be altered"
        )
    from excision.detector import Detector

    return Detector.load(run).with_inference(mask=mask, skips=inference_skips)


def say_evaluation(title: str, evaluation: Evaluation) -> None:
    """Print the figures as a table."""
    content = evaluation.to_json()
    say_table(title, ["figure", "value"], [[name, figure(content[name])] for name in SHOWN])
