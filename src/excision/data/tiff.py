"""TIFF, the format of 16-bit and floating-point images: its header, and what its values mean.

tifffile reads the header; `segments` decodes the values in the same way for every compression.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from itertools import islice
from typing import Any, BinaryIO

import numpy as np
import tifffile
from numpy.typing import NDArray

from excision.data.pixels import (
    Decoded,
    ImageInfo,
    RefusedError,
    array_boxes,
    check_size,
    cmyk_to_rgb,
    over_black,
    stored_boxes,
    unit_range,
    upright,
    upright_size,
)
from excision.data.segments import Coding, check_coding, segment_values

# tifffile logs warnings; without a handler Python would print them beside our own message.
logging.getLogger("tifffile").addHandler(logging.NullHandler())

_BITS, _PHOTOMETRIC, _ORIENTATION, _SAMPLE_FORMAT, _COEFFICIENTS, _REFERENCE = 258, 262, 274, 339, 529, 532
_GREY_INVERTED, _GREY, _RGB, _PALETTE, _INKS, _YCBCR = 0, 1, 2, 3, 5, 6
_COLOURS = {_GREY_INVERTED: 1, _GREY: 1, _RGB: 3, _PALETTE: 1, _INKS: 4, _YCBCR: 3}
_NAMES = {
    _GREY_INVERTED: "grey",
    _GREY: "grey",
    _RGB: "RGB",
    _PALETTE: "palette",
    _INKS: "CMYK",
    _YCBCR: "YCbCr",
}
_PREMULTIPLIED, _ALPHA = 1, 2
_UNSIGNED, _SIGNED, _FLOAT = 1, 2, 3
_KINDS = {_UNSIGNED: "uint", _SIGNED: "int", _FLOAT: "float"}
_DEPTHS = {_UNSIGNED: (1, 8, 16), _FLOAT: (16, 32, 64)}

# Including thumbnails; a small file may list millions of pages, which would take minutes and gigabytes to
# read.
_MOST_PAGES = 100


def probe(stream: BinaryIO) -> ImageInfo:
    """Read the header of a TIFF file; its pixels are not decoded."""
    with _page(stream) as page:
        name = "RGB" if _as_rgb(page) else _NAMES[page.photometric]
        if page.bitspersample == 1 and page.photometric in (_GREY, _GREY_INVERTED):
            name = "1-bit"
        if _alpha(page):
            name = "grey+alpha" if name == "1-bit" else f"{name}+alpha"
        size = upright_size(page.imagelength, page.imagewidth, _orientation(page))
        grey = page.photometric in (_GREY, _GREY_INVERTED) or (
            page.photometric == _PALETTE and _grey_palette(_palette(page))
        )
        return ImageInfo(size, name, page.bitspersample, not grey)


def decode(stream: BinaryIO) -> Decoded:
    """Decode a TIFF file of one page; its values are kept in their stored type."""
    with _page(stream) as page:
        values = segment_values(_coding(page), stream)
        size = (page.imagelength, page.imagewidth)
        plain = page.photometric in (_GREY, _RGB) and page.bitspersample == 8 and not _alpha(page)
        boxes = array_boxes(values, partial(_colours, page))
        # Without what else a file may keep of each pixel.
        stored = stored_boxes(values[..., : _COLOURS[page.photometric]]) if plain else None
        return Decoded(size, _orientation(page), boxes, stored)


def palette(stream: BinaryIO) -> tuple[NDArray[np.uint8], NDArray[np.uint8]] | None:
    """Read the numbers (H, W) and the colours (256, 3) of a file with an opaque palette; None of others."""
    with _page(stream) as page:
        if page.photometric != _PALETTE or page.bitspersample > 8 or _alpha(page):
            return None
        numbers = segment_values(_coding(page), stream)[..., 0].astype(np.uint8)
        colours, given = np.zeros((256, 3), np.uint8), _palette(page) // np.uint16(257)
        colours[: len(given)] = given
        return upright(numbers, _orientation(page)), colours


@contextmanager
def _page(stream: BinaryIO) -> Iterator[tifffile.TiffPage]:
    """Open a TIFF file and give its only page; reduced copies of it (thumbnails) do not count."""
    with _headers(stream) as file:
        pages = [page.aspage() for page in islice(file.pages, _MOST_PAGES + 1)]
        if len(pages) > _MOST_PAGES:
            raise RefusedError(f"contains more than {_MOST_PAGES} pages; save each as a separate file")
        # A page that is marked as a reduced copy is the image if there is nothing of which it is a copy.
        full = [page for page in pages if not page.is_reduced] or pages
        if len(full) != 1 or full[0].imagedepth != 1:
            raise RefusedError(f"contains {len(full)} pages; save each as a separate file")
        _check_meaning(full[0])
        check_coding(_coding(full[0]))
        yield full[0]


def _headers(stream: BinaryIO) -> tifffile.TiffFile:
    """Read the first header of a TIFF file."""
    try:
        return tifffile.TiffFile(stream)
    except TypeError as error:
        # tifffile has no answer to tags such as SampleFormat whose values differ between channels.
        raise RefusedError(
            "its channels are stored in different types, or its header is damaged; save them all with 8 or "
            "16 bits"
        ) from error


def _check_meaning(page: tifffile.TiffPage) -> None:
    """Refuse a header whose values have no defined meaning, in the same words for every compression."""
    check_size(page.imagelength, page.imagewidth)
    if _PHOTOMETRIC not in page.tags or page.photometric not in _COLOURS:
        kind = getattr(page.photometric, "name", page.photometric) if _PHOTOMETRIC in page.tags else "missing"
        raise RefusedError(
            f"its colours (PhotometricInterpretation {kind}) are not supported; save it as grey or RGB"
        )
    count = _COLOURS[page.photometric]
    if not count <= page.samplesperpixel <= count + 1:
        raise RefusedError(f"contains {page.samplesperpixel} channels; save it as grey or RGB")
    _check_type(page)
    if page.photometric == _PALETTE:
        _palette(page)
        if _alpha(page) == _PREMULTIPLIED:
            raise RefusedError("its palette is premultiplied by alpha, which has no meaning; save it as RGB")
    if page.photometric == _YCBCR:
        _check_ycbcr(page)


def _check_type(page: tifffile.TiffPage) -> None:
    formats, depths = _all(page, _SAMPLE_FORMAT, page.sampleformat), _all(page, _BITS, page.bitspersample)
    if len(formats) > 1 or len(depths) > 1:
        raise RefusedError("its channels are stored in different types; save them all with 8 or 16 bits")
    form, bits = formats.pop(), depths.pop()
    if form in _DEPTHS and bits in _DEPTHS[form]:
        if form == _UNSIGNED or page.photometric in (_GREY, _GREY_INVERTED, _RGB):
            return
        raise RefusedError(
            f"its {_NAMES[page.photometric]} values are floating-point; save it as grey or RGB"
        )
    if form in _KINDS and bits in (8, 16, 32, 64):
        raise RefusedError(
            f"values of type {_KINDS[form]}{bits} have no defined range; save it with 8 or 16 bits"
        )
    if form not in _KINDS:
        raise RefusedError(f"its values (SampleFormat {form}) are not supported; save it with 8 or 16 bits")
    raise RefusedError(f"stores {bits} bits per value; save it with 8 or 16")


def _all(page: tifffile.TiffPage, tag: int, default: Any) -> set[int]:
    """Give the different values of a tag that has one value for each channel."""
    value = page.tags.valueof(tag, default)
    return {int(each) for each in value} if isinstance(value, tuple) else {int(value)}


def _check_ycbcr(page: tifffile.TiffPage) -> None:
    if page.bitspersample != 8:
        raise RefusedError(f"stores YCbCr with {page.bitspersample} bits per value; save it as RGB")
    if _as_rgb(page):
        return
    coefficients = page.tags.valueof(_COEFFICIENTS)
    reference = page.tags.valueof(_REFERENCE)
    plain = coefficients is None or np.allclose(_ratios(coefficients), (0.299, 0.587, 0.114), atol=1e-3)
    full = reference is None or np.allclose(_ratios(reference), (0, 255, 128, 255, 128, 255))
    if page.is_subsampled or page.compression == Coding.WEBP or not plain or not full:
        raise RefusedError("its form of YCbCr is supported with JPEG compression only; save it as RGB")


def _as_rgb(page: tifffile.TiffPage) -> bool:
    """Tell whether the JPEG decoder converts the YCbCr of a page to RGB."""
    return page.photometric == _YCBCR and page.compression == Coding.JPEG and page.planarconfig == 1


def _ratios(pairs: tuple[int, ...]) -> NDArray[np.float64]:
    top, bottom = np.array(pairs, np.float64).reshape(-1, 2).T
    return top / np.maximum(bottom, 1)


def _coding(page: tifffile.TiffPage) -> Coding:
    """Gather what decoding needs of a header that has been checked."""
    tile = (page.tilelength, page.tilewidth) if page.is_tiled else None
    return Coding(
        size=(page.imagelength, page.imagewidth),
        samples=page.samplesperpixel,
        planar=page.planarconfig == 2 and page.samplesperpixel > 1,
        bits=page.bitspersample,
        floating=page.sampleformat == _FLOAT,
        byte_order=">" if page.parent.byteorder == ">" else "<",
        compression=int(page.compression),
        predictor=int(page.predictor),
        reversed_bits=page.fillorder == 2,
        tile=tile,
        rows=page.rowsperstrip,
        offsets=page.dataoffsets,
        counts=page.databytecounts,
        tables=page.jpegtables,
        ycbcr=_as_rgb(page),
        fax_options=int(page.tags.valueof(292, 0)),
    )


def _orientation(page: tifffile.TiffPage) -> int:
    return int(page.tags.valueof(_ORIENTATION, 1))


def _alpha(page: tifffile.TiffPage) -> int:
    """Give the kind of the channel beyond the colours if it is alpha, otherwise 0."""
    extra = page.extrasamples
    known = page.samplesperpixel > _COLOURS[page.photometric] and extra
    return int(extra[0]) if known and extra[0] in (_PREMULTIPLIED, _ALPHA) else 0


def _colours(page: tifffile.TiffPage, stored: NDArray[Any]) -> NDArray[np.float32]:
    """Give (h, w, 1 or 3) in [0, 1] of stored values (h, w, samples)."""
    count, alpha = _COLOURS[page.photometric], _alpha(page)
    layers = unit_range(stored[..., : count + 1] if alpha else stored[..., :count], page.bitspersample)
    colours, opaque = layers[..., :count], layers[..., count:]
    if page.photometric == _PALETTE:
        colours = unit_range(_palette(page)[stored[..., 0].astype(np.intp)], 16)
    elif page.photometric == _YCBCR and not _as_rgb(page):
        colours = _ycbcr_to_rgb(stored[..., :3])
    elif page.photometric == _GREY_INVERTED:
        # Premultiplied, white is the alpha itself.
        colours = np.maximum(opaque - colours, 0) if alpha == _PREMULTIPLIED else 1 - colours
    elif page.photometric == _INKS:
        if alpha == _PREMULTIPLIED:
            colours = np.minimum(colours / np.maximum(opaque, np.float32(1e-6)), 1)
        colours = cmyk_to_rgb(colours)
    # Grey and RGB that are premultiplied by alpha are already composed over black.
    laid = alpha == _ALPHA or (alpha == _PREMULTIPLIED and page.photometric == _INKS)
    return over_black(colours, opaque) if laid else colours


def _ycbcr_to_rgb(stored: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Convert YCbCr as JPEG files do, with 8 bits."""
    from PIL import Image

    picture = Image.merge("YCbCr", [Image.fromarray(np.ascontiguousarray(stored[..., i])) for i in range(3)])
    return unit_range(np.asarray(picture.convert("RGB")), 8)


def _palette(page: tifffile.TiffPage) -> NDArray[np.uint16]:
    """Give the palette as (colours, 3) uint16."""
    palette, count = page.colormap, 2**page.bitspersample
    if palette is None:
        raise RefusedError("its palette is missing")
    if palette.shape != (3, count):
        raise RefusedError(f"its palette has {palette.size} values, not {3 * count}")
    colours: NDArray[np.uint16] = np.asarray(palette, np.uint16).T
    # Many programs write colours of 8 bits: the oldest as they are, libtiff in the upper half.
    old, eight = colours.max() < 256, not (colours & np.uint16(255)).any()
    if old or eight:
        colours = (colours if old else colours // np.uint16(256)) * np.uint16(257)
    return colours


def _grey_palette(palette: NDArray[np.uint16]) -> bool:
    return bool((palette == palette[:, :1]).all())
