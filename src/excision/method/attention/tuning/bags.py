"""Whole images as bags: each holds a defect somewhere, and nobody says where.

What decides about an image is its largest attention, so that is what a bag teaches: the mean of its k largest
has to be high (multiple-instance learning; Pang, Ding, Shen, van den Hengel, "Explainable deep few-shot
anomaly detection with deviation networks", 2021). Nothing is asked of the largest attention of good images:
what is usual at a position is taken off afterwards, and to suppress it here would cost defects that look like
it elsewhere.
"""

from __future__ import annotations

import math

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
_LEAST = 4 * _STRIDE
"""Pixels a side; of fewer, the coarse grid has one position, which batch normalisation cannot take."""


def whole_image(plane: FloatImage, rng: np.random.Generator) -> Tensor:
    """Show a whole image, sometimes at half size, mirrored and under another light.

    Args:
        plane: (H, W) brightness in [0, 1].
        rng: source of everything random.

    Returns:
        (1, 1, h, w), with h and w multiples of the stride of the attention, of at least 32 pixels.
    """
    reduction = max(1.0, math.sqrt(plane.size / _MOST))
    if rng.random() < _HALVED and min(plane.shape) >= 16 * _STRIDE:
        reduction = max(reduction, 2.0)
    height, width = (max(_LEAST, int(side / reduction) // _STRIDE * _STRIDE) for side in plane.shape)
    turned = tuple(axis for axis in (0, 1) if rng.random() < 0.5)
    return torch.from_numpy(lit(np.flip(resized(plane, (height, width)), turned), rng))[None, None]


def bag_loss(network: AttentionNetwork, bag: Tensor) -> Tensor:
    """Cross-entropy of the largest attention of an image (1, 1, H, W) that shows a defect somewhere."""
    logits = network.locate(bag.contiguous(memory_format=torch.channels_last)).flatten()
    count = min(len(logits), max(_LEAST_TOP, math.ceil(_TOP * len(logits))))
    return functional.softplus(-logits.topk(count).values.mean())
