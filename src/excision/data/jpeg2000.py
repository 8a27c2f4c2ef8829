"""JPEG 2000 with more than 8 bits per colour, which Pillow would reduce to 8; Pillow decodes the rest."""

from __future__ import annotations

import struct
from functools import partial
from typing import Any, BinaryIO

from numpy.typing import NDArray

from excision.data import raster
from excision.data.codecs import codecs_for
from excision.data.pixels import Decoded, ImageInfo, RefusedError, alpha_colours, array_boxes, check_size

_SIZE = b"\xff\x4f\xff\x51"
_MOST_BOXES = 1000
_NAMES = {2: "grey+alpha", 3: "RGB", 4: "RGB+alpha"}


def probe(stream: BinaryIO) -> ImageInfo:
    """Read the header of a JPEG 2000 file; its pixels are not decoded."""
    size, bits, samples = _header(stream)
    if not _deep(bits, samples):
        return raster.probe(stream)
    return ImageInfo(size, _NAMES[samples], 16, samples > 2)


def decode(stream: BinaryIO) -> Decoded:
    """Decode a JPEG 2000 file; colours of 9 to 15 bits fill 16 bits from above, as grey ones do."""
    size, bits, samples = _header(stream)
    if not _deep(bits, samples):
        return raster.decode(stream)
    decode = codecs_for("JPEG 2000 with more than 8 bits per colour").jpeg2k_decode
    stream.seek(0)
    values: NDArray[Any] = decode(stream.read())
    if values.shape != (*size, samples) or values.dtype.kind != "u" or values.dtype.itemsize != 2:
        raise RefusedError("its channels are stored in different ways; save it as PNG or TIFF")
    values <<= 16 - bits
    return Decoded(size, 1, array_boxes(values, partial(alpha_colours, 16)))


def _deep(bits: int, samples: int) -> bool:
    return bits > 8 and samples in _NAMES


def _header(stream: BinaryIO) -> tuple[tuple[int, int], int, int]:
    """Give (H, W), bits and samples of a pixel."""
    stream.seek(0)
    if stream.read(4) != _SIZE:
        _find_codestream(stream)
    head = stream.read(38)
    if len(head) < 38:
        raise RefusedError("it is cut off; the file is damaged")
    _, _, right, bottom, left, top, *_, samples = struct.unpack(">HH8IH", head)
    size = (bottom - top, right - left)
    check_size(*size)
    # One byte of depth and two of resolution for each component.
    components = stream.read(3 * samples)
    if len(components) < 3 * samples or not samples:
        raise RefusedError("it is cut off; the file is damaged")
    bits = (components[0] & 0x7F) + 1
    if bits > 16 or components[0] & 0x80:
        raise RefusedError(f"stores {bits} bits per value, or signed values; save it with 8 or 16 bits")
    if components != components[:3] * samples and max(components[::3]) > 7:
        raise RefusedError("its channels are stored in different ways; save it as PNG or TIFF")
    return size, bits, samples


def _find_codestream(stream: BinaryIO) -> None:
    """Go to the content of the box that holds the image, behind its first marker."""
    stream.seek(0)
    for _ in range(_MOST_BOXES):
        start = stream.tell()
        head = stream.read(8)
        if len(head) < 8:
            break
        length, name = struct.unpack(">I4s", head)
        if length == 1:
            length = int.from_bytes(stream.read(8), "big")
        if name == b"jp2c":
            if stream.read(4) == _SIZE:
                return
            break
        if length < 8:
            break
        stream.seek(start + length)
    raise RefusedError("it holds no image; the file is damaged")
