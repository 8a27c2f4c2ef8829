"""A shift: since when, what was found, and what the promised false-alarm rate lets expect."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Literal

from excision.station.models.registry import ModelRegistry
from excision.station.pages.promises import calibration_of
from excision.station.store.query import Query
from excision.station.store.records import Truth
from excision.station.store.store import Store

HOURS = (1, 4, 8, 12, 24, 168)
"""Lengths that are offered."""

DEFAULT_HOURS = 8

_UNLIKELY = 0.01

Standing = Literal["within", "open", "above"]


@dataclass(frozen=True, slots=True)
class Shift:
    """From when on results count.

    Attributes:
        since: seconds since 1970 in UTC.
        hours: length up to now, where it was chosen so; None where a start was given.
        start: the start that was given, as the browser writes it: "2026-03-02T06:00", otherwise empty.
    """

    since: float
    hours: int | None
    start: str = ""


def read_shift(hours: str, start: str, now: float) -> Shift:
    """Read a shift from a form; what cannot be read is the default, the last 8 hours.

    Args:
        hours: how many back from now.
        start: a local time, which goes before `hours` where it is one.
        now: seconds since 1970 in UTC.
    """
    try:
        return Shift(datetime.fromisoformat(start).astimezone().timestamp(), None, start)
    except (ValueError, OverflowError, OSError):
        pass
    length = int(hours) if hours in {str(known) for known in HOURS} else DEFAULT_HOURS
    return Shift(now - 3600 * length, length)


@dataclass(frozen=True, slots=True)
class Budget:
    """False alarms that the calibration lets expect, beside the alarms there were.

    Attributes:
        parts: inspected images, without those that were unfit and those labelled defect.
        expected: false alarms among them at the average rate that the calibration lets expect.
        confirmed_false: alarms on parts that somebody labelled good.
        confirmed_true: alarms on parts that somebody labelled defect.
        unjudged: alarms without a label.
        chance_of_confirmed: probability of so many false alarms, or more, at the promised rate.
        chance_of_all: the same, were every unjudged alarm false.
        promises: name of each model, and what its threshold promises.
    """

    parts: int
    expected: float
    confirmed_false: int
    confirmed_true: int
    unjudged: int
    chance_of_confirmed: float
    chance_of_all: float
    promises: tuple[tuple[str, str], ...] = ()

    @property
    def alarms(self) -> int:
        """Give the number of alarms."""
        return self.confirmed_false + self.confirmed_true + self.unjudged

    @property
    def standing(self) -> Standing:
        """Give "above" if confirmed false alarms alone exceed chance, otherwise "open" or "within".

        "open" means that they would be too many if the unjudged alarms were false: somebody should look.
        """
        if self.chance_of_confirmed < _UNLIKELY:
            return "above"
        return "open" if self.chance_of_all < _UNLIKELY else "within"


def budget_of(store: Store, models: ModelRegistry, query: Query) -> Budget | None:
    """Take stock of the alarms of a time, a model or a view; None where no model says what was promised.

    The rate is that of each model at its present threshold.
    """
    parts, expected, allowed = 0, 0.0, 0.0
    promises: list[tuple[str, str]] = []
    truths: dict[Truth | None, int] = {"good": 0, "defect": 0, None: 0}
    for name in models.names:
        if query.model not in (None, name):
            continue
        version = models.current(name)
        calibration = calibration_of(version)
        if calibration is None:
            continue
        good = 0
        for (verdict, truth), images in store.tally(replace(query, model=name)).items():
            if verdict == "defect":
                truths[truth] += images
            if verdict not in ("failed", "unfit") and truth != "defect":
                good += images
        parts += good
        expected += calibration.average_above(version.threshold) * good
        allowed += calibration.rate_above(version.threshold) * good
        promises.append((name, calibration.explain_rate()))
    if not promises:
        return None
    rate = allowed / parts if parts else 0.0
    false, unjudged = truths["good"], truths[None]
    return Budget(
        parts,
        expected,
        false,
        truths["defect"],
        unjudged,
        at_least(false, parts, rate),
        at_least(min(false + unjudged, parts), parts, rate),
        tuple(promises),
    )


def at_least(count: int, trials: int, rate: float) -> float:
    """Give the probability of `count` or more successes in independent trials (binomial).

    Args:
        count: 0 to `trials`.
        trials: how many.
        rate: of success, 0 to 1.
    """
    if count <= 0:
        return 1.0
    if rate <= 0:
        return 0.0
    if rate >= 1:
        return 1.0
    below = (_binomial(k, trials, rate) for k in range(count))
    return max(0.0, 1 - math.fsum(below))


def _binomial(count: int, trials: int, rate: float) -> float:
    ways = math.lgamma(trials + 1) - math.lgamma(count + 1) - math.lgamma(trials - count + 1)
    return math.exp(ways + count * math.log(rate) + (trials - count) * math.log1p(-rate))
