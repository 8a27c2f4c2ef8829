"""Probability of detection from hits and misses: a logit model in the logarithm of the size.

    POD(a) = 1 / (1 + exp(-(b0 + b1 ln a)))

Berens, "NDE reliability data analysis", ASM Metals Handbook 17, 1989; MIL-HDBK-1823A, "Nondestructive
evaluation system reliability assessment", 2009, appendix G. The band is that of the likelihood ratio (Cheng
and Iles, "Confidence bands for cumulative distribution functions of continuous random variables",
Technometrics 25, 1983), so that a90/95 is where its lower edge reaches 90 %.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from excision.capability.limits import NORMAL, chi_squared_tail, logit, student_quantile

Floats = NDArray[np.float64]

_RIDGE = 1e-3
"""Pull on the slope per standard deviation of ln a: keeps it finite where hits and misses do not overlap."""

_STEEPEST = 60.0
_DIRECTIONS = 360
_BINS = 6


@dataclass(frozen=True, slots=True)
class HitMiss:
    """A fitted logit model.

    Attributes:
        intercept: b0.
        slope: b1; detection grows with size if it is positive.
        covariance: (2, 2) of both, from the observed information.
        log_likelihood: at the fit.
    """

    intercept: float
    slope: float
    covariance: Floats
    log_likelihood: float

    def pod(self, size: Floats | float) -> Floats:
        """Give the probability of detection of each size."""
        return _expit(self.intercept + self.slope * np.log(size))

    def size_at(self, rate: float) -> float:
        """Give the size with a probability of detection; infinity if detection does not grow with size."""
        if self.slope <= 0:
            return math.inf
        return math.exp(min(max((logit(rate) - self.intercept) / self.slope, -700.0), 700.0))

    def wald_limit(self, rate: float, confidence: float) -> float:
        """Give the upper confidence limit of `size_at` by the delta method, in the logarithm of the size."""
        if self.slope <= 0:
            return math.inf
        at = math.log(self.size_at(rate))
        gradient = np.array([-1.0, -at]) / self.slope
        variance = float(gradient @ self.covariance @ gradient)
        return math.exp(min(at + NORMAL.inv_cdf(confidence) * math.sqrt(max(variance, 0.0)), 700.0))


def fit_hit_miss(size: Floats, hit: NDArray[np.bool_]) -> HitMiss:
    """Fit the model by maximum likelihood.

    Args:
        size: (N,) above 0.
        hit: (N,).
    """
    x = np.log(size)
    coefficients = fit_many(x, hit, np.ones((1, len(x))))[0]
    if hit.all() or not hit.any():
        coefficients[1] = abs(coefficients[1])  # nothing but rounding gave it its sign
    weight = _weights(_expit(coefficients[0] + coefficients[1] * x))
    design = np.stack([np.ones_like(x), x], axis=1)
    information = (design * weight[:, None]).T @ design
    spread = max(float(x.std()), 1e-6)
    information[1, 1] += _RIDGE * spread**2
    information[0, 0] += 1e-9
    fitted = float(_log_likelihood(coefficients[None], x, hit)[0])
    return HitMiss(
        float(coefficients[0]), float(coefficients[1]), np.asarray(np.linalg.inv(information)), fitted
    )


def fit_many(x: Floats, hit: NDArray[np.bool_], weights: Floats) -> Floats:
    """Fit the model to the same drawings under several weightings at once, by Newton's method.

    Args:
        x: (N,) logarithms of the sizes.
        hit: (N,).
        weights: (B, N), at least 0: how often each drawing counts.

    Returns:
        (B, 2) intercepts and slopes.
    """
    middle, spread = float(x.mean()), max(float(x.std()), 1e-6)
    z, y = (x - middle) / spread, hit.astype(np.float64)
    total = np.maximum(weights.sum(axis=1), 1e-9)
    share = np.clip(weights @ y / total, 0.02, 0.98)
    beta = np.stack([np.log(share / (1 - share)), np.ones(len(weights))], axis=1)
    for _ in range(60):
        p = _expit(beta[:, :1] + beta[:, 1:] * z)
        residual, weight = weights * (y - p), weights * p * (1 - p)
        g0, g1 = residual.sum(axis=1) - _RIDGE * beta[:, 0], residual @ z - _RIDGE * beta[:, 1]
        h00, h01, h11 = weight.sum(axis=1) + _RIDGE, weight @ z, weight @ (z * z) + _RIDGE
        determinant = np.maximum(h00 * h11 - h01**2, 1e-12)
        step = np.stack([h11 * g0 - h01 * g1, h00 * g1 - h01 * g0], axis=1) / determinant[:, None]
        # A step that is too long would overshoot where the likelihood is flat.
        step = np.clip(step, -2.0, 2.0)
        beta = np.clip(beta + step, -_STEEPEST, _STEEPEST)
        if float(np.abs(step).max()) < 1e-9:
            break
    slope = beta[:, 1] / spread
    return np.stack([beta[:, 0] - slope * middle, slope], axis=1)


def likelihood_region(fit: HitMiss, size: Floats, hit: NDArray[np.bool_], confidence: float) -> Floats:
    """Give the edge of the region of coefficients that the likelihood ratio does not reject.

    The largest and smallest value of b0 + b1 ln a over this region is the interval of profile likelihood at
    the size a, so its envelope is the pointwise band. Slopes below 0 are left out.

    Args:
        fit: fitted to these drawings.
        size: (N,).
        hit: (N,).
        confidence: of one edge of the band: at 0.95, the band between both edges has 90 %.

    Returns:
        (D, 2) intercepts and slopes.
    """
    x = np.log(size)
    # Few drawings lie where hits and misses mix. With the normal quantile the limit falls short of its
    # confidence by some two points there; Student's, by the number of drawings that tell, makes up for it.
    telling = float((4 * fit.pod(size) * (1 - fit.pod(size))).sum())
    drop = student_quantile(confidence, max(telling - 2, 2.0)) ** 2 / 2
    # Ellipses of the information become circles, so that even angles see every side of the region.
    root = np.linalg.cholesky(fit.covariance + 1e-12 * np.eye(2))
    angle = np.linspace(0, 2 * math.pi, _DIRECTIONS, endpoint=False)
    ray = np.stack([np.cos(angle), np.sin(angle)], axis=1) @ root.T
    centre = np.array([fit.intercept, fit.slope])

    def outside(reach: Floats) -> NDArray[np.bool_]:
        return np.asarray(_log_likelihood(centre + reach[:, None] * ray, x, hit) < fit.log_likelihood - drop)

    low, high = np.zeros(len(angle)), np.ones(len(angle))
    for _ in range(12):
        far = ~outside(high)
        low, high = np.where(far, high, low), np.where(far, 2 * high, high)
        if not far.any():
            break
    for _ in range(30):
        middle = (low + high) / 2
        out = outside(middle)
        low, high = np.where(out, low, middle), np.where(out, middle, high)
    # Detection does not fall with size: where hits alone leave this open, it is assumed.
    if fit.slope > 0:
        falling = ray[:, 1] < 0
        low[falling] = np.minimum(low[falling], -fit.slope / ray[falling, 1])
    return np.asarray(centre + low[:, None] * ray)


def envelope(coefficients: Floats, size: Floats) -> tuple[Floats, Floats]:
    """Give the lowest and the highest POD (S,) of each size over coefficients (D, 2)."""
    values = coefficients[:, :1] + coefficients[:, 1:] * np.log(size)
    return _expit(values.min(axis=0)), _expit(values.max(axis=0))


def goodness_of_fit(fit: HitMiss, size: Floats, hit: NDArray[np.bool_]) -> float | None:
    """Give the p-value of the fit, or None if there are too few drawings to tell.

    Hosmer and Lemeshow, "Goodness of fit tests for the multiple logistic regression model", Communications in
    Statistics 9, 1980: drawings of similar size are counted together, and groups with fewer than two expected
    hits or misses are left out of the sum.
    """
    order = np.argsort(size, kind="stable")
    statistic, groups = 0.0, 0
    for group in np.array_split(order, min(_BINS, len(order) // 10) or 1):
        expected = fit.pod(size[group])
        mean, spread = float(expected.sum()), float((expected * (1 - expected)).sum())
        # Where a miss is next to impossible, one miss must not condemn the model, but many must.
        spread = max(spread, 0.5)
        statistic += (float(hit[group].sum()) - mean) ** 2 / spread
        groups += 1
    return chi_squared_tail(statistic, groups - 2) if groups > 2 else None


def _log_likelihood(coefficients: Floats, x: Floats, hit: NDArray[np.bool_]) -> Floats:
    """Give the log-likelihood (D,) of coefficients (D, 2)."""
    eta = coefficients[:, :1] + coefficients[:, 1:] * x
    signed = np.where(hit, eta, -eta)
    return np.asarray(-np.logaddexp(0.0, -signed).sum(axis=1))


def _expit(value: Floats | float) -> Floats:
    return np.asarray(1 / (1 + np.exp(-np.clip(value, -60, 60))))


def _weights(rate: Floats) -> Floats:
    return np.asarray(np.maximum(rate * (1 - rate), 1e-12))
