"""Pixels from the bytes that a camera sends, with one scale whatever the format.

Names and codes are those of the GenICam Pixel Format Naming Convention (PFNC 2.4, European Machine Vision
Association) and, for those that end in "Packed", of GigE Vision 1.2 (Automated Imaging Association).
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache
from typing import get_args

import numpy as np
from numpy.typing import NDArray

from excision.cameras.camera import Pixels
from excision.cameras.demosaic import Pattern, demosaic
from excision.errors import CameraError, DamagedFrameError

MOST_PIXELS = 2**28
"""Largest picture: 16384 x 16384."""

_NAME = re.compile(r"(Mono|Bayer[RGB]{2}|RGBa?|BGRa?)(8|10|12|14|16)(Packed|p)?")

_PACKED = {"Packed": (10, 12), "p": (10, 12)}


@dataclass(frozen=True, slots=True)
class PixelFormat:
    """How a camera writes its pixels.

    Attributes:
        name: such as "BayerRG12p".
        colours: "Mono", "RGB", "BGR", "RGBa", "BGRa", or the pattern of a Bayer sensor.
        bits: of one value.
        packing: "p" packs values from the least significant bit on, "Packed" two into three bytes; "" uses
            whole bytes, the less significant one first.
    """

    name: str
    colours: str
    bits: int
    packing: str

    @property
    def channels(self) -> int:
        """Values of one pixel."""
        return 1 if self.colours == "Mono" or self.is_bayer else len(self.colours)

    @property
    def is_bayer(self) -> bool:
        """Whether each pixel has one colour, by its place."""
        return self.colours in get_args(Pattern)

    def size(self, values: int) -> int:
        """Give the bytes of so many values."""
        if self.packing == "Packed":
            return -(-values * 3 // 2)
        return -(-values * self.bits // 8) if self.packing else values * (1 if self.bits == 8 else 2)


def pixel_format(name: str) -> PixelFormat:
    """Give the format of a name.

    Raises:
        CameraError: Excision does not know it.
    """
    # GigE Vision 1 wrote some names of whole bytes with "Packed", meaning that channels follow each other.
    match = _NAME.fullmatch({"RGB8Packed": "RGB8", "BGR8Packed": "BGR8"}.get(name, name))
    if match is not None:
        colours, bits, packing = match[1], int(match[2]), match[3] or ""
        grey = not colours.startswith(("RGB", "BGR"))
        pattern = colours.removeprefix("Bayer")
        known = colours == "Mono" or not grey or pattern in get_args(Pattern)
        if known and (not packing or (grey and bits in _PACKED[packing])):
            return PixelFormat(name, pattern, bits, packing)
    raise CameraError(
        f"the pixel format {name} is unknown here: set pixel_format to Mono, BayerRG (GR, GB, BG), RGB or "
        "BGR with 8, 10, 12 or 16 bits, such as Mono8; Mono and Bayer also packed, such as Mono12p or "
        "Mono12Packed"
    )


def to_pixels(data: bytes, name: str, size: tuple[int, int], padding: int = 0) -> Pixels:
    """Convert the bytes of a picture.

    The largest value that the format can hold becomes the largest value of the type, so that the same light
    gives the same share of full scale whatever the format.

    Args:
        data: of the picture; bytes after its end are ignored.
        name: of the pixel format.
        size: (H, W) in pixels.
        padding: bytes after each row.

    Returns:
        (H, W) or (H, W, 3) RGB; uint8 of a format with 8 bits, otherwise uint16.

    Raises:
        CameraError: the format is unknown.
        DamagedFrameError: the size is none, is too large, or the bytes are too few for it.
    """
    form = pixel_format(name)
    height, width = size
    if not (height > 0 and width > 0 and height * width <= MOST_PIXELS):
        raise DamagedFrameError(f"a picture of {width} x {height} pixels cannot be taken")
    if form.is_bayer and min(size) < 2:
        raise DamagedFrameError(f"a picture of {width} x {height} pixels is too small for colours")
    values = _values(data, form, height, width * form.channels, padding)
    pixels = values.reshape(height, width, form.channels)
    if form.is_bayer:
        pixels = demosaic(pixels[..., 0], form.colours)  # type: ignore[arg-type]  # `is_bayer` says so
    elif form.colours.startswith("BGR"):
        pixels = pixels[..., 2::-1]
    elif form.colours == "RGBa":
        pixels = pixels[..., :3]
    whole = np.ascontiguousarray(pixels if pixels.shape[2] == 3 else pixels[..., 0])
    return whole.astype(np.uint8) if form.bits == 8 else _full_scale(whole, form.bits)


def _values(data: bytes, form: PixelFormat, height: int, across: int, padding: int) -> NDArray[np.uint16]:
    """Read `height` rows of `across` values."""
    row = form.size(across)
    needed = height * (row + padding) - padding if padding else form.size(height * across)
    if len(data) < needed:
        raise DamagedFrameError(
            f"the picture has {len(data)} bytes, and {form.name} of its size needs {needed}"
        )
    if not padding:
        return _unpack(np.frombuffer(data, np.uint8, needed), form, height * across)
    stored = np.frombuffer(data, np.uint8, needed)
    starts = range(0, height * (row + padding), row + padding)
    return np.concatenate([_unpack(stored[start : start + row], form, across) for start in starts])


def _unpack(stored: NDArray[np.uint8], form: PixelFormat, count: int) -> NDArray[np.uint16]:
    """Read `count` values from bytes."""
    if form.bits == 8:
        # Sums of neighbours need more than 8 bits; all others stay as they are, uncopied.
        return stored.astype(np.uint16) if form.is_bayer else stored  # type: ignore[return-value]  # uint8
    if not form.packing:
        return stored.view("<u2").astype(np.uint16, copy=False)
    together = 8 // np.gcd(8, form.bits) if form.packing == "p" else 2
    size = -(-together * form.bits // 8)
    groups = -(-count // together)
    # One byte more than a group, because a value is read from two bytes.
    whole = np.zeros(groups * size + 1, np.uint16)
    whole[: len(stored)] = stored[: groups * size]
    read = _read_p if form.packing == "p" else _read_packed
    values = np.empty((groups, together), np.uint16)
    for place in range(together):
        values[:, place] = read(whole, place, form.bits, size)
    return values.reshape(-1)[:count]


def _read_p(whole: NDArray[np.uint16], place: int, bits: int, size: int) -> NDArray[np.uint16]:
    """Read one value of each group: PFNC writes them one after the other, least significant bit first."""
    first, shift = divmod(place * bits, 8)
    low, high = whole[first:-1:size], whole[first + 1 :: size][: len(whole) // size]
    return ((low | high << 8) >> shift & (1 << bits) - 1).astype(np.uint16)


def _read_packed(whole: NDArray[np.uint16], place: int, bits: int, size: int) -> NDArray[np.uint16]:
    """Read one of two values: GigE Vision puts their less significant bits together into the middle byte."""
    low = bits - 8
    high, middle = whole[2 * place : -1 : size], whole[1:-1:size]
    return (high << low | middle >> 4 * place & (1 << low) - 1).astype(np.uint16)


def _full_scale(values: NDArray[np.uint16], bits: int) -> NDArray[np.uint16]:
    """Scale so that the largest value of so many bits becomes 65535; to the nearest, halves up."""
    if bits == 16:
        return values.astype(np.uint16, copy=False)
    # Bits above those of the format are noise of the wire: such a value is taken as full scale.
    return _table(bits).take(values, mode="clip")


@lru_cache
def _table(bits: int) -> NDArray[np.uint16]:
    most = (1 << bits) - 1
    scaled = (np.arange(most + 1, dtype=np.uint64) * 65535 * 2 + most) // (2 * most)
    return scaled.astype(np.uint16)


def _codes() -> dict[int, str]:
    """Give the names of the codes that GigE Vision and USB3 Vision send."""
    found = {
        0x01080001: "Mono8",
        0x01100003: "Mono10",
        0x010C0004: "Mono10Packed",
        0x01100005: "Mono12",
        0x010C0006: "Mono12Packed",
        0x01100007: "Mono16",
        0x01100025: "Mono14",
        0x010A0046: "Mono10p",
        0x010C0047: "Mono12p",
        0x02180014: "RGB8",
        0x02180015: "BGR8",
        0x02200016: "RGBa8",
        0x02200017: "BGRa8",
        0x02300018: "RGB10",
        0x02300019: "BGR10",
        0x0230001A: "RGB12",
        0x0230001B: "BGR12",
        0x02300033: "RGB16",
        0x0230004B: "BGR16",
    }
    whole = {0x01080008: "8", 0x0110000C: "10", 0x01100010: "12", 0x0110002E: "16"}
    packed = {0x010C0026: "10Packed", 0x010C002A: "12Packed"}
    for first, ending in {**whole, **packed}.items():
        found |= {
            first + place: f"Bayer{pattern}{ending}" for place, pattern in enumerate(["GR", "RG", "GB", "BG"])
        }
    for place, pattern in enumerate(["BG", "GB", "GR", "RG"]):
        found |= {0x010A0052 + 2 * place: f"Bayer{pattern}10p", 0x010C0053 + 2 * place: f"Bayer{pattern}12p"}
    return found


CODES = _codes()
"""Names of the pixel formats by their 32-bit codes."""


def format_of_code(code: int) -> str:
    """Give the name of a code; of an unknown one a name that `to_pixels` refuses."""
    return CODES.get(code, f"0x{code:08X}")
