"""PNG, decoded by libpng at its real depth and with its colour keys, from the few chunks that matter.

Texts, colour profiles and other additions are passed over, however far they would unpack.
"""

from __future__ import annotations

import io
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from excision.data import raster
from excision.data.pixels import (
    Decoded,
    ImageInfo,
    RefusedError,
    alpha_colours,
    array_boxes,
    check_size,
    upright_size,
)

MAGIC = b"\x89PNG\r\n\x1a\n"

_GREY, _PALETTE, _ALPHA = 0, 3, 4
_NAMES = {0: "grey", 2: "RGB", 3: "palette", 4: "grey+alpha", 6: "RGB+alpha"}
_DEPTHS = {0: (1, 2, 4, 8, 16), 2: (8, 16), 3: (1, 2, 4, 8), 4: (8, 16), 6: (8, 16)}

_MOST_CHUNKS = 2**20
_LARGEST_TABLE = 2**20
"""Bytes of a palette or of EXIF data that are read."""

_TEXTS_OF_EXIF = (b"Raw profile type exif\0", b"XML:com.adobe.xmp\0")
_NO_PIXELS = b"\0\0\0\0IDAT\x35\xaf\x06\x1e"
_END = b"\0\0\0\0IEND\xae\x42\x60\x82"


@dataclass(frozen=True, slots=True)
class _Header:
    """What the chunks of a file say about its image.

    Attributes:
        size: (H, W) as stored.
        bits: bits of one value or one palette number.
        kind: colour type: 0 grey, 2 RGB, 3 palette, 4 grey and alpha, 6 RGB and alpha.
        palette: bytes of the palette; None if there is none.
        key: whether a colour key, or alpha values of the palette, are given.
        orientation: EXIF orientation.
        parts: position and length in the file of each chunk that the pixels depend on.
    """

    size: tuple[int, int]
    bits: int
    kind: int
    palette: bytes | None
    key: bool
    orientation: int
    parts: tuple[tuple[int, int], ...]


def probe(stream: BinaryIO) -> ImageInfo:
    """Read the header of a PNG file; its pixels are not decoded."""
    header = _header(stream)
    name = _NAMES[header.kind]
    if header.key and header.kind in (0, 2):
        name += "+alpha"
    if name == "grey" and header.bits == 1:
        name = "1-bit"
    grey = header.kind in (_GREY, _ALPHA) or (header.palette is not None and _grey_palette(header.palette))
    # A palette holds colours of 8 bits, however few of them there are.
    bits = 8 if header.kind == _PALETTE else header.bits
    return ImageInfo(upright_size(*header.size, header.orientation), name, bits, not grey)


def decode(stream: BinaryIO) -> Decoded:
    """Decode a PNG file; its values are kept in their stored type."""
    from imagecodecs import png_decode

    header = _header(stream)
    values: NDArray[Any] = png_decode(_essence(stream, header))
    if values.shape[:2] != header.size:
        raise RefusedError("its size changes within the file; it is damaged")
    values = values.reshape(*header.size, -1)
    bits = 8 * values.dtype.itemsize
    return Decoded(header.size, header.orientation, array_boxes(values, partial(alpha_colours, bits)))


def _header(stream: BinaryIO) -> _Header:
    stream.seek(len(MAGIC))
    size, bits, kind = (0, 0), 0, -1
    palette, key, about, parts = None, False, b"", []
    for name, at, length in _chunks(stream):
        if name == b"IHDR":
            width, height, bits, kind = struct.unpack(">IIBB", _content(stream, at, length, 10))
            size = (height, width)
            check_size(*size)
            if bits not in _DEPTHS.get(kind, ()):
                raise RefusedError("its header is damaged: no PNG file has such a depth and colours")
        elif name == b"PLTE":
            palette = _content(stream, at, length, _LARGEST_TABLE)
        elif name == b"tRNS":
            key = True
        elif name == b"acTL":
            frames = int.from_bytes(_content(stream, at, length, 4), "big")
            if frames > 1:
                raise RefusedError(f"contains {frames} images; save each as a separate file")
        elif _tells_orientation(name, _content(stream, at, length, 32)):
            about += _content(stream, at - 8, length + 12, _LARGEST_TABLE)
        if name in (b"IHDR", b"PLTE", b"tRNS", b"IDAT"):
            parts.append((at - 8, length + 12))
    if kind < 0:
        raise RefusedError("it has no header; the file is damaged or not an image")
    orientation = _orientation(stream, parts[0], about) if about else 1
    return _Header(size, bits, kind, palette, key, orientation, tuple(parts))


def _tells_orientation(name: bytes, start: bytes) -> bool:
    return name == b"eXIf" or (name in (b"tEXt", b"zTXt", b"iTXt") and start.startswith(_TEXTS_OF_EXIF))


def _orientation(stream: BinaryIO, first: tuple[int, int], about: bytes) -> int:
    """Let Pillow read EXIF data and its substitutes, wherever they stand in the file."""
    head = MAGIC + _content(stream, first[0], first[1], first[1])
    return raster.orientation(io.BytesIO(head + about + _NO_PIXELS + _END))


def _chunks(stream: BinaryIO) -> Iterator[tuple[bytes, int, int]]:
    """Give name, position and length of the content of each chunk."""
    for _ in range(_MOST_CHUNKS):
        start = stream.tell()
        head = stream.read(8)
        if len(head) < 8:
            raise RefusedError("it is cut off; the file is damaged")
        length, name = struct.unpack(">I4s", head)
        yield name, start + 8, length
        if name == b"IEND":
            return
        stream.seek(start + 12 + length)
    raise RefusedError(f"has more than {_MOST_CHUNKS} chunks; the file is damaged")


def _content(stream: BinaryIO, at: int, length: int, most: int) -> bytes:
    stream.seek(at)
    return stream.read(min(length, most))


def _essence(stream: BinaryIO, header: _Header) -> bytes:
    """Give the file with nothing in it but its image."""
    content = bytearray(MAGIC)
    for at, length in header.parts:
        stream.seek(at)
        content += stream.read(length)
    return bytes(content + _END)


def _grey_palette(palette: bytes) -> bool:
    colours = np.frombuffer(palette[: len(palette) // 3 * 3], np.uint8).reshape(-1, 3)
    return bool((colours == colours[:, :1]).all())
