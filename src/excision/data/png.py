"""PNG, at its real depth and with its colour keys, decoded from nothing but the chunks that the pixels need.

Pillow decodes it, colours of 16 bits in two readings. Texts, colour profiles and other additions are passed
over, however far they would unpack.
"""

from __future__ import annotations

import io
import struct
import zlib
from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import partial
from typing import BinaryIO

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageFile

from excision.data import raster
from excision.data.magic import PNG
from excision.data.pixels import (
    Decoded,
    ImageInfo,
    RefusedError,
    alpha_colours,
    array_boxes,
    check_size,
    upright,
    upright_size,
)

_GREY, _RGB, _PALETTE, _GREY_ALPHA, _RGB_ALPHA = 0, 2, 3, 4, 6
_NAMES = {_GREY: "grey", _RGB: "RGB", _PALETTE: "palette", _GREY_ALPHA: "grey+alpha", _RGB_ALPHA: "RGB+alpha"}
_SAMPLES = {_GREY: 1, _RGB: 3, _PALETTE: 1, _GREY_ALPHA: 2, _RGB_ALPHA: 4}
_DEPTHS = {
    _GREY: (1, 2, 4, 8, 16),
    _RGB: (8, 16),
    _PALETTE: (1, 2, 4, 8),
    _GREY_ALPHA: (8, 16),
    _RGB_ALPHA: (8, 16),
}

_MOST_CHUNKS = 2**20
_LONGEST_ADDITION = 2**20
_MOST_PACKED = 1040
"""Bytes that deflate can pack into one, with a little to spare."""

_TEXTS_OF_EXIF = (b"Raw profile type exif\0", b"XML:com.adobe.xmp\0")
_END = b"\0\0\0\0IEND\xae\x42\x60\x82"


@dataclass(frozen=True, slots=True)
class _Header:
    """What the chunks of a file say about its image.

    Attributes:
        size: (H, W) as stored.
        bits: bits of one value or one palette number.
        kind: colour type: 0 grey, 2 RGB, 3 palette, 4 grey and alpha, 6 RGB and alpha.
        woven: interlaced by Adam7.
        palette: bytes of the palette; None if there is none.
        key: bytes of the colour key, or of the alpha values of the palette; None if there is none.
        orientation: EXIF orientation.
        parts: position and length in the file of the content of each chunk of pixels.
    """

    size: tuple[int, int]
    bits: int
    kind: int
    woven: bool
    palette: bytes | None
    key: bytes | None
    orientation: int
    parts: tuple[tuple[int, int], ...]

    @property
    def deep(self) -> bool:
        """Whether Pillow would reduce the values to 8 bits."""
        return self.bits == 16 and self.kind != _GREY

    def chunks(self, size: tuple[int, int]) -> bytes:
        """Give the start of a file with such pixels, not interlaced, up to the first of them."""
        height, width = size
        head = struct.pack(">IIBBBBB", width, height, self.bits, self.kind, 0, 0, 0)
        content = PNG + _chunk(b"IHDR", head)
        content += _chunk(b"PLTE", self.palette) if self.palette else b""
        return content + (_chunk(b"tRNS", self.key) if self.key else b"")


def probe(stream: BinaryIO) -> ImageInfo:
    """Read the header of a PNG file; its pixels are not decoded."""
    header = _header(stream)
    name = _NAMES[header.kind]
    if header.key and header.kind in (_GREY, _RGB):
        name += "+alpha"
    if name == "grey" and header.bits == 1:
        name = "1-bit"
    grey = header.kind in (_GREY, _GREY_ALPHA) or _grey_palette(header.palette)
    # A palette holds colours of 8 bits, however few of them there are.
    bits = 8 if header.kind == _PALETTE else header.bits
    return ImageInfo(upright_size(*header.size, header.orientation), name, bits, not grey)


def decode(stream: BinaryIO) -> Decoded:
    """Decode a PNG file; its values are kept in their stored type."""
    header = _header(stream)
    if not header.deep:
        image = raster.decode(io.BytesIO(_essence(stream, header)), _scaled_key(header))
        return replace(image, orientation=header.orientation)
    return Decoded(header.size, header.orientation, array_boxes(_deep(stream, header), _deep_colours))


def palette(stream: BinaryIO) -> tuple[NDArray[np.uint8], NDArray[np.uint8]] | None:
    """Read the numbers (H, W) and the colours (256, 3) of a file with an opaque palette; None of others."""
    header = _header(stream)
    found = raster.palette(io.BytesIO(_essence(stream, header)))
    return None if found is None else (upright(found[0], header.orientation), found[1])


def _deep(stream: BinaryIO, header: _Header) -> NDArray[np.uint16]:
    """Decode values of 16 bits to (H, W, 2, 3 or 4); a colour key becomes alpha.

    Pillow keeps 8 bits of colours, so that it reads the file once for the high bytes and once for the low
    ones. Grey and alpha it reads as four values of 8 bits, whose filters are the same.
    """
    if header.kind == _GREY_ALPHA:
        content = _essence(stream, replace(header, bits=8, kind=_RGB_ALPHA, key=None))
        return _values(content, None).view(">u2").astype(np.uint16)
    content, samples = _essence(stream, header), _SAMPLES[header.kind]
    name = {_RGB: "RGB", _RGB_ALPHA: "RGBA"}[header.kind]
    whole = np.empty((*header.size, samples + bool(header.key)), np.uint16)
    colours = whole[..., :samples]
    colours[...] = _values(content, f"{name};16B")
    colours <<= 8
    colours |= _values(content, f"{name};16L")
    if header.key:
        whole[..., -1] = 65535 * (colours != np.frombuffer(header.key, ">u2")).any(axis=-1)
    return whole


def _values(content: bytes, raw: str | None) -> NDArray[np.uint8]:
    """Decode a file to (H, W, S) with Pillow.

    Args:
        content: the file.
        raw: what Pillow shall take for stored: ";16B" gives the first byte of each value, ";16L" the second.
    """
    with raster.without_warnings(), Image.open(io.BytesIO(content), formats=("PNG",)) as picture:
        if raw is not None:
            picture.tile = [ImageFile._Tile(*tile[:3], raw) for tile in picture.tile]
        picture.load()
        return np.asarray(picture)


_deep_colours = partial(alpha_colours, 16)


def _scaled_key(header: _Header) -> int | None:
    """Give the grey that is transparent, in the scale of 8 or 16 bits that Pillow decodes to."""
    if header.kind != _GREY or not header.key:
        return None
    key = int.from_bytes(header.key[:2], "big")
    return key * 255 // (2**header.bits - 1) if header.bits < 8 else key


def _header(stream: BinaryIO) -> _Header:
    stream.seek(len(PNG))
    chunks = _chunks(stream)
    name, at, length = next(chunks)
    first = _checked(stream, at, min(length, 13))
    if name != b"IHDR" or len(first) < 13:
        raise RefusedError("it has no header; the file is damaged or not an image")
    width, height, bits, kind, packing, filters, woven = struct.unpack(">IIBBBBB", first)
    check_size(height, width)
    if bits not in _DEPTHS.get(kind, ()) or packing or filters or woven > 1:
        raise RefusedError("its header is damaged: there are no PNG files with such pixels")
    known: dict[bytes, bytes] = {}
    about, parts = b"", []
    for name, at, length in chunks:
        if name == b"IDAT":
            parts.append((at, length))
        elif name in (b"PLTE", b"tRNS", b"acTL") and name not in known and not parts:
            known[name] = _checked(stream, at, length)[:768]
        elif _tells_orientation(name, _content(stream, at, min(length, 32), 32)):
            about += _content(stream, at - 8, length + 12, _LONGEST_ADDITION)
    frames = int.from_bytes(known.get(b"acTL", b"")[:4], "big")
    if frames > 1:
        raise RefusedError(f"contains {frames} images; save each as a separate file")
    # A file of RGB may suggest a palette for poor screens.
    palette = known.get(b"PLTE") if kind == _PALETTE else None
    if kind == _PALETTE and (not palette or len(palette) % 3):
        raise RefusedError("its palette is missing or damaged")
    key = _valid_key(known.get(b"tRNS", b""), kind, bits)
    orientation = _orientation(_chunk(b"IHDR", first), about) if about else 1
    if sum(length for _, length in parts) * _MOST_PACKED < height * (width * bits * _SAMPLES[kind] // 8):
        raise RefusedError("it holds fewer pixels than its header says; the file is damaged")
    return _Header((height, width), bits, kind, bool(woven), palette, key, orientation, tuple(parts))


def _valid_key(key: bytes, kind: int, bits: int) -> bytes | None:
    """Give a colour key, unless it is none for such pixels, or a colour that they cannot have."""
    if kind == _PALETTE:
        return key or None
    values = struct.unpack(f">{len(key) // 2}H", key[: len(key) // 2 * 2])
    fits = len(values) == {_GREY: 1, _RGB: 3}.get(kind, 0)
    return key[: 2 * len(values)] if values and fits and max(values) < 2**bits else None


def _tells_orientation(name: bytes, start: bytes) -> bool:
    return name == b"eXIf" or (name in (b"tEXt", b"zTXt", b"iTXt") and start.startswith(_TEXTS_OF_EXIF))


def _orientation(head: bytes, about: bytes) -> int:
    """Let Pillow read EXIF data and its substitutes, wherever they stand in the file."""
    return raster.orientation(io.BytesIO(PNG + head + about + _chunk(b"IDAT", b"") + _END))


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
    content = bytearray(header.chunks(header.size))
    # Byte 28 tells whether the pixels are interlaced; the checksum of the chunk follows it.
    content[28] = header.woven
    content[29:33] = struct.pack(">I", zlib.crc32(content[12:29]))
    for at, length in header.parts:
        content += _chunk_at(stream, at, length)
    return bytes(content + _END)


def _checked(stream: BinaryIO, at: int, length: int) -> bytes:
    """Read the content of a chunk, which has the right checksum."""
    return _chunk_at(stream, at, length)[8:-4]


def _chunk_at(stream: BinaryIO, at: int, length: int) -> bytes:
    """Read a chunk as it stands in the file, with length, name and the right checksum."""
    stream.seek(at - 8)
    chunk = stream.read(length + 12)
    if len(chunk) < length + 12 or zlib.crc32(memoryview(chunk)[4:-4]) != int.from_bytes(chunk[-4:], "big"):
        raise RefusedError("a checksum is wrong, or a part is missing; the file is damaged")
    return chunk


def _chunk(name: bytes, content: bytes) -> bytes:
    return struct.pack(">I", len(content)) + name + content + struct.pack(">I", zlib.crc32(name + content))


def _grey_palette(palette: bytes | None) -> bool:
    if palette is None:
        return False
    colours = np.frombuffer(palette, np.uint8).reshape(-1, 3)
    return bool((colours == colours[:, :1]).all())
