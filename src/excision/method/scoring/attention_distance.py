"""The distance of the attention network's own features, which it computes on the way to the attention.

The network has learnt, on MNIST and on defects drawn on the product, what tells a mark from a surface. Where
position explains what it sees on good images, something else there is evidence, even if it does not look like
a mark.
"""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor
from torch.nn import functional

from excision.features.record import FINE_CELL, Grid
from excision.method.scoring.feature_distance import FeatureDistance

ATTENTION = "attention"
"""Name of its grid among those of the networks whose features are compared."""

_HALF = 0.5


class AttentionDistance(FeatureDistance):
    """Feature distance of the features of the attention network; arguments as for `FeatureDistance`."""

    @property
    def weight(self) -> Tensor:
        """Weight (1,) of the distance in the anomaly map: half of the correlation ratio.

        The same features give the attention, which counts already: what they say is only in part new.
        """
        return _HALF * self.explained_variance.sqrt()


def attention_grid(channels: int) -> Grid:
    """Describe the grid of an attention network with this number of features."""
    return Grid(ATTENTION, FINE_CELL, (0,), (FINE_CELL,), (channels,), channels)


def attention_features(features: Tensor) -> Tensor:
    """Divide the features (B, C, h, w) of each position by their length, so that contrast does not count."""
    return functional.normalize(features, dim=1)


def stored_channels(tensors: Mapping[str, Tensor], prefix: str) -> int:
    """Return the number of features of a stored distance, or 0 if there is none.

    Args:
        tensors: state dict by name.
        prefix: prefix of the names of the distances of all grids.
    """
    means = tensors.get(f"{prefix}{ATTENTION}.means", torch.empty(1, 0))
    return means.shape[1]
