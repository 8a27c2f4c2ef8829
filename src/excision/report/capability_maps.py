"""The map of the smallest detectable defect: as a picture over the part, as PNG, and as TIFF in float32."""

from __future__ import annotations

import base64
import binascii
import io
import math
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from excision.capability.curve import PlaceMap
from excision.capability.result import Capability
from excision.system.files import atomic_path
from excision.visualization.pictures import Picture, heat_map

_LONGEST = 2048
"""Pixels of the longer side of a map as TIFF, at most."""

_MOST = 2048
"""Pixels of a side of an example, at most: a larger one is not of this program."""


def map_picture(capability: Capability, place_map: PlaceMap) -> Picture:
    """Draw a map over the example: dark where small defects are found, bright where it is nearly blind.

    The colours run from the smallest to the largest size drawn, on a logarithmic scale.

    Returns:
        (h, w, 3) uint8, of the size of the example.
    """
    image, part = _example(capability)
    sizes = place_sizes(capability, place_map, part.shape)
    span = math.log(place_map.largest / place_map.smallest)
    share = np.log(np.clip(sizes, place_map.smallest, place_map.largest) / place_map.smallest) / max(
        span, 1e-9
    )
    colours = heat_map((2 * share).astype(np.float32), 1.0)
    grey = image.mean(axis=2, keepdims=True)
    # The part stays visible in the colours' lightness.
    over = 0.72 * colours + 0.28 * grey
    shown = np.where(part[..., None], over, 0.35 * grey + 0.65 * 128)
    return np.asarray(np.rint(np.clip(shown, 0, 255)), dtype=np.uint8)


def place_sizes(capability: Capability, place_map: PlaceMap, size: tuple[int, ...]) -> NDArray[np.float32]:
    """Give the a90 of each pixel of a picture of the example.

    Returns:
        (*size,) float32 in pixels of the image as given; infinity where the largest size drawn is not
        reached.
    """
    beyond = 2 * place_map.largest
    values = np.array([math.log(beyond if one is None else one) for one in place_map.sizes], np.float32)
    height, width = int(size[0]), int(size[1])
    top, left, bottom, right = (
        round(share * side)
        for share, side in zip(capability.box, (height, width, height, width), strict=True)
    )
    nodes = Image.fromarray(values.reshape(place_map.rows, place_map.columns))
    inner = nodes.resize((max(1, right - left), max(1, bottom - top)), Image.Resampling.BILINEAR)
    whole = np.pad(
        np.asarray(inner),
        [(top, max(0, height - top - inner.height)), (left, max(0, width - left - inner.width))],
        mode="edge",
    )[:height, :width]
    sizes = np.exp(whole)
    return np.where(sizes > place_map.largest, np.float32(np.inf), sizes).astype(np.float32)


def write_maps(folder: Path, capability: Capability) -> list[Path]:
    """Write each map into a folder as `map_KIND.png` and, in float32, as `map_KIND.tiff`.

    The TIFF gives a90 in pixels of the image as given, or in millimetres if their size is known: infinity
    where the largest size drawn is not reached, NaN outside the part.
    """
    import tifffile

    written = []
    for one in capability.maps:
        png, tiff = folder / f"map_{one.kind}.png", folder / f"map_{one.kind}.tiff"
        with atomic_path(png) as temporary:
            Image.fromarray(map_picture(capability, one)).save(temporary)
        step = -(-max(capability.height, capability.width) // _LONGEST)
        size = (-(-capability.height // step), -(-capability.width // step))
        _, part = _example(capability)
        inside = np.asarray(Image.fromarray(part).resize((size[1], size[0]), Image.Resampling.NEAREST))
        values = place_sizes(capability, one, size) * np.float32(capability.mm_per_pixel or 1.0)
        with atomic_path(tiff) as temporary:
            tifffile.imwrite(temporary, np.where(inside, values, np.float32(np.nan)), compression="zlib")
        written += [png, tiff]
    return written


def example_size(capability: Capability) -> tuple[int, int]:
    """Give the height and width of the picture of a map in pixels."""
    height, width = _example(capability)[1].shape
    return height, width


def png_bytes(picture: Picture) -> bytes:
    """Encode a picture as PNG."""
    stream = io.BytesIO()
    Image.fromarray(picture).save(stream, format="PNG", optimize=True)
    return stream.getvalue()


def _example(capability: Capability) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
    """Give the example (h, w, 3), 0 to 255, and where the part is (h, w); a plain part if there is none."""
    try:
        with Image.open(
            io.BytesIO(base64.b64decode(capability.example, validate=True)), formats=["WEBP"]
        ) as image:
            if max(image.size) <= _MOST:
                pixels = np.asarray(image.convert("RGBA"))
                return pixels[..., :3].astype(np.float32), pixels[..., 3] > 127
    except (OSError, ValueError, binascii.Error):
        pass
    step = -(-max(capability.height, capability.width) // 256)
    size = (-(-capability.height // step), -(-capability.width // step))
    return np.full((*size, 3), 128, np.float32), np.ones(size, np.bool_)
