"""PGM and PPM at their real depth: 1 to 16 bits, binary and plain.

PBM, which has no depth, and the rarer members of the family are left to Pillow.
"""

from __future__ import annotations

import re
from functools import partial
from typing import BinaryIO

import numpy as np
from numpy.typing import NDArray

from excision.data.pixels import Decoded, ImageInfo, RefusedError, array_boxes, check_size, unit_range

_HEADER = re.compile(rb"(P[2356])" + 3 * rb"(?:\s|#[^\r\n]*[\r\n])+(\d{1,9})" + rb"(?:#[^\r\n]*)?\s")
_COMMENT = re.compile(rb"#[^\r\n]*")
_LONGEST_HEADER = 2**16
_PIECE = 2**20


def probe(stream: BinaryIO) -> ImageInfo:
    """Read the header of a PGM or PPM file; its pixels are not decoded."""
    size, channels, full, _, _ = _header(stream)
    return ImageInfo(size, "RGB" if channels == 3 else "grey", 16 if full > 255 else 8, channels == 3)


def decode(stream: BinaryIO) -> Decoded:
    """Decode a PGM or PPM file to 8 bits, or to 16 if its largest value is above 255."""
    size, channels, full, plain, start = _header(stream)
    count = size[0] * size[1] * channels
    stream.seek(start)
    stored = _plain(stream, count) if plain else _binary(stream, count, full)
    if len(stored) < count:
        raise RefusedError(f"holds {len(stored)} of {count} values; it is cut off")
    return Decoded(size, 1, array_boxes(stored.reshape(*size, channels), partial(_scaled, full)))


def _header(stream: BinaryIO) -> tuple[tuple[int, int], int, int, bool, int]:
    """Give (H, W), channels, largest value, whether numbers are written as text, and where they begin."""
    stream.seek(0)
    found = _HEADER.match(stream.read(_LONGEST_HEADER))
    if found is None:
        raise RefusedError("its header is damaged")
    kind, (width, height, full) = found[1], (int(found[i]) for i in (2, 3, 4))
    check_size(height, width)
    if not 0 < full < 2**16:
        raise RefusedError(f"its largest value is {full}; it must be between 1 and 65535")
    return (height, width), 3 if kind in (b"P3", b"P6") else 1, full, kind in (b"P2", b"P3"), found.end()


def _binary(stream: BinaryIO, count: int, full: int) -> NDArray[np.unsignedinteger]:
    kind = np.dtype(">u2" if full > 255 else "u1")
    content = stream.read(count * kind.itemsize)
    return np.frombuffer(content, kind, len(content) // kind.itemsize)


def _plain(stream: BinaryIO, count: int) -> NDArray[np.unsignedinteger]:
    """Read numbers that are written as text, a piece at a time."""
    values, known, rest = np.empty(count, np.uint16), 0, b""
    while known < count:
        piece = stream.read(_PIECE)
        text = rest + piece
        end = _last_complete(text) if piece else len(text)
        words, rest = _COMMENT.sub(b"", text[:end]).split(), text[end:]
        if any(len(word) > 5 or not word.isdigit() for word in words) or len(rest) > _PIECE:
            raise RefusedError("contains something other than numbers; the file is damaged")
        numbers = np.array(words[: count - known], dtype="S5").astype(np.uint32)
        if numbers.max(initial=0) >= 2**16:
            raise RefusedError("contains a number above 65535; the file is damaged")
        values[known : known + len(numbers)] = numbers
        known += len(numbers)
        if not piece:
            break
    return values[:known]


def _last_complete(text: bytes) -> int:
    """Give the end of the last number or comment that surely ends within a text."""
    comment = text.rfind(b"#")
    if comment > max(text.rfind(b"\n"), text.rfind(b"\r")):
        return comment
    return max(text.rfind(blank) for blank in (b" ", b"\n", b"\r", b"\t")) + 1


def _scaled(full: int, stored: NDArray[np.unsignedinteger]) -> NDArray[np.float32]:
    """Scale values from [0, full] to [0, 1] in steps of 8 or 16 bits; larger ones count as `full`."""
    kind, white = (np.uint16, 65535) if full > 255 else (np.uint8, 255)
    values = stored.astype(kind, copy=False)
    if full != white:
        table = np.rint(np.arange(white + 1).clip(max=full) / full * white).astype(kind)
        values = table[values]
    return unit_range(values, 8 * values.dtype.itemsize)
