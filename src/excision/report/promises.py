"""The promised and the measured false-alarm rate in words."""

from __future__ import annotations

from typing import Any

from excision.evaluation.intervals import rate_interval
from excision.method.calibration import groups_needed_on_average
from excision.report.numbers import count, percent
from excision.report.results_folder import Promise


def false_alarms(alarms: int, good: int, promise: Promise | None, groups: dict[str, Any] | None) -> str:
    """Say what was promised and what was measured, and whether the one contradicts the other.

    Args:
        alarms: good images that were called defective.
        good: good images, at least one.
        promise: of the threshold; None if there is none.
        groups: number of `groups` of the good images, and the `effective` number of independent images that
            say as much; None in results of an earlier version.
    """
    known = groups is not None and groups["groups"] < good
    low, high = rate_interval(alarms, good, groups["effective"] if groups and known else None)
    share = alarms / good
    among = f" in {count(groups['groups'], 'group')}" if groups and known else ""
    measured = (
        f"Measured: {alarms:,} of {count(good, 'good image')}{among}, "
        f"{percent(share)} (95 % interval {percent(low)} to {percent(high)})."
    )
    return measured if promise is None else f"{promised(promise)} {measured} {_compared(share, low, promise)}"


def _compared(share: float, low: float, promise: Promise) -> str:
    if share <= promise.promised_rate:
        return "This does not contradict the promise."
    if low <= promise.promised_rate:
        return (
            "This is more than promised, but it does not contradict the promise: the interval reaches down "
            "to the promised rate. More good images would tell."
        )
    if promise.confidence is None:
        return (
            "The lower end of the interval lies above the promised rate, which holds only on average over "
            "choices of the calibration images. Calibrate again, for a promise with a confidence."
        )
    return (
        "This contradicts the promise: even the lower end of the interval lies above the promised rate. The "
        "test images are not like those that the threshold was set on. Calibrate again on recent good images "
        "of every kind that occurs."
    )


def promised(promise: Promise) -> str:
    """Say what is promised."""
    if promise.said is not None:
        return promise.said
    images = count(promise.held_out, "held-out good image")
    said = f"Promised on average: at most {percent(promise.promised_rate)}, from {images}"
    if promise.wanted_rate is None or promise.promised_rate <= promise.wanted_rate + 1e-9:
        return f"{said}."
    needed = groups_needed_on_average(promise.wanted_rate)
    return f"{said}; promising the requested {percent(promise.wanted_rate)} takes {needed:,} of them."
