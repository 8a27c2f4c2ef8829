"""`excision calibrate`: a new threshold without training, for another false-alarm rate or another camera."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from cyclopts import App, Parameter

from excision.cli.cost_options import CostOptions
from excision.cli.groups import say_groups
from excision.cli.options import FewOption, GroupsOption, number
from excision.cli.output import say, say_lines
from excision.progress import Bars
from excision.settings import OddRule

if TYPE_CHECKING:
    from excision.data.groups import GroupRule
    from excision.inspection.good_images import GoodScores
    from excision.method.calibration import Calibration
    from excision.runtime.inspector import Inspector

app = App(
    name="calibrate",
    help_epilogue="Uses good images that the model was not trained on, and stores the new threshold in the "
    "folder. It needs neither torch nor defective images. Images that were trained on are recognised and "
    "left out, and an image that is given twice counts once. Of a labelled data set only the good images "
    "are used. It takes 19 images to promise a false-alarm rate of 5 %: fewer are refused unless they "
    "promise the wanted rate, or you pass `--few`.\n\n"
    "`--review-rate` opens a grey zone below the threshold: parts that score in this zone get the verdict "
    '"review". `--undo` returns to the thresholds, the region and the minimum area before the last '
    "calibration; give it again to go further back.\n\n"
    "With `--cost-of-escape`, `--cost-of-false-alarm`, `--defect-share` and `--defects`, the threshold is "
    "the one of least expected cost, without a grey zone. The answer says how certain it is, and which "
    "false-alarm rate it keeps.\n\n"
    "```\n"
    "excision calibrate line/parts good_parts/ --false-alarm-rate 0.5%\n"
    "excision calibrate line/parts good_parts/ --false-alarm-rate 0.5% --review-rate 5%\n"
    "excision calibrate line/parts good_parts/ --roi region.png --minimum-area 12\n"
    "excision calibrate line/parts good_parts/ --cost-of-escape 50 --cost-of-false-alarm 1 "
    "--defect-share 0.1% --defects defective_parts/\n"
    "excision calibrate line/parts --undo\n"
    "```",
)


@app.default
def calibrate(
    folder: Annotated[Path, Parameter(help="Folder that `excision export` wrote.")],
    normals: Annotated[
        list[Path] | None,
        Parameter(help="Good images, folders that are searched for images, or labelled data sets."),
    ] = None,
    /,
    *,
    false_alarm_rate: Annotated[
        float | None,
        Parameter(
            help="Share of good parts that may be called defective: 0.005 or 0.5%. By default the rate is "
            "unchanged.",
            converter=number,
        ),
    ] = None,
    confidence: Annotated[
        float | None,
        Parameter(
            help="Confidence, over the choice of these images, with which the rate is kept: 0.95 or 95%. By "
            "default it is unchanged, or 90%.",
            converter=number,
        ),
    ] = None,
    review_rate: Annotated[
        float | None,
        Parameter(
            help="Share of good parts that may be called defective or sent to review; 0 for no review. By "
            "default it is unchanged.",
            converter=number,
        ),
    ] = None,
    unfit_rate: Annotated[
        float | None,
        Parameter(
            help="Share of good images that may be called unfit to be inspected, because their light, focus "
            "or place is not that of these images; 0 judges no image as unfit. By default it is unchanged.",
            converter=number,
        ),
    ] = None,
    roi: Annotated[
        Path | None,
        Parameter(
            help="Region of interest: an image that is white where defects count, or a TOML file with "
            "`size = [H, W]` and `polygons = [[[x, y], ...], ...]`. By default it is unchanged."
        ),
    ] = None,
    minimum_area: Annotated[
        int | None,
        Parameter(
            help="Smallest area of a defect, in pixels of the working image or of a large image. By default "
            "it is unchanged."
        ),
    ] = None,
    groups: GroupsOption = None,
    odd_image: Annotated[
        OddRule | None,
        Parameter(
            help="What to do with an odd image whose score alone would set the threshold: pass_over or keep "
            "it. By default it is unchanged.",
        ),
    ] = None,
    few: FewOption = False,
    costs: CostOptions | None = None,
    undo: Annotated[
        bool, Parameter(help="Return to what was in force before the last calibration.", negative="")
    ] = False,
) -> int:
    """Set the decision threshold of an exported model again, on good images."""
    from excision.data.groups import GroupRule
    from excision.errors import SettingsError
    from excision.runtime.defect_criteria import DefectCriteria, read_region
    from excision.runtime.inspector import Inspector

    costs = costs or CostOptions()
    changes = (false_alarm_rate, confidence, review_rate, unfit_rate, roi, minimum_area, groups, odd_image)
    if undo:
        if normals or few or costs.is_given or any(change is not None for change in changes):
            raise SettingsError("--undo returns to the calibration before: give the folder alone")
        return _undo(Inspector(folder))
    if not normals:
        raise SettingsError("calibrate needs good images, or --undo to return to the calibration before")
    if costs.is_given and not false_alarm_rate is review_rate is None:
        raise SettingsError("give either rates or costs: each of them sets the thresholds")
    inspector = Inspector(folder)
    inspector.criteria = DefectCriteria(
        inspector.criteria.region if roi is None else read_region(roi, inspector.region_size),
        inspector.criteria.minimum_area if minimum_area is None else minimum_area,
    )
    rate, review = _rates(inspector, false_alarm_rate, review_rate)
    unfit = _unfit_rate(inspector, unfit_rate)
    wish = _Wish(rate, review, _confidence(inspector, confidence), unfit, odd_image, costs)
    rule = None if groups is None else GroupRule.parse(groups)
    return _calibrate(inspector, normals, wish, rule, few=few)


@dataclass(frozen=True)
class _Wish:
    """What the threshold is to keep."""

    rate: float
    review: float | None
    confidence: float
    unfit_rate: float
    odd_image: OddRule | None
    costs: CostOptions


def _calibrate(
    inspector: Inspector, normals: Sequence[Path], wish: _Wish, rule: GroupRule | None, *, few: bool
) -> int:
    from excision.data.groups import GroupSummary
    from excision.errors import DatasetError
    from excision.inspection.good_images import find_good_images, score_good_images
    from excision.method.calibration import too_few
    from excision.report.odd_image import keep_odd_image

    if wish.costs.is_given:
        wish.costs.costs()  # before any long work
    found = find_good_images(normals)
    for note in found.notes:
        say(f"Note: {note}")
    with Bars() as bars:
        good = score_good_images(inspector, found, bars.part("calibrating"), rule)
    _say_left_out(good)
    say_groups(GroupSummary.of(good.grouping))
    if not good.scores:
        raise DatasetError("no image is left to calibrate on: the threshold is unchanged")
    reason = too_few(len(set(good.groups)), wish.rate, wish.confidence)
    few_images = too_few(len(good.scores), wish.rate, wish.confidence) is not None
    if reason is not None and not few_images:
        say(f"Note: {reason}.")
    elif reason is not None and not few:
        raise DatasetError(
            f"{reason}. The threshold is unchanged. Give more good images, or accept what so few can promise "
            "with --few"
        )
    before = inspector.calibration
    names = _short_names(good.images)
    _set(inspector, good, names, wish)
    say(f"Threshold: {before.threshold:.6g} before, {_explain(inspector)}")
    images = dict(zip(names, good.images, strict=True))
    picture = keep_odd_image(inspector.folder, inspector.calibration.odd, images, inspector.inspect)
    if picture is not None:
        say(f"Odd image: {picture}")
    say(f"To return to the threshold before: excision calibrate {inspector.folder} --undo")
    return 0


def _short_names(images: Sequence[Path]) -> list[str]:
    """Name images within the folder that holds all: what a model says is read on other machines."""
    absolute = [path.absolute() for path in images]
    below = os.path.commonpath([path.parent for path in absolute])
    return [path.relative_to(below).as_posix() for path in absolute]


def _set(inspector: Inspector, good: GoodScores, names: Sequence[str], wish: _Wish) -> None:
    """Set the thresholds by the wanted rates, or by costs."""
    from excision.method.calibration import calibrate as set_threshold

    odd_image = wish.odd_image or inspector.calibration.odd_image
    fitness = good.fitness(wish.unfit_rate, wish.confidence) if wish.unfit_rate else None
    if not wish.costs.is_given:
        inspector.recalibrate(
            good.scores,
            wish.rate,
            wish.review,
            confidence=wish.confidence,
            groups=good.groups,
            names=names,
            odd_image=odd_image,
            fitness=fitness,
        )
        return
    by_rate = set_threshold(
        good.scores,
        wish.rate,
        confidence=wish.confidence,
        groups=good.groups,
        names=names,
        odd_image=odd_image,
    )
    by_cost = by_rate.at_least_cost(wish.costs.score(inspector), wish.costs.costs())
    inspector.set_calibration(by_cost, fitness=fitness)


def _undo(inspector: Inspector) -> int:
    from excision.method.folder_kinds import ODD_IMAGE
    from excision.runtime.calibration_history import Earlier

    before = inspector.calibration
    earlier: Earlier = inspector.undo_calibration()
    if inspector.calibration.odd != before.odd:
        # The picture is of the other one.
        (inspector.folder / ODD_IMAGE).unlink(missing_ok=True)
    say(f"Threshold: {before.threshold:.6g} before, {_explain(inspector)}")
    say(f"It had been replaced at {earlier.replaced}. Earlier calibrations left: {earlier.left}.")
    return 0


def _explain(inspector: Inspector) -> str:
    """Say which thresholds are in force, and what they promise."""
    after, zone = inspector.calibration, inspector.description.review
    told = [f"{after.threshold:.6g} now.", after.state()]
    if zone is not None:
        told.append(_explain_zone(zone))
    fitness = inspector.fitness
    told.append(f"Unfit images: {'none is judged as unfit.' if fitness is None else fitness.explain()}")
    return "\n".join(told)


def _explain_zone(zone: Calibration) -> str:
    from excision.method.calibration.sentences import state_review

    return f"Review from {zone.threshold:.6g}. {state_review(zone)}"


def _say_left_out(good: GoodScores) -> None:
    say_lines(
        (f"Skipped: {reason}" for reason in good.unreadable[:20]), len(good.unreadable), "cannot be read"
    )
    if good.trained_on is None:
        say(
            "Note: this folder does not say which images the model was trained on (export it again to have "
            "that). Make sure that none of them is among these images."
        )
    elif good.trained_on:
        say(f"Left out {good.trained_on} images that the model was trained on: their scores are too low.")
    if good.repeated:
        say(f"Left out {good.repeated} images that are the same as another one.")


def _unfit_rate(inspector: Inspector, unfit_rate: float | None) -> float:
    """Return the wanted share of unfit good images, by default as before; 0 judges no image as unfit."""
    from excision.errors import SettingsError

    kept = 0.0 if inspector.fitness is None else inspector.fitness.wanted_rate
    wanted = kept if unfit_rate is None else unfit_rate
    if not 0 <= wanted < 1:
        raise SettingsError(f"--unfit-rate is {wanted}: it must be at least 0 and below 1")
    return wanted


def _confidence(inspector: Inspector, given: float | None) -> float:
    from excision.errors import SettingsError
    from excision.method.calibration import DEFAULT_CONFIDENCE

    confidence = given if given is not None else inspector.calibration.confidence or DEFAULT_CONFIDENCE
    if not 0.5 <= confidence < 1:
        raise SettingsError(f"--confidence is {confidence}: it must be at least 0.5 and below 1")
    return confidence


def _rates(
    inspector: Inspector, false_alarm_rate: float | None, review_rate: float | None
) -> tuple[float, float | None]:
    """Return the wanted false-alarm rate, and the wanted review rate or None; by default as before."""
    from excision.errors import SettingsError

    rate = inspector.calibration.rate if false_alarm_rate is None else false_alarm_rate
    if not 0 < rate < 1:
        raise SettingsError(f"--false-alarm-rate is {rate}: it must lie between 0 and 1")
    kept = inspector.description.review
    usual = None if kept is None else kept.rate
    review = usual if review_rate is None else review_rate or None
    if review is not None and not rate < review < 1:
        raise SettingsError(f"--review-rate is {review}: it must lie between the false-alarm rate and 1")
    return rate, review
