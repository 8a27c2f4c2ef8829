"""The promised and the measured false-alarm rate in words."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from excision.evaluation.intervals import rate_interval
from excision.method.calibration import groups_needed_on_average
from excision.report.numbers import count, percent
from excision.report.results_folder import Promise


@dataclass(frozen=True, slots=True)
class Measured:
    """Good test images, and the alarms on them.

    Attributes:
        alarms: images that were called defective.
        images: how many, at least one.
        name: of one of them.
        groups: number of `groups` of the images, and the `effective` number of independent images that say as
            much; None in results of an earlier version.
    """

    alarms: int
    images: int
    name: str
    groups: dict[str, Any] | None

    @property
    def share(self) -> float:
        """The measured rate."""
        return self.alarms / self.images

    def interval(self) -> tuple[tuple[float, float], str, str]:
        """Give the 95 % interval of the rate, in how many groups the images are, and how these count."""
        if self.groups is None or self.groups["groups"] >= self.images:
            return rate_interval(self.alarms, self.images), "", ""
        found = rate_interval(self.alarms, self.images, self.groups["effective"])
        return found, f" in {count(self.groups['groups'], 'group')}", ", with each group as one image"


def false_alarms(measured: Measured, promise: Promise | None) -> str:
    """Say what was promised and what was measured, and whether the one contradicts the other."""
    (low, high), groups, how = measured.interval()
    told = (
        f"Measured: {measured.alarms:,} of {count(measured.images, measured.name)}{groups}, "
        f"{percent(measured.share)} (95 % interval {percent(low)} to {percent(high)}{how})."
    )
    return (
        told if promise is None else f"{promised(promise)} {told} {_compared(measured.share, low, promise)}"
    )


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
