from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from excision.cameras.demosaic import Pattern, demosaic
from excision.cameras.pixel_formats import CODES, pixel_format, to_pixels
from excision.errors import CameraError, DamagedFrameError

PATTERNS: dict[str, str] = {"RG": "RGGB", "GR": "GRBG", "GB": "GBRG", "BG": "BGGR"}


def written(values: list[int], bits: int, packing: str) -> bytes:
    """Write values one bit after the other, as the standards draw them."""
    if not packing:
        return b"".join(value.to_bytes(1 if bits == 8 else 2, "little") for value in values)
    if packing == "p":
        stream = "".join(format(value, f"0{bits}b")[::-1] for value in values)
        stream += "0" * (-len(stream) % 8)
        return bytes(int(stream[at : at + 8][::-1], 2) for at in range(0, len(stream), 8))
    out = bytearray()
    for first, second in zip(values[::2], [*values[1::2], 0], strict=False):
        low = bits - 8
        rest = (first % 2**low) | (second % 2**low) << 4
        out += bytes([first >> low, rest, second >> low])
    return bytes(out if len(values) % 2 == 0 else out[:-1])


def scaled(value: int, bits: int) -> int:
    return value if bits in (8, 16) else (value * 65535 * 2 + 2**bits - 1) // (2 * (2**bits - 1))


def slow_demosaic(raw: NDArray[np.uint16], colours: str) -> NDArray[np.uint16]:
    """Take the mean over the pixels of a colour among the nine around each, with the mirror at the border."""
    height, width = raw.shape
    out = np.zeros((height, width, 3), np.uint16)
    for y in range(height):
        for x in range(width):
            for channel, colour in enumerate("RGB"):
                if colours[2 * (y % 2) + x % 2] == colour:
                    out[y, x, channel] = raw[y, x]
                    continue
                found = []
                for dy in (-1, 0, 1):
                    for dx in (-1, 0, 1):
                        row, column = y + dy, x + dx
                        if colours[2 * (row % 2) + column % 2] != colour:
                            continue
                        row, column = mirrored(row, height), mirrored(column, width)
                        found.append(int(raw[row, column]))
                out[y, x, channel] = (2 * sum(found) + len(found)) // (2 * len(found))
    return out


def mirrored(place: int, size: int) -> int:
    place = abs(place)
    return 2 * (size - 1) - place if place >= size else place


@given(
    height=st.integers(1, 7),
    width=st.integers(1, 9),
    form=st.sampled_from(
        [
            "Mono8",
            "Mono10",
            "Mono12",
            "Mono14",
            "Mono16",
            "Mono10p",
            "Mono12p",
            "Mono10Packed",
            "Mono12Packed",
        ]
    ),
    padding=st.sampled_from([0, 0, 1, 3, 4]),
    seed=st.integers(0, 2**32 - 1),
)
@settings(max_examples=120, deadline=None)
def test_grey_formats_are_read_as_the_standard_writes_them(
    height: int, width: int, form: str, padding: int, seed: int
) -> None:
    known = pixel_format(form)
    values = np.random.default_rng(seed).integers(0, 2**known.bits, (height, width))
    if padding:
        rows = [written(row, known.bits, known.packing) for row in values.tolist()]
        data = (b"\xff" * padding).join(rows)
    else:
        data = written(values.ravel().tolist(), known.bits, known.packing)
    pixels = to_pixels(data, form, (height, width), padding)
    assert pixels.dtype == (np.uint8 if known.bits == 8 else np.uint16)
    assert pixels.tolist() == [[scaled(value, known.bits) for value in row] for row in values.tolist()]


@given(
    height=st.integers(2, 7),
    width=st.integers(2, 7),
    pattern=st.sampled_from(list(PATTERNS)),
    seed=st.integers(0, 2**32 - 1),
)
@settings(max_examples=60, deadline=None)
def test_colours_of_a_bayer_sensor_are_means_of_neighbours(
    height: int, width: int, pattern: Pattern, seed: int
) -> None:
    raw = np.random.default_rng(seed).integers(0, 65536, (height, width)).astype(np.uint16)
    assert np.array_equal(demosaic(raw, pattern), slow_demosaic(raw, PATTERNS[pattern]))


@pytest.mark.parametrize("form", ["8", "10", "12", "16", "10p", "12p", "10Packed", "12Packed"])
def test_every_bayer_format_gives_a_flat_light_its_colour(form: str) -> None:
    for pattern, colours in PATTERNS.items():
        known = pixel_format(f"Bayer{pattern}{form}")
        light = {"R": 2**known.bits - 1, "G": 2 ** (known.bits - 1), "B": 3}
        values = [light[colours[2 * (y % 2) + x % 2]] for y in range(6) for x in range(5)]
        pixels = to_pixels(written(values, known.bits, known.packing), known.name, (6, 5))
        assert np.array_equal(
            pixels, np.broadcast_to([scaled(light[colour], known.bits) for colour in "RGB"], (6, 5, 3))
        )


@pytest.mark.parametrize("form", ["RGB8", "BGR8", "RGBa8", "BGRa8", "RGB10", "BGR12", "RGB16", "RGB8Packed"])
def test_colours_come_as_red_green_blue(form: str) -> None:
    known = pixel_format(form)
    rgb = np.random.default_rng(0).integers(0, 2**known.bits, (4, 3, 3))
    stored = rgb[..., ::-1] if form.startswith("BGR") else rgb
    if "a" in form.removesuffix("Packed"):
        stored = np.concatenate([stored, np.full((4, 3, 1), 7)], axis=2)
    pixels = to_pixels(written(stored.ravel().tolist(), known.bits, ""), form, (4, 3))
    assert np.array_equal(pixels, np.vectorize(lambda value: scaled(value, known.bits))(rgb))


def test_the_same_light_means_the_same_in_every_format() -> None:
    for share in (0.0, 0.25, 0.5, 1.0):
        for form in CODES.values():
            known = pixel_format(form)
            most = 2**known.bits - 1
            pixels = to_pixels(
                written([round(share * most)] * 16 * known.channels, known.bits, known.packing), form, (4, 4)
            )
            assert pixels / np.iinfo(pixels.dtype).max == pytest.approx(share, abs=0.5 / most + 1e-5)


def test_too_few_bytes_are_a_damaged_picture() -> None:
    with pytest.raises(DamagedFrameError, match="the picture has 11 bytes, and Mono8 of its size needs 12"):
        to_pixels(bytes(11), "Mono8", (3, 4))
    for size in [(0, 4), (3, -1), (2**20, 2**20)]:
        with pytest.raises(DamagedFrameError, match="cannot be taken"):
            to_pixels(bytes(12), "Mono8", size)
    with pytest.raises(DamagedFrameError, match="too small for colours"):
        to_pixels(bytes(12), "BayerRG8", (1, 12))


@pytest.mark.parametrize("form", ["YUV422_8", "Mono10Packed2", "RGB12Packed", "BayerRR8", "0x01080009F", ""])
def test_an_unknown_format_is_refused_with_those_that_are_known(form: str) -> None:
    with pytest.raises(CameraError, match="set pixel_format to Mono"):
        to_pixels(bytes(12), form, (3, 4))
