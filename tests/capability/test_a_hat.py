"""A-hat versus a: against a slow maximum likelihood of the censored line."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy import optimize, stats

from excision.capability.a_hat import AHat, fit_a_hat

Floats = np.typing.NDArray[np.float64]


def draw(seed: int, count: int = 150) -> tuple[Floats, Floats, Floats]:
    rng = np.random.default_rng(seed)
    size = np.exp(rng.uniform(0, 4, count))
    signal = np.exp(-2 + 0.9 * np.log(size) + rng.normal(0, 0.3, count))
    plain = np.exp(rng.normal(-1.2, 0.2, count))
    return size, np.maximum(signal, plain), plain


@pytest.mark.parametrize("seed", range(4))
def test_the_line_is_that_of_a_slow_optimiser(seed: int) -> None:
    size, score, plain = draw(seed)
    fit = fit_a_hat(size, score, plain, 2.0)
    assert fit is not None
    x, y, hidden = np.log(size), np.log(score), score <= plain * 1.001

    def negative(theta: np.typing.NDArray[np.float64]) -> float:
        z = (y - theta[0] - theta[1] * x) / math.exp(theta[2])
        known = stats.norm.logpdf(z[~hidden]) - theta[2]
        return -float(known.sum() + stats.norm.logcdf(z[hidden]).sum())

    found = optimize.minimize(negative, (0.0, 1.0, 0.0), method="Nelder-Mead", options={"maxiter": 4000})
    assert (fit.intercept, fit.slope, math.log(fit.deviation)) == pytest.approx(tuple(found.x), abs=5e-3)
    assert fit.censored == pytest.approx(hidden.mean())


def test_a90_is_where_nine_of_ten_signals_exceed_the_threshold() -> None:
    fit = AHat(-2.0, 0.9, 0.3, math.log(2.0), np.zeros((3, 3)), 0.0)
    at = fit.size_at(0.9)
    assert stats.norm.sf((math.log(2.0) + 2.0 - 0.9 * math.log(at)) / 0.3) == pytest.approx(0.9)
    assert fit.limit(0.9, 0.95) == pytest.approx(at)


def test_the_limit_covers_the_true_a90() -> None:
    truth = math.exp((math.log(2.0) + 1.2815515655446004 * 0.3 + 2) / 0.9)
    limits = []
    for seed in range(100):
        fit = fit_a_hat(*draw(seed), 2.0)
        assert fit is not None
        limits.append(fit.limit(0.9, 0.95))
    assert sum(limit >= truth for limit in limits) >= stats.binom.ppf(0.001, 100, 0.95)


def test_without_signals_there_is_no_line() -> None:
    size, _, plain = draw(0)
    assert fit_a_hat(size, plain, plain, 2.0) is None
    assert fit_a_hat(size, plain * 2, plain, 0.0) is None
