"""What an image looks like, in some 170 numbers: enough to tell whether neighbours resemble each other.

Nothing is learnt: a thumbnail shows where bright and dark lie, statistics of the brightness how the image was
lit, and differences of neighbouring pixels what its texture is like.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from excision.data.decode import decoded
from excision.data.pixels import to_channels

_SIDE = 96
"""Side of the reduced image that most is computed from."""

_THUMB = 12
_LAGS = (1, 2, 4, 8)
_MOST_LINES = 96
"""Rows and columns whose fine texture is looked at; more tell no more."""

FAMILIES = {"tone": slice(0, 19), "texture": slice(19, 35), "layout": slice(35, 179)}
"""Which numbers describe the brightness, the texture, and the places of bright and dark."""

Looks = NDArray[np.float32]


class Sketch:
    """Collects the description of one image from its bands, from top to bottom; no pixel is kept.

    Args:
        size: (H, W) of the upright image.
    """

    def __init__(self, size: tuple[int, int]) -> None:
        self._height, width = size
        self._rows = max(1, self._height // _MOST_LINES)
        self._columns = max(1, width // _MOST_LINES)
        self._reduced: list[NDArray[np.float32]] = []
        self._colours = np.zeros(3)
        self._fine = np.zeros((2, len(_LAGS)))
        self._seen = 0

    def add(self, rows: slice, band: NDArray[np.float32]) -> None:
        """Take the next band (h, W, 1 or 3), which lies in these rows of the image."""
        count = band.shape[0]
        grey = np.ascontiguousarray(to_channels(band[:: max(1, self._rows // 3), :], 1)[..., 0])
        top, bottom = (round(edge * _SIDE / self._height) for edge in (rows.start, rows.stop))
        if bottom > top:
            box = Image.fromarray(grey).resize((_SIDE, bottom - top), Image.Resampling.BOX)
            self._reduced.append(np.asarray(box))
        self._colours += band[:: self._rows, :: self._columns].mean((0, 1)) * count
        along = to_channels(band[:: self._rows], 1)[..., 0]
        across = to_channels(band[:, :: self._columns], 1)[..., 0]
        self._fine += np.stack([_differences(along), _differences(across.T)]) * count
        self._seen += count

    def looks(self) -> Looks:
        """Give the description, once all bands were taken: (179,) float32, see `FAMILIES`."""
        small = np.concatenate(self._reduced)
        fine = np.log(self._fine.ravel() / self._seen + 1e-4)
        parts = [_tone(small, self._colours / self._seen), fine, _directions(small), _layout(small)]
        return np.concatenate(parts).astype(np.float32)


def appearance(image: Path | NDArray[Any]) -> Looks:
    """Describe an image file, or an array (H, W) or (H, W, C); raises ImageError as `decoded` does."""
    with decoded(image) as picture:
        sketch = Sketch(picture.upright)
        for rows, band in picture.bands():
            sketch.add(rows, band)
        return sketch.looks()


def _differences(lines: NDArray[np.float32]) -> NDArray[np.float64]:
    """Give the mean absolute difference of pixels 1, 2, 4 and 8 apart along lines (n, m): (4,)."""
    found = [np.abs(lines[:, lag:] - lines[:, :-lag]) for lag in _LAGS]
    return np.array([values.mean() if values.size else 0.0 for values in found])


def _tone(small: NDArray[np.float32], colours: NDArray[np.float64]) -> NDArray[np.float64]:
    """Give quantiles, spread, the mean of each channel, and the means of nine fields: (19,)."""
    quantiles = np.quantile(small, (0.01, 0.25, 0.5, 0.75, 0.99))
    fields = small.reshape(3, _SIDE // 3, 3, _SIDE // 3).mean((1, 3)).ravel()
    total = colours.sum() + 1e-6
    return np.concatenate([quantiles, [small.mean(), small.std()], fields, colours / total])


def _directions(small: NDArray[np.float32]) -> NDArray[np.float64]:
    """Give the share of the gradients in each of eight directions: (8,)."""
    down, right = np.gradient(small)
    strength = np.hypot(down, right)
    angle = (np.arctan2(down, right) % np.pi / np.pi * 8).astype(int) % 8
    counts = np.bincount(angle.ravel(), strength.ravel(), 8)
    shares: NDArray[np.float64] = counts / (counts.sum() + 1e-6)
    return shares


def _layout(small: NDArray[np.float32]) -> NDArray[np.float64]:
    """Give the thumbnail without its mean, scaled to length 1: (144,)."""
    block = _SIDE // _THUMB
    thumb = small.reshape(_THUMB, block, _THUMB, block).mean((1, 3)).astype(np.float64)
    thumb -= thumb.mean()
    flat: NDArray[np.float64] = thumb.ravel() / (np.sqrt((thumb**2).sum()) + 1e-3)
    return flat
