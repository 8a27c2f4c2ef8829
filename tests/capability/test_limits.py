"""The few distributions, against scipy."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from excision.capability import limits


@given(st.integers(1, 400), st.data(), st.sampled_from([0.8, 0.9, 0.95]))
def test_exact_limits_are_those_of_clopper_and_pearson(
    trials: int, data: st.DataObject, confidence: float
) -> None:
    hits = data.draw(st.integers(0, trials))
    lower = stats.beta.ppf(1 - confidence, hits, trials - hits + 1) if hits else 0.0
    upper = stats.beta.ppf(confidence, hits + 1, trials - hits) if hits < trials else 1.0
    assert limits.lower_limit(hits, trials, confidence) == pytest.approx(lower, abs=1e-9)
    assert limits.upper_limit(hits, trials, confidence) == pytest.approx(upper, abs=1e-9)


@given(st.floats(0, 60), st.integers(1, 12))
def test_chi_squared_tail(value: float, freedom: int) -> None:
    assert limits.chi_squared_tail(value, freedom) == pytest.approx(stats.chi2.sf(value, freedom), abs=1e-12)


def test_twenty_nine_of_twenty_nine() -> None:
    """The rule of thumb of the field: 29 hits of 29 show 90 % with 95 % confidence, and 28 do not."""
    assert limits.parts_needed(0.9, 0.95) == 29
    assert limits.lower_limit(29, 29, 0.95) >= 0.9 > limits.lower_limit(28, 28, 0.95)
    assert limits.lower_limit(45, 46, 0.95) >= 0.9 > limits.lower_limit(44, 45, 0.95)


@given(st.floats(3, 500), st.sampled_from([0.8, 0.9, 0.95]))
def test_student_quantile(freedom: float, level: float) -> None:
    assert limits.student_quantile(level, freedom) == pytest.approx(stats.t.ppf(level, freedom), rel=0.01)
