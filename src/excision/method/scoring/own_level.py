"""What all positions of an image have in common, which says little about a defect."""

from __future__ import annotations

from torch import Tensor

_OWN_LEVEL = 0.25  # share of the positions of an image that are nearer to the normal ones than its own level


def above_own_level(distances: Tensor) -> Tensor:
    """Subtract from the distances of an image their lower quartile; below it they are 0.

    Another lot or another exposure takes all positions of an image farther from the normal ones, and a defect
    only some: what all have in common says little about a defect, and does not generalise between groups.

    Args:
        distances: (B, 1, h, w) >= 0.

    Returns:
        Same shape, >= 0.
    """
    flat = distances.flatten(1)
    count = max(1, round(_OWN_LEVEL * flat.shape[1]))
    level = flat.topk(count, dim=1, largest=False).values[:, -1]
    return (distances - level.view(-1, 1, 1, 1)).clamp_min(0)
