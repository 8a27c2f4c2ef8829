"""Stored bytes as planes of the unit range, and as working images.

The values are those that converting the whole image in floating point gives, in a fraction of the time.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from excision.data.pixels import Decoded, Stored
from excision.ops.bands import band_rows
from excision.ops.colour import LUMA
from excision.ops.unit_range import from_unit

_WORKING = np.uint16(257)
"""What a byte is multiplied with for a working image: 65535 stands for 255."""


def unit_planes(stored: Stored, channels: int) -> Iterator[Image.Image]:
    """Give stored bytes as planes of floating point in [0, 1], one after the other.

    There are as many as `channels`, or one if the image is grey: each further one would be the same. Grey is
    the luma of colours, added up in the order of `to_channels`.
    """
    layers = list(_layers(stored))
    if len(layers) <= channels:
        for layer in layers:
            yield layer.point(_table(1.0), "F")
        return
    red, green, blue = (
        np.asarray(layer.point(_table(weight), "F")) for layer, weight in zip(layers, LUMA, strict=True)
    )
    grey = red + green
    grey += blue
    yield Image.fromarray(np.minimum(grey, np.float32(1), out=grey))


def float_planes(values: NDArray[np.float32]) -> Iterator[Image.Image]:
    """Give the channels of an image (h, w, C) in [0, 1] as planes, one after the other."""
    for channel in range(values.shape[2]):
        yield Image.fromarray(np.ascontiguousarray(values[..., channel]))


def plane_bands(image: Decoded, channels: int) -> Iterator[tuple[slice, Iterator[Image.Image]]]:
    """Give the rows of each band of the upright image, and its planes as `unit_planes` gives them."""
    if image.upright_bytes is None:
        yield from ((rows, float_planes(band)) for rows, band in image.bands(channels))
        return
    for top, bottom in image.band_edges:
        stored = image.upright_bytes(top, bottom, 0, image.size[1])
        yield slice(top, bottom), unit_planes(stored, channels)


def plane_columns(image: Decoded, channels: int) -> Iterator[tuple[slice, Iterator[Image.Image]]]:
    """Give the same from left to right, as `plane_bands` does from top to bottom."""
    if image.upright_bytes is None:
        yield from ((columns, float_planes(band)) for columns, band in image.columns(channels))
        return
    height, width = image.size
    for left, right in band_rows(width, height):
        yield slice(left, right), unit_planes(image.upright_bytes(0, height, left, right), channels)


def working_bands(image: Decoded, channels: int) -> Iterator[tuple[slice, NDArray[np.uint16]]]:
    """Give the rows of each band of the upright image, and its working image (h, w, 1 or channels)."""
    if image.upright_bytes is None:
        yield from ((rows, from_unit(band)) for rows, band in image.bands(channels))
        return
    for top, bottom in image.band_edges:
        stored = image.upright_bytes(top, bottom, 0, image.size[1])
        values = np.atleast_3d(np.asarray(stored))
        if values.shape[2] <= channels:
            yield slice(top, bottom), np.multiply(values, _WORKING, dtype=np.uint16)
        else:
            # The luma of colours is no whole number of steps.
            (grey,) = unit_planes(stored, channels)
            yield slice(top, bottom), from_unit(np.asarray(grey))[..., np.newaxis]


def _layers(stored: Stored) -> Iterator[Image.Image]:
    """Give the channels of bytes as pictures of mode L."""
    if not isinstance(stored, Image.Image):
        for channel in range(stored.shape[2]):
            yield Image.fromarray(np.ascontiguousarray(stored[..., channel]))
    elif stored.mode == "L":
        yield stored
    else:
        yield from stored.split()


@lru_cache(maxsize=8)
def _table(weight: float) -> list[float]:
    """Give for each byte its share of 255, in the single precision of `unit_range`, times a weight."""
    shares = np.arange(256, dtype=np.float32) / np.float32(255)
    table: list[float] = (shares * np.float32(weight)).tolist()
    return table
