"""Probability of detection from the strength of the signal: "a-hat versus a".

    ln score = b0 + b1 ln a + noise,  noise normal with deviation s;  POD(a) = P(score > threshold)

The score of a part with a small defect is that of the part without it: then it only says that the signal is
not above that, and it is censored there. Berens, "NDE reliability data analysis", ASM Metals Handbook 17,
1989; MIL-HDBK-1823A, 2009, appendix F.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from excision.capability.limits import NORMAL

Floats = NDArray[np.float64]

_STEPS = 400
_cdf = np.frompyfunc(lambda z: 0.5 * math.erfc(-z / math.sqrt(2)), 1, 1)


@dataclass(frozen=True, slots=True)
class AHat:
    """A fitted line of the signal, with a threshold.

    Attributes:
        intercept: b0.
        slope: b1.
        deviation: of the noise, in the logarithm of the score.
        log_threshold: logarithm of the decision threshold.
        covariance: (3, 3) of b0, b1 and ln s.
        censored: share of the drawings whose signal is not above the part without a defect.
    """

    intercept: float
    slope: float
    deviation: float
    log_threshold: float
    covariance: Floats
    censored: float

    def size_at(self, rate: float) -> float:
        """Give the size with a probability of detection; infinity if the signal does not grow with size."""
        if self.slope <= 0:
            return math.inf
        wanted = self.log_threshold + NORMAL.inv_cdf(rate) * self.deviation
        return math.exp(min(max((wanted - self.intercept) / self.slope, -700.0), 700.0))

    def limit(self, rate: float, confidence: float) -> float:
        """Give the upper confidence limit of `size_at` by the delta method."""
        at = self.size_at(rate)
        if not math.isfinite(at):
            return math.inf
        quantile = NORMAL.inv_cdf(rate)
        gradient = np.array([-1.0, -math.log(at), quantile * self.deviation]) / self.slope
        variance = max(float(gradient @ self.covariance @ gradient), 0.0)
        return math.exp(min(math.log(at) + NORMAL.inv_cdf(confidence) * math.sqrt(variance), 700.0))


def fit_a_hat(size: Floats, score: Floats, plain: Floats, threshold: float) -> AHat | None:
    """Fit the line by maximum likelihood (expectation maximisation for the censored signals).

    Args:
        size: (N,) above 0.
        score: (N,) anomaly score with the defect, above 0.
        plain: (N,) anomaly score of the same part without it.
        threshold: decision threshold, above 0.

    Returns:
        The fit; None if fewer than ten signals, or a score or the threshold is not above 0.
    """
    if threshold <= 0 or min(float(score.min()), float(plain.min())) <= 0:
        return None
    x, y = np.log(size), np.log(np.maximum(score, plain))
    censored = score <= plain * 1.001
    if int((~censored).sum()) < 10 or float(x.std()) == 0:
        return None
    theta = _maximise(x, y, censored)
    hessian = _hessian(theta, x, y, censored)
    try:
        covariance = np.asarray(np.linalg.inv(-hessian), dtype=np.float64)
    except np.linalg.LinAlgError:
        return None
    if not np.isfinite(covariance).all() or (np.diag(covariance) < 0).any():
        return None
    b0, b1, log_s = (float(value) for value in theta)
    return AHat(b0, b1, math.exp(log_s), math.log(threshold), covariance, float(censored.mean()))


def _maximise(x: Floats, y: Floats, censored: NDArray[np.bool_]) -> Floats:
    design = np.stack([np.ones_like(x), x], axis=1)
    filled, extra = y.copy(), np.zeros_like(y)
    deviation = max(float(y.std()), 1e-6)
    beta = np.linalg.lstsq(design, filled, rcond=None)[0]
    for _ in range(_STEPS):
        mean = design @ beta
        z = np.clip((y[censored] - mean[censored]) / deviation, -30, 30)
        ratio = _mills(z)
        filled[censored] = mean[censored] - deviation * ratio
        extra[censored] = deviation**2 * np.clip(1 - z * ratio - ratio**2, 0, 1)
        after = np.linalg.lstsq(design, filled, rcond=None)[0]
        spread = math.sqrt(max(float(((filled - design @ after) ** 2 + extra).mean()), 1e-12))
        moved = float(np.abs(after - beta).max()) + abs(spread - deviation)
        beta, deviation = after, spread
        if moved < 1e-8:
            break
    return np.array([beta[0], beta[1], math.log(deviation)])


def _mills(z: Floats) -> Floats:
    """Give the density over the distribution function of the normal distribution."""
    density = np.exp(-0.5 * z**2) / math.sqrt(2 * math.pi)
    below = np.maximum(_cdf(z).astype(np.float64), 1e-300)
    # Far below, the ratio tends to -z.
    return np.asarray(np.where(z < -25, -z, density / below))


def log_likelihood(theta: Floats, x: Floats, y: Floats, censored: NDArray[np.bool_]) -> float:
    """Give the log-likelihood of b0, b1 and ln s."""
    deviation = math.exp(float(theta[2]))
    z = (y - theta[0] - theta[1] * x) / deviation
    known = -0.5 * z[~censored] ** 2 - float(theta[2]) - 0.5 * math.log(2 * math.pi)
    hidden = np.log(np.maximum(_cdf(z[censored]).astype(np.float64), 1e-300))
    return float(known.sum() + hidden.sum())


def _hessian(theta: Floats, x: Floats, y: Floats, censored: NDArray[np.bool_]) -> Floats:
    """Give the second derivatives (3, 3) of the log-likelihood by central differences."""
    step = 1e-4 * np.maximum(1.0, np.abs(theta))
    found = np.empty((3, 3))
    for i in range(3):
        for j in range(3):
            total = 0.0
            for a in (-1, 1):
                for b in (-1, 1):
                    shifted = theta.copy()
                    shifted[i] += a * step[i]
                    shifted[j] += b * step[j]
                    total += a * b * log_likelihood(shifted, x, y, censored)
            found[i, j] = total / (4 * step[i] * step[j])
    return found
