"""How far an image may deviate: one limit for all statistics, wider for single ones that call for it.

The usual limit depends on the number of groups alone. So whether images of a new group exceed it is a draw
like those of the groups learnt from, and the share that does has an exact upper limit, however many
statistics are compared. Where good images exceed the limit in some statistic, that of this statistic, on that
side, is widened to let them pass. The share of unfit images only falls by that, so the promise stands, and
the other statistics stay as strict as they were.

Where many good images exceed the usual limit, statistics have heavy tails. Then the limit is raised for all.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace

from excision.method.calibration import Calibration, calibrate
from excision.method.calibration.rates import ROUNDING, GroupedScores
from excision.method.calibration.rule import smallest
from excision.method.fitness.norm import Comparison

Deviations = Mapping[str, float]
Widened = Mapping[str, tuple[float, float]]
"""Limits below and above the median of the statistics that have one of their own."""

_LEAST, _FEW = 6.0, 2.0
"""The usual limit is 6 (1 + 2 / sqrt(G)) units: the fewer the G groups, the less their range says."""

_MANY = 0.02
"""Share of the groups, and at least one group, that may exceed the usual limit."""

_HIGHEST = 16.0
"""Limits are raised and widened up to 16 units; good images beyond that are odd, and stay unfit."""

_SHARE = 0.1
"""Share of 1 - confidence that is spent on raised limits."""


def usual_limit(groups: int) -> float:
    """Give the limit in units from the number of groups."""
    return _LEAST * (1 + _FEW / math.sqrt(groups))


def usual_level(confidence: float) -> float:
    """Give the share of cases in which the promise of the usual limit may be broken."""
    return (1 - _SHARE) * (1 - confidence)


def promise_unfit(
    deviations: Sequence[float],
    groups: Sequence[str],
    names: Sequence[str],
    *,
    rate: float,
    confidence: float,
    usual: float | None = None,
) -> Calibration:
    """Choose the limit, and promise the share of good images beyond it.

    Args:
        deviations: largest deviation of each good image from the norm of other groups.
        groups: group of each image.
        names: name of each image.
        rate: wanted share of unfit images.
        confidence: of the promise.
        usual: another usual limit, to test the promise.
    """
    found = calibrate(deviations, rate, confidence=confidence, groups=groups, names=names)
    usual = usual_limit(found.count_groups) if usual is None else usual
    grouped, few = GroupedScores(found.scores, found.groups), max(1.0, _MANY * found.count_groups)
    limit = usual
    if grouped.shares_above(usual).sum() > few + ROUNDING:
        limit = max(usual, min(_HIGHEST, _raised(grouped)))
    return promised_at(found.at(limit), usual)


def _raised(grouped: GroupedScores) -> float:
    """Return the least deviation that hardly any group exceeds, and none of fewer than 50."""
    most = _MANY * grouped.count if _MANY * grouped.count >= 1 else 0.0
    return smallest(grouped.scores.tolist(), lambda each: grouped.shares_above(each).sum() <= most + ROUNDING)


def promised_at(found: Calibration, usual: float | None = None) -> Calibration:
    """Return a calibration with the rate that its limit promises.

    The usual limit was fixed in advance: its promise is the exact upper limit for the images seen above it
    (Clopper, Pearson, 1934; for groups, see `upper_rate`), with nine tenths of 1 - confidence. A raised limit
    was chosen by the deviations: its promise holds for all limits at once, with the last tenth. So both
    together keep the confidence, whichever is chosen.
    """
    if found.confidence is None:
        raise ValueError("a promise needs a confidence")
    grouped = GroupedScores(found.scores, found.groups)
    if found.threshold == (usual_limit(found.count_groups) if usual is None else usual):
        promised = grouped.upper_rate(found.threshold, usual_level(found.confidence))
    else:
        promised = grouped.upper_rate_anywhere(found.threshold, _SHARE * (1 - found.confidence))
    return replace(found, promised_rate=promised)


def widen(images: Iterable[Deviations], limit: float) -> Widened:
    """Give the limits of statistics in which good images deviate more, for all but odd ones.

    Args:
        images: signed deviations of each image by statistic.
        limit: limit of all other statistics.
    """
    found: dict[str, tuple[float, float]] = {}
    for image in images:
        if max(map(abs, image.values())) > odd_from(limit):
            continue
        for name, deviation in image.items():
            if abs(deviation) > limit:
                below, above = found.get(name, (limit, limit))
                found[name] = (max(below, -deviation), max(above, deviation))
    return dict(sorted(found.items()))


def odd_from(limit: float) -> float:
    """Give the deviation from which on a good image is odd, and widens no limit."""
    return max(_HIGHEST, limit)


def within(found: Comparison, widened: Widened, limit: float) -> Comparison:
    """Scale the deviations of statistics with a limit of their own, so that all have the same limit."""
    if not widened:
        return found
    scaled = dict(found.deviations)
    for name, (below, above) in widened.items():
        if name in scaled:
            scaled[name] *= limit / (above if scaled[name] > 0 else below)
    return found._replace(deviations=scaled)
