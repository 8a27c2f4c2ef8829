"""Surprisal: how improbable a value would be for a normal image, in nats."""

from __future__ import annotations

import math

from torch import Tensor

_LEAST = 1e-6


def tail(largest: Tensor) -> tuple[float, float]:
    """Describe the distribution of the largest value of a normal image.

    Args:
        largest: (N,), the largest value of each of N normal images.

    Returns:
        Their median, and the mean excess of those above it; both > 0.
    """
    median = float(largest.median())
    above = largest[largest > median]
    excess = float((above - median).mean()) if len(above) else 0.0
    # If all values are zero or equal, there is no scale to measure surprisal by.
    return max(median, _LEAST), max(excess, _LEAST)


Scale = tuple[float | Tensor, float | Tensor]
"""Median and mean excess, as returned by `tail`: numbers, or tensors (B, 1, 1, 1) if images differ."""


def scales(tails: Tensor, appearance: Tensor | None) -> list[Scale]:
    """Return the tail of each kind of evidence, as `surprisal` takes it.

    Args:
        tails: (kinds, 2), or (appearances, kinds, 2) if there are several.
        appearance: (B,) int64; None if there is only one.
    """
    if appearance is None:
        return [(median, excess) for median, excess in tails.tolist()]
    own = tails[appearance][..., None, None, None]
    return [(own[:, kind, 0], own[:, kind, 1]) for kind in range(tails.shape[1])]


def surprisal(
    values: Tensor, median: float | Tensor, excess: float | Tensor, truncation: float = 1.0
) -> Tensor:
    """Compute in nats how surprising it would be for a normal image to reach a value anywhere.

    It is -ln p, with p the share of normal images whose largest value is at least this. Above the median the
    tail is modelled as exponential, the limit of peaks over a threshold for all but heavy tails (Pickands,
    "Statistical inference using extreme order statistics", 1975); below it the surprisal falls linearly to
    zero: p = 1/2 * exp(-(v - median) / excess), and 2^(-v / median).

    With a truncation t it is max(0, ln t - ln p): 0 for values that a share t of normal images reach.
    This is the soft thresholding of Zhang, Tong, Landers, Wu, "TFisher: a powerful truncation and weighting
    procedure for combining p-values", Annals of Applied Statistics 14, 2020.

    Args:
        values: any shape, >= 0.
        median: > 0, as returned by `tail`; one number, or (B, 1, 1, 1).
        excess: as `median`.
        truncation: t > 0; 1 means no truncation.

    Returns:
        Same shape, >= 0; without truncation, ln 2 at the median.
    """
    below = (values / median).clamp_max_(1).mul_(math.log(2))
    found = (values - median).div_(excess).clamp_min_(0).add_(below)
    return found.add_(math.log(truncation)).clamp_min_(0)
