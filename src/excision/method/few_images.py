"""The warning before a training whose images can promise neither the wanted rate nor a usual one."""

from __future__ import annotations

import math
import warnings

from excision.errors import FewGroupsWarning, FewImagesWarning
from excision.method.calibration import best_promise, groups_needed, shortage
from excision.method.calibration.words import at_most, counted
from excision.settings import Settings
from excision.training.training_set import TrainingSet


def warn_if_few(data: TrainingSet, settings: Settings) -> None:
    """Warn if the images that calibrate are too few.

    Args:
        data: the images of a training.
        settings: settings of its calibration.

    Warns:
        FewImagesWarning: the images are too few.
        FewGroupsWarning: the images are enough, and only their groups are too few.
    """
    chosen = settings.calibration
    calibrating = len({data.groups[name] for name in data.calibrating})
    images = len(data.calibrating)
    lack = shortage(images, calibrating, chosen.false_alarm_rate, chosen.confidence)
    if lack is None:
        return
    needed = groups_needed(chosen.false_alarm_rate, chosen.confidence)
    if chosen.folds or data.cross_fits:
        how = " in folds" if chosen.folds else ""
        message = f"{images} good images in {calibrating} groups calibrate{how}: {lack.reason}"
    else:
        held_out, groups = len(data.calibration), len(set(data.groups.values()))
        count = len(data.sources) + held_out
        message = (
            f"of {count} good images, {counted(held_out, 'is', 'are')} held out for calibration: "
            f"{lack.reason}, which is about {math.ceil(needed / chosen.holdout)} groups of good images in all"
        )
        best = best_promise(groups, chosen.confidence)
        message += (
            f". With --calibration.folds 5 all {groups} groups calibrate, which can promise at most "
            f"{at_most(best)} and takes six times as long"
        )
    # The caller of the caller: the line that fits a detector.
    warnings.warn(message, FewGroupsWarning if lack.of_groups_alone else FewImagesWarning, stacklevel=3)
