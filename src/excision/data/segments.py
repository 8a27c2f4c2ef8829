"""The strips and tiles of a TIFF file, decoded in the same way for every compression.

No strip or tile is given more memory than the header says that it fills, whatever it unpacks to.
"""

from __future__ import annotations

import io
import struct
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, BinaryIO, ClassVar, Literal

import numpy as np
import tifffile
from numpy.typing import NDArray

from excision.data.codecs import BYTE_CODECS, WITH_PREDICTOR, codecs_for, fax
from excision.data.pixels import RefusedError
from excision.data.raster import without_warnings

_TILE = 2**22
"""A tile of up to this many pixels may be larger than the image; its unused part is decoded, too."""

_SLACK = 1024
"""Bytes by which a strip may be longer than its rows: some programs fill it up."""


@dataclass(frozen=True, slots=True)
class Coding:
    """How the values of a TIFF page are stored.

    Attributes:
        size: (H, W) in pixels.
        samples: values of each pixel.
        planar: each channel has strips or tiles of its own.
        bits: bits of one value: 1, 8, 16, 32 or 64.
        floating: the values are floating-point.
        byte_order: "<" or ">".
        compression: number of the compression.
        predictor: 1 for none, 2 for horizontal differences, 3 for the floating-point predictor.
        reversed_bits: the bits of each byte stand in reverse order (FillOrder 2).
        tile: (H, W) of the tiles; None for strips.
        rows: rows of each strip.
        offsets: where the strips or tiles begin in the file.
        counts: their lengths in bytes.
        tables: tables that JPEG strips share.
        ycbcr: JPEG strips store YCbCr.
        fax_options: T4Options.
    """

    NONE: ClassVar = 1
    JPEG: ClassVar = 7
    WEBP: ClassVar = 50001

    size: tuple[int, int]
    samples: int
    planar: bool
    bits: int
    floating: bool
    byte_order: Literal["<", ">"]
    compression: int
    predictor: int
    reversed_bits: bool
    tile: tuple[int, int] | None
    rows: int
    offsets: Sequence[int]
    counts: Sequence[int]
    tables: bytes | None
    ycbcr: bool
    fax_options: int

    @property
    def dtype(self) -> np.dtype[Any]:
        """Type of one decoded value; bool for one bit."""
        if self.bits == 1:
            return np.dtype(np.bool_)
        return np.dtype(f"{'f' if self.floating else 'u'}{self.bits // 8}")

    @property
    def depth(self) -> int:
        """Values of a pixel within one strip or tile."""
        return 1 if self.planar else self.samples

    @property
    def block(self) -> tuple[int, int]:
        """(H, W) of a strip or tile; the last strip may have fewer rows."""
        return self.tile or (self.rows, self.size[1])

    @property
    def grid(self) -> tuple[int, int, int]:
        """Numbers of channels stored apart, of rows and of columns of strips or tiles."""
        (height, width), (rows, columns) = self.size, self.block
        return self.samples if self.planar else 1, -(-height // rows), -(-width // columns)


def check_coding(coding: Coding) -> None:
    """Refuse a coding that is not supported or contradicts itself, before any value is decoded."""
    if coding.compression not in _SUPPORTED:
        hint = "save it uncompressed, or with LZW or deflate"
        raise RefusedError(f"its compression (number {coding.compression}) is not supported; {hint}")
    if coding.compression in _PICTURES and coding.dtype != np.uint8:
        raise RefusedError(
            f"compression {coding.compression} holds 8 bits per value; the header says otherwise"
        )
    if coding.compression in _FAX and (coding.bits, coding.depth) != (1, 1):
        raise RefusedError("fax compression holds 1 bit per pixel; the header says otherwise")
    rows, columns = coding.block
    if min(rows, columns) < 1 or rows * columns > max(4 * coding.size[0] * coding.size[1], _TILE):
        raise RefusedError(
            f"its tiles of {columns} x {rows} pixels do not suit its size; the file is damaged"
        )
    wanted = int(np.prod(coding.grid))
    if min(len(coding.offsets), len(coding.counts)) < wanted:
        raise RefusedError(f"lists {len(coding.offsets)} of its {wanted} strips or tiles; it is damaged")
    _check_predictor(coding)


def _check_predictor(coding: Coding) -> None:
    if coding.predictor == 1 or coding.compression in _FAX or coding.compression in _PICTURES:
        return
    if coding.predictor not in (2, 3):
        raise RefusedError(f"its predictor (number {coding.predictor}) is not supported; save it without one")
    if coding.compression not in WITH_PREDICTOR:
        # Programs disagree about whether the values were changed.
        raise RefusedError("names a predictor, which this compression does not have; save it without one")
    if coding.bits == 1 or (coding.predictor == 3 and not coding.floating):
        raise RefusedError("its predictor does not suit its type of values; save it without one")


def segment_values(coding: Coding, stream: BinaryIO) -> NDArray[Any]:
    """Decode all strips or tiles to (H, W, samples) in native byte order.

    Raises:
        RefusedError: one of them is missing, or does not fill what the header says.
    """
    planes, down, across = coding.grid
    _check_presence(coding, stream)
    if (planes, down, across) == (1, 1, 1) and coding.block == coding.size:
        return _segment(coding, stream, 0, coding.size[0])
    height, width = coding.size
    rows, columns = coding.block
    whole = np.empty((height, width, coding.samples), coding.dtype)
    for index in range(planes * down * across):
        plane, row, column = np.unravel_index(index, (planes, down, across))
        top, left = int(row) * rows, int(column) * columns
        values = _segment(coding, stream, index, rows if coding.tile else min(rows, height - top))
        place = whole[top : top + rows, left : left + columns]
        if coding.planar:
            place = place[..., plane : plane + 1]
        place[...] = values[: place.shape[0], : place.shape[1]]
    return whole


def _check_presence(coding: Coding, stream: BinaryIO) -> None:
    """Refuse a file that is too short, before memory is taken for the whole image."""
    stored = stream.seek(0, io.SEEK_END)
    for index in range(int(np.prod(coding.grid))):
        if not 0 < coding.offsets[index] < stored or coding.counts[index] < 1:
            raise RefusedError(f"strip or tile {index + 1} is missing; the file is damaged")
        # Fax cannot tell that it is cut off.
        if coding.compression in _FAX and coding.offsets[index] + coding.counts[index] > stored:
            raise RefusedError(f"strip or tile {index + 1} is cut off; the file is damaged")
    if coding.compression == Coding.NONE:
        height, width = coding.size
        wanted = height * -(-width * coding.depth * coding.bits // 8) * coding.grid[0]
        if min(sum(coding.counts), stored) < wanted:
            raise RefusedError(f"has {min(sum(coding.counts), stored)} of {wanted} bytes; it is cut off")


def _segment(coding: Coding, stream: BinaryIO, index: int, rows: int) -> NDArray[Any]:
    """Decode one strip or tile to (rows, columns, depth) in native byte order."""
    stream.seek(coding.offsets[index])
    count, (full, columns) = coding.counts[index], coding.block
    row = -(-columns * coding.depth * coding.bits // 8)
    data = stream.read(min(count, full * row) if coding.compression == Coding.NONE else count)
    if coding.reversed_bits and coding.compression not in _PICTURES:
        data = data.translate(_REVERSED)
    if coding.compression in _PICTURES:
        return _picture(coding, data, rows)
    if coding.compression in _FAX:
        return _fax(coding, data, rows)
    most = full * row + _SLACK
    try:
        content = BYTE_CODECS[coding.compression](data, rows * row, most + 1)
    except RefusedError:
        raise
    except Exception as error:
        # A codec says the same of damage and of more bytes than there is room for.
        raise RefusedError(
            f"strip or tile {index + 1} is damaged, or holds more than its header says ({error})"
        ) from error
    if len(content) > most:
        raise RefusedError(f"strip or tile {index + 1} holds more than the {most} bytes of its header")
    if len(content) < rows * row:
        raise RefusedError(
            f"strip or tile {index + 1} holds {len(content)} of {rows * row} bytes; it is damaged"
        )
    return _unpacked(coding, np.frombuffer(content, np.uint8, rows * row).reshape(rows, row))


def _unpacked(coding: Coding, rows: NDArray[np.uint8]) -> NDArray[Any]:
    """Give rows of bytes as values (rows, columns, depth), with the predictor undone."""
    shape = (rows.shape[0], coding.block[1], coding.depth)
    if coding.bits == 1:
        return np.unpackbits(rows, axis=1, count=shape[1] * shape[2]).view(np.bool_).reshape(shape)
    if coding.predictor == 3:
        return _from_float_differences(rows, coding.dtype, shape)
    values = rows.view(coding.dtype.newbyteorder(coding.byte_order)).reshape(shape)
    values = values.astype(coding.dtype, copy=False)
    if coding.predictor == 2:
        whole = values.view(f"u{coding.dtype.itemsize}")
        values = np.cumsum(whole, axis=1, dtype=whole.dtype).view(coding.dtype)
    return values


def _from_float_differences(
    rows: NDArray[np.uint8], dtype: np.dtype[Any], shape: tuple[int, int, int]
) -> NDArray[Any]:
    """Undo the floating-point predictor (Adobe Photoshop TIFF Technical Note 3, 2005).

    The bytes of a row are differences to the bytes of the pixel before; the first bytes of all values come
    first, then the second ones, from the most significant on.
    """
    count, columns, depth = shape
    steps = rows.reshape(count, dtype.itemsize * columns, depth)
    planes = np.cumsum(steps, axis=1, dtype=np.uint8).reshape(count, dtype.itemsize, columns * depth)
    values = np.ascontiguousarray(planes.transpose(0, 2, 1)).view(dtype.newbyteorder(">"))
    return values.astype(dtype).reshape(shape)


def _picture(coding: Coding, data: bytes, rows: int) -> NDArray[np.uint8]:
    """Decode a strip or tile that is a JPEG or WebP picture."""
    from PIL import Image, UnidentifiedImageError

    kind = _PICTURES[coding.compression]
    content = _jpeg(coding, data) if kind == "JPEG" else data
    if kind == "JPEG" and coding.depth == 2:
        return _two_channels(coding, content, rows)
    try:
        with without_warnings():
            opened = Image.open(io.BytesIO(content), formats=(kind,))
    except UnidentifiedImageError as error:
        raise RefusedError(f"a strip or tile is not a {kind} picture; the file is damaged") from error
    with opened as picture:
        _check_picture(coding, picture.height, picture.width, rows)
        converted = picture.convert("RGBA" if coding.depth == 4 else "RGB") if kind == "WEBP" else picture
        if len(converted.getbands()) != coding.depth:
            raise RefusedError(f"a strip or tile is a {picture.mode} picture; the header says otherwise")
        values = np.asarray(converted)[:rows]
    # Pillow inverts inks, as JPEG files of their own need it.
    values = 255 - values if converted.mode == "CMYK" else values
    return values.reshape(rows, coding.block[1], coding.depth)


def _check_picture(coding: Coding, height: int, width: int, rows: int) -> None:
    full, columns = coding.block
    if width != columns or not rows <= height <= full:
        raise RefusedError(
            f"a strip or tile is a picture of {width} x {height} pixels, not {columns} x {rows}; "
            "the file is damaged"
        )


def _two_channels(coding: Coding, content: bytes, rows: int) -> NDArray[np.uint8]:
    """Decode a JPEG picture of grey and alpha, which Pillow does not know."""
    decode = codecs_for("JPEG of grey and alpha").jpeg8_decode
    bits, height, width, samples = tifffile.tifffile.jpeg_shape(content)
    _check_picture(coding, height, width, rows)
    # This decoder fills up what is missing without a word.
    if (bits, samples) != (8, 2) or not content.rstrip(b"\0").endswith(b"\xff\xd9"):
        raise RefusedError("a strip or tile is cut off; the file is damaged")
    values: NDArray[np.uint8] = decode(content)[:rows]
    return values.reshape(rows, coding.block[1], 2)


def _jpeg(coding: Coding, data: bytes) -> bytes:
    """Make a JPEG file of a strip: put the shared tables and the meaning of its colours before it."""
    if data[:2] != b"\xff\xd8":
        raise RefusedError("a strip or tile is not a JPEG picture; the file is damaged")
    tables = coding.tables[2:-2] if coding.tables else b""
    # The header of the TIFF file decides, so that a JPEG decoder need not guess.
    adobe = b"\xff\xee" + struct.pack(">H5sHHHB", 14, b"Adobe", 100, 0, 0, int(coding.ycbcr))
    colours = adobe if coding.depth > 2 else b""
    return data[:2] + colours + tables + data[2:]


def _fax(coding: Coding, data: bytes, rows: int) -> NDArray[np.bool_]:
    columns = coding.block[1]
    try:
        return fax(data, coding.compression, rows, columns, coding.fax_options)[..., np.newaxis]
    except Exception as error:
        raise RefusedError(f"its fax compression is damaged ({error})") from error


_REVERSED = bytes(int(f"{byte:08b}"[::-1], 2) for byte in range(256))
"""Each byte with its bits in reverse order."""

_FAX = frozenset({2, 3, 4})
_PICTURES = {Coding.JPEG: "JPEG", Coding.WEBP: "WEBP"}
_SUPPORTED = frozenset({*BYTE_CODECS, *_FAX, *_PICTURES})
