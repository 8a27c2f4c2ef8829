"""`excision calibrate`: a new threshold without training, for another false-alarm rate or another camera."""

from __future__ import annotations

import os
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, NamedTuple

from cyclopts import App, Parameter

from excision.cli.calibrate_options import CriteriaOptions, Promise, PromiseOptions
from excision.cli.cost_options import CostOptions
from excision.cli.groups import say_groups
from excision.cli.options import FewOption, GroupsOption, is_given
from excision.cli.output import say, say_lines, say_notes, say_text
from excision.cli.places import Use
from excision.errors import DatasetError, SettingsError
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
    folder: Annotated[Path, Parameter(help="Folder that `excision export` wrote."), Use.CHANGE],
    normals: Annotated[
        list[Path] | None,
        Parameter(help="Good images, folders that are searched for images, or labelled data sets, or URLs."),
        Use.READ_ANY,
    ] = None,
    /,
    *,
    promise: PromiseOptions | None = None,
    criteria: CriteriaOptions | None = None,
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
    from excision.runtime.inspector import Inspector

    promise, criteria, costs = (
        promise or PromiseOptions(),
        criteria or CriteriaOptions(),
        costs or CostOptions(),
    )
    if undo:
        others = any(map(is_given, (promise, criteria, costs)))
        if normals or few or others or not groups is odd_image is None:
            raise SettingsError("--undo returns to the calibration before: give the folder alone")
        return _undo(Inspector(folder))
    if not normals:
        raise SettingsError("calibrate needs good images, or --undo to return to the calibration before")
    if is_given(costs) and not promise.false_alarm_rate is promise.review_rate is None:
        raise SettingsError("give either rates or costs: each of them sets the thresholds")
    inspector = Inspector(folder)
    inspector.criteria = criteria.of(inspector)
    wish = _Wish(promise.of(inspector), odd_image or inspector.calibration.odd_image, costs)
    rule = None if groups is None else GroupRule.parse(groups)
    return _calibrate(inspector, normals, wish, rule, few=few)


class _Wish(NamedTuple):
    """What the thresholds are to promise or, where costs are given, to cost least."""

    promise: Promise
    odd_image: OddRule
    costs: CostOptions


def _calibrate(
    inspector: Inspector, normals: Sequence[Path], wish: _Wish, rule: GroupRule | None, *, few: bool
) -> int:
    from excision.data.groups import GroupSummary
    from excision.inspection.good_images import find_good_images, score_good_images
    from excision.report.odd_image import keep_odd_image

    if is_given(wish.costs):
        wish.costs.costs()  # before any long work
    found = find_good_images(normals)
    say_notes(found.notes)
    with Bars() as bars:
        good = score_good_images(inspector, found, bars.part("calibrating"), rule)
    _say_left_out(good)
    say_groups(GroupSummary.of(good.grouping))
    _check_enough(good, wish.promise, few=few)
    before = inspector.calibration
    names = _short_names(good.images)
    _set(inspector, good, names, wish)
    say_text(f"Threshold: {before.threshold:.6g} before, {_explain(inspector)}")
    images = dict(zip(names, good.images, strict=True))
    picture = keep_odd_image(inspector.folder, inspector.calibration.odd, images, inspector.inspect)
    if picture is not None:
        say(f"Odd image: {picture}")
    say(f"To return to the threshold before: excision calibrate {inspector.folder} --undo")
    return 0


def _check_enough(good: GoodScores, promise: Promise, *, few: bool) -> None:
    """Refuse images that are too few, unless that is accepted; say so where only their groups are."""
    from excision.method.calibration import shortage

    if not good.scores:
        raise DatasetError("no image is left to calibrate on: the threshold is unchanged")
    lack = shortage(len(good.scores), len(set(good.groups)), promise.rate, promise.confidence)
    if lack is not None and lack.of_groups_alone:
        say_text(f"Note: {lack.reason}.")
    elif lack is not None and not few:
        raise DatasetError(
            f"{lack.reason}. The threshold is unchanged. Give more good images, or accept what so few can "
            "promise with --few"
        )


def _short_names(images: Sequence[Path]) -> list[str]:
    """Name images within the folder that holds all: what a model says is read on other machines."""
    absolute = [path.absolute() for path in images]
    below = os.path.commonpath([path.parent for path in absolute])
    return [path.relative_to(below).as_posix() for path in absolute]


def _set(inspector: Inspector, good: GoodScores, names: Sequence[str], wish: _Wish) -> None:
    """Set the thresholds by the wanted rates, or by costs."""
    from excision.method.calibration import calibrate as set_threshold

    promise = wish.promise
    fitness = good.fitness(promise.unfit_rate, promise.confidence) if promise.unfit_rate else None
    setting = partial(
        set_threshold,
        good.scores,
        confidence=promise.confidence,
        groups=good.groups,
        names=names,
        odd_image=wish.odd_image,
    )
    calibration, review = setting(promise.rate), None
    if is_given(wish.costs):
        calibration = calibration.at_least_cost(wish.costs.score(inspector), wish.costs.costs())
    elif promise.review is not None:
        review = setting(promise.review)
    inspector.set_calibration(calibration, review, fitness=fitness)


def _undo(inspector: Inspector) -> int:
    from excision.method.folder_kinds import ODD_IMAGE
    from excision.runtime.calibration_history import Earlier

    before = inspector.calibration
    earlier: Earlier = inspector.undo_calibration()
    if inspector.calibration.odd != before.odd:
        # The picture is of the other one.
        (inspector.folder / ODD_IMAGE).unlink(missing_ok=True)
    say_text(f"Threshold: {before.threshold:.6g} before, {_explain(inspector)}")
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
        say_text(
            "Note: this folder does not say which images the model was trained on (export it again to have "
            "that). Make sure that none of them is among these images."
        )
    elif good.trained_on:
        say_text(
            f"Left out {good.trained_on} images that the model was trained on: their scores are too low."
        )
    if good.repeated:
        say(f"Left out {good.repeated} images that are the same as another one.")
