"""A threshold with a confidence: its rank against scipy, its promise by simulation, and images in groups."""

from __future__ import annotations

import math
from collections import Counter

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from excision.method.calibration import Calibration, best_promise, calibrate, groups_needed, shortage, too_few

FINITE = st.floats(-1e6, 1e6)


def smallest_rank(count: int, rate: float, confidence: float) -> int | None:
    """The rank of a tolerance limit: the smallest k with P(Binomial(n, 1 - a) >= k) <= 1 - confidence."""
    chances = stats.binom.sf(np.arange(1, count + 1) - 1, count, 1 - rate)
    keeping = np.flatnonzero(chances <= 1 - confidence + 1e-9)
    return int(keeping[0]) + 1 if len(keeping) else None


@given(
    scores=st.lists(FINITE, min_size=1, max_size=300),
    percent=st.integers(1, 60),
    confidence=st.sampled_from([0.5, 0.8, 0.9, 0.95, 0.99]),
)
def test_threshold_is_the_one_sided_tolerance_limit(
    scores: list[float], percent: int, confidence: float
) -> None:
    found = calibrate(scores, percent / 100, confidence=confidence, odd_image="keep")
    rank = smallest_rank(len(scores), percent / 100, confidence)
    assert found.scores == tuple(sorted(scores))
    assert found.threshold == (max(scores) if rank is None else sorted(scores)[rank - 1])
    above = sum(score > found.threshold for score in scores)
    limit = 1.0 if above == len(scores) else stats.beta.ppf(confidence, above + 1, len(scores) - above)
    assert found.promised_rate == pytest.approx(limit, abs=1e-9)
    if rank is not None:
        assert found.keeps_wish


@given(
    scores=st.lists(st.floats(0, 100), min_size=1, max_size=80),
    rates=st.tuples(st.floats(0.001, 0.999), st.floats(0.001, 0.999)),
    count=st.integers(1, 20),
)
def test_a_lower_rate_or_more_confidence_never_lowers_the_threshold(
    scores: list[float], rates: tuple[float, float], count: int
) -> None:
    groups = [place % count for place in range(len(scores))]
    strict, lax = (calibrate(scores, rate, groups=groups, odd_image="keep") for rate in sorted(rates))
    assert strict.threshold >= lax.threshold
    sure = calibrate(scores, rates[0], confidence=0.99, groups=groups, odd_image="keep")
    assert sure.threshold >= calibrate(scores, rates[0], groups=groups, odd_image="keep").threshold


@given(
    shares=st.lists(st.lists(st.floats(0, 10), min_size=1, max_size=6), min_size=1, max_size=15),
    score=st.floats(0, 10),
)
def test_the_average_and_the_p_value_weigh_groups(shares: list[list[float]], score: float) -> None:
    """By the slow and obvious way: each group weighs 1 / (G + 1), shared among its images."""
    scores = [one for group in shares for one in group]
    groups = [place for place, group in enumerate(shares) for _ in group]
    found = calibrate(scores, 0.1, groups=groups)
    expected = (1 + sum(sum(s >= score for s in group) / len(group) for group in shares)) / (len(shares) + 1)
    assert found.p_value(score) == pytest.approx(expected)
    assert 0 < found.p_value(1e9) <= found.p_value(-1e9) == pytest.approx(1)
    above = sum(sum(s > found.threshold for s in group) / len(group) for group in shares)
    assert found.average_rate == pytest.approx((1 + above) / (len(shares) + 1))
    assert found.count_groups == len(shares)
    sizes = Counter(found.groups)
    assert sorted(sizes.values()) == sorted(map(len, shares))


@given(scores=st.lists(st.floats(0, 9), min_size=1, max_size=60), seed=st.integers(0, 9))
def test_the_order_of_the_images_and_the_names_of_groups_do_not_matter(
    scores: list[float], seed: int
) -> None:
    names = [f"{place // 3:03}" for place in range(len(scores))]
    order = np.random.default_rng(seed).permutation(len(scores)).tolist()
    one = calibrate(scores, 0.1, groups=names)
    two = calibrate([scores[k] for k in order], 0.1, groups=[f"x{names[k]}" for k in order])
    assert (one.threshold, one.promised_rate) == (two.threshold, two.promised_rate)


def test_images_that_are_alike_count_as_one() -> None:
    """Twenty copies of each of 40 images promise no more than the 40."""
    scores = [float(k) for k in range(40)]
    once = calibrate(scores, 0.05, odd_image="keep")
    copied = calibrate(
        [s for s in scores for _ in range(20)],
        0.05,
        groups=[k for k in range(40) for _ in range(20)],
        odd_image="keep",
    )
    assert copied.threshold == once.threshold
    assert copied.promised_rate == pytest.approx(once.promised_rate)
    assert copied.average_rate == pytest.approx(once.average_rate)


def test_three_strips_promise_little_however_many_tiles_they_give() -> None:
    found = calibrate(list(range(300)), 0.01, groups=[k % 3 for k in range(300)])
    assert found.promised_rate == pytest.approx(1 - 0.095 ** (1 / 3))
    assert found.average_rate == pytest.approx(0.25)


def test_large_groups_weigh_more() -> None:
    """The rate over images cannot be known better than from as many groups as the largest fits in."""
    sizes = [10] * 5 + [1] * 50
    groups = [place for place, size in enumerate(sizes) for _ in range(size)]
    found = calibrate(list(range(100)), 0.01, groups=groups)
    assert found.promised_rate > 1 - 0.1 ** (1 / 10)
    assert found.promised_rate == pytest.approx(best_promise(sizes), abs=1e-9)
    assert "in groups of at most 10 images" in found.explain()


@given(groups=st.integers(1, 2000), percent=st.floats(0.1, 40), confidence=st.sampled_from([0.5, 0.9, 0.99]))
def test_check_and_train_say_the_same(groups: int, percent: float, confidence: float) -> None:
    rate = percent / 100
    best = best_promise(groups, confidence, rate)
    enough = groups >= groups_needed(rate, confidence)
    assert enough == (best == rate)
    found = calibrate([1.0] * groups, rate, confidence=confidence)
    assert found.keeps_wish == enough
    if not enough:
        assert found.promised_rate == pytest.approx(best)


def test_a_shortage_tells_images_from_groups() -> None:
    assert shortage(19, 19, 0.01) is None
    few_groups, few_images = shortage(100, 18, 0.01), shortage(18, 18, 0.01)
    assert few_groups is not None and few_groups.of_groups_alone
    assert few_images is not None and not few_images.of_groups_alone
    assert few_groups.reason == few_images.reason == too_few(18, 0.01)


def test_the_gate_counts_groups() -> None:
    assert too_few(19, 0.01) is None and too_few(18, 0.01) is not None
    assert too_few(3, 0.3) is None and too_few(2, 0.3) is not None
    told = too_few(3, 0.01, 0.95) or ""
    assert "3 independent groups of good images" in told
    assert "95 % confidence" in told and "on average 25 %" in told and "299 to promise the wanted 1 %" in told


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"confidence": 0.49}, "confidence"),
        ({"confidence": 1.0}, "confidence"),
        ({"confidence": math.nan}, "confidence"),
        ({"groups": [1]}, "1 groups were given for 2 scores"),
        ({"names": ["a", "b", "c"]}, "3 names were given for 2 scores"),
    ],
)
def test_what_makes_no_sense_is_refused(given: dict[str, object], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        calibrate([1.0, 2.0], 0.1, **given)  # type: ignore[arg-type]  # that is what is tested


def test_a_calibration_of_before_is_an_average() -> None:
    old = Calibration(3.0, 0.25, 0.25, (1.0, 2.0, 3.0))
    assert (old.confidence, old.groups, old.count_groups) == (None, (0, 1, 2), 3)
    assert old.average_rate == pytest.approx(0.25)
    assert old.explain().startswith(
        "On average over the choice of the calibration images (3 images), at most 25 %"
    )
    assert "Calibrate again" in old.explain()
    assert old.at(2.0).promised_rate == pytest.approx(0.5)
