"""TIFF files written byte by byte, with no code in common with the reader."""

from __future__ import annotations

import lzma
import struct
import zlib
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

Values = NDArray[Any]

NONE, LZW, DEFLATE, PACKBITS, OLD_DEFLATE, LZMA, ZSTD = 1, 5, 8, 32773, 32946, 34925, 50000
COMPRESSIONS = (NONE, LZW, DEFLATE, PACKBITS, OLD_DEFLATE, LZMA, ZSTD)

UNSIGNED, SIGNED, FLOAT, VOID, COMPLEX_INTEGER, COMPLEX = 1, 2, 3, 4, 5, 6


@dataclass(frozen=True)
class Container:
    """How values are put into a file; none of it changes what they mean."""

    compression: int = NONE
    order: str = "<"
    big: bool = False
    layout: str = "strip"
    planar: bool = False
    predictor: int = 1


def tiff(
    values: Values, bits: int, container: Container, tags: dict[int, Any], form: int | None = UNSIGNED
) -> bytes:
    """Write a TIFF file.

    Args:
        values: (H, W, S): numbers, or the bit patterns of floating-point numbers as unsigned integers.
        bits: bits of each of them.
        container: how they are stored.
        tags: further tags, in particular PhotometricInterpretation; they replace those given here.
        form: SampleFormat; None leaves it out.
    """
    height, width, samples = values.shape
    rows, columns = {"strip": (height, width), "strips": (5, width), "tiles": (16, 16)}[container.layout]
    planes = [values[..., i : i + 1] for i in range(samples)] if container.planar else [values]
    segments = [
        compressed(row_bytes(part, bits, container), container.compression)
        for plane in planes
        for part in parts(plane, rows, columns, container.layout == "tiles")
    ]
    known: dict[int, Any] = {
        256: width,
        257: height,
        258: (bits,) * samples,
        259: container.compression,
        277: samples,
        284: 2 if container.planar else 1,
    }
    if container.predictor != 1:
        known[317] = container.predictor
    if form is not None:
        known[339] = (form,) * samples
    if container.layout == "tiles":
        known |= {322: columns, 323: rows}
    else:
        known |= {278: rows}
    return joined(segments, known | tags, container)


def parts(plane: Values, rows: int, columns: int, tiles: bool) -> list[Values]:
    height, width = plane.shape[:2]
    found = []
    for top in range(0, height, rows):
        for left in range(0, width, columns):
            part = plane[top : top + rows, left : left + columns]
            if tiles:
                short = ((0, rows - part.shape[0]), (0, columns - part.shape[1]), (0, 0))
                part = np.pad(part, short, mode="edge")
            found.append(part)
    return found


def row_bytes(part: Values, bits: int, container: Container) -> bytes:
    """Give the bytes of a strip or tile, each row beginning at a byte."""
    if container.predictor == 3 and bits % 8 == 0:
        return float_differences(part, bits)
    if container.predictor == 2:
        before = np.zeros_like(part)
        before[:, 1:] = part[:, :-1]
        part = (part.astype(np.uint64) - before.astype(np.uint64)) & np.uint64(2**bits - 1)
    if bits in (8, 16, 32, 64):
        return part.astype(f"{container.order}u{bits // 8}").tobytes()
    numbers = part.reshape(part.shape[0], -1, 1).astype(np.uint32)
    lines = (numbers >> np.arange(bits - 1, -1, -1, dtype=np.uint32) & 1).astype(np.uint8)
    return np.packbits(lines.reshape(part.shape[0], -1), axis=1).tobytes()


def float_differences(part: Values, bits: int) -> bytes:
    """Give rows as the floating-point predictor stores them: high bytes first, then differences of bytes."""
    samples, size, rows = part.shape[2], bits // 8, []
    for row in part.reshape(part.shape[0], -1):
        numbers = [int(number).to_bytes(size, "big") for number in row]
        line = [number[place] for place in range(size) for number in numbers]
        rows.append(bytes((b - a) % 256 for a, b in zip([0] * samples + line, line, strict=False)))
    return b"".join(rows)


def compressed(content: bytes, compression: int) -> bytes:
    if compression == LZW:
        return lzw(content)
    if compression in (DEFLATE, OLD_DEFLATE):
        return zlib.compress(content)
    if compression == PACKBITS:
        pieces = [content[i : i + 128] for i in range(0, len(content), 128)]
        return b"".join(bytes([len(piece) - 1]) + piece for piece in pieces)
    if compression == LZMA:
        return lzma.compress(content)
    if compression == ZSTD:
        return zstandard(content)
    return content


def lzw(content: bytes) -> bytes:
    """Compress nothing: each byte is its own code, and the table is cleared before codes grow to 10 bits."""
    codes = []
    for start in range(0, len(content), 200):
        codes += [256, *content[start : start + 200]]
    line = "".join(f"{code:09b}" for code in [*codes, 257])
    line += "0" * (-len(line) % 8)
    return int(line, 2).to_bytes(len(line) // 8, "big")


def zstandard(content: bytes) -> bytes:
    """Write one frame of raw blocks."""
    frame = struct.pack("<IBI", 0xFD2FB528, 0b1010_0000, len(content))
    pieces = [content[i : i + 2**16] for i in range(0, len(content), 2**16)] or [b""]
    for number, piece in enumerate(pieces, start=1):
        head = (len(piece) << 3) | (number == len(pieces))
        frame += struct.pack("<I", head)[:3] + piece
    return frame


def joined(segments: list[bytes], tags: dict[int, Any], container: Container) -> bytes:
    """Put header, segments and the directory of the tags together; no value may be None."""
    order, big = container.order, container.big
    start = 16 if big else 8
    at, places = start, []
    for segment in segments:
        places.append(at)
        at += len(segment) + len(segment) % 2
    offsets, counts = (324, 325) if 322 in tags else (273, 279)
    tags = {offsets: tuple(places), counts: tuple(len(segment) for segment in segments)} | tags
    body = b"".join(segment + bytes(len(segment) % 2) for segment in segments)
    word, count, pointer = ("Q", "Q", 8) if big else ("I", "H", 4)
    kept = sorted((tag, value) for tag, value in tags.items() if value is not None)
    entry = 4 + 2 * pointer
    behind = start + len(body) + struct.calcsize(order + count) + entry * len(kept) + pointer
    directory, outside = struct.pack(order + count, len(kept)), b""
    for tag, value in kept:
        numbers = value if isinstance(value, tuple) else (value,)
        kind, letter = (3, "H") if max(numbers, default=0) < 2**16 else (4, "I")
        content = struct.pack(f"{order}{len(numbers)}{letter}", *numbers)
        directory += struct.pack(f"{order}HH{word}", tag, kind, len(numbers))
        if len(content) <= pointer:
            directory += content.ljust(pointer, b"\0")
        else:
            directory += struct.pack(order + word, behind + len(outside))
            outside += content + bytes(len(content) % 2)
    head = b"II" if order == "<" else b"MM"
    head += struct.pack(f"{order}HHHQ", 43, 8, 0, start + len(body)) if big else b""
    head += b"" if big else struct.pack(f"{order}HI", 42, start + len(body))
    return head + body + directory + bytes(pointer) + outside
