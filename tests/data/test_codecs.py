"""With and without imagecodecs the same pixels come out, or one sentence says that it is needed."""

from __future__ import annotations

import io
import struct
import sys
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import imagecodecs
import numpy as np
import pytest
import tifffile
from PIL import Image

from excision.cli import run as command_line
from excision.data.decode import probe_image, read_pixels
from excision.errors import ImageError
from tests.data.test_containers import png
from tests.data.tiff_bytes import LZW, PACKBITS, ZSTD, Container, compressed, joined, tiff

RNG = np.random.default_rng(7)
SMOOTH = np.add.outer(np.arange(70) * 300, np.arange(90) * 500) % 65536
DEEP = (SMOOTH[..., np.newaxis] + RNG.integers(0, 900, (70, 90, 4))).astype(np.uint16)
BYTES = (DEEP >> 8).astype(np.uint8)


@pytest.fixture
def without(monkeypatch: pytest.MonkeyPatch) -> Callable[[], None]:
    """Give what hides imagecodecs from here on."""
    return lambda: monkeypatch.setitem(sys.modules, "imagecodecs", None)


def tifffile_bytes(values: Any, **options: Any) -> bytes:
    stream = io.BytesIO()
    tifffile.imwrite(stream, values, **options)
    return stream.getvalue()


def pillow_bytes(values: Any, form: str, **options: Any) -> bytes:
    stream = io.BytesIO()
    Image.fromarray(values).save(stream, form, **options)
    return stream.getvalue()


FAX = BYTES[..., 0] > 128
SAME = {
    "png-rgb": bytes(imagecodecs.png_encode(DEEP[..., :3].copy(), level=6)),
    "png-rgba": bytes(imagecodecs.png_encode(DEEP, level=6)),
    "png-grey-alpha": bytes(imagecodecs.png_encode(DEEP[..., :2].copy(), level=6)),
    "png-grey": pillow_bytes(DEEP[..., 0], "PNG"),
    "png-woven": png(DEEP[..., :3].astype(np.int64), 16, 2, woven=True),
    "png-woven-alpha": png(DEEP.astype(np.int64), 16, 6, woven=True),
    "png-grey-alpha-woven": png(DEEP[..., :2].astype(np.int64), 16, 4, woven=True),
    "lzw-8": tifffile_bytes(BYTES[..., :3], compression="lzw", photometric="rgb"),
    "lzw-16-strips": tifffile_bytes(DEEP[..., 0], compression="lzw", predictor=True, rowsperstrip=16),
    "lzw-16-tiles": tifffile_bytes(DEEP[..., :3], compression="lzw", tile=(32, 32), photometric="rgb"),
    "lzw-float": tifffile_bytes((DEEP[..., 0] / 65535).astype(np.float32), compression="lzw", predictor=3),
    "deflate-16": tifffile_bytes(DEEP[..., :3], compression="zlib", predictor=True, photometric="rgb"),
    "deflate-float": tifffile_bytes(
        (DEEP[..., :3] / 65535).astype(np.float64), compression="zlib", predictor=3, photometric="rgb"
    ),
    "packbits": tifffile_bytes(BYTES[..., 0] // 32, compression="packbits", rowsperstrip=16),
    "lzma": tifffile_bytes(DEEP[..., 0], compression="lzma"),
    "jpeg": tifffile_bytes(BYTES[..., :3], compression="jpeg", photometric="rgb"),
    "fax-3": pillow_bytes(FAX, "TIFF", compression="group3"),
    "fax-4": pillow_bytes(FAX, "TIFF", compression="group4"),
    "fax-2": pillow_bytes(FAX, "TIFF", compression="tiff_ccitt"),
    "jp2-8": pillow_bytes(BYTES[..., :3], "JPEG2000"),
    "jp2-grey-16": bytes(imagecodecs.jpeg2k_encode(DEEP[..., 0].copy(), level=0, reversible=True)),
}


@pytest.mark.parametrize("name", SAME)
def test_pixels_are_the_same_without_it(name: str, tmp_path: Path, without: Callable[[], None]) -> None:
    path = tmp_path / "a"
    path.write_bytes(SAME[name])
    before, told = read_pixels(path), probe_image(path)
    without()
    np.testing.assert_array_equal(read_pixels(path), before)
    assert probe_image(path) == told


def test_depth_of_colours_is_that_of_the_file(tmp_path: Path, without: Callable[[], None]) -> None:
    """Against libpng, which is not asked any more: every bit of every value."""
    without()
    (tmp_path / "a.png").write_bytes(SAME["png-rgb"])
    found = np.rint(read_pixels(tmp_path / "a.png").astype(np.float64) * 65535)
    np.testing.assert_array_equal(found, imagecodecs.png_decode(SAME["png-rgb"]))


def test_a_colour_key_of_16_bits_is_compared_in_full(tmp_path: Path) -> None:
    values = np.array([[[256, 512, 768], [257, 512, 768]]])
    key = struct.pack(">3H", 256, 512, 768)
    chunk = struct.pack(">I", 6) + b"tRNS" + key + struct.pack(">I", zlib.crc32(b"tRNS" + key))
    (tmp_path / "a.png").write_bytes(png(np.tile(values, (9, 9, 1)), 16, 2, chunk))
    pixels = read_pixels(tmp_path / "a.png")
    assert not pixels[:, ::2].any() and pixels[:, 1::2].all()


NEEDED = {
    "zstd.tif": (tiff(BYTES[..., :1], 8, Container(ZSTD), {262: 1}), "Zstandard"),
    "colour.jp2": (
        bytes(imagecodecs.jpeg2k_encode(DEEP[..., :3].copy(), level=0, reversible=True)),
        "JPEG 2000 with more than 8 bits",
    ),
}


@pytest.mark.parametrize("name", NEEDED)
def test_what_needs_it_says_so(
    name: str, tmp_path: Path, without: Callable[[], None], capsys: pytest.CaptureFixture[str]
) -> None:
    path, (content, what) = tmp_path / name, NEEDED[name]
    path.write_bytes(content)
    assert read_pixels(path).any()
    told = probe_image(path)
    without()
    assert probe_image(path) == told
    with pytest.raises(ImageError, match=rf"{name}: {what}.* pip install 'excision\[codecs\]'"):
        read_pixels(path)
    command_line(["check", str(tmp_path)])
    assert "pip install 'excision[codecs]'" in " ".join(capsys.readouterr().out.split())


@pytest.mark.parametrize("compression", [LZW, PACKBITS])
@pytest.mark.parametrize(("length", "said"), [(3000, "holds more than"), (255, "damaged")])
def test_strips_of_a_wrong_length_are_refused_without_it(
    compression: int, length: int, said: str, tmp_path: Path, without: Callable[[], None]
) -> None:
    without()
    tags = {256: 16, 257: 16, 258: 8, 259: compression, 262: 1, 277: 1, 278: 16}
    segment = compressed(bytes(length), compression)
    (tmp_path / "a.tif").write_bytes(joined([segment], tags, Container()))
    with pytest.raises(ImageError, match=rf"a\.tif: .*{said}"):
        read_pixels(tmp_path / "a.tif")
