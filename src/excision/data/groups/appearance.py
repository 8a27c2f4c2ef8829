"""What an image looks like, in some 170 numbers: enough to tell whether neighbours resemble each other.

Nothing is learnt: a thumbnail shows where bright and dark lie, statistics of the brightness how the image was
lit, and differences of neighbouring pixels what its texture is like.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from excision.data.decode import decoded
from excision.data.pixels import Decoded, to_channels

_SIDE = 96
"""Side of the reduced image that most is computed from."""

_THUMB = 12
_LAGS = (1, 2, 4, 8)
_MOST_ROWS = 96
"""Rows of an image whose fine texture is looked at; more tell no more."""

FAMILIES = {"tone": slice(0, 19), "texture": slice(19, 35), "layout": slice(35, 179)}
"""Which numbers describe the brightness, the texture, and the places of bright and dark."""

Looks = NDArray[np.float32]


def appearance(image: Decoded) -> Looks:
    """Describe a decoded image, band by band; the pixels are not kept.

    Returns:
        (179,) float32: see `FAMILIES`.

    Raises:
        RefusedError: its values have no defined meaning.
    """
    return _describe(image.bands(), image.upright)


def appearance_of(image: Path | NDArray[Any]) -> Looks:
    """Describe an image file or array; raises ImageError as `decoded` does."""
    with decoded(image) as picture:
        return appearance(picture)


def _describe(bands: Iterable[tuple[slice, NDArray[np.float32]]], size: tuple[int, int]) -> Looks:
    height, width = size
    reduced, colours, fine, rows_seen = [], np.zeros(3), np.zeros((2, len(_LAGS))), 0
    for rows, band in bands:
        grey = np.ascontiguousarray(to_channels(band, 1)[..., 0])
        top, bottom = (round(edge * _SIDE / height) for edge in (rows.start, rows.stop))
        if bottom > top:
            box = Image.fromarray(grey).resize((_SIDE, bottom - top), Image.Resampling.BOX)
            reduced.append(np.asarray(box))
        step = max(1, height // _MOST_ROWS)
        colours += band[::step, :: max(1, width // _MOST_ROWS)].mean((0, 1)) * grey.shape[0]
        fine += _differences(grey, step) * grey.shape[0]
        rows_seen += grey.shape[0]
    small = np.concatenate(reduced)
    tone = _tone(small, colours / rows_seen)
    texture = np.concatenate([np.log(fine.ravel() / rows_seen + 1e-4), _directions(small)])
    return np.concatenate([tone, texture, _layout(small)]).astype(np.float32)


def _differences(grey: NDArray[np.float32], step: int) -> NDArray[np.float64]:
    """Give the mean absolute difference of pixels 1, 2, 4 and 8 apart, along rows and along columns: (2, 4)."""
    along = grey[::step]
    across = grey[:, :: max(1, grey.shape[1] // _MOST_ROWS)]
    found = np.zeros((2, len(_LAGS)))
    for place, lag in enumerate(_LAGS):
        if along.shape[1] > lag:
            found[0, place] = np.abs(along[:, lag:] - along[:, :-lag]).mean()
        if across.shape[0] > lag:
            found[1, place] = np.abs(across[lag:] - across[:-lag]).mean()
    return found


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
    return counts / (counts.sum() + 1e-6)


def _layout(small: NDArray[np.float32]) -> NDArray[np.float64]:
    """Give the thumbnail without its mean, scaled to length 1: (144,)."""
    block = _SIDE // _THUMB
    thumb = small.reshape(_THUMB, block, _THUMB, block).mean((1, 3)).astype(np.float64)
    thumb -= thumb.mean()
    flat = thumb.ravel() / (np.sqrt((thumb**2).sum()) + 1e-3)
    return flat.astype(np.float64)
