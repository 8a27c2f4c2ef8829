"""TIFF: depths, photometric meanings, alpha, codecs and pages."""

from __future__ import annotations

import struct
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile
from numpy.typing import NDArray
from PIL import Image, ImageOps

from excision.data.decode import probe_image, read_image, read_pixels
from excision.errors import ImageError

RNG = np.random.default_rng(1)


def write(path: Path, values: np.ndarray, **options: Any) -> Path:
    tifffile.imwrite(path, values, **options)
    return path


@pytest.mark.parametrize(
    ("dtype", "full", "words"),
    [(np.uint8, 255, "grey 8-bit"), (np.uint16, 65535, "grey 16-bit"), (np.float32, 1, "grey float")],
)
@pytest.mark.parametrize("codec", [None, "deflate", "packbits"])
def test_grey_depths(tmp_path: Path, dtype: type, full: int, words: str, codec: str | None) -> None:
    values: NDArray[Any] = (RNG.random((12, 17)) * full).astype(dtype)
    if codec == "packbits" and dtype != np.uint8:
        codec = None
    path = write(tmp_path / "a.tif", values, photometric="minisblack")
    assert np.allclose(read_image(path, 1)[..., 0], values / np.float64(full), atol=1e-7)
    info = probe_image(path)
    assert (info.size, info.description, info.colour) == ((12, 17), words, False)


@pytest.mark.parametrize("planar", [False, True])
def test_sixteen_bit_colour_keeps_its_depth(tmp_path: Path, planar: bool) -> None:
    values = RNG.integers(0, 65536, (12, 17, 3), dtype=np.uint16)
    stored = np.moveaxis(values, -1, 0) if planar else values
    path = write(tmp_path / "a.tif", stored, photometric="rgb")
    assert np.array_equal(np.rint(read_image(path, 3) * 65535), values)
    assert probe_image(path).description == "RGB 16-bit"
    assert probe_image(path).size == (12, 17)


def test_white_is_zero_is_turned_round(tmp_path: Path) -> None:
    values = RNG.integers(0, 256, (12, 17), dtype=np.uint8)
    path = write(tmp_path / "a.tif", values, photometric="miniswhite")
    assert np.array_equal(np.rint(read_image(path, 1)[..., 0] * 255), 255 - values)


def test_one_bit(tmp_path: Path) -> None:
    bits = RNG.random((12, 17)) > 0.5
    Image.fromarray(bits).save(tmp_path / "a.tif")
    assert np.array_equal(read_image(tmp_path / "a.tif", 1)[..., 0], bits)
    assert probe_image(tmp_path / "a.tif").description == "1-bit"


def test_palette(tmp_path: Path) -> None:
    picture = Image.fromarray(RNG.integers(0, 256, (12, 17, 3), dtype=np.uint8)).quantize(16)
    picture.save(tmp_path / "a.tif")
    pixels = read_image(tmp_path / "a.tif", 3)
    assert np.abs(pixels * 255 - np.asarray(picture.convert("RGB"), dtype=float)).max() < 1
    assert probe_image(tmp_path / "a.tif").mode == "palette"


@pytest.mark.parametrize(("kind", "multiplied"), [("unassalpha", True), ("assocalpha", False)])
def test_alpha_lies_over_black(tmp_path: Path, kind: str, multiplied: bool) -> None:
    values = RNG.integers(0, 256, (12, 17, 4), dtype=np.uint8)
    path = write(tmp_path / "a.tif", values, photometric="rgb", extrasamples=[kind])
    colours, alpha = values[..., :3] / 255, values[..., 3:] / 255
    assert np.allclose(read_image(path, 3), colours * alpha if multiplied else colours, atol=1e-6)
    assert probe_image(path).mode == "RGB+alpha"


def test_inks(tmp_path: Path) -> None:
    values = RNG.integers(0, 256, (12, 17, 4), dtype=np.uint8)
    path = write(tmp_path / "a.tif", values, photometric="separated")
    inks = values / 255
    assert np.allclose(read_image(path, 3), (1 - inks[..., :3]) * (1 - inks[..., 3:]), atol=1e-6)


@pytest.mark.parametrize("codec", ["tiff_lzw", "jpeg", "group4"])
@pytest.mark.parametrize("orientation", [1, 6])
def test_codecs_of_pillow(tmp_path: Path, codec: str, orientation: int) -> None:
    grey = np.full((16, 24), 200, np.uint8)
    grey[:4] = 0
    image = Image.fromarray(grey > 100) if codec == "group4" else Image.fromarray(grey)
    image.save(tmp_path / "a.tif", compression=codec, tiffinfo={274: orientation})
    pixels = read_image(tmp_path / "a.tif", 1)[..., 0]
    expected = (grey > 100).astype(float) if codec == "group4" else grey / 255
    expected = np.rot90(expected, -1) if orientation == 6 else expected
    assert pixels.shape == expected.shape == probe_image(tmp_path / "a.tif").size
    assert np.abs(pixels - expected).max() < 0.05


@pytest.mark.parametrize("orientation", range(1, 9))
def test_orientation_is_that_of_other_formats(tmp_path: Path, orientation: int) -> None:
    # Not compared with Pillow's reading of the TIFF itself, which shuffles rows where sides are swapped.
    values = RNG.integers(0, 256, (12, 17), dtype=np.uint8)
    Image.fromarray(values).save(tmp_path / "a.tif", tiffinfo={274: orientation})
    exif = Image.Exif()
    exif[274] = orientation
    Image.fromarray(values).save(tmp_path / "a.png", exif=exif)
    with Image.open(tmp_path / "a.png") as image:
        expected = np.asarray(ImageOps.exif_transpose(image))
    assert np.array_equal(np.rint(read_image(tmp_path / "a.tif", 1)[..., 0] * 255), expected)
    assert probe_image(tmp_path / "a.tif").size == expected.shape


def test_several_pages_are_refused(tmp_path: Path) -> None:
    path = write(tmp_path / "a.tif", np.zeros((3, 12, 17), np.uint16), photometric="minisblack")
    for read in (probe_image, read_pixels):
        with pytest.raises(ImageError, match=r"a.tif: contains 3 pages"):
            read(path)


def test_an_imagej_stack_is_refused(tmp_path: Path) -> None:
    path = write(tmp_path / "a.tif", np.zeros((3, 12, 17), np.uint16), imagej=True)
    with pytest.raises(ImageError, match="3 pages"):
        read_pixels(path)


@pytest.mark.parametrize(
    ("values", "reason"),
    [
        (np.full((12, 17), 1.5, np.float32), "between 0 and 1"),
        (np.full((12, 17), np.nan, np.float32), "NaN"),
        (np.full((12, 17), 7, np.int32), "int32"),
        (np.zeros((4, 4), np.uint8), "too small"),
    ],
)
def test_values_without_meaning_are_refused(tmp_path: Path, values: np.ndarray, reason: str) -> None:
    path = write(tmp_path / "odd.tif", values, photometric="minisblack")
    with pytest.raises(ImageError, match=f"odd.tif: .*{reason}"):
        read_pixels(path)


def test_spectral_images_are_refused(tmp_path: Path) -> None:
    values = np.zeros((12, 17, 7), np.uint8)
    path = write(tmp_path / "a.tif", values, photometric="minisblack", planarconfig="contig")
    with pytest.raises(ImageError, match="7 channels"):
        read_pixels(path)


def test_an_extra_channel_without_meaning_is_left_out(tmp_path: Path) -> None:
    values = RNG.integers(0, 256, (12, 17, 4), dtype=np.uint8)
    path = write(tmp_path / "a.tif", values, photometric="rgb", extrasamples=["unspecified"])
    assert np.array_equal(np.rint(read_image(path, 3) * 255), values[..., :3])
    assert probe_image(path).mode == "RGB"


@pytest.mark.parametrize("keep", [6, 60, 300])
def test_truncated_files_are_refused_by_name(tmp_path: Path, keep: int) -> None:
    path = write(tmp_path / "cut.tif", RNG.integers(0, 9, (40, 40), dtype=np.uint8), photometric="minisblack")
    path.write_bytes(path.read_bytes()[:keep])
    with pytest.raises(ImageError, match=r"cut.tif"):
        read_pixels(path)


def test_the_decoder_logs_nothing_to_the_terminal(tmp_path: Path) -> None:
    path = write(tmp_path / "cut.tif", np.zeros((4, 20, 30, 3), np.uint8), photometric="rgb")
    path.write_bytes(path.read_bytes()[:300])
    # In a process of its own, because pytest takes every log message itself.
    code = (
        "import sys; from excision.data.decode import read_pixels; from excision.errors import ImageError\n"
        "try: read_pixels(sys.argv[1])\nexcept ImageError: print('refused')"
    )
    done = subprocess.run([sys.executable, "-c", code, path], capture_output=True, text=True, check=True)
    assert (done.stdout, done.stderr) == ("refused\n", "")


@pytest.mark.parametrize("bits", [4, 12])
def test_other_depths_are_refused(tmp_path: Path, bits: int) -> None:
    values = np.linspace(0, 2**bits - 1, 16 * 12).astype(np.uint16).reshape(12, 16)
    packed = np.packbits((values.reshape(-1, 1) >> np.arange(bits)[::-1] & 1).astype(np.uint8))
    tags = {256: 16, 257: 12, 258: bits, 259: 1, 262: 1, 273: 8, 277: 1, 278: 12, 279: packed.size}
    directory = struct.pack("<H", len(tags))
    directory += b"".join(struct.pack("<HHII", tag, 4, 1, value) for tag, value in tags.items())
    header = struct.pack("<4sI", b"II*\0", 8 + packed.size)
    (tmp_path / "a.tif").write_bytes(header + packed.tobytes() + directory + bytes(4))
    for read in (probe_image, read_pixels):
        with pytest.raises(ImageError, match=f"stores {bits} bits"):
            read(tmp_path / "a.tif")


def test_colour_of_16_bits_in_a_compression_without_a_reader_is_refused(tmp_path: Path) -> None:
    values = RNG.integers(0, 65536, (12, 17, 3), dtype=np.uint16)
    path = write(tmp_path / "a.tif", values, photometric="rgb")
    content = path.read_bytes()
    with tifffile.TiffFile(path) as file:
        at = file.pages[0].aspage().tags["Compression"].valueoffset
    path.write_bytes(content[:at] + struct.pack("<H", 34887) + content[at + 2 :])
    for read in (probe_image, read_pixels):
        with pytest.raises(ImageError, match=r"compression \(number 34887\) is not supported"):
            read(path)
