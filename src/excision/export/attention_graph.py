"""The surface attention in the form that the engines of exported graphs compute fastest.

Up to rounding, its result is that of `excision.method.attention`. Engines spend much of their time on planes
of one or two channels, which they pool, slice, interpolate and join with scalar code. Here every linear step
along an axis is a product with a small matrix, and a plane is kept as the four planes of its phases: pixels
of even and odd rows and columns. Over these, the first convolution has a kernel of 3 x 3 and a stride of 1
instead of 5 x 5 and 2.
"""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

from excision.method.attention.model import LEAST, Attention, Look
from excision.method.attention.networks import SurfaceAttention
from excision.method.attention.normalise import FLAT, LIMIT, WINDOW
from excision.ops.resampling import enlarge, enlarging_matrix

_Matrix = NDArray[np.floating]

_LONGEST = 1024
"""Pixels a side; from there on the matrices have so many zeros that products with them take longer."""


def for_graph(attention: Attention, size: tuple[int, int]) -> Attention:
    """Return the attention in the form that is exported for images of (H, W) pixels."""
    if isinstance(attention.network, SurfaceAttention) and max(size) <= _LONGEST:
        return _GraphAttention(attention, size)
    return attention


class _GraphAttention(Attention):
    """The surface attention for images of one size."""

    def __init__(self, attention: Attention, size: tuple[int, int]) -> None:
        super().__init__()
        self.variant, self.network, self.normal = attention.variant, attention.network, attention.normal
        assert isinstance(self.network, SurfaceAttention)
        self.stem = nn.Sequential(*list(self.network.stem)[1:])
        self.first = _first_convolution(self.network.stem[0])
        self.scaled = nn.ModuleList(_Scale(size, factor, self.network) for factor in self.network.scales)

    def at_scales(self, grey: Tensor) -> list[Look]:
        """Look at brightness (B, 1, H, W) at each scale, on the grid of full size."""
        assert isinstance(self.network, SurfaceAttention)
        looks, smaller = [], {1: grey}
        for factor, scale in zip(self.network.scales, self.scaled, strict=True):
            assert isinstance(scale, _Scale)
            relative, halves = scale(smaller[scale.source])
            smaller[2 * factor] = halves
            features = self.network.compare(self.stem(self.first(relative)))
            looks.append(Look(enlarge(self.network.judge(features), factor), features))
        return looks


class _Scale(nn.Module):
    """Local normalisation of images at one scale, as `local_normalise` does it, in phases.

    An image of n x m pixels is kept as its four phases (B, 4, n / 2, m / 2): even rows and columns, odd rows
    and even columns, even rows and odd columns, odd rows and columns.

    Args:
        size: (H, W) of the images at full size.
        factor: they are looked at at 1/`factor` size.
        network: surface attention.
    """

    rows: Tensor
    columns: Tensor

    def __init__(self, size: tuple[int, int], factor: int, network: SurfaceAttention) -> None:
        super().__init__()
        self.factor = factor
        small = [-(-side // factor) for side in size]
        self.sides = tuple(side + max(LEAST - side, -side % network.stride) for side in small)
        # At half size the means are known from full size, unless that is padded.
        known = factor == 2 and all(side >= LEAST and side % network.stride == 0 for side in size)
        self.source = 2 if known else 1
        if factor > 1:
            rows, columns = (
                _shrinking(side // self.source, factor // self.source, padded)
                for side, padded in zip(size, self.sides, strict=True)
            )
            self.register_buffer("rows", _row_phases(rows))
            self.register_buffer("columns", _column_phases(columns))
        self.windows = nn.ModuleList(
            _Window(self.sides, max(1, radius // WINDOW)) for radius in network.radii
        )

    def forward(self, grey: Tensor) -> tuple[Tensor, Tensor]:
        """Normalise the brightness.

        Args:
            grey: (B, 1, H / `source`, W / `source`), less any constant.

        Returns:
            The normalised phases, (B, 4 * radii, n / 2, m / 2), and the means over blocks of 2 x 2 pixels,
            (B, 1, n / 2, m / 2), less a constant.
        """
        phases = self._phases(grey)
        centred = phases - phases.mean(dim=(1, 2, 3), keepdim=True)
        means = [_mean_of_phases(planes) for planes in (centred, centred * centred)]
        return torch.cat([window(centred, *means) for window in self.windows], dim=1), means[0]

    def _phases(self, grey: Tensor) -> Tensor:
        """Return the phases (B, 4, n / 2, m / 2) of images (B, 1, H, W) at this scale."""
        height, width = self.sides
        if self.factor > 1:
            return (self.rows @ grey @ self.columns).view(-1, 4, height // 2, width // 2)
        padding = (0, width - grey.shape[3], 0, height - grey.shape[2])
        padded = functional.pad(grey, padding, mode="replicate") if any(padding) else grey
        # In two steps, each of which is a fast copy: one that exchanges all axes at once is slow.
        columns = padded.view(-1, 1, height, width // 2, 2).permute(0, 4, 1, 2, 3)
        rows = columns.reshape(-1, 2, height // 2, 2, width // 2).transpose(2, 3)
        return rows.reshape(-1, 4, height // 2, width // 2)


class _Window(nn.Module):
    """Normalisation relative to a local mean and deviation.

    Args:
        sides: (n, m) of the image.
        factor: side of the blocks whose means the local mean is taken of.
    """

    rows: Tensor
    columns: Tensor
    down: Tensor
    across: Tensor

    def __init__(self, sides: tuple[int, ...], factor: int) -> None:
        super().__init__()
        blocks = [side // factor for side in sides]
        reach = min(WINDOW, *(count - 1 for count in blocks))
        rows, columns = (enlarging_matrix(count, factor, reach) for count in blocks)
        self.register_buffer("rows", _row_phases(rows))
        self.register_buffer("columns", _column_phases(columns))
        self.shrinks = factor > 2
        if self.shrinks:
            down, across = (
                _shrinking(side // 2, factor // 2, count) for side, count in zip(sides, blocks, strict=True)
            )
            self.register_buffer("down", torch.from_numpy(down))
            self.register_buffer("across", torch.from_numpy(across).T.contiguous())

    def forward(self, centred: Tensor, mean: Tensor, square: Tensor) -> Tensor:
        """Normalise.

        Args:
            centred: (B, 4, n / 2, m / 2), phases of the image less its mean.
            mean: (B, 1, n / 2, m / 2), mean over its blocks of 2 x 2 pixels.
            square: the same of its square.
        """
        mean, square = (self._local(planes).view(centred.shape) for planes in (mean, square))
        deviation = (square - mean * mean).clamp_min(0).add(FLAT**2).sqrt()
        return ((centred - mean) / deviation).clamp(-LIMIT, LIMIT)

    def _local(self, means: Tensor) -> Tensor:
        if self.shrinks:
            means = self.down @ means @ self.across
        return self.rows @ means @ self.columns


def _first_convolution(stem: nn.Module) -> nn.Conv2d:
    """Return the convolution of 5 x 5 pixels with stride 2 as one of 3 x 3 positions of four phases."""
    assert isinstance(stem, nn.Conv2d) and stem.bias is not None
    outputs, inputs = stem.weight.shape[:2]
    first = nn.Conv2d(4 * inputs, outputs, 3, padding=1)
    # A sixth tap with the weight zero makes three pairs: the phases of one position.
    pairs = functional.pad(stem.weight, (0, 1, 0, 1)).view(outputs, inputs, 3, 2, 3, 2)
    first.weight = nn.Parameter(pairs.permute(0, 1, 5, 3, 2, 4).reshape(first.weight.shape).contiguous())
    first.bias = stem.bias
    return first


def _mean_of_phases(planes: Tensor) -> Tensor:
    """Average over the four phases: (B, 4, n / 2, m / 2) to (B, 1, n / 2, m / 2)."""
    halves = planes[:, :2] + planes[:, 2:]
    return (halves[:, :1] + halves[:, 1:]) * 0.25


def _shrinking(length: int, factor: int, padded: int) -> _Matrix:
    """Weights (padded, length) that average over blocks and then repeat the last one."""
    blocks = -(-length // factor)
    own = np.arange(length)[None] // factor == np.arange(blocks)[:, None]
    means: _Matrix = (own / own.sum(axis=1, keepdims=True)).astype(np.float32)
    return means[np.minimum(np.arange(padded), blocks - 1)]


def _row_phases(matrix: _Matrix) -> Tensor:
    """Return the weights (n, k) for the even and then the odd rows, to multiply from the left."""
    return torch.from_numpy(np.concatenate((matrix[0::2], matrix[1::2])))


def _column_phases(matrix: _Matrix) -> Tensor:
    """Return the weights (2, k, m / 2) for the even and the odd columns, to multiply from the right."""
    return torch.from_numpy(np.stack((matrix[0::2].T, matrix[1::2].T)))
