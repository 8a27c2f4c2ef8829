"""Pixel AUROC, pixel AP and AUPRO in one pass over the maps, with constant memory.

Every pixel falls into a bin of its score, and the curves are cumulative sums over the bins. A bin is a range
of float32 numbers with the same leading bits, so no range has to be known beforehand, and a bin is 0.05 %
wide relative to the score. Pixels of one bin count as tied. The largest possible error is computed from the
bins and reported as a bound for each figure. Pixels with score 0, such as those outside the mask, are true
ties and have a bin of their own.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from excision.ops.bands import band_rows
from excision.ops.connected_components import find_runs

AUPRO_LIMIT = 0.3  # false-positive rate up to which the PRO curve is integrated

# The sign of a map's values is always 0; of the rest, 8 bits of exponent and 11 of mantissa are kept.
_DROPPED_BITS = 12
_BINS = 1 << (31 - _DROPPED_BITS)
_ZERO = 0  # the bin of pixels that score 0


Histogram = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class PixelFigures:
    """Figures that compare anomaly maps with masks; None if pixels of one class are missing.

    Attributes:
        pixel_auroc: area under the ROC curve of all pixels.
        pixel_ap: average precision of all pixels.
        aupro: normalised area under the per-region-overlap curve up to a false-positive rate of 0.3.
        pixel_auroc_bound: largest difference from the exact figure.
        pixel_ap_bound: the same for the average precision.
        aupro_bound: the same for AUPRO.
        n_regions: number of true defect regions.
    """

    pixel_auroc: float | None
    pixel_ap: float | None
    aupro: float | None
    pixel_auroc_bound: float | None
    pixel_ap_bound: float | None
    aupro_bound: float | None
    n_regions: int


class PixelMetrics:
    """Collects maps one by one in three histograms (12 MiB)."""

    def __init__(self) -> None:
        self._good = np.zeros(_BINS, dtype=np.int64)
        self._defect = np.zeros(_BINS, dtype=np.int64)
        self._region_share = np.zeros(_BINS, dtype=np.float64)
        self._regions = 0

    def update(self, anomaly_map: NDArray[np.float32], ground_truth: NDArray[np.bool_]) -> None:
        """Add one image.

        Args:
            anomaly_map: (H, W), finite and not negative.
            ground_truth: (H, W), True on the defect.

        Raises:
            ValueError: the shapes differ, or the map has a value that is negative or not finite.
        """
        if anomaly_map.shape != ground_truth.shape:
            raise ValueError(f"a map of {anomaly_map.shape} does not fit a mask of {ground_truth.shape}")
        if not np.isfinite(anomaly_map).all() or anomaly_map.min(initial=0) < 0:
            raise ValueError("anomaly maps must be finite and not negative")
        for top, bottom in band_rows(*anomaly_map.shape):
            good = anomaly_map[top:bottom][~ground_truth[top:bottom]]
            self._good += np.bincount(_bins(good), minlength=_BINS)
        if not ground_truth.any():
            return
        inside = _bins(anomaly_map[ground_truth])
        runs = find_runs(ground_truth)
        share = 1 / runs.areas()[runs.numbers()]
        self._defect += np.bincount(inside, minlength=_BINS)
        self._region_share += np.bincount(inside, weights=share, minlength=_BINS)
        self._regions += runs.total

    def compute(self) -> PixelFigures:
        """Give the figures of all images so far."""
        used = np.flatnonzero(self._good + self._defect)[::-1]
        good, defect = self._good[used].astype(np.float64), self._defect[used].astype(np.float64)
        if good.sum() == 0 or defect.sum() == 0:
            return PixelFigures(None, None, None, None, None, None, self._regions)
        doubt = np.where(used == _ZERO, 0.0, 1.0)
        auroc, auroc_bound = _auroc(good, defect, doubt)
        precision, precision_bound = _average_precision(good, defect, doubt)
        aupro, aupro_bound = _aupro(good, self._region_share[used] / self._regions, doubt)
        return PixelFigures(auroc, precision, aupro, auroc_bound, precision_bound, aupro_bound, self._regions)


def _bins(anomaly_map: NDArray[np.float32]) -> NDArray[np.int64]:
    """Give the bin of each value; the bits of floats that are not negative have the order of the floats."""
    # Adding zero turns -0.0, whose sign bit is set, into 0.0.
    bits = np.ascontiguousarray(anomaly_map + np.float32(0), dtype=np.float32).view(np.uint32)
    bins: NDArray[np.int64] = (bits >> _DROPPED_BITS).astype(np.int64)
    # Every value above 0 stays out of the bin of 0, however small it is.
    return np.where(bits > 0, np.maximum(bins, 1), _ZERO)


def _auroc(good: Histogram, defect: Histogram, doubt: Histogram) -> tuple[float, float]:
    """Area under the ROC curve of bins in falling order, and its bound.

    Only pairs within a bin are uncertain. They count half, and at worst all or none of them are right.
    `doubt` is 0 for a bin whose pixels are true ties, and 1 for the others.
    """
    pairs = good.sum() * defect.sum()
    above = np.cumsum(defect) - defect
    area = np.sum(good * above) + np.sum(good * defect) / 2
    return float(area / pairs), float(np.sum(good * defect * doubt) / 2 / pairs)


def _average_precision(good: Histogram, defect: Histogram, doubt: Histogram) -> tuple[float, float]:
    """Average precision of bins in falling order, and its bound.

    Let a bin hold p defect and n good pixels, below it t and f. However the bin is ordered, each of its
    defect pixels has a precision of at most (t + p) / (t + p + f), and the i-th found has one of at least
    (t + i) / (t + i + f + n). The sum of the latter over i is at least its integral from 0 to p.
    """
    detected, alarmed = np.cumsum(defect), np.cumsum(good)
    before, clutter = detected - defect, alarmed
    tied = defect * detected / (detected + alarmed)
    best = defect * detected / np.maximum(detected + alarmed - good, 1)
    with np.errstate(divide="ignore", invalid="ignore"):
        lost = clutter * np.log((detected + clutter) / (before + clutter))
    worst = defect - np.where(clutter > 0, lost, 0.0)
    total = defect.sum()
    bound = max(np.sum((best - tied) * doubt), np.sum((tied - worst) * doubt))
    return float(np.sum(tied) / total), float(bound / total)


def _aupro(good: Histogram, region_share: Histogram, doubt: Histogram) -> tuple[float, float]:
    """Normalised area under the per-region-overlap curve, and its bound.

    Bergmann, Batzner, Fauser, Sattlegger, Steger, "The MVTec anomaly detection dataset", IJCV 129, 2021,
    section 5.2: mean overlap with each true region over the false-positive rate, integrated to 0.3 and
    divided by 0.3. Within a bin the curve rises from one corner of a rectangle to the other; the trapezoid
    halves it, so half the rectangle is uncertain, and all of it in the bin at the limit.
    """
    rate = np.concatenate(([0.0], np.cumsum(good) / good.sum()))
    overlap = np.concatenate(([0.0], np.cumsum(region_share)))
    end = int(np.searchsorted(rate, AUPRO_LIMIT, side="right"))
    edge = float(np.interp(AUPRO_LIMIT, rate[end - 1 : end + 1], overlap[end - 1 : end + 1]))
    x = np.concatenate((rate[:end], [AUPRO_LIMIT]))
    y = np.concatenate((overlap[:end], [edge]))
    doubtful = np.sum(np.diff(rate[:end]) * np.diff(overlap[:end]) * doubt[: end - 1]) / 2
    if end < len(rate):
        doubtful += (AUPRO_LIMIT - rate[end - 1]) * (overlap[end] - overlap[end - 1]) * doubt[end - 1]
    return float(np.trapezoid(y, x) / AUPRO_LIMIT), float(doubtful / AUPRO_LIMIT)
