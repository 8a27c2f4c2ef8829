"""Compressions of bytes and fax, none of which takes more memory than its caller allows.

What the core installation cannot decode needs imagecodecs, the extra `codecs`. LZW, PackBits and fax are
decoded by imagecodecs if it is installed, otherwise by the libtiff in Pillow, to the same bits.
"""

from __future__ import annotations

import io
import struct
import zlib
from collections.abc import Callable
from importlib import import_module
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from excision.data.pixels import RefusedError
from excision.data.raster import without_warnings

Codec: TypeAlias = Callable[[bytes, int, int], bytes | bytearray]
"""Unpacks bytes: at least the first number of bytes, where there are so many, and at most the second.

Beyond that it stops or raises, and it raises if they are damaged.
"""

_LZMA_MEMORY = 2**27
"""Bytes of working memory; the strongest common setting needs half of it."""

_LZW, _PACKBITS = 5, 32773


def codecs_for(what: str) -> Any:
    """Give the package imagecodecs.

    Args:
        what: what needs it, for the message: "JPEG 2000 with more than 8 bits".

    Raises:
        RefusedError: it is not installed.
    """
    found = _imagecodecs()
    if found is None:
        raise RefusedError(
            f"{what} needs the extra codecs: pip install 'excision[codecs]', or save it as PNG, "
            "or as TIFF with LZW"
        )
    return found


def _imagecodecs() -> Any:
    try:
        return import_module("imagecodecs")
    except ImportError:
        return None


def _stored(data: bytes, _least: int, _most: int) -> bytes:
    return data


def _lzw(data: bytes, least: int, most: int) -> bytes | bytearray:
    found = _imagecodecs()
    unpacked: bytes | bytearray = found.lzw_decode(data, out=most) if found else b""
    return unpacked if found else _by_libtiff(data, _LZW, least, most)


def _packbits(data: bytes, least: int, most: int) -> bytes | bytearray:
    found = _imagecodecs()
    unpacked: bytes | bytearray = found.packbits_decode(data, out=most) if found else b""
    return unpacked if found else _by_libtiff(data, _PACKBITS, least, most)


def _deflate(data: bytes, _least: int, most: int) -> bytes:
    unpacker = zlib.decompressobj()
    unpacked = unpacker.decompress(data, most)
    if not unpacker.eof and len(unpacked) < most:
        raise ValueError(f"it is cut off after {len(unpacked)} bytes")
    return unpacked


def _zstandard(data: bytes, _least: int, most: int) -> bytes | bytearray:
    unpacked: bytes | bytearray = codecs_for("Zstandard compression").zstd_decode(data, out=most)
    return unpacked


def _lzma(data: bytes, _least: int, most: int) -> bytes:
    import lzma

    return lzma.LZMADecompressor(memlimit=_LZMA_MEMORY).decompress(data, most)


BYTE_CODECS: dict[int, Codec] = {
    1: _stored,
    _LZW: _lzw,
    8: _deflate,
    32946: _deflate,
    _PACKBITS: _packbits,
    34925: _lzma,
    50000: _zstandard,
}
"""By the number of the compression in TIFF files."""

WITH_PREDICTOR = frozenset({5, 8, 32946, 34925, 50000})
"""Those that are used with a predictor."""


def fax(data: bytes, compression: int, rows: int, columns: int, options: int) -> NDArray[np.bool_]:
    """Decode fax to (rows, columns).

    Args:
        data: what is compressed.
        compression: 2 for modified Huffman, 3 for group 3, 4 for group 4.
        rows: rows.
        columns: columns.
        options: T4Options.
    """
    found = _imagecodecs()
    if found is None:
        tags = {256: columns, 257: rows, 258: 1, 259: compression, 278: rows}
        return np.asarray(_libtiff(data, tags | ({292: options} if compression == 3 else {})))
    if compression == 3:
        bits = found.ccittfax3_decode(data, rows, columns, t4options=options)
    else:
        bits = (found.ccittfax4_decode if compression == 4 else found.ccittrle_decode)(data, rows, columns)
    return np.asarray(bits, np.bool_).reshape(rows, columns)


def _by_libtiff(data: bytes, compression: int, least: int, most: int) -> bytes:
    """Unpack bytes as a row of grey values; libtiff gives as many as it is asked for, or an error."""

    def row(count: int) -> bytes:
        found: bytes = _libtiff(data, {256: count, 257: 1, 258: 8, 259: compression, 278: 1}).tobytes()
        return found

    try:
        return row(most)
    except OSError:
        return row(least)


def _libtiff(data: bytes, tags: dict[int, int]) -> Any:
    """Have Pillow decode a file of one strip.

    Raises:
        OSError: the data are damaged, or fewer than the tags say.
    """
    from PIL import Image

    tags = dict(sorted((tags | {262: 1, 273: 8, 277: 1, 279: len(data)}).items()))
    entries = b"".join(struct.pack("<HHII", tag, 4, 1, value) for tag, value in tags.items())
    content = (
        struct.pack("<2sHI", b"II", 42, 8 + len(data))
        + data
        + struct.pack("<H", len(tags))
        + entries
        + bytes(4)
    )
    with without_warnings(), Image.open(io.BytesIO(content), formats=("TIFF",)) as picture:
        picture.load()
        return picture.copy()
