"""Strips and tiles of TIFF files: pictures within them, damage, and more content than their header says."""

from __future__ import annotations

import io
import struct
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile
from PIL import Image

from excision.data.decode import probe_image, read_image, read_pixels
from excision.data.pixels import MAX_PIXELS
from excision.errors import ImageError
from tests.data.memory import peak_growth
from tests.data.tiff_bytes import COMPRESSIONS, LZW, NONE, ZSTD, Container, compressed, joined, tiff

RNG = np.random.default_rng(2)
GREY = RNG.integers(0, 256, (24, 40, 1), dtype=np.uint8)
SMOOTH = np.add.outer(np.arange(48), np.arange(64)).astype(np.uint8)[..., np.newaxis] * np.array(
    [1, 2, 1], np.uint8
)


def put(path: Path, content: bytes) -> Path:
    path.write_bytes(content)
    return path


def header(size: tuple[int, int], compression: int, **more: Any) -> dict[int, Any]:
    tags = {256: size[1], 257: size[0], 258: 8, 259: compression, 262: 1, 277: 1, 278: size[0]}
    return tags | {int(tag[1:]): value for tag, value in more.items()}


@pytest.mark.parametrize("compression", COMPRESSIONS)
@pytest.mark.parametrize("tiles", [False, True])
def test_a_strip_that_holds_more_than_its_header_says(tmp_path: Path, compression: int, tiles: bool) -> None:
    segment = compressed(bytes(20_000_000 if compression in (8, 32946, 34925) else 300_000), compression)
    more: dict[str, Any] = {"t322": 16, "t323": 16, "t278": None} if tiles else {}
    size = (16, 16)
    path = put(tmp_path / "bomb.tif", joined([segment], header(size, compression, **more), Container()))
    if compression == NONE:
        assert read_pixels(path).shape == (16, 16, 1)
        return

    def refused() -> None:
        with pytest.raises(ImageError, match=r"bomb\.tif: strip or tile 1 .*holds more than"):
            read_pixels(path)

    assert peak_growth(refused) < 10_000_000


@pytest.mark.parametrize("compression", COMPRESSIONS)
def test_a_strip_that_holds_less_is_refused(tmp_path: Path, compression: int) -> None:
    segment = compressed(bytes(16 * 16 - 1), compression)
    path = put(tmp_path / "a.tif", joined([segment], header((16, 16), compression), Container()))
    with pytest.raises(ImageError, match=r"a\.tif: .*255 of 256 bytes"):
        read_pixels(path)


@pytest.mark.parametrize("compression", COMPRESSIONS)
def test_damaged_strips_are_refused_by_name(tmp_path: Path, compression: int) -> None:
    whole = tiff(GREY, 8, Container(compression), {262: 1})
    for keep in (len(whole) // 3, len(whole) - 30):
        with pytest.raises(ImageError, match=r"cut\.tif"):
            read_pixels(put(tmp_path / "cut.tif", whole[:keep]))


@pytest.mark.parametrize("tag", [273, 279])
def test_a_missing_strip_is_refused_and_not_black(tmp_path: Path, tag: int) -> None:
    content = tiff(GREY, 8, Container(layout="strips"), {262: 1})
    with tifffile.TiffFile(io.BytesIO(content)) as file:
        at = file.pages[0].aspage().tags[tag].valueoffset
    path = put(tmp_path / "a.tif", content[: at + 2] + bytes(2) + content[at + 4 :])
    with pytest.raises(ImageError, match=r"a\.tif: strip or tile 2 is missing"):
        read_pixels(path)


def test_a_last_strip_of_full_length_is_read(tmp_path: Path) -> None:
    full = np.pad(GREY, ((0, 1), (0, 0), (0, 0)))
    segments = [compressed(full[top : top + 5].tobytes(), 8) for top in range(0, 25, 5)]
    tags = header(GREY.shape[:2], 8, t278=5)
    path = put(tmp_path / "a.tif", joined(segments, tags, Container()))
    assert np.array_equal(np.rint(read_pixels(path) * 255), GREY)


def test_tiles_far_larger_than_the_image_are_refused(tmp_path: Path) -> None:
    tags = header((16, 16), 8, t322=2**15, t323=2**15, t278=None)
    path = put(tmp_path / "a.tif", joined([compressed(bytes(100), 8)], tags, Container()))
    for read in (probe_image, read_pixels):
        with pytest.raises(ImageError, match=r"a\.tif: its tiles of 32768 x 32768"):
            read(path)


@pytest.mark.parametrize("compression", [NONE, LZW, ZSTD, 7, 4])
def test_a_large_header_without_content_takes_no_memory(tmp_path: Path, compression: int) -> None:
    side = int(MAX_PIXELS**0.5)
    more: dict[str, Any] = {"t258": 1} if compression == 4 else {"t258": (16, 16, 16), "t277": 3, "t262": 2}
    more = more | ({"t258": (8, 8, 8)} if compression == 7 else {})
    tags = header((side, side), compression, **more)
    path = put(tmp_path / "a.tif", joined([bytes(50)], tags, Container()))

    def refused() -> None:
        with pytest.raises(ImageError, match=r"a\.tif"):
            read_pixels(path)

    # A bit of fax takes a byte while it is decoded.
    assert peak_growth(refused) < (200_000_000 if compression == 4 else 20_000_000)


@pytest.mark.parametrize("subsampling", [0, 1, 2])
@pytest.mark.parametrize("layout", ["strip", "tiles"])
def test_jpeg_strips_are_read_as_their_pictures(tmp_path: Path, subsampling: int, layout: str) -> None:
    rows, columns = (48, 64) if layout == "strip" else (16, 32)
    segments, expected = [], np.zeros(SMOOTH.shape)
    for top in range(0, 48, rows):
        for left in range(0, 64, columns):
            stream = io.BytesIO()
            part = np.ascontiguousarray(SMOOTH[top : top + rows, left : left + columns])
            Image.fromarray(part).save(stream, "JPEG", quality=90, subsampling=subsampling)
            segments.append(stream.getvalue())
            expected[top : top + rows, left : left + columns] = np.asarray(Image.open(stream))
    tags = {
        256: 64,
        257: 48,
        258: (8, 8, 8),
        259: 7,
        262: 6,
        277: 3,
        530: ((1, 1), (2, 1), (2, 2))[subsampling],
    }
    tags |= {278: 48} if layout == "strip" else {322: columns, 323: rows}
    path = put(tmp_path / "a.tif", joined(segments, tags, Container()))
    assert np.array_equal(np.rint(read_pixels(path) * 255), expected)
    assert probe_image(path).mode == "RGB"
    cut = [segment[: len(segment) // 2] for segment in segments]
    with pytest.raises(ImageError, match=r"a\.tif"):
        read_pixels(put(path, joined(cut, tags, Container())))


@pytest.mark.parametrize("order", [1, 6])
def test_rgb_in_jpeg_strips_stays_rgb(tmp_path: Path, order: int) -> None:
    tifffile.imwrite(
        tmp_path / "a.tif", SMOOTH, photometric="rgb", compression="jpeg", compressionargs={"level": 100}
    )
    Image.fromarray(SMOOTH).save(tmp_path / "b.tif", compression="jpeg", quality=100, tiffinfo={274: order})
    for name in ("a.tif", "b.tif"):
        turned = np.rot90(SMOOTH, -1) if (name, order) == ("b.tif", 6) else SMOOTH
        assert np.abs(read_pixels(tmp_path / name) * 255 - turned).max() < 6


def test_a_jpeg_strip_of_another_size_is_refused(tmp_path: Path) -> None:
    stream = io.BytesIO()
    Image.new("L", (5000, 5000)).save(stream, "JPEG")
    path = put(tmp_path / "a.tif", joined([stream.getvalue()], header((16, 16), 7), Container()))
    with pytest.raises(ImageError, match=r"a\.tif: a strip or tile is a picture of 5000 x 5000"):
        read_pixels(path)


@pytest.mark.parametrize("compression", [6, 34712, 34887, 50002, 32809, 1234])
def test_compressions_without_a_reader_are_named(tmp_path: Path, compression: int) -> None:
    path = put(tmp_path / "a.tif", joined([bytes(256)], header((16, 16), compression), Container()))
    for read in (probe_image, read_pixels):
        with pytest.raises(ImageError, match=rf"a\.tif: .*{compression}|a\.tif: "):
            read(path)


@pytest.mark.parametrize("codec", ["group3", "group4", "tiff_ccitt"])
@pytest.mark.parametrize("inverted", [False, True])
def test_fax(tmp_path: Path, codec: str, inverted: bool) -> None:
    bits = np.add.outer(np.arange(24), np.arange(41)) % 7 < 3
    info = {262: 0 if inverted else 1}
    Image.fromarray(bits).save(tmp_path / "a.tif", compression=codec, tiffinfo=info)
    assert np.array_equal(read_image(tmp_path / "a.tif", 1)[..., 0], bits)


@pytest.mark.parametrize(("scale", "name"), [(1, "old"), (256, "upper"), (257, "full")])
def test_palettes_of_8_bits_are_those_of_png(tmp_path: Path, scale: int, name: str) -> None:
    colours = RNG.integers(0, 256, (256, 3))
    colours[:2] = [[0, 0, 0], [255, 255, 255]]
    tags = {262: 3, 320: tuple(int(v) for v in (colours.T * scale).ravel())}
    path = put(tmp_path / f"{name}.tif", tiff(GREY, 8, Container(LZW), tags))
    assert np.array_equal(np.rint(read_pixels(path) * 255), colours[GREY[..., 0]])
    assert probe_image(path).colour
    tags[320] = tuple(int(v) for v in (colours[:, :1].repeat(3, axis=1).T * scale).ravel())
    assert not probe_image(put(path, tiff(GREY, 8, Container(LZW), tags))).colour


def test_a_single_page_that_is_marked_as_reduced_is_the_image(tmp_path: Path) -> None:
    path = put(tmp_path / "a.tif", tiff(GREY, 8, Container(), {262: 1, 254: 1}))
    assert np.array_equal(np.rint(read_pixels(path) * 255), GREY)
    assert probe_image(path).size == GREY.shape[:2]


@pytest.mark.parametrize("photometric", [None, 4, 8, 32803, 7777])
def test_colours_without_a_reader_are_refused_alike(tmp_path: Path, photometric: int | None) -> None:
    said = set()
    for compression in COMPRESSIONS:
        path = put(tmp_path / "a.tif", tiff(GREY, 8, Container(compression), {262: photometric}))
        for read in (probe_image, read_pixels):
            with pytest.raises(ImageError, match=r"a\.tif: its colours") as error:
                read(path)
            said.add(str(error.value))
    assert len(said) == 1


def test_channels_of_different_types_are_refused(tmp_path: Path) -> None:
    colours = np.dstack([GREY] * 3)
    for tags, reason in (
        ({258: (5, 6, 5)}, "its channels are stored in different types"),
        ({339: (1, 1, 3)}, ""),
    ):
        path = put(tmp_path / "a.tif", tiff(colours, 8, Container(), {262: 2} | tags))
        with pytest.raises(ImageError, match=rf"a\.tif: {reason}"):
            read_pixels(path)


def test_bits_in_reverse_order(tmp_path: Path) -> None:
    reverse = bytes(int(f"{value:08b}"[::-1], 2) for value in range(256))
    for compression in (NONE, LZW, 8):
        segment = compressed(GREY.tobytes(), compression).translate(reverse)
        tags = header(GREY.shape[:2], compression, t266=2)
        path = put(tmp_path / "a.tif", joined([segment], tags, Container()))
        assert np.array_equal(np.rint(read_pixels(path) * 255), GREY)


def test_a_directory_of_a_million_values_is_not_believed(tmp_path: Path) -> None:
    content = tiff(GREY, 8, Container(), {262: 1, 270: tuple(b"x" * 9)})
    at = content.index(struct.pack("<HH", 270, 3))
    path = put(tmp_path / "a.tif", content[: at + 4] + struct.pack("<I", 2**31) + content[at + 8 :])

    def read() -> None:
        try:
            read_pixels(path)
        except ImageError as error:
            assert "a.tif" in str(error)

    assert peak_growth(read) < 20_000_000
