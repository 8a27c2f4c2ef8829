"""Control charts: a p-chart of rejects, an EWMA chart of mean scores, and the rules of Nelson.

Sources: D. C. Montgomery, "Introduction to Statistical Quality Control", 7th edition (2013), chapters 6, 7
and 9; L. S. Nelson, "The Shewhart control chart: tests for special causes", Journal of Quality Technology 16
(1984); D. B. Laney, "Improved control charts for attributes", Quality Engineering 14 (2002); J. M. Lucas and
M. S. Saccucci, "Exponentially weighted moving average control schemes", Technometrics 32 (1990).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

SIGMAS = 3.0
LAMBDA, WIDTH = 0.2, 2.962
"""Weight of the newest point of the EWMA, and its limits in standard deviations. With these, 500 points lie
on average between two false alarms, as Lucas and Saccucci computed for normal values."""

LEAST_EXPECTED = 5.0
"""Rejects that a point must be expected to have before its distance from the centre is taken for normal."""

_D2 = 1.128379167095513  # 2 / sqrt(pi): the mean range of two normal values, in standard deviations

RULES = (1, 2, 3, 4, 5, 6, 7, 8)
"""Numbers of Nelson's rules."""


@dataclass(frozen=True, slots=True)
class ProportionPoint:
    """A point of a p-chart.

    Attributes:
        share: of rejects; None where nothing was inspected.
        lower: limit, 0 or more.
        upper: limit, 1 or less.
        z: distance from the centre in standard deviations; None where nothing was inspected.
        rules: of Nelson that this point completes.
    """

    share: float | None
    lower: float
    upper: float
    z: float | None
    rules: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class ProportionChart:
    """A p-chart of rejects.

    Attributes:
        centre: share of rejects over all points; None where nothing was inspected.
        spread: by how much the points vary more than chance lets them, as a factor; 1 for no more.
        all_rules: whether every rule was looked for; otherwise the first alone.
        points: one for each subgroup.
    """

    centre: float | None
    spread: float
    all_rules: bool
    points: tuple[ProportionPoint, ...]


@dataclass(frozen=True, slots=True)
class AveragePoint:
    """A point of an EWMA chart.

    Attributes:
        value: mean of the subgroup; None where there is none, which leaves the average as it is.
        average: exponentially weighted moving average.
        lower: limit.
        upper: limit.
        out: whether the average lies beyond a limit.
    """

    value: float | None
    average: float
    lower: float
    upper: float
    out: bool


@dataclass(frozen=True, slots=True)
class AverageChart:
    """An EWMA chart.

    Attributes:
        centre: mean of all values; None for fewer than two.
        sigma: standard deviation of one value, by the ranges between neighbours.
        points: one for each subgroup.
    """

    centre: float | None
    sigma: float
    points: tuple[AveragePoint, ...]


def p_chart(groups: Sequence[tuple[int, int]]) -> ProportionChart:
    """Compute a p-chart.

    The limits lie 3 standard deviations from the centre. Where the points vary more than a binomial count
    would, by the moving ranges of their z-values, the limits are widened by that factor (Laney's p'-chart);
    they are never narrowed. Where a point is expected to have fewer than 5 rejects, or so many that fewer
    than 5 are none, its upper limit is at least the exact one of the binomial distribution, which chance
    passes with a probability of 0.135 %, and it has no lower limit; then no more than the first of Nelson's
    rules is looked for.

    Args:
        groups: of each subgroup the parts and the rejects among them, in order.
    """
    inspected = sum(parts for parts, _ in groups)
    if not inspected:
        return ProportionChart(None, 1.0, False, tuple(ProportionPoint(None, 0.0, 1.0, None) for _ in groups))
    centre = sum(rejects for _, rejects in groups) / inspected
    scores = [_z(parts, rejects, centre) for parts, rejects in groups]
    spread = max(1.0, _moving_sigma([z for z in scores if z is not None]))
    normal = all(min(centre, 1 - centre) * parts >= LEAST_EXPECTED for parts, _ in groups if parts)
    wide = [None if z is None else z / spread for z in scores]
    flagged = nelson(wide) if normal else [()] * len(groups)
    points = []
    for (parts, rejects), z, rules in zip(groups, wide, flagged, strict=True):
        if not parts:
            points.append(ProportionPoint(None, 0.0, 1.0, None))
            continue
        lower, upper = _limits(parts, centre, spread)
        share = rejects / parts
        beyond = (1,) if share > upper or share < lower else ()
        others = tuple(rule for rule in rules if rule != 1)
        points.append(ProportionPoint(share, lower, upper, z, beyond + others))
    return ProportionChart(centre, spread, normal, tuple(points))


def ewma_chart(values: Sequence[float | None]) -> AverageChart:
    """Compute an EWMA chart of the means of subgroups.

    Each mean counts as one value: with many images in a subgroup, the spread within it would say too little
    of how means vary from one to the next.

    Args:
        values: mean of each subgroup in order; None for one without.
    """
    known = [value for value in values if value is not None]
    if len(known) < 2:
        return AverageChart(None, 0.0, ())
    centre, sigma = math.fsum(known) / len(known), _moving_sigma(known)
    average, variance, points = centre, 0.0, []
    for value in values:
        if value is not None:
            average = LAMBDA * value + (1 - LAMBDA) * average
            variance = LAMBDA**2 + (1 - LAMBDA) ** 2 * variance
        reach = WIDTH * sigma * math.sqrt(variance)
        # A constant row of values has no spread, and rounding is no signal.
        out = abs(average - centre) > reach + 1e-12 * abs(centre)
        points.append(AveragePoint(value, average, centre - reach, centre + reach, out and value is not None))
    return AverageChart(centre, sigma, tuple(points))


def nelson(z: Sequence[float | None]) -> list[tuple[int, ...]]:
    """Give the rules of Nelson that each point completes.

    1: beyond 3 standard deviations; 2: nine in a row on one side of the centre; 3: six in a row that rise, or
    that fall; 4: fourteen in a row that go up and down in turn; 5: two of three beyond 2 on the same side; 6:
    four of five beyond 1 on the same side; 7: fifteen in a row within 1; 8: eight in a row beyond 1, on
    either side. Points without a value are passed over.

    Args:
        z: distance of each point from the centre in standard deviations; None for none.
    """
    known = [value for value in z if value is not None]
    found = iter([_rules_at(known[max(0, place - 14) : place + 1]) for place in range(len(known))])
    return [() if value is None else next(found) for value in z]


def _rules_at(row: Sequence[float]) -> tuple[int, ...]:
    """Give the rules that the last point of a row completes."""
    last, steps = row[-1], [b - a for a, b in pairwise(row)]
    side = 1.0 if last > 0 else -1.0
    turned = [side * value for value in row]
    holds = {
        1: abs(last) > 3,
        2: len(row) >= 9 and all(value > 0 for value in turned[-9:]),
        3: len(row) >= 6 and (all(step > 0 for step in steps[-5:]) or all(step < 0 for step in steps[-5:])),
        4: len(row) >= 14 and all(a * b < 0 for a, b in zip(steps[-13:-1], steps[-12:], strict=True)),
        5: turned[-1] > 2 and sum(value > 2 for value in turned[-3:]) >= 2,
        6: turned[-1] > 1 and sum(value > 1 for value in turned[-5:]) >= 4,
        7: len(row) >= 15 and all(abs(value) < 1 for value in row[-15:]),
        8: len(row) >= 8 and all(abs(value) > 1 for value in row[-8:]),
    }
    return tuple(rule for rule in RULES if holds[rule])


def _z(parts: int, rejects: int, centre: float) -> float | None:
    if not parts:
        return None
    sigma = math.sqrt(centre * (1 - centre) / parts)
    return (rejects / parts - centre) / sigma if sigma else 0.0


def _moving_sigma(values: Sequence[float]) -> float:
    """Estimate a standard deviation by the mean range between neighbours; 0 for fewer than two values."""
    ranges = [abs(b - a) for a, b in pairwise(values)]
    return math.fsum(ranges) / len(ranges) / _D2 if ranges else 0.0


def _limits(parts: int, centre: float, spread: float) -> tuple[float, float]:
    reach = SIGMAS * spread * math.sqrt(centre * (1 - centre) / parts)
    lower, upper = max(0.0, centre - reach), min(1.0, centre + reach)
    # Where so few are expected, that there are none is no news: there is no limit on that side.
    if centre * parts < LEAST_EXPECTED:
        lower, upper = 0.0, max(upper, _most(parts, centre) / parts)
    if (1 - centre) * parts < LEAST_EXPECTED:
        lower, upper = min(lower, 1 - _most(parts, 1 - centre) / parts), 1.0
    return lower, upper


_TAIL = 0.0013498980316300933  # of a normal value beyond 3 standard deviations, on one side


def _most(parts: int, rate: float) -> int:
    """Give the largest count that is not beyond chance: more have a probability below that of 3 sigma."""
    if rate <= 0:
        return 0
    if rate >= 1:
        return parts
    # The probability of a count from that of the one before; far below the mean it may be 0 to begin with.
    logs = math.log(rate) - math.log1p(-rate)
    log_chance, below = parts * math.log1p(-rate), 0.0
    for count in range(parts + 1):
        below += math.exp(log_chance)
        if 1 - below < _TAIL and count >= parts * rate:
            return count
        log_chance += math.log((parts - count) / (count + 1)) + logs if count < parts else 0.0
    return parts
