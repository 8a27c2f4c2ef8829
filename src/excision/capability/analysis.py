"""From drawings to curves: logit model, bands, a90 and a90/95, and what was observed beside them."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from excision.capability import hit_miss
from excision.capability.a_hat import fit_a_hat
from excision.capability.curve import Bin, Curve, Size
from excision.capability.limits import lower_limit, upper_limit
from excision.capability.records import Record

Floats = NDArray[np.float64]

RATE, CONFIDENCE = 0.9, 0.95
_RESAMPLES = 400
_POINTS = 61
_FINE = 600
_BINS = 6
_MISFIT = 0.001
"""A model with a smaller p-value is not used; one of a thousand right models has one."""

LEAST = 20
"""Drawings that a curve takes at least."""


def analyse_curve(records: Sequence[Record], threshold: float, seed: int) -> Curve:
    """Fit the drawings of one kind and contrast.

    Args:
        records: at least one.
        threshold: decision threshold.
        seed: of the bootstrap.
    """
    size = np.array([one.size for one in records])
    hit = np.array([bool(one.hit) for one in records])
    smallest, largest = float(size.min()), float(size.max())
    fit = hit_miss.fit_hit_miss(size, hit)
    fit_p = hit_miss.goodness_of_fit(fit, size, hit)
    grid = np.geomspace(smallest, max(largest, smallest * 1.0001), _FINE)
    regional = hit_miss.envelope(hit_miss.likelihood_region(fit, size, hit, CONFIDENCE), grid)
    resampled = _bootstrap(records, np.log(size), hit, grid, seed)
    lower, upper = np.minimum(regional[0], resampled[0]), np.maximum(regional[1], resampled[1])
    pod = fit.pod(grid) if hit.any() and not hit.all() else np.full(len(grid), float(hit[0]))
    one_sided = not hit.any() or bool(hit.all())  # then every slope fits, and the band tells all
    growing = fit.slope > 0 and (fit_p is None or fit_p >= _MISFIT)
    fits = len(records) >= LEAST and (one_sided or growing)
    unknown = Size(None, "?")
    signal = fit_a_hat(size, *_signals(records), threshold)
    shown = np.linspace(0, _FINE - 1, _POINTS).round().astype(int)
    return Curve(
        kind=records[0].kind,
        contrast=records[0].contrast,
        drawings=len(records),
        hits=int(hit.sum()),
        smallest=smallest,
        largest=largest,
        intercept=fit.intercept,
        slope=fit.slope,
        fit_p=fit_p,
        fits=fits,
        a50=_reached(grid, pod, 0.5) if fits else unknown,
        a90=_reached(grid, pod, RATE) if fits else unknown,
        a90_95=_reached(grid, lower, RATE) if fits else unknown,
        a90_95_likelihood=_reached(grid, regional[0], RATE) if fits else unknown,
        a90_95_bootstrap=_reached(grid, resampled[0], RATE) if fits else unknown,
        signal_a90=None if signal is None else within(signal.size_at(RATE), smallest, largest),
        signal_a90_95=None if signal is None else within(signal.limit(RATE, CONFIDENCE), smallest, largest),
        censored=None if signal is None else signal.censored,
        size=_rounded(grid[shown]),
        pod=_rounded(pod[shown]),
        lower=_rounded(lower[shown]),
        upper=_rounded(upper[shown]),
        bins=observed(size, hit),
    )


def within(size: float, smallest: float, largest: float) -> Size:
    """Give a size if it lies within the sizes drawn, and otherwise on which side it lies."""
    if size > largest:
        return Size(largest, ">")
    return Size(smallest, "<=") if size <= smallest else Size(size, "=")


def _reached(grid: Floats, rate: Floats, wanted: float) -> Size:
    """Give the size from which on a rate over sizes is at least the wanted one."""
    below = np.flatnonzero(rate < wanted)
    if not len(below):
        return Size(float(grid[0]), "<=")
    last = int(below[-1])
    if last == len(grid) - 1:
        return Size(float(grid[-1]), ">")
    return Size(float(grid[last + 1]), "=")


def _signals(records: Sequence[Record]) -> tuple[Floats, Floats]:
    return np.array([one.score for one in records]), np.array([one.plain for one in records])


def _bootstrap(
    records: Sequence[Record], x: Floats, hit: NDArray[np.bool_], grid: Floats, seed: int
) -> tuple[Floats, Floats]:
    """Give the pointwise band of refits to parts that are drawn again, whole groups at a time."""
    names = sorted({one.group for one in records})
    number = {name: place for place, name in enumerate(names)}
    member = np.array([number[one.group] for one in records])
    rng = np.random.default_rng((seed, 7))
    counts = rng.multinomial(len(names), np.full(len(names), 1 / len(names)), size=_RESAMPLES)
    coefficients = hit_miss.fit_many(x, hit, counts[:, member].astype(np.float64))
    eta = coefficients[:, :1] + coefficients[:, 1:] * np.log(grid)
    low, high = np.quantile(eta, [1 - CONFIDENCE, CONFIDENCE], axis=0)
    return 1 / (1 + np.exp(-np.clip(low, -60, 60))), 1 / (1 + np.exp(-np.clip(high, -60, 60)))


def observed(size: Floats, hit: NDArray[np.bool_], count: int = _BINS) -> tuple[Bin, ...]:
    """Count hits among defects of similar size, in bins that are equally wide on a logarithmic scale."""
    low, high = float(size.min()), float(size.max())
    edges = np.geomspace(low, max(high, low * 1.0001), count + 1)
    place = np.clip(np.searchsorted(edges, size, side="right") - 1, 0, count - 1)
    return tuple(
        make_bin(float(edges[n]), float(edges[n + 1]), int((place == n).sum()), int(hit[place == n].sum()))
        for n in range(count)
        if (place == n).any()
    )


def make_bin(low: float, high: float, number: int, hits: int) -> Bin:
    """Count hits in a bin, with the 90 % interval of Clopper and Pearson."""
    return Bin(
        low, high, number, hits, lower_limit(hits, number, CONFIDENCE), upper_limit(hits, number, CONFIDENCE)
    )


def _rounded(values: Floats) -> tuple[float, ...]:
    return tuple(float(f"{value:.5g}") for value in values)


def relative(size: Size) -> float:
    """Give the size for sorting: unknown and unreached sizes last."""
    return math.inf if size.value is None or size.relation in (">", "?") else size.value
