"""How low a rate so many good images can promise, and how many a wanted rate takes."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from excision.method.calibration.odd import SHARE
from excision.method.calibration.rates import ROUNDING, upper_rate
from excision.method.calibration.words import at_most, counted, percent

DEFAULT_CONFIDENCE = 0.9
"""Confidence of a promise unless another is wanted."""

WORST_PROMISE = 0.05
"""Largest average false-alarm rate that is promised without asking, unless a larger one is wanted."""


def best_promise(
    groups: int | Sequence[int], confidence: float = DEFAULT_CONFIDENCE, wanted_rate: float = 0.0
) -> float:
    """Give the lowest rate, not below the wanted one, that so many good images can promise.

    The threshold is then at most their largest score, and none of them lies above it.

    Args:
        groups: number of groups, or the number of images in each group.
        confidence: of the promise, 0.5 to below 1.
        wanted_rate: wanted rate, from 0 to below 1.
    """
    sizes = np.ones(groups, np.int64) if isinstance(groups, int) else np.asarray(groups, np.int64)
    none, level = np.zeros(len(sizes)), 1 - confidence
    if upper_rate(none, sizes, level) <= wanted_rate + ROUNDING:
        return wanted_rate
    return max(wanted_rate, upper_rate(none, sizes, (1 - SHARE) * level))


def keeps_wish(groups: Sequence[int], false_alarm_rate: float, confidence: float) -> bool:
    """Tell whether good images can promise the wanted rate.

    Args:
        groups: number of images in each group.
        false_alarm_rate: wanted rate, between 0 and 1.
        confidence: of the promise.
    """
    return best_promise(groups, confidence, false_alarm_rate) <= false_alarm_rate + ROUNDING


def groups_needed(false_alarm_rate: float, confidence: float = DEFAULT_CONFIDENCE) -> int:
    """Give how many groups of good images of equal size it takes to promise a false-alarm rate.

    The largest score of G groups promises 1 - (1 - confidence) to the power 1 / G. Images that are
    independent are groups of one.

    Args:
        false_alarm_rate: between 0 and 1.
        confidence: 0.5 to below 1.
    """
    return max(1, math.ceil(math.log(1 - confidence) / math.log1p(-false_alarm_rate) - ROUNDING))


def groups_needed_on_average(false_alarm_rate: float) -> int:
    """Give how many groups of good images it takes to promise a false-alarm rate on average.

    The largest score of G groups promises 1 / (G + 1) on average.
    """
    return max(1, math.ceil(1 / false_alarm_rate - ROUNDING) - 1)


def too_few(groups: int, false_alarm_rate: float, confidence: float = DEFAULT_CONFIDENCE) -> str | None:
    """Say why so few groups of good images are too few for a calibration; None if they are enough.

    They are enough if they promise, on average, the wanted rate or, where that is lower, `WORST_PROMISE`.

    Args:
        groups: number of groups of held-out good images.
        false_alarm_rate: wanted rate, between 0 and 1.
        confidence: of the promise.
    """
    least = groups_needed_on_average(max(false_alarm_rate, WORST_PROMISE))
    if groups >= least:
        return None
    independent = counted(groups, "independent group", "independent groups")
    best = at_most(best_promise(groups, confidence, false_alarm_rate))
    needed = groups_needed(false_alarm_rate, confidence)
    return (
        f"{independent} of good images can promise a false-alarm rate of at most {best} with "
        f"{percent(confidence)} confidence (on average {at_most(1 / (groups + 1))}); it takes {least} to "
        f"promise {percent(max(false_alarm_rate, WORST_PROMISE))} on average, and {needed} to promise the "
        f"wanted {percent(false_alarm_rate)}"
    )


class Shortage(NamedTuple):
    """What good images lack for a calibration.

    Attributes:
        reason: in words.
        of_groups_alone: the images would be enough if each were independent of the others.
    """

    reason: str
    of_groups_alone: bool


def shortage(
    images: int, groups: int, false_alarm_rate: float, confidence: float = DEFAULT_CONFIDENCE
) -> Shortage | None:
    """Say what good images lack for a calibration, as `too_few`; None if they are enough.

    Args:
        images: number of good images that set the threshold.
        groups: number of groups that they are of.
        false_alarm_rate: wanted rate, between 0 and 1.
        confidence: of the promise.
    """
    reason = too_few(groups, false_alarm_rate, confidence)
    if reason is None:
        return None
    return Shortage(reason, too_few(images, false_alarm_rate, confidence) is None)
