"""The conformal threshold: its rank by brute force, its promise by simulation."""

from __future__ import annotations

import math
from fractions import Fraction

import numpy as np
import pytest
import scipy.stats
from hypothesis import given
from hypothesis import strategies as st

from excision.errors import SettingsError
from excision.method.calibration import calibrate, check_thresholds, groups_needed

FINITE = st.floats(-1e6, 1e6)


def smallest_rank(count: int, rate: Fraction) -> int | None:
    """Find, among all ranks, the smallest whose chance of a false alarm is at most the rate."""
    keeping = [k for k in range(1, count + 1) if 1 - Fraction(k, count + 1) <= rate]
    return min(keeping, default=None)


@given(
    scores=st.lists(FINITE, min_size=1, max_size=120),
    # Rates as people write them, so that (n + 1) (1 - a) is often a whole number.
    percent=st.integers(1, 99),
)
def test_threshold_is_the_score_of_the_smallest_rank_that_keeps_the_rate(
    scores: list[float], percent: int
) -> None:
    calibration = calibrate(scores, percent / 100, confidence=None)
    rank = smallest_rank(len(scores), Fraction(percent, 100))
    assert calibration.scores == tuple(sorted(scores))
    if rank is None:
        assert calibration.threshold == max(scores)
        assert calibration.promised_rate == pytest.approx(1 / (len(scores) + 1))
    else:
        assert calibration.threshold == sorted(scores)[rank - 1]
        assert calibration.promised_rate == pytest.approx(1 - rank / (len(scores) + 1))
    assert calibration.keeps_wish == (rank is not None)


@given(scores=st.lists(FINITE, min_size=1, max_size=30), rates=st.tuples(*[st.floats(0.001, 0.999)] * 2))
def test_a_lower_rate_never_lowers_the_threshold(scores: list[float], rates: tuple[float, float]) -> None:
    strict, lax = (calibrate(scores, rate, odd_image="keep") for rate in sorted(rates))
    assert strict.threshold >= lax.threshold


@pytest.mark.parametrize(("count", "rate"), [(19, 0.05), (33, 0.1), (99, 0.01), (60, 0.3)])
@pytest.mark.parametrize("ties", [False, True])
def test_false_alarms_are_at_most_as_frequent_as_promised(count: int, rate: float, ties: bool) -> None:
    rng = np.random.default_rng(count)
    draws = 4_000
    scores = rng.gamma(2.0, size=(draws, count + 1))
    if ties:
        scores = np.floor(3 * scores)
    alarms = (
        sum(row[-1] > calibrate(row[:-1].tolist(), rate, confidence=None).threshold for row in scores) / draws
    )
    promised = calibrate(scores[0, :-1].tolist(), rate, confidence=None).promised_rate
    # Four standard errors of the simulation.
    slack = 4 * math.sqrt(rate / draws)
    assert promised <= rate
    assert alarms <= promised + slack
    if not ties:
        assert alarms >= promised - slack


def test_too_few_images_say_what_they_can_promise() -> None:
    calibration = calibrate([1.0, 3.0, 2.0], 0.01)
    assert calibration.threshold == 3.0
    assert calibration.promised_rate == pytest.approx(1 - 0.095 ** (1 / 3))
    assert calibration.average_rate == pytest.approx(0.25)
    assert not calibration.keeps_wish
    text = calibration.explain()
    assert "At most 55 % of good parts" in text and "90 % confidence" in text
    assert "3 images in 3 groups; on average at most 25 %" in text
    assert "the wanted 1 % takes 230 independent images" in text
    enough = calibrate([float(n) for n in range(230)], 0.01)
    assert enough.keeps_wish and enough.threshold == 229.0
    assert "At most 1 %" in enough.explain() and "takes" not in enough.explain()


@pytest.mark.parametrize("rate", [0.01, 0.05, 0.003, 0.07, 0.29])
@pytest.mark.parametrize("confidence", [0.5, 0.9, 0.95])
def test_as_many_images_as_said_are_enough_and_one_fewer_is_not(rate: float, confidence: float) -> None:
    needed = groups_needed(rate, confidence)
    assert (1 - rate) ** needed <= 1 - confidence + 1e-12
    assert calibrate([1.0] * needed, rate, confidence=confidence).keeps_wish
    assert needed == 1 or not calibrate([1.0] * (needed - 1), rate, confidence=confidence).keeps_wish


@pytest.mark.parametrize("scores", [[], [math.nan], [1.0, math.inf], [-math.inf, 0.0]])
def test_scores_that_are_none_are_refused(scores: list[float]) -> None:
    with pytest.raises(ValueError, match="finite"):
        calibrate(scores, 0.1)


@pytest.mark.parametrize("rate", [0.0, 1.0, -0.1, math.nan])
def test_rates_out_of_range_are_refused(rate: float) -> None:
    with pytest.raises(ValueError, match="false-alarm rate"):
        calibrate([1.0], rate)


@given(
    scores=st.lists(FINITE, min_size=1, max_size=60),
    threshold=FINITE,
    confidence=st.sampled_from([None, 0.9]),
)
def test_a_threshold_that_a_person_set_says_so_with_the_rate_it_has(
    scores: list[float], threshold: float, confidence: float | None
) -> None:
    found = calibrate(scores, 0.1, confidence=confidence).at(threshold)
    above = len([score for score in scores if score > threshold])
    assert (found.threshold, found.wanted_rate) == (threshold, None)
    if confidence is None:
        assert found.promised_rate == pytest.approx(float(Fraction(above + 1, len(scores) + 1)))
    elif above < len(scores):
        level = 0.1 / ((above + 1) * (above + 2))  # whatever threshold the scores suggested
        limit = scipy.stats.beta.isf(level, above + 1, len(scores) - above)
        assert found.promised_rate == pytest.approx(limit, abs=1e-9)
    else:
        assert found.promised_rate == 1
    assert found.average_rate == pytest.approx(float(Fraction(above + 1, len(scores) + 1)))
    assert found.scores == tuple(sorted(scores))
    assert found.keeps_wish and found.rate == found.promised_rate
    text = found.explain()
    assert text.startswith("A person set this threshold") and "nan" not in text


@pytest.mark.parametrize(
    "thresholds", [(0.0, None), (-1.0, None), (math.nan, None), (math.inf, None), (1.0, 2.0), (1.0, 0.0)]
)
def test_thresholds_that_judge_nothing_are_refused(thresholds: tuple[float, float | None]) -> None:
    with pytest.raises(SettingsError):
        check_thresholds(*thresholds)
