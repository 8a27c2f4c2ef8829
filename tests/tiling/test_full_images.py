"""Images decoded band by band hold the numbers that decoding them at once gives."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile
from numpy.typing import NDArray
from PIL import Image

from excision.data.decode import read_image
from excision.data.images import any_full_image, any_working_image
from excision.errors import ImageError
from excision.ops import bands

SIZE = (75, 90)


def values(dtype: Any, channels: int) -> NDArray[Any]:
    rng = np.random.default_rng(3)
    shape = SIZE if channels == 1 else (*SIZE, channels)
    if np.issubdtype(dtype, np.floating):
        return rng.random(shape).astype(dtype)
    return rng.integers(0, np.iinfo(dtype).max, shape, dtype=dtype, endpoint=True)


def png(array: NDArray[Any]) -> Callable[[Path], object]:
    return lambda path: Image.fromarray(array).save(path, format="PNG")


def turned(path: Path) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.fromarray(values(np.uint8, 3)).save(path, format="PNG", exif=exif)


def palette(path: Path) -> None:
    image = Image.fromarray(values(np.uint8, 3)).quantize(64)
    image.save(path, format="PNG", transparency=3)


def tiff(dtype: Any, channels: int, **options: Any) -> Callable[[Path], object]:
    kind = "rgb" if channels == 3 else "minisblack"
    return lambda path: tifffile.imwrite(path, values(dtype, channels), photometric=kind, **options)


FILES: dict[str, Callable[[Path], object]] = {
    "grey": png(values(np.uint8, 1)),
    "grey 16-bit": png(values(np.uint16, 1)),
    "colour": png(values(np.uint8, 3)),
    "alpha": png(values(np.uint8, 4)),
    "bits": lambda path: Image.fromarray(values(np.uint8, 1) > 99).save(path, format="PNG"),
    "palette": palette,
    "turned": turned,
    "tiff grey 16-bit": tiff(np.uint16, 1),
    "tiff colour 16-bit": tiff(np.uint16, 3, compression="zlib"),
    "tiff float": tiff(np.float32, 1),
    "tiff planes": lambda path: tifffile.imwrite(
        path, np.moveaxis(values(np.uint8, 3), 2, 0), photometric="rgb", planarconfig="separate"
    ),
    "tiff turned": tiff(np.uint8, 1, extratags=[(274, 3, 1, 8, True)]),
    "tiff lzw": lambda path: Image.fromarray(values(np.uint8, 3)).save(
        path, format="TIFF", compression="tiff_lzw"
    ),
}


@pytest.fixture(params=[2**22, 700, 1])
def band(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Bands of the whole image, of a few rows, and of a single one."""
    monkeypatch.setattr(bands, "BAND", request.param)


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("name", FILES)
@pytest.mark.usefixtures("band")
def test_every_kind_of_file(name: str, channels: int, tmp_path: Path) -> None:
    FILES[name](tmp_path / "image")
    whole = read_image(tmp_path / "image", channels)
    found = any_full_image(tmp_path / "image", channels)
    assert found.dtype == np.uint16
    np.testing.assert_array_equal(found, np.rint(whole * np.float32(65535)))


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("stored", [(np.uint8, 1), (np.uint16, 3), (np.float32, 1), (np.float64, 3)], ids=str)
@pytest.mark.usefixtures("band")
def test_every_kind_of_array(stored: tuple[Any, int], channels: int) -> None:
    array = values(*stored)
    np.testing.assert_array_equal(any_full_image(array, channels), any_working_image(array, SIZE, channels))


@pytest.mark.parametrize(
    "image",
    [
        7,
        "missing.png",
        np.zeros(9),
        np.zeros((0, 9)),
        np.zeros((20, 20, 2)),
        np.full((20, 20), np.nan),
        np.array(3),
    ],
    ids=["number", "missing", "line", "empty", "channels", "nan", "scalar"],
)
def test_what_is_no_image_is_refused(image: Any) -> None:
    with pytest.raises(ImageError):
        any_full_image(image, 1)


def test_damage_found_in_a_later_band_names_the_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bands, "BAND", 1000)
    array = values(np.float32, 1)
    array[70, 3] = 1.5
    tifffile.imwrite(tmp_path / "bad.tif", array)
    with pytest.raises(ImageError, match=r"bad\.tif: floating-point values must be between 0 and 1"):
        any_full_image(tmp_path / "bad.tif", 1)
