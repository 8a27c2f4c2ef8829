"""The same pixels mean the same in every format that can hold them. The files are written byte by byte."""

from __future__ import annotations

import io
import struct
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from excision.data.decode import (
    array_image,
    picture_array,
    probe_image,
    read_image,
    read_palette,
    read_pixels,
)
from excision.data.images import any_working_image
from excision.errors import ImageError
from tests.data.memory import peak_growth
from tests.data.tiff_bytes import LZW, Container, joined, tiff

RNG = np.random.default_rng(7)
SIZE = (12, 17)
Values = NDArray[Any]

ADAM7 = [(0, 0, 8, 8), (0, 4, 8, 8), (4, 0, 8, 4), (0, 2, 4, 4), (2, 0, 4, 2), (0, 1, 2, 2), (1, 0, 2, 1)]
"""First row and column of each pass, and the steps down and to the right."""


def put(path: Path, content: bytes) -> Path:
    path.write_bytes(content)
    return path


def chunk(name: bytes, content: bytes) -> bytes:
    return struct.pack(">I", len(content)) + name + content + struct.pack(">I", zlib.crc32(name + content))


def packed(values: Values, bits: int) -> list[bytes]:
    """Give the bytes of each row of (H, W, S)."""
    if bits >= 8:
        return [row.astype(f">u{bits // 8}").tobytes() for row in values]
    lines = values.reshape(len(values), -1, 1) >> np.arange(bits)[::-1] & 1
    return [np.packbits(line.astype(np.uint8)).tobytes() for line in lines.reshape(len(values), -1)]


def png(
    values: Values, bits: int, kind: int, before: bytes = b"", after: bytes = b"", woven: bool = False
) -> bytes:
    """Write a PNG file of (H, W, S), with chunks before and after the pixels; woven: interlaced by Adam7."""
    height, width = values.shape[:2]
    passes = [(0, 0, 1, 1)]
    if woven:
        passes = [
            (0, 0, 8, 8),
            (0, 4, 8, 8),
            (4, 0, 8, 4),
            (0, 2, 4, 4),
            (2, 0, 4, 2),
            (0, 1, 2, 2),
            (1, 0, 2, 1),
        ]
    rows = [
        b"\0" + row
        for top, left, down, right in passes
        if values[top::down, left::right].size
        for row in packed(values[top::down, left::right], bits)
    ]
    header = struct.pack(">IIBBBBB", width, height, bits, kind, 0, 0, woven)
    content = chunk(b"IHDR", header) + before + chunk(b"IDAT", zlib.compress(b"".join(rows))) + after
    return b"\x89PNG\r\n\x1a\n" + content + chunk(b"IEND", b"")


def random(bits: int, samples: int, size: tuple[int, int] = SIZE) -> Values:
    return RNG.integers(0, 2**bits, (*size, samples))


@pytest.mark.parametrize("woven", [False, True])
@pytest.mark.parametrize("bits", [1, 2, 4, 8, 16])
def test_grey_png_at_every_depth_with_and_without_key(tmp_path: Path, bits: int, woven: bool) -> None:
    values = random(bits, 1)
    plain = read_pixels(put(tmp_path / "a.png", png(values, bits, 0, woven=woven)))
    assert np.allclose(plain, values / (2**bits - 1), atol=1e-6)
    assert probe_image(tmp_path / "a.png").description == ("1-bit" if bits == 1 else f"grey {bits}-bit")
    key = int(values[3, 4, 0])
    path = put(
        tmp_path / "key.png", png(values, bits, 0, chunk(b"tRNS", struct.pack(">H", key)), woven=woven)
    )
    assert np.allclose(read_pixels(path), np.where(values == key, 0, values / (2**bits - 1)), atol=1e-6)
    assert (probe_image(path).mode, probe_image(path).colour) == ("grey+alpha", False)


@pytest.mark.parametrize("bits", [8, 16])
def test_colour_png_with_key(tmp_path: Path, bits: int) -> None:
    values = random(bits, 3)
    key = values[3, 4]
    path = put(tmp_path / "a.png", png(values, bits, 2, chunk(b"tRNS", struct.pack(">HHH", *key.tolist()))))
    opaque = (values != key).any(axis=2, keepdims=True)
    assert np.allclose(read_pixels(path), values / (2**bits - 1) * opaque, atol=1e-6)
    assert probe_image(path).mode == "RGB+alpha"


@pytest.mark.parametrize("bits", [8, 16])
@pytest.mark.parametrize(("kind", "samples"), [(0, 1), (2, 3), (4, 2), (6, 4)])
def test_png_and_tiff_and_array_mean_the_same(tmp_path: Path, bits: int, kind: int, samples: int) -> None:
    values = random(bits, samples)
    tags = {262: 1 if samples < 3 else 2} | ({338: 2} if samples in (2, 4) else {})
    given = put(tmp_path / "a.png", png(values, bits, kind))
    same = put(tmp_path / "a.tif", tiff(values, bits, Container(LZW, ">"), tags))
    pixels = read_pixels(given)
    assert np.array_equal(pixels, read_pixels(same))
    first, second = probe_image(given), probe_image(same)
    assert (first.size, first.mode, first.bits, first.colour) == (
        second.size,
        second.mode,
        second.bits,
        second.colour,
    )
    assert first.size == pixels.shape[:2]
    if samples != 2:
        array = values.astype(f">u{bits // 8}")
        assert np.array_equal(array_image(array, 3), read_image(given, 3))


@pytest.mark.parametrize("samples", [2, 3, 4])
@pytest.mark.parametrize("band", [1, 40, 100_000])
def test_filtered_rows_of_16_bits(
    tmp_path: Path, samples: int, band: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A row may be stored as its difference from the one above it, which may belong to another band."""
    from imagecodecs import png_encode

    monkeypatch.setattr("excision.ops.bands.BAND", band)
    smooth = np.add.outer(np.arange(24) * 700, np.arange(36) * 900)[..., np.newaxis] + random(
        4, samples, (24, 36)
    )
    values = smooth.astype(np.uint16)
    values[..., -1] = 65535 if samples != 3 else values[..., -1]
    content = bytes(png_encode(values, level=9))
    data = zlib.decompress(content[content.index(b"IDAT") + 4 : -16])
    assert any(data[1 :: 1 + 36 * 2 * samples]), "no row is filtered"
    pixels = read_pixels(put(tmp_path / "a.png", content))
    assert np.array_equal(np.rint(pixels * 65535), values if samples == 3 else values[..., :-1])


def test_nothing_is_written_to_the_terminal(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    for more in ({"woven": True}, {"before": chunk(b"PLTE", bytes(6))}, {"before": chunk(b"gAMA", bytes(4))}):
        for bits, kind, samples in ((16, 2, 3), (16, 4, 2), (8, 2, 3), (16, 0, 1)):
            read_pixels(put(tmp_path / "a.png", png(random(bits, samples), bits, kind, **more)))
    longer = png(random(16, 3), 16, 2, chunk(b"IDAT", zlib.compress(bytes(3000))))
    read_pixels(put(tmp_path / "a.png", longer))
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize("transparent", [False, True])
@pytest.mark.parametrize("bits", [1, 2, 4, 8])
def test_palette_png(tmp_path: Path, bits: int, transparent: bool) -> None:
    values, colours = random(bits, 1), RNG.integers(0, 256, (2**bits, 3), dtype=np.uint8)
    alpha = np.full(2**bits, 255)
    alpha[:2] = 0, 100
    before = chunk(b"PLTE", colours.tobytes()) + (chunk(b"tRNS", b"\0\x64") if transparent else b"")
    path = put(tmp_path / "a.png", png(values, bits, 3, before))
    expected = colours / 255 * (alpha[:, np.newaxis] / 255 if transparent else 1)
    assert np.allclose(read_pixels(path), expected[values[..., 0]], atol=1e-6)
    assert probe_image(path).mode == "palette"


@pytest.mark.parametrize("bits", [1, 8])
def test_the_numbers_of_a_palette(tmp_path: Path, bits: int) -> None:
    values, colours = random(bits, 1), RNG.integers(0, 256, (2**bits, 3), dtype=np.uint8)
    exif = Image.Exif()
    exif[274] = 6
    after = chunk(b"eXIf", exif.tobytes()[6:])
    given = put(tmp_path / "a.png", png(values, bits, 3, chunk(b"PLTE", colours.tobytes()), after))
    tags = {262: 3, 274: 6, 320: tuple(int(v) * 257 for v in colours.T.ravel())}
    same = put(tmp_path / "a.tif", tiff(values, bits, Container(LZW), tags))
    for path in (given, same):
        found = read_palette(path)
        assert found is not None
        assert np.array_equal(found[0], np.rot90(values[..., 0], -1))
        assert np.array_equal(found[1][: 2**bits], colours)
    transparent = png(values, bits, 3, chunk(b"PLTE", colours.tobytes()) + chunk(b"tRNS", b"\0"))
    assert read_palette(put(given, transparent)) is None
    assert read_palette(put(given, png(values, bits, 0))) is None


@pytest.mark.parametrize("place", ["before", "after"])
def test_the_orientation_may_stand_anywhere_in_a_png(tmp_path: Path, place: str) -> None:
    exif = Image.Exif()
    exif[274] = 6
    values = random(8, 1)
    more: dict[str, Any] = {place: chunk(b"eXIf", exif.tobytes()[6:])}
    path = put(tmp_path / "a.png", png(values, 8, 0, **more))
    assert np.array_equal(np.rint(read_pixels(path)[..., 0] * 255), np.rot90(values[..., 0], -1))
    assert probe_image(path).size == (17, 12)


@pytest.mark.parametrize("name", [b"zTXt", b"iCCP", b"iTXt"])
def test_additions_of_a_png_are_not_unpacked(tmp_path: Path, name: bytes) -> None:
    content = zlib.compress(bytes(50_000_000))
    head = {b"zTXt": b"a\0\0", b"iCCP": b"a\0\0", b"iTXt": b"a\0\1\0\0\0"}[name]
    values = random(16, 3)
    path = put(tmp_path / "a.png", png(values, 16, 2, chunk(name, head + content)))

    def read() -> None:
        assert np.allclose(read_pixels(path), values / 65535, atol=1e-6)

    assert peak_growth(read) < 5_000_000


def test_more_pixels_than_the_header_of_a_png_says(tmp_path: Path) -> None:
    header = struct.pack(">IIBBBBB", 17, 12, 16, 2, 0, 0, 0)
    content = chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(bytes(100_000_000))) + chunk(b"IEND", b"")
    path = put(tmp_path / "a.png", b"\x89PNG\r\n\x1a\n" + content)

    def read() -> None:
        try:
            assert read_pixels(path).shape == (12, 17, 3)
        except ImageError as error:
            assert "a.png" in str(error)

    assert peak_growth(read) < 5_000_000


@pytest.mark.parametrize(("bits", "kind", "samples"), [(16, 2, 3), (8, 2, 3), (16, 0, 1)])
def test_a_wrong_checksum_and_a_lying_header_are_refused(
    tmp_path: Path, bits: int, kind: int, samples: int
) -> None:
    content = bytearray(png(random(bits, samples), bits, kind))
    content[content.index(b"IDAT") + 4 + 20] ^= 1
    with pytest.raises(ImageError, match=r"a\.png: a checksum is wrong"):
        read_pixels(put(tmp_path / "a.png", bytes(content)))
    for name in (b"IHDR", b"PLTE", b"tRNS"):
        extra = chunk(b"PLTE", bytes(12)) + chunk(b"tRNS", bytes(2 * samples))
        content = bytearray(png(random(bits, samples), bits, kind, extra))
        content[content.index(name) + 5] ^= 1
        for read in (probe_image, read_pixels):
            with pytest.raises(ImageError, match=r"a\.png: a checksum is wrong"):
                read(put(tmp_path / "a.png", bytes(content)))
    head = chunk(b"IHDR", struct.pack(">IIBBBBB", 12_000, 12_000, bits, kind, 0, 0, 0))
    lying = b"\x89PNG\r\n\x1a\n" + head + chunk(b"IDAT", zlib.compress(bytes(9000))) + chunk(b"IEND", b"")
    put(tmp_path / "a.png", lying)

    def refused() -> None:
        for read in (probe_image, read_pixels):
            with pytest.raises(ImageError, match=r"a\.png: it holds fewer pixels than its header says"):
                read(tmp_path / "a.png")

    assert peak_growth(refused) < 5_000_000


@pytest.mark.parametrize("keep", [9, 30, 40, 60, -40, -12])
def test_a_png_that_is_cut_off_is_refused(tmp_path: Path, keep: int) -> None:
    path = put(tmp_path / "cut.png", png(random(16, 3), 16, 2)[:keep])
    with pytest.raises(ImageError, match=r"cut\.png"):
        read_pixels(path)


def bmp(values: Values, header: int, alpha_mask: int) -> bytes:
    """Write a BMP of (H, W, 4) with bit fields and a header of 56 (V3), 108 (V4) or 124 bytes (V5)."""
    height, width = values.shape[:2]
    pixels = values[::-1, :, [2, 1, 0, 3]].astype(np.uint8).tobytes()
    fields = struct.pack("<IIIIII", 3, len(pixels), 2835, 2835, 0, 0)
    fields += struct.pack("<IIII", 0xFF0000, 0xFF00, 0xFF, alpha_mask)
    about = struct.pack("<IiiHH", header, width, height, 1, 32) + fields
    about += bytes(header - len(about))
    start = 14 + header
    return b"BM" + struct.pack("<IHHI", start + len(pixels), 0, 0, start) + about + pixels


@pytest.mark.parametrize("header", [56, 108, 124])
def test_alpha_of_bmp(tmp_path: Path, header: int) -> None:
    values = random(8, 4)
    path = put(tmp_path / "a.bmp", bmp(values, header, 0xFF000000))
    assert np.allclose(read_pixels(path), values[..., :3] * values[..., 3:] / 255**2, atol=1e-6)
    opaque = np.rint(read_pixels(put(path, bmp(values, header, 0))) * 255)
    assert np.array_equal(opaque, values[..., :3])
    values[..., 3] = 0
    for mask in (0, 0xFF000000):
        assert np.array_equal(
            np.rint(read_pixels(put(path, bmp(values, header, mask))) * 255), values[..., :3]
        )
        assert probe_image(path).colour
        with Image.open(path) as picture:
            assert np.array_equal(array_image(picture_array(picture), 3) * 255, values[..., :3])


@pytest.mark.parametrize("full", [1, 15, 100, 255, 256, 1023, 4095, 65535])
@pytest.mark.parametrize("samples", [1, 3])
@pytest.mark.parametrize("plain", [False, True])
def test_portable_pixmaps_at_every_depth(tmp_path: Path, full: int, samples: int, plain: bool) -> None:
    values = RNG.integers(0, full + 1, (*SIZE, samples))
    kind = {(1, False): 5, (3, False): 6, (1, True): 2, (3, True): 3}[samples, plain]
    head = f"P{kind}\n# a comment 1 2 3\n17 12\n{full}\n".encode()
    text = b"# another 99\n" + b" ".join(str(v).encode() for v in values.ravel()) + b"\n"
    binary = values.astype(">u2" if full > 255 else "u1").tobytes()
    path = put(tmp_path / "a.ppm", head + (text if plain else binary))
    step = 0.5 / (65535 if full > 255 else 255)
    assert np.abs(read_pixels(path) - values / full).max() <= step + 1e-6
    assert read_pixels(path).shape[2] == samples
    info = probe_image(path)
    assert (info.size, info.bits, info.colour) == (SIZE, 16 if full > 255 else 8, samples == 3)
    with Image.open(path) as picture:
        assert np.array_equal(array_image(picture_array(picture), samples), read_pixels(path))
    for read in (
        head[:-3],
        head + (text[:40] if plain else binary[:-1]),
        head.replace(b"12", b"-1") + binary,
    ):
        with pytest.raises(ImageError, match=r"a\.ppm"):
            read_pixels(put(path, read))


def test_pbm(tmp_path: Path) -> None:
    bits = random(1, 1)[..., 0]
    plain = b"P1 17 12\n" + b"\n".join(b" ".join(b"%d" % v for v in row) for row in bits)
    binary = b"P4 17 12\n" + np.packbits(bits.astype(np.uint8), axis=1).tobytes()
    for content in (plain, binary):
        path = put(tmp_path / "a.pbm", content)
        assert np.array_equal(read_pixels(path)[..., 0], 1 - bits)
        assert probe_image(path).description == "1-bit"


def test_plain_numbers_across_pieces(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("excision.data.netpbm._PIECE", 64)
    values = random(16, 1)
    words = [f"{v}\n# not 7 a value\n" if i % 9 == 0 else f"{v} " for i, v in enumerate(values.ravel())]
    path = put(tmp_path / "a.pgm", b"P2 17 12 65535\n" + "".join(words).encode())
    assert np.array_equal(np.rint(read_pixels(path) * 65535), values)


@pytest.mark.parametrize("samples", [1, 3])
def test_jpeg_2000_of_16_bits(tmp_path: Path, samples: int) -> None:
    from imagecodecs import jpeg2k_encode

    values = random(16, samples, (32, 32)).astype(np.uint16)
    content = jpeg2k_encode(values.squeeze(), level=0, reversible=True)
    path = put(tmp_path / "a.jp2", bytes(content))
    assert np.array_equal(np.rint(read_pixels(path) * 65535), values)
    assert (probe_image(path).bits, probe_image(path).colour) == (16, samples == 3)


@pytest.mark.parametrize("suffix", ["png", "webp", "tif"])
def test_alpha_of_8_bits_in_every_format(tmp_path: Path, suffix: str) -> None:
    values = random(8, 4).astype(np.uint8)
    options: dict[str, Any] = {"lossless": True, "exact": True} if suffix == "webp" else {}
    Image.fromarray(values).save(tmp_path / f"a.{suffix}", **options)
    expected = values[..., :3] / 255 * (values[..., 3:] / 255)
    assert np.allclose(read_pixels(tmp_path / f"a.{suffix}"), expected, atol=1e-6)


def test_transparent_colour_of_gif(tmp_path: Path) -> None:
    values = random(2, 1)[..., 0].astype(np.uint8)
    picture = Image.frombytes("P", (17, 12), values.tobytes())
    picture.putpalette([250, 0, 0, 0, 250, 0, 0, 0, 250, 250, 250, 250])
    picture.save(tmp_path / "a.gif", transparency=1)
    pixels = read_pixels(tmp_path / "a.gif")
    assert pixels[values == 1].max() == 0
    assert np.allclose(pixels[values == 0], [250 / 255, 0, 0])


def test_inks_of_jpeg_are_inverted_as_adobe_writes_them(tmp_path: Path) -> None:
    inks = np.full((16, 16, 4), (255, 0, 0, 51), np.uint8)
    stream = io.BytesIO()
    Image.frombytes("CMYK", (16, 16), inks.tobytes()).save(stream, "JPEG", quality=100)
    assert b"Adobe" in stream.getvalue()
    assert np.allclose(read_pixels(put(tmp_path / "a.jpg", stream.getvalue())), [0, 0.8, 0.8], atol=0.02)


def test_a_jpeg_that_is_too_short_for_its_header_is_refused(tmp_path: Path) -> None:
    stream = io.BytesIO()
    Image.fromarray(random(8, 3, (64, 64)).astype(np.uint8)).save(stream, "JPEG")
    content = bytearray(stream.getvalue())
    at = content.index(b"\xff\xc0") + 5
    content[at : at + 4] = struct.pack(">HH", 12_000, 12_000)
    put(tmp_path / "a.jpg", bytes(content))

    def refused() -> None:
        for read in (probe_image, read_pixels):
            with pytest.raises(ImageError, match=r"a\.jpg: it holds fewer pixels than its header says"):
                read(tmp_path / "a.jpg")

    assert peak_growth(refused) < 5_000_000


@pytest.mark.parametrize("progressive", [False, True])
def test_a_flat_jpeg_is_long_enough_for_its_header(tmp_path: Path, progressive: bool) -> None:
    path = tmp_path / "a.jpg"
    Image.new("L", (4000, 4000), 128).save(path, progressive=progressive, optimize=True, quality=1)
    assert probe_image(path).size == (4000, 4000)


def test_a_large_jpeg_strip_is_read_without_a_warning(tmp_path: Path) -> None:
    stream = io.BytesIO()
    Image.new("L", (9500, 9500), 128).save(stream, "JPEG")
    tags = {256: 9500, 257: 9500, 258: 8, 259: 7, 262: 1, 277: 1, 278: 9500}
    path = put(tmp_path / "a.tif", joined([stream.getvalue()], tags, Container()))
    assert any_working_image(path, (16, 16), 1).min() == 128 * 257


def test_an_endless_gif_is_refused_in_time(tmp_path: Path) -> None:
    frames = [Image.new("L", (9, 9), value % 256) for value in range(300)]
    frames[0].save(tmp_path / "a.gif", save_all=True, append_images=frames[1:])
    for read in (probe_image, read_pixels):
        with pytest.raises(ImageError, match=r"a\.gif: contains more than 100 images"):
            read(tmp_path / "a.gif")
