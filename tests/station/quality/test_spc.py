"""Control charts against slow and obvious versions, scipy, and published figures."""

from __future__ import annotations

import itertools
import math
import random

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from excision.station.quality.spc import LAMBDA, WIDTH, ewma_chart, nelson, p_chart

# Montgomery, table 7.1: orange-juice cans, 30 samples of 50.
CANS = [12, 15, 8, 10, 4, 7, 16, 9, 14, 10, 5, 6, 17, 12, 22, 8, 10, 5, 13, 11]
CANS += [20, 18, 24, 15, 9, 12, 7, 13, 9, 6]


def test_the_example_of_the_book() -> None:
    chart = p_chart([(50, count) for count in CANS])
    assert chart.centre == pytest.approx(0.2313, abs=5e-5)
    # The book takes the spread of a binomial count; here the points vary a little more than that.
    sigma = math.sqrt(0.23133 * 0.76867 / 50)
    assert chart.points[0].upper == pytest.approx(0.23133 + 3 * sigma * chart.spread, abs=1e-4)
    plain = [(count / 50 - 0.23133) / sigma for count in CANS]
    assert [place + 1 for place, rules in enumerate(nelson(plain)) if 1 in rules] == [15, 23]


def slow_rules(z: list[float]) -> list[tuple[int, ...]]:
    """Each rule as its sentence says it, one point after the other."""
    found = []
    for place in range(len(z)):
        rules = {1} if abs(z[place]) > 3 else set()
        for length, rule in ((9, 2), (6, 3), (14, 4), (15, 7), (8, 8)):
            if place < length - 1:
                continue
            row = z[place - length + 1 : place + 1]
            ups = [b > a for a, b in itertools.pairwise(row)]
            downs = [b < a for a, b in itertools.pairwise(row)]
            turns = all((ups[i] and downs[i + 1]) or (downs[i] and ups[i + 1]) for i in range(len(ups) - 1))
            holds = {
                2: min(row) > 0 or max(row) < 0,
                3: all(ups) or all(downs),
                4: turns,
                7: max(row) < 1 and min(row) > -1,
                8: all(value > 1 or value < -1 for value in row),
            }
            rules |= {rule} if holds[rule] else set()
        for length, least, level, rule in ((3, 2, 2, 5), (5, 4, 1, 6)):
            row = z[max(0, place - length + 1) : place + 1]
            for side in (1, -1):
                if side * z[place] > level and sum(side * value > level for value in row) >= least:
                    rules.add(rule)
        found.append(tuple(sorted(rules)))
    return found


LEVELS = st.sampled_from([-3.5, -2.5, -1.5, -0.5, -0.25, 0.0, 0.25, 0.5, 1.5, 2.5, 3.5])


@settings(max_examples=100)
@given(st.lists(LEVELS | st.floats(-4, 4), max_size=40))
def test_rules_are_what_their_sentences_say(z: list[float]) -> None:
    assert nelson(z) == slow_rules(z)


def test_each_rule_can_be_broken_and_gaps_are_passed_over() -> None:
    rows: dict[int, list[float]] = {
        1: [3.1],
        2: [0.5, 0.4] * 4 + [0.3],
        3: [-1.2, -0.8, -0.3, 0.1, 0.6, 1.1],
        4: [0.1, -0.1] * 7,
        5: [2.1, 0.0, 2.2],
        6: [1.1, 1.2, 0.0, 1.3, 1.4],
        7: [0.1, 0.2, -0.1, -0.2, 0.3] * 3,
        8: [1.5, -1.5, -1.6, 1.4, 1.7, -1.3, -1.4, 1.2],
    }
    for rule, row in rows.items():
        assert rule in nelson(row)[-1], rule
        assert not any(rule in rules for rules in nelson(row[1:])), rule
        with_gaps = [value for z in row for value in (None, z)]
        assert rule in nelson(with_gaps)[-1]
    assert nelson([None]) == [()]


@pytest.mark.parametrize(("parts", "rate"), [(20, 0.02), (200, 0.01), (3000, 0.0005), (50, 0.99), (1, 0.5)])
def test_limits_of_few_rejects_are_those_of_the_binomial(parts: int, rate: float) -> None:
    rejects = max(1, round(parts * rate))
    chart = p_chart([(parts, rejects), (parts, rejects)])
    assert chart.centre is not None and not chart.all_rules
    exact = stats.binom.isf(stats.norm.sf(3), parts, chart.centre) / parts
    normal = chart.centre + 3 * math.sqrt(chart.centre * (1 - chart.centre) / parts)
    if parts * (1 - chart.centre) < 5:
        assert chart.points[0].upper == 1.0
    else:
        assert chart.points[0].upper == pytest.approx(max(exact, min(normal, 1.0)))
        assert chart.points[0].lower == 0.0


def test_chance_alone_rarely_passes_the_limits() -> None:
    """Also with few rejects, where limits of 3 sigma would give several false alarms in a hundred points."""
    chance = np.random.default_rng(5)
    for rate, parts in ((0.004, 200), (0.02, 100), (0.05, 400)):
        chart = p_chart([(parts, int(count)) for count in chance.binomial(parts, rate, size=4000)])
        out = sum(1 in point.rules for point in chart.points)
        assert out / 4000 < 0.004, (rate, parts)


def test_more_spread_than_chance_widens_the_limits() -> None:
    chance = np.random.default_rng(3)
    rates = chance.normal(0.05, 0.01, size=300).clip(0.001)
    chart = p_chart([(5000, int(chance.binomial(5000, rate))) for rate in rates])
    assert chart.spread == pytest.approx(math.sqrt(1 + 0.01**2 / (0.05 * 0.95 / 5000)), rel=0.15)
    assert sum(1 in point.rules for point in chart.points) <= 4
    assert p_chart([(5000, 250)] * 30).spread == 1.0


def test_nothing_inspected_and_nothing_rejected() -> None:
    assert p_chart([]).points == ()
    empty = p_chart([(0, 0), (0, 0)])
    assert empty.centre is None and [point.share for point in empty.points] == [None, None]
    good = p_chart([(10, 0), (0, 0), (20, 0)])
    assert good.centre == 0.0
    assert [point.rules for point in good.points] == [(), (), ()]
    bad = p_chart([(10, 10), (20, 20)])
    assert (bad.centre, [point.rules for point in bad.points]) == (1.0, [(), ()])


@settings(max_examples=50)
@given(st.lists(st.none() | st.floats(0, 100), min_size=2, max_size=20))
def test_ewma_is_the_sum_that_it_stands_for(values: list[float | None]) -> None:
    chart = ewma_chart(values)
    known = [value for value in values if value is not None]
    if len(known) < 2:
        assert chart.points == ()
        return
    mean = sum(known) / len(known)
    sigma = sum(abs(b - a) for a, b in itertools.pairwise(known)) / (len(known) - 1) / 1.128379
    so_far: list[float] = []
    for value, point in zip(values, chart.points, strict=True):
        so_far += [] if value is None else [value]
        weights = [LAMBDA * (1 - LAMBDA) ** age for age in range(len(so_far))][::-1]
        average = sum(w * x for w, x in zip(weights, so_far, strict=True)) + (1 - sum(weights)) * mean
        assert point.average == pytest.approx(average, abs=1e-9)
        reach = WIDTH * sigma * math.sqrt(sum(w * w for w in weights))
        assert point.upper - mean == pytest.approx(reach, rel=1e-5, abs=1e-9)


def test_ewma_alarms_as_rarely_as_lucas_and_saccucci_computed() -> None:
    """With a long row its centre and spread are well known; it starts anew after each alarm."""
    chance = random.Random(1)
    chart = ewma_chart([chance.gauss(10, 2) for _ in range(60_000)])
    runs, length, average = [], 0, 10.0
    for point in chart.points:
        assert point.value is not None
        length += 1
        average = LAMBDA * point.value + (1 - LAMBDA) * average
        if abs(average - 10) > WIDTH * 2 * math.sqrt(LAMBDA / (2 - LAMBDA)):
            runs.append(length)
            length, average = 0, 10.0
    assert np.mean(runs) == pytest.approx(500, rel=0.25)
    steady = [chance.gauss(10, 2) for _ in range(100)]
    shifted = ewma_chart(steady + [chance.gauss(13, 2) for _ in range(20)])
    assert any(point.out for point in shifted.points[100:112])
    assert not any(point.out for point in ewma_chart([0.1 + 0.2] * 50).points)
