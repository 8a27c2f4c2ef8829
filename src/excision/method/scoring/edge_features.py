"""Features of oriented edges and lines at three widths, which describe a part's outline and markings."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from excision.features.record import FINE_CELL
from excision.ops.colour import to_grey
from excision.ops.resampling import shrink

SATURATION = 0.1
"""Response in standard deviations of the image that saturates to one half."""

REACH = 2
"""Pixels by which the filters reach beyond the pixel that they describe."""

Oriented = Callable[[Tensor, int], list[Tensor]]

_DIRECTIONS = 4
_WIDTHS = (1, 2, 4)  # pixels
_FLAT = 0.02  # standard deviation of the brightness of an image that shows nothing but noise


def count_features(channels: int) -> int:
    """Return the number of features of a position, in grey (1) or colour (3) images."""
    oriented = len(_WIDTHS) * 2 * _DIRECTIONS
    colours = 2 if channels == 3 else 0
    return 2 * (oriented + colours)


def edge_features(images: Tensor, oriented: Oriented | None = None) -> Tensor:
    """Describe the edges and lines at each position: their strength, direction and polarity.

    The brightness, in standard deviations of the image, is filtered with the first and second derivatives of
    a Gaussian in four directions, at full size and two and four times smaller (Freeman, Adelson, "The design
    and use of steerable filters", IEEE TPAMI 13, 1991). A response r saturates, r / (|r| + 0.1), as cells of
    the visual cortex do (Heeger, "Normalization of cell responses in cat striate cortex", 1992): a faint edge
    counts beside a strong one, and shifting a strong edge by a pixel changes little. The features are the
    means over the position of each response and of its absolute value. In a colour image they also include
    those of the two opponent-colour differences, red-green and yellow-blue.

    Args:
        images: (B, C, H, W) in [0, 1], C of 1 or 3, each side at least 32.
        oriented: computes the features of edges and lines of one width; None takes `oriented_features`.

    Returns:
        (B, `count_features(C)`, ceil(H / `FINE_CELL`), ceil(W / `FINE_CELL`)) in (-1, 1); unaffected by
        brightening or darkening the whole image.
    """
    brightness, deviation = in_deviations(images)
    height, width = brightness.shape[2:]
    beyond = (0, -width % FINE_CELL, 0, -height % FINE_CELL)
    seen = functional.pad(brightness, beyond, mode="replicate")
    oriented = oriented or oriented_features
    found = []
    for line in _WIDTHS:
        if line > 1:
            seen = shrink(seen, 2)
        found += oriented(seen, FINE_CELL // line)
    if images.shape[1] == 3:
        red, green, blue = images[:, :1], images[:, 1:2], images[:, 2:]
        opponents = torch.cat((red - green, (red + green) / 2 - blue), dim=1) / deviation
        found += _means(functional.pad(opponents, beyond, mode="replicate"), FINE_CELL)
    return torch.cat(found, dim=1)


def oriented_features(seen: Tensor, side: int) -> list[Tensor]:
    """Return the mean response and the mean absolute response of each filter.

    Args:
        seen: (B, 1, H, W) in standard deviations, both sides multiples of `side`.
        side: of a position in pixels of `seen`.

    Returns:
        Two of (B, `len(FILTERS)`, H / `side`, W / `side`), in (-1, 1).
    """
    filters = torch.from_numpy(FILTERS).to(seen)
    return _means(functional.conv2d(functional.pad(seen, (REACH,) * 4, mode="reflect"), filters), side)


def in_deviations(images: Tensor) -> tuple[Tensor, Tensor]:
    """Return the brightness of images in standard deviations from its mean, and the standard deviation.

    Images (B, C, H, W) in [0, 1], C of 1 or 3, to (B, 1, H, W) and (B, 1, 1, 1) > 0.
    """
    grey = to_grey(images)
    centred = grey - grey.mean(dim=(2, 3), keepdim=True)
    deviation = centred.square().mean(dim=(2, 3), keepdim=True).sqrt().clamp_min(_FLAT)
    return centred / deviation, deviation


def _means(responses: Tensor, side: int) -> list[Tensor]:
    """Saturate responses, and average them and their absolute values over squares of `side` pixels.

    Works in place: allocating memory of that size would take longer than the computation.
    """
    saturated = responses.div_(responses.abs().add_(SATURATION))
    return [pool(saturated, side), pool(saturated.abs_(), side)]


def pool(planes: Tensor, side: int) -> Tensor:
    """Average over squares, first along the columns, where memory is contiguous."""
    batch, channels, height, width = planes.shape
    rows = planes.reshape(batch, channels, height // side, side, width).mean(dim=3)
    return rows.reshape(batch, channels, height // side, width // side, side).mean(dim=4)


def _derivatives() -> NDArray[np.float32]:
    """Return the filters of the first and second derivatives, (2 * directions, 1, 5, 5)."""
    smooth, slope = np.array([1, 2, 1]) / 4, np.array([-1, 0, 1]) / 2
    even, first, second = (np.convolve(*pair) for pair in ((smooth, smooth), (smooth, slope), (slope, slope)))
    filters = []
    for angle in np.arange(_DIRECTIONS) * np.pi / _DIRECTIONS:
        x, y = np.cos(angle), np.sin(angle)
        filters.append(x * np.outer(even, first) + y * np.outer(first, even))
        mixed = 2 * x * y * np.outer(first, first)
        filters.append(x**2 * np.outer(even, second) + mixed + y**2 * np.outer(second, even))
    return np.array(filters, dtype=np.float32)[:, None]


FILTERS = _derivatives()
"""(2 * directions, 1, 5, 5), filters of the first and second derivatives in each direction."""
