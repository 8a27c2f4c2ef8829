"""One odd image does not decide alone, and the confidence stays honest."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from excision.method.calibration import calibrate
from excision.method.calibration.forecast import Forecast
from excision.method.calibration.odd import LEVEL, SHARE, gap_chance
from excision.method.calibration.rule import rate_without_odd
from excision.method.calibration.words import at_most

FIGURES = [0.3, 0.5, 0.6, 0.9, 1.2, 1.7, 2.2, 29.0]
"""Scores like those of moulded figures, one of them with its hand at the border of the image."""


def test_a_score_far_from_all_others_is_passed_over() -> None:
    names = [f"{place}.png" for place in range(8)]
    found = calibrate(FIGURES[::-1], 0.01, names=names[::-1])
    assert found.threshold == 2.2
    assert found.odd is not None and found.odd.passed_over
    assert (found.odd.name, found.odd.score, found.odd.next_score) == ("7.png", 29.0, 2.2)
    assert found.promised_rate == pytest.approx(stats.beta.ppf(1 - SHARE * 0.1, 2, 7))
    assert found.odd.other_rate == pytest.approx(1 - 0.1 ** (1 / 8))
    told = found.explain()
    assert told.startswith("At most 64 % of good parts")
    assert "7.png is odd: it scores 29, and no image of another group more than 2.2." in told
    assert "If it counted, the threshold would be 29, and the promise at most 26 %." in told


def test_it_can_be_kept() -> None:
    found = calibrate(FIGURES, 0.01, odd_image="keep")
    assert found.threshold == 29.0
    assert found.promised_rate == pytest.approx(1 - 0.1 ** (1 / 8))
    assert found.odd is not None and not found.odd.passed_over
    assert found.odd.other_threshold == 2.2
    assert found.odd.other_rate == pytest.approx(stats.beta.ppf(0.9, 2, 7))
    assert "look at it" in found.explain()


def test_what_is_frequent_is_not_odd() -> None:
    usual = np.random.default_rng(0).exponential(size=38).tolist()
    assert calibrate([*usual, 29.0], 0.01).threshold < 29
    found = calibrate([*usual, 28.0, 29.0], 0.01)
    assert (found.threshold, found.odd) == (29.0, None)


def test_an_odd_group_is_passed_over_as_a_whole() -> None:
    usual = np.random.default_rng(0).exponential(size=40).tolist()
    groups = [place // 4 for place in range(40)]
    found = calibrate([*usual, 28.0, 29.0, 30.0], 0.01, groups=[*groups, 10, 10, 10])
    assert found.threshold == max(usual)
    assert found.odd is not None and found.odd.passed_over
    assert found.average_rate == pytest.approx(2 / 12)


def test_many_images_that_promise_the_wanted_rate_are_not_touched() -> None:
    scores = [*np.random.default_rng(0).exponential(size=399).tolist(), 1000.0]
    found = calibrate(scores, 0.01)
    assert found.keeps_wish and found.odd is None and found.threshold < 20


@pytest.mark.parametrize("count", [230, 234])
def test_a_wanted_rate_that_is_just_kept_is_not_given_up(count: int) -> None:
    scores = [*np.random.default_rng(0).exponential(size=count - 1).tolist(), 1000.0]
    found = calibrate(scores, 0.01)
    assert found.keeps_wish and found.threshold == 1000.0
    assert found.odd is not None and not found.odd.passed_over


def test_the_test_has_its_level_where_the_tail_is_exponential() -> None:
    rng, draws = np.random.default_rng(0), 4000
    for count in (8, 40, 200):
        chances = np.array([gap_chance(rng.exponential(size=count)) for _ in range(draws)])
        # The chance is uniform: the gaps are exact, not approximate.
        assert stats.kstest(chances, "uniform").pvalue > 1e-3
        assert (chances <= LEVEL).sum() <= stats.binom.ppf(0.9999, draws, LEVEL)


def test_too_few_groups_tell_nothing() -> None:
    assert gap_chance(np.array([1.0, 2.0, 3.0, 1e9])) == 1.0
    assert gap_chance(np.array([2.0] * 30)) == 1.0
    assert gap_chance(np.array([2.0] * 30 + [3.0])) == 0.0


@pytest.mark.parametrize("sizes", [[1] * 8, [1] * 40, [4] * 10, [2, 7, 7, 3, 1, 6, 7], [1] * 229])
def test_what_an_odd_image_will_cost_is_known_before_training(sizes: list[int]) -> None:
    usual = np.random.default_rng(0).exponential(size=sum(sizes))
    usual[0] = 1000.0
    groups = np.repeat(np.arange(len(sizes)), sizes).tolist()
    # Which group is the odd one does not matter, although they differ in size.
    found = calibrate(usual.tolist(), 0.01, groups=groups)
    assert found.odd is not None and found.odd.passed_over
    assert rate_without_odd(sizes, 0.01, 0.9) == pytest.approx(found.promised_rate)
    told = Forecast.of(sizes, 0.01, 0.9).explain()
    assert f"and the promise is at most {at_most(found.promised_rate)} instead." in told


@pytest.mark.parametrize("count", [5, 230, 1000])
def test_nothing_is_said_where_no_image_would_be_passed_over(count: int) -> None:
    assert rate_without_odd([1] * count, 0.01, 0.9) is None
    assert "out of line" not in Forecast.of([1] * count, 0.01, 0.9).explain()
    assert "out of line" not in Forecast.of([1] * 40, 0.01, 0.9, "keep").explain()
