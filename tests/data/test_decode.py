"""Every image mode has one meaning, and every broken file one clear error."""

from __future__ import annotations

import io
import os
import struct
import tempfile
import warnings
import zlib
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from PIL import Image, ImageOps

from excision.data.decode import array_image, probe_image, read_image, read_pixels
from excision.data.listing import list_images
from excision.data.masks import examine_mask
from excision.data.pixels import MAX_PIXELS, RefusedError, unit_range, upright, upright_size
from excision.errors import ImageError
from excision.ops.colour import LUMA

RNG = np.random.default_rng(0)
GREY = RNG.integers(0, 256, (12, 17), dtype=np.uint8)
COLOUR = RNG.integers(0, 256, (12, 17, 3), dtype=np.uint8)


def save(image: Image.Image, path: Path, **options: Any) -> Path:
    image.save(path, **options)
    return path


def test_grey_is_divided_by_255(tmp_path: Path) -> None:
    path = save(Image.fromarray(GREY), tmp_path / "a.png")
    pixels = read_image(path, 1)
    assert pixels.dtype == np.float32
    assert np.array_equal(pixels[..., 0], GREY.astype(np.float32) / np.float32(255))
    info = probe_image(path)
    assert (info.size, info.description, info.colour) == ((12, 17), "grey 8-bit", False)


def test_grey_as_colour_is_repeated(tmp_path: Path) -> None:
    pixels = read_image(save(Image.fromarray(GREY), tmp_path / "a.png"), 3)
    assert pixels.shape == (12, 17, 3)
    assert np.array_equal(pixels[..., 0], pixels[..., 2])


def test_colour_as_grey_is_the_luma_that_pillow_computes(tmp_path: Path) -> None:
    image = Image.fromarray(COLOUR)
    pixels = read_image(save(image, tmp_path / "a.png"), 1)
    assert np.abs(pixels[..., 0] * 255 - np.asarray(image.convert("L"), dtype=float)).max() <= 1
    assert np.isclose(sum(LUMA), 1)


def test_colour_stays_as_stored(tmp_path: Path) -> None:
    path = save(Image.fromarray(COLOUR), tmp_path / "a.png")
    assert np.array_equal(np.rint(read_image(path, 3) * 255), COLOUR)
    assert probe_image(path).colour


def test_white_is_one_in_every_mode(tmp_path: Path) -> None:
    for mode in ("1", "L", "LA", "P", "RGB", "RGBA"):
        path = save(Image.new("RGBA", (9, 9), "white").convert(mode), tmp_path / f"{mode}.png")
        for channels in (1, 3):
            pixels = read_image(path, channels)
            assert pixels.shape == (9, 9, channels)
            assert pixels.max() <= 1
            assert np.allclose(pixels, 1, atol=1e-6), mode


def test_one_bit(tmp_path: Path) -> None:
    path = save(Image.fromarray(GREY > 99), tmp_path / "a.bmp")
    assert np.array_equal(read_image(path, 1)[..., 0], (GREY > 99).astype(np.float32))
    assert probe_image(path).description == "1-bit"


def test_palette_means_its_colours(tmp_path: Path) -> None:
    palette = Image.fromarray(COLOUR).quantize(16)
    path = save(palette, tmp_path / "a.png")
    assert np.array_equal(np.rint(read_image(path, 3) * 255), np.asarray(palette.convert("RGB")))
    assert probe_image(path).colour
    assert probe_image(path).mode == "palette"


def test_a_palette_of_greys_is_grey(tmp_path: Path) -> None:
    path = save(Image.fromarray(GREY).quantize(16), tmp_path / "a.png")
    assert not probe_image(path).colour


@pytest.mark.parametrize("mode", ["LA", "RGBA"])
def test_transparent_pixels_lie_over_black(tmp_path: Path, mode: str) -> None:
    image = Image.fromarray(COLOUR).convert(mode)
    image.putalpha(Image.fromarray(GREY))
    path = save(image, tmp_path / "a.png")
    bands = np.asarray(image, dtype=np.float64) / 255
    expected = bands[..., :-1] * bands[..., -1:]
    assert np.allclose(read_pixels(path), expected, atol=1e-6)
    assert "alpha" in probe_image(path).mode


def test_transparent_palette_and_colour_key_lie_over_black(tmp_path: Path) -> None:
    image = Image.fromarray(GREY % 4)
    key = save(image.point(lambda v: v * 60), tmp_path / "key.png", transparency=60)
    assert read_pixels(key).squeeze()[GREY % 4 == 1].max() == 0
    assert np.isclose(read_pixels(key).squeeze()[GREY % 4 == 3].min(), 180 / 255)
    palette = Image.fromarray(GREY % 4)
    palette.putpalette([255, 0, 0, 0, 255, 0, 0, 0, 255, 255, 255, 255])
    path = save(palette, tmp_path / "p.png", transparency=bytes([0, 255, 255, 255]))
    pixels = read_pixels(path)
    assert pixels[GREY % 4 == 0].max() == 0
    assert np.array_equal(pixels[GREY % 4 == 1][0], [0, 1, 0])


def test_cmyk_is_one_minus_ink_times_one_minus_black(tmp_path: Path) -> None:
    inks = np.zeros((16, 16, 4), np.uint8)
    inks[..., 0], inks[..., 3] = 255, 51
    bands = [Image.fromarray(np.ascontiguousarray(inks[..., i])) for i in range(4)]
    path = save(Image.merge("CMYK", bands), tmp_path / "a.jpg", quality=100)
    assert np.allclose(read_image(path, 3), [0, 0.8, 0.8], atol=0.02)
    assert probe_image(path).mode == "CMYK"


def test_sixteen_bit_png_is_divided_by_65535(tmp_path: Path) -> None:
    values = RNG.integers(0, 65536, (12, 17), dtype=np.uint16)
    path = save(Image.fromarray(values), tmp_path / "a.png")
    assert np.array_equal(np.rint(read_image(path, 1)[..., 0] * 65535).astype(np.uint16), values)
    assert probe_image(path).description == "grey 16-bit"


def test_sixteen_bit_pgm_is_divided_by_65535(tmp_path: Path) -> None:
    values = RNG.integers(0, 65536, (12, 17)).astype(">u2")
    path = tmp_path / "a.pgm"
    path.write_bytes(b"P5 17 12 65535\n" + values.tobytes())
    assert np.array_equal(np.rint(read_image(path, 1)[..., 0] * 65535), values)


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("suffix", ["jpg", "png"])
def test_exif_orientation_is_applied(tmp_path: Path, orientation: int, suffix: str) -> None:
    exif = Image.Exif()
    exif[0x0112] = orientation
    path = save(Image.fromarray(GREY), tmp_path / f"a.{suffix}", exif=exif)
    with Image.open(path) as image:
        expected = np.asarray(ImageOps.exif_transpose(image))
    assert np.array_equal(np.rint(read_image(path, 1)[..., 0] * 255), expected)
    assert probe_image(path).size == expected.shape


@given(st.integers(1, 8), st.integers(1, 9), st.integers(1, 9))
def test_upright_size_is_the_size_of_upright(orientation: int, height: int, width: int) -> None:
    pixels = upright(np.zeros((height, width, 1), np.float32), orientation)
    assert pixels.shape[:2] == upright_size(height, width, orientation)


@pytest.mark.parametrize("suffix", ["png", "jpg", "bmp", "gif", "webp"])
def test_truncated_files_are_refused_by_name(tmp_path: Path, suffix: str) -> None:
    noise = Image.fromarray(RNG.integers(0, 256, (64, 64, 3), dtype=np.uint8))
    path = save(noise, tmp_path / f"cut.{suffix}")
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    with pytest.raises(ImageError, match=f"cut.{suffix}"):
        read_image(path, 1)


@given(st.data())
def test_damaged_bytes_give_an_image_or_an_image_error(data: st.DataObject) -> None:
    stream = io.BytesIO()
    Image.fromarray(GREY).save(stream, "PNG")
    content = bytearray(stream.getvalue())
    for _ in range(data.draw(st.integers(1, 4))):
        content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
    with tempfile.NamedTemporaryFile(suffix=".png") as file:
        Path(file.name).write_bytes(bytes(content))
        try:
            pixels = read_image(file.name, 1)
        except ImageError as error:
            assert file.name in str(error)
        else:
            assert 0 <= pixels.min() <= pixels.max() <= 1


def test_files_that_are_no_images(tmp_path: Path) -> None:
    (tmp_path / "empty.png").touch()
    (tmp_path / "text.png").write_text("not a picture")
    (tmp_path / "folder.png").mkdir()
    (tmp_path / "link.png").symlink_to(tmp_path / "nowhere")
    for name, reason in {
        "empty.png": "empty",
        "text.png": "not an image",
        "folder.png": "cannot be opened",
        "link.png": "no such file",
        "missing.png": "no such file",
    }.items():
        for read in (probe_image, read_pixels):
            with pytest.raises(ImageError, match=f"{name}: .*{reason}"):
                read(tmp_path / name)


def test_too_large_and_too_small_are_refused_without_warning(tmp_path: Path) -> None:
    side = int(MAX_PIXELS**0.5) + 1
    # Headers alone: reading must stop before it asks for the pixels, which are not there.
    header = b"P5 %d %d 255\n" % (side, side)
    (tmp_path / "bomb.pgm").write_bytes(header + bytes(100))
    huge = b"P5 %d %d 255\n" % (20 * side, side)
    (tmp_path / "huge.pgm").write_bytes(huge + bytes(100))
    save(Image.new("L", (1, 1)), tmp_path / "dot.png")
    for name, reason in {"bomb.pgm": "million", "huge.pgm": "pixels", "dot.png": "too small"}.items():
        for read in (probe_image, read_pixels):
            with pytest.raises(ImageError, match=f"{name}.*{reason}"):
                read(tmp_path / name)


def test_animations_are_refused(tmp_path: Path) -> None:
    frames = [Image.fromarray(GREY), Image.fromarray(255 - GREY)]
    path = save(frames[0], tmp_path / "a.gif", save_all=True, append_images=frames[1:])
    with pytest.raises(ImageError, match="2 images"):
        read_image(path, 1)


def test_the_first_picture_of_a_phone_counts(tmp_path: Path) -> None:
    path = tmp_path / "phone.jpg"
    first, second = Image.fromarray(GREY), Image.fromarray(255 - GREY)
    first.save(path, "MPO", save_all=True, append_images=[second], quality=100)
    assert np.abs(read_image(path, 1)[..., 0] * 255 - GREY).max() < 8


def test_sixteen_bit_colour_png_keeps_its_depth(tmp_path: Path) -> None:
    def chunk(kind: bytes, content: bytes) -> bytes:
        return (
            struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))
        )

    values = RNG.integers(0, 65536, (12, 17, 3)).astype(">u2")
    rows = b"".join(b"\0" + row.tobytes() for row in values)
    header = struct.pack(">IIBBBBB", 17, 12, 16, 2, 0, 0, 0)
    chunks = chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")
    (tmp_path / "a.png").write_bytes(b"\x89PNG\r\n\x1a\n" + chunks)
    assert np.array_equal(np.rint(read_image(tmp_path / "a.png", 3) * 65535), values)
    assert probe_image(tmp_path / "a.png").description == "RGB 16-bit"


def test_warnings_of_the_decoder_do_not_reach_the_user(tmp_path: Path) -> None:
    exif = b"Exif\0\0II*\0\x08\0\0\0\x05\0garbage"
    path = save(Image.fromarray(GREY), tmp_path / "a.jpg", exif=exif)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert read_image(path, 1).shape == (12, 17, 1)


def test_reading_in_threads_leaves_the_warning_filters_alone(tmp_path: Path) -> None:
    path = save(Image.fromarray(GREY), tmp_path / "a.png")
    before = list(warnings.filters)
    with ThreadPoolExecutor(4) as pool:
        results = list(pool.map(lambda _: read_image(path, 1), range(40)))
    assert warnings.filters == before
    assert all(np.array_equal(result, results[0]) for result in results)


def test_the_content_decides_not_the_ending(tmp_path: Path) -> None:
    path = tmp_path / "really_png.jpg"
    Image.fromarray(GREY).save(path, "PNG")
    assert np.array_equal(np.rint(read_image(path, 1)[..., 0] * 255), GREY)


@given(st.sampled_from([np.float32, np.float64]), st.lists(st.floats(0, 1, width=32), min_size=1))
def test_floats_within_range_stay_as_they_are(kind: type, values: list[float]) -> None:
    array: NDArray[Any] = np.array(values, kind)
    assert np.array_equal(unit_range(array, 32), array.astype(np.float32))


@pytest.mark.parametrize("channels", [1, 3])
def test_arrays_mean_what_the_same_file_means(tmp_path: Path, channels: int) -> None:
    path = save(Image.fromarray(COLOUR), tmp_path / "a.png")
    expected = read_image(path, channels)
    for array in (COLOUR, COLOUR.astype(np.uint16) * 257, COLOUR / 255):
        assert np.allclose(array_image(array, channels), expected, atol=1e-6)
    assert np.array_equal(array_image(GREY, channels), array_image(GREY[..., np.newaxis], channels))


@pytest.mark.parametrize(
    "array",
    [
        np.zeros((9, 9, 2), np.uint8),
        np.zeros(9, np.uint8),
        np.zeros((1, 3, 9, 9), np.uint8),
        np.zeros((3, 3), np.uint8),
        np.zeros((9, 9), np.int64),
        np.full((9, 9), 255.0),
    ],
)
def test_arrays_without_meaning_are_refused(array: np.ndarray) -> None:
    with pytest.raises(ImageError, match=r"An array of shape"):
        array_image(array, 1)


def test_a_pipe_is_refused_at_once(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.png")
    with pytest.raises(ImageError, match=r"pipe\.png: .*not a regular file"):
        read_image(tmp_path / "pipe.png", 1)


@pytest.mark.parametrize("bad", [np.nan, np.inf, -0.01, 1.01, 255])
def test_floats_out_of_range_are_refused(bad: float) -> None:
    with pytest.raises(RefusedError):
        unit_range(np.array([0.5, bad], np.float32), 32)


def test_a_mask_of_another_size_is_not_called_damaged(tmp_path: Path) -> None:
    Image.fromarray(np.zeros((20, 30), np.uint8)).save(tmp_path / "mask.png")
    with pytest.raises(ImageError) as refused:
        examine_mask(tmp_path / "mask.png", (16, 20))
    assert str(refused.value) == f"{tmp_path / 'mask.png'}: the mask is 30 x 20 pixels, its image 20 x 16"


def test_a_file_of_another_kind_is_told_the_kinds_that_are_read(tmp_path: Path) -> None:
    Image.fromarray(np.zeros((16, 20, 3), np.uint8)).save(tmp_path / "a.png", "TGA")
    with pytest.raises(ImageError, match=r"not an image; known are BMP, GIF, .* WebP$"):
        read_image(tmp_path / "a.png", 1)


def test_a_bitmap_file_is_found_and_read(tmp_path: Path) -> None:
    pixels = np.random.default_rng(0).integers(0, 2, (16, 20), dtype=np.uint8)
    rows = "\n".join("".join(map(str, row)) for row in pixels)
    (tmp_path / "a.pbm").write_text(f"P1\n20 16\n{rows}\n")
    (image,) = list_images(tmp_path).images
    # In a bitmap of this kind 1 is black.
    np.testing.assert_array_equal(read_image(image, 1)[..., 0], 1 - pixels)


def test_channels_of_different_kinds_in_a_tiff_file_are_named_as_the_reason(tmp_path: Path) -> None:
    tags = [(256, 3, 1, 20), (257, 3, 1, 16), (258, 3, 3, 0), (259, 3, 1, 1), (262, 3, 1, 2), (273, 4, 1, 0)]
    tags += [(277, 3, 1, 3), (278, 3, 1, 16), (279, 4, 1, 960), (339, 3, 3, 0)]
    end = 8 + 2 + 12 * len(tags) + 4
    places = {258: end, 339: end + 6, 273: end + 12}
    entries = [struct.pack("<HHII", tag, kind, n, places.get(tag, value)) for tag, kind, n, value in tags]
    head = b"II*\0" + struct.pack("<IH", 8, len(tags)) + b"".join(entries) + bytes(4)
    (tmp_path / "a.tif").write_bytes(head + struct.pack("<6H", 8, 8, 8, 1, 1, 2) + bytes(960))
    for read in (probe_image, lambda path: read_image(path, 1)):
        with pytest.raises(ImageError, match="its channels are stored in different types"):
            read(tmp_path / "a.tif")
