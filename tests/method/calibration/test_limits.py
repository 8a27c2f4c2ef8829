"""Binomial tails and limits against scipy."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from excision.method.calibration.limits import binomial_cdf, upper_limit, upper_limits


@given(trials=st.integers(1, 3000), share=st.floats(0, 1), rate=st.floats(0, 1))
def test_the_tail_is_that_of_scipy(trials: int, share: float, rate: float) -> None:
    failures = round(share * trials)
    expected = stats.binom.cdf(failures, trials, rate)
    assert float(binomial_cdf(failures, trials, rate)) == pytest.approx(expected, abs=1e-10)


@pytest.mark.parametrize("level", [0.5, 0.1, 0.05, 0.005, 0.0005])
@pytest.mark.parametrize("trials", [1, 2, 19, 240, 1500])
def test_the_limits_are_those_of_clopper_and_pearson(trials: int, level: float) -> None:
    failures = np.arange(trials)
    expected = stats.beta.ppf(1 - level, failures + 1, trials - failures)
    found = upper_limits(trials, level)
    # Beyond 1000 failures some are interpolated.
    assert found[:-1] == pytest.approx(expected, abs=1e-9 if trials < 1000 else 1e-4)
    assert found[-1] == 1
    assert np.all(np.diff(found) > 0)
    assert upper_limit(0, trials, level) == pytest.approx(1 - level ** (1 / trials))
    assert upper_limit(trials // 2, trials, level) == pytest.approx(found[trials // 2], abs=1e-10)
