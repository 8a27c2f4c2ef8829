"""Kept images as pictures that any browser shows, whatever their format and depth."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
from PIL import Image

from excision.data.decode import probe_image
from excision.data.images import any_working_image
from excision.station.pages.source import Source
from excision.station.store.records import StoredResult

THUMB, LARGE, LARGEST = 192, 1280, 4096
"""Longest sides in pixels: in a list, on a page, and enlarged."""


def picture(path: Path, longest: int) -> bytes:
    """Give an image file as a PNG in colour, at most so large.

    Raises:
        ImageError: it cannot be read.
    """
    height, width = probe_image(path).size
    scale = min(1.0, longest / max(height, width))
    size = (max(1, round(height * scale)), max(1, round(width * scale)))
    pixels = any_working_image(path, size, 3)
    stream = io.BytesIO()
    Image.fromarray((pixels // 257).astype(np.uint8)).save(stream, format="PNG", compress_level=1)
    return stream.getvalue()


def has_image(source: Source, result: StoredResult) -> bool:
    """Tell whether the image of a result is kept."""
    return source.images.find(result.image) is not None


def has_stages(source: Source, result: StoredResult) -> bool:
    """Tell whether the stages of a result can be computed again."""
    holds = source.models.holding(result.model, result.model_version) is not None
    return holds and has_image(source, result)
