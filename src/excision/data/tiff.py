"""TIFF, the format of 16-bit and floating-point images, decoded by tifffile."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import tifffile
from numpy.typing import NDArray

from excision.data import raster
from excision.data.pixels import (
    ImageInfo,
    RefusedError,
    Stored,
    check_size,
    cmyk_to_rgb,
    over_black,
    unit_range,
    upright,
    upright_size,
)
from excision.ops.bands import band_rows

# tifffile logs warnings; without a handler Python would print them beside our own message.
logging.getLogger("tifffile").addHandler(logging.NullHandler())

MAGIC = (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")
"""First bytes of a TIFF or BigTIFF file."""

_ORIENTATION = 274
_GREY_INVERTED, _GREY, _RGB, _PALETTE, _INKS = 0, 1, 2, 3, 5
_COLOURS = {_GREY_INVERTED: 1, _GREY: 1, _RGB: 3, _PALETTE: 1, _INKS: 4}
_NAMES = {_GREY_INVERTED: "grey", _GREY: "grey", _RGB: "RGB", _PALETTE: "palette", _INKS: "CMYK"}
_PREMULTIPLIED, _ALPHA = 1, 2
_FLOAT_PREDICTOR = 3

# Including thumbnails; a small file may list millions of pages, which would take minutes and gigabytes to
# read.
_MOST_PAGES = 100

_OWN_CODECS = frozenset({1, 8, 32773, 32946})
"""None, deflate (two numbers) and PackBits; other compressions (LZW, JPEG, fax) go to Pillow's libtiff."""


def probe(path: Path) -> ImageInfo:
    """Read the header of a TIFF file; its pixels are not decoded."""
    with _page(path) as page:
        if page.photometric not in _COLOURS:
            return raster.probe(path)
        name = _NAMES[page.photometric]
        if page.bitspersample == 1:
            name = "1-bit"
        if set(page.extrasamples) & {_PREMULTIPLIED, _ALPHA}:
            name += "+alpha"
        size = upright_size(page.imagelength, page.imagewidth, _orientation(page))
        return ImageInfo(size, name, page.bitspersample, page.photometric not in (_GREY, _GREY_INVERTED))


def pixels(path: Path) -> NDArray[np.float32]:
    """Decode a TIFF file of one page to (H, W, 1 or 3) float32 in [0, 1], upright."""
    with _page(path) as page:
        if _own(page):
            return upright(_colours(page, _as_stored(page)), _orientation(page))
    return raster.pixels(path)


@contextmanager
def stored(path: Path) -> Iterator[Stored]:
    """Decode a TIFF file of one page once and give it band by band."""
    with _page(path) as page:
        if _own(page):
            whole, size = _as_stored(page), (page.imagelength, page.imagewidth)
            bands = (_colours(page, whole[top:bottom]) for top, bottom in band_rows(*size))
            yield Stored(size, _orientation(page), bands)
            return
    with raster.stored(path) as picture:
        yield picture


@contextmanager
def _page(path: Path) -> Iterator[tifffile.TiffPage]:
    """Open a TIFF file and give its only page; reduced copies of it (thumbnails) do not count."""
    with tifffile.TiffFile(path) as file:
        pages = [page.aspage() for page in islice(file.pages, _MOST_PAGES + 1)]
        if len(pages) > _MOST_PAGES:
            raise RefusedError(f"contains more than {_MOST_PAGES} pages; save each as a separate file")
        full = [page for page in pages if not page.is_reduced]
        if len(full) != 1 or full[0].imagedepth != 1:
            raise RefusedError(f"contains {len(full)} pages; save each as a separate file")
        _check_supported(full[0])
        yield full[0]


def _check_supported(page: tifffile.TiffPage) -> None:
    """Refuse what neither decoder reads correctly."""
    check_size(page.imagelength, page.imagewidth)
    if page.samplesperpixel > _COLOURS.get(page.photometric, 3) + 1:
        raise RefusedError(f"contains {page.samplesperpixel} channels; save it as grey or RGB")
    if page.bitspersample not in (1, 8, 16, 32, 64):
        raise RefusedError(f"stores {page.bitspersample} bits per value; save it with 8 or 16")
    if page.predictor == _FLOAT_PREDICTOR:
        raise RefusedError("its floating-point predictor is not supported; save it without a predictor")
    if not _own(page) and page.bitspersample > 8 and page.samplesperpixel > 1:
        # Pillow would silently reduce these to 8 bits.
        raise RefusedError(
            f"compression {page.compression} is not supported for {page.bitspersample}-bit colour; "
            "save it uncompressed or with deflate"
        )


def _own(page: tifffile.TiffPage) -> bool:
    """Tell whether tifffile alone can decode a page; Pillow decodes the others."""
    return page.photometric in _COLOURS and page.compression in _OWN_CODECS


def _orientation(page: tifffile.TiffPage) -> int:
    tag = page.tags.get(_ORIENTATION)
    return int(tag.value) if tag is not None else 1


def _as_stored(page: tifffile.TiffPage) -> NDArray[Any]:
    """Give the values of a page, (H, W, samples), in their stored type."""
    values = page.asarray().reshape(page.shape)
    if page.axes.startswith("S"):
        values = np.moveaxis(values, 0, -1)
    return values.reshape(page.imagelength, page.imagewidth, page.samplesperpixel)


def _colours(page: tifffile.TiffPage, stored: NDArray[Any]) -> NDArray[np.float32]:
    """Give (h, W, 1 or 3) in [0, 1] of stored rows (h, W, samples)."""
    count = _COLOURS[page.photometric]
    if page.photometric == _PALETTE:
        return _through_palette(page, stored)
    values = unit_range(stored, page.bitspersample)
    colours = values[..., :count]
    if page.photometric == _GREY_INVERTED:
        colours = 1 - colours
    if page.photometric == _INKS:
        colours = cmyk_to_rgb(colours)
    # Colours that are premultiplied by alpha are already composed over black.
    if page.extrasamples and page.extrasamples[0] == _ALPHA:
        colours = over_black(colours, values[..., count : count + 1])
    return colours


def _through_palette(page: tifffile.TiffPage, stored: NDArray[np.uint8]) -> NDArray[np.float32]:
    if page.colormap is None:
        raise RefusedError("its palette is missing")
    return unit_range(page.colormap.T[stored[..., 0]], 16)
