"""How the distances of several kinds of features are weighed against each other."""

from __future__ import annotations

from collections.abc import Sequence
from functools import reduce

import torch
from torch import Tensor


def join_distances(surprisals: Sequence[Tensor], weights: Sequence[Tensor]) -> tuple[Tensor, Tensor]:
    """Join the evidence of the feature distances into one.

    They measure the same difference in different features, so that, as for the residuals, only the largest
    surprisal counts, with the largest weight.

    Args:
        surprisals: (B, 1, h, w) in nats of each distance; at least one.
        weights: (1,) in [0, 1] of each distance.

    Returns:
        The joined surprisal and its weight.
    """
    return reduce(torch.maximum, surprisals), reduce(torch.maximum, weights)
