"""Whole images as bags: one that holds a defect somewhere beside one that holds none.

What decides about an image is its largest attention, so that is what a bag teaches: the mean of its k largest
has to be high where there is a defect, inside the mask if there is one, and low in a good image
(multiple-instance learning; Pang et al., "Explainable deep few-shot anomaly detection with deviation networks",
2021).
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from excision.method.attention.networks import AttentionNetwork
from excision.method.attention.tuning.pieces import lit, resized
from excision.settings import ATTENTION_STRIDES

FloatImage = NDArray[np.float32]

_MOST = 2**20  # pixels of an image that is shown whole; larger ones are reduced
_HALVED = 1 / 3  # share of the images that are shown at half size
_TOP, _LEAST_TOP = 0.005, 3  # share, and smallest number, of the cells whose attention counts
_STRIDE = ATTENTION_STRIDES["surface"]


class Bags(NamedTuple):
    """Two whole images: one with a defect, one without.

    Attributes:
        defective: (1, 1, H, W) brightness in [0, 1].
        inside: (1, 1, H, W) in [0, 1], 1 where the defect may be: everywhere if nobody says where it is.
        good: (1, 1, h, w) brightness in [0, 1].
    """

    defective: Tensor
    inside: Tensor
    good: Tensor

    def on(self, device: torch.device) -> Bags:
        """Return both images on a device."""
        return Bags(*(part.to(device) for part in self))


def bag_loss(network: AttentionNetwork, bags: Bags) -> Tensor:
    """Cross-entropy of the largest attention: high where an image shows a defect, low in a good image."""
    defective, good = (_logits(network, image) for image in (bags.defective, bags.good))
    inside = functional.max_pool2d(bags.inside, network.stride).flatten(1) > 0.5
    high, low = _largest(defective[inside], defective.numel()), _largest(good[0], good.numel())
    return functional.softplus(-high) + functional.softplus(low)


def _logits(network: AttentionNetwork, image: Tensor) -> Tensor:
    return network.locate(image.contiguous(memory_format=torch.channels_last)).flatten(1)


def _largest(logits: Tensor, cells: int) -> Tensor:
    """Return the mean of the largest logits (N,), as many as a share of the cells of the image."""
    count = min(len(logits), max(_LEAST_TOP, math.ceil(_TOP * cells)))
    return logits.topk(count).values.mean()


def show_whole(
    plane: FloatImage, marked: FloatImage | None, rng: np.random.Generator
) -> tuple[Tensor, Tensor]:
    """Show a whole image, sometimes at half size, mirrored and under another light, with its mask.

    Args:
        plane: (H, W) brightness in [0, 1].
        marked: (H, W) in [0, 1], 1 on the defect; None if nobody says where it is.
        rng: source of everything random.

    Returns:
        Both (1, 1, h, w), with h and w multiples of the stride; the mask is 1 everywhere if there is none.
    """
    reduction = max(1.0, math.sqrt(plane.size / _MOST))
    if rng.random() < _HALVED and min(plane.shape) >= 16 * _STRIDE:
        reduction = max(reduction, 2.0)
    size = (plane.shape[0] / reduction, plane.shape[1] / reduction)
    height, width = (max(_STRIDE, int(side) // _STRIDE * _STRIDE) for side in size)
    turned = tuple(axis for axis in (0, 1) if rng.random() < 0.5)
    given = np.ones_like(plane) if marked is None else marked
    image, inside = (np.flip(resized(each, (height, width)), turned) for each in (plane, given))
    inside = np.clip(inside / max(float(inside.max()), 1e-6) * 2, 0, 1, dtype=np.float32)
    image, inside = lit(image, rng), np.ascontiguousarray(inside)
    return torch.from_numpy(image)[None, None], torch.from_numpy(inside)[None, None]
