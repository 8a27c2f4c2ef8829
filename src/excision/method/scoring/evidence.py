"""What a scorer takes from the stages before it, and the evidence that it finds."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from torch import Tensor

from excision.method.recovery.unet import Recovery


class Evidence(NamedTuple):
    """The evidence of a defect, before it is combined into one anomaly map.

    Attributes:
        residuals: R tensors (B, 1, H, W) >= 0 between image and recovery: the residual of each pixel and, if
            R is 2, the broad residual; relative to the normal residual unless `score.relative` is 0. Empty if
            nothing was excised and only the hole counts: they are 0.
        attention: (B, 1, ceil(H / patch), ceil(W / patch)) >= 0, attention of each cell, in standard
            deviations above the normal attention.
        distance: (B, 1, ceil(H / `FINE_CELL`), ceil(W / `FINE_CELL`)) >= 0, feature distance of each
            position; None if it does not count.
        pose: (B, 3), pose of the part; None unless the distances refer to an aligned image.
        seen: for each grid that is compared, by the side of its cells in pixels: the share in [0, 1] that the
            image shows of each cell, (B, 1, h, w); None if all are judged.
        network_distances: (B, 1, h, w) >= 0 for each grid of features of networks, as `distance`; empty if
            none counts.
        appearance: (B,) int64, appearance of the part; None if there is only one.
    """

    residuals: tuple[Tensor, ...]
    attention: Tensor
    distance: Tensor | None
    pose: Tensor | None
    seen: Mapping[int, Tensor | None]
    network_distances: tuple[Tensor, ...] = ()
    appearance: Tensor | None = None


class Largest(NamedTuple):
    """The largest value of each kind of evidence in an image.

    Attributes:
        values: (kinds,): residuals, attention, distances.
        appearance: appearance of the part, counted from 0.
    """

    values: Tensor
    appearance: int


class ScorerInput(NamedTuple):
    """The output of the stages before scoring.

    Attributes:
        images: (B, C, H, W) in [0, 1].
        cells: (B, 1, h, w), attention of each cell of the patch grid.
        mask: (B, 1, H, W) bool, True where the image was excised.
        recovery: mean and log-variance, each (B, C, H, W); None if only the hole counts, and
            nothing was excised.
        features: (B, C, h', w') of the attention network; None if they are not compared.
    """

    images: Tensor
    cells: Tensor
    mask: Tensor
    recovery: Recovery | None
    features: Tensor | None = None
