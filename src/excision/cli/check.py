"""`excision check`: what a data set contains, before training on it."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from cyclopts import App

from excision.cli.advice import advise_tiles
from excision.cli.groups import say_groups
from excision.cli.options import (
    ConfidenceOption,
    DataArgument,
    GroupsOption,
    JsonOption,
    LayoutOption,
    LeaveOutOption,
    MmPerPixelOption,
    RateOption,
    SmallestDefectOption,
)
from excision.cli.output import say, say_facts, say_notes, say_red, say_table, say_text
from excision.cli.smallest_defect import explain_smallest
from excision.progress import Bars
from excision.system.files import write_json

if TYPE_CHECKING:
    from excision.data.dataset_report import DatasetReport, TrainingPlan
    from excision.data.preparation import Finding
    from excision.method.calibration.forecast import Forecast
    from excision.settings import CalibrationSettings, Settings

_SHOWN = 20
"""Number of findings of one kind that are printed; the JSON file lists all of them."""

app = App(
    name="check",
    help_epilogue="Decodes every file once; it writes and trains nothing. Damaged files are listed and do "
    "not stop the check. The exit status is 0 if training is possible, and 2 otherwise.\n\n"
    "```\n"
    "excision check parts/\n"
    "excision check parts/list.csv --json report.json\n"
    "excision check parts/ --smallest-defect 0.5mm --mm-per-pixel 0.02\n"
    "```",
)


@app.default
def check(
    data: DataArgument,
    /,
    *,
    layout: LayoutOption = None,
    leave_out: LeaveOutOption = False,
    groups: GroupsOption = None,
    false_alarm_rate: RateOption = None,
    confidence: ConfidenceOption = None,
    smallest_defect: SmallestDefectOption = None,
    mm_per_pixel: MmPerPixelOption = None,
    json: JsonOption = None,
) -> int:
    """Report what a data set contains."""
    from excision.data import load_dataset
    from excision.data.check import inspect_dataset
    from excision.data.groups import GroupRule
    from excision.settings import ImageSettings, Settings
    from excision.training.sizing import defect_wish

    wanted = _wanted(false_alarm_rate, confidence)
    image = ImageSettings(smallest_defect=smallest_defect, mm_per_pixel=mm_per_pixel)
    settings = Settings(image)
    rule = None if groups is None else GroupRule.parse(groups)
    # What is left out is reported with everything else, and makes training impossible.
    dataset = dataclasses.replace(load_dataset(data, layout, leave_out=True), leave_out=leave_out)
    with Bars() as bars:
        report = inspect_dataset(dataset, bars.part("reading"), rule, defect_wish(settings))
    if json is not None:
        write_json(json, _as_json(report, wanted, settings))
    say_facts([("Data", data), ("Layout", report.layout), *_sizes(report)])
    _say_contents(report)
    say_groups(report.groups)
    say()
    (say_red if report.training is None else say_text)(_plan(report, wanted, settings))
    return 2 if report.training is None else 0


def _say_contents(report: DatasetReport) -> None:
    say_table(
        "Contents",
        ["split", "label", "images"],
        [[split, label, str(count)] for (split, label), count in report.counts.items()],
    )
    say_notes(report.notes)
    _say_findings("Images that cannot be used and are left out of training", report.unreadable)
    _say_findings("Images that can be used but look unusual", report.odd)
    _say_lines("Images that are left out, because their label is unknown", report.left_out)
    _say_lines("Images that are listed but not there", report.missing)
    _say_findings("Masks to check", report.masks)
    _say_findings("Masks that no image uses", report.unused_masks)
    _say_lines(
        "Images that are in both training and test data, which makes the figures too good",
        [" = ".join(names) for names in report.duplicates],
    )


def _sizes(report: DatasetReport) -> list[tuple[str, str]]:
    if report.sizes is None:
        return [("Images", "none can be read")]
    s = report.sizes
    size = f"{s.most_common[0]} x {s.most_common[1]} ({s.most_common_count} images)"
    if s.smallest != s.largest:
        low, high = s.smallest, s.largest
        size += f", from {low[0]} x {low[1]} to {high[0]} x {high[1]}, median {s.median[0]} x {s.median[1]}"
    modes = ", ".join(f"{count} {mode}" for mode, count in report.modes.items())
    return [("Height x width", size), ("Modes", modes), *_marked(report)]


def _marked(report: DatasetReport) -> list[tuple[str, str]]:
    """Give the line on how much the masks mark."""
    from excision.data.masks import percent

    shares = report.mask_shares
    if shares is None:
        return []
    low, middle, high = map(percent, (shares.smallest, shares.median, shares.largest))
    return [
        ("Masks", f"{shares.masks}; they mark {low} to {high} of their image, median {middle}"),
    ]


def _say_findings(title: str, findings: Sequence[Finding]) -> None:
    _say_lines(title, [f"{finding.name}: {finding.reason}" for finding in findings])


def _say_lines(title: str, lines: Sequence[str]) -> None:
    if not lines:
        return
    say(f"\n{title} ({len(lines)}):")
    for line in lines[:_SHOWN]:
        say(f"  {line}")
    if len(lines) > _SHOWN:
        say(f"  ... and {len(lines) - _SHOWN} more; --json FILE lists them all")


def _plan(report: DatasetReport, wanted: CalibrationSettings, settings: Settings) -> str:
    from excision.method.calibration import shortage

    plan = report.training
    if plan is None:
        return f"Training is not possible: {report.obstacle}"
    channels = "grey" if plan.channels == 1 else "colour"
    height, width = plan.size
    if plan.tiles:
        reason = "images are strips" if plan.smallest_defect.default.tiles else "wanted defect is small"
        how = (
            f"full resolution, in tiles of {height} x {width} pixels (height x width), because the "
            f"{reason}; --size resizes them."
        )
    else:
        how = f"{height} x {width} pixels (height x width; --size changes it)."
    told = (
        f"Training would use {plan.train} good images, and {plan.calibration} more for calibration, in "
        f"{channels}, at {how}"
    )
    told += f"\n{_smallest(report, plan, settings)}\n{_promise(plan, wanted)}"
    sizes = _calibrating(plan, wanted)
    lack = shortage(sum(sizes), len(sizes), wanted.false_alarm_rate, wanted.confidence)
    if lack is not None and not lack.of_groups_alone:
        told += "\nThese are few: `excision train` needs --few for that."
    reduction = None if plan.smallest_defect.wanted is not None else plan.reduction
    advice = advise_tiles(reduction.factor, reduction.tile) if reduction else ""
    return f"{told}\n{advice}" if advice else told


def _smallest(report: DatasetReport, plan: TrainingPlan, settings: Settings) -> str:
    from excision.data.working_size import WorkingSize

    chosen = WorkingSize(plan.size, plan.tiles)
    time = _relative_time(report, settings)
    return explain_smallest(plan.smallest_defect, chosen, time, settings.image.mm_per_pixel)


def _relative_time(report: DatasetReport, settings: Settings) -> float:
    from excision.data.working_size import WorkingSize
    from excision.training.sizing import relative_time

    plan = report.training
    assert plan is not None and report.sizes is not None  # only asked for what can be trained on
    chosen = WorkingSize(plan.size, plan.tiles)
    return relative_time(settings, report.sizes.median, chosen, plan.smallest_defect.default)


def _wanted(rate: float | None, confidence: float | None) -> CalibrationSettings:
    """Give the wanted promise as checked settings."""
    from excision.settings import CalibrationSettings

    usual = CalibrationSettings()
    return dataclasses.replace(
        usual,
        false_alarm_rate=usual.false_alarm_rate if rate is None else rate,
        confidence=usual.confidence if confidence is None else confidence,
    )


def _calibrating(plan: TrainingPlan, wanted: CalibrationSettings) -> tuple[int, ...]:
    """Give the number of images of each group that sets the threshold."""
    from excision.method.calibration import keeps_wish

    held_out = plan.calibration_groups
    alone = keeps_wish(held_out, wanted.false_alarm_rate, wanted.confidence)
    return held_out if alone or not wanted.cross_fit else (*held_out, *plan.training_groups)


def _promise(plan: TrainingPlan, wanted: CalibrationSettings) -> str:
    from excision.method.calibration import best_promise
    from excision.method.calibration.words import at_most

    told = _forecast(plan, wanted).explain()
    held_out = plan.calibration_groups
    if len(_calibrating(plan, wanted)) == len(held_out):
        return f"The held-out {told}"
    alone = at_most(best_promise(held_out, wanted.confidence, wanted.false_alarm_rate))
    return (
        "The held-out images cannot promise the wanted rate, so the training images set the threshold as "
        f"well. {told} This promise assumes, apart from parts to come like these, that the networks do not "
        "remember the training images. If training finds a sign that they do, or with "
        f"--calibration.no-cross-fit, the held-out images alone set the threshold, which can promise at most "
        f"{alone}."
    )


def _forecast(plan: TrainingPlan, wanted: CalibrationSettings) -> Forecast:
    from excision.method.calibration.forecast import Forecast

    sizes = _calibrating(plan, wanted)
    return Forecast.of(sizes, wanted.false_alarm_rate, wanted.confidence, wanted.odd_image)


def _as_json(report: DatasetReport, wanted: CalibrationSettings, settings: Settings) -> dict[str, Any]:
    counts = [
        {"split": split, "label": label, "images": count} for (split, label), count in report.counts.items()
    ]
    plan = report.training
    promise = None if plan is None else _forecast(plan, wanted).as_json()
    time = None if plan is None else _relative_time(report, settings)
    return {**dataclasses.asdict(report), "counts": counts, "promise": promise, "relative_time": time}
