"""Planes on coarser and finer grids, each in the way that is fastest on a CPU."""

from __future__ import annotations

from functools import lru_cache

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

Size = tuple[int, int]


def shrink(planes: Tensor, factor: int) -> Tensor:
    """Average over blocks of factor x factor pixels; blocks at the lower and right border may be smaller.

    (B, C, H, W) to (B, C, ceil(H / factor), ceil(W / factor)).
    """
    if factor == 1:
        return planes
    if factor == 2:
        return _halve(_halve(planes, 2), 3)
    return functional.avg_pool2d(planes, factor, ceil_mode=True, count_include_pad=False)


def repeat(planes: Tensor, factor: int, size: Size) -> Tensor:
    """Give every pixel of a block the value of the block.

    (B, C, ceil(H / factor), ceil(W / factor)) of floating point to (B, C, H, W), with (H, W) the `size`.
    """
    if factor == 1:
        return planes
    if factor > 2 and max(planes.shape[2:]) <= _LARGE:
        # Exact: each value is multiplied by one and added to zeros.
        rows, columns = (_copies(length, factor, planes) for length in planes.shape[2:])
        return (rows @ planes @ columns.T)[:, :, : size[0], : size[1]]
    full = functional.interpolate(planes, scale_factor=factor, mode="nearest")
    return full[:, :, : size[0], : size[1]]


def enlarge(planes: Tensor, factor: int, size: Size | None = None, reach: int = 0) -> Tensor:
    """Interpolate bilinearly between the centres of blocks of factor x factor pixels.

    The result is that of `torch.nn.functional.interpolate`, which processes an image of one channel pixel by
    pixel; products with a small matrix per axis run at the full speed of the CPU.

    Args:
        planes: (B, C, h, w) of floating point.
        factor: side of a block in pixels.
        size: (H, W), at most (h * factor, w * factor), which is the default.
        reach: first average each block with those within this many blocks along both axes.

    Returns:
        (B, C, H, W).
    """
    height, width = size or (planes.shape[2] * factor, planes.shape[3] * factor)
    if factor == 1 and reach == 0:
        return planes[:, :, :height, :width]
    if factor == 2 and max(planes.shape[2:]) > _LARGE:
        means = _window_mean(_window_mean(planes, reach, 2), reach, 3) if reach else planes
        full = functional.interpolate(means, scale_factor=2, mode="bilinear", align_corners=False)
        return full[:, :, :height, :width]
    rows = _weights(planes.shape[2], factor, reach, planes)[:height]
    columns = _weights(planes.shape[3], factor, reach, planes)[:width]
    return rows @ planes @ columns.T


# From this number of blocks along an axis on, the matrices that double it have too many zeros.
_LARGE = 96


def _weights(length: int, factor: int, reach: int, like: Tensor) -> Tensor:
    """Weights (length * factor, length) of the blocks along one axis for each of its pixels."""
    # Computed only once, because it takes as long as the product. It is a numpy array because a tensor that
    # is created while a graph is traced cannot be used again.
    dtype = np.float64 if like.dtype == torch.float64 else np.float32
    return torch.from_numpy(enlarging_matrix(length, factor, reach, dtype)).to(like)


@lru_cache(maxsize=64)
def enlarging_matrix(
    length: int, factor: int, reach: int, dtype: type[np.floating] = np.float32
) -> NDArray[np.floating]:
    """Return the weights (length * factor, length) with which `enlarge` interpolates along one axis."""
    blocks = np.arange(length)
    places = ((np.arange(length * factor) + 0.5) / factor - 0.5).clip(0, length - 1)
    between = (1 - np.abs(places[:, None] - blocks)).clip(0)
    near = np.abs(blocks[:, None] - blocks) <= reach
    weights: NDArray[np.floating] = (between @ (near / near.sum(axis=1, keepdims=True))).astype(dtype)
    return weights


def _copies(length: int, factor: int, like: Tensor) -> Tensor:
    """Weights (length * factor, length) that repeat each block."""
    return torch.from_numpy(np.eye(length, dtype=np.float32).repeat(factor, axis=0)).to(like)


def _window_mean(planes: Tensor, reach: int, axis: int) -> Tensor:
    """Mean over the pixels within `reach` along an axis; (B, C, H, W).

    The window is small: adding shifted images is faster than running sums or pooling.
    """
    length = planes.shape[axis]
    padding = (reach, reach) if axis == 3 else (0, 0, reach, reach)
    padded = functional.pad(planes, padding)
    total = padded.narrow(axis, 0, length).clone()
    for shift in range(1, 2 * reach + 1):
        total += padded.narrow(axis, shift, length)
    places = torch.arange(length, device=planes.device)
    counts = (places + reach).clamp_max(length - 1) - (places - reach).clamp_min(0) + 1
    return total.div_(counts.view(-1, *(1,) * (3 - axis)))


def _halve(planes: Tensor, axis: int) -> Tensor:
    """Mean of each two pixels along an axis; a last single pixel is kept. Pooling is far slower."""
    pairs, length = planes.shape[axis] // 2, planes.shape[axis]
    every_second = (slice(None),) * axis
    first = planes[(*every_second, slice(0, 2 * pairs, 2))]
    means = (first + planes[(*every_second, slice(1, None, 2))]) * 0.5
    if 2 * pairs == length:
        return means
    return torch.cat((means, planes.narrow(axis, length - 1, 1)), dim=axis)
