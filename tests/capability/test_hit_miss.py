"""The logit model: against slow maximum likelihood, against scipy, and by simulation."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy import optimize, stats

from excision.capability import analysis
from excision.capability.hit_miss import (
    HitMiss,
    envelope,
    fit_hit_miss,
    fit_many,
    goodness_of_fit,
    likelihood_region,
)
from excision.capability.records import Record

Floats = np.typing.NDArray[np.float64]
TRUE_A90 = 10.0


def draw(
    rng: np.random.Generator, count: int, slope: float = 3.0
) -> tuple[Floats, np.typing.NDArray[np.bool_]]:
    """Draw sizes and hits of a known logistic curve with a90 = 10."""
    size = np.geomspace(1, 60, count) * np.exp(rng.normal(0, 0.05, count))
    eta = math.log(9) + slope * np.log(size / TRUE_A90)
    return size, rng.random(count) < 1 / (1 + np.exp(-eta))


def slow_log_likelihood(theta: Floats, size: Floats, hit: np.typing.NDArray[np.bool_]) -> float:
    eta = theta[0] + theta[1] * np.log(size)
    return float(sum(stats.logistic.logcdf(e if h else -e) for e, h in zip(eta, hit, strict=True)))


@pytest.mark.parametrize("seed", range(5))
def test_the_fit_is_that_of_a_slow_optimiser(seed: int) -> None:
    size, hit = draw(np.random.default_rng(seed), 120)
    fit = fit_hit_miss(size, hit)
    found = optimize.minimize(lambda theta: -slow_log_likelihood(theta, size, hit), (0.0, 1.0), method="BFGS")
    assert (fit.intercept, fit.slope) == pytest.approx(tuple(found.x), rel=2e-3)
    assert np.sqrt(np.diag(fit.covariance)) == pytest.approx(np.sqrt(np.diag(found.hess_inv)), rel=0.05)
    assert fit.log_likelihood == pytest.approx(-found.fun, abs=1e-3)


def test_the_band_is_the_profile_likelihood() -> None:
    """At one size: the interval of the log odds by maximising over the slope with the log odds held."""
    size, hit = draw(np.random.default_rng(3), 100)
    fit = fit_hit_miss(size, hit)
    at = np.array([8.0])
    low, high = envelope(likelihood_region(fit, size, hit, 0.95), at)
    telling = float((4 * fit.pod(size) * (1 - fit.pod(size))).sum())
    drop = stats.t.ppf(0.95, telling - 2) ** 2 / 2

    def profile(eta: float) -> float:
        def negative(slope: float) -> float:
            return -slow_log_likelihood(np.array([eta - slope * math.log(at[0]), slope]), size, hit)

        return float(-optimize.minimize_scalar(negative, bounds=(0, 30), method="bounded").fun)

    best = math.log(fit.pod(at)[0] / (1 - fit.pod(at)[0]))
    for side, found in ((-1, low[0]), (1, high[0])):
        edge = optimize.brentq(
            lambda eta: profile(eta) - fit.log_likelihood + drop, *sorted((best, best + side * 6))
        )
        assert math.log(found / (1 - found)) == pytest.approx(edge, abs=0.02)


def record(size: float, hit: bool, group: str = "a", score: float | None = None) -> Record:
    return Record(
        0, "x.png", group, "pit", size, size, 0.2, 0, 0, 0, 0.5, 0.5, 9, 0.2, 0, 0.5,
        score if score is not None else (2.0 if hit else 0.6), int(hit), 0,
    )  # fmt: skip


def test_a90_95_covers_the_true_a90_as_often_as_it_says() -> None:
    """Studies of a known curve: the upper limit is above the true a90 in about 95 % or more of them."""
    rng = np.random.default_rng(0)
    covered, studies = 0, 50
    for _ in range(studies):
        size, hit = draw(rng, 110)
        records = [record(a, bool(h), str(n % 40)) for n, (a, h) in enumerate(zip(size, hit, strict=True))]
        curve = analysis.analyse_curve(records, 1.0, 0)
        covered += analysis.relative(curve.a90_95) >= TRUE_A90
    # At most what 95 % leaves to chance: the 0.1 % quantile of its binomial distribution.
    assert covered >= stats.binom.ppf(0.001, studies, 0.95)


def test_drawings_on_few_parts_show_less() -> None:
    """Parts that differ: the bootstrap over parts is wider than the likelihood of independent drawings."""
    rng = np.random.default_rng(1)
    parts, each = 12, 40
    effect = np.repeat(rng.normal(0, 2, parts), each)
    size = np.exp(rng.uniform(0, math.log(60), parts * each))
    eta = math.log(9) + 3 * np.log(size / TRUE_A90) + effect
    hit = rng.random(len(size)) < 1 / (1 + np.exp(-eta))
    records = [record(a, bool(h), str(n // each)) for n, (a, h) in enumerate(zip(size, hit, strict=True))]
    curve = analysis.analyse_curve(records, 1.0, 0)
    assert curve.a90_95_bootstrap.value is not None
    assert curve.a90_95_likelihood.value is not None
    assert curve.a90_95_bootstrap.value > curve.a90_95_likelihood.value
    assert curve.a90_95.value == max(curve.a90_95_bootstrap.value, curve.a90_95_likelihood.value)


def test_weights_are_repetitions() -> None:
    size, hit = draw(np.random.default_rng(5), 60)
    counts = np.random.default_rng(6).integers(0, 3, 60)
    repeated = fit_hit_miss(np.repeat(size, counts), np.repeat(hit, counts))
    weighted = fit_many(np.log(size), hit, counts[None].astype(np.float64))[0]
    # The pull on the slope is stated in deviations of the sizes, which repetition changes a little.
    assert weighted == pytest.approx((repeated.intercept, repeated.slope), rel=1e-2)


def test_the_wald_limit_is_the_delta_method() -> None:
    fit = HitMiss(-4.0, 2.0, np.array([[0.5, -0.2], [-0.2, 0.1]]), 0.0)
    at = (math.log(9) + 4) / 2
    variance = (0.5 - 2 * 0.2 * at + 0.1 * at**2) / 4
    assert fit.wald_limit(0.9, 0.95) == pytest.approx(math.exp(at + 1.6448536 * math.sqrt(variance)))


@pytest.mark.parametrize("hit", [True, False])
def test_nothing_is_said_beyond_the_sizes_drawn(hit: bool) -> None:
    records = [record(float(a), hit, str(a)) for a in np.geomspace(3, 50, 60)]
    curve = analysis.analyse_curve(records, 1.0, 0)
    assert curve.fits
    if hit:
        assert curve.a90.relation == "<="
        assert curve.a90.value == pytest.approx(3)
        assert curve.a90_95.relation in ("<=", "=")
        assert curve.a90_95.value is not None
        assert 3 <= curve.a90_95.value < 50
    else:
        assert curve.a90.relation == ">"
        assert curve.a90.value == pytest.approx(50)
        assert curve.a90_95.relation == ">"


def test_hits_and_misses_that_do_not_overlap_have_a_finite_answer() -> None:
    records = [record(float(a), bool(a > 12), str(a)) for a in np.geomspace(3, 50, 60)]
    curve = analysis.analyse_curve(records, 1.0, 0)
    assert curve.a90.value == pytest.approx(12, rel=0.15)
    assert curve.a90_95.value is not None
    assert 12 <= curve.a90_95.value < 25


def test_a_model_that_does_not_fit_says_so() -> None:
    """Found when small or large, missed between: no curve that grows with size."""
    rng = np.random.default_rng(2)
    size = np.geomspace(1, 100, 300)
    share = np.where((size > 5) & (size < 30), 0.02, 0.97)
    hit = rng.random(300) < share
    curve = analysis.analyse_curve(
        [record(a, bool(h), str(n)) for n, (a, h) in enumerate(zip(size, hit, strict=True))], 1.0, 0
    )
    assert not curve.fits
    assert (curve.a90.value, curve.a90.relation) == (None, "?")
    assert sum(one.number for one in curve.bins) == 300


def test_a_right_model_is_rarely_called_wrong() -> None:
    rng = np.random.default_rng(4)
    values = []
    for _ in range(300):
        size, hit = draw(rng, 120)
        found = goodness_of_fit(fit_hit_miss(size, hit), size, hit)
        assert found is not None
        values.append(found)
    assert np.mean(np.array(values) < 0.05) < 0.08
    assert np.mean(np.array(values) < 0.001) < 0.01
