"""Lossless compressions of bytes, none of which takes more memory than its caller allows."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeAlias

Codec: TypeAlias = Callable[[bytes, int], bytes | bytearray]
"""Unpacks bytes to at most so many; beyond that it stops or raises, and it raises if they are damaged."""

_LZMA_MEMORY = 2**27
"""Bytes of working memory; the strongest common setting needs half of it."""


def _stored(data: bytes, _most: int) -> bytes:
    return data


def _lzw(data: bytes, most: int) -> bytes | bytearray:
    from imagecodecs import lzw_decode

    return lzw_decode(data, out=most)


def _deflate(data: bytes, most: int) -> bytes | bytearray:
    from imagecodecs import deflate_decode

    return deflate_decode(data, out=most)


def _packbits(data: bytes, most: int) -> bytes | bytearray:
    from imagecodecs import packbits_decode

    return packbits_decode(data, out=most)


def _zstandard(data: bytes, most: int) -> bytes | bytearray:
    from imagecodecs import zstd_decode

    return zstd_decode(data, out=most)


def _lzma(data: bytes, most: int) -> bytes:
    import lzma

    return lzma.LZMADecompressor(memlimit=_LZMA_MEMORY).decompress(data, most)


BYTE_CODECS: dict[int, Codec] = {
    1: _stored,
    5: _lzw,
    8: _deflate,
    32946: _deflate,
    32773: _packbits,
    34925: _lzma,
    50000: _zstandard,
}
"""By the number of the compression in TIFF files."""

WITH_PREDICTOR = frozenset({5, 8, 32946, 34925, 50000})
"""Those that are used with a predictor."""
